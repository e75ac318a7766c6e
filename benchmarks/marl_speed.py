"""Environment steps a second of teams and of single-agent PPO, learning included: ``python benchmarks/marl_speed.py``.

One step is one design evaluated. All run in one process on one thread and take turns, so that the ratios do not depend on what
else the machine does; the simulator's own time counts for all; the mean over the turns is printed. PPO runs twice: as this
package's agent, whose policy is one tensor, and with the distribution that Stable-Baselines3 gives it.
"""

from __future__ import annotations

import time

import numpy as np

from archgym import make_problem
from archgym.agents import make_agent
from archgym.rollout import Evaluator

BUDGET, TURNS = 160, 3
PROBLEMS = (
    ("DRAMEnv-v0", "cloud-1", "joint"),
    ("SoCEnv-v0", "SOC_example_8p", "latency-power-area"),
    ("SoCEnv-v0", "edge_detection", "latency-power-area"),
)
LIBRARY = "ppo, the library's distribution"
#: label -> agent and hyperparameters
LEARNERS = {
    "mappo": ("mappo", {"batch_size": 16}),
    "coma": ("coma", {"batch_size": 16}),
    "coordination, batches of 16": ("coordination", {"batch_size": 16}),
    "coordination, one at a time": ("coordination", {}),
    "ppo": ("ppo", {"batch_size": 16}),
    LIBRARY: ("ppo", {"batch_size": 16}),
}


def rate(problem, label: str, seed: int) -> float:
    """Steps a second of CPU time."""
    from stable_baselines3.common.distributions import MultiCategoricalDistribution

    name, settings = LEARNERS[label]
    start = time.process_time()
    agent = make_agent(name, problem.space, seed, settings)
    if label == LIBRARY:
        policy = agent.learner.model.policy
        policy.action_dist = MultiCategoricalDistribution(policy.action_dist.action_dims)
    agent.run(Evaluator(problem, BUDGET))
    return BUDGET / (time.process_time() - start)


def main() -> None:
    for id, workload, objective in PROBLEMS:
        problem = make_problem(id, workload=workload, objective=objective)
        for label in LEARNERS:  # imports and compilation
            rate(problem, label, 99)
        turns = [[rate(problem, label, seed) for label in LEARNERS] for seed in range(TURNS)]
        rates = dict(zip(LEARNERS, np.mean(turns, axis=0), strict=True))
        print(f"\n{id}, {workload}, {len(problem.space)} parameters")
        for label, steps in rates.items():
            print(f"  {label:32} {steps:6.0f} steps/s, {steps / rates['ppo']:5.2f} of ppo, "
                  f"{steps / rates[LIBRARY]:5.2f} of the library's", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
