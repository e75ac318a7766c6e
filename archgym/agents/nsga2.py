"""NSGA-II: a genetic algorithm for several costs at once, whose result is a front rather than one design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Hyperparameters, hyper
from archgym.agents.genetic import GeneticAlgorithm
from archgym.agents.start import METHODS
from archgym.problem import Evaluation
from archgym.space import Designs, Space


@dataclass(frozen=True)
class NSGA2Hyperparameters(Hyperparameters):
    population: int = hyper(24, "designs that may become parents", 2, 10000)
    offspring: int = hyper(12, "children between two selections", 1, 10000)
    tournament: int = hyper(2, "designs drawn for each parent, of which the best is taken", 1, 100)
    crossover: float = hyper(0.7, "how often a child has two parents instead of one", 0.0, 1.0)
    mutations: float = hyper(1.2, "parameters that change in a child, on average", 0.0, 100.0)
    near: float = hyper(0.5, "how often an ordered parameter moves by one level rather than to any other", 0.0, 1.0)
    start: str = hyper("latin", "how the first population is spread", choices=METHODS)


class NSGA2(GeneticAlgorithm):
    """Survival by domination, then by crowding, over the objective's metrics.

    The negated reward is one more cost. Where the reward falls in every cost this changes no domination, and
    keeps the design of highest reward as an extreme of its front.

    Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002; `selNSGA2` of DEAP.
    """

    name = "nsga2"
    summary = (
        "Breeds like the genetic algorithm, but survival goes by Pareto domination of the objective's metrics, and "
        "among equals to the lonelier design. `front()` gives the non-dominated designs found."
    )
    use_when = "you want the trade-off between the objective's metrics (latency against energy), not one best design."
    Hyperparameters = NSGA2Hyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        self._costs: list[NDArray[np.float64]] = []

    def _remember(self, evaluation: Evaluation) -> None:
        fresh = [row not in self.archive for row in np.ascontiguousarray(evaluation.designs, dtype=np.int64)]
        self.archive.add(evaluation)
        met: set[bytes] = set()
        for row in np.flatnonzero(fresh):
            key = evaluation.designs[row].tobytes()
            if key not in met:
                self._costs.append(np.array([*evaluation.costs[row], -evaluation.reward[row]]))
                met.add(key)

    def _survive(self, children: NDArray[np.int64]) -> NDArray[np.int64]:
        from deap.base import Fitness
        from deap.tools import selNSGA2

        numbers = np.concatenate([self.population, children])
        costs = _finite(np.stack([self._costs[number] for number in numbers]))
        fitness_type = type("Fitness", (Fitness,), {"weights": (-1.0,) * costs.shape[1]})
        candidates = [
            _Candidate(int(number), fitness_type(row)) for number, row in zip(numbers, costs.tolist(), strict=True)
        ]
        kept = selNSGA2(candidates, min(self.hyperparameters.population, len(candidates)))
        return np.array([candidate.number for candidate in kept], dtype=np.int64)

    def front(self) -> tuple[Designs, NDArray[np.float64]]:
        """The feasible designs told so far that no other dominates, shape (K, D), and their costs, shape (K, M)."""
        feasible = np.flatnonzero(self.archive.feasible)
        if not len(feasible):
            return np.empty((0, len(self.space)), dtype=np.int64), np.empty((0, 0))
        costs = np.stack([self._costs[number][:-1] for number in feasible])
        kept = nondominated(costs)
        return self.archive.designs[feasible[kept]], costs[kept]


@dataclass
class _Candidate:
    """What DEAP selects: anything with a fitness."""

    number: int
    fitness: object


def _finite(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Infinite costs replaced by something worse than every finite one of their column."""
    known = np.isfinite(costs)
    worst = np.where(known, costs, -np.inf).max(axis=0)
    worst = np.where(np.isfinite(worst), worst, 0.0)
    return np.where(known, costs, worst + 1.0 + np.abs(worst))


def nondominated(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Row numbers of ``costs`` (N, M) that no other row dominates, in ascending order; of equal rows the first."""
    kept: list[int] = []
    for number in np.lexsort(costs.T[::-1]):
        row = costs[number]
        if not any(bool((costs[other] <= row).all()) for other in kept):
            kept.append(int(number))
    return np.array(sorted(kept), dtype=np.int64)
