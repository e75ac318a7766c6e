"""Hill climbing with restarts: the strong simple baseline. One parameter changes; what is not worse is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.moves import Moves, every_neighbour
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
        missing = count - len(first)
        rest = self.space.sample(self.rng, 0)
        if self._here is not None and self._failures < self.hyperparameters.patience:
            rest = self._steps(missing, self._here)
            self._failures += 0 if len(rest) else self.hyperparameters.patience  # a summit: every neighbour is known
        if not len(rest):
            self._anew = True
        return np.concatenate([first, rest, self._restarts(missing - len(rest))])

    def _restarts(self, count: int) -> Designs:
        """Designs with a share of the best one's parameters redrawn, untried ones where a few draws find some."""
        designs = np.repeat(self._best[None], count, axis=0)
        due = np.arange(count)
        for _ in range(4):
            kicked = self.rng.random((len(due), len(self.space))) < self.hyperparameters.kick
            designs[due] = np.where(kicked, self.space.sample(self.rng, len(due)), self._best)
            due = np.array([number for number in due if designs[number].tobytes() in self._tried], dtype=np.int64)
            if not len(due):
                break
        return designs

    def _steps(self, count: int, here: NDArray[np.int64]) -> Designs:
        """Untried single changes, at most ``count``; none where all have been tried."""
        drawn = self._untried(self._moves.step(self.rng, np.repeat(here[None], 2 * count + 4, axis=0)))
        if len(drawn) < count:
            others = self._untried(self.rng.permutation(every_neighbour(here, self.space.sizes)))
            known = {row.tobytes() for row in drawn}
            fresh = [number for number, row in enumerate(others) if row.tobytes() not in known]
            drawn = np.concatenate([drawn, others[fresh]])
        return drawn[:count]

    def _untried(self, designs: Designs) -> Designs:
        """Those not tried yet, each once, in order."""
        met: set[bytes] = set()
        fresh = []
        for number, row in enumerate(designs):
            key = row.tobytes()
            if key not in met and key not in self._tried:
                fresh.append(number)
            met.add(key)
        return designs[fresh]

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
