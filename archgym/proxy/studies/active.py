"""``proxy-active``: designs chosen by uncertainty against designs drawn at random.

The error is over all held-out designs, which are the same for both; what a proxy recalls depends on what it learnt from, and
the error of its new designs stands beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from archgym.proxy.active import RULES, active_learning
from archgym.proxy.simulator import Proxy
from archgym.proxy.studies.common import GAUSSIAN, Outcome, Scale, Tell, simulated, truth
from archgym.report.style import BLUE, ORANGE, new_figure, save

TARGETS = ("mean_latency_s",)
START, BATCH, BUDGET, POOL = 500, 500, 4000, 6000
WORKLOADS = ("stream", "random", "cloud-1")


def run(scale: Scale, tell: Tell) -> Outcome:
    rows: list[dict[str, Any]] = []
    for workload in WORKLOADS if scale.share == 1.0 else WORKLOADS[:1]:
        problem = truth("DRAMEnv-v0", workload)
        judges = simulated(problem, TARGETS, 4000, 1, judging=True)

        def judge(proxy: Proxy, problem: Any = problem, judges: Any = judges) -> dict[str, float]:
            found, errors = proxy(judges.designs, problem.workload), {}
            for name, true in zip(TARGETS, judges.targets.T, strict=True):
                square, new = (found[name] - true) ** 2, ~found.extras[f"known.{name}"]
                errors[name] = float(np.sqrt(np.mean(square)) / np.mean(true))
                errors[f"new.{name}"] = float(np.sqrt(np.mean(square[new])) / np.mean(true)) if new.any() else 0.0
            return errors

        for rule in RULES:
            for seed in range(scale.seeds):
                rounds = active_learning(
                    problem, TARGETS, GAUSSIAN, scale.of(START), scale.of(BATCH), scale.of(BUDGET), rule, POOL, seed,
                    members=3, judge=judge,
                )  # fmt: skip
                for entry in rounds:
                    rows.append({"workload": workload, "rule": rule, "seed": seed, "simulations": entry.rows,
                                 **{f"relative_rmse.{name}": value for name, value in entry.errors.items()}})  # fmt: skip
                tell(f"{workload}, {rule}, seed {seed}: {rows[-1]['relative_rmse.mean_latency_s']:.3%} "
                     f"after {rows[-1]['simulations']:,} simulations")  # fmt: skip
    return Outcome("proxy-active", rows, _findings(rows), lambda stem: _draw(rows, stem))


def _curve(rows: list[dict[str, Any]], workload: str, rule: str) -> tuple[list[int], list[float]]:
    """Simulations, and the geometric mean of the seeds' errors."""
    mine = [row for row in rows if (row["workload"], row["rule"]) == (workload, rule)]
    sizes = sorted({row["simulations"] for row in mine})
    column = f"relative_rmse.{TARGETS[0]}"
    means = [float(np.exp(np.mean([np.log(row[column]) for row in mine if row["simulations"] == n]))) for n in sizes]
    return sizes, means


def _findings(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for workload in dict.fromkeys(row["workload"] for row in rows):
        sizes, drawn = _curve(rows, workload, "random")
        asked, chosen = _curve(rows, workload, "uncertainty")
        met = [n for n, value in zip(asked, chosen, strict=True) if value <= drawn[-1]]
        told = f"after {met[0]:,} simulations ({met[0] / sizes[-1]:.0%})" if met else "not within as many"
        lines.append(f"{workload}: the error of {sizes[-1]:,} random designs ({drawn[-1]:.3%}) is met by choice {told}")
    return lines


def _draw(rows: list[dict[str, Any]], stem: Path) -> list[Path]:
    workloads = list(dict.fromkeys(row["workload"] for row in rows))
    figure, axes = new_figure(4.2 * len(workloads) + 0.6, 3.8, 1, len(workloads))
    for axis, workload in zip(np.ravel(axes), workloads, strict=True):
        for rule, colour, label in (
            ("random", ORANGE, "drawn at random"),
            ("uncertainty", BLUE, "chosen by uncertainty"),
        ):
            sizes, errors = _curve(rows, workload, rule)
            axis.plot(sizes, [100 * value for value in errors], "o-", color=colour, markersize=3.5, label=label)
        axis.set(yscale="log", xlabel="simulations", ylabel="relative RMSE (%)", title=workload)
        axis.legend(fontsize=8)
    figure.suptitle("Mean latency of DRAMEnv-v0 designs that no training sees")
    return save(figure, stem)
