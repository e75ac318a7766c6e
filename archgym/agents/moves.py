"""Variation of designs, many rows at once: mutation that respects order, and crossover.

An ordered parameter moves mostly to a near level; an unordered one to any other level. Every level can
be reached from every other in one move.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archgym.space import Designs, Space


class Moves:
    """The operators of one space.

    Args:
        near: probability that an ordered parameter moves by one level instead of to any other.
    """

    def __init__(self, space: Space, near: float = 0.5) -> None:
        self.sizes = np.asarray(space.sizes)
        self.movable = np.flatnonzero(self.sizes > 1)
        self._ordered = np.asarray(space.ordered)
        self._near = near

    def mutate(self, rng: np.random.Generator, designs: Designs, rate: float) -> Designs:
        """Each parameter changes with probability ``rate``, and one at least, shape as given."""
        if not len(self.movable) or not len(designs):
            return designs.copy()
        chosen = rng.random(designs.shape) < rate
        forced = self.movable[rng.integers(len(self.movable), size=len(designs))]
        untouched = ~chosen[:, self.movable].any(axis=1)
        chosen[untouched, forced[untouched]] = True
        return self.change(rng, designs, chosen)

    def step(self, rng: np.random.Generator, designs: Designs) -> Designs:
        """Exactly one parameter of each design changes, shape as given."""
        if not len(self.movable) or not len(designs):
            return designs.copy()
        chosen = np.zeros(designs.shape, dtype=bool)
        chosen[np.arange(len(designs)), self.movable[rng.integers(len(self.movable), size=len(designs))]] = True
        return self.change(rng, designs, chosen)

    def change(self, rng: np.random.Generator, designs: Designs, chosen: NDArray[np.bool_]) -> Designs:
        """Every chosen entry changes, shape as given; a parameter of one level stays."""
        rows, columns = np.nonzero(chosen)
        sizes, here = self.sizes[columns], designs[rows, columns]
        other = np.floor(rng.random(len(rows)) * (sizes - 1)).astype(np.int64)
        there = other + (other >= here)
        side = np.where(rng.random(len(rows)) < 0.5, -1, 1)
        side = np.where((here + side < 0) | (here + side >= sizes), -side, side)
        nearby = self._ordered[columns] & (rng.random(len(rows)) < self._near)
        moved = designs.copy()
        moved[rows, columns] = np.where(sizes == 1, here, np.where(nearby, here + side, there))
        return moved

    @staticmethod
    def cross(rng: np.random.Generator, first: Designs, second: Designs) -> Designs:
        """Uniform crossover: each parameter from either parent with equal probability."""
        return np.where(rng.random(first.shape) < 0.5, first, second)


def every_neighbour(design: Designs, sizes: Sequence[int] | NDArray[np.int64]) -> Designs:
    """All one-parameter changes of ``design`` (D,), shape (K, D)."""
    fewer = np.asarray(sizes) - 1
    columns = np.repeat(np.arange(len(design)), fewer)
    others = np.arange(len(columns)) - np.repeat(np.cumsum(fewer) - fewer, fewer)
    moved = np.repeat(design[None], len(columns), axis=0)
    moved[np.arange(len(columns)), columns] = others + (others >= design[columns])
    return moved
