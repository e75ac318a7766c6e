"""Bottleneck-guided search of systems on chip, in the spirit of FARSI: ask what is in the way, and move that.

From the best design so far it takes the worst metric, the tasks and blocks that contribute most to it, and a
transformation that fits them (migrate, swap, split, merge); a move that does not help is not tried again from there.
Where evaluations carry no breakdown it climbs by single steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.bottleneck_moves import Advice
from archgym.problem import Evaluation
from archgym.space import Designs, Space

PAIRED = 24  # of how many moves, the boldest, two are tried at once


@dataclass(frozen=True)
class BottleneckHyperparameters(Hyperparameters):
    batch_size: int = hyper(1, "moves tried from one design before the best is taken", 1, 1024)
    boldness: float = hyper(0.8, "how often the boldest untried move comes first, instead of any", 0.0, 1.0)
    margin: float = hyper(1.3, "how far beyond what a limit needs a resource is sized", 1.0, 100.0)


class BottleneckSearch(Agent):
    """Hill climbing whose moves come from the breakdown of the best design so far.

    Source: Boroujerdian et al., "FARSI: an early-stage design space exploration framework to tame the domain-specific
    system-on-chip complexity", 2022.
    """

    name = "bottleneck"
    summary = (
        "Reads from the best design's breakdown which task and which block are in the way of the worst metric, and "
        "changes those first. Where the guided moves are used up, it takes random steps."
    )
    use_when = "the problem is an AR/VR SoC; on others its random steps are a plain hill climb."
    Hyperparameters = BottleneckHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        self._seen: set[bytes] = set()
        self._best: Designs | None = None
        self._score: tuple[float, float] = (-math.inf, -math.inf)
        self._breakdown: Any = None
        self._goals: tuple[str, ...] = ()
        self._queue: list[Designs] = []
        self._planned: list[Designs] = []

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    def ask(self, count: int) -> Designs:
        rows: list[Designs] = []
        while len(rows) < count:
            row = self._next()
            self._seen.add(row.tobytes())
            rows.append(row)
        return np.stack(rows)

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        self._goals = evaluation.cost_names
        breakdowns: Any = evaluation.metrics.extras.get("breakdown")
        for row in range(len(evaluation)):
            design = np.ascontiguousarray(evaluation.designs[row], dtype=np.int64)
            self._seen.add(design.tobytes())
            score = (float(evaluation.reward[row]), self._slope(evaluation, row))
            if self._best is None or score > self._score:
                self._best, self._score = design, score
                usable = breakdowns is not None and evaluation.metrics.feasible[row]
                self._breakdown = breakdowns[row] if usable and hasattr(breakdowns[row], "limits") else None
                self._queue, self._planned = [], []

    @staticmethod
    def _slope(evaluation: Evaluation, row: int) -> float:
        """What tells designs of equal reward apart: less of every cost, and of energy, which power follows."""
        costs = [float(cost) for cost in evaluation.costs[row]]
        if "energy_J" in evaluation.metrics.columns:
            costs.append(float(evaluation.metrics["energy_J"][row]))
        if not all(map(math.isfinite, costs)):
            return -math.inf
        return -sum(math.log(max(abs(cost), 1e-12)) * (1 if cost >= 0 else -1) for cost in costs)

    def _next(self) -> Designs:
        """The next design to try: the default first, then moves from the best, then random steps around it."""
        if self._best is None:
            first = np.array(self.space.default)
            return first if first.tobytes() not in self._seen else self.space.sample(self.rng, 1)[0]
        if not self._planned:
            self._planned = self._plan(self._best)
            self._queue = list(self._planned)
        while self._queue:
            bold = self.rng.random() < self.hyperparameters.boldness
            row = self._queue.pop(0 if bold else int(self.rng.integers(len(self._queue))))
            if row.tobytes() not in self._seen:
                return row
        return self._wander(self._best)

    def _plan(self, centre: Designs) -> list[Designs]:
        """Moves from a design, the most promising first."""
        rows: list[Designs] = []
        if self._breakdown is not None:
            reward, margin = self._score[0], self.hyperparameters.margin
            advice = Advice(self.space, centre, self._breakdown, reward, self._goals, margin, self.rng)
            for change in advice.moves():
                row = centre.copy()
                for name, level in change.items():
                    row[advice.column[name]] = level
                rows.append(row)
        else:
            near = self.space.neighbours(centre)
            rows = [near[number] for number in self.rng.permutation(len(near))]
        unique = {row.tobytes(): row for row in rows}
        unique.pop(centre.tobytes(), None)
        return list(unique.values())

    def _wander(self, centre: Designs) -> Designs:
        """When the guided moves are used up: two of them at once, or some random steps."""
        row = centre.copy()
        for attempt in range(100):
            row = centre.copy()
            if len(self._planned) > 1 and attempt < 20 and self.rng.random() < 0.6:
                for number in self.rng.choice(min(PAIRED, len(self._planned)), size=2, replace=False):
                    moved = self._planned[number] != centre
                    row[moved] = self._planned[number][moved]
            else:
                for column in self.rng.integers(len(self.space), size=1 + int(self.rng.integers(1 + min(attempt, 3)))):
                    row[column] = self.rng.integers(self.space.sizes[column])
            if row.tobytes() not in self._seen:
                break
        return row
