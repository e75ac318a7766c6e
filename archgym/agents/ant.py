"""Ant colony optimisation: pheromone on every level of every parameter, laid by the better ants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.moves import Moves
from archgym.agents.start import METHODS, Start
from archgym.problem import Evaluation
from archgym.space import Designs, Space


@dataclass(frozen=True)
class AntColonyHyperparameters(Hyperparameters):
    ants: int = hyper(10, "ants in a colony; pheromone changes after each colony", 1, 10000)
    evaporation: float = hyper(0.15, "share of the pheromone lost after each colony", 0.0, 1.0)
    greediness: float = hyper(0.25, "how often an ant takes a parameter's strongest level without drawing", 0.0, 1.0)
    deposit: float = hyper(0.3, "share of the colony, the best ants first, that lays pheromone", 0.0, 1.0)
    elite: float = hyper(0.5, "share of the new pheromone laid on the best design so far", 0.0, 1.0)
    floor: float = hyper(
        0.15, "least pheromone of a level, as a share of an even spread; keeps every level possible", 0.0, 1.0
    )
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(20, "first designs, before pheromone decides", 1, 10000)


class AntColony(Agent):
    """Max-min ant system without heuristic information.

    Source: Dorigo and Stützle, "Ant colony optimization", 2004; max-min bounds of Stützle and Hoos, 2000.
    """

    name = "aco"
    summary = (
        "Every level of every parameter carries pheromone, and an ant builds a design by drawing levels in proportion. "
        "Pheromone evaporates, and the best ants and the best design so far lay new."
    )
    use_when = "parameters matter mostly one by one; where they interact strongly, ga or sae find more."
    Hyperparameters = AntColonyHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._start = Start(space, self.rng, chosen.start_size, chosen.start)
        self._moves = Moves(space)
        self._known: set[bytes] = set()
        self._sizes = np.asarray(space.sizes)
        self._legal = np.arange(self._sizes.max())[None, :] < self._sizes[:, None]
        self.pheromone: NDArray[np.float64] = self._legal / self._sizes[:, None]
        self._best: NDArray[np.int64] | None = None
        self._best_reward = -np.inf
        self._colony: list[tuple[float, NDArray[np.int64]]] = []
        self._told = 0

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.ants)

    def ask(self, count: int) -> Designs:
        first = self._start.take(count, self._told)
        missing = count - len(first)
        limits = np.cumsum(self.pheromone, axis=1)
        draws = self.rng.random((missing, len(self.space), 1)) * limits[:, -1:]
        drawn = np.minimum((draws >= limits).sum(axis=2), self._sizes - 1)
        greedy = self.rng.random(drawn.shape) < self.hyperparameters.greediness
        ants = np.where(greedy & (self._best is not None), self.pheromone.argmax(axis=1), drawn)
        return np.concatenate([first, self._aside(ants.astype(np.int64))])

    def _aside(self, ants: Designs) -> Designs:
        """Ants on a design met before change one parameter, so that a colony that agrees still searches around."""
        for _ in range(2):
            met: set[bytes] = set()
            repeated = []
            for number, ant in enumerate(ants):
                key = ant.tobytes()
                if key in met or key in self._known:
                    repeated.append(number)
                met.add(key)
            if not repeated:
                break
            ants[repeated] = self._moves.step(self.rng, ants[repeated])
        return ants

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        self._told += len(evaluation)
        for design, reward in zip(np.ascontiguousarray(evaluation.designs), evaluation.reward.tolist(), strict=True):
            self._known.add(design.tobytes())
            self._colony.append((reward, design))
            if reward > self._best_reward:
                self._best, self._best_reward = design.copy(), reward
        if len(self._colony) >= self.hyperparameters.ants:
            self._lay()

    def _lay(self) -> None:
        chosen = self.hyperparameters
        ranked = sorted(self._colony, key=lambda ant: -ant[0])
        layers = ranked[: max(1, round(chosen.deposit * len(ranked)))]
        columns = np.arange(len(self.space))
        laid = np.zeros_like(self.pheromone)
        for place, (_, design) in enumerate(layers):
            laid[columns, design] += len(layers) - place
        laid *= (1.0 - chosen.elite) / laid.sum(axis=1, keepdims=True)
        if self._best is not None:
            laid[columns, self._best] += chosen.elite
        laid /= laid.sum(axis=1, keepdims=True)
        self.pheromone = (1.0 - chosen.evaporation) * self.pheromone + chosen.evaporation * laid
        least = self._legal * chosen.floor / self._sizes[:, None]
        self.pheromone = np.maximum(self.pheromone, least)
        self.pheromone /= self.pheromone.sum(axis=1, keepdims=True)
        self._colony = []
