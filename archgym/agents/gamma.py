"""A genetic algorithm whose operators know what a mapping is: loops are reordered, tiles regrouped and grown.

It reads a space's groups and names: parameters of the group ``tiling`` are named ``<dimension>.<number>`` and say at
which loop level a prime factor of the dimension lies; parameters of the group ``order`` are named
``<level>.order.<dimension>`` and say how many of the dimensions before it lie inside it. Everything else, and every
space without such groups, is varied as by the plain genetic algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Hyperparameters, hyper
from archgym.agents.genetic import GeneticAlgorithm
from archgym.agents.moves import Moves
from archgym.agents.start import METHODS
from archgym.space import Designs, Space

Row = NDArray[np.int64]


@dataclass(frozen=True)
class GammaHyperparameters(Hyperparameters):
    population: int = hyper(20, "designs that may become parents", 2, 10000)
    offspring: int = hyper(10, "children between two selections", 1, 10000)
    elites: int = hyper(20, "best parents that compete with the children for survival; 0 replaces all", 0, 10000)
    tournament: int = hyper(2, "designs drawn for each parent, of which the best is taken", 1, 100)
    crossover: float = hyper(0.6, "how often a child has two parents instead of one", 0.0, 1.0)
    mutations: float = hyper(1.2, "parameters that a plain mutation changes, on average", 0.0, 100.0)
    near: float = hyper(0.5, "how often an ordered parameter moves by one level rather than to any other", 0.0, 1.0)
    domain: float = hyper(0.3, "how often a child is varied by a domain operator instead of a plain mutation", 0.0, 1.0)
    reorder: float = hyper(0.5, "weight of moving one loop to another place of its level", 0.0, 100.0)
    regroup: float = hyper(1.0, "weight of two factors trading their levels", 0.0, 100.0)
    grow: float = hyper(1.0, "weight of moving several factors of one dimension together", 0.0, 100.0)
    start: str = hyper("latin", "how the first population is spread", choices=METHODS)


class MappingMoves(Moves):
    """`Moves` that also know the operators of a mapping.

    Args:
        domain: how often a design is varied by one of them instead of a plain mutation.
        weights: of `reorder`, `regroup` and `grow`.
    """

    def __init__(self, space: Space, near: float, domain: float, weights: tuple[float, float, float]) -> None:
        super().__init__(space, near)
        self.orders, self.dimensions, self.blocks = mapping_parts(space)
        self._factors = np.concatenate([*self.dimensions, np.empty(0, dtype=np.int64)]).astype(np.int64)
        applicable = (bool(self.orders), len(self._factors) > 1, bool(self.dimensions))
        self._weights = np.array(weights) * applicable
        self._domain = domain if self._weights.sum() > 0 else 0.0
        self._operators: tuple[Callable[[np.random.Generator, Row], None], ...] = (
            self.reorder,
            self.regroup,
            self.grow,
        )

    def mutate(self, rng: np.random.Generator, designs: Designs, rate: float) -> Designs:
        special = rng.random(len(designs)) < self._domain
        moved = super().mutate(rng, designs, rate)
        if special.any():
            moved[special] = designs[special]
            chances = self._weights / self._weights.sum()
            for row, kind in zip(np.flatnonzero(special), rng.choice(3, int(special.sum()), p=chances), strict=True):
                self._operators[kind](rng, moved[row])
        return moved

    def reorder(self, rng: np.random.Generator, row: Row) -> None:
        """Move one loop of one level to another place, in ``row``."""
        columns = self.orders[int(rng.integers(len(self.orders)))]
        loops = decode_order(row[columns].tolist())
        source, target = rng.choice(len(loops), 2, replace=False)
        loops.insert(int(target), loops.pop(int(source)))
        row[columns] = encode_order(loops)

    def regroup(self, rng: np.random.Generator, row: Row) -> None:
        """Two factors that lie at different levels trade them, in ``row``."""
        first = int(self._factors[int(rng.integers(len(self._factors)))])
        others = self._factors[(row[self._factors] != row[first]) & (self.sizes[self._factors] == self.sizes[first])]
        if len(others):
            second = int(others[int(rng.integers(len(others)))])
            row[first], row[second] = row[second], row[first]

    def grow(self, rng: np.random.Generator, row: Row) -> None:
        """Move some of a dimension's factors that lie at one level to another level together, in ``row``."""
        columns = self.dimensions[int(rng.integers(len(self.dimensions)))]
        here = int(row[columns[int(rng.integers(len(columns)))]])
        there = int(rng.integers(self.sizes[columns].min()))
        level = columns[row[columns] == here]
        row[rng.permutation(level)[: int(rng.integers(1, len(level) + 1))]] = there

    def mate(self, rng: np.random.Generator, first: Designs, second: Designs) -> Designs:
        """Crossover that takes a dimension's tiling, or a level's order, from one parent as a whole."""
        return np.where(rng.random((len(first), self.blocks.max() + 1))[:, self.blocks] < 0.5, first, second)


def mapping_parts(space: Space) -> tuple[list[Row], list[Row], Row]:
    """Columns of each level's order, columns of each dimension's factors, and the block of every column."""
    orders: dict[str, list[int]] = {}
    dimensions: dict[str, list[int]] = {}
    blocks: dict[str, int] = {}
    numbers = []
    for column, parameter in enumerate(space.parameters):
        head, _, tail = parameter.name.rpartition(".")
        part = parameter.name
        if parameter.group == "order" and head.endswith(".order"):
            part = head
            orders.setdefault(head, []).append(column)
        elif parameter.group == "tiling" and tail.isdecimal():
            part = head
            dimensions.setdefault(head, []).append(column)
        numbers.append(blocks.setdefault(part, len(blocks)))
    # An order is one only if its k-th parameter counts the k loops before it.
    whole = [np.array(o) for o in orders.values() if space.sizes[o].tolist() == list(range(2, len(o) + 2))]
    return whole, [np.array(d) for d in dimensions.values()], np.array(numbers)


def decode_order(codes: list[int]) -> list[int]:
    """The loops of a level from the inside out; ``codes[k]`` of the loops 0 to k lie inside loop k + 1."""
    loops = [0]
    for number, inside in enumerate(codes, 1):
        loops.insert(inside, number)
    return loops


def encode_order(loops: list[int]) -> list[int]:
    """The inverse of `decode_order`."""
    place = {loop: position for position, loop in enumerate(loops)}
    return [sum(place[other] < place[loop] for other in range(loop)) for loop in range(1, len(loops))]


class GammaAlgorithm(GeneticAlgorithm):
    """The genetic algorithm with operators of a mapping.

    Source: Kao and Krishna, "GAMMA: automating the HW mapping of DNN models on accelerators via genetic algorithm",
    2020, whose reordering, regrouping and growth are carried over to tilings by prime factors.
    """

    name = "gamma"
    summary = (
        "The genetic algorithm with operators that know what a mapping is: a loop moves within its level, two factors "
        "trade levels, several factors of a dimension move together. Crossover keeps a dimension's tiling and a level's "
        "order whole; on other spaces it is the plain genetic algorithm."
    )
    use_when = "you map DNN layers and evaluations are cheap."
    Hyperparameters = GammaHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        weights = (chosen.reorder, chosen.regroup, chosen.grow)
        moves = MappingMoves(space, chosen.near, chosen.domain, weights)
        self._moves = moves
        self.toolbox.register("mate", moves.mate, self.rng)
        self.toolbox.register("mutate", moves.mutate, self.rng, rate=self._rate)
