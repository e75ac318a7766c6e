"""The model of one metric: what is known of a design's canonical form, else a regressor of the metric or its logarithm,
with an uncertainty fitted to held-out errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.proxy.features import FeatureMap
from archgym.proxy.gaussian import GaussianModel
from archgym.proxy.linear import LinearModel, StackedModel
from archgym.proxy.memory import Memory
from archgym.proxy.networks import NetworkModel
from archgym.proxy.structure import Structure
from archgym.proxy.trees import TreeModel
from archgym.space import Designs

Floats = NDArray[np.float64]
Model = GaussianModel | LinearModel | NetworkModel | StackedModel | TreeModel
#: predictions are kept within the training range, widened by this share of it on either side
MARGIN = 0.25
_NUMBERS = ("low", "high", "floor", "factor", "known")


@dataclass(frozen=True)
class TargetModel:
    """Predicts one metric.

    Attributes:
        model: of the metric, or of its logarithm if ``logarithm``; it sees canonical designs.
        features: what the model sees of them.
        structure: the canonical form of a design.
        memory: training rows of one workload by canonical form; empty for a model of several workloads.
        low, high: training range in the model's terms.
        lead: whether the first member learnt from all rows and is the prediction, the others, which left rows out,
            telling only how far it may be off; else the prediction is the members' mean.
        floor, factor: standard deviation in the model's terms is ``sqrt(floor² + (factor · spread of members)²)``.
        known: standard deviation of what is remembered.
    """

    model: Model
    features: FeatureMap
    structure: Structure
    memory: Memory
    logarithm: bool
    low: float
    high: float
    lead: bool = False
    floor: float = 0.0
    factor: float = 1.0
    known: float = 0.0

    def bind(self, workload: Floats) -> BoundTarget:
        """The model for one workload, given as its columns (`FeatureMap.workload`)."""
        if isinstance(self.model, TreeModel):
            return BoundTarget(self, self.model.bind(workload, self.features.width))
        if isinstance(self.model, NetworkModel):
            return BoundTarget(self, self.model.bind(workload))
        if isinstance(self.model, StackedModel):
            return BoundTarget(self, self.model.bind(workload, self.features.space, self.features.width))
        return BoundTarget(self, self.model.bind(workload, self.features.space))

    def calibrated(self, floor: float, factor: float, known: float) -> TargetModel:
        return dataclasses.replace(self, floor=floor, factor=factor, known=known)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array: the model's, the rules, and what is remembered."""
        own: dict[str, NDArray[Any]] = {
            "rules": self.structure.rules,
            "memory.keys": self.memory.keys,
            "memory.values": self.memory.values,
        }
        return {**self.model.arrays(), **own}

    def to_json(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in ("logarithm", "lead", *_NUMBERS)}
        return {"kind": self.model.kind, "features": self.features.to_json(), **numbers}

    @classmethod
    def from_parts(
        cls, entry: Mapping[str, Any], model: Model, features: FeatureMap, arrays: Mapping[str, NDArray[Any]]
    ) -> TargetModel:
        """From `to_json` and `arrays`.

        Raises:
            ModelFileError: if rules or memory are not sound.
        """
        numbers = {name: float(entry[name]) for name in _NUMBERS}
        structure = Structure.from_array(features.space, arrays["rules"])
        memory = Memory.from_arrays(arrays["memory.keys"], arrays["memory.values"])
        return cls(model, features, structure, memory, bool(entry["logarithm"]), lead=bool(entry["lead"]), **numbers)


class BoundTarget:
    """A `TargetModel` for one workload."""

    def __init__(self, target: TargetModel, bound: Any) -> None:
        self._target, self._bound = target, bound

    def raw(self, designs: Designs, threads: int | None = None) -> Raw:
        """Predictions in the model's terms (logarithm or not)."""
        target = self._target
        forms = target.structure.canonical(designs)
        known, value = target.memory.recall(forms)
        spread = np.zeros(len(forms))
        if not known.all():
            value[~known], spread[~known] = self._predict(forms[~known], threads)
        return Raw(value, spread, known)

    def _predict(self, forms: Designs, threads: int | None) -> tuple[Floats, Floats]:
        """The model's word on canonical designs, and the spread of its members."""
        members = self._bound.members(forms, self._target.features.integers(forms), threads)
        if members.shape[1] == 1:
            return members[:, 0], np.zeros(len(members))
        lead = self._target.lead
        mean = members[:, 0] if lead else _ordered_sum(members) / members.shape[1]
        others = members[:, 1:] if lead else members
        return mean, np.sqrt(_ordered_sum((others - mean[:, None]) ** 2) / others.shape[1])

    def __call__(self, designs: Designs, threads: int | None = None) -> Prediction:
        """The metric in its unit."""
        target = self._target
        found = self.raw(designs, threads)
        margin = MARGIN * (target.high - target.low)
        value = np.clip(found.value, target.low - margin, target.high + margin)
        deviation = np.sqrt(target.floor**2 + (target.factor * found.spread) ** 2)
        deviation = np.where(found.known, target.known, deviation)
        if not target.logarithm:
            return Prediction(value, deviation, found.known)
        metric = np.exp(value)
        return Prediction(metric, metric * deviation, found.known)


@dataclass(frozen=True)
class Prediction:
    """Value and standard deviation in the metric's unit, and whether it was remembered, each of shape (B,)."""

    value: Floats
    deviation: Floats
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Raw:
    """Predictions in the model's terms, spread of the members, and whether they were remembered, each of shape (B,)."""

    value: Floats
    spread: Floats
    known: NDArray[np.bool_]


def _ordered_sum(values: Floats) -> Floats:
    """Sum over the last axis, one column after the other."""
    total = values[:, 0].copy()
    for column in range(1, values.shape[1]):
        total += values[:, column]
    return total
