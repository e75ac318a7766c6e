"""The model of one metric: a regressor of the metric or its logarithm, with an uncertainty fitted to held-out errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.proxy.features import FeatureMap
from archgym.proxy.linear import LinearModel, StackedModel
from archgym.proxy.networks import NetworkModel
from archgym.proxy.trees import TreeModel
from archgym.space import Designs

Floats = NDArray[np.float64]
Model = LinearModel | NetworkModel | StackedModel | TreeModel
#: predictions are kept within the training range, widened by this share of it on either side
MARGIN = 0.25


@dataclass(frozen=True)
class TargetModel:
    """Predicts one metric.

    Attributes:
        model: of the metric, or of its logarithm if ``logarithm``.
        features: what the model sees.
        low, high: training range in the model's terms.
        lead: whether the first member learnt from all rows and is the prediction, the others, which left rows out,
            telling only how far it may be off; else the prediction is the members' mean.
        floor, factor: standard deviation in the model's terms is ``sqrt(floor² + (factor · spread of members)²)``.
    """

    model: Model
    features: FeatureMap
    logarithm: bool
    low: float
    high: float
    lead: bool = False
    floor: float = 0.0
    factor: float = 1.0

    def bind(self, workload: Floats) -> BoundTarget:
        """The model for one workload, given as its columns (`FeatureMap.workload`)."""
        if isinstance(self.model, TreeModel):
            return BoundTarget(self, self.model.bind(workload, self.features.width))
        if isinstance(self.model, NetworkModel):
            return BoundTarget(self, self.model.bind(workload))
        if isinstance(self.model, StackedModel):
            return BoundTarget(self, self.model.bind(workload, self.features.space, self.features.width))
        return BoundTarget(self, self.model.bind(workload, self.features.space))

    def calibrated(self, floor: float, factor: float) -> TargetModel:
        return dataclasses.replace(self, floor=floor, factor=factor)

    def to_json(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in ("logarithm", "lead", "low", "high", "floor", "factor")}
        return {"kind": self.model.kind, "features": self.features.to_json(), **numbers}

    @classmethod
    def from_parts(cls, entry: Mapping[str, Any], model: Model, features: FeatureMap) -> TargetModel:
        numbers = {name: float(entry[name]) for name in ("low", "high", "floor", "factor")}
        return cls(model, features, bool(entry["logarithm"]), lead=bool(entry["lead"]), **numbers)


class BoundTarget:
    """A `TargetModel` for one workload."""

    def __init__(self, target: TargetModel, bound: Any) -> None:
        self._target, self._bound = target, bound

    def raw(self, designs: Designs, columns: NDArray[np.int32], threads: int | None = None) -> tuple[Floats, Floats]:
        """Prediction and spread of the members in the model's terms (logarithm or not), each of shape (B,)."""
        members = self._bound.members(designs, columns, threads)
        if members.shape[1] == 1:
            return members[:, 0], np.zeros(len(members))
        lead = self._target.lead
        mean = members[:, 0] if lead else _ordered_sum(members) / members.shape[1]
        others = members[:, 1:] if lead else members
        return mean, np.sqrt(_ordered_sum((others - mean[:, None]) ** 2) / others.shape[1])

    def __call__(
        self, designs: Designs, columns: NDArray[np.int32], threads: int | None = None
    ) -> tuple[Floats, Floats]:
        """The metric and its standard deviation, in the metric's unit, each of shape (B,)."""
        target = self._target
        value, spread = self.raw(designs, columns, threads)
        margin = MARGIN * (target.high - target.low)
        value = np.clip(value, target.low - margin, target.high + margin)
        deviation = np.sqrt(target.floor**2 + (target.factor * spread) ** 2)
        if not target.logarithm:
            return value, deviation
        metric = np.exp(value)
        return metric, metric * deviation


def _ordered_sum(values: Floats) -> Floats:
    """Sum over the last axis, one column after the other."""
    total = values[:, 0].copy()
    for column in range(1, values.shape[1]):
        total += values[:, column]
    return total
