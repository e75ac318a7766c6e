"""Blocks of rows, and the digest of their content, which does not depend on how they are cut into files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.metrics import Metric, Metrics
from archgym.space import Designs, Space


@dataclass(frozen=True)
class Rows:
    """A block of B rows: designs (B, D) of level numbers, metrics, and reward, run and step numbers of shape (B,)."""

    designs: Designs
    metrics: Metrics
    reward: NDArray[np.float64]
    run: NDArray[np.int64]
    step: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.run)

    def take(self, chosen: NDArray[Any] | slice) -> Rows:
        """The chosen rows."""
        numbers = np.arange(len(self))[chosen]
        return Rows(
            self.designs[numbers],
            self.metrics.take(numbers),
            self.reward[numbers],
            self.run[numbers],
            self.step[numbers],
        )


def concatenate(blocks: Sequence[Rows]) -> Rows:
    """The rows of all blocks in order."""
    names = blocks[0].metrics.columns
    metrics = Metrics(
        {name: np.concatenate([block.metrics[name] for block in blocks]) for name in names},
        np.concatenate([block.metrics.feasible for block in blocks]),
        tuple(reason for block in blocks for reason in block.metrics.reasons),
    )
    return Rows(
        np.concatenate([block.designs for block in blocks]),
        metrics,
        *(np.concatenate([getattr(block, name) for block in blocks]) for name in ("reward", "run", "step")),
    )


class ContentDigest:
    """SHA-256 over columns of values in row order: equal for equal rows, whatever blocks they come in."""

    def __init__(self, space: Space, metrics: Sequence[Metric]) -> None:
        self._names = [f"level {name}" for name in space.names] + [f"metric {metric.name}" for metric in metrics]
        self._names += ["run", "step", "feasible", "reasons", "reward"]
        self._parts = {name: hashlib.sha256() for name in self._names}

    def update(self, rows: Rows) -> None:
        columns: list[bytes] = [column.astype("<i4").tobytes() for column in rows.designs.T]
        columns += [_canonical(values) for values in rows.metrics.columns.values()]
        columns += [values.astype("<i4").tobytes() for values in (rows.run, rows.step)]
        columns += [
            rows.metrics.feasible.astype(np.uint8).tobytes(),
            "".join(f"{reason}\0" for reason in rows.metrics.reasons).encode(),
            _canonical(rows.reward),
        ]
        for name, content in zip(self._names, columns, strict=True):
            self._parts[name].update(content)

    def hexdigest(self) -> str:
        whole = hashlib.sha256()
        for name, part in self._parts.items():
            whole.update(f"{name}:{part.hexdigest()};".encode())
        return whole.hexdigest()


def _canonical(values: NDArray[np.float64]) -> bytes:
    return np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes()


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
