"""Reading a user's own CSV table as a dataset, by a mapping from its columns to a problem's parameters and metrics."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archgym.dataset.logs import describe
from archgym.dataset.rows import Rows
from archgym.dataset.store import Dataset, DatasetWriter
from archgym.errors import ConfigError, DatasetError, DesignError, UnknownNameError
from archgym.metrics import Metrics
from archgym.problem import Problem
from archgym.registry import make_problem
from archgym.space import Parameter

_BLOCK = 16_384
_YES, _NO = {"1", "true", "yes"}, {"0", "false", "no"}


@dataclass(frozen=True)
class Column:
    """Where a quantity is in the table: its column, the level each text means, the factor to the metric's unit."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 1.0


@dataclass(frozen=True)
class TableMapping:
    """A parsed mapping file; parameters that it leaves out take ``constants`` or their defaults."""

    parameters: Mapping[str, Column]
    metrics: Mapping[str, Column]
    constants: Mapping[str, Any]
    feasible: str | None


def read_mapping(path: Path | str) -> TableMapping:
    """A mapping from a JSON file::

        {"parameters": {"page_policy": "PagePolicy",
                        "scheduler": {"column": "Sched", "values": {"frfcfs": "FrFcfs"}}},
         "constants": {"arbiter": "Simple"},
         "metrics": {"energy_J": {"column": "energy_mJ", "scale": 1e-3}},
         "feasible": "ok"}

    Raises:
        ConfigError, UnknownNameError: if it cannot be read or holds another key.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"mapping {path}: cannot be read ({error})") from error
    return parse_mapping(content)


def parse_mapping(content: Mapping[str, Any]) -> TableMapping:
    """The mapping in the form `read_mapping` shows, already parsed."""
    keys = ("parameters", "constants", "metrics", "feasible")
    for key in content:
        if key not in keys:
            raise UnknownNameError("mapping key", key, keys)
    if not content.get("metrics"):
        raise ConfigError("mapping: 'metrics' must name at least one metric")
    tables = [
        {name: _column(name, entry) for name, entry in content.get(key, {}).items()}
        for key in ("parameters", "metrics")
    ]
    return TableMapping(tables[0], tables[1], dict(content.get("constants", {})), content.get("feasible"))


def _column(name: str, entry: Any) -> Column:
    if isinstance(entry, str):
        return Column(entry)
    if not isinstance(entry, Mapping) or not isinstance(entry.get("column"), str):
        raise ConfigError(f"mapping of {name!r}: {entry!r} is neither a column name nor an object with 'column'")
    for key in entry:
        if key not in ("column", "values", "scale"):
            raise UnknownNameError(f"key in the mapping of {name!r}", key, ("column", "values", "scale"))
    return Column(entry["column"], dict(entry.get("values", {})), float(entry.get("scale", 1.0)))


def import_csv(
    path: Path | str,
    directory: Path | str,
    mapping: TableMapping,
    problem: str,
    simulator: str,
    version: int = 1,
    workload: str | None = None,
    objective: str | None = None,
    allow_missing: bool = False,
    name: str = "",
    licence: str = "not stated",
    description: str = "",
    published: str = "",
) -> Dataset:
    """Read a CSV file with a header line into a dataset with one run by agent ``imported``.

    Args:
        problem: the family whose space and metrics the table is mapped to.
        simulator, version: what made the numbers; equal to the family's own only if it did.
        description, published: as `build_dataset` takes them.
        allow_missing: keep rows whose metrics are missing or not finite (as null) instead of refusing the file.

    Raises:
        UnknownNameError: for a parameter, metric or column that does not exist.
        DatasetError: for a value that is no level (with its line), or for missing values (counted by column).
    """
    path = Path(path)
    target = make_problem(problem, workload, objective)
    _check_names(mapping, target)
    metrics = [metric for metric in target.metrics if metric.name in mapping.metrics]
    reader = _Reader(path, mapping, target, allow_missing)
    who = {"name": simulator, "version": version}
    description = description or f"Imported from {path.name}."
    with DatasetWriter(
        directory, target.space, metrics, who, name, description, licence, published=published
    ) as writer:
        task = {"problem": target.id, "objective": target.objective_name, "objective_definition": None}
        run = writer.add_run(describe(target.workload), task, "imported", {"file": path.name}, 0, 1, 1, path.name)
        step = 0
        for designs, found in reader.blocks():
            reward = np.full(len(designs), np.nan)
            if set(target.objective.metrics) <= set(found.columns):
                reward = np.array(target.score(designs, found).reward)
            numbers = np.arange(step, step + len(designs))
            writer.append(Rows(designs, found, reward, np.full(len(designs), run), numbers))
            step += len(designs)
        reader.finish()
        return writer.finish()


def _check_names(mapping: TableMapping, target: Problem) -> None:
    known = [metric.name for metric in target.metrics]
    for name in mapping.metrics:
        if name not in known:
            raise UnknownNameError("metric", name, known)
    for name in (*mapping.parameters, *mapping.constants):
        if name not in target.space.names:
            raise UnknownNameError("parameter", name, target.space.names)


class _Reader:
    """Blocks of designs and metrics from the table; counts what is missing."""

    def __init__(self, path: Path, mapping: TableMapping, target: Problem, allow_missing: bool) -> None:
        self._path, self._mapping, self._target, self._allow_missing = path, mapping, target, allow_missing
        self._levels: dict[tuple[str, str], int] = {}
        self._missing: dict[str, list[int]] = {}

    def blocks(self) -> Iterator[tuple[np.ndarray[Any, Any], Metrics]]:
        base = self._target.space.encode(self._mapping.constants)[0]
        try:
            with self._path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                self._check_columns(reader.fieldnames or ())
                block: list[tuple[int, dict[str, str]]] = []
                for row in reader:
                    block.append((reader.line_num, row))
                    if len(block) == _BLOCK:
                        yield self._parse(block, base)
                        block = []
                if block:
                    yield self._parse(block, base)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DatasetError(f"{self._path}: cannot be read as CSV ({error})") from error

    def _check_columns(self, header: Any) -> None:
        wanted = [c.name for c in (*self._mapping.parameters.values(), *self._mapping.metrics.values())]
        for name in [*wanted, *([self._mapping.feasible] if self._mapping.feasible else [])]:
            if name not in header:
                raise UnknownNameError(f"column of {self._path.name}", name, header)

    def _parse(self, block: list[tuple[int, dict[str, str]]], base: Any) -> tuple[Any, Metrics]:
        designs = np.tile(base, (len(block), 1))
        feasible = np.array([self._flag(line, row) for line, row in block], dtype=bool)
        for name, column in self._mapping.parameters.items():
            place = self._target.space.names.index(name)
            parameter = self._target.space[name]
            for number, (line, row) in enumerate(block):
                designs[number, place] = self._level(parameter, column, row[column.name], line)
        columns = {}
        for metric in self._target.metrics:
            if metric.name in self._mapping.metrics:
                column = self._mapping.metrics[metric.name]
                values = [
                    self._number(column, row[column.name], line, usable)
                    for (line, row), usable in zip(block, feasible, strict=True)
                ]
                columns[metric.name] = np.array(values) * column.scale
        reasons = tuple("" if usable else "marked infeasible in the table" for usable in feasible)
        return designs, Metrics(columns, feasible, reasons)

    def _flag(self, line: int, row: dict[str, str]) -> bool:
        if self._mapping.feasible is None:
            return True
        text = (row[self._mapping.feasible] or "").strip().lower()
        if text not in _YES | _NO:
            raise DatasetError(
                f"{self._path}, line {line}: {self._mapping.feasible} is {text!r}; allowed: 1/0, true/false, yes/no"
            )
        return text in _YES

    def _level(self, parameter: Parameter, column: Column, text: str | None, line: int) -> int:
        text = (text or "").strip()
        key = (parameter.name, text)
        if key not in self._levels:
            try:
                self._levels[key] = parameter.index(column.values.get(text, text))
            except DesignError as error:
                raise DatasetError(f"{self._path}, line {line}: {error}") from error
        return self._levels[key]

    def _number(self, column: Column, text: str | None, line: int, feasible: bool) -> float:
        try:
            value = float(text or "nan")
        except ValueError:
            raise DatasetError(f"{self._path}, line {line}: {column.name} is {text!r}, not a number") from None
        if not feasible:
            return math.nan
        if not math.isfinite(value):
            self._missing.setdefault(column.name, []).append(line)
            return math.nan
        return value

    def finish(self) -> None:
        """Refuse the file if values are missing and that was not allowed."""
        if self._missing and not self._allow_missing:
            told = [
                f"{name} in {len(lines)} row{'s' if len(lines) > 1 else ''} (first in line {lines[0]})"
                for name, lines in self._missing.items()
            ]
            raise DatasetError(
                f"{self._path}: values are missing or not finite: {', '.join(told)}; fill them in, "
                "mark the rows infeasible, or allow missing values"
            )
