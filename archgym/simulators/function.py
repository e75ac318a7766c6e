"""A Python function as a simulator: one design at a time, or a whole batch as arrays.

The function must be pure; `archgym.testing` says in words if it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym.errors import ConfigError
from archgym.metrics import Metric, Metrics
from archgym.space import Designs, Space
from archgym.workload import Workload


class Infeasible(Exception):
    """Raised inside a user's function: the design is legal, but the hardware cannot do it. The text is the reason."""


@dataclass(frozen=True)
class FunctionSimulator:
    """Wraps ``function(**parameters[, workload]) -> {metric: value}``.

    Args:
        vectorised: the function takes arrays of B values and returns arrays of B results; it may add a
            boolean array ``"feasible"``. Otherwise it takes single values and may raise `Infeasible`.
        takes_workload: whether the function has a parameter ``workload``, given the workload's data.
    """

    name: str
    version: int
    space: Space
    metrics: tuple[Metric, ...]
    function: Callable[..., Mapping[str, Any]]
    vectorised: bool = False
    takes_workload: bool = False

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of B designs, shape (B, D).

        Raises:
            ConfigError: if the function returns other metrics than were declared.
        """
        fixed = {"workload": workload.data} if self.takes_workload else {}
        values = self.space.values(designs)
        if self.vectorised:
            results = dict(self.function(**{name: np.array(column) for name, column in values.items()}, **fixed))
            feasible = np.broadcast_to(np.asarray(results.pop("feasible", True), dtype=bool), len(designs)).copy()
            return self._metrics(results, feasible, ["" if ok else "infeasible" for ok in feasible])
        rows: list[Mapping[str, Any]] = []
        reasons = []
        for number in range(len(designs)):
            try:
                rows.append(self._named(self.function(**{n: column[number] for n, column in values.items()}, **fixed)))
                reasons.append("")
            except Infeasible as why:
                rows.append({metric.name: np.nan for metric in self.metrics})
                reasons.append(str(why) or "infeasible")
        columns = {metric.name: [row[metric.name] for row in rows] for metric in self.metrics}
        return self._metrics(columns, np.array([not reason for reason in reasons], dtype=bool), reasons)

    def _named(self, result: Mapping[str, Any]) -> Mapping[str, Any]:
        wanted = {metric.name for metric in self.metrics}
        if set(result) != wanted:
            raise ConfigError(f"{self.name} returned metrics {sorted(result)}; declared: {sorted(wanted)}")
        return result

    def _metrics(self, columns: Mapping[str, Any], feasible: np.ndarray[Any, Any], reasons: list[str]) -> Metrics:
        self._named(columns)
        finished = {}
        for name in (metric.name for metric in self.metrics):
            column = np.broadcast_to(np.asarray(columns[name], dtype=np.float64), feasible.shape)
            finished[name] = np.where(feasible, column, np.nan)
        broken = feasible & ~np.all([np.isfinite(column) for column in finished.values()], axis=0)
        for number in np.flatnonzero(broken):
            reasons[number] = "a metric is not a finite number"
        ok = feasible & ~broken
        return Metrics({name: np.where(ok, column, np.nan) for name, column in finished.items()}, ok, tuple(reasons))
