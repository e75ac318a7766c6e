"""Fronts of several costs: which designs no other dominates, and the volume they dominate.

Costs are to be minimised. Hypervolumes are exact, for two and three costs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def nondominated(costs: ArrayLike) -> NDArray[np.int64]:
    """Rows of (N, M) costs that no other row dominates, first of equals, sorted by the first cost.

    Rows with a cost that is not finite are never on the front.
    """
    table = np.asarray(costs, dtype=np.float64)
    finite = np.flatnonzero(np.isfinite(table).all(axis=1))
    _, first = np.unique(table[finite], axis=0, return_index=True)  # sorted by cost 0, then 1, …
    candidates: NDArray[np.int64] = finite[first]
    # In this order a row can only be dominated by an earlier one.
    if table.shape[1] == 2 and len(candidates):
        lowest = np.minimum.accumulate(table[candidates, 1])
        kept: NDArray[np.int64] = candidates[np.concatenate([[True], table[candidates[1:], 1] < lowest[:-1]])]
        return kept
    front: list[int] = []
    for row in candidates:
        if not (table[front] <= table[row]).all(axis=1).any():
            front.append(int(row))
    return np.array(front, dtype=np.int64)


def hypervolume(costs: ArrayLike, reference: ArrayLike) -> float:
    """Volume between the front of (N, M) costs and the ``reference`` point, M = 1, 2 or 3.

    Points that are not better than the reference in every cost count nothing.

    Raises:
        ValueError: for other M.
    """
    corner = np.asarray(reference, dtype=np.float64)
    table = np.asarray(costs, dtype=np.float64).reshape(-1, len(corner))
    inside = table[np.isfinite(table).all(axis=1) & (table < corner).all(axis=1)]
    if len(corner) not in (1, 2, 3):
        raise ValueError(f"hypervolume is exact for 1 to 3 costs, not {len(corner)}")
    if not len(inside):
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - inside.min())
    if len(corner) == 2:
        return _area(inside, corner)
    # Slabs between consecutive third costs: each holds the area of the points at or below it.
    front = inside[nondominated(inside)]
    front = front[np.argsort(front[:, 2], kind="stable")]
    heights = np.append(front[1:, 2], corner[2]) - front[:, 2]
    return float(sum(_area(front[: k + 1, :2], corner[:2]) * height for k, height in enumerate(heights) if height > 0))


def _area(points: NDArray[np.float64], corner: NDArray[np.float64]) -> float:
    front = points[nondominated(points)]
    widths = np.append(front[1:, 0], corner[0]) - front[:, 0]
    return float((widths * (corner[1] - front[:, 1])).sum())
