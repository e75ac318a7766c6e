"""What every check is made of: a law that is kept or named in words, bitwise comparison, and another process."""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from archgym.metrics import Metrics
from archgym.problem import Evaluation


class LawViolation(AssertionError):
    """A law of the package does not hold; the message says which and shows a case."""


def law(holds: bool, message: str) -> None:
    """Raise `LawViolation` unless ``holds``."""
    if not holds:
        raise LawViolation(message)


def refused(kind: type[Exception], call: Callable[[], object], what: str, *words: str) -> None:
    """The law that ``call`` raises ``kind`` with a message that contains all ``words``."""
    try:
        call()
    except kind as error:
        missing = [word for word in words if word not in str(error)]
        law(not missing, f"{what}: the error must name {missing}; it says: {error}")
    except Exception as error:
        raise LawViolation(f"{what}: must raise {kind.__name__}, not {type(error).__name__}: {error}") from error
    else:
        raise LawViolation(f"{what}: must raise {kind.__name__}, but it was accepted")


def same(left: Any, right: Any) -> bool:
    """Equality to the last bit, NaN equal to NaN, through arrays, sequences, mappings and dataclasses."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        left, right = np.asarray(left), np.asarray(right)
        if left.shape != right.shape or left.dtype != right.dtype:
            return False
        if left.dtype == object:
            return all(same(a, b) for a, b in zip(left.flat, right.flat, strict=True))
        return _bits(left) == _bits(right)
    if isinstance(left, float) and isinstance(right, float):
        return _bits(np.array(left)) == _bits(np.array(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if dataclasses.is_dataclass(left) and type(left) is type(right):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in dataclasses.fields(left))
    if type(left) is type(right) and "__eq__" not in _defined(type(left)):
        return True  # an object that says nothing of equality, such as a handle to look results up in
    return bool(left == right)


def _defined(kind: type) -> set[str]:
    """Names that a class or its bases, other than ``object``, define."""
    return {name for base in kind.__mro__[:-1] for name in vars(base)}


def _bits(array: np.ndarray[Any, Any]) -> bytes:
    return np.where(np.isnan(array), np.nan, array).tobytes() if array.dtype.kind == "f" else array.tobytes()


def difference(left: Metrics, right: Metrics, rows: np.ndarray[Any, Any] | None = None) -> str:
    """Where two results differ, in words, or nothing if they are equal to the last bit; ``rows`` numbers the rows."""
    if list(left.columns) != list(right.columns):
        return f"columns {list(left.columns)} and {list(right.columns)}"
    number = np.arange(len(left)) if rows is None else rows
    for row in range(len(left)):
        if left.feasible[row] != right.feasible[row] or left.reasons[row] != right.reasons[row]:
            return (
                f"row {number[row]}: feasible {left.feasible[row]} ({left.reasons[row]!r}) "
                f"and {right.feasible[row]} ({right.reasons[row]!r})"
            )
        for name in left.columns:
            if not same(float(left[name][row]), float(right[name][row])):
                return f"row {number[row]}, {name}: {float(left[name][row])!r} and {float(right[name][row])!r}"
        for name, extra in left.extras.items():
            if name not in right.extras or not same(extra[row], right.extras[name][row]):
                return f"row {number[row]}, extra {name!r}"
    return ""


def joined(parts: list[Metrics]) -> Metrics:
    """Results of consecutive batches as one."""
    return Metrics(
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0].columns},
        np.concatenate([part.feasible for part in parts]),
        tuple(reason for part in parts for reason in part.reasons),
        {name: [row for part in parts for row in part.extras[name]] for name in parts[0].extras},
    )


def copied(evaluation: Evaluation) -> Evaluation:
    """A copy that shares no memory."""
    result: Evaluation = pickle.loads(pickle.dumps(evaluation))
    return result


_SCRIPT = """
import pathlib, pickle, sys
call, arguments = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
pathlib.Path(sys.argv[2]).write_bytes(pickle.dumps(call(*arguments)))
"""


def in_another_process(what: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """``call(*arguments)`` in a fresh interpreter with another hash seed; all of it must be picklable.

    Raises:
        LawViolation: saying ``what`` could not be done, and why.
    """
    try:
        request = pickle.dumps((call, arguments))
    except Exception as error:
        raise LawViolation(f"{what}: must be picklable by reference to an importable module: {error}") from error
    with tempfile.TemporaryDirectory() as directory:
        given, taken = Path(directory, "request"), Path(directory, "result")
        given.write_bytes(request)
        seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        finished = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(given), str(taken)],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        law(finished.returncode == 0 and taken.exists(), f"{what}: fails in another process: {finished.stderr[-2000:]}")
        return pickle.loads(taken.read_bytes())
