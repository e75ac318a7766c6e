"""The run file: one search as JSON lines, append-only while it runs, renamed when it is complete.

Line 1 is the header (spec, identity, space, metrics), then one line a batch, last a footer with the
row count and a checksum of the whole. Every line ends with its own checksum too: what is complete has a
footer, and anything else can be resumed from its intact lines. Floats are written in their shortest
exact form, so reading gives back the same bits.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from archgym.errors import RunFileError
from archgym.metrics import Metrics
from archgym.problem import Evaluation
from archgym.space import Designs, Space

FORMAT = 1


@dataclass(frozen=True)
class Run:
    """A run file's content.

    Attributes:
        header: spec, identity, space and metric descriptions.
        designs: level numbers, shape (N, D), in the order evaluated.
        metrics: of the N rows.
        reward: shape (N,).
        complete: whether the run ended by using up its budget.
    """

    header: Mapping[str, Any]
    designs: Designs
    metrics: Metrics
    reward: NDArray[np.float64]
    complete: bool

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def space(self) -> Space:
        return Space.from_json(self.header["space"])

    @property
    def best(self) -> int:
        """The number of the first row with the highest reward."""
        return int(np.argmax(self.reward))


class RunWriter:
    """Appends batches to ``path + '.partial'`` and renames it to ``path`` on `finish`.

    While a resumed run is being replayed, its first ``replayed`` rows go to a side file, which takes the
    partial file's place only once it holds as much: being killed meanwhile loses nothing.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], replayed: int = 0) -> None:
        self.path, self.partial = path, partial_path(path)
        self._digest, self._rows, self._replayed = hashlib.sha256(), 0, replayed
        path.parent.mkdir(parents=True, exist_ok=True)
        self._current = self.partial.with_name(self.partial.name + ".replay") if replayed else self.partial
        self._file: TextIO = self._current.open("w", encoding="utf-8", newline="\n")
        self._write({"archgym_run": FORMAT, **header})

    def _write(self, entry: Mapping[str, Any]) -> None:
        line = _sealed(json.dumps(entry, separators=(",", ":"), allow_nan=False))
        self._digest.update(line.encode())
        self._file.write(line)
        self._file.flush()

    def append(self, evaluation: Evaluation) -> None:
        metrics = evaluation.metrics
        reasons = {str(row): reason for row, reason in enumerate(metrics.reasons) if reason}
        entry: dict[str, Any] = {
            "designs": evaluation.designs.tolist(),
            "reward": evaluation.reward.tolist(),
            "feasible": metrics.feasible.astype(int).tolist(),
            "metrics": {name: _numbers(column) for name, column in metrics.columns.items()},
        }
        if reasons:
            entry["reasons"] = reasons
        self._write(entry)
        self._rows += len(evaluation)
        if self._current != self.partial and self._rows >= self._replayed:
            os.replace(self._current, self.partial)
            self._current = self.partial

    def finish(self) -> None:
        """Write the footer, make it durable, and give the file its final name."""
        self._write({"end": True, "rows": self._rows, "sha256": self._digest.hexdigest()})
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._current, self.path)

    def close(self) -> None:
        """Stop without finishing; the partial file stays and can be resumed."""
        self._file.close()


_SEAL = ',"crc32":"%08x"}\n'
_SEAL_LENGTH = len(_SEAL % 0)


def _sealed(body: str) -> str:
    """A JSON object as a line whose last entry is the CRC-32 of the rest."""
    return body[:-1] + _SEAL % zlib.crc32(body.encode())


def _unsealed(line: bytes) -> Any:
    """The JSON object of a sealed line, or None if the line is damaged or cut off."""
    body = line[:-_SEAL_LENGTH] + b"}"
    if line[-_SEAL_LENGTH:] != (_SEAL % zlib.crc32(body)).encode():
        return None
    return json.loads(body)


def partial_path(path: Path) -> Path:
    """Where an unfinished run is kept."""
    return path.with_name(path.name + ".partial")


def _numbers(column: NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in column.tolist()]


def read_run(path: Path | str, salvage: bool = False) -> Run:
    """Read a run file, complete or partial.

    Args:
        salvage: keep the intact leading lines of a damaged file instead of refusing it.

    Raises:
        RunFileError: if the file is not a run file, or is damaged and ``salvage`` is false.
    """
    path = Path(path)
    entries, complete, damage = _read_entries(path)
    if not entries or entries[0].get("archgym_run") != FORMAT:
        raise RunFileError(f"{path}: not an archgym run file (line 1 must be a header of format {FORMAT})")
    unfinished = path.name.endswith(".partial")
    if damage and not salvage:
        raise RunFileError(f"{path}: {damage}; {_count_rows(entries)} intact evaluations can be resumed from")
    if not complete and not unfinished and not salvage:
        raise RunFileError(
            f"{path}: truncated, the footer is missing; {_count_rows(entries)} intact evaluations can be resumed from"
        )
    return _assemble(entries[0], entries[1:], complete and not damage)


def _count_rows(entries: list[dict[str, Any]]) -> int:
    return sum(len(entry["reward"]) for entry in entries[1:])


def _read_entries(path: Path) -> tuple[list[dict[str, Any]], bool, str]:
    """Intact entries before the footer, whether a valid footer was found, and what is damaged."""
    digest = hashlib.sha256()
    entries: list[dict[str, Any]] = []
    for number, line in _lines(path):
        entry = _unsealed(line)
        if entry is None:
            return entries, False, f"line {number} is damaged or cut off"
        if entry.get("end"):
            if entry.get("sha256") != digest.hexdigest() or entry.get("rows") != _count_rows(entries):
                return entries, False, "the checksum does not match the content"
            return entries, True, ""
        digest.update(line)
        entries.append(entry)
    return entries, False, ""


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from enumerate(file, start=1)
    except OSError as error:
        raise RunFileError(f"{path}: cannot be read ({error.strerror})") from error


def _assemble(header: dict[str, Any], batches: list[dict[str, Any]], complete: bool) -> Run:
    names = [metric["name"] for metric in header["metrics"]]
    dimensions = len(header["space"]["parameters"])
    designs = [row for batch in batches for row in batch["designs"]]
    columns = {name: [value for batch in batches for value in batch["metrics"][name]] for name in names}
    reasons = [batch.get("reasons", {}).get(str(row), "") for batch in batches for row in range(len(batch["reward"]))]
    metrics = Metrics(
        {name: np.array(values, dtype=np.float64) for name, values in columns.items()},
        np.array([flag for batch in batches for flag in batch["feasible"]], dtype=bool),
        tuple(reasons),
    )
    rewards = np.array([value for batch in batches for value in batch["reward"]], dtype=np.float64)
    return Run(header, np.array(designs, dtype=np.int64).reshape(-1, dimensions), metrics, rewards, complete)
