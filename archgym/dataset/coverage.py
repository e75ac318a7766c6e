"""How much of a space a dataset covers and how diverse it is, measured while the rows stream by.

Memory is bounded by the number of unique designs at eight bytes each, and by the square of the number of levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.metrics import Metric, Metrics
from archgym.space import Designs, Space

#: Beyond this many rows the share of level pairs seen is a lower bound: later rows are not looked at.
PAIR_ROWS = 500_000


def design_hash(designs: Designs) -> NDArray[np.uint64]:
    """A 64-bit hash of each row, shape (B,), the same on every machine (splitmix64 over the level numbers)."""
    mixed = np.zeros(len(designs), dtype=np.uint64)
    for column in range(designs.shape[1]):
        mixed = mixed + designs[:, column].astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


class UniqueCounter:
    """Counts distinct hashes; keeps them sorted and merges new ones in when they are many."""

    def __init__(self) -> None:
        self._known: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._new: list[NDArray[np.uint64]] = []
        self._waiting = 0

    def add(self, hashes: NDArray[np.uint64]) -> None:
        fresh = np.unique(hashes)
        self._new.append(fresh)
        self._waiting += len(fresh)
        if self._waiting > max(1_000_000, len(self._known) // 4):
            self._merge()

    def _merge(self) -> None:
        if self._new:
            # In place: NumPy's own `unique` takes several times the memory of what it is given.
            whole = np.concatenate([self._known, *self._new])
            self._known, self._new, self._waiting = np.empty(0, dtype=np.uint64), [], 0
            whole.sort()
            first = np.ones(len(whole), dtype=bool)
            np.not_equal(whole[1:], whole[:-1], out=first[1:])
            self._known = whole[first]

    def __len__(self) -> int:
        self._merge()
        return len(self._known)


class Coverage:
    """Accumulates the measures of a stream of rows."""

    def __init__(self, space: Space, metrics: Sequence[Metric]) -> None:
        self._space, self._metrics = space, tuple(metrics)
        self._unique, self._rows, self._feasible = UniqueCounter(), 0, 0
        self._counts = [np.zeros(len(parameter.levels), dtype=np.int64) for parameter in space.parameters]
        width = int(space.sizes.sum())
        self._offsets = np.concatenate([[0], np.cumsum(space.sizes)[:-1]])
        self._pairs = np.zeros((width, width), dtype=bool)
        self._pair_rows = 0
        self._range = {metric.name: [np.inf, -np.inf] for metric in metrics}
        self._agents: dict[str, list[Any]] = {}

    def update(self, designs: Designs, metrics: Metrics, reward: NDArray[np.float64], agents: NDArray[np.str_]) -> None:
        """Take in B rows and the agent that asked for each."""
        hashes = design_hash(designs)
        self._rows += len(designs)
        self._feasible += int(metrics.feasible.sum())
        self._unique.add(hashes)
        for column, counts in enumerate(self._counts):
            counts += np.bincount(designs[:, column], minlength=len(counts))
        self._see_pairs(designs)
        for name, bounds in self._range.items():
            values = metrics[name][np.isfinite(metrics[name])]
            if len(values):
                bounds[:] = [min(bounds[0], float(values.min())), max(bounds[1], float(values.max()))]
        for agent in np.unique(agents):
            mine = agents == agent
            entry = self._agents.setdefault(str(agent), [0, UniqueCounter(), -np.inf])
            entry[0] += int(mine.sum())
            entry[1].add(hashes[mine])
            finite = reward[mine][np.isfinite(reward[mine])]
            entry[2] = max(entry[2], float(finite.max()) if len(finite) else -np.inf)

    def _see_pairs(self, designs: Designs) -> None:
        left = PAIR_ROWS - self._pair_rows
        seen = designs[: max(0, left)]
        self._pair_rows += len(seen)
        for start in range(0, len(seen), 8192):
            encoded = np.zeros((len(seen[start : start + 8192]), len(self._pairs)), dtype=np.float32)
            block = seen[start : start + 8192] + self._offsets
            encoded[np.arange(len(block))[:, None], block] = 1.0
            self._pairs |= (encoded.T @ encoded) > 0

    def summary(self) -> dict[str, Any]:
        """The measures as JSON.

        ``rows``, ``unique_designs``, ``feasible_share``; ``level_coverage`` and ``pair_coverage``: shares of all
        levels and of all pairs of levels of two parameters that occur; ``balance``: mean over parameters of the
        entropy of their levels relative to uniform; ``distance``: expected share of parameters in which two
        random rows differ (``distance_uniform``: of uniformly drawn designs); ``metrics``: least and most
        finite value; ``agents``: rows, unique designs and best reward of each.
        """
        shares = [counts / max(1, counts.sum()) for counts in self._counts]
        sizes = self._space.sizes
        entropy = [
            _entropy(share) / np.log(size) if size > 1 else 1.0 for share, size in zip(shares, sizes, strict=True)
        ]
        possible = (int(sizes.sum()) ** 2 - int((sizes**2).sum())) // 2
        seen = (int(self._pairs.sum()) - int(np.diag(self._pairs).sum())) // 2
        levels_seen = sum(int((counts > 0).sum()) for counts in self._counts)
        return {
            "rows": self._rows,
            "unique_designs": len(self._unique),
            "feasible_share": self._feasible / max(1, self._rows),
            "level_coverage": levels_seen / int(sizes.sum()),
            "pair_coverage": seen / possible if possible else 1.0,
            "pair_coverage_rows": self._pair_rows,
            "balance": float(np.mean(entropy)),
            "distance": float(np.mean([1.0 - (share**2).sum() for share in shares])),
            "distance_uniform": float(np.mean(1.0 - 1.0 / sizes)),
            "metrics": {name: [_finite(low), _finite(high)] for name, (low, high) in self._range.items()},
            "agents": {
                name: {"rows": rows, "unique_designs": len(unique), "best_reward": _finite(best)}
                for name, (rows, unique, best) in sorted(self._agents.items())
            },
        }


def _entropy(share: NDArray[np.float64]) -> float:
    positive = share[share > 0]
    return float(-(positive * np.log(positive)).sum())


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
