"""A Gaussian process over level numbers: what designs near by in effect do, weighted by how alike they are.

Two designs are as alike as the product over the parameters of a table entry, and over workload features of a decay with
their distance. Parameters are joined into groups whose tables are multiplied out for a design once, so that a training
row costs one look-up a group. Sums run in a fixed order, so a row's bits do not depend on its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ModelFileError
from archgym.simulators.batch import for_row_blocks
from archgym.simulators.jit import jit
from archgym.space import Designs, Space

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
#: entries of the table of a group of parameters at most, unless one parameter alone has more
GROUP = 1024
BLOCK = 256


@dataclass(frozen=True)
class GaussianModel:
    """Attributes:

    codes: training rows' level numbers, shape (D, N).
    workload: their workload columns, shape (N, W).
    tables: likeness of a parameter's levels, one square table a parameter, row by row, one after the other.
    decay: of likeness with the distance of workloads.
    weights: of the rows, for each of M members, shape (N, M).
    mean: what a design like no other is taken for.
    """

    codes: NDArray[np.int32]
    workload: Floats
    tables: Floats
    decay: float
    weights: Floats
    mean: float

    kind = "gaussian"

    def arrays(self) -> dict[str, NDArray[Any]]:
        numbers = np.array([self.decay, self.mean])
        return {
            "codes": self.codes, "workload": self.workload, "tables": self.tables, "weights": self.weights,
            "numbers": numbers,
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], space: Space, workload_columns: int) -> GaussianModel:
        """From saved arrays.

        Raises:
            ModelFileError: if they are not of this space's shape.
        """
        try:
            codes = np.ascontiguousarray(arrays["codes"], dtype=np.int32)
            workload, tables, weights, numbers = (
                np.ascontiguousarray(arrays[name], dtype=np.float64)
                for name in ("workload", "tables", "weights", "numbers")
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ModelFileError(f"Gaussian process: an array is missing or of the wrong kind ({error})") from error
        rows = codes.shape[-1]
        sound = (
            codes.shape == (len(space), rows)
            and workload.shape == (rows, workload_columns)
            and tables.shape == (int((space.sizes.astype(np.int64) ** 2).sum()),)
            and weights.ndim == 2
            and weights.shape[0] == rows
            and weights.shape[1] > 0
            and numbers.shape == (2,)
            and all(bool(np.isfinite(array).all()) for array in (workload, tables, weights, numbers))
            and bool(((codes >= 0) & (codes < space.sizes[:, None])).all())
        )
        if not sound:
            raise ModelFileError("Gaussian process: the arrays are of another space's shape")
        return cls(codes, workload, tables, float(numbers[0]), weights, float(numbers[1]))

    def bind(self, workload: Floats, space: Space) -> BoundGaussian:
        """The model for one workload."""
        near = np.exp(-self.decay * workload_distance(self.workload, workload[None]))
        return BoundGaussian(self, self.weights * near, space)


class BoundGaussian:
    """Adds up the training rows' weights times how alike they are."""

    def __init__(self, model: GaussianModel, weights: Floats, space: Space) -> None:
        self._mean, self._tables = model.mean, model.tables
        self._weights = np.ascontiguousarray(weights.T)
        self._sizes = np.asarray(space.sizes, dtype=np.int64)
        self._first = parameter_groups(self._sizes)
        self._codes = _joint(model.codes.astype(np.int64), self._sizes, self._first)
        self._halves: tuple[Floats, Floats] | None = None
        if len(self._codes) == 2:
            halves = self._joint_table(0), self._joint_table(1)
            if len(halves[0]) <= 2 * model.codes.shape[1]:
                self._halves = halves

    def _joint_table(self, group: int) -> Floats:
        """Likeness of all joint levels of a group's parameters, square."""
        table: Floats = np.ones((1, 1))
        start = int((self._sizes[: self._first[group]] ** 2).sum())
        for size in self._sizes[self._first[group] : self._first[group + 1]].tolist():
            own = self._tables[start : start + size * size].reshape(size, size)
            table = np.asarray(np.kron(table, own), dtype=np.float64)
            start += size * size
        return np.ascontiguousarray(table)

    def members(self, designs: Designs, columns: NDArray[np.int32], threads: int | None = None) -> Floats:
        """Each member's value, shape (B, M)."""
        found = np.empty((len(designs), len(self._weights)))
        if self._halves is not None:
            return self._by_halves(designs, self._halves, found, threads) + self._mean

        def work(start: int, stop: int) -> None:
            rows = np.ascontiguousarray(designs[start:stop])
            _sums(rows, self._codes, self._tables, self._sizes, self._first, self._weights, found[start:stop])

        for_row_blocks(work, len(designs), BLOCK, threads)
        return found + self._mean

    def _by_halves(self, designs: Designs, halves: tuple[Floats, Floats], found: Floats, threads: int | None) -> Floats:
        """Where the parameters make two groups, designs of equal second half share the sums over the training rows."""
        first, second = _joint(np.ascontiguousarray(designs.T), self._sizes, self._first)
        order = np.argsort(second, kind="stable")
        first, second, sorted_found = first[order], second[order], np.empty_like(found)

        def work(start: int, stop: int) -> None:
            here = slice(start, stop)
            _half_sums(first[here], second[here], self._codes, *halves, self._weights, sorted_found[here])

        for_row_blocks(work, len(designs), 16 * BLOCK, threads)
        found[order] = sorted_found
        return found


