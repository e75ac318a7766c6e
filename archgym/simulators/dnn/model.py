"""The cost model for people and programs: mappings of a layer onto an architecture in, counts and costs out.

``evaluate`` tells everything about one mapping; ``evaluate_batch`` gives cycles and energy of many, fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archgym.errors import WorkloadError
from archgym.simulators.batch import for_row_blocks
from archgym.simulators.dnn.architecture import Architecture
from archgym.simulators.dnn.layer import TENSORS, Layer
from archgym.simulators.dnn.mapping import Mapping, MappingArrays, check_rows, check_shapes, pack

if TYPE_CHECKING:
    from archgym.simulators.dnn.analysis import Analysis

REASONS = ("", "tile_too_large", "tile_too_small", "mesh_too_small", "count_too_large")


@dataclass(frozen=True)
class TensorCost:
    """One tensor at one level; counts are words of one instance, energy is of all instances."""

    tile_size: int
    partition_size: int
    reads_per_instance: int
    fills_per_instance: int
    updates_per_instance: int
    utilized_instances: int
    energy_pJ: float


@dataclass(frozen=True)
class LevelCost:
    """One storage level: cycles its bandwidth needs, and its tensors by name (only those it keeps)."""

    name: str
    cycles: int
    tensors: dict[str, TensorCost]

    @property
    def energy_pJ(self) -> float:
        return sum(tensor.energy_pJ for tensor in self.tensors.values())


@dataclass(frozen=True)
class Cost:
    """Cost of one mapping. ``feasible`` False: ``reason`` says why, the numbers are NaN and ``levels`` is empty.

    cycles: of the slowest part; utilization: share of all multiply-accumulate slots that did work, 0..1;
    energies in picojoules, of all instances.
    """

    feasible: bool
    reason: str
    cycles: float
    energy_pJ: float
    utilization: float
    mac_energy_pJ: float
    leakage_energy_pJ: float
    macs: int
    macs_used: int
    levels: tuple[LevelCost, ...]

    def energy_by_part(self) -> dict[str, float]:
        """Energy in picojoules by part, ``"level/tensor"``; the parts add up to ``energy_pJ``."""
        parts = {"MAC": self.mac_energy_pJ}
        for level in self.levels:
            parts.update({f"{level.name}/{name}": tensor.energy_pJ for name, tensor in level.tensors.items()})
        return {**parts, "leakage": self.leakage_energy_pJ}


@dataclass(frozen=True)
class BatchCost:
    """Costs of B mappings, arrays of length B; NaN where ``feasible`` is False (``reason(row)`` says why)."""

    cycles: NDArray[np.float64]
    energy_pJ: NDArray[np.float64]
    utilization: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    status: NDArray[np.int64]  # (B, 4): verdict, level, needed, there
    architecture: Architecture

    def reason(self, row: int) -> str:
        """Why a mapping cannot run; empty where it can."""
        return explain(self.status[row], self.architecture)


def largest_fanout(architecture: Architecture) -> int:
    """The most receivers that one instance of any level can have (a mesh's rows may be lent to another level)."""
    return max(architecture.arithmetic.instances, *(level.instances for level in architecture.levels))


def explain(status: NDArray[np.int64], architecture: Architecture) -> str:
    """The sentence for a verdict of the kernel; empty where the mapping can run.

    Raises ``WorkloadError`` where a count does not fit 63 bits.
    """
    verdict, number, need, there = (int(value) for value in status)
    if verdict == 0:
        return ""
    if verdict == 3:
        name = architecture.arithmetic.name if number == len(architecture.levels) else architecture.levels[number].name
        return f"{name}: {need} instances needed along one side of the mesh, {there} there"
    level = architecture.levels[number]
    if verdict == 4:
        raise WorkloadError(f"{level.name}: a count of this mapping passes 2^63 - 1")
    bits = level.word_bits
    need_bytes, have_bytes = -(-need * bits // 8), there * bits // 8
    if verdict == 1:
        half = "" if level.multiple_buffering == 1 else f" (1/{level.multiple_buffering:g} of the memory)"
        return (
            f"{level.name}: tile of {need} words ({need_bytes} bytes) exceeds {there} words ({have_bytes} bytes){half}"
        )
    return f"{level.name}: tile of {need} words ({need_bytes} bytes) is below the least use of {there} words"


def evaluate(architecture: Architecture, layer: Layer, mapping: Mapping) -> Cost:
    """Everything about one mapping.

    Raises ``DesignError`` if it is not a mapping of the layer, ``WorkloadError`` if a count passes 2^63 - 1.
    """
    mapping.check(architecture, layer)
    from archgym.simulators.dnn.analysis import make_analysis
    from archgym.simulators.dnn.evaluation import evaluate_one

    arrays, found = pack([mapping]), make_analysis(len(architecture.levels), largest_fanout(architecture))
    evaluate_one(arrays, 0, layer.coefficients(), architecture.machine(), found)
    return read_analysis(architecture, layer, arrays, 0, found)


def read_analysis(architecture: Architecture, layer: Layer, mappings: MappingArrays, row: int, found: Analysis) -> Cost:
    """Everything about one row of arrays that hold mappings of the layer, from the row's full analysis."""
    from archgym.simulators.dnn.analysis import FILLS, INSTANCES, PARTITION, PICOJOULES, READS, TILE, UPDATES

    if found.status[0]:
        reason, nan = explain(found.status, architecture), math.nan
        return Cost(False, reason, nan, nan, nan, nan, nan, layer.macs, 0, ())
    levels = []
    for number, level in enumerate(architecture.levels):
        tensors = {
            name: TensorCost(
                int(found.words[number, TILE, tensor]), int(found.words[number, PARTITION, tensor]),
                int(found.counts[number, READS, tensor]), int(found.counts[number, FILLS, tensor]),
                int(found.counts[number, UPDATES, tensor]), int(found.nest[number, INSTANCES]),
                float(found.counts[number, PICOJOULES, tensor]),
            )
            for tensor, name in enumerate(TENSORS)
            if mappings.keep[row, number, tensor]
        }  # fmt: skip
        levels.append(LevelCost(level.name, int(found.cycles[number]), tensors))
    cycles, energy, utilization, macs, leakage, used = (float(value) for value in found.totals)
    return Cost(True, "", cycles, energy, utilization, macs, leakage, layer.macs, int(used), tuple(levels))


def evaluate_batch(
    architecture: Architecture, layer: Layer, mappings: MappingArrays | Sequence[Mapping], threads: int | None = None
) -> BatchCost:
    """Cycles and energy of B mappings, spread over ``threads`` (all cores); a row does not depend on the others.

    Raises ``DesignError`` if a row is not a mapping of the layer, ``WorkloadError`` if a count passes 2^63 - 1.
    """
    from archgym.simulators.dnn.analysis import make_analysis
    from archgym.simulators.dnn.evaluation import evaluate_rows

    arrays = mappings if isinstance(mappings, MappingArrays) else pack(mappings)
    count = arrays.rows
    if count:
        check_shapes(arrays, architecture)
    arrays = arrays.contiguous()
    totals, status = np.zeros((count, 6)), np.zeros((count, 4), np.int64)
    machine, coefficients, fanout = architecture.machine(), layer.coefficients(), largest_fanout(architecture)

    def work(start: int, stop: int) -> None:
        check_rows(arrays, layer, start, stop)
        found = make_analysis(len(architecture.levels), fanout)
        evaluate_rows(start, stop, arrays, coefficients, machine, found, totals, status)

    for_row_blocks(work, count, block=2048, threads=threads)
    feasible = status[:, 0] == 0
    for row in np.flatnonzero(status[:, 0] == 4)[:1]:
        explain(status[row], architecture)
    totals[~feasible] = np.nan
    return BatchCost(totals[:, 0], totals[:, 1], totals[:, 2], feasible, status, architecture)
