"""Mappings a CPU second of the DNN cost model on one core, as ratios to timeloop-mapper's valid mappings.

    python -m benchmarks.dnn_speed [--mappings N]

Two settings, random valid mappings of the same kind as timeloop-mapper draws: a unified array of 256 elements, and
Eyeriss with 168 under row-stationary constraints. Checking that each row is a mapping is included. The reference rates
are one thread's of timeloop-mapper, algorithm random_pruned, on other machines of this class.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from archgym.simulators.dnn.mapper import random_mappings
from archgym.simulators.dnn.model import evaluate_batch
from benchmarks.dnn_mapper import reference_rows

TIMELOOP_MAPPER_PER_S = {"3level_16x16": 1170, "eyeriss168": 96}
LAYER = "resnet18_conv4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mappings", type=int, default=100_000)
    count = parser.parse_args().mappings
    print("| setting | mappings | share that fits | mappings/CPU s | timeloop-mapper | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in reference_rows():
        if row.layer.name != LAYER:
            continue
        drawn = random_mappings(row.architecture, row.layer, row.rules, count)
        fits = evaluate_batch(row.architecture, row.layer, drawn, threads=1).feasible
        valid = drawn.take(np.resize(np.flatnonzero(fits), count))
        rates = []
        for _ in range(5):
            start = time.process_time()
            evaluate_batch(row.architecture, row.layer, valid, threads=1)
            rates.append(count / (time.process_time() - start))
        name, reference = row.architecture.name, TIMELOOP_MAPPER_PER_S[row.architecture.name]
        rate = float(np.median(rates))
        print(f"| {name} | {count} | {fits.mean():.1%} | {rate:,.0f} | {reference} | {rate / reference:,.0f}x |")


if __name__ == "__main__":
    main()
