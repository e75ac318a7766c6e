"""Time of one SoC simulation against the size of its task graph: ``python benchmarks/soc_scaling.py [picture.png]``.

Each graph runs on random designs of 3 cores, 4 memories, 4 buses and an accelerator a task. The exponents are slopes of
the logarithm of CPU time over that of tasks, and over that of tasks times phases; 1 is linear. A phase costs time only for
the tasks that run in it, not for all there are, so that time grows more slowly than tasks times phases.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from archgym.simulators.soc.arrays import graph_arrays
from archgym.simulators.soc.generators import KINDS, Knobs, generate
from archgym.simulators.soc.model import simulate_batch
from archgym.simulators.soc.simulator import make_soc
from archgym.simulators.soc.workloads import graph_workload

SIZES = (8, 16, 32, 64, 128, 256, 512)


def measure(kind: str, tasks: int) -> tuple[float, float]:
    """CPU seconds and phases a design."""
    simulator = make_soc(graph_workload(generate(kind, Knobs(tasks=tasks, width=8, seed=1))))
    rows = max(8, 4096 // tasks)
    batch = simulator.decoder.batch(simulator.space.sample(np.random.default_rng(0), rows))
    graph, kinds = graph_arrays(simulator.graph), simulator.decoder.catalogue
    times = []
    for _ in range(3):
        start = time.process_time()
        totals, _ = simulate_batch(graph, kinds, batch, threads=1)
        times.append(time.process_time() - start)
    return min(times) / rows, float(totals.value[:, -1].mean())


def exponent(sizes: list[float], curve: list[tuple[int, float, float]]) -> float:
    """Slope of the logarithm of CPU time over that of the size."""
    return float(np.polyfit(np.log(sizes), np.log([seconds for _, seconds, _ in curve]), 1)[0])


def main() -> None:
    curves = {}
    for kind in KINDS:
        measure(kind, 8)
        curves[kind] = [(tasks, *measure(kind, tasks)) for tasks in SIZES]
        over_tasks = exponent([tasks for tasks, _, _ in curves[kind]], curves[kind])
        over_both = exponent([tasks * phases for tasks, _, phases in curves[kind]], curves[kind])
        print(f"{kind}: time ~ tasks^{over_tasks:.2f} ~ (tasks x phases)^{over_both:.2f}")
        for tasks, seconds, phases in curves[kind]:
            product = tasks * phases
            print(
                f"  {tasks:>5} tasks {phases:>7.1f} phases {1e6 * seconds:>10.1f} us  {1e9 * seconds / product:>8.1f} ns a task and phase"
            )
    if len(sys.argv) > 1:
        draw(curves, sys.argv[1])


def draw(curves: dict[str, list[tuple[int, float, float]]], path: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    sizes = {"tasks": lambda tasks, phases: tasks, "tasks × phases": lambda tasks, phases: tasks * phases}
    for axes, (label, size) in zip((left, right), sizes.items(), strict=True):
        for kind, curve in curves.items():
            axes.loglog(
                [size(t, p) for t, _, p in curve], [1e6 * s for _, s, _ in curve], "o-", label=kind, markersize=4
            )
        ends = np.array([min(size(t, p) for c in curves.values() for t, _, p in c), max(size(t, p) for c in curves.values() for t, _, p in c)])  # fmt: skip
        first, most = (end(1e6 * s for c in curves.values() for _, s, _ in c) for end in (min, max))
        line = first * ends / ends[0]
        axes.loglog(ends, line, "--", color="grey", label="linear")
        axes.set_ylim(0.7 * first, 1.5 * most)
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    left.set_ylabel("CPU time of one design, µs")
    left.legend(frameon=False)
    figure.suptitle("SoC simulation of synthetic task graphs")
    figure.savefig(path)


if __name__ == "__main__":
    main()
