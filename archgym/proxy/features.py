"""What a proxy sees of a design and a workload: whole numbers from the space, and the workload's own features.

An ordered parameter is its level number; a choice of more than two is one column a level (1 or 0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import WorkloadError
from archgym.space import Designs, Space

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureMap:
    """F design columns of whole numbers, then W workload columns.

    Attributes:
        space: of the designs.
        workload_names: the workload features used; only those that differ between the training workloads.
        centre, spread: of each workload feature's sign-preserving logarithm over the training workloads.
    """

    space: Space
    workload_names: tuple[str, ...] = ()
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    @classmethod
    def of(cls, space: Space, names: Sequence[str], raw: Floats) -> FeatureMap:
        """The map learnt from training workloads: ``raw`` is their `raw_features`, one row a workload."""
        rows = np.unique(raw, axis=0)
        varies = [column for column in range(len(names)) if np.ptp(rows[:, column]) > 1e-12]
        return cls(
            space,
            tuple(names[column] for column in varies),
            tuple(float(rows[:, column].mean()) for column in varies),
            tuple(float(rows[:, column].std()) for column in varies),
        )

    @cached_property
    def blocks(self) -> tuple[tuple[int, bool], ...]:
        """For each parameter its first column and whether it is one column a level."""
        blocks, start = [], 0
        for parameter in self.space.parameters:
            spread_out = not parameter.ordered and len(parameter.levels) > 2
            blocks.append((start, spread_out))
            start += len(parameter.levels) if spread_out else 1
        return tuple(blocks)

    @cached_property
    def width(self) -> int:
        """Number of design columns, F."""
        start, spread_out = self.blocks[-1]
        return start + (len(self.space.parameters[-1].levels) if spread_out else 1)

    @cached_property
    def scale(self) -> Floats:
        """The largest value of each design column, shape (F,); at least 1."""
        scale = np.ones(self.width)
        for (start, spread_out), parameter in zip(self.blocks, self.space.parameters, strict=True):
            if not spread_out:
                scale[start] = max(1, len(parameter.levels) - 1)
        return scale

    def integers(self, designs: Designs) -> NDArray[np.int32]:
        """Design columns, shape (B, F)."""
        columns = np.zeros((len(designs), self.width), dtype=np.int32)
        rows = np.arange(len(designs))
        for number, (start, spread_out) in enumerate(self.blocks):
            if spread_out:
                columns[rows, start + designs[:, number]] = 1
            else:
                columns[:, start] = designs[:, number]
        return columns

    def workload(self, features: Mapping[str, float], name: str = "") -> Floats:
        """Workload columns, shape (W,).

        Raises:
            WorkloadError: if the workload lacks a feature.
        """
        missing = [feature for feature in self.workload_names if feature not in features]
        if missing:
            raise WorkloadError(f"workload {name!r} lacks the features {', '.join(missing)} that the proxy reads")
        columns: Floats = self.scaled(raw_features(features, self.workload_names)[None], self.workload_names)[0]
        return columns

    def scaled(self, raw: Floats, names: Sequence[str]) -> Floats:
        """Workload columns, shape (B, W), of raw features, shape (B, len(names))."""
        chosen = raw[:, [names.index(name) for name in self.workload_names]]
        columns: Floats = (chosen - np.array(self.centre)) / np.array(self.spread)
        return columns

    def to_json(self) -> dict[str, Any]:
        return {
            "workload_names": list(self.workload_names),
            "centre": list(self.centre),
            "spread": list(self.spread),
        }


def raw_features(features: Mapping[str, float], names: Sequence[str]) -> Floats:
    """The named features of a workload by order of magnitude, sign kept, shape (len(names),)."""
    values = np.array([float(features[name]) for name in names])
    sized: Floats = np.sign(values) * np.log1p(np.abs(values))
    return sized
