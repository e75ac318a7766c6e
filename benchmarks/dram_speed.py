"""Requests a CPU second of the DRAM simulator on one core, as ratios to DRAMSys 4.0's (power model on for both).

    python -m benchmarks.dram_speed [--requests N]

The reference figures come from another run with one million requests a setting, user CPU time of one core, and not
necessarily from the processor that this runs on; only ratios of two versions measured side by side are exact.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from archgym.simulators.dram.address_map import load_address_map
from archgym.simulators.dram.device import load_device
from archgym.simulators.dram.system import MemorySystem, prepare
from archgym.simulators.dram.traces import Trace

DRAMSYS_KREQ_PER_S = {
    ("ddr3-1600", "seq"): 484, ("ddr3-1600", "rand"): 192, ("ddr3-1600", "medium"): 429,
    ("ddr4-2400", "seq"): 421, ("ddr4-2400", "rand"): 216, ("ddr4-2400", "medium"): 325,
}  # fmt: skip
MAPS = {"ddr3-1600": "rbc", "ddr4-2400": "brc"}
GIB, LINE, PAGE = 1 << 30, 64, 8192


def trace(kind: str, requests: int) -> Trace:
    """``seq``: reads in order; ``rand``: half writes, anywhere in 1 GiB; ``medium``: gaps, and 60 % in the last page."""
    rng = np.random.default_rng(0)
    time_cycles = np.arange(requests)
    if kind == "seq":
        return Trace(time_cycles, time_cycles * LINE % GIB, np.zeros(requests, dtype=bool))
    if kind == "rand":
        return Trace(time_cycles, rng.integers(0, GIB // LINE, requests) * LINE, rng.random(requests) < 0.5)
    moves = rng.random(requests) < 0.4
    pages = rng.integers(0, GIB // PAGE, requests)[np.maximum.accumulate(np.where(moves, time_cycles, 0))]
    addresses = pages * PAGE + rng.integers(0, PAGE // LINE, requests) * LINE
    return Trace(np.cumsum(rng.integers(0, 40, requests)), addresses, rng.random(requests) < 0.3)


def requests_per_s(device_id: str, kind: str, requests: int) -> float:
    device = load_device(device_id)
    work = prepare(trace(kind, requests), device, load_address_map(MAPS[device_id], device))
    started = time.process_time()
    MemorySystem(work, {"PagePolicy": "Open", "Scheduler": "FrFcfs", "RequestBufferSize": 8}).advance()
    return requests / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    requests = parser.parse_args().requests
    started = time.process_time()
    requests_per_s("ddr3-1600", "seq", 1000)
    print(f"first call, compiled or loaded from the cache: {time.process_time() - started:.1f} CPU s\n")
    print("| device | trace | DRAMSys 4.0, k requests/s | archgym, k requests/s | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for (device_id, kind), reference in DRAMSYS_KREQ_PER_S.items():
        ours = requests_per_s(device_id, kind, requests) / 1e3
        print(f"| {device_id} | {kind} | {reference} | {ours:.0f} | {ours / reference:.1f} |")


if __name__ == "__main__":
    main()
