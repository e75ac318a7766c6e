"""Ridge regression on one-hot levels, their pairs, and how workload features change the levels' effects.

A prediction is a sum of table entries in a fixed order: one a parameter and one a pair of parameters.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ModelFileError
from archgym.proxy.trees import BoundTrees, TreeModel
from archgym.space import Designs, Space

Floats = NDArray[np.float64]
#: Pairs of levels are left out where they would be more than this.
MOST_COLUMNS = 4000


@dataclass(frozen=True)
class LinearModel:
    """Attributes: intercept (1 + W,), single (S, 1 + W) effects of levels, pairs (P,) effects of pairs of levels (or
    empty); column 0 holds what does not depend on the workload."""

    intercept: Floats
    single: Floats
    pairs: Floats

    kind = "linear"

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"intercept": self.intercept, "single": self.single, "pairs": self.pairs}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], space: Space, workload_columns: int) -> LinearModel:
        """From saved arrays.

        Raises:
            ModelFileError: if they are not of this space's shape.
        """
        try:
            parts = [np.asarray(arrays[name], dtype=np.float64) for name in ("intercept", "single", "pairs")]
        except (KeyError, ValueError, TypeError) as error:
            raise ModelFileError(f"linear model: an array is missing or of the wrong kind ({error})") from error
        levels, pairs = int(space.sizes.sum()), pair_count(space)
        wanted = ((1 + workload_columns,), (levels, 1 + workload_columns))
        if (parts[0].shape, parts[1].shape) != wanted or parts[2].shape not in ((pairs,), (0,)):
            raise ModelFileError("linear model: the arrays are of another space's shape")
        if not all(np.isfinite(part).all() for part in parts):
            raise ModelFileError("linear model: an effect is not finite")
        return cls(*parts)

    def bind(self, workload: Floats, space: Space) -> BoundLinear:
        """The model for one workload."""
        factors = np.concatenate([[1.0], workload])
        return BoundLinear(
            float((self.intercept * factors).sum()), (self.single * factors).sum(axis=1), self.pairs, space
        )


class BoundLinear:
    """Adds up table entries."""

    def __init__(self, intercept: float, single: Floats, pairs: Floats, space: Space) -> None:
        self._intercept, self._single, self._pairs = intercept, single, pairs
        self._offsets, self._sizes = level_offsets(space), space.sizes

    def members(self, designs: Designs, columns: NDArray[np.int32], threads: int | None = None) -> Floats:
        """Predictions as those of a single member, shape (B, 1)."""
        return self.value(designs)[:, None]

    def value(self, designs: Designs) -> Floats:
        """Predictions, shape (B,)."""
        total = np.full(len(designs), self._intercept)
        for column, offset in enumerate(self._offsets):
            total += self._single[offset + designs[:, column]]
        if len(self._pairs):
            start = 0
            for a, b in itertools.combinations(range(len(self._sizes)), 2):
                total += self._pairs[start + designs[:, a] * self._sizes[b] + designs[:, b]]
                start += int(self._sizes[a] * self._sizes[b])
        return total


def level_offsets(space: Space) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(space.sizes)[:-1]])


def pair_count(space: Space) -> int:
    """Number of pairs of levels of two parameters."""
    sizes = space.sizes
    return (int(sizes.sum()) ** 2 - int((sizes**2).sum())) // 2


def fit_linear(designs: Designs, workload: Floats, target: Floats, space: Space, alpha: float) -> LinearModel:
    """Ridge regression; ``workload`` is (N, W). Pairs are used if they are at most `MOST_COLUMNS`."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import Ridge

    rows, levels = len(designs), int(space.sizes.sum())
    with_pairs = pair_count(space) <= MOST_COLUMNS
    factors = np.concatenate([np.ones((rows, 1)), workload], axis=1)
    singles = designs + level_offsets(space)
    indices = [singles + levels * k for k in range(factors.shape[1])]
    values = [np.repeat(factors[:, k : k + 1], designs.shape[1], axis=1) for k in range(factors.shape[1])]
    start = levels * factors.shape[1]
    if with_pairs:
        for a, b in itertools.combinations(range(len(space.sizes)), 2):
            indices.append((start + designs[:, a] * space.sizes[b] + designs[:, b])[:, None])
            values.append(np.ones((rows, 1)))
            start += int(space.sizes[a] * space.sizes[b])
    if workload.shape[1]:
        indices.append(np.tile(np.arange(start, start + workload.shape[1]), (rows, 1)))
        values.append(workload)
    width = start + workload.shape[1]
    index, value = np.concatenate(indices, axis=1), np.concatenate(values, axis=1)
    pointers = np.arange(0, index.size + 1, index.shape[1])
    matrix = csr_matrix((value.ravel(), index.ravel(), pointers), shape=(rows, width))
    mean = float(target.mean())
    found = Ridge(alpha=alpha, fit_intercept=False, solver="sparse_cg", tol=1e-10, max_iter=2000)
    effects = found.fit(matrix, target - mean).coef_
    count = factors.shape[1]
    single = effects[: levels * count].reshape(count, levels).T
    intercept = np.concatenate([[mean], effects[start:]])
    return LinearModel(intercept, np.ascontiguousarray(single), effects[levels * count : start].copy())


def linear_values(model: LinearModel, designs: Designs, workload: Floats, space: Space) -> Floats:
    """Predictions for rows of any workloads, shape (N,); ``workload`` is (N, W)."""
    values = np.empty(len(designs))
    kinds, which = np.unique(workload, axis=0, return_inverse=True)
    for number, columns in enumerate(kinds):
        mine = which.ravel() == number
        values[mine] = model.bind(columns, space).value(designs[mine])
    return values


@dataclass(frozen=True)
class StackedModel:
    """A linear model, and trees for what it leaves."""

    linear: LinearModel
    trees: TreeModel

    kind = "stacked"

    def arrays(self) -> dict[str, NDArray[Any]]:
        parts = (("linear", self.linear.arrays()), ("trees", self.trees.arrays()))
        return {f"{part}.{name}": array for part, arrays in parts for name, array in arrays.items()}

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, NDArray[Any]], space: Space, width: int, workload_columns: int
    ) -> StackedModel:
        """From saved arrays.

        Raises:
            ModelFileError: if either part is not sound.
        """

        def part(prefix: str) -> dict[str, NDArray[Any]]:
            return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}

        linear = LinearModel.from_arrays(part("linear."), space, workload_columns)
        return cls(linear, TreeModel.from_arrays(part("trees."), width + workload_columns))

    def bind(self, workload: Floats, space: Space, width: int) -> BoundStack:
        """The model for one workload."""
        return BoundStack(self.linear.bind(workload, space), self.trees.bind(workload, width))


class BoundStack:
    """Adds what the trees say to what the linear model says."""

    def __init__(self, linear: BoundLinear, trees: BoundTrees) -> None:
        self._linear, self._trees = linear, trees

    def members(self, designs: Designs, columns: NDArray[np.int32], threads: int | None = None) -> Floats:
        """Each member's value, shape (B, M)."""
        return self._linear.value(designs)[:, None] + self._trees.members(designs, columns, threads)
