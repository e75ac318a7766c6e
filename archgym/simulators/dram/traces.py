"""A memory trace: when each request is offered, where it goes, and whether it writes.

A `Trace` is immutable and always well formed: at least one request, no negative time or address, and absolute
times that never decrease. Text formats are read by the byte scanner of `trace_scan`, gzip files as they are.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dram import trace_scan as scanner
from archgym.workload import content_fingerprint

FORMATS: Mapping[str, str] = {
    "stl": "DRAMSys: '<cycle>: read|write 0x<address> [0x<data>]', cycles absolute",
    "rstl": "DRAMSys: as stl, cycles counted from the acceptance of the previous request",
    "ramulator-load-store": "Ramulator 2: 'LD|ST <address>' (0x… or decimal), one request offered a cycle",
    "ramulator-read-write": "Ramulator 2: 'R|W <level>,<level>,…' with the address bits of each level given",
    "dramsim3": "DRAMsim3: '0x<address> READ|WRITE <cycle>'",
}
"""Supported text formats and what a line of each looks like."""

_CODES = {
    "stl": scanner.STL,
    "rstl": scanner.RSTL,
    "ramulator-load-store": scanner.LOAD_STORE,
    "ramulator-read-write": scanner.READ_WRITE_VECTOR,
    "dramsim3": scanner.DRAMSIM3,
}
_ADDRESS_LIMIT = "an address below 2^63"
_COMMANDS = {
    "stl": "'read' or 'write' in lower case",
    "rstl": "'read' or 'write' in lower case",
    "ramulator-load-store": "'LD' or 'ST'",
    "ramulator-read-write": "'R' or 'W'",
    "dramsim3": "'READ' or 'WRITE'",
}
_EXPECTED = {
    scanner.BAD_TIME: "a time stamp in whole clock cycles",
    scanner.NEGATIVE_TIME: "a time stamp that is not negative",
    scanner.TIME_TOO_LARGE: "a time stamp below 2^63 cycles",
    scanner.NO_COLON: "a colon and a blank after the time stamp",
    scanner.BAD_ADDRESS: "a hexadecimal address 0x…",
    scanner.ADDRESS_TOO_LARGE: _ADDRESS_LIMIT,
    scanner.BAD_LENGTH: "a burst length such as (64)",
    scanner.BAD_DATA: "hexadecimal data 0x…",
    scanner.EXTRA_TEXT: "nothing more on the line",
    scanner.BAD_VECTOR: "one number for each address level, separated by commas",
    scanner.VECTOR_TOO_LARGE: "level numbers that fit the address bits of their level",
}
_LFS_POINTER = b"version https://git-lfs"
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, eq=False)
class Trace:
    """N memory requests in the order they are offered; one request is one burst.

    Attributes:
        time: (N,) int64, player clock cycles: the earliest cycle of each request, never decreasing; if ``relative``,
            cycles from the acceptance of the previous request.
        address: (N,) int64, byte addresses.
        is_write: (N,) bool.
        relative: how ``time`` counts.
        name: for people; not part of the identity.
        clock_MHz: the player's clock; None stands for the memory's own clock.

    Raises:
        WorkloadError: if the arrays are empty, disagree in length, or hold a negative or decreasing number.
    """

    time: NDArray[np.int64]
    address: NDArray[np.int64]
    is_write: NDArray[np.bool_]
    relative: bool = False
    name: str = "trace"
    clock_MHz: float | None = field(default=None)

    def __post_init__(self) -> None:
        for attribute, dtype in (("time", np.int64), ("address", np.int64), ("is_write", np.bool_)):
            own = np.array(_whole(self.name, attribute, getattr(self, attribute), dtype), dtype=dtype)
            own.setflags(write=False)
            object.__setattr__(self, attribute, own)
        sizes = [array.shape for array in (self.time, self.address, self.is_write)]
        if self.time.ndim != 1 or len(set(sizes)) != 1:
            raise WorkloadError(
                f"trace {self.name!r}: time, address, is_write have shapes {sizes}; allowed: three (N,)"
            )
        if self.time.size == 0:
            raise WorkloadError(f"trace {self.name!r} is empty: a trace needs at least one request")
        for attribute in ("time", "address"):
            values = getattr(self, attribute)
            if values.min() < 0:
                first = int(np.argmax(values < 0))
                raise WorkloadError(
                    f"trace {self.name!r}: request {first} has {attribute} {values[first]}; allowed: >= 0"
                )
        if not self.relative and np.any(self.time[1:] < self.time[:-1]):
            first = int(np.argmax(self.time[1:] < self.time[:-1])) + 1
            raise WorkloadError(
                f"trace {self.name!r}: request {first} has time {self.time[first]} after {self.time[first - 1]}; "
                "allowed: times that do not decrease"
            )
        if self.clock_MHz is not None and not 0 < self.clock_MHz < 1e6:
            raise WorkloadError(f"trace {self.name!r}: clock_MHz = {self.clock_MHz}; allowed: above 0 and below 1e6")

    def __len__(self) -> int:
        return int(self.time.size)

    def __reduce__(self) -> tuple[Any, ...]:
        # Rebuilt by the constructor, so that the arrays of a copy in another process are read-only too.
        return Trace, (self.time, self.address, self.is_write, self.relative, self.name, self.clock_MHz)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything a simulation depends on; the name is not part of it."""
        clock = "memory clock" if self.clock_MHz is None else float(self.clock_MHz).hex()
        kind = "relative" if self.relative else "absolute"
        return content_fingerprint("dram trace", kind, clock, self.time, self.address, self.is_write)

    @property
    def gaps(self) -> NDArray[np.int64]:
        """(N,) cycles between a request's time and its predecessor's, 0 for the first; ``time`` itself if relative."""
        return self.time if self.relative else np.diff(self.time, prepend=self.time[:1])

    def head(self, requests: int) -> Trace:
        """The first ``requests`` requests (all of them if there are fewer).

        Raises:
            WorkloadError: if ``requests`` is below 1.
        """
        if requests < 1:
            raise WorkloadError(f"requests = {requests}; allowed: at least 1")
        if requests >= len(self):
            return self
        parts = (self.time[:requests], self.address[:requests], self.is_write[:requests])
        return Trace(*parts, self.relative, self.name, self.clock_MHz)


