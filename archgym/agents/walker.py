"""Random walk: one parameter changes at a time, and nothing is learnt. A second baseline beside random search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.moves import Moves
from archgym.problem import Evaluation
from archgym.space import Designs, Space


@dataclass(frozen=True)
class RandomWalkerHyperparameters(Hyperparameters):
    episode: int = hyper(20, "steps before the walk starts anew from a random design", 1, 100000)
    near: float = hyper(0.5, "how often an ordered parameter moves by one level rather than to any other", 0.0, 1.0)
    batch_size: int = hyper(64, "steps evaluated at a time; does not change where the walk goes", 1, 65536)


class RandomWalker(Agent):
    """Walks blindly from design to design.

    Source: the random-walker baseline of ArchGym (Krishnan et al., ISCA 2023).
    """

    name = "walker"
    summary = (
        "Starts anywhere and changes one random parameter at each step, whatever comes of it. "
        "After a fixed number of steps it starts anew."
    )
    use_when = (
        "you want trajectories of neighbouring designs for a dataset; it does not search, and random covers more."
    )
    learns = False
    Hyperparameters = RandomWalkerHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        self._moves = Moves(space, self.hyperparameters.near)
        self._here, self._left = space.sample(self.rng, 1), 0

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    def ask(self, count: int) -> Designs:
        steps = np.empty((count, len(self.space)), dtype=np.int64)
        for number in range(count):
            if self._left == 0:
                self._here, self._left = self.space.sample(self.rng, 1), int(self.hyperparameters.episode)
            else:
                self._here = self._moves.step(self.rng, self._here)
            self._left -= 1
            steps[number] = self._here[0]
        return steps

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
