"""``proxy-active``: designs chosen by uncertainty against designs drawn at random.

All rules of a seed are judged by the same held-out designs: by all of them, and by those **new** to every proxy of the
seed, none of which has seen a design that behaves the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.problem import Problem
from archgym.proxy.active import RULES, Round, active_learning
from archgym.proxy.samples import Samples
from archgym.proxy.studies.common import GAUSSIAN, Outcome, Scale, Tell, percent, simulated, truth
from archgym.report.style import BLUE, ORANGE, new_figure, save

TARGETS = ("mean_latency_s", "average_power_W")
START, BATCH, BUDGET, POOL, JUDGES = 500, 500, 3000, 6000, 4000
WORKLOADS = ("stream", "random", "cloud-1")  # the loop was worked out on cloud-2
COLOURS = {"random": ORANGE, "uncertainty": BLUE}


def run(scale: Scale, tell: Tell) -> Outcome:
    rows: list[dict[str, Any]] = []
    for workload in WORKLOADS if scale.share == 1.0 else WORKLOADS[:1]:
        problem = truth("DRAMEnv-v0", workload)
        judges = simulated(problem, TARGETS, scale.of(JUDGES), 1, judging=True)
        for seed in range(scale.seeds):
            found = {}
            for rule in RULES:
                found[rule] = active_learning(
                    problem, TARGETS, GAUSSIAN, scale.of(START), scale.of(BATCH), scale.of(BUDGET), rule, POOL, seed,
                    members=1,
                )  # fmt: skip
                tell(f"{workload}, seed {seed}, {rule}: {found[rule][-1].rows:,} simulations")
            mine = judged(problem, judges, found)
            rows += [{"workload": workload, "seed": seed, **row} for row in mine]
            tell(f"{workload}, seed {seed}: " + "; ".join(
                f"{row['rule']} {row['metric']} {row['relative_rmse']:.2%} (new {row['new_relative_rmse']:.2%})"
                for row in mine if row["simulations"] == scale.of(BUDGET)))  # fmt: skip
    return Outcome("proxy-active", rows, _findings(rows), lambda stem: _draw(rows, stem))


def judged(problem: Problem, judges: Samples, found: dict[str, list[Round]]) -> list[dict[str, Any]]:
    """Each round's error by rule and metric: of all judges, and of those new to every proxy of ``found``."""
    answers = {
        name: [entry.proxy(judges.designs, problem.workload) for entry in rounds] for name, rounds in found.items()
    }
    rows = []
    for target, true in zip(TARGETS, judges.targets.T, strict=True):
        size = float(np.mean(np.abs(true)))
        known = [answer.extras[f"known.{target}"] for rounds in answers.values() for answer in rounds]
        new = ~np.any(known, axis=0)

        def error(squares: NDArray[np.float64], size: float = size) -> float:
            return float(np.sqrt(np.mean(squares))) / size if len(squares) else float("nan")

        for name, rounds in found.items():
            for entry, answer in zip(rounds, answers[name], strict=True):
                square = (answer[target] - true) ** 2
                rows.append(
                    {
                        "rule": name, "metric": target, "simulations": entry.rows, "judges": len(true),
                        "relative_rmse": error(square), "new": int(new.sum()), "new_relative_rmse": error(square[new]),
                        "recalled": int(answer.extras[f"known.{target}"].sum()),
                    }
                )  # fmt: skip
    return rows


def needed(rows: list[dict[str, Any]], rule: str, column: str) -> int | None:
    """The fewest simulations from which a rule's error stays at or below that of all simulations of ``random``.

    Args:
        rows: of one workload, seed and metric.
    """
    aim = max((row["simulations"], row[column]) for row in rows if row["rule"] == "random")[1]
    mine = sorted((row["simulations"], row[column]) for row in rows if row["rule"] == rule)
    above = [number for number, (_, value) in enumerate(mine) if not value <= aim]
    first = above[-1] + 1 if above else 0
    return mine[first][0] if first < len(mine) else None


def _findings(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for workload in dict.fromkeys(row["workload"] for row in rows):
        for target in TARGETS:
            some = [row for row in rows if (row["workload"], row["metric"]) == (workload, target)]
            seeds = sorted({row["seed"] for row in some})
            for column, which in (("relative_rmse", "all held-out designs"), ("new_relative_rmse", "new designs")):
                counts = [needed([row for row in some if row["seed"] == seed], "uncertainty", column) for seed in seeds]
                told = ", ".join(f"{count:,}" if count else "not met" for count in counts)
                most = max(row["simulations"] for row in some)
                ends = [row[column] for row in some if row["rule"] == "random" and row["simulations"] == most]
                lines.append(
                    f"{workload}, {target} of {which}: {most:,} random simulations give {percent(min(ends))} to "
                    f"{percent(max(ends))}; chosen simulations for the same error, by seed: {told}"
                )
    return lines


def _draw(rows: list[dict[str, Any]], stem: Path) -> list[Path]:
    workloads = list(dict.fromkeys(row["workload"] for row in rows))
    figure, axes = new_figure(4.2 * len(workloads) + 0.6, 6.4, len(TARGETS), len(workloads))
    for line, target in zip(np.reshape(axes, (len(TARGETS), len(workloads))), TARGETS, strict=True):
        for axis, workload in zip(line, workloads, strict=True):
            for rule, colour in COLOURS.items():
                mine = [row for row in rows
                        if (row["workload"], row["metric"], row["rule"]) == (workload, target, rule)]  # fmt: skip
                sizes = sorted({row["simulations"] for row in mine})
                errors = [[100 * row["new_relative_rmse"] for row in mine if row["simulations"] == n] for n in sizes]
                middle = [float(np.exp(np.mean(np.log(values)))) for values in errors]
                axis.plot(sizes, middle, "o-", color=colour, markersize=3.5, label=rule)
                axis.fill_between(sizes, np.min(errors, axis=1), np.max(errors, axis=1), color=colour, alpha=0.15)
            axis.set(yscale="log", title=f"{target.rsplit('_', 1)[0].replace('_', ' ')}, {workload}")
    for axis in np.ravel(axes)[-len(workloads) :]:
        axis.set_xlabel("simulations")
    for axis in np.ravel(axes)[:: len(workloads)]:
        axis.set_ylabel("relative RMSE of new designs (%)")
    np.ravel(axes)[0].legend(fontsize=8)
    return save(figure, stem)
