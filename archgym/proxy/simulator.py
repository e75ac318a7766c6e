"""A proxy: models of metrics and of feasibility, standing in for the simulator whose data they learnt.

It is a simulator like any other: pure, batched, picklable, and a row's result does not depend on its batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ModelFileError, WorkloadError
from archgym.metrics import Metric, Metrics
from archgym.proxy.reach import Reach
from archgym.proxy.target import BoundTarget, TargetModel
from archgym.space import Designs, Space
from archgym.workload import Workload

#: the quantity of the models of 1 (feasible) or 0
FEASIBLE = "feasible"
INFEASIBLE = "the proxy predicts that this design is infeasible"
#: designs computed at a time, so that memory does not grow with the batch
BLOCK = 65_536


@dataclass(frozen=True)
class Part:
    """The model of one quantity (a metric, or `FEASIBLE`) on one workload, or on any if ``workload`` is empty."""

    quantity: str
    workload: str
    model: TargetModel


@dataclass(frozen=True)
class Proxy:
    """A trained proxy cost model.

    Attributes:
        name: of the simulator it stands in for, and of its data and models: ``proxy:SIMULATOR:DIGEST``.
        version: of that simulator.
        space: of its designs.
        metrics: what it predicts. They are predicted one by one, so parts do not add up to totals to the last bit, and
            no metric claims to be part of another.
        parts: the models: of each metric on each workload, and of feasibility where a training row was infeasible.
        reach: which designs are near the training data.
        workloads: trained ones by fingerprint: name, domain and features.
        general: whether it answers for workloads it was not trained on, by their features.
        data: how it was made: dataset, rows, choice of models (for people and `archgym proxy info`).
    """

    name: str
    version: int
    space: Space
    metrics: tuple[Metric, ...]
    parts: tuple[Part, ...]
    reach: Reach
    workloads: Mapping[str, Mapping[str, Any]]
    general: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_bound"}

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Predicted metrics of B designs, shape (B, D).

        ``extras``: ``is_far`` (bool, a pair of levels that never occurred together in the training data),
        ``deviation.METRIC`` (the standard deviation of the prediction's error, in the metric's unit) and
        ``known.METRIC`` (bool, the value is that of a training design which behaves the same).

        Raises:
            WorkloadError: for a workload it was not trained on (unless ``general``).
            DesignError: if a row is not a legal design.
        """
        rows = self.space.check(designs)
        bound = self._bind(workload)
        columns = {metric.name: np.empty(len(rows)) for metric in self.metrics}
        deviations = {metric.name: np.empty(len(rows)) for metric in self.metrics}
        known = {metric.name: np.empty(len(rows), dtype=bool) for metric in self.metrics}
        feasible, far = np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
        for start in range(0, len(rows), BLOCK):
            block, here = rows[start : start + BLOCK], slice(start, start + BLOCK)
            for name, values in columns.items():
                found = bound[name](block)
                values[here], deviations[name][here], known[name][here] = found.value, found.deviation, found.known
            if FEASIBLE in bound:
                feasible[here] = bound[FEASIBLE](block).value >= 0.5
            far[here] = self.reach.unseen(block) > 0
        reasons = ("",) * len(rows)
        if not feasible.all():
            reasons = tuple("" if ok else INFEASIBLE for ok in feasible)
            columns = {name: np.where(feasible, values, np.nan) for name, values in columns.items()}
        extras: dict[str, NDArray[Any]] = {"is_far": far}
        extras |= {f"deviation.{name}": values for name, values in deviations.items()}
        extras |= {f"known.{name}": values for name, values in known.items()}
        return Metrics(columns, feasible, reasons, extras)

    def check(self) -> None:
        """Raise ModelFileError unless there is a model of every metric on every workload."""
        have = {(part.quantity, part.workload) for part in self.parts}
        for metric in self.metrics:
            for fingerprint, entry in self.workloads.items():
                if not {(metric.name, fingerprint), (metric.name, "")} & have:
                    raise ModelFileError(f"{self.name} has no model of {metric.name} on {entry['name']}")
        if not self.metrics or (self.general and any(part.workload for part in self.parts)):
            raise ModelFileError(f"{self.name} has no metric, or a model of one workload although it is for any")

    def _bind(self, workload: Workload) -> dict[str, BoundTarget]:
        """The models for a workload by quantity; kept, as binding costs more than a prediction."""
        kept: dict[str, dict[str, BoundTarget]] = self.__dict__.setdefault("_bound", {})
        if workload.fingerprint not in kept:
            features = self._features(workload)
            kept[workload.fingerprint] = {
                part.quantity: part.model.bind(part.model.features.workload(features, workload.name))
                for part in self.parts
                if part.workload in ("", workload.fingerprint)
            }
        return kept[workload.fingerprint]

    def _features(self, workload: Workload) -> Mapping[str, float]:
        if workload.fingerprint in self.workloads:
            features: Mapping[str, float] = self.workloads[workload.fingerprint]["features"]
            return features
        names = ", ".join(sorted(entry["name"] for entry in self.workloads.values()))
        domains = {entry["domain"] for entry in self.workloads.values()} - {""}
        if not self.general or (domains and workload.domain not in domains):
            raise WorkloadError(
                f"{self.name} was trained on {names} and cannot answer for workload {workload.name!r} "
                f"({workload.fingerprint[:16]}…); train one on it, or across workloads (--general)"
            )
        return workload.features


def plain_metric(metric: Metric) -> Metric:
    """A metric that claims no total, as predictions do not add up to the last bit."""
    return dataclasses.replace(metric, part_of=None)
