"""ArchGym's published formula for DNN accelerators, kept for comparison. Light: no simulator is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from archgym.metrics import Metrics
from archgym.objective import Budgets, Objective, Reference, Rewards
from archgym.workload import Workload


@dataclass(frozen=True)
class ArchGymCost:
    """ArchGym's cost of its Timeloop environment, negated: the sum of ``max(0, value / target - 1)``.

    There a cost of exactly 0 becomes 1e-5, the joint cost has 1e-3 added, and a design without a mapping costs 1500; its
    learners got 1 / cost, the others minimised it, and both order designs as here. Kept as it is but for two things: a
    cost ends at 1500, so that no mapped design is worth less than an unmapped one, and more is better.
    """

    monotone: ClassVar[bool] = False  # just above a target costs less than meeting it exactly

    metrics: tuple[str, ...]
    targets: tuple[float, ...]
    offset: float = 0.0
    infeasible: float = -1500.0

    @property
    def range(self) -> tuple[float, float]:
        return (self.infeasible, 0.0)

    def __call__(self, metrics: Metrics) -> Rewards:
        cost = np.full(len(metrics), self.offset)
        for name, target in zip(self.metrics, self.targets, strict=True):
            cost = cost + np.maximum(0.0, (metrics[name] - target) / target)
        cost = np.minimum(np.where(cost == 0, 1e-5, cost), -self.infeasible)
        return np.where(metrics.feasible & np.isfinite(cost), -cost, self.infeasible)


@dataclass(frozen=True)
class PublishedCost:
    """Recipe for `ArchGymCost`."""

    targets: tuple[tuple[str, float], ...]
    help: str = ""
    offset: float = 0.0

    def bind(self, reference: Reference, workload: Workload) -> Objective:
        names, values = zip(*self.targets, strict=True)
        return ArchGymCost(names, values, self.offset)


@dataclass(frozen=True)
class ImproveDefault:
    """Recipe: limits as shares of the default design's metrics on the workload at hand; 1 when all are met."""

    shares: tuple[tuple[str, float], ...]
    help: str = ""

    def bind(self, reference: Reference, workload: Workload) -> Objective:
        values = reference()
        return Budgets(
            tuple(name for name, _ in self.shares), tuple(share * values[name] for name, share in self.shares)
        )
