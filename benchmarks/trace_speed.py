"""How fast memory traces are read, against a plain Python loop over the lines.

Run: python benchmarks/trace_speed.py [requests]

Writes a random trace of 1,000,000 requests (or as many as given) in each format, plain and gzip, and reads it once to
compile and then five times; the figure is the least CPU time of the process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from archgym.simulators.dram.traces import Trace, read_trace, write_trace


def plain_python(path: Path) -> int:
    """Split every line of an .stl file; no checks at all."""
    times, addresses, writes = [], [], []
    with path.open() as lines:
        for line in lines:
            cycle, word, address = line.split()
            times.append(int(cycle[:-1]))
            addresses.append(int(address, 16))
            writes.append(word == "write")
    return len(times)


def least_cpu_time(work: Callable[[], object], repeats: int) -> float:
    """Seconds."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rng = np.random.default_rng(0)
    gaps, lines, is_write = rng.integers(0, 40, requests), rng.integers(0, 2**24, requests), rng.random(requests) < 0.3
    absolute = Trace(np.cumsum(gaps), lines * 64, is_write)
    every_cycle = Trace(np.arange(requests), lines * 64, is_write)
    files = (
        ("t.stl", "stl", absolute),
        ("t.stl.gz", "stl", absolute),
        ("t.rstl", "rstl", Trace(gaps, lines * 64, is_write, relative=True)),
        ("t.ls", "ramulator-load-store", every_cycle),
        ("t.trc", "dramsim3", absolute),
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, form, trace in files:
            write_trace(trace, Path(folder) / name, format=form)
        plain = least_cpu_time(lambda: plain_python(Path(folder) / "t.stl"), 3)
        print(f"{requests} requests; CPU seconds, one core")
        print(f"{'plain Python':24s} {plain:6.3f} s {requests / plain / 1e6:6.2f} M lines/s")
        start = time.process_time()
        read_trace(Path(folder) / "t.stl")
        print(
            f"{'first read of a process':24s} {time.process_time() - start:6.3f} s (compiles, or loads what is cached)"
        )
        for name, form, trace in files:
            path = Path(folder) / name
            if read_trace(path, format=form).fingerprint != trace.fingerprint:
                raise SystemExit(f"{name}: the trace read differs from the trace written")
            taken = least_cpu_time(lambda path=path, form=form: read_trace(path, format=form), 5)  # type: ignore[misc]
            print(
                f"{name:24s} {taken:6.3f} s {requests / taken / 1e6:6.2f} M lines/s, {plain / taken:5.1f} times plain"
            )


if __name__ == "__main__":
    main()
