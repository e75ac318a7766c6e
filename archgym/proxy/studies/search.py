"""``proxy-search``: agents search a proxy, and its best designs are checked on the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from archgym.proxy.active import problem_manifest
from archgym.proxy.studies.common import GAUSSIAN, Outcome, Scale, Tell, simulated, truth
from archgym.proxy.train import train_on
from archgym.registry import make_problem
from archgym.report.style import BLUE, GREEN, ORANGE, new_figure, save
from archgym.rollout import run_search

AGENTS = ("random", "hillclimb", "annealing", "ga")
SIZES = (250, 500, 1000, 2000)
ON_PROXY, CHECKED = 5000, 10
WORKLOAD = "cloud-1"


def run(scale: Scale, tell: Tell) -> Outcome:
    rows: list[dict[str, Any]] = []
    problem = truth("DRAMEnv-v0", WORKLOAD, "joint")
    optimum = _optimum(problem)
    targets = tuple(problem.objective.metrics)
    for seed in range(scale.seeds):
        for size in SIZES:
            learnt = simulated(problem, targets, scale.of(size), seed)
            choices = dict.fromkeys(targets, GAUSSIAN)
            proxy = train_on(learnt, problem_manifest(problem), targets, members=1, choices=choices, calibrated=False)
            stand_in = make_problem("DRAMEnv-v0", problem.workload, "joint", proxy)
            spent = len(learnt) + CHECKED
            for agent in AGENTS:
                on_proxy = run_search(stand_in, agent, scale.of(ON_PROXY), seed)
                _, first = np.unique(on_proxy.designs, axis=0, return_index=True)
                best = first[np.argsort(-on_proxy.reward[first], kind="stable")][:CHECKED]
                checked = problem.evaluate(on_proxy.designs[best]).reward
                direct = run_search(problem, agent, spent, seed)
                rows.append(
                    {
                        "agent": agent, "seed": seed, "simulations": spent, "optimum": optimum,
                        "on_proxy": float(checked.max()), "on_proxy_first": float(checked[0]),
                        "proxy_said": float(on_proxy.reward.max()), "on_simulator": float(direct.reward.max()),
                    }
                )  # fmt: skip
                tell(f"seed {seed}, {spent:,} simulations, {agent}: {rows[-1]['on_proxy']:.4f} by the proxy, "
                     f"{rows[-1]['on_simulator']:.4f} on the simulator, optimum {optimum:.4f}")  # fmt: skip
    return Outcome("proxy-search", rows, _findings(rows), lambda stem: _draw(rows, stem))


def _optimum(problem: Any) -> float:
    """The best reward of the whole space where it is tabulated, else NaN."""
    from archgym.simulators.table import TableSimulator

    if not isinstance(problem.simulator, TableSimulator):
        return float("nan")
    return float(problem.simulator.standing(problem.objective).rewards.max())


def _mean(rows: list[dict[str, Any]], agent: str, spent: int, column: str) -> float:
    """Mean shortfall from the optimum."""
    mine = [row for row in rows if (row["agent"], row["simulations"]) == (agent, spent)]
    return float(np.mean([row["optimum"] - row[column] for row in mine]))


def _findings(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for spent in dict.fromkeys(row["simulations"] for row in rows):
        told = [
            f"{agent} {_mean(rows, agent, spent, 'on_proxy'):.4f} / {_mean(rows, agent, spent, 'on_simulator'):.4f}"
            for agent in AGENTS
        ]
        lines.append(
            f"{spent:,} simulations, shortfall from the optimum by proxy / on the simulator: {', '.join(told)}"
        )
    return lines


def _draw(rows: list[dict[str, Any]], stem: Path) -> list[Path]:
    figure, axes = new_figure(13.0, 3.4, 1, len(AGENTS))
    spent = list(dict.fromkeys(row["simulations"] for row in rows))
    for axis, agent in zip(axes, AGENTS, strict=True):
        for column, colour, label in (("on_simulator", ORANGE, "searching the simulator"),
                                      ("on_proxy_first", GREEN, "the proxy's best design"),
                                      ("on_proxy", BLUE, f"the best of its {CHECKED} best")):  # fmt: skip
            axis.plot(
                spent, [_mean(rows, agent, n, column) for n in spent], "o-", color=colour, markersize=4, label=label
            )
        axis.set(title=agent, xscale="log", xlabel="simulations (training and checks)")
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("shortfall from the optimum (reward)")
    axes[0].legend(fontsize=8)
    figure.suptitle(f"DRAMEnv-v0 on {WORKLOAD}, objective joint: true reward of what is found")
    return save(figure, stem)
