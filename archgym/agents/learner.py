"""Keeps a surrogate in step with an archive at a bounded cost an evaluation.

Hyperparameters are fitted each time the archive has grown by a share, on a bounded subset; between fits new
designs are appended one at a time. Beyond the surrogate's capacity it holds the best designs and a sample of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from archgym.agents.archive import Archive
from archgym.agents.base import Agent
from archgym.agents.moves import Moves
from archgym.agents.start import Start
from archgym.agents.surrogate import TRANSFORMS, agreement
from archgym.problem import Evaluation
from archgym.space import Designs, Space

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effort:
    """What a learner may spend.

    Attributes:
        capacity: points the surrogate holds at most.
        fit_points: points its hyperparameters are fitted to at most.
        iterations: steps of each fit.
        growth: share by which the archive grows between fits.
        least: evaluations between fits at least.
    """

    capacity: int
    fit_points: int
    iterations: int
    growth: float
    least: int = 5


class Model(Protocol):
    """What a learner needs of a surrogate: hyperparameters fitted to points, and points whose outputs it learns."""

    count: int
    parameters: Floats

    def fit(self, designs: Designs, outputs: Floats, iterations: int) -> Floats: ...
    def add(self, designs: Designs) -> None: ...
    def drop(self, count: int) -> None: ...
    def learn(self, outputs: Floats) -> None: ...


Fitted = TypeVar("Fitted", bound=Model)


class Learner(Generic[Fitted]):
    """A surrogate of an archive's rewards.

    Args:
        surrogate: with room for ``effort.capacity`` points.
        transforms: candidate output transforms; with several, each fit takes the one whose leave-one-out
            predictions order the better half of the designs best.
    """

    def __init__(
        self,
        surrogate: Fitted,
        archive: Archive,
        rng: np.random.Generator,
        effort: Effort,
        transforms: tuple[str, ...],
    ) -> None:
        self.surrogate = surrogate
        self.archive, self._rng, self._effort = archive, rng, effort
        self._names, self.transform = transforms, transforms[0]
        self._fitted = dict.fromkeys(transforms, self.surrogate.parameters)
        self._held: list[int] = []
        self._next_fit = self._seen = 0
        self.best = 0.0
        self.outputs: Floats = np.empty(0)

    @property
    def held(self) -> NDArray[np.int64]:
        """Archive numbers of the surrogate's points."""
        return np.array(self._held, dtype=np.int64)

    def update(self) -> bool:
        """Take in what the archive has got since the last call; False while there is nothing to learn from."""
        count = len(self.archive)
        if count < 2 or float(np.ptp(self.archive.rewards)) == 0.0:
            return False
        if count >= self._next_fit:
            self._fit(count)
        elif len(self._held) + count - self._seen > self._effort.capacity:
            self._hold(self._subset(count, int(0.6 * self._effort.capacity)))
        else:
            self.surrogate.drop(len(self._held))
            fresh = range(self._seen, count)
            self.surrogate.add(self.archive.designs[self._seen : count])
            self._held.extend(fresh)
        self._seen = count
        self._learn()
        return True

    def believe(self, design: Designs, value: float) -> None:
        """Pretend that ``design`` (D,) has been found to have the output ``value``, until the next `update`."""
        if self.surrogate.count < self._effort.capacity:
            self.surrogate.add(design[None])
            self.outputs = np.append(self.outputs, value)
            self.surrogate.learn(self.outputs)

    def _fit(self, count: int) -> None:
        chosen = self._subset(count, min(self._effort.fit_points, count))
        designs, values = self.archive.designs[chosen], self._values(chosen)
        scores = {}
        if float(np.ptp(values)) > 0.0:
            for name in self._names:
                self.surrogate.parameters = self._fitted[name]
                left_out = self.surrogate.fit(designs, TRANSFORMS[name](values), self._effort.iterations)
                self._fitted[name] = self.surrogate.parameters
                scores[name] = agreement(left_out, values)
            self.transform = max(self._names, key=scores.__getitem__)
        self.surrogate.parameters = self._fitted[self.transform]
        self._hold(self._subset(count, min(count, int(0.8 * self._effort.capacity))))
        self._next_fit = count + max(self._effort.least, int(self._effort.growth * count))

    def _hold(self, numbers: NDArray[np.int64]) -> None:
        self._held = numbers.tolist()
        self.surrogate.drop(0)
        self.surrogate.add(self.archive.designs[numbers])

    def _subset(self, count: int, most: int) -> NDArray[np.int64]:
        """All numbers below ``count``, or the best half of ``most`` and a sample of the others, ascending."""
        if count <= most:
            return np.arange(count)
        order = np.argsort(-self.archive.rewards[:count], kind="stable")
        best, rest = order[: most // 2], order[most // 2 :]
        return np.sort(np.concatenate([best, self._rng.choice(rest, most - len(best), replace=False)]))

    def _values(self, numbers: NDArray[np.int64]) -> Floats:
        """Rewards, with the worst feasible one in place of an infeasible design's."""
        rewards, feasible = self.archive.rewards[numbers], self.archive.feasible[numbers]
        if feasible.all() or not feasible.any():
            return rewards
        return np.where(feasible, rewards, rewards[feasible].min())

    def _learn(self) -> None:
        self.outputs = TRANSFORMS[self.transform](self._values(self.held))
        self.surrogate.learn(self.outputs)
        self.best = float(self.outputs.max())


class LearningAgent(Agent):
    """What agents that search by a surrogate share: a spread start, an archive of what they were told, nothing twice."""

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self.archive = Archive(space)
        self._start = Start(space, self.rng, chosen.start_size, chosen.start)
        self._moves = Moves(space)
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

    def _untried(self, design: NDArray[np.int64]) -> bool:
        """Whether ``design`` (D,) was neither told nor asked for since."""
        return design not in self.archive and design.tobytes() not in self._asked
