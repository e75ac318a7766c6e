"""A table for people, spreadsheets and papers."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """A table with a caption; ``name`` is its file name."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[list[Cell]]
    note: str = ""

    def csv(self) -> str:
        """RFC 4180, full precision."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()

    def latex(self) -> str:
        """A ``tabular`` without packages."""
        numeric = [all(not isinstance(row[k], str) for row in self.rows) for k in range(len(self.columns))]
        head = " & ".join(_tex(column) for column in self.columns)
        lines = [" & ".join(_tex(shown(cell)) for cell in row) + r" \\" for row in self.rows]
        return "\n".join(
            [
                f"% {self.title}",
                r"\begin{tabular}{" + "".join("r" if n else "l" for n in numeric) + "}",
                r"\hline",
                head + r" \\",
                r"\hline",
                *lines,
                r"\hline",
                r"\end{tabular}",
                "",
            ]
        )


def shown(cell: Cell) -> str:
    """A cell for people: four significant digits."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return "–"
    if isinstance(cell, float):
        return "never" if np.isinf(cell) else f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


_TEX = {
    "&": r"\&",
    "%": r"\%",
    "_": r"\_",
    "#": r"\#",
    "$": r"\$",
    "–": "--",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "~": r"\~{}",
}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