def _whole(name: str, attribute: str, values: Any, dtype: type) -> NDArray[Any]:
    """``values`` as an array whose conversion to ``dtype`` loses nothing."""
    array = np.asarray(values)
    if dtype is np.int64 and array.dtype.kind not in "iu" and array.size:
        raise WorkloadError(f"trace {name!r}: {attribute} has type {array.dtype}; allowed: integers")
    if array.dtype == np.uint64 and array.size and array.max() >= np.uint64(2**63):
        raise WorkloadError(f"trace {name!r}: {attribute} reaches {array.max()}; allowed: below 2^63")
    if dtype is np.bool_ and array.dtype != np.bool_ and array.size:
        raise WorkloadError(f"trace {name!r}: {attribute} has type {array.dtype}; allowed: bool")
    return array


def read_trace(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    name: str | None = None,
    clock_MHz: float | None = None,
    vector_bits: Sequence[Sequence[int]] | None = None,
) -> Trace:
    """Read a text trace, gzip-compressed or plain.

    Args:
        path: the file.
        format: one of `FORMATS`; found from the file's ending (.stl, .rstl) or else its first request if omitted.
        name: the trace's name; the file's name if omitted.
        clock_MHz: clock of the time stamps; the memory's own clock if omitted.
        vector_bits: for ``ramulator-read-write`` only: for each number of the address vector, the address bits it
            occupies, lowest first, such as ``[[], [13, 14, 15], range(16, 30), range(3, 13)]``.

    A file that is one block of requests written several times, its time stamps starting anew each time (as DRAMSys's
    ddr3_example.stl), is read as that block played again at once: the repeated stamps lie in the past, so each of
    those requests is offered as soon as its predecessor is accepted. Any other decrease is refused.

    Raises:
        WorkloadError: if the file cannot be read; a malformed line is named by file, number, text and what was expected.
        UnknownNameError: for an unknown format.
    """
    file = Path(path)
    data = _read_bytes(file)
    form = _detect(file, data) if format is None else format
    if form not in FORMATS:
        raise UnknownNameError("trace format", form, FORMATS)
    bits, widths = _vector_layout(form, vector_bits)
    raw = np.frombuffer(data, np.uint8)
    lines = scanner.count_lines(raw)
    time, address, is_write = np.empty(lines, np.int64), np.empty(lines, np.int64), np.empty(lines, np.bool_)
    found = scanner.scan(raw, _CODES[form], bits, widths, time, address, is_write)
    requests, reason, line, start, drop_line, drop_start = (int(number) for number in found)
    if reason != scanner.OK:
        expected = _COMMANDS[form] if reason == scanner.BAD_COMMAND else _EXPECTED[reason]
        if reason == scanner.BAD_ADDRESS and form == "ramulator-load-store":
            expected = "an address, 0x… or decimal"
        raise _malformed(file, data, line, start, f"{expected} ({FORMATS[form]})")
    if requests == 0:
        raise WorkloadError(f"{file}: empty trace: no request in {lines} line{'' if lines == 1 else 's'}")
    time, address, is_write = time[:requests], address[:requests], is_write[:requests]
    if drop_line:
        if not _is_replay(time):
            raise _malformed(file, data, drop_line, drop_start, "a time stamp not before the previous line's")
        time = np.maximum.accumulate(time)
    return Trace(time, address, is_write, form == "rstl", name or plain_name(file), clock_MHz)


def plain_name(path: Path) -> str:
    """The file's name without the endings of compression and format."""
    stem = path.name.removesuffix(".gz")
    return stem.rsplit(".", 1)[0] or stem


def _read_bytes(file: Path) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise WorkloadError(f"{file}: cannot be read: {error.strerror or error}") from error
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise WorkloadError(f"{file}: damaged or truncated gzip data: {error}") from error


