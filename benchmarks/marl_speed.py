"""Environment steps a second of a team and of single-agent PPO, learning included: ``python benchmarks/marl_speed.py``.

One step is one design evaluated. Both run in one process on one thread and take turns, so that the ratio does not
depend on what else the machine does; the simulator's own time counts for both; the mean over the turns is printed.
"""

from __future__ import annotations

import time

import numpy as np

from archgym import make_problem
from archgym.rollout import run_search

BUDGET, TURNS = 160, 2
PROBLEMS = (
    ("DRAMEnv-v0", "cloud-1", "joint"),
    ("SoCEnv-v0", "SOC_example_8p", "latency-power-area"),
    ("SoCEnv-v0", "edge_detection", "latency-power-area"),
)


def rate(problem, agent: str, seed: int) -> float:
    """Steps a second of CPU time; both agents learn in batches of 16 designs."""
    start = time.process_time()
    run_search(problem, agent, budget=BUDGET, seed=seed, hyperparameters={"batch_size": 16})
    return BUDGET / (time.process_time() - start)


def main() -> None:
    for id, workload, objective in PROBLEMS:
        problem = make_problem(id, workload=workload, objective=objective)
        for agent in ("mappo", "coma", "ppo"):  # imports and compilation
            rate(problem, agent, 99)
        turns = [[rate(problem, agent, seed) for agent in ("mappo", "coma", "ppo")] for seed in range(TURNS)]
        team, credit, single = np.mean(turns, axis=0)
        print(
            f"{workload}, {len(problem.space)} parameters: mappo {team:.0f}, coma {credit:.0f}, ppo {single:.0f} steps/s; "
            f"mappo / ppo {team / single:.2f}, coma / ppo {credit / single:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
