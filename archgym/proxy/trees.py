"""Ensembles of regression trees as flat arrays, and the kernel that evaluates them.

Children of a node lie side by side, and a leaf is its own child, so a walk needs no branch. Each member's trees
are added up in a fixed order a row, so a row's bits do not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ModelFileError
from archgym.simulators.batch import for_row_blocks
from archgym.simulators.jit import jit
from archgym.space import Designs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """One tree as it was trained: per node the column compared, the threshold (go left if value <= it), the
    children, and the leaf value; ``column`` is -1 in a leaf."""

    column: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats


@dataclass(frozen=True)
class TreeModel:
    """M members, each a base value plus a weight times the sum of its trees; all trees in one block of nodes.

    Attributes:
        column: shape (K,), the column compared (workload columns follow the design columns); 0 in leaves.
        threshold: shape (K,), infinite in leaves.
        child: shape (K,), the left child, the right one being next to it; a leaf's own number in leaves.
        value: shape (K,), of leaves.
        root: shape (T,), the first node of each tree.
        member: shape (M + 1,), the first tree of each member, and T.
        base, weight: shape (M,).
    """

    column: NDArray[np.int32]
    threshold: Floats
    child: NDArray[np.int32]
    value: Floats
    root: NDArray[np.int32]
    member: NDArray[np.int32]
    base: Floats
    weight: Floats

    kind = "trees"

    def arrays(self) -> dict[str, NDArray[Any]]:
        names = ("column", "threshold", "child", "value", "root", "member", "base", "weight")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], columns: int) -> TreeModel:
        """From saved arrays, checked so that no walk can leave them or go on for ever.

        Raises:
            ModelFileError: if they are not trees over ``columns`` columns.
        """
        kinds = {"column": np.int32, "child": np.int32, "root": np.int32, "member": np.int32}
        try:
            parts: dict[str, Any] = {
                name: np.ascontiguousarray(arrays[name], dtype=kinds.get(name, np.float64))
                for name in ("column", "threshold", "child", "value", "root", "member", "base", "weight")
            }
        except (KeyError, ValueError, TypeError) as error:
            raise ModelFileError(f"tree model: an array is missing or of the wrong kind ({error})") from error
        model = cls(**parts)
        model.check(columns)
        return model

    def check(self, columns: int) -> None:
        """Raise ModelFileError unless every walk from every root stays in the arrays and ends in a leaf."""
        nodes, here = len(self.column), np.arange(len(self.column))
        leaf = self.child == here
        sound = (
            all(a.shape == (nodes,) for a in (self.threshold, self.child, self.value))
            and nodes > 0
            and bool(((self.column >= 0) & (self.column < columns)).all())
            and bool((leaf | ((self.child > here) & (self.child < nodes - 1))).all())
            and bool((self.threshold[leaf] == np.inf).all())
            and self.root.ndim == 1
            and bool(((self.root >= 0) & (self.root < nodes)).all())
            and self.base.shape == self.weight.shape == (len(self.member) - 1,)
            and len(self.base) > 0
            and self.member[0] == 0
            and self.member[-1] == len(self.root)
            and bool((np.diff(self.member) >= 0).all())
            and all(bool(np.isfinite(a).all()) for a in (self.value, self.base, self.weight))
        )
        if not sound:
            raise ModelFileError("tree model: the arrays do not form trees")

    def bind(self, workload: Floats, width: int) -> BoundTrees:
        """The trees for one workload: comparisons with its columns (those from ``width`` on) are decided."""
        if not (self.column >= width).any():
            return BoundTrees(self)
        trees = [self._tree(int(root), workload, width) for root in self.root]
        groups = [trees[start:stop] for start, stop in zip(self.member[:-1], self.member[1:], strict=True)]
        return BoundTrees(pack(groups, self.base, self.weight))

    def _tree(self, root: int, workload: Floats, width: int) -> Tree:
        """One tree with the workload's comparisons decided."""
        column: list[int] = []
        threshold: list[float] = []
        value: list[float] = []
        left: list[int] = []
        right: list[int] = []

        def land(node: int) -> int:
            while self.child[node] != node and self.column[node] >= width:
                node = self.child[node] + int(workload[self.column[node] - width] > self.threshold[node])
            return node

        waiting = [(land(root), -1, 0)]
        while waiting:
            node, parent, side = waiting.pop()
            number = len(column)
            if parent >= 0:
                (right if side else left)[parent] = number
            is_leaf = self.child[node] == node
            column.append(-1 if is_leaf else int(self.column[node]))
            threshold.append(float(self.threshold[node]))
            value.append(float(self.value[node]))
            left.append(-1)
            right.append(-1)
            if not is_leaf:
                waiting += [(land(int(self.child[node]) + side), number, side) for side in (1, 0)]
        return Tree(np.array(column), np.array(threshold), np.array(left), np.array(right), np.array(value))


