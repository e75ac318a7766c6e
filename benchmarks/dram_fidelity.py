"""How near the DRAM simulator comes to DRAMSys 4.0 on all reference runs: prints the table of the assumptions page.

python -m benchmarks.dram_fidelity [--every N] [--write]
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from archgym.metrics import Metrics
from archgym.simulators.dram.address_map import load_address_map
from archgym.simulators.dram.device import load_device
from archgym.simulators.dram.settings import NAMES, codes
from archgym.simulators.dram.simulator import simulate_settings
from archgym.simulators.dram.workloads import WORKLOADS
from benchmarks.pages import write_between

RUNS = Path(__file__).parents[1] / "tests" / "golden" / "dram" / "dramsys_4_0_runs.csv.gz"
PRINTED_NS = 5e-7
"""DRAMSys prints times in whole ps; half of that is rounding of our own."""
LATENCY_DIGITS = 5e-6
"""The reference's mean latencies have six significant digits."""
Row = Mapping[str, str]


def reference_runs() -> list[Row]:
    """All reference runs, one mapping of texts each."""
    with gzip.open(RUNS, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def simulate(runs: Sequence[Row]) -> Iterator[tuple[Row, Mapping[str, float]]]:
    """Each run with our metrics; runs that share memory and trace go in one batch."""
    batches: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for run in runs:
        batches[run["device"], run["address_map"], run["trace"]].append(run)
    for (device_id, map_name, trace), members in batches.items():
        device = load_device(device_id)
        rows = np.array([codes({name: run[name] for name in NAMES if name in run}) for run in members])
        metrics: Metrics = simulate_settings(
            device, load_address_map(map_name, device), WORKLOADS.load(trace).data, rows
        )
        for number, run in enumerate(members):
            yield run, metrics.row(number)


def errors(run: Row, ours: Mapping[str, float]) -> dict[str, float]:
    """Relative errors; the total time's is 0 where it equals the printed value."""
    total = float(run["total_time_ns"])
    off = abs(ours["total_time_s"] * 1e9 - total)
    found = {"time": 0.0 if off <= PRINTED_NS else off / total}
    found["latency"] = abs(ours["mean_latency_s"] * 1e9 / float(run["mean_latency_ns"]) - 1)
    if run["energy_pJ"] and float(run["energy_pJ"]) > 0:
        found["energy"] = abs(ours["energy_J"] * 1e12 / float(run["energy_pJ"]) - 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th run")
    parser.add_argument("--write", action="store_true", help="put the table into the assumptions page")
    options = parser.parse_args()
    runs = reference_runs()[:: options.every]
    groups: dict[str, list[dict[str, float]]] = defaultdict(list)
    for run, ours in simulate(runs):
        found = errors(run, ours)
        groups[run["group"]].append(found)
        if found["time"] > 0 or found["latency"] > LATENCY_DIGITS or found.get("energy", 0.0) > 1e-6:
            print(f"differs: {run['config']} on {run['trace']}: {found}")
    text = table(groups)
    print(f"\n{text}")
    if options.write:
        write_between("fidelity", text)


def table(groups: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """The page's table: one line a group of runs."""
    lines = [
        "| group | runs | total time equal | mean latency equal | energy within 1e-6 | largest time, latency, energy error |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for group, found in groups.items():
        energy = [entry["energy"] for entry in found if "energy" in entry]
        within = f"{sum(error <= 1e-6 for error in energy)} of {len(energy)}" if energy else "no energy model"
        worst = ", ".join(
            f"{max(values):.1e}"
            for values in ([e["time"] for e in found], [e["latency"] for e in found], energy)
            if values
        )
        equal = sum(entry["time"] == 0 for entry in found)
        latency = sum(entry["latency"] <= LATENCY_DIGITS for entry in found)
        lines.append(f"| {group} | {len(found)} | {equal} | {latency} | {within} | {worst} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