def _detect(file: Path, data: bytes) -> str:
    """The format by the file's ending, else by its first line that is neither blank nor a comment."""
    ending = Path(file.name.removesuffix(".gz")).suffix.lower()
    if ending in (".stl", ".rstl"):
        return ending[1:]
    start = 0
    for number, text in enumerate(io.BytesIO(data), start=1):
        words = text.split()
        if words and not words[0].startswith(b"#"):
            by_word = {b"LD": "ramulator-load-store", b"ST": "ramulator-load-store"}
            by_word |= {b"R": "ramulator-read-write", b"W": "ramulator-read-write"}
            if words[0] in by_word:
                return by_word[words[0]]
            if words[0][:2] in (b"0x", b"0X"):
                return "dramsim3"
            if words[0][:1].isdigit() or words[0][:1] == b"-":
                return "stl"
            raise _malformed(file, data, number, start, "a request in one of the formats " + ", ".join(FORMATS))
        start += len(text)
    return "stl"


def _vector_layout(form: str, levels: Sequence[Sequence[int]] | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(levels, most bits) address bits of each level, lowest first, and (levels,) how many of them count."""
    if form != "ramulator-read-write":
        if levels is not None:
            raise WorkloadError(f"vector_bits is given for format {form!r}; allowed: ramulator-read-write only")
        return np.zeros((0, 0), np.int64), np.zeros(0, np.int64)
    if not levels:
        raise WorkloadError(
            "format 'ramulator-read-write' needs vector_bits: the address bits of each number of the vector, "
            "lowest first, such as [[], [13, 14, 15], range(16, 30), range(3, 13)]"
        )
    used = [int(bit) for level in levels for bit in level]
    if len(set(used)) != len(used) or any(not 0 <= bit <= 62 for bit in used):
        raise WorkloadError(f"vector_bits uses the bits {sorted(used)}; allowed: each of 0 to 62 at most once")
    widths = np.array([len(level) for level in levels], np.int64)
    bits = np.zeros((len(levels), max(int(widths.max()), 1)), np.int64)
    for row, level in enumerate(levels):
        bits[row, : len(level)] = list(level)
    return bits, widths


def _malformed(file: Path, data: bytes, line: int, start: int, expected: str) -> WorkloadError:
    """The error for one refused line, whose first byte is ``start``."""
    stop = data.find(b"\n", start)
    raw = data[start : len(data) if stop < 0 else stop]
    text = raw.decode("utf-8", "backslashreplace").strip()
    text = text if len(text) <= 80 else text[:77] + "..."
    if raw.startswith(_LFS_POINTER):
        expected = "the trace itself; this is a Git LFS pointer, fetch the file with 'git lfs pull'"
    return WorkloadError(f"{file}, line {line}: {text!r}: expected {expected}")


def _is_replay(time: NDArray[np.int64]) -> bool:
    """Whether the stamps are one block's, two or more times, starting at 0 each time."""
    block = int(np.argmax(time[1:] < time[:-1])) + 1
    if time[0] != 0 or time.size % block:
        return False
    return bool(np.all(time.reshape(-1, block) == time[:block]))


def write_trace(trace: Trace, path: str | os.PathLike[str], format: str | None = None) -> None:
    """Write a trace that `read_trace` reads back equal; an ending of .gz compresses.

    Args:
        trace: the trace; its name and clock are not part of a text format.
        path: the file.
        format: one of `FORMATS` but ``ramulator-read-write``; from the ending (.stl, .rstl) if omitted.

    Raises:
        UnknownNameError: if the format is not known.
        WorkloadError: if the format cannot hold the trace's times, or the file cannot be written.
    """
    file = Path(path)
    form = format or Path(file.name.removesuffix(".gz")).suffix.lower().removeprefix(".")
    writable = tuple(known for known in FORMATS if known != "ramulator-read-write")
    if form not in writable:
        raise UnknownNameError("trace format", form, writable)
    if trace.relative != (form == "rstl"):
        counted = "relative" if trace.relative else "absolute"
        raise WorkloadError(f"trace {trace.name!r} has {counted} times, which format {form!r} cannot hold")
    if form == "ramulator-load-store" and not np.array_equal(trace.time, np.arange(len(trace))):
        raise WorkloadError(
            f"trace {trace.name!r} has time stamps other than one request a cycle, which {form!r} cannot hold"
        )
    rows = zip(trace.time.tolist(), trace.address.tolist(), trace.is_write.tolist(), strict=True)
    if form == "ramulator-load-store":
        text = "".join(f"{'ST' if writes else 'LD'} {address:#x}\n" for _, address, writes in rows)
    elif form == "dramsim3":
        text = "".join(f"{address:#x} {'WRITE' if writes else 'READ'} {time}\n" for time, address, writes in rows)
    else:
        text = "".join(f"{time}:\t{'write' if writes else 'read'}\t{address:#x}\n" for time, address, writes in rows)
    data = text.encode()
    try:
        # A fixed time in the gzip header: equal traces give equal files.
        file.write_bytes(gzip.compress(data, mtime=0) if file.suffix == ".gz" else data)
    except OSError as error:
        raise WorkloadError(f"{file}: cannot be written: {error.strerror or error}") from error