def pack(members: Sequence[Sequence[Tree]], base: Floats, weight: Floats) -> TreeModel:
    """Lay trees out breadth first, children side by side, member after member."""
    column: list[int] = []
    threshold: list[float] = []
    child: list[int] = []
    value: list[float] = []
    roots: list[int] = []
    first = [0]
    for trees in members:
        for tree in trees:
            roots.append(len(column))
            order = [(0, len(column))]
            column.append(0)
            threshold.append(np.inf)
            child.append(len(child))
            value.append(0.0)
            for old, new in order:  # grows while it is walked: breadth first
                if tree.column[old] < 0:
                    value[new] = float(tree.value[old])
                    continue
                column[new], threshold[new], child[new] = int(tree.column[old]), float(tree.threshold[old]), len(column)
                for below in (int(tree.left[old]), int(tree.right[old])):
                    order.append((below, len(column)))
                    column.append(0)
                    threshold.append(np.inf)
                    child.append(len(child))
                    value.append(0.0)
        first.append(len(roots))
    return TreeModel(
        np.array(column, dtype=np.int32),
        np.array(threshold),
        np.array(child, dtype=np.int32),
        np.array(value),
        np.array(roots, dtype=np.int32),
        np.array(first, dtype=np.int32),
        np.asarray(base, dtype=np.float64),
        np.asarray(weight, dtype=np.float64),
    )


@jit
def _depths(child: NDArray[np.int32], root: NDArray[np.int32]) -> NDArray[np.int32]:
    """Steps from each root to its farthest leaf; trees lie one after the other, parents before children."""
    below = np.zeros(len(child), dtype=np.int32)
    for node in range(len(child) - 1, -1, -1):
        if child[node] != node:
            below[node] = 1 + max(below[child[node]], below[child[node] + 1])
    return below[root]


#: rows walked side by side: their steps do not wait for each other, which is what a walk spends its time on
LANES = 16


@jit
def _walk(
    features: NDArray[np.int32],
    column: NDArray[np.uint32],
    threshold: NDArray[np.int32],
    child: NDArray[np.uint32],
    value: Floats,
    root: NDArray[np.uint32],
    depth: NDArray[np.int32],
    member: NDArray[np.int32],
    start: int,
    stop: int,
    sums: Floats,
) -> None:
    """``sums[row, m]`` = sum of member m's leaf values for rows start to stop, added up tree after tree.

    Numbers of nodes and columns are unsigned, which spares the check for negative ones.
    """
    width = features.shape[1]
    node = np.zeros(LANES, dtype=np.uint32)
    rows = np.zeros((LANES, width), dtype=np.int32)
    total = np.zeros(LANES)
    for first in range(start, stop, LANES):
        for lane in range(LANES):  # beyond the last row, lanes repeat it
            rows[lane] = features[min(first + lane, stop - 1)]
        for m in range(len(member) - 1):
            total[:] = 0.0
            for tree in range(member[m], member[m + 1]):
                for lane in range(LANES):
                    node[lane] = root[tree]
                for _ in range(depth[tree]):
                    for lane in range(LANES):
                        here = node[lane]
                        node[lane] = child[here] + np.uint32(rows[lane, column[here]] > threshold[here])
                for lane in range(LANES):
                    total[lane] += value[node[lane]]
            for lane in range(min(LANES, stop - first)):
                sums[first + lane, m] = total[lane]


class BoundTrees:
    """A `TreeModel` whose comparisons are of whole design columns only."""

    def __init__(self, model: TreeModel) -> None:
        self._model = model
        # Design columns are whole numbers: value <= threshold exactly if value <= floor(threshold).
        thresholds = np.where(np.isfinite(model.threshold), np.floor(model.threshold), 2.0**30).clip(-(2**30), 2**30)
        self._threshold = thresholds.astype(np.int32)
        self._column, self._child, self._root = (
            array.astype(np.uint32) for array in (model.column, model.child, model.root)
        )
        self._depth = _depths(model.child, model.root)

    def members(self, designs: Designs, features: NDArray[np.int32], threads: int | None = None) -> Floats:
        """Each member's value, shape (B, M), of design columns, shape (B, F)."""
        model = self._model
        sums = np.empty((len(features), len(model.base)))

        def work(start: int, stop: int) -> None:
            _walk(features, self._column, self._threshold, self._child, model.value, self._root, self._depth,
                  model.member, start, stop, sums)  # fmt: skip

        for_row_blocks(work, len(features), 4096, threads)
        return model.base + model.weight * sums


def from_forest(forest: Any, groups: int) -> TreeModel:
    """A scikit-learn forest as ``groups`` members of equally many trees."""
    trees = [_from_sklearn_tree(estimator.tree_) for estimator in forest.estimators_]
    cuts = np.array_split(np.arange(len(trees)), min(groups, len(trees)))
    members = [[trees[number] for number in cut] for cut in cuts]
    return pack(members, np.zeros(len(members)), np.array([1.0 / len(cut) for cut in cuts]))


def _from_sklearn_tree(tree: Any) -> Tree:
    leaf = tree.children_left < 0
    column = np.where(leaf, -1, tree.feature)
    return Tree(column, tree.threshold, tree.children_left, tree.children_right, tree.value[:, 0, 0])


def from_boosters(boosters: Sequence[Any]) -> TreeModel:
    """scikit-learn histogram gradient boosters as one member each."""
    members = []
    for booster in boosters:
        trees = []
        for (predictor,) in booster._predictors:
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            column = np.where(leaf, -1, nodes["feature_idx"]).astype(np.int64)
            left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
            trees.append(Tree(column, nodes["num_threshold"], left, right, nodes["value"]))
        members.append(trees)
    base = np.array([float(np.ravel(booster._baseline_prediction)[0]) for booster in boosters])
    return pack(members, base, np.ones(len(boosters)))
