"""One layer on a fixed architecture, the mapping being the design: what ``DNNMappingEnv-v0`` calls."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from archgym.errors import WorkloadError
from archgym.metrics import Metric, Metrics
from archgym.simulators.batch import for_row_blocks
from archgym.simulators.dnn.accelerator import PICO, NetworkResult, network_of, simulator_name
from archgym.simulators.dnn.layer import DIMENSIONS, Layer
from archgym.simulators.dnn.mapper import Mapped
from archgym.simulators.dnn.mapping import Mapping, MappingArrays, unpack
from archgym.simulators.dnn.mapping_space import MappingCode
from archgym.simulators.dnn.model import evaluate, explain, largest_fanout
from archgym.simulators.dnn.network import make_network
from archgym.simulators.dnn.templates import load_template
from archgym.space import Designs, Space
from archgym.workload import Workload

ABOVE_LIMIT = 5
BLOCK = 256


@dataclass(frozen=True)
class MappingBreakdown:
    """What one evaluated mapping did, worked out in detail when it is first asked for."""

    simulator: MappingSimulator
    levels: tuple[int, ...]

    @cached_property
    def result(self) -> NetworkResult:
        """The mapping and its costs by level and tensor."""
        return self.simulator.explain(np.array(self.levels, dtype=np.int64))


class MappingBreakdowns(Sequence[MappingBreakdown]):
    """One `MappingBreakdown` a row, made when looked at."""

    def __init__(self, simulator: MappingSimulator, designs: Designs) -> None:
        self._simulator, self._designs = simulator, designs

    def __len__(self) -> int:
        return len(self._designs)

    @overload
    def __getitem__(self, row: int) -> MappingBreakdown: ...
    @overload
    def __getitem__(self, row: slice) -> list[MappingBreakdown]: ...
    def __getitem__(self, row: int | slice) -> MappingBreakdown | list[MappingBreakdown]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        return MappingBreakdown(self._simulator, tuple(map(int, self._designs[row])))


@dataclass(frozen=True)
class MappingSimulator:
    """Mappings of one layer, evaluated by the cost model's kernel, a batch spread over the cores."""

    name: str
    code: MappingCode
    threads: int | None = None
    version: int = 1

    @property
    def space(self) -> Space:
        return self.code.space

    @property
    def layer(self) -> Layer:
        return self.code.layer

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        levels = [level.name for level in self.code.architecture.levels]
        return (
            Metric("latency_s", "s", "min", "time of the layer"),
            Metric("cycles", "1", "min", "clock cycles of the layer"),
            Metric("energy_J", "J", "min", "energy of the layer"),
            Metric("mac_energy_J", "J", "min", "energy of the multiply-accumulates", "energy_J"),
            *(Metric(f"{name}_energy_J", "J", "min", f"energy of accesses to {name}", "energy_J") for name in levels),
            Metric("leakage_energy_J", "J", "min", "leakage of the whole chip meanwhile", "energy_J"),
            Metric("average_power_W", "W", "min", "energy over latency"),
            Metric("utilization", "1", "max", "share of all multiply-accumulate slots that did work"),
            Metric("dram_accesses_per_mac", "1", "min", "words to and from the outermost memory a multiply-accumulate"),
        )

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of B designs, shape (B, D) of level numbers.

        Raises:
            WorkloadError: if ``workload`` is not the layer this simulator was made for.
        """
        from archgym.simulators.dnn.analysis import make_analysis
        from archgym.simulators.dnn.decoding import evaluate_designs

        if layer_of(workload) != self.layer:
            raise WorkloadError(
                f"workload {workload.name!r}: this simulator and its space were made for {self.layer.name!r}; make another"
            )
        rows = np.array(designs, dtype=np.int64)
        architecture, code = self.code.architecture, self.code.code
        machine, coefficients = architecture.machine(), self.layer.coefficients()
        roomy = machine._replace(real=machine.real.copy())
        roomy.real[:, 0] = 0.0
        plain, fanout, levels = self.code.pool(1), largest_fanout(architecture), len(architecture.levels)
        totals, status = np.zeros((len(rows), 6)), np.zeros((len(rows), 4), np.int64)
        by_level = np.zeros((len(rows), levels, 2))

        def work(start: int, stop: int) -> None:
            found, pool = make_analysis(levels, fanout), self.code.pool(1)
            evaluate_designs(
                start, stop, rows, code, plain, pool, coefficients, machine, roomy, found, totals, by_level, status
            )

        for_row_blocks(work, len(rows), block=BLOCK, threads=self.threads)
        feasible = status[:, 0] == 0
        reasons = tuple("" if good else self._reason(row) for good, row in zip(feasible, status, strict=True))
        columns = self._columns(totals, by_level)
        for column in columns.values():
            column[~feasible] = np.nan
        return Metrics(columns, feasible, reasons, {"breakdown": MappingBreakdowns(self, rows)})

    def _columns(self, totals: NDArray[np.float64], levels: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        cycles, latency = totals[:, 0].copy(), totals[:, 0] * 1e-9 / self.code.architecture.clock_GHz
        energy = totals[:, 1] * PICO
        with np.errstate(divide="ignore", invalid="ignore"):
            power = energy / latency
        return {
            "latency_s": latency, "cycles": cycles, "energy_J": energy, "mac_energy_J": totals[:, 3] * PICO,
            **{f"{level.name}_energy_J": levels[:, number, 0] * PICO
               for number, level in enumerate(self.code.architecture.levels)},
            "leakage_energy_J": totals[:, 4] * PICO, "average_power_W": power, "utilization": totals[:, 2].copy(),
            "dram_accesses_per_mac": levels[:, -1, 1] / self.layer.macs,
        }  # fmt: skip

    def _reason(self, status: NDArray[np.int64]) -> str:
        if status[0] != ABOVE_LIMIT:
            return explain(status, self.code.architecture)
        dimension, prime = self.code.factors[int(status[1])]
        return f"the dataflow's rules do not allow the factor {prime} of {DIMENSIONS[dimension]} where it is put"

    def arrays(self, designs: Designs) -> MappingArrays:
        """The mappings of B designs, for `model.evaluate_batch`."""
        from archgym.simulators.dnn.analysis import make_analysis
        from archgym.simulators.dnn.decoding import decode_rows

        rows, architecture = self.space.check(designs), self.code.architecture
        roomy = architecture.machine()
        roomy.real[:, 0] = 0.0
        out = self.code.pool(len(rows))
        found = make_analysis(len(architecture.levels), largest_fanout(architecture))
        decode_rows(
            rows, self.code.code, self.code.pool(1), self.code.pool(1), out, self.layer.coefficients(), roomy, found
        )
        return out

    def mapping(self, levels: Designs) -> Mapping:
        """The mapping of one design, shape (D,) of level numbers."""
        return unpack(self.arrays(levels), 0)

    def hardware(self, levels: Designs) -> tuple[str, list[str], list[list[str]]]:
        """Title, columns and rows of a table of one design's hardware, shape (D,)."""
        from archgym.simulators.dnn.text import COLUMNS, architecture_rows, architecture_title

        architecture = self.code.architecture
        return architecture_title(architecture), list(COLUMNS), architecture_rows(architecture)

    def describe(self, levels: Designs, workload: Workload | None = None) -> str:
        """Hardware, energy and mapping of one feasible design, shape (D,), as text."""
        from archgym.simulators.dnn.text import describe

        return describe(self.explain(levels))

    def picture(self, levels: Designs, workload: Workload | None = None) -> NDArray[np.uint8]:
        """Hierarchy, energy and roofline of one feasible design, shape (D,), as an array of shape (height, width, 3).

        Raises:
            DesignError: if the design is infeasible.
            MissingExtraError: if matplotlib is not installed.
        """
        from archgym.simulators.dnn.render import picture

        return picture(self.explain(levels))

    def explain(self, levels: Designs, workload: Workload | None = None) -> NetworkResult:
        """Everything about one design, shape (D,) of level numbers."""
        mapping = self.mapping(levels)
        cost = evaluate(self.code.architecture, self.layer, mapping)
        network = make_network(self.layer.name, [self.layer])
        return NetworkResult(self.code.template, network, (Mapped(mapping, cost, 1),), cost.reason)


