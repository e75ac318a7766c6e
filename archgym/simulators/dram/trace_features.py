"""What a memory trace looks like, as facts for people and as numbers a model can learn from.

Everything is a function of the trace alone, computed with exact sums, so equal traces have equal features.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.dram.traces import Trace

LINE_BYTES = 64
PAGE_BYTES = 8192
"""One row of a rank of eight chips with 1 KiB rows."""

_BANK_SHIFT, _BANKS = 13, 8  # the map behind bank_entropy and page_conflict_fraction: 8 KiB rows over 8 banks
_RECENT = 16  # requests a scheduler may have in view
_IDLE_CYCLES = 100  # a gap in which a rank could power down

FEATURES: dict[str, str] = {
    "log2_requests": "log2 of the number of requests",
    "write_fraction": "share of writes",
    "turnaround_fraction": "share of requests whose direction differs from their predecessor's",
    "sequential_fraction": "share of requests to the 64 B line after their predecessor's",
    "same_line_fraction": "share of requests to their predecessor's 64 B line",
    "row_locality_1KiB": "share of requests to their predecessor's 1 KiB block",
    "row_locality_8KiB": "share of requests to their predecessor's 8 KiB block",
    "recent_page_fraction": f"share of requests to an 8 KiB block among those of the {_RECENT} requests before",
    "page_conflict_fraction": "share of requests to another 8 KiB block than the last in their bank (8 banks, bits 13-15)",
    "bank_entropy": "entropy of the requests over these banks, 1 = even, 0 = one bank",
    "reuse_fraction": "share of requests to a 64 B line requested before",
    "log2_footprint": "log2 of the bytes of all different 64 B lines",
    "log2_span": "log2 of the bytes from the lowest to the highest requested line",
    "log2_mean_gap": "log2(1 + mean cycles between requests)",
    "gap_variation": "standard deviation of the gaps over their mean, as v / (1 + v)",
    "burstiness": "(deviation - mean) / (deviation + mean) of the gaps: -1 even, 0 memoryless, near 1 bursts",
    "saturated_fraction": "share of gaps of at most one cycle",
    "idle_fraction": f"share of the time that lies in gaps above {_IDLE_CYCLES} cycles",
}
"""The features by name, in order: the same for every trace."""


def _distinct(values: NDArray[np.int64]) -> int:
    # Sorting is several times faster here than numpy's hash-based unique.
    ordered = np.sort(values)
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _share(hits: NDArray[Any], count: int) -> float:
    return int(np.count_nonzero(hits)) / count if count else 0.0


def _recent_share(page: NDArray[np.int64]) -> float:
    """Share of requests whose page is that of one of the few requests before."""
    seen = np.zeros(page.size, np.bool_)
    for back in range(1, min(_RECENT, page.size - 1) + 1):
        seen[back:] |= page[back:] == page[:-back]
    return _share(seen, page.size)


def _conflict_share(page: NDArray[np.int64]) -> float:
    """Share of requests that find another page in their bank than they need; a bank's first finds none."""
    conflicts = 0
    for bank in range(_BANKS):
        own = page[page % _BANKS == bank]
        conflicts += int(np.count_nonzero(own[1:] != own[:-1]))
    return conflicts / page.size


def _bank_entropy(page: NDArray[np.int64]) -> float:
    counts = np.bincount(page % _BANKS, minlength=_BANKS).tolist()
    shares = [count / page.size for count in counts if count]
    return math.fsum(-share * math.log2(share) for share in shares) / math.log2(_BANKS)


def _gap_features(trace: Trace) -> dict[str, float]:
    gaps = trace.gaps[0 if trace.relative else 1 :]
    if gaps.size == 0:
        return {
            "log2_mean_gap": 0.0,
            "gap_variation": 0.0,
            "burstiness": 0.0,
            "saturated_fraction": 0.0,
            "idle_fraction": 0.0,
        }
    # Whole-number sums in Python integers: exact however long the trace is.
    total = sum(gaps.tolist())
    squares = sum(gap * gap for gap in gaps.tolist())
    mean = total / gaps.size
    deviation = math.sqrt(max(0, squares * gaps.size - total * total)) / gaps.size
    return {
        "log2_mean_gap": math.log2(1 + mean),
        "gap_variation": deviation / (mean + deviation) if deviation else 0.0,
        "burstiness": (deviation - mean) / (deviation + mean) if deviation + mean else 0.0,
        "saturated_fraction": _share(gaps <= 1, gaps.size),
        "idle_fraction": sum(gaps[gaps > _IDLE_CYCLES].tolist()) / total if total else 0.0,
    }


def trace_features(trace: Trace) -> dict[str, float]:
    """The `FEATURES` of a trace, in their order; all finite."""
    line = trace.address // LINE_BYTES
    page = trace.address // PAGE_BYTES
    block = trace.address // 1024
    steps = line.size - 1
    lines = _distinct(line)
    found = {
        "log2_requests": math.log2(line.size),
        "write_fraction": _share(trace.is_write, line.size),
        "turnaround_fraction": _share(trace.is_write[1:] != trace.is_write[:-1], steps),
        "sequential_fraction": _share(line[1:] == line[:-1] + 1, steps),
        "same_line_fraction": _share(line[1:] == line[:-1], steps),
        "row_locality_1KiB": _share(block[1:] == block[:-1], steps),
        "row_locality_8KiB": _share(page[1:] == page[:-1], steps),
        "recent_page_fraction": _recent_share(page),
        "page_conflict_fraction": _conflict_share(page),
        "bank_entropy": _bank_entropy(page),
        "reuse_fraction": 1 - lines / line.size,
        "log2_footprint": math.log2(lines * LINE_BYTES),
        "log2_span": math.log2((int(line.max()) - int(line.min()) + 1) * LINE_BYTES),
        **_gap_features(trace),
    }
    return {name: float(found[name]) for name in FEATURES}


def trace_facts(trace: Trace) -> dict[str, bool | int | float | str]:
    """What a person wants to know of a trace; times in player clock cycles, sizes in bytes."""
    line = trace.address // LINE_BYTES
    writes = int(np.count_nonzero(trace.is_write))
    gaps = trace.gaps[0 if trace.relative else 1 :]
    return {
        "requests": len(trace),
        "reads": len(trace) - writes,
        "writes": writes,
        "write_fraction": writes / len(trace),
        "times": "relative to the previous acceptance" if trace.relative else "absolute",
        "last_time_cycles": sum(trace.time.tolist()) if trace.relative else int(trace.time[-1]),
        "mean_gap_cycles": sum(gaps.tolist()) / gaps.size if gaps.size else 0.0,
        "clock_MHz": "memory clock" if trace.clock_MHz is None else float(trace.clock_MHz),
        "lowest_address": int(trace.address.min()),
        "highest_address": int(trace.address.max()),
        "span_bytes": (int(line.max()) - int(line.min()) + 1) * LINE_BYTES,
        "unique_lines_64B": _distinct(line),
        "unique_pages_8KiB": _distinct(trace.address // PAGE_BYTES),
        "sequential_fraction": _share(line[1:] == line[:-1] + 1, line.size - 1),
    }
