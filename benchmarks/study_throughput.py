"""How fast a study goes by table: runs a second, microseconds an evaluation and bytes a run, for each agent.

The space has the memory controller's 442,368 designs with made-up results, so that only the study, the agents
and the look-up are measured. CPU time of one process; run alone: python benchmarks/study_throughput.py [AGENT …]
"""

from __future__ import annotations

import sys
import tempfile
import time

import numpy as np

from archgym.metrics import Metric
from archgym.objective import Minimise
from archgym.registry import Family, register
from archgym.simulators.table import TableSimulator
from archgym.space import Space, ordinal
from archgym.study import Agents, Options, Problems, Store, Study, run_study
from archgym.workload import Workload

LEVELS = (4, 3, 3, 8, 2, 2, 4, 4, 3, 8)
BUDGET, RUNS = 1000, 6
SPACE = Space("made-up", tuple(ordinal(f"p{k}", range(levels)) for k, levels in enumerate(LEVELS)))
METRICS = (Metric("time_s", "s", "min"), Metric("energy_J", "J", "min"), Metric("power_W", "W", "min"))


def made_up_table() -> TableSimulator:
    rng = np.random.default_rng(0)
    different = 20_000
    index = rng.integers(0, different, SPACE.size).astype(np.int32)
    results = np.exp(rng.normal(size=(different, len(METRICS))))
    return TableSimulator(
        "made-up", 1, SPACE, METRICS, "one", "0" * 64, index, results, np.ones(different, bool), ("",) * different
    )


TABLE = made_up_table()


def simulator() -> TableSimulator:
    return TABLE


class Workloads:
    def names(self) -> tuple[str, ...]:
        return ("one",)

    def load(self, name: str) -> Workload:
        return Workload("made-up", "one", "0" * 64, None)


FAMILY = Family(
    "MadeUp-v0", "made up", "__main__:simulator", "__main__:WORKLOADS", {"time": Minimise(("time_s",))}, "one"
)
WORKLOADS = Workloads()


def look_up() -> None:
    designs = SPACE.sample(np.random.default_rng(0), 100_000)
    workload = WORKLOADS.load("one")
    TABLE(designs[:10], workload)
    began = time.process_time()
    for _ in range(10):
        TABLE(designs, workload)
    spent = (time.process_time() - began) / 10
    print(f"look-up of 100,000 designs: {1e6 * spent / len(designs):.3f} µs a design")


def main() -> None:
    register(FAMILY)
    look_up()
    settings = {"aco": {"ants": (2, 10, 64)}, "ga": {"population": (2, 20, 64)}}
    print(f"{'agent':12s} {'runs/s':>8s} {'µs/evaluation':>14s} {'bytes/run':>10s}   ({BUDGET} evaluations a run)")
    for name in sys.argv[1:] or ("random", "walker", "ga", "nsga2", "aco", "annealing", "hillclimb"):
        grid = settings.get(name, {})
        agents = Agents(name, grid=grid, seeds=tuple(range(RUNS // max(1, len(next(iter(grid.values()), [0]))))))
        study = Study("throughput", (Problems("MadeUp-v0"),), (agents,), BUDGET)
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            report = run_study(study, folder, Options(executor="serial"))
            spent = time.process_time() - began
            size = sum(record.length for record in Store(folder).runs.values()) / report.ran
        print(f"{name:12s} {report.ran / spent:8.2f} {1e6 * spent / report.ran / BUDGET:14.0f} {size:10.0f}")


if __name__ == "__main__":
    main()
