"""Numba compilation for simulator kernels.

Kernels are compiled lazily and release the GIL. Entry functions, which Python calls, are cached on disk where a writable
cache exists; a cached kernel is compiled anew when any source file beside it or beside this one has changed.
Set ``ARCHGYM_JIT=0`` to run the kernels as plain Python (for debugging, or where numba has no wheel).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from archgym.simulators.linked import APART, linked_pipelines

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

ENABLED = os.environ.get("ARCHGYM_JIT", "1") != "0"


def jit(function: Kernel) -> Kernel:
    """Compile ``function``, which Python calls, cached on disk if any cache location is writable."""
    if not ENABLED:
        return function
    import numba

    pipelines = linked_pipelines()
    options: dict[str, Any] = {} if pipelines is None else {"pipeline_class": pipelines[1]}
    njit: Any = numba.njit
    try:
        kernel: Any = njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba finds no writable cache directory: compile anew in each process
        return cast(Kernel, njit(nogil=True, **options)(function))
    index = getattr(kernel._cache, "_cache_file", None)
    if index is not None and hasattr(index, "_source_stamp"):
        # numba looks at the function's own file only
        stamps = (package_stamp(Path(path).parent) for path in (function.__code__.co_filename, __file__))
        index._source_stamp = (*index._source_stamp, *stamps)
    return cast(Kernel, kernel)


def inner(function: Kernel, raises: bool = False) -> Kernel:
    """Compile ``function``, which only compiled functions call; it makes no array.

    One that ``raises`` no exception itself compiles with fewer passes.
    """
    if not ENABLED:
        return function
    import numba

    # numba's stubs do not know the wrapper options
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    # its arrays are its caller's, so their uses are not counted; no kernel divides by zero
    options |= {"_nrt": False, "error_model": "numpy"}
    pipelines = linked_pipelines()
    if pipelines is not None:
        options["pipeline_class"] = pipelines[0 if raises else 2]
    njit: Any = numba.njit
    kernel = njit(nogil=True, **options)(function)
    typed = kernel.get_call_template

    def call_template(arguments: Any, keywords: dict[str, Any]) -> Any:
        # else a function is compiled once for each constant that it is called with
        general: Any = numba.types.unliteral
        return typed(tuple(map(general, arguments)), {name: general(each) for name, each in keywords.items()})

    kernel.get_call_template = call_template
    return cast(Kernel, kernel)


def apart(function: Kernel, raises: bool = False) -> Kernel:
    """Compile ``function``, which compiled functions seldom call, as a function of its own; ``raises`` as for `inner`."""
    if ENABLED:
        APART.add(f"{len(function.__name__)}{function.__name__}B")
    return inner(function, raises)


@functools.cache
def package_stamp(directory: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, times and sizes of the Python files of ``directory``."""
    files = ((path.name, path.stat()) for path in sorted(directory.glob("*.py")))
    return tuple((name, facts.st_mtime_ns, facts.st_size) for name, facts in files)
