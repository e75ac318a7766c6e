"""Simulated annealing: uphill always, downhill sometimes, ever less; the temperature needs no scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.moves import Moves
from archgym.agents.start import METHODS, Start
from archgym.problem import Evaluation
from archgym.space import Designs, Space


@dataclass(frozen=True)
class AnnealingHyperparameters(Hyperparameters):
    hot: float = hyper(0.5, "first temperature, in typical differences between neighbours", 1e-6, 100.0)
    cold: float = hyper(0.02, "last temperature, in the same unit", 1e-9, 100.0)
    cycles: int = hyper(2, "times the temperature falls within the budget; each begins at the best design", 1, 1000)
    horizon: int = hyper(500, "evaluations a schedule spans where the budget is not known (ask and tell)", 1, 10000000)
    near: float = hyper(0.3, "how often an ordered parameter moves by one level rather than to any other", 0.0, 1.0)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(10, "first designs, of which the best is the first state", 1, 10000)
    batch_size: int = hyper(1, "moves tried from one design at a time", 1, 65536)


class Annealing(Agent):
    """Metropolis moves of one parameter with a geometric schedule.

    Source: Kirkpatrick, Gelatt and Vecchi, "Optimization by simulated annealing", 1983.
    """

    name = "annealing"
    summary = (
        "Changes one parameter; a better design is always accepted, a worse one with a probability that falls with the "
        "loss and with time. The temperature is measured in typical differences, so rewards of any scale work."
    )
    use_when = "evaluations are cheap and the landscape is rugged, so that plain hill climbing gets caught."
    Hyperparameters = AnnealingHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._moves = Moves(space, chosen.near)
        self._start = Start(space, self.rng, chosen.start_size, chosen.start)
        self._told, self._cycle, self._horizon = 0, 0, int(chosen.horizon)
        self._here: NDArray[np.int64] | None = None
        self._best: NDArray[np.int64] = space.default
        self._reward = self._best_reward = -np.inf
        self._losses: list[float] = []

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    def begin(self, budget: int) -> None:
        self._horizon = max(1, budget)

    def ask(self, count: int) -> Designs:
        first = self._start.take(count, self._told)
        if len(first) == count:
            return first
        if self._here is None:
            return np.concatenate([first, self.space.sample(self.rng, count - len(first))])
        here = np.repeat(self._here[None], count - len(first), axis=0)
        return np.concatenate([first, self._moves.step(self.rng, here)])

    def temperature(self) -> float:
        """In units of reward; falls geometrically, ``cycles`` times."""
        chosen = self.hyperparameters
        span = max(1.0, self._horizon / chosen.cycles)
        cycle, within = divmod(self._told, span)
        if cycle > self._cycle:
            self._cycle, self._here, self._reward = int(cycle), self._best, self._best_reward
        scale = float(np.median(self._losses)) if self._losses else 1.0
        return float(scale * chosen.hot * (chosen.cold / chosen.hot) ** (within / span))

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        if not len(evaluation):
            return
        rows = np.ascontiguousarray(evaluation.designs, dtype=np.int64)
        temperature = self.temperature()
        chances = self.rng.random(len(rows)).tolist()
        for row, reward, chance in zip(rows, evaluation.reward.tolist(), chances, strict=True):
            gain = reward - self._reward
            if self._here is not None and gain != 0.0 and math.isfinite(gain):
                self._losses = [*self._losses[-63:], abs(gain)]
            started = self._told >= self.hyperparameters.start_size  # until then only the best counts
            if gain >= 0.0 or (started and chance < math.exp(max(-700.0, gain / max(temperature, 1e-300)))):
                self._here, self._reward = row.copy(), reward
            if reward > self._best_reward:
                self._best, self._best_reward = row.copy(), reward
        self._told += len(rows)
