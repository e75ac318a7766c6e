"""Surrogate-assisted evolution: many children are bred, a fast model screens them, and only the best are evaluated.

The model costs about a millisecond an evaluation, so this is the agent to try first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.archive import Archive
from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.learner import Effort, Learner
from archgym.agents.moves import Moves
from archgym.agents.start import METHODS, Start
from archgym.problem import Evaluation
from archgym.space import Designs, Space


@dataclass(frozen=True)
class SurrogateEvolutionHyperparameters(Hyperparameters):
    population: int = hyper(20, "designs that may become parents", 2, 10000)
    screened: int = hyper(16, "children bred for each design evaluated", 1, 10000)
    climb: int = hyper(1, "changes by which a child may climb the model before it is screened", 0, 1000)
    finalists: int = hyper(16, "children whose uncertainty is computed too, those of highest mean", 1, 1000)
    curiosity: float = hyper(3.0, "mean weight of the uncertainty; drawn anew for each choice", 0.0, 100.0)
    patience: int = hyper(60, "evaluations without improvement after which curiosity has doubled", 1, 100000)
    crossover: float = hyper(0.5, "how often a child has two parents instead of one", 0.0, 1.0)
    mutations: float = hyper(2.0, "parameters that change in a child, on average", 0.0, 100.0)
    capacity: int = hyper(200, "designs the model holds at most: the best and a sample of the rest", 20, 2000)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(10, "first designs, before the model decides", 2, 10000)
    batch_size: int = hyper(1, "designs evaluated at a time; larger is faster and learns less from each", 1, 1024)


class SurrogateEvolution(Agent):
    """Evolution whose children are screened by a Gaussian process that is updated one design at a time.

    Source: Jin, "Surrogate-assisted evolutionary computation", 2011; screening by a predictor as in FBNetV3
    (Dai et al., 2021).
    """

    name = "sae"
    summary = (
        "Breeds many children from the best designs, lets each climb a fast model by a few changes, and evaluates the one "
        "of highest predicted reward and uncertainty. The model learns from every evaluation at a bounded cost."
    )
    use_when = "you are not sure what to take: it needs few evaluations and adds one or two milliseconds to each."
    Hyperparameters = SurrogateEvolutionHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self.archive = Archive(space)
        self._start = Start(space, self.rng, chosen.start_size, chosen.start)
        self._moves = Moves(space)
        self._rate = min(1.0, chosen.mutations / max(1, len(self._moves.movable)))
        effort = Effort(chosen.capacity, min(chosen.capacity, 120), 10, 0.4)
        self._learner = Learner(space, self.archive, self.rng, effort, ("squash",))
        self._asked: set[bytes] = set()
        self._told = 0

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        self._told += len(evaluation)
        self.archive.add(evaluation)
        self._asked.clear()

    def ask(self, count: int) -> Designs:
        rows = list(self._start.take(count, self._told))
        if len(rows) < count and not self._learner.update():
            rows.extend(self.space.sample(self.rng, count - len(rows)))
        if len(rows) < count:
            rows.extend(self._choose(count - len(rows)))
        return np.stack(rows)

    def _choose(self, count: int) -> list[NDArray[np.int64]]:
        """``count`` untried children that the model likes best; random designs where every child was tried."""
        chosen, model = self.hyperparameters, self._learner.surrogate
        parents = self.archive.ranked(chosen.population)
        children = self._breed(parents, count * chosen.screened)
        if chosen.climb:
            children = model.climb(children, chosen.climb)
        stalled = len(self.archive) - 1 - self.archive.best
        curiosity = chosen.curiosity * (1.0 + stalled / chosen.patience)
        winners = []
        for number in range(count):
            brood = self._fresh(children[number * chosen.screened : (number + 1) * chosen.screened])
            winners.append(self._screen(brood, curiosity) if len(brood) else self.space.sample(self.rng, 1)[0])
            self._asked.add(winners[-1].tobytes())
        return winners

    def _screen(self, brood: Designs, curiosity: float) -> NDArray[np.int64]:
        """The design with the highest mean plus a random multiple of the deviation."""
        model, most = self._learner.surrogate, self.hyperparameters.finalists
        if len(brood) > most:
            brood = brood[np.argsort(-model.means(brood), kind="stable")[:most]]
        means, deviations = model.predict(brood)
        width = self.rng.exponential(curiosity) if curiosity > 0 else 0.0
        winner: NDArray[np.int64] = brood[int(np.argmax(means + width * deviations))]
        return winner

    def _breed(self, parents: NDArray[np.int64], count: int) -> Designs:
        designs = self.archive.designs
        drawn = self.rng.integers(len(parents), size=(2, count, 2)).min(axis=2)
        mothers, fathers = designs[parents[drawn[0]]], designs[parents[drawn[1]]]
        paired = self.rng.random(count) < self.hyperparameters.crossover
        children = np.where(paired[:, None], Moves.cross(self.rng, mothers, fathers), mothers)
        return self._moves.mutate(self.rng, np.ascontiguousarray(children), self._rate)

    def _fresh(self, designs: Designs) -> Designs:
        """Those neither told nor asked for, each once, in order."""
        met: set[bytes] = set()
        kept = []
        for number, row in enumerate(designs):
            key = row.tobytes()
            if key not in met and key not in self._asked and row not in self.archive:
                kept.append(number)
            met.add(key)
        return designs[kept]
