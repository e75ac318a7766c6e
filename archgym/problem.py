"""A problem: a simulator, a workload and an objective. Evaluating is its only verb.

Nothing here keeps state between evaluations, so one problem serves any number of agents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archgym.errors import WorkloadError
from archgym.metrics import Metric, Metrics
from archgym.objective import Objective, ObjectiveRecipe
from archgym.simulators.base import Simulator
from archgym.space import Designs, Space
from archgym.workload import Workload


@dataclass(frozen=True)
class Evaluation:
    """What an agent is told.

    Attributes:
        space_fingerprint: of the space the designs belong to.
        designs: level numbers, shape (B, D).
        metrics: of the B rows.
        reward: shape (B,), higher is better.
        costs: the objective's metrics, each to be minimised, shape (B, M); inf where infeasible.
        cost_names: the M metric names.
    """

    space_fingerprint: str
    designs: Designs
    metrics: Metrics
    reward: NDArray[np.float64]
    costs: NDArray[np.float64]
    cost_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.reward)


@dataclass(frozen=True)
class Problem:
    """A search task; build one with `archgym.make_problem`."""

    id: str
    simulator: Simulator
    workload: Workload
    objective_name: str
    recipe: ObjectiveRecipe

    @property
    def space(self) -> Space:
        return self.simulator.space

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return self.simulator.metrics

    @cached_property
    def reference(self) -> Mapping[str, float]:
        """The default design's metrics on this workload.

        Raises:
            WorkloadError: if the default design is infeasible on it.
        """
        result = self.simulator(self.space.default[None], self.workload)
        if not result.feasible[0]:
            raise WorkloadError(
                f"the default design of {self.id} is infeasible on workload {self.workload.name!r}: {result.reasons[0]}"
            )
        return result.row(0)

    @cached_property
    def objective(self) -> Objective:
        return self.recipe.bind(lambda: self.reference, self.workload)

    def evaluate(self, designs: ArrayLike) -> Evaluation:
        """Simulate and score designs, shape (B, D) of level numbers.

        Raises:
            DesignError: if a row is not a legal design.
        """
        rows = self.space.check(designs)
        return self.score(rows, self.simulator(rows, self.workload))

    def score(self, designs: Designs, metrics: Metrics) -> Evaluation:
        """The evaluation of designs whose metrics are already known."""
        directions = {metric.name: metric.direction for metric in self.metrics}
        costs = np.full((len(metrics), len(self.objective.metrics)), np.inf)
        for column, name in enumerate(self.objective.metrics):
            signed = -metrics[name] if directions[name] == "max" else metrics[name]
            costs[:, column] = np.where(metrics.feasible & np.isfinite(signed), signed, np.inf)
        return Evaluation(
            self.space.fingerprint, designs, metrics, self.objective(metrics), costs, self.objective.metrics
        )

    def identity(self) -> dict[str, Any]:
        """Everything that decides a result, as JSON: equal identities give equal evaluations."""
        return {
            "problem": self.id,
            "simulator": self.simulator.name,
            "simulator_version": self.simulator.version,
            "space": self.space.fingerprint,
            "workload": self.workload.name,
            "workload_fingerprint": self.workload.fingerprint,
            "objective": self.objective_name,
            "objective_definition": [type(self.objective).__name__, dataclasses.asdict(self.objective)],  # type: ignore[call-overload]
        }
