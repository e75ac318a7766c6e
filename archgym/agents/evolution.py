"""Surrogate-assisted evolution: many children are bred, a fast model screens them, and only the best are evaluated.

The model costs about a millisecond an evaluation, so this is the agent to try first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Hyperparameters, hyper
from archgym.agents.learner import Effort, Learner, LearningAgent
from archgym.agents.moves import bred, distinct
from archgym.agents.start import METHODS
from archgym.agents.surrogate import Surrogate
from archgym.space import Designs, Space


@dataclass(frozen=True)
class SurrogateEvolutionHyperparameters(Hyperparameters):
    population: int = hyper(20, "designs that may become parents", 2, 10000)
    apart: int = hyper(3, "parameters in which two parents differ at least; a third of all at most", 1, 1000)
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


class SurrogateEvolution(LearningAgent):
    """Evolution whose children are screened by a Gaussian process that is updated one design at a time.

    Source: Jin, "Surrogate-assisted evolutionary computation", 2011; screening by a predictor as in FBNetV3
    (Dai et al., 2021).
    """

    name = "sae"
    summary = (
        "Breeds many children from the best designs, lets each climb a fast model by a few changes, and evaluates the one "
        "of highest predicted reward and uncertainty. The model learns from every evaluation at a bounded cost."
    )
    use_when = "you are not sure what to take: it needs few evaluations and adds about a millisecond to each."
    Hyperparameters = SurrogateEvolutionHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._apart = max(1, min(chosen.apart, len(self._moves.movable) // 3))
        self._rate = min(1.0, chosen.mutations / max(1, len(self._moves.movable)))
        effort = Effort(chosen.capacity, min(chosen.capacity, 120), 10, 0.4)
        self._learner = Learner(Surrogate(space, chosen.capacity), self.archive, self.rng, effort, ("squash",))

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
        # Parents that differ keep several basins alive; the best of all would soon be neighbours of one design.
        best = self.archive.ranked(10 * chosen.population)
        parents = best[distinct(self.archive.designs[best], self._apart, chosen.population)]
        children = self._breed(parents, count * chosen.screened)
        if chosen.climb:
            children = model.climb(children, chosen.climb)
        stalled = len(self.archive) - 1 - self.archive.best
        curiosity = chosen.curiosity * (1.0 + stalled / chosen.patience)
        winners = []
        for number in range(count):
            winners.append(self._screen(children[number * chosen.screened : (number + 1) * chosen.screened], curiosity))
            self._asked.add(winners[-1].tobytes())
        return winners

    def _screen(self, brood: Designs, curiosity: float) -> NDArray[np.int64]:
        """The untried design with the highest mean plus a random multiple of the deviation; any if all were tried."""
        model, most = self._learner.surrogate, self.hyperparameters.finalists
        if len(brood) > most:
            brood = brood[np.argsort(-model.means(brood), kind="stable")[:most]]
        means, deviations = model.predict(brood)
        width = self.rng.exponential(curiosity) if curiosity > 0 else 0.0
        for number in np.argsort(-(means + width * deviations), kind="stable"):
            design: NDArray[np.int64] = brood[number]
            if self._untried(design):
                return design
        chance: NDArray[np.int64] = self.space.sample(self.rng, 1)[0]
        return chance

    def _breed(self, parents: NDArray[np.int64], count: int) -> Designs:
        moves, crossover = self._moves, self.hyperparameters.crossover
        draws = self.rng.random((count, 6 + 4 * len(self.space)))
        designs = self.archive.designs[parents]
        children: Designs = bred(
            designs, moves.sizes, moves.ordered, moves.movable, crossover, self._rate, moves.near, draws
        )
        return children
