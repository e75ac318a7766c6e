"""What an agent itself costs: microseconds of ask and tell an evaluation, and the time of one ask on many points.

python -m benchmarks.agent_overhead
"""

from __future__ import annotations

import time

import numpy as np

from archgym.agents import make_agent
from archgym.agents.base import Agent
from archgym.problem import Problem
from benchmarks.agents import problem

BATCH = 64
EVALUATIONS = 64 * 40
POINTS = 2000


def microseconds(problem: Problem, name: str) -> float:
    """Median over batches of the time of ask and tell, without the simulator, for one evaluation."""
    agent = make_agent(name, problem.space, 1)
    spent = []
    for _ in range(EVALUATIONS // BATCH):
        began = time.perf_counter()
        designs = agent.ask(BATCH)
        asked = time.perf_counter()
        told = problem.evaluate(designs)
        again = time.perf_counter()
        agent.tell(told)
        spent.append(asked - began + time.perf_counter() - again)
    return 1e6 * float(np.median(spent)) / BATCH


def seconds_of_an_ask(problem: Problem, agent: Agent, points: int, repeats: int = 5) -> list[float]:
    """Of the agent's own batch, after ``points`` designs, each time with one batch more."""
    agent.tell(problem.evaluate(problem.space.sample(np.random.default_rng(1), points)))
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        designs = agent.ask(agent.batch_size)
        spent.append(time.perf_counter() - began)
        agent.tell(problem.evaluate(designs))
    return spent


def main() -> None:
    for place in ("choices/0", "mixed/0", "dram-cloud", "soc-audio"):
        chosen = problem(place)
        costs = [f"{name} {microseconds(chosen, name):.1f}" for name in ("random", "ga", "aco", "annealing")]
        print(f"{place} ({len(chosen.space)} parameters), microseconds in batches of {BATCH}: {', '.join(costs)}")
    chosen = problem("mixed/0")
    for name in ("bo", "gp", "sae"):
        first, *others = seconds_of_an_ask(chosen, make_agent(name, chosen.space, 1), POINTS)
        print(f"{name}: first ask at {POINTS} points {first:.3f} s, then {max(others):.3f} s at most")


if __name__ == "__main__":
    main()
