"""One finished run as one record: a checksummed block of bytes, small enough for tens of thousands of runs.

An agent meets many designs more than once and every result is a function of the design, so a record keeps
each different design once with its results, and the order they came in as numbers. Rewards and metrics are
kept as the exact bits. A record is whole or absent: a checksum tells.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.metrics import Metrics
from archgym.runlog import Run
from archgym.space import Designs

MAGIC = b"agR1"
_FRAME = struct.Struct("<4sIII")  # magic, length of the head, length of the body, CRC-32 of both


@dataclass(frozen=True)
class Record:
    """A record's head and where it is; the body is read when it is needed."""

    head: Mapping[str, Any]
    path: Path
    offset: int
    length: int

    @property
    def kind(self) -> str:
        return str(self.head["kind"])

    def body(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


@dataclass(frozen=True)
class Log:
    """What a run evaluated. ``metrics`` is empty in a compact log."""

    designs: Designs
    reward: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    metrics: Mapping[str, NDArray[np.float64]]
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.reward)


def frame(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A record as bytes."""
    text = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    return _FRAME.pack(MAGIC, len(text), len(body), zlib.crc32(body, zlib.crc32(text))) + text + body


def scan(path: Path) -> Iterator[Record | None]:
    """The intact records of a file in order; None where bytes are damaged or cut off."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        if at + _FRAME.size <= len(data):
            magic, head_length, body_length, checksum = _FRAME.unpack_from(data, at)
            start = at + _FRAME.size
            end = start + head_length + body_length
            if magic == MAGIC and end <= len(data) and zlib.crc32(memoryview(data)[start:end]) == checksum:
                head = json.loads(data[start : start + head_length])
                yield Record(head, path, start + head_length, body_length)
                at = end
                continue
        yield None
        following = data.find(MAGIC, at + 1)
        if following < 0:
            return
        at = following


def pack_run(run: Run, log: str) -> bytes:
    """The body of a run's record; ``log`` is ``"compact"`` or ``"full"``."""
    names = tuple(run.metrics.columns) if log == "full" else ()
    results = np.stack([run.reward, *(run.metrics[name] for name in names)], axis=1)
    _, first, order = np.unique(run.designs, axis=0, return_index=True, return_inverse=True)
    order = order.reshape(-1)
    if not np.array_equal(results[first][order], results, equal_nan=True):  # not a function of the design: keep all
        first = order = np.arange(len(run))
    designs = run.designs[first].astype(np.uint8 if run.designs.max(initial=0) < 256 else np.uint32)
    reasons = (
        {}
        if log == "compact"
        else {str(k): run.metrics.reasons[row] for k, row in enumerate(first) if run.metrics.reasons[row]}
    )
    parts = (
        order.astype("<u2" if len(first) <= 65536 else "<u4"),
        np.ascontiguousarray(designs.T),
        _planes(results[first]),
        np.packbits(run.metrics.feasible[first]),
    )
    head = {
        "rows": len(run),
        "unique": len(first),
        "width": designs.dtype.itemsize,
        "metrics": names,
        "reasons": reasons,
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    return zlib.compress(struct.pack("<I", len(text)) + text + b"".join(part.tobytes() for part in parts), 6)


def _planes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """First bytes of all numbers, then second bytes, …: equal exponents stand together and compress."""
    return np.ascontiguousarray(values.T.astype("<f8").reshape(-1).view(np.uint8).reshape(-1, 8).T)


def unpack_run(body: bytes) -> Log:
    """The inverse of `pack_run`."""
    data = zlib.decompress(body)
    (length,) = struct.unpack_from("<I", data)
    head = json.loads(data[4 : 4 + length])
    rows, unique, names = head["rows"], head["unique"], head["metrics"]
    at = 4 + length

    def take(kind: str, count: int) -> NDArray[Any]:
        nonlocal at
        part = np.frombuffer(data, dtype=kind, count=count, offset=at)
        at += part.nbytes
        return part

    order = take("<u2" if unique <= 65536 else "<u4", rows).astype(np.int64)
    dimensions = (len(data) - at - 8 * unique * (1 + len(names)) - (unique + 7) // 8) // (unique * head["width"])
    designs = take(f"<u{head['width']}", unique * dimensions).reshape(dimensions, unique).T.astype(np.int64)
    planes = take("u1", 8 * unique * (1 + len(names))).reshape(8, -1)
    results = np.ascontiguousarray(planes.T).view("<f8").reshape(1 + len(names), unique)
    feasible = np.unpackbits(take("u1", (unique + 7) // 8), count=unique).astype(bool)
    reasons = tuple(head["reasons"].get(str(k), "") for k in range(unique))
    return Log(
        designs[order],
        results[0][order],
        feasible[order],
        {name: results[1 + k][order] for k, name in enumerate(names)},
        tuple(reasons[k] for k in order),
    )


def as_run(log: Log, header: Mapping[str, Any], complete: bool) -> Run:
    """A log as a `Run`; metrics that were not kept are NaN."""
    missing = np.full(len(log), np.nan)
    columns = {m["name"]: log.metrics.get(m["name"], missing.copy()) for m in header["metrics"]}
    return Run(header, log.designs, Metrics(columns, log.feasible, log.reasons), log.reward, complete)