def workload_distance(first: Floats, second: Floats) -> Floats:
    """Sum over the columns of how far workloads are apart, shape (N, K), of workload columns (N, W) and (K, W)."""
    apart = np.zeros((len(first), len(second)))
    for column in range(first.shape[1]):
        apart += np.abs(first[:, None, column] - second[None, :, column])
    return apart


def parameter_groups(sizes: Integers) -> Integers:
    """The first parameter of each group, and the number of parameters, shape (G + 1,)."""
    first, joint = [0], 1
    for number, size in enumerate(sizes.tolist()):
        if number > first[-1] and joint * size > GROUP:
            first.append(number)
            joint = 1
        joint *= size
    return np.array([*first, len(sizes)], dtype=np.int64)


def _joint(codes: Integers, sizes: Integers, first: Integers) -> NDArray[np.int32]:
    """Training rows' places in the tables of the groups, shape (G, N)."""
    places = np.zeros((len(first) - 1, codes.shape[1]), dtype=np.int64)
    for group in range(len(first) - 1):
        for number in range(first[group], first[group + 1]):
            places[group] = places[group] * sizes[number] + codes[number]
    return places.astype(np.int32)


@jit
def _inner(first: Floats, second: Floats) -> float:
    """Sum of products, in four parts, because one would wait for itself."""
    count, a, b, c, d = len(first), 0.0, 0.0, 0.0, 0.0
    for n in range(0, count - count % 4, 4):
        a += first[n] * second[n]
        b += first[n + 1] * second[n + 1]
        c += first[n + 2] * second[n + 2]
        d += first[n + 3] * second[n + 3]
    for n in range(count - count % 4, count):
        a += first[n] * second[n]
    return (a + b) + (c + d)


@jit
def _sums(
    designs: Designs,
    codes: NDArray[np.int32],
    tables: Floats,
    sizes: Integers,
    first: Integers,
    weights: Floats,
    found: Floats,
) -> None:
    """Sum of weights times likeness for each of ``designs`` (B, D) and each member, into ``found`` (B, M)."""
    rows, most, joint = codes.shape[1], 1, 1
    for group in range(len(first) - 1):
        joint = 1
        for i in range(first[group], first[group + 1]):
            joint *= sizes[i]
        most = max(most, joint)
    table, alike = np.empty(most), np.empty(rows)
    for b in range(len(designs)):
        alike[:] = 1.0
        start = 0
        for group in range(len(first) - 1):
            table[0], length = 1.0, 1
            for i in range(first[group], first[group + 1]):
                size = sizes[i]
                line = tables[start + designs[b, i] * size : start + (designs[b, i] + 1) * size]
                for k in range(length - 1, -1, -1):  # from the end, as the entries are spread out in place
                    before = table[k]
                    for level in range(size):
                        table[k * size + level] = before * line[level]
                length *= size
                start += size * size
            places = codes[group]
            for n in range(rows):
                alike[n] *= table[places[n]]
        for member in range(len(weights)):
            found[b, member] = _inner(weights[member], alike)


@jit
def _half_sums(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    codes: NDArray[np.int32],
    first_table: Floats,
    second_table: Floats,
    weights: Floats,
    found: Floats,
) -> None:
    """As `_sums`, for designs (B,) given by the places of their two halves, those of equal second half in a row.

    For a second half the weights times its likeness are summed by the training rows' first halves, once; each design
    is then a sum over the levels of the first half.
    """
    members, rows = weights.shape
    sums = np.empty((members, len(first_table)))
    for b in range(len(first)):
        if b == 0 or second[b] != second[b - 1]:
            sums[:] = 0.0
            line = second_table[second[b]]
            for member in range(members):
                for n in range(rows):
                    sums[member, codes[0, n]] += weights[member, n] * line[codes[1, n]]
        alike = first_table[first[b]]
        for member in range(members):
            found[b, member] = _inner(sums[member], alike)
