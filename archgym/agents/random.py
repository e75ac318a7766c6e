"""Uniform random search: the baseline every other agent must beat."""

from __future__ import annotations

from dataclasses import dataclass

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.problem import Evaluation
from archgym.space import Designs


@dataclass(frozen=True)
class RandomSearchHyperparameters(Hyperparameters):
    batch_size: int = hyper(64, "designs evaluated at a time; does not change which designs are drawn", 1, 65536)


class RandomSearch(Agent):
    """Every design is drawn uniformly and independently.

    Source: Bergstra and Bengio, "Random search for hyper-parameter optimization", 2012.
    """

    name = "random"
    summary = "Draws every design uniformly and independently; needs no tuning and is the baseline to beat."
    use_when = "you need the baseline that every other agent must beat, or an unbiased sample of the space."
    learns = False
    Hyperparameters = RandomSearchHyperparameters

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    def ask(self, count: int) -> Designs:
        return self.space.sample(self.rng, count)

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
