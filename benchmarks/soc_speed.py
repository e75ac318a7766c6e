"""SoC designs per CPU second on one core, against FARSI: ``python benchmarks/soc_speed.py``.

The designs are FARSI's own random ones (tests/golden/soc). FARSI's speeds are those measured on them with its
memory tables warm, one core: 17.7, 36.1 and 32.6 designs per CPU second.
"""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import numpy as np

from archgym.simulators.soc.arrays import Batch, graph_arrays
from archgym.simulators.soc.design import pack, read_design
from archgym.simulators.soc.model import FIDELITIES, simulate_batch
from archgym.simulators.soc.simulator import make_soc
from archgym.simulators.soc.workloads import SOURCE

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "soc"
FARSI = {"audio_decoder": 17.7, "hpvm_cava": 36.1, "edge_detection": 32.6}
TARGET = 500
ROWS = 20_000


def cpu_seconds(work, repeats=3):
    """The least CPU time of several calls, after one to compile."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    print(f"{'workload':<16} {'fidelity':<10} {'designs/CPU s':>14} {'FARSI':>7} {'ratio':>8}   target {TARGET}")
    for name, farsi in FARSI.items():
        workload = SOURCE.load(name)
        with gzip.open(GOLDEN / f"reference_{name}.json.gz") as file:
            documents = json.load(file)["designs"]
        kinds, batch = pack([read_design(document, workload.data) for document in documents])
        rows = np.arange(ROWS) % len(documents)
        many = Batch(*(array[rows] for array in batch))
        graph = graph_arrays(workload.data)
        for fidelity in FIDELITIES:
            rate = ROWS / cpu_seconds(lambda: simulate_batch(graph, kinds, many, fidelity, threads=1))  # noqa: B023
            verdict = "ok" if rate / farsi >= TARGET else "BELOW TARGET"
            print(f"{name:<16} {fidelity:<10} {rate:>14.0f} {farsi:>7.1f} {rate / farsi:>8.0f}   {verdict}")
    print(f"\n{'as an environment':<27} {'designs/CPU s':>14}   (decoding, simulating, columns; uniform designs)")
    for name in FARSI:
        workload = SOURCE.load(name)
        simulator = make_soc(workload)
        designs = simulator.space.sample(np.random.default_rng(0), ROWS)
        rate = ROWS / cpu_seconds(lambda: simulator(designs, workload))  # noqa: B023
        one = 1 / cpu_seconds(lambda: [simulator(designs[n : n + 1], workload) for n in range(200)]) * 200  # noqa: B023
        print(f"{name:<27} {rate:>14.0f}   one at a time {one:.0f}")


if __name__ == "__main__":
    main()
