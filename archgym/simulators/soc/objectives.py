"""Objectives of SoC problems, from the budgets that a workload carries. Light: no simulator is imported here.

All are bounded by 0 and 1. Latencies are per application; power and area budgets add up over applications.
"""

from __future__ import annotations

from dataclasses import dataclass

from archgym.errors import WorkloadError
from archgym.objective import Budgets, Constrained, Objective, Reference, RelativeCost
from archgym.workload import Workload


def limits_of(workload: Workload, individual: bool = False) -> Budgets:
    """The workload's budgets as limits on metrics.

    Raises:
        WorkloadError: if an application has none.
    """
    from archgym.simulators.soc.simulator import budget_limits

    limits = budget_limits(workload.data, individual)
    if not limits:
        known = workload.data.individual_budgets if individual else workload.data.budgets
        missing = ", ".join(name for name in workload.data.last if name not in known)
        key = "individual_budget" if individual else "budget"
        raise WorkloadError(
            f"workload {workload.name!r} has no {key!r} for {missing}, and this objective needs one: "
            "latency_s, power_W and area_m2; objective 'latency-power-area' needs none"
        )
    return Budgets(tuple(limits), tuple(limits.values()))


@dataclass(frozen=True)
class MeetBudgets:
    """1 / (1 + e), e the sum of relative excesses over latency, power and area budgets: 1 when all are met."""

    help: str
    individual: bool = False

    def bind(self, reference: Reference, workload: Workload) -> Objective:
        return limits_of(workload, self.individual)


@dataclass(frozen=True)
class MinimiseWithinBudgets:
    """Below 1/2 until all budgets are met, then more for less of some metrics, relative to the default design's."""

    metrics: tuple[str, ...]
    help: str

    def bind(self, reference: Reference, workload: Workload) -> Objective:
        budgets, values = limits_of(workload), reference()
        weights = (1.0 / len(self.metrics),) * len(self.metrics)
        return Constrained(RelativeCost(self.metrics, tuple(values[name] for name in self.metrics), weights), budgets)
