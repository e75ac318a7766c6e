"""What a simulator reports: columns of float64 with declared units, and which rows are feasible.

A metric's name carries its SI unit (``energy_J``), so the same name serves arrays, files and reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from archgym.errors import UnknownNameError

Direction = Literal["min", "max", "none"]


@dataclass(frozen=True)
class Metric:
    """One column: its name (unit included), unit, better direction, and the total it is a part of, if any."""

    name: str
    unit: str
    direction: Direction = "none"
    help: str = ""
    part_of: str | None = None


@dataclass(frozen=True)
class Metrics:
    """Results of B designs.

    Attributes:
        columns: float64 arrays of shape (B,), NaN where a row is infeasible or a quantity is not modelled.
        feasible: bool array of shape (B,).
        reasons: B strings, empty where the row is feasible.
        extras: further arrays or lists with leading axis B (breakdowns), not logged.
    """

    columns: Mapping[str, NDArray[np.float64]]
    feasible: NDArray[np.bool_]
    reasons: tuple[str, ...]
    extras: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.feasible)
        wrong = [name for name, column in self.columns.items() if np.shape(column) != (count,)]
        if wrong or len(self.reasons) != count:
            raise ValueError(f"every column and the reasons must have length {count}; wrong: {wrong or ['reasons']}")
        for column in (*self.columns.values(), self.feasible):
            column.setflags(write=False)

    def __len__(self) -> int:
        return len(self.feasible)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in self.columns:
            raise UnknownNameError("metric", name, self.columns)
        return self.columns[name]

    def row(self, number: int) -> dict[str, float]:
        """One row as ``{metric name: value}``."""
        return {name: float(column[number]) for name, column in self.columns.items()}

    def take(self, rows: NDArray[np.int64] | slice) -> Metrics:
        """The chosen rows, in the order given."""
        chosen = np.arange(len(self))[rows]
        return Metrics(
            {name: column[chosen] for name, column in self.columns.items()},
            self.feasible[chosen],
            tuple(self.reasons[number] for number in chosen),
            {name: [extra[number] for number in chosen] for name, extra in self.extras.items()},
        )


def joined(parts: Sequence[Metrics]) -> Metrics:
    """The rows of one or more `Metrics` with equal columns, one after another, without their extras."""
    return Metrics(
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0].columns},
        np.concatenate([part.feasible for part in parts]),
        tuple(reason for part in parts for reason in part.reasons),
    )


def all_feasible(columns: Mapping[str, NDArray[np.float64]]) -> Metrics:
    """`Metrics` in which every row is feasible."""
    count = len(next(iter(columns.values())))
    return Metrics(dict(columns), np.ones(count, dtype=bool), ("",) * count)