def layer_of(workload: Workload) -> Layer:
    """The layer that a workload is.

    Raises:
        WorkloadError: if it is none, or a whole network.
    """
    network = network_of(workload)
    if len(network.layers) > 1:
        names = ", ".join(layer.name for layer in network.layers)
        raise WorkloadError(f"workload {workload.name!r} has several layers; name one of {names}")
    return network.layers[0]


_DEFAULTS = {"architecture": "unified", "overflow": "outwards"}


def make_mapping(
    workload: Workload, architecture: str | os.PathLike[str] = "unified", overflow: str = "outwards",
    threads: int | None = None,
) -> MappingSimulator:  # fmt: skip
    """The simulator of ``DNNMappingEnv-v0`` for a layer.

    Args:
        architecture: a template's name, or the path of a file in the same form; its rules bind the mappings.
        overflow: what happens to a factor whose slot has no room: it goes ``"outwards"``, or the design is
            ``"infeasible"``.
        threads: all cores if omitted; no result depends on it.

    Raises:
        UnknownNameError, ConfigError: for an unknown template or overflow, and rules that no mapping can keep to.
    """
    template, layer = load_template(os.fspath(architecture)), layer_of(workload)
    options = {"architecture": os.fspath(architecture), "overflow": overflow}
    name = simulator_name("dnn-mapping", _DEFAULTS, options)
    return MappingSimulator(name, MappingCode(template, layer, overflow), threads)
