"""What "better" means: an object that turns metrics into one reward a row.

Every objective is stateless, finite and bounded, higher is better, has no pole at a target, and never
makes exceeding a target worth less than meeting it. (`ArchGymTarget` is the published formula, kept
for comparison; it breaks the last rule by construction and says so by ``monotone = False``.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from archgym import arithmetic
from archgym.errors import ConfigError, UnknownNameError
from archgym.metrics import Metrics
from archgym.workload import Workload

Rewards = NDArray[np.float64]
Reference = Callable[[], Mapping[str, float]]


class Objective(Protocol):
    """Rewards of shape (B,), inside ``range``; ``infeasible`` is what a row without a result gets."""

    @property
    def metrics(self) -> tuple[str, ...]: ...
    @property
    def range(self) -> tuple[float, float]: ...
    @property
    def infeasible(self) -> float: ...
    def __call__(self, metrics: Metrics) -> Rewards: ...


class ObjectiveRecipe(Protocol):
    """A named objective of a family, before it knows the workload."""

    @property
    def help(self) -> str: ...
    def bind(self, reference: Reference, workload: Workload) -> Objective:
        """The objective for ``workload``; ``reference()`` gives the default design's metrics on it."""
        ...


def _filled(values: Rewards, metrics: Metrics, infeasible: float) -> Rewards:
    return np.where(metrics.feasible & np.isfinite(values), values, infeasible)


@dataclass(frozen=True)
class RelativeCost:
    """``1 / (1 + c)`` with ``c`` the weighted geometric mean of metric / reference: the reference design gets 1/2."""

    metrics: tuple[str, ...]
    references: tuple[float, ...]
    weights: tuple[float, ...]
    range: tuple[float, float] = (0.0, 1.0)
    infeasible: float = 0.0

    def __call__(self, metrics: Metrics) -> Rewards:
        cost = np.ones(len(metrics))
        with np.errstate(divide="ignore", over="ignore"):  # a rate of zero costs without end, which is a reward of 0
            for name, reference, weight in zip(self.metrics, self.references, self.weights, strict=True):
                cost = cost * arithmetic.power(metrics[name] / reference, weight)
        return _filled(1.0 / (1.0 + cost), metrics, self.infeasible)


@dataclass(frozen=True)
class Budgets:
    """``1 / (1 + e)`` with ``e`` the sum of relative excesses over the limits: 1 exactly when all limits are met."""

    metrics: tuple[str, ...]
    limits: tuple[float, ...]
    range: tuple[float, float] = (0.0, 1.0)
    infeasible: float = 0.0

    def excess(self, metrics: Metrics) -> Rewards:
        """Sum over the metrics of ``max(0, value / limit - 1)``, shape (B,)."""
        total = np.zeros(len(metrics))
        for name, limit in zip(self.metrics, self.limits, strict=True):
            total = total + np.maximum(0.0, metrics[name] / limit - 1.0)
        return total

    def __call__(self, metrics: Metrics) -> Rewards:
        return _filled(1.0 / (1.0 + self.excess(metrics)), metrics, self.infeasible)


@dataclass(frozen=True)
class Constrained:
    """Cost under budgets: below 1/2 while a limit is exceeded, above it by the cost once all are met."""

    cost: RelativeCost
    budgets: Budgets
    range: tuple[float, float] = (0.0, 1.0)
    infeasible: float = 0.0

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.cost.metrics, *self.budgets.metrics)))

    def __call__(self, metrics: Metrics) -> Rewards:
        excess = self.budgets.excess(metrics)
        within = 0.5 + 0.5 * self.cost(metrics)
        return _filled(np.where(excess > 0, 0.5 / (1.0 + excess), within), metrics, self.infeasible)


@dataclass(frozen=True)
class ArchGymTarget:
    """The published ArchGym reward: the product of target / |value - target|, capped.

    Source: ArchGym (ISCA'23), DRAM environment. It prefers being at the target over being better than it.
    """

    monotone: ClassVar[bool] = False

    metrics: tuple[str, ...]
    targets: tuple[float, ...]
    cap: float = 1000.0
    infeasible: float = 0.0

    @property
    def range(self) -> tuple[float, float]:
        return (0.0, self.cap)

    def __call__(self, metrics: Metrics) -> Rewards:
        reward = np.ones(len(metrics))
        for name, target in zip(self.metrics, self.targets, strict=True):
            distance = np.abs(metrics[name] - target)
            reward = reward * (target / np.maximum(distance, target / self.cap))
        return _filled(np.minimum(reward, self.cap), metrics, self.infeasible)


@dataclass(frozen=True)
class Minimise:
    """Recipe: make metrics small relative to the default design (weights multiply in the logarithm).

    A negative weight makes a metric large instead.
    """

    metrics: tuple[str, ...]
    help: str = ""
    weights: tuple[float, ...] | None = None

    def bind(self, reference: Reference, workload: Workload) -> Objective:
        values = reference()
        for name in self.metrics:
            if name not in values:
                raise UnknownNameError("metric", name, values)
            if not (np.isfinite(values[name]) and values[name] > 0):
                raise ConfigError(
                    f"an objective relative to {name!r} needs it finite and above 0 for the default design on workload "
                    f"{workload.name!r}, where it is {values[name]!r}; choose an objective that does not read it"
                )
        weights = self.weights or (1.0 / len(self.metrics),) * len(self.metrics)
        return RelativeCost(self.metrics, tuple(values[name] for name in self.metrics), weights)


@dataclass(frozen=True)
class MeetTargets:
    """Recipe: meet fixed limits, the same for every workload; being better than a limit is neither gain nor loss."""

    limits: tuple[tuple[str, float], ...]
    help: str = ""

    def bind(self, reference: Reference, workload: Workload) -> Objective:
        return Budgets(tuple(name for name, _ in self.limits), tuple(limit for _, limit in self.limits))


@dataclass(frozen=True)
class PublishedTarget:
    """Recipe for `ArchGymTarget`."""

    targets: tuple[tuple[str, float], ...]
    help: str = ""

    def bind(self, reference: Reference, workload: Workload) -> Objective:
        return ArchGymTarget(tuple(name for name, _ in self.targets), tuple(target for _, target in self.targets))
