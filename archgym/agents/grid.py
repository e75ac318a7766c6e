"""Exhaustive search: every design once, in listed order or spread out so that any beginning covers the space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.problem import Evaluation
from archgym.space import Designs, Space

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class GridSearchHyperparameters(Hyperparameters):
    order: str = hyper(
        "spread",
        "spread: far apart, so that a budget below the space's size covers it; listed: the last parameter fastest",
        choices=("spread", "listed"),
    )
    batch_size: int = hyper(64, "designs evaluated at a time; does not change which designs are tried", 1, 65536)


class GridSearch(Agent):
    """Visits design number ``start + k * stride`` modulo the size; a stride coprime to the size visits all.

    Source: the spread order is the golden-ratio (Kronecker) sequence on the designs' numbers.
    """

    name = "grid"
    summary = (
        "Tries every design exactly once. In the spread order a stride near the golden ratio of the space's size "
        "keeps designs apart, so that stopping early still covers the space."
    )
    use_when = "the whole space fits into the budget and you want the proven optimum."
    learns = False
    Hyperparameters = GridSearchHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        spread = self.hyperparameters.order == "spread"
        self._stride = _coprime_near(int(GOLDEN * space.size), space.size) if spread else 1
        self._next = _below(self.rng, space.size) if spread else 0

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    def ask(self, count: int) -> Designs:
        designs = np.empty((count, len(self.space)), dtype=np.int64)
        sizes = self.space.sizes.tolist()
        for row in range(count):
            number = self._next
            for column in range(len(sizes) - 1, -1, -1):
                number, designs[row, column] = divmod(number, sizes[column])
            self._next = (self._next + self._stride) % self.space.size
        return designs

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)


def _coprime_near(start: int, size: int) -> int:
    stride = max(1, start)
    while math.gcd(stride, size) != 1:
        stride += 1
    return stride


def _below(rng: np.random.Generator, size: int) -> int:
    """A number below ``size``, which may exceed 64 bits."""
    return int.from_bytes(rng.bytes((size.bit_length() + 71) // 8), "little") % size
