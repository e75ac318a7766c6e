"""Variation of designs, many rows at once: mutation that respects order, and crossover.

An ordered parameter moves mostly to a near level; an unordered one to any other level. Every level can
be reached from every other in one move.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.jit import jit
from archgym.space import Designs, Space


class Moves:
    """The operators of one space.

    Args:
        near: probability that an ordered parameter moves by one level instead of to any other.
    """

    def __init__(self, space: Space, near: float = 0.5) -> None:
        self.sizes = np.asarray(space.sizes)
        self.movable = np.flatnonzero(self.sizes > 1)
        self.ordered = np.asarray(space.ordered, dtype=np.bool_)
        self.near = near

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

    def wander(self, rng: np.random.Generator, designs: Designs, changes: float) -> Designs:
        """So many parameters of each design change on average, each with equal probability, shape as given."""
        return self.change(rng, designs, rng.random(designs.shape) < changes / len(self.sizes))

    def change(self, rng: np.random.Generator, designs: Designs, chosen: NDArray[np.bool_]) -> Designs:
        """Every chosen entry changes, shape as given; a parameter of one level stays."""
        rows, columns = np.nonzero(chosen)
        sizes, here = self.sizes[columns], designs[rows, columns]
        other = np.floor(rng.random(len(rows)) * (sizes - 1)).astype(np.int64)
        there = other + (other >= here)
        side = np.where(rng.random(len(rows)) < 0.5, -1, 1)
        side = np.where((here + side < 0) | (here + side >= sizes), -side, side)
        nearby = self.ordered[columns] & (rng.random(len(rows)) < self.near)
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


@jit
def distinct(designs: NDArray[np.int64], apart: int, most: int) -> NDArray[np.int64]:
    """Numbers of the first designs (N, D), at most ``most``, that differ in ``apart`` parameters or more from each before."""
    kept = np.empty(min(most, len(designs)), dtype=np.int64)
    count = 0
    for number in range(len(designs)):
        far = True
        for k in range(count):
            i = differences = 0
            while differences < apart and i < designs.shape[1]:
                differences += designs[number, i] != designs[kept[k], i]
                i += 1
            if differences < apart:
                far = False
                break
        if far:
            kept[count] = number
            count += 1
            if count == len(kept):
                break
    return kept[:count]


@jit
def bred(
    parents: NDArray[np.int64],
    sizes: NDArray[np.int64],
    ordered: NDArray[np.bool_],
    movable: NDArray[np.int64],
    crossover: float,
    rate: float,
    near: float,
    draws: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Children (M, D) of ``parents`` (P, D), best first: uniform crossover, then `Moves.mutate`, in one pass.

    A parent is the better of two drawn. ``draws`` (M, 6 + 4 D) are uniform random numbers.
    """
    children = np.empty((len(draws), len(sizes)), dtype=np.int64)
    last = len(parents) - 1
    for number in range(len(draws)):
        child, draw = children[number], draws[number]
        mother = parents[min(int(min(draw[0], draw[1]) * len(parents)), last)]
        father = parents[min(int(min(draw[2], draw[3]) * len(parents)), last)]
        changes = 0
        for i in range(len(sizes)):
            own = draw[6 + 4 * i : 10 + 4 * i]
            child[i] = father[i] if draw[4] < crossover and own[0] < 0.5 else mother[i]
            if sizes[i] > 1 and own[1] < rate:
                child[i] = _moved(child[i], sizes[i], ordered[i] and own[2] < near, own[3])
                changes += 1
        if changes == 0 and len(movable) > 0:
            i = movable[min(int(draw[5] * len(movable)), len(movable) - 1)]
            child[i] = _moved(child[i], sizes[i], ordered[i] and draw[8 + 4 * i] < near, draw[9 + 4 * i])
    return children


@jit
def _moved(here: int, size: int, nearby: bool, draw: float) -> int:
    """Another level than ``here``: a neighbour, or any."""
    if nearby:
        there = here - 1 if draw < 0.5 else here + 1
        return 2 * here - there if there < 0 or there >= size else there
    other = min(int(draw * (size - 1)), size - 2)
    return other + 1 if other >= here else other
