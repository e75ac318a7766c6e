"""Numba compilation for simulator kernels.

Every kernel is compiled lazily, cached on disk where a writable cache exists, and releases the GIL.
Set ``ARCHGYM_JIT=0`` to run the kernels as plain Python (for debugging, or where numba has no wheel).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar, cast

Kernel = TypeVar("Kernel", bound=Callable[..., object])

ENABLED = os.environ.get("ARCHGYM_JIT", "1") != "0"


def jit(function: Kernel) -> Kernel:
    """Compile ``function`` with numba, cached on disk if any cache location is writable."""
    if not ENABLED:
        return function
    import numba

    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba finds no writable cache directory: compile anew in each process
        return cast(Kernel, numba.njit(nogil=True)(function))
