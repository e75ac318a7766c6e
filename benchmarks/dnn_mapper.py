"""How good and how fast the mapper is: against timeloop-mapper's best mappings, and a whole network in one call.

    python -m benchmarks.dnn_mapper [--seeds N] [--all-layers]

First table: energy x cycles over timeloop-mapper's on the same architecture, constraints and objective, worst of the
seeds, with CPU time as a share of its own. Second: AlexNet's five convolutions mapped on an Eyeriss-like chip, warm.
Third: over the optimum of all mappings, on layers small enough to try them all. With ``--all-layers``: every layer of the
shipped networks on both reference architectures, over the best of longer searches (minutes).
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from archgym.simulators.dnn.architecture import Architecture
from archgym.simulators.dnn.exhaustive import best_mapping
from archgym.simulators.dnn.layer import Layer, convolution, depthwise, gemm
from archgym.simulators.dnn.mapper import OBJECTIVES, find_mapping, map_network
from archgym.simulators.dnn.model import Cost
from archgym.simulators.dnn.templates import load_template
from archgym.simulators.dnn.workloads import NETWORKS, load_network

QUALITY = Path(__file__).parents[1] / "tests" / "golden" / "dnn" / "mapper_quality.json.gz"
ALEXNET = (
    convolution((55, 55), 96, 3, (11, 11), (4, 4), name="conv1"),
    convolution((27, 27), 256, 96, (5, 5), groups=2, name="conv2"),
    convolution((13, 13), 384, 256, (3, 3), name="conv3"),
    convolution((13, 13), 384, 384, (3, 3), groups=2, name="conv4"),
    convolution((13, 13), 256, 384, (3, 3), groups=2, name="conv5"),
)


@dataclass(frozen=True)
class ReferenceRow:
    """One search of timeloop-mapper: what it searched, energy x cycles of its best mapping, its CPU seconds."""

    architecture: Architecture
    layer: Layer
    rules: Sequence[Mapping[str, Any]]
    product: float
    cpu_s: float


def reference_rows() -> Iterator[ReferenceRow]:
    """All searches of the reference file."""
    data = json.loads(gzip.decompress(QUALITY.read_bytes()))
    for row in data["results"]:
        layer = Layer.from_json(row["shape"], row["layer"])
        energy = float(row["energy_fJ_per_compute"]) / 1e3 * layer.macs
        yield ReferenceRow(
            Architecture.from_json(data["architectures"][row["arch"]], row["arch"]), layer,
            data["constraints"][row["arch"]], energy * row["cycles"], row["cpu_s"],
        )  # fmt: skip


def against_timeloop_mapper(seeds: int) -> None:
    print("| architecture | layer | budget | energy x cycles over timeloop-mapper's | CPU s | share of its CPU time |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in reference_rows():
        for budget in (2000, 20000):
            ratios, spent = [], []
            for seed in range(seeds):
                start = time.process_time()
                cost = find_mapping(row.architecture, row.layer, row.rules, budget=budget, seed=seed).cost
                spent.append(time.process_time() - start)
                ratios.append(cost.energy_pJ * cost.cycles / row.product)
            seconds = float(np.median(spent))
            print(
                f"| {row.architecture.name} | {row.layer.name} | {budget} | {np.median(ratios):.3f} (worst {max(ratios):.3f}) "
                f"| {seconds:.3f} | 1/{row.cpu_s / seconds:,.0f} |"
            )


def whole_network(seeds: int) -> None:
    template = load_template("eyeriss_like")
    best = map_network(template.architecture, ALEXNET, template.rules, budget=40000, threads=1)
    least = sum(m.cost.energy_pJ for m in best) * sum(m.cost.cycles for m in best)
    print("\n| evaluations a layer | CPU ms for AlexNet's 5 layers | energy x cycles over that of 40,000 evaluations |")
    print("| --- | --- | --- |")
    for budget in (500, 1000, 2000, 4000):
        spent, ratios = [], []
        for seed in range(seeds):
            start = time.process_time()
            found = map_network(template.architecture, ALEXNET, template.rules, budget=budget, seed=seed, threads=1)
            spent.append(1e3 * (time.process_time() - start))
            ratios.append(sum(m.cost.energy_pJ for m in found) * sum(m.cost.cycles for m in found) / least)
        print(f"| {budget} | {np.median(spent):.1f} | {np.median(ratios):.3f} (worst {max(ratios):.3f}) |")


def against_all_mappings(seeds: int) -> None:
    unified = load_template("unified").architecture
    small = replace(
        unified.with_level("RF", words=16, mesh_x=2, mesh_y=2).with_level("GLB", words=96), name="small",
        arithmetic=replace(unified.arithmetic, mesh_x=2, mesh_y=2),
    )  # fmt: skip
    rules = [{"target": "GLB", "type": "datatype", "keep": ["Weights", "Inputs", "Outputs"]}]
    layers = (
        gemm(4, 6, 4, name="gemm 4x6x4"),
        convolution((4, 1), 2, 4, (3, 1), name="convolution 3, 4 out, 4 to 2"),
        convolution((4, 2), 2, 2, (2, 2), (2, 1), name="strided 2x2, 4x2 out"),
        depthwise((6, 2), 4, (3, 1), name="depthwise 3, 6x2 out, 4"),
    )
    print("\n| layer | objective | mappings in all | over the optimum at 2000 evaluations | at 20,000 |")
    print("| --- | --- | --- | --- | --- |")
    for layer in layers:
        for objective in OBJECTIVES:
            optimum = best_mapping(small, layer, rules, objective)
            cells = []
            for budget in (2000, 20000):
                found = [find_mapping(small, layer, rules, objective, budget, seed).cost for seed in range(seeds)]
                ratios = [value(cost, objective) / value(optimum.cost, objective) for cost in found]
                cells.append(f"{np.median(ratios):.4f} (worst {max(ratios):.4f})")
            print(f"| {layer.name} | {objective} | {optimum.evaluations:,} | {cells[0]} | {cells[1]} |")


def every_layer() -> None:
    settings = {row.architecture.name: row for row in reference_rows()}
    layers = dict.fromkeys(layer for name in NETWORKS for layer in load_network(name).layers)
    print(
        "\n| architecture | layers | 20,000 evaluations over the best of 100,000: median | 90th percentile | worst | on |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name, row in settings.items():
        ratios = []
        for layer in layers:
            found = [
                find_mapping(row.architecture, layer, row.rules, budget=budget, seed=seed).cost
                for budget, seed in ((20_000, 0), (20_000, 1), (100_000, 10))
            ]
            products = [cost.energy_pJ * cost.cycles for cost in found]
            ratios.append(max(products[:2]) / min(products))
        worst = list(layers)[int(np.argmax(ratios))].name
        print(
            f"| {name} | {len(layers)} | {np.median(ratios):.3f} | {np.quantile(ratios, 0.9):.3f} | {max(ratios):.3f} "
            f"| {worst} |"
        )


def value(cost: Cost, objective: str) -> float:
    """What a mapper objective minimises."""
    return {"edp": cost.energy_pJ * cost.cycles, "energy": cost.energy_pJ, "latency": cost.cycles}[objective]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--all-layers", action="store_true")
    args = parser.parse_args()
    seeds = args.seeds
    row = next(reference_rows())
    find_mapping(row.architecture, row.layer, row.rules, budget=10)  # compile or load the kernels
    against_timeloop_mapper(seeds)
    whole_network(seeds)
    against_all_mappings(seeds)
    if args.all_layers:
        every_layer()


if __name__ == "__main__":
    main()
