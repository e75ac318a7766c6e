"""Mappings a CPU second of the DNN cost model on one core, as ratios to timeloop-mapper's valid mappings.

    python -m benchmarks.dnn_speed [--mappings N]

Two settings: a unified array of 256 elements, and Eyeriss with 168 under row-stationary constraints, both on ResNet-18's
conv4. First random mappings that fit and keep to the rules; then, so that the rate does not hang on how these are drawn,
the mappings of the reference runs on the same architectures, each many times over: the slowest of them. All counts,
cycles and energies are worked out, and checking that each row is a mapping is included. The reference rates are one
thread's of timeloop-mapper, algorithm random_pruned, on other machines of this class (33 to 96 a second on Eyeriss). Last
a batch on one core and on all.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path

import numpy as np

from archgym.simulators.batch import default_threads
from archgym.simulators.dnn.architecture import Architecture
from archgym.simulators.dnn.layer import Layer
from archgym.simulators.dnn.mapper import random_mappings
from archgym.simulators.dnn.mapping import MappingArrays, pack
from archgym.simulators.dnn.model import evaluate_batch
from archgym.simulators.dnn.simulate import parse_case
from benchmarks.dnn_mapper import reference_rows

CASES = Path(__file__).parents[1] / "tests" / "golden" / "dnn" / "timeloop_cases.json.gz"
TIMELOOP_MAPPER_PER_S = {"3level_16x16": 1170, "eyeriss168": 96}
LAYER = "resnet18_conv4"


def rate(architecture: Architecture, layer: Layer, valid: MappingArrays) -> float:
    """Mappings a CPU second, median of five."""
    rates = []
    for _ in range(5):
        start = time.process_time()
        found = evaluate_batch(architecture, layer, valid, threads=1)
        rates.append(valid.rows / (time.process_time() - start))
        assert found.feasible.all()
    return float(np.median(rates))


def show(setting: str, mappings: str, found: float, reference: float) -> None:
    print(f"| {setting} | {mappings} | {found:,.0f} | {reference:,.0f} | {found / reference:,.0f}x |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mappings", type=int, default=100_000)
    count = parser.parse_args().mappings
    print("| setting | mappings | mappings/CPU s | timeloop-mapper | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for row in reference_rows():
        if row.layer.name != LAYER:
            continue
        drawn = random_mappings(row.architecture, row.layer, row.rules, count)
        fits = evaluate_batch(row.architecture, row.layer, drawn, threads=1).feasible
        valid = drawn.take(np.resize(np.flatnonzero(fits), count))
        name = row.architecture.name
        show(name, f"{count} random", rate(row.architecture, row.layer, valid), TIMELOOP_MAPPER_PER_S[name])
    for name, reference in TIMELOOP_MAPPER_PER_S.items():
        cases = [
            parse_case(c) for c in json.loads(gzip.decompress(CASES.read_bytes()))["cases"] if c["arch_name"] == name
        ]
        copies = np.zeros(count // 4, np.int64)
        slowest = min(rate(arch, layer, pack([mapping]).take(copies)) for arch, layer, mapping in cases)
        show(name, f"slowest of {len(cases)} reference mappings", slowest, reference)
    architecture, layer, mapping = cases[0]
    batch = pack([mapping]).take(np.zeros(4 * count, np.int64))
    for threads in (1, default_threads()):
        start = time.perf_counter()
        evaluate_batch(architecture, layer, batch, threads=threads)
        per_s = batch.rows / (time.perf_counter() - start)
        print(f"\n{threads} thread(s): {per_s:,.0f} mappings a second of wall time")


if __name__ == "__main__":
    main()
