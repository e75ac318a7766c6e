"""The columns of a dataset's Parquet files, derived from the space and the metrics.

Every parameter has a column of values (its name) and one of level numbers (its name + ``_level``); every
metric has a float64 column of its own name. Units are in the fields' metadata.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from archgym.errors import DatasetError, MissingExtraError
from archgym.metrics import Metric
from archgym.space import Parameter, Space

#: Columns every dataset has, beside those of parameters and metrics.
FIXED = ("run", "step", "agent", "workload", "feasible", "reason", "reward")


def arrow() -> Any:
    """The ``pyarrow`` module with ``pyarrow.parquet`` loaded.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading and writing datasets", "data") from error


def level_column(parameter: str) -> str:
    return f"{parameter}_level"


def value_type(parameter: Parameter) -> Any:
    """The Arrow type of a parameter's values: bool, int64, float64, or text where kinds are mixed."""
    pa = arrow()
    kinds = {type(level) for level in parameter.levels}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if kinds <= {int, float}:
        return pa.float64()
    return pa.dictionary(pa.int16(), pa.string())


def level_values(parameter: Parameter) -> list[Any]:
    """The levels as the values column stores them."""
    kinds = {type(level) for level in parameter.levels}
    if kinds in ({bool}, {int}):
        return list(parameter.levels)
    if kinds <= {int, float}:
        return [float(level) for level in parameter.levels]
    return [str(level).lower() if isinstance(level, bool) else str(level) for level in parameter.levels]


def column_names(space: Space, metrics: Sequence[Metric]) -> list[str]:
    """All columns in file order.

    Raises:
        DatasetError: if a parameter, a metric and a fixed column share a name.
    """
    names = [*FIXED[:4], *space.names, *map(level_column, space.names), *(m.name for m in metrics), *FIXED[4:]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetError(
            f"columns {', '.join(map(repr, twice))} would be there twice; rename the parameter or metric"
        )
    return names


def make_schema(space: Space, metrics: Sequence[Metric]) -> Any:
    """The Arrow schema of a dataset."""
    pa = arrow()
    column_names(space, metrics)
    text = pa.dictionary(pa.int16(), pa.string())
    fields = [
        pa.field("run", pa.int32(), False),
        pa.field("step", pa.int32(), False),
        pa.field("agent", text),
        pa.field("workload", text),
    ]
    for parameter in space.parameters:
        note = {"unit": parameter.unit, "help": parameter.help}
        fields.append(pa.field(parameter.name, value_type(parameter), False, _bytes(note)))
    for parameter in space.parameters:
        kind = pa.uint8() if len(parameter.levels) <= 256 else pa.int32()
        fields.append(pa.field(level_column(parameter.name), kind, False))
    for metric in metrics:
        note = {"unit": metric.unit, "help": metric.help, "direction": metric.direction}
        fields.append(pa.field(metric.name, pa.float64(), True, _bytes(note)))
    fields += [pa.field("feasible", pa.bool_(), False), pa.field("reason", text), pa.field("reward", pa.float64())]
    return pa.schema(fields, metadata={"archgym_space": space.fingerprint})


def _bytes(note: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in note.items() if text}


def level_dtype(space: Space) -> np.dtype[Any]:
    """The smallest unsigned type that holds every level number of the space."""
    return np.min_scalar_type(int(space.sizes.max()) - 1)
