"""``proxy-size``: error against the number of simulated designs.

Designs to judge by are held out, but some behave as a training design does (a parameter that differs does nothing) and
are recalled rather than predicted. The error is of the others, the new ones; the recalled share stands beside it.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from archgym.proxy.studies.common import (
    BOOSTING,
    COLOURS,
    DRAM,
    DRAM_TARGETS,
    GAUSSIAN,
    PUBLISHED,
    Outcome,
    Scale,
    Tell,
    fit,
    new_and_recalled,
    simulated,
    truth,
)
from archgym.report.style import GREY, new_figure, save

_MEMORY = (500, 1000, 2000, 4000, 8000, 16_000, 32_000)
_OTHERS = (500, 1000, 2000, 4000, 8000, 16_000)
#: problem, workload, targets, sizes
CASES: tuple[tuple[str, str, tuple[str, ...], tuple[int, ...]], ...] = (
    *(("DRAMEnv-v0", workload, DRAM_TARGETS, _MEMORY) for workload in DRAM),
    ("SoCEnv-v0", "audio_decoder", ("latency_s", "power_W", "area_m2"), _OTHERS),
    ("SystolicEnv-v0", "resnet18", ("latency_s", "energy_J", "average_power_W"), _OTHERS),
    ("DNNEnv-v0", "alexnet", ("latency_s", "energy_J", "area_m2"), (250, 500, 1000, 2000)),
)
#: line style of each
MODELS = {"gaussian": (GAUSSIAN, "-"), "boosting": (BOOSTING, ":")}
#: designs to judge by: enough that some are new when most behave as a training design does
JUDGES = 20_000


def run(scale: Scale, tell: Tell) -> Outcome:
    rows: list[dict[str, Any]] = []
    for id, workload, targets, sizes in CASES:
        problem = truth(id, workload)
        judges = simulated(problem, targets, scale.of(judges_of(id, sizes)), 1, judging=True)
        every = simulated(problem, targets, scale.of(max(sizes)), 0)
        for size in sizes:
            some = every.take(slice_of(scale.of(size), len(every)))
            for (number, target), name in itertools.product(enumerate(targets), MODELS):
                model = fit(problem, some, number, candidate=MODELS[name][0])
                new, recalled = new_and_recalled(problem, model, judges, number)
                rows.append(
                    {
                        "problem": id, "workload": workload, "metric": target, "model": name, "designs": len(some),
                        "relative_rmse": new.relative_rmse, "judged_on": new.designs,
                        "recalled_relative_rmse": recalled.relative_rmse, "recalled": recalled.designs,
                        "recalled_share": recalled.designs / len(judges), "different_forms": len(model.memory),
                        "rules": len(model.structure),
                    }
                )  # fmt: skip
            last = rows[-len(targets) * len(MODELS) :]
            told = ", ".join(f"{row['metric']} {row['relative_rmse']:.3%} ({row['model']})" for row in last)
            tell(f"{id} on {workload}, {len(some):,} designs: {told}")
    return Outcome("proxy-size", rows, _findings(rows), lambda stem: _draw(rows, stem))


def judges_of(id: str, sizes: tuple[int, ...]) -> int:
    """Many where results are looked up, a quarter of the training designs where each is simulated."""
    return JUDGES if id == "DRAMEnv-v0" else max(sizes) // 4


def slice_of(count: int, length: int) -> Any:
    import numpy as np

    return np.arange(min(count, length))


def _findings(rows: list[dict[str, Any]]) -> list[str]:
    """For each metric on each workload: the fewest designs at which the published error is met, and the least error."""
    lines = []
    for key in dict.fromkeys((row["problem"], row["workload"], row["metric"], row["model"]) for row in rows):
        mine = [row for row in rows if (row["problem"], row["workload"], row["metric"], row["model"]) == key]
        # From where on it stays met, not where it is met by luck once.
        met = [row["designs"] for k, row in enumerate(mine) if all(r["relative_rmse"] <= PUBLISHED for r in mine[k:])]
        last = mine[-1]
        reached = f"{PUBLISHED:.2%} reached with {met[0]:,} designs" if met else f"{PUBLISHED:.2%} not reached"
        lines.append(
            f"{' '.join(key)}: {reached}; {last['relative_rmse']:.3%} with {last['designs']:,} "
            f"on {last['judged_on']:,} new designs ({last['recalled_share']:.0%} of those held out were recalled)"
        )
    return lines


def _draw(rows: list[dict[str, Any]], stem: Path) -> list[Path]:
    places = list(dict.fromkeys((row["problem"], row["workload"]) for row in rows))
    columns = 4
    figure, axes = new_figure(14.0, 3.4 * -(-len(places) // columns), -(-len(places) // columns), columns)
    flat = axes.ravel()
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    colours = dict(zip(metrics, COLOURS, strict=False))
    for axis, (problem, workload) in zip(flat, places, strict=False):
        for metric, (model, (_, style)) in itertools.product(metrics, MODELS.items()):
            key = (problem, workload, metric, model)
            mine = [row for row in rows if (row["problem"], row["workload"], row["metric"], row["model"]) == key]
            if mine:
                label = _plain(metric) if model == "gaussian" else None
                axis.plot([row["designs"] for row in mine], [100 * row["relative_rmse"] for row in mine], f"o{style}",
                          color=colours[metric], markersize=3.5, label=label)  # fmt: skip
        axis.axhline(100 * PUBLISHED, color=GREY, linestyle="--", linewidth=1)
        axis.set(xscale="log", yscale="log", title=f"{problem} on {workload}", xlabel="simulated designs")
        sizes = sorted({row["designs"] for row in rows if (row["problem"], row["workload"]) == (problem, workload)})
        axis.set_xticks(sizes[::2], [f"{size:,}" for size in sizes[::2]])
        axis.minorticks_off()
        axis.set_ylabel("relative RMSE (%)")
        axis.legend(fontsize=8)
    for axis in flat[len(places) :]:
        axis.set_axis_off()
    figure.suptitle(
        "Error on new designs: Gaussian process (solid) and gradient boosting (dotted); "
        f"dashed: {PUBLISHED:.2%}, published for ArchGym's proxy",
        fontsize=11,
    )
    return save(figure, stem)


def _plain(metric: str) -> str:
    return metric.rsplit("_", 1)[0].replace("_", " ")
