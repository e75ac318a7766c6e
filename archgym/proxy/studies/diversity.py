"""``proxy-diversity``: the mixed logs of many agents against equally many rows of each agent alone.

Errors are of new designs: held-out ones that behave as no training design does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from archgym.dataset.coverage import design_hash
from archgym.problem import Problem
from archgym.proxy.samples import Samples, held_out
from archgym.proxy.studies.common import Outcome, Scale, Tell, fit, new_and_recalled, simulated, truth
from archgym.report.style import BLUE, ORANGE, new_figure, save
from archgym.rollout import run_search

AGENTS = ("random", "walker", "hillclimb", "annealing", "ga", "aco")
TARGETS = ("mean_latency_s", "average_power_W", "energy_J")
ROWS = 3600


def run(scale: Scale, tell: Tell) -> Outcome:
    problem = truth("DRAMEnv-v0", "cloud-1", "joint")
    judges = simulated(problem, TARGETS, 4000, 1, judging=True)
    good = judges.take(problem.evaluate(judges.designs).reward >= _best_tenth(problem))
    rows: list[dict[str, Any]] = []
    for seed in range(scale.seeds):
        budget = scale.of(ROWS // len(AGENTS))
        logs = {
            agent: [_log(problem, agent, budget, seed * len(AGENTS) + run) for run in range(len(AGENTS))]
            for agent in AGENTS
        }
        sets = {agent: np.concatenate(runs) for agent, runs in logs.items()}
        sets["all six, mixed"] = np.concatenate([runs[0] for runs in logs.values()])
        for name, designs in sets.items():
            some = _samples(problem, designs)
            for number, target in enumerate(TARGETS):
                model = fit(problem, some, number)
                every, best = (
                    new_and_recalled(problem, model, some_judges, number)[0] for some_judges in (judges, good)
                )
                rows.append(
                    {
                        "data": name, "seed": seed, "metric": target, "rows": len(designs),
                        "different_designs": len(some), "relative_rmse": every.relative_rmse,
                        "new": every.designs, "relative_rmse_of_good": best.relative_rmse, "new_of_good": best.designs,
                    }
                )  # fmt: skip
            tell(f"seed {seed}, {name}: {len(some):,} different designs, "
                 + ", ".join(f"{row['metric']} {row['relative_rmse']:.2%}" for row in rows[-len(TARGETS) :]))  # fmt: skip
    return Outcome("proxy-diversity", rows, _findings(rows), lambda stem: _draw(rows, stem))


def _best_tenth(problem: Problem) -> float:
    """The reward that a tenth of all designs reach."""
    drawn = problem.space.sample(np.random.default_rng(0), 4000)
    return float(np.quantile(problem.evaluate(drawn).reward, 0.9))


def _log(problem: Problem, agent: str, budget: int, seed: int) -> Any:
    return run_search(problem, agent, budget, seed).designs


def _samples(problem: Problem, designs: Any) -> Samples:
    """The different ones of an agent's designs that are not held out, with their metrics."""
    from archgym.proxy.active import simulate

    _, first = np.unique(design_hash(designs), return_index=True)
    different = designs[np.sort(first)]
    return simulate(problem, TARGETS, different[~held_out(different)])


def _mean(rows: list[dict[str, Any]], name: str, target: str, column: str) -> float:
    return float(np.nanmean([row[column] for row in rows if (row["data"], row["metric"]) == (name, target)]))


def _findings(rows: list[dict[str, Any]]) -> list[str]:
    lines, names = [], list(dict.fromkeys(row["data"] for row in rows))
    for target in TARGETS:
        for column, where in (("relative_rmse", "all designs"), ("relative_rmse_of_good", "the best tenth")):
            values = {name: _mean(rows, name, target, column) for name in names}
            order = sorted(values, key=values.__getitem__)
            told = ", ".join(f"{name} {values[name]:.2%}" for name in order)
            lines.append(f"{target}, error on {where}: {told}")
    return lines


def _draw(rows: list[dict[str, Any]], stem: Path) -> list[Path]:
    names = list(dict.fromkeys(row["data"] for row in rows))
    figure, axes = new_figure(13.0, 3.8, 1, len(TARGETS))
    for axis, target in zip(axes, TARGETS, strict=True):
        for offset, column, colour, label in ((-0.2, "relative_rmse", BLUE, "all held-out designs"),
                                              (0.2, "relative_rmse_of_good", ORANGE, "the best tenth of them")):  # fmt: skip
            values = [100 * _mean(rows, name, target, column) for name in names]
            axis.barh(np.arange(len(names)) + offset, values, 0.38, color=colour, label=label)
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set(title=target.rsplit("_", 1)[0].replace("_", " "), xlabel="relative RMSE (%)", xscale="log")
    axes[0].legend(fontsize=8, loc="lower right")
    figure.suptitle(
        f"Trained on {max(row['rows'] for row in rows):,} logged rows of each agent, or of all together (cloud-1)"
    )
    return save(figure, stem)
