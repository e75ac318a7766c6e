"""Evaluations until a SoC meets its budgets, by agent: ``python benchmarks/soc_search.py [--budget N] [--seeds N]``.

FARSI's own search needed 71, 71 and 72 evaluations (one run each). The problem is ``SoCEnv-v0`` with objective
``budgets``; every agent starts without knowledge of it, the bottleneck agent from the default design, as FARSI does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

import numpy as np

from archgym.agents import BUILT_IN, make_agent
from archgym.agents.bottleneck import BottleneckSearch
from archgym.problem import Problem
from archgym.simulators.soc import OBJECTIVES
from archgym.simulators.soc.simulator import make_limited, make_soc
from archgym.simulators.soc.workloads import SOURCE

FARSI = {"audio_decoder": 71, "hpvm_cava": 71, "edge_detection": 72}
TOGETHER = "audio_decoder+hpvm_cava+edge_detection"
AGENTS = ("bottleneck", "random", "ga", "aco")


def problem_for(workload: str, fidelity: str) -> Problem:
    work = SOURCE.load(workload)
    return Problem("SoCEnv-v0", make_soc(work, fidelity), work, "budgets", OBJECTIVES["budgets"])


class Solved(Exception):
    """All budgets are met."""


class Counter:
    """Counts evaluations and stops an agent at the first design that meets all budgets."""

    def __init__(self, problem: Problem, budget: int) -> None:
        self.problem, self.space, self.remaining, self.best = problem, problem.space, budget, 0.0
        self.used = 0
        self.solution = problem.space.default

    def __call__(self, designs):
        evaluation = self.problem.evaluate(designs[: self.remaining])
        met = np.flatnonzero(evaluation.reward >= 1.0)
        self.best = max(self.best, float(evaluation.reward.max()))
        if len(met):
            self.used += int(met[0]) + 1
            self.solution = evaluation.designs[met[0]]
            raise Solved
        self.used += len(evaluation)
        self.remaining -= len(evaluation)
        return evaluation


def evaluations(problem: Problem, agent: str, seed: int, budget: int) -> tuple[float, float]:
    """Evaluations used (infinite if the budget did not suffice) and the best reward."""
    if agent == "bottleneck":
        searcher = BottleneckSearch(problem.space, seed)
    else:
        searcher = make_agent(agent, problem.space, seed)
    counter = Counter(problem, budget)
    try:
        searcher.run(counter)
    except Solved:
        return counter.used, 1.0
    return np.inf, counter.best


def show_design(problem: Problem, folder: str | None) -> None:
    """A design that meets all budgets, by number and, in ``folder``, as a file for ``archgym simulate soc-design``."""
    counter = Counter(problem, 1000)
    with contextlib.suppress(Solved):
        BottleneckSearch(problem.space, 0).run(counter)
    if counter.best < 1:
        print(f"  no design found in {counter.used} evaluations")
        return
    found = problem.evaluate(counter.solution)
    shares = zip(problem.objective.metrics, problem.objective.limits, strict=True)
    text = ", ".join(f"{name} {found.metrics[name][0]:.4g} of {limit:.4g}" for name, limit in shares)
    print(f"  a design found in {counter.used} evaluations: {text}")
    if folder:
        path = Path(folder) / f"{problem.workload.name}.json"
        path.write_text(json.dumps(problem.simulator.design(counter.solution).to_json(), indent=1) + "\n")


REASONS = {
    "bus linked to itself": "linked to itself",
    "memory on two buses": "has 2 links",
    "memory on three buses": "has 3 links",
    "task on another's accelerator": "accelerator of another task",
    "data in a memory without a bus": "has 0 links",
    "no route": "disconnected",
    "cycle": "has a cycle",
}


def show_limited() -> None:
    """Feasible share, best reward, and why the others are infeasible, of 100,000 uniform designs of ``SoCLimitedEnv-v0``."""
    for workload in FARSI:
        work = SOURCE.load(workload)
        problem = Problem("SoCLimitedEnv-v0", make_limited(work), work, "budgets", OBJECTIVES["budgets"])
        found = problem.evaluate(problem.space.sample(np.random.default_rng(0), 100_000))
        print(f"{workload:<16} feasible {found.metrics.feasible.mean():.4%}, best reward {found.reward.max():.4f}")
        bad = [why for why in found.metrics.reasons if why]
        for name, mark in REASONS.items():
            print(f"  {name:<32} {sum(mark in why for why in bad) / len(found):.2%}")
        print(
            f"  {'anything else':<32} {sum(not any(m in why for m in REASONS.values()) for why in bad) / len(found):.2%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--fidelity", default="physical", choices=("physical", "farsi"))
    parser.add_argument("--designs", metavar="FOLDER", help="write the designs found there")
    parser.add_argument("--limited", action="store_true", help="only show how much of ArchGym's own space is feasible")
    options = parser.parse_args()
    if options.limited:
        show_limited()
        return
    print("share of 10,000 uniform designs that are feasible, and that meet all budgets")
    for workload in (*FARSI, TOGETHER):
        problem = problem_for(workload, options.fidelity)
        found = problem.evaluate(problem.space.sample(np.random.default_rng(0), 10_000))
        print(f"  {workload:<40} {found.metrics.feasible.mean():.4f}  {(found.reward >= 1).mean():.4f}")
    print(
        f"\nevaluations until all budgets are met: median (least, most) of {options.seeds} seeds, at most {options.budget}"
    )
    for workload in (*FARSI, TOGETHER):
        problem = problem_for(workload, options.fidelity)
        print(f"{workload}: FARSI's own search {FARSI.get(workload, 'not measured')}")
        show_design(problem, options.designs)
        for agent in AGENTS:
            if agent not in BUILT_IN and agent != "bottleneck":
                continue
            runs = [evaluations(problem, agent, seed, options.budget) for seed in range(options.seeds)]
            used = sorted(count for count, _ in runs)
            solved = sum(np.isfinite(used))
            median = (used[(len(used) - 1) // 2] + used[len(used) // 2]) / 2
            shown = [f"{n:.0f}" if np.isfinite(n) else f">{options.budget}" for n in (median, used[0], used[-1])]
            text = f"{shown[0]} ({shown[1]}, {shown[2]})" if solved else "never"
            best = (
                f", best rewards {min(b for _, b in runs):.3f} to {max(b for _, b in runs):.3f}"
                if solved < len(runs)
                else ""
            )
            print(f"  {agent:<11} {text:<24} met in {solved} of {len(runs)}{best}")


if __name__ == "__main__":
    main()
