"""How near the DNN models come to their references: prints the tables of the assumptions page.

    python -m benchmarks.dnn_fidelity

Timeloop runs (counts, cycles, energies), SCALE-Sim runs (cycles), and CACTI rows held back from interpolation.
"""

from __future__ import annotations

import csv
import gzip
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from archgym.simulators.dnn.components import SramTable
from archgym.simulators.dnn.model import evaluate
from archgym.simulators.dnn.simulate import parse_case, report
from archgym.simulators.dnn.systolic import systolic_cost

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "dnn"
COUNTS = ("reads_per_instance", "fills_per_instance", "updates_per_instance", "tile_size", "partition_size")
ROUNDING = 0.00501
"""Half of the last digit that Timeloop prints, in fJ a multiply-accumulate or pJ."""


def golden(name: str) -> Any:
    """A golden file's content."""
    return json.loads(gzip.decompress((GOLDEN / f"{name}.json.gz").read_bytes()))


def timeloop(name: str) -> None:
    rows = equal = cycles = energies = 0
    cases = golden(name)["cases"]
    for case in cases:
        architecture, layer, mapping = parse_case(case)
        found, expected = report(architecture, layer, evaluate(architecture, layer, mapping)), case["result"]
        cycles += found["cycles"] == expected["cycles"]
        levels = {level["name"]: level for level in found["levels"]}
        near = True
        for level in expected["levels"]:
            for tensor, row in level.get("tensors", {}).items():
                mine = levels[level["name"]]["tensors"][tensor]
                rows += 1
                equal += all(mine[key] == row[key] for key in COUNTS)
                near &= abs(mine["energy_total_pJ"] - row["energy_total_pJ"]) < ROUNDING
        energies += near
    print(f"| {name} | {len(cases)} | {equal} of {rows} | {cycles} of {len(cases)} | {energies} of {len(cases)} |")


def scale_sim() -> None:
    equal, runs = 0, golden("scalesim_runs")["runs"]
    for run in runs:
        sizes, result = run["gemm"], run["result"]
        cost = systolic_cost(sizes["M"], sizes["N"], sizes["K"], run["array_rows"], run["array_cols"], run["dataflow"])
        equal += int(cost.reported_cycles) == result["total_cycles"] - result["stall_cycles"]
    print(f"\nSCALE-Sim: cycles without stalls equal on {equal} of {len(runs)} runs.")


def held_back_rows() -> None:
    with (files("archgym.simulators.dnn") / "data" / "cacti_sram.csv").open() as lines:
        table = list(csv.DictReader(lines))
    errors = []
    for row in table:
        node, banks = int(row["technology_nm"]), int(row["banks"])
        width, capacity = int(row["word_bits"]), int(row["capacity_bytes"])
        edge = width in (8, 512) or capacity >= 2**22 or capacity <= (2**16 if banks > 1 else 8 * width)
        if edge:
            continue
        found = SramTable(node, without=[(node, banks, width, capacity)]).look_up(capacity, width, banks)
        true = [float(row[k]) for k in ("read_energy_pJ", "write_energy_pJ", "leakage_mW_per_bank", "area_mm2")]
        mine = [found.read_pJ, found.write_pJ, found.leakage_mW / banks, found.area_um2 / 1e6]
        errors.append(np.abs(np.array(mine) / np.array(true) - 1))
    measured = np.array(errors)
    print(f"\n{len(errors)} inner CACTI rows, each interpolated without itself:\n")
    print("| quantity | median error | 90th percentile | largest |\n| --- | --- | --- | --- |")
    for column, name in enumerate(("read energy", "write energy", "leakage", "area")):
        own = measured[:, column]
        print(f"| {name} | {np.median(own):.1%} | {np.quantile(own, 0.9):.1%} | {own.max():.0%} |")


def main() -> None:
    print("| runs | cases | counts equal | cycles equal | energies within print rounding |")
    print("| --- | --- | --- | --- | --- |")
    timeloop("timeloop_cases")
    timeloop("accelergy_designs")
    scale_sim()
    held_back_rows()


if __name__ == "__main__":
    main()
