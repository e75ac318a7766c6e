"""The DNN environments: CPU time an evaluation, and how many uniform designs are feasible.

    python -m benchmarks.dnn_environments [--samples N] [--hardware N]

First table: mappings of single layers (N = 10,000 uniform designs a row), with factors that go outwards where they have
no room, and without. Second: whole networks (N = 100 designs a row), every layer mapped. CPU time is of this process, on
one thread.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np

from archgym import make_problem
from archgym.problem import Problem

LAYERS = ("resnet18/conv2_1a", "resnet50/conv4_1_3x3", "mobilenetv2/b2_dw", "bert-base-512/ffn1", "bert-base-512/qk^T")
ARCHITECTURES = ("unified", "eyeriss_like", "weight_stationary", "output_stationary", "simba_like")
NETWORKS = (
    ("DNNEnv-v0", "alexnet"), ("DNNEnv-v0", "resnet18"), ("DNNEnv-v0", "mobilenetv2"), ("DNNCoDesignEnv-v0", "alexnet"),
    ("DNNCoDesignEnv-v0", "bert-base-128"), ("SystolicEnv-v0", "resnet18"),
)  # fmt: skip


def measure(problem: Problem, count: int, seed: int = 0) -> tuple[float, float, str]:
    """CPU seconds an evaluation, share of feasible designs, and the commonest reason of the others."""
    designs = problem.space.sample(np.random.default_rng(seed), count)
    problem.simulator(designs[:2], problem.workload)  # compiles
    start = time.process_time()
    metrics = problem.simulator(designs, problem.workload)
    spent = time.process_time() - start
    reasons = Counter(reason.split(":")[0] for reason in metrics.reasons if reason)
    return spent / count, float(metrics.feasible.mean()), reasons.most_common(1)[0][0] if reasons else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000, help="mappings a row")
    parser.add_argument("--hardware", type=int, default=100, help="hardware designs a row")
    options = parser.parse_args()
    head = f"{'layer':<22} {'architecture':<18} {'overflow':<11} {'designs':>9} {'feasible':>9} {'us each':>8}  first reason"
    print(head)
    for layer in LAYERS:
        for architecture in ARCHITECTURES if layer == LAYERS[0] else ARCHITECTURES[:2]:
            for overflow in ("outwards", "infeasible"):
                problem = make_problem(
                    "DNNMappingEnv-v0", layer, architecture=architecture, overflow=overflow, threads=1
                )
                each, share, reason = measure(problem, options.samples)
                size = f"{float(problem.space.size):.1e}"
                print(
                    f"{layer:<22} {architecture:<18} {overflow:<11} {size:>9} {100 * share:8.2f}% {1e6 * each:8.1f}  {reason}"
                )
    print(f"\n{'environment':<20} {'network':<14} {'feasible':>9} {'ms each':>8}  first reason")
    for id, network in NETWORKS:
        problem = make_problem(id, network, **({} if id == "SystolicEnv-v0" else {"threads": 1}))
        each, share, reason = measure(problem, options.hardware)
        print(f"{id:<20} {network:<14} {100 * share:8.1f}% {1e3 * each:8.2f}  {reason}")


if __name__ == "__main__":
    main()
