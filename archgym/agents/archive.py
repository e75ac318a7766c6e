"""What an agent has been told so far: each design once, in the order of arrival.

A design told twice is kept once (simulators are pure), so models never see a repeated row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archgym.problem import Evaluation
from archgym.space import Designs, Space


class Archive:
    """Unique designs with their rewards and feasibility; grows by doubling."""

    def __init__(self, space: Space) -> None:
        self._designs = np.empty((64, len(space)), dtype=np.int64)
        self._rewards = np.empty(64)
        self._feasible = np.empty(64, dtype=bool)
        self._known: dict[bytes, int] = {}
        self._width = len(space)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, design: Designs) -> bool:
        return design.tobytes() in self._known

    @property
    def designs(self) -> Designs:
        """Shape (N, D)."""
        return self._designs[: len(self)]

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Shape (N,)."""
        return self._rewards[: len(self)]

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Shape (N,)."""
        return self._feasible[: len(self)]

    @property
    def best(self) -> int:
        """The number of the first design with the highest reward."""
        return int(np.argmax(self.rewards))

    def add(self, evaluation: Evaluation) -> int:
        """Keep what is new of an evaluation; how many designs that was."""
        before = len(self)
        rows = np.ascontiguousarray(evaluation.designs, dtype=np.int64)
        for number, (row, reward) in enumerate(zip(rows, evaluation.reward.tolist(), strict=True)):
            key = row.tobytes()
            if key in self._known:
                continue
            place = len(self)
            if place == len(self._rewards):
                self._grow()
            self._designs[place] = row
            self._rewards[place] = reward
            self._feasible[place] = evaluation.metrics.feasible[number]
            self._known[key] = place
        return len(self) - before

    def _grow(self) -> None:
        self._designs = np.concatenate([self._designs, np.empty_like(self._designs)])
        self._rewards = np.concatenate([self._rewards, np.empty_like(self._rewards)])
        self._feasible = np.concatenate([self._feasible, np.empty_like(self._feasible)])

    def ranked(self, count: int) -> NDArray[np.int64]:
        """Numbers of the ``count`` best designs, best first, earlier first among equals."""
        return np.argsort(-self.rewards, kind="stable")[:count]
