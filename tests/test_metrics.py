"""Metrics: columns of one length, read-only, taken by row."""

import numpy as np
import pytest

from archgym.errors import UnknownNameError
from archgym.metrics import Metrics, all_feasible


def some():
    columns = {"time_s": np.array([1.0, np.nan, 3.0]), "energy_J": np.array([0.1, np.nan, 0.3])}
    extras = {"parts": np.arange(6).reshape(3, 2), "names": ["a", "b", "c"]}
    return Metrics(columns, np.array([True, False, True]), ("", "too big", ""), extras)


def test_rows_and_columns():
    metrics = some()
    assert len(metrics) == 3
    assert metrics.row(2) == {"time_s": 3.0, "energy_J": 0.3}
    with pytest.raises(UnknownNameError, match="did you mean 'energy_J'"):
        metrics["energy"]


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([2, 0]), slice(None, None, -1), slice(0, 0)])
def test_taking_rows_takes_all_of_them(rows):
    metrics, numbers = some(), np.arange(3)[rows]
    taken = metrics.take(rows)
    assert np.array_equal(taken["time_s"], metrics["time_s"][numbers], equal_nan=True)
    assert taken.reasons == tuple(metrics.reasons[n] for n in numbers)
    assert taken.feasible.tolist() == metrics.feasible[numbers].tolist()
    assert taken.extras["names"] == [metrics.extras["names"][n] for n in numbers]


def test_columns_are_read_only():
    metrics = all_feasible({"time_s": np.ones(2)})
    assert metrics.feasible.all()
    with pytest.raises(ValueError, match="read-only"):
        metrics["time_s"][0] = 2.0


@pytest.mark.parametrize(
    ("columns", "reasons"),
    [
        ({"a": np.ones(2)}, ("", "", "")),
        ({"a": np.ones((3, 1))}, ("", "", "")),
        ({"a": np.ones(3)}, ("",)),
    ],
)
def test_lengths_must_agree(columns, reasons):
    with pytest.raises(ValueError, match="must have length 3"):
        Metrics(columns, np.ones(3, dtype=bool), reasons)
