"""Hill climbing with restarts: the strong simple baseline. One parameter changes; what is not worse is kept."""

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
class HillClimbHyperparameters(Hyperparameters):
    patience: int = hyper(60, "moves without improvement before a restart", 1, 100000)
    kick: float = hyper(
        0.3, "share of the parameters of the best design redrawn at a restart; 1 starts anywhere", 0.0, 1.0
    )
    near: float = hyper(0.3, "how often an ordered parameter moves by one level rather than to any other", 0.0, 1.0)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(10, "first designs, of which the best is climbed from", 1, 10000)
    batch_size: int = hyper(1, "moves tried from one design before the best is taken", 1, 65536)


class HillClimb(Agent):
    """Iterated local search that never tries a move twice from the same place.

    Source: Lourenço, Martin and Stützle, "Iterated local search", 2003.
    """

    name = "hillclimb"
    summary = (
        "Changes one parameter of the current design and moves there if that is not worse. After enough failures it "
        "redraws part of the best design and climbs again."
    )
    use_when = "evaluations are cheap and you want a strong baseline without settings."
    Hyperparameters = HillClimbHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._moves = Moves(space, chosen.near)
        self._start = Start(space, self.rng, chosen.start_size, chosen.start)
        self._told, self._failures, self._anew = 0, 0, False
        self._here: NDArray[np.int64] | None = None
        self._best: NDArray[np.int64] = space.default
        self._reward = self._best_reward = -np.inf
        self._tried: set[bytes] = set()

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    def ask(self, count: int) -> Designs:
        first = self._start.take(count, self._told)
        if len(first) == count:
            return first
        if self._here is None or self._failures >= self.hyperparameters.patience:
            rest = self._restarts(count - len(first))
            self._anew = True
        else:
            rest = self._steps(count - len(first), self._here)
        return np.concatenate([first, rest])

    def _restarts(self, count: int) -> Designs:
        kicked = self.rng.random((count, len(self.space))) < self.hyperparameters.kick
        return np.where(kicked, self.space.sample(self.rng, count), self._best)

    def _steps(self, count: int, here: NDArray[np.int64]) -> Designs:
        """Untried moves if a few draws find some, in the order drawn."""
        drawn = self._moves.step(self.rng, np.repeat(here[None], 2 * count + 4, axis=0))
        fresh: list[int] = []
        stale: list[int] = []
        met = set()
        for number, row in enumerate(drawn):
            key = row.tobytes()
            (stale if key in self._tried or key in met else fresh).append(number)
            met.add(key)
            if len(fresh) == count:
                break
        return drawn[(fresh + stale)[:count]]

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        if not len(evaluation):
            return
        self._told += len(evaluation)
        rows = np.ascontiguousarray(evaluation.designs, dtype=np.int64)
        for row in rows:
            self._tried.add(row.tobytes())
        best = int(np.argmax(evaluation.reward))
        reward = float(evaluation.reward[best])
        if reward > self._best_reward:
            self._best, self._best_reward = rows[best].copy(), reward
        if self._anew or self._here is None or reward >= self._reward:
            better = self._anew or reward > self._reward
            self._failures = 0 if better else self._failures + len(evaluation)
            self._here, self._reward, self._anew = rows[best].copy(), reward, False
        else:
            self._failures += len(evaluation)
