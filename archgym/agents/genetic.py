"""A genetic algorithm over level numbers, on DEAP's toolbox. The best designs are never lost.

The toolbox's operators (`select`, `mate`, `mutate`, `survive`) work on whole populations as arrays, which
keeps the cost an evaluation to microseconds; a subclass or user replaces one by registering another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from archgym.agents import base
from archgym.agents.archive import Archive
from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.moves import Moves
from archgym.agents.start import METHODS, Start
from archgym.problem import Evaluation
from archgym.space import Designs, Space


@dataclass(frozen=True)
class GeneticHyperparameters(Hyperparameters):
    population: int = hyper(20, "designs that may become parents", 2, 10000)
    offspring: int = hyper(10, "children between two selections", 1, 10000)
    elites: int = hyper(20, "best parents that compete with the children for survival; 0 replaces all", 0, 10000)
    tournament: int = hyper(2, "designs drawn for each parent, of which the best is taken", 1, 100)
    crossover: float = hyper(0.6, "how often a child has two parents instead of one", 0.0, 1.0)
    mutations: float = hyper(1.2, "parameters that change in a child, on average", 0.0, 100.0)
    near: float = hyper(0.5, "how often an ordered parameter moves by one level rather than to any other", 0.0, 1.0)
    start: str = hyper("latin", "how the first population is spread", choices=METHODS)


class GeneticAlgorithm(Agent):
    """Tournament selection, uniform crossover, mutation that respects order, and elitism.

    Source: Holland, "Adaptation in natural and artificial systems", 1975; toolbox of DEAP (Fortin et al., 2012).
    """

    name = "ga"
    summary = (
        "Keeps a population, crosses the better designs and changes about one parameter of each child. Ordered "
        "parameters move to near levels, unordered ones to any; the best designs survive and none is tried twice."
    )
    use_when = "evaluations take microseconds to milliseconds, the budget is hundreds or more, and parameters interact."
    Hyperparameters: ClassVar[type[base.Hyperparameters]] = GeneticHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        from deap.base import Toolbox

        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._moves = Moves(space, chosen.near)
        self._start = Start(space, self.rng, chosen.population, chosen.start)
        self.archive = Archive(space)
        self.population: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # numbers in the archive, best first
        self._children: list[int] = []
        self._told = 0
        self._rate = min(1.0, chosen.mutations / max(1, len(self._moves.movable)))
        self.toolbox = Toolbox()
        self.toolbox.register("select", self._tournament)
        self.toolbox.register("mate", Moves.cross, self.rng)
        self.toolbox.register("mutate", self._moves.mutate, self.rng, rate=self._rate)
        self.toolbox.register("survive", self._survive)

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.offspring)

    def ask(self, count: int) -> Designs:
        first = self._start.take(count, self._told)
        missing = count - len(first)
        if missing == 0:
            return first
        if not len(self.population):
            return np.concatenate([first, self.space.sample(self.rng, missing)])
        return np.concatenate([first, self._breed(missing)])

    def _breed(self, count: int) -> Designs:
        """Children not tried before, as far as two attempts find some."""
        children = self._cross_and_mutate(count)
        met: set[bytes] = set()
        repeated = []
        for number, child in enumerate(children):
            key = child.tobytes()
            if key in met or child in self.archive:
                repeated.append(number)
            met.add(key)
        if repeated:
            children[repeated] = self.toolbox.mutate(children[repeated])
        return children

    def _cross_and_mutate(self, count: int) -> Designs:
        designs = self.archive.designs
        mothers, fathers = designs[self.toolbox.select(count)], designs[self.toolbox.select(count)]
        paired = self.rng.random(count) < self.hyperparameters.crossover
        children = np.where(paired[:, None], self.toolbox.mate(mothers, fathers), mothers)
        return np.ascontiguousarray(self.toolbox.mutate(children))

    def _tournament(self, count: int) -> NDArray[np.int64]:
        """Numbers of ``count`` parents; the population is sorted, so the lowest place drawn wins."""
        drawn = self.rng.integers(len(self.population), size=(count, self.hyperparameters.tournament))
        chosen: NDArray[np.int64] = self.population[drawn.min(axis=1)]
        return chosen

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        self._told += len(evaluation)
        before = len(self.archive)
        self._remember(evaluation)
        self._children.extend(range(before, len(self.archive)))
        due = self.hyperparameters.offspring if len(self.population) else self.hyperparameters.population
        if len(self._children) >= due or (not len(self.population) and self._told >= due):
            self.population = self.toolbox.survive(np.array(self._children, dtype=np.int64))
            self._children = []

    def _remember(self, evaluation: Evaluation) -> None:
        self.archive.add(evaluation)

    def _survive(self, children: NDArray[np.int64]) -> NDArray[np.int64]:
        """The best of elites and children; further parents only where children are too few."""
        chosen = self.hyperparameters
        elites, others = self.population[: chosen.elites], self.population[chosen.elites :]
        ranked = self._ordered(np.concatenate([elites, children]))[: chosen.population]
        return np.concatenate([ranked, others[: chosen.population - len(ranked)]])

    def _ordered(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Best first; among equals the younger first, so that plateaus are drifted across."""
        return numbers[np.lexsort((-numbers, -self.archive.rewards[numbers]))]
