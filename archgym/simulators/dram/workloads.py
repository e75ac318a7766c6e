"""Workloads of the DRAM simulators: shipped traces, a user's own trace files, and synthetic generators.

A shipped workload is one file in ``data/workloads`` that carries its own description, source and licence.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dram import generators
from archgym.simulators.dram.trace_features import trace_facts, trace_features
from archgym.simulators.dram.traces import Trace, read_trace
from archgym.workload import Workload

FOLDER = Path(__file__).parent / "data" / "workloads"
_FILE_OPTIONS = ("format", "clock_MHz", "vector_bits", "requests")
_SHIPPED_OPTIONS = ("clock_MHz", "requests")


class DramWorkloads:
    """Where DRAM workloads come from. A workload's ``data`` is a `Trace`."""

    def names(self) -> tuple[str, ...]:
        """The shipped workloads, in alphabetic order."""
        return tuple(sorted(file.stem for file in FOLDER.glob("*.npz")))

    def load(self, name_or_path: str | os.PathLike[str], **options: Any) -> Workload:
        """A workload by name, by path, or by a generator's text.

        Args:
            name_or_path: one of

                - a shipped name, such as ``cloud-1``; settings may follow, as in ``cloud-1?requests=500``;
                - the path of a trace file in one of the formats of `traces.FORMATS`, gzip or plain;
                - a generator, such as ``synthetic:random?requests=10000&write_fraction=0.3&seed=1``; several joined
                  by ``+`` follow one another in time.
            options: for shipped names and files: ``requests`` (at most so many, from the start), ``clock_MHz`` (clock
                of the time stamps; the memory's own if omitted); for files also ``format`` and ``vector_bits`` as in
                `read_trace`; for a generator: its knobs.

        Raises:
            UnknownNameError: for an unknown name, generator, knob or option.
            WorkloadError: if the trace cannot be read, or a setting is out of range.
        """
        text = os.fspath(name_or_path)
        if text.startswith(generators.PREFIX):
            return trace_workload(generators.parse(text, **options))
        shipped, settings = self._shipped(text)
        if shipped:
            _check_options(shipped, {**settings, **options}, _SHIPPED_OPTIONS)
            trace, about = unpack(FOLDER / f"{shipped}.npz")
            return trace_workload(_limit(trace, {**settings, **options}), about)
        if not (os.path.exists(text) or os.sep in text or Path(text).suffix):
            raise UnknownNameError("DRAM workload", text, (*self.names(), *map(_example, generators.ALL_KINDS)))
        _check_options(text, options, _FILE_OPTIONS)
        read = {key: options[key] for key in ("format", "vector_bits") if key in options}
        return trace_workload(_limit(read_trace(text, **read), options))

    def _shipped(self, text: str) -> tuple[str, Mapping[str, Any]]:
        """The shipped name meant by ``text`` ("" if none) and the settings that follow it."""
        if os.path.exists(text):
            return "", {}
        name = text
        settings: dict[str, str] = {}
        if "?" in text and os.sep not in text:
            name, settings = generators.split_query(text)
        name = name.removesuffix(".stl")  # the original tools' name for the same trace
        if name in self.names():
            return name, settings
        if settings:
            raise UnknownNameError("DRAM workload", name, self.names())
        return "", {}

    def stresses(self) -> dict[str, str]:
        """What each shipped workload and each generator works in a memory controller, by name: a table for the docs."""
        shipped = {name: unpack(FOLDER / f"{name}.npz")[1]["stresses"] for name in self.names()}
        return shipped | {_example(name): kind.stresses for name, kind in generators.ALL_KINDS.items()}

    def origins(self) -> dict[str, tuple[str, str]]:
        """Source and licence of each shipped workload."""
        about = {name: unpack(FOLDER / f"{name}.npz")[1] for name in self.names()}
        return {name: (known["source"], known["licence"]) for name, known in about.items()}


WORKLOADS = DramWorkloads()


def _example(kind: str) -> str:
    return generators.PREFIX + kind


def trace_workload(trace: Trace, about: Mapping[str, str] | None = None) -> Workload:
    """A trace as a workload, with its facts and features.

    Args:
        trace: any trace, such as one made in Python.
        about: further facts, such as its source.
    """
    return Workload(
        domain="dram",
        name=trace.name,
        fingerprint=trace.fingerprint,
        data=trace,
        facts={**trace_facts(trace), **(about or {})},
        features=trace_features(trace),
    )


def _check_options(name: str, options: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for option in options:
        if option not in allowed:
            raise UnknownNameError(f"option of workload {name!r}", option, allowed)


def _limit(trace: Trace, options: Mapping[str, Any]) -> Trace:
    """The trace with the options ``requests`` and ``clock_MHz`` applied."""
    if "requests" in options:
        requests = int(generators.COMMON_KNOBS["requests"].read(options["requests"]))
        if requests < len(trace):
            trace = replace(trace.head(requests), name=f"{trace.name}?requests={requests}")
    if options.get("clock_MHz") is not None:
        try:
            clock = float(options["clock_MHz"])
        except (TypeError, ValueError) as error:
            raise WorkloadError(f"clock_MHz = {options['clock_MHz']!r}; allowed: a number above 0") from error
        trace = replace(trace, clock_MHz=clock)
    return trace


def pack(trace: Trace, path: str | os.PathLike[str], stresses: str, source: str, licence: str) -> None:
    """Write a trace as a shipped workload's file: differences, which compress well, and what is known of it.

    Raises:
        WorkloadError: if the trace has a clock of its own, which the file does not hold.
    """
    if trace.clock_MHz is not None:
        raise WorkloadError(
            f"trace {trace.name!r} has clock_MHz = {trace.clock_MHz}; allowed: None, the memory's clock"
        )
    together = int(np.bitwise_or.reduce(trace.address))
    shift = min(62, (together & -together).bit_length() - 1) if together else 0
    about = {"stresses": stresses, "source": source, "licence": licence, "relative": trace.relative, "shift": shift}
    np.savez_compressed(
        Path(path),
        time=_narrow(np.diff(trace.time, prepend=0)),
        address=_narrow(np.diff(trace.address >> shift, prepend=0)),
        is_write=np.packbits(trace.is_write),
        about=np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8),
    )


def _narrow(values: NDArray[np.int64]) -> NDArray[Any]:
    """The values in the narrowest signed type that holds them."""
    low, high = int(values.min()), int(values.max())
    dtypes = (np.int8, np.int16, np.int32, np.int64)
    return values.astype(next(t for t in dtypes if np.iinfo(t).min <= low and high <= np.iinfo(t).max))


@lru_cache(maxsize=64)
def unpack(path: Path) -> tuple[Trace, Mapping[str, str]]:
    """The trace of a file that `pack` wrote, named as the file, and its description, source and licence.

    Raises:
        WorkloadError: if the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            time = np.cumsum(stored["time"], dtype=np.int64)
            address = np.cumsum(stored["address"], dtype=np.int64) << about["shift"]
            is_write = np.unpackbits(stored["is_write"], count=time.size).astype(np.bool_)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise WorkloadError(f"{path}: not a packed workload: {error}") from error
    trace = Trace(time, address, is_write, bool(about["relative"]), path.stem)
    return trace, {key: str(about[key]) for key in ("stresses", "source", "licence")}
