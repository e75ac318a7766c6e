"""Spreading the rows of a batch over the machine's cores.

Kernels release the GIL, so plain threads are enough and every row is computed by the same serial code:
the number of threads never changes a result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def default_threads() -> int:
    """Cores this process may use (``ARCHGYM_THREADS`` overrides)."""
    override = os.environ.get("ARCHGYM_THREADS")
    if override:
        return max(1, int(override))
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def for_row_blocks(work: Callable[[int, int], None], rows: int, block: int = 1, threads: int | None = None) -> None:
    """Call ``work(start, stop)`` for consecutive blocks of at most ``block`` rows, on ``threads`` threads."""
    threads = default_threads() if threads is None else threads
    starts = range(0, rows, block)
    if threads <= 1 or len(starts) <= 1:
        for start in starts:
            work(start, min(start + block, rows))
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work, start, min(start + block, rows)) for start in starts]:
            future.result()


def end_early(futures: Collection[Future[Any]], stop: Callable[[], None]) -> None:
    """Cancel what has not begun and call ``stop`` until the rest has ended: a program may be just about to start."""
    for future in futures:
        future.cancel()
    while not all(future.done() for future in futures):
        stop()
        time.sleep(0.02)
