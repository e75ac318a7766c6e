"""A network on an accelerator: every layer mapped by the mapper, costs added up. What the hardware environments call.

A row's result depends on its design, the network and the mapper's settings alone: every search starts from the same seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError, DesignError, UnknownNameError, WorkloadError
from archgym.metrics import Metric, Metrics
from archgym.simulators.batch import for_row_blocks
from archgym.simulators.dnn.layer import TENSORS
from archgym.simulators.dnn.mapper import OBJECTIVES, Mapped, find_mapping
from archgym.simulators.dnn.network import Network
from archgym.simulators.dnn.templates import Template
from archgym.space import Designs, Level, Space
from archgym.workload import Workload

PICO, SQUARE_MICRO = 1e-12, 1e-12


@dataclass(frozen=True)
class MapperSettings:
    """How layers are mapped: what for, with how many evaluations of the cost model a layer, from which seed."""

    objective: str = "edp"
    budget: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise UnknownNameError("mapper_objective", self.objective, OBJECTIVES)
        for name, value, least in (("mapper_budget", self.budget, 1), ("mapper_seed", self.seed, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} = {value!r} must be a whole number of at least {least}")


class Decoder(Protocol):
    """From a design to hardware with the rules of its dataflow."""

    @property
    def space(self) -> Space: ...
    @property
    def parts(self) -> Mapping[str, str]:
        """Names in metrics by the name of each storage level, innermost first, the off-chip memory last."""
        ...

    def accelerator(self, design: Mapping[str, Level]) -> Template | str:
        """The hardware, or in words why there can be none."""
        ...


@dataclass(frozen=True)
class NetworkResult:
    """A network on one accelerator, layer by layer. ``reason`` is empty where every layer could be mapped."""

    template: Template
    network: Network
    mapped: tuple[Mapped | None, ...]
    reason: str

    @property
    def feasible(self) -> bool:
        return not self.reason

    def found(self) -> list[tuple[int, Mapped]]:
        """How often each layer occurs, and its mapping.

        Raises:
            DesignError: if a layer could not be mapped.
        """
        if self.reason:
            raise DesignError(f"an infeasible design has no result to show: {self.reason}")
        return [(count, m) for count, m in zip(self.network.counts, self.mapped, strict=True) if m is not None]

    @property
    def cycles(self) -> float:
        return sum(count * mapped.cost.cycles for count, mapped in self.found())

    @property
    def latency_s(self) -> float:
        return self.cycles * 1e-9 / self.template.architecture.clock_GHz

    @property
    def energy_J(self) -> float:
        return sum(self.energy_by_part().values())

    def energy_by_part(self) -> dict[str, float]:
        """Joules by part, ``"level/tensor"``, ``"MAC"`` and ``"leakage"``; they add up to the total."""
        total: dict[str, float] = {}
        for count, mapped in self.found():
            for part, energy in mapped.cost.energy_by_part().items():
                total[part] = total.get(part, 0.0) + count * energy * PICO
        return total

    def layer_rows(self) -> list[dict[str, Any]]:
        """One row a distinct layer: name, count, and of one run cycles, utilization, joules, mapping as text."""
        architecture = self.template.architecture
        return [
            {
                "layer": layer.name, "count": count, "macs": layer.macs, "cycles": mapped.cost.cycles,
                "utilization": mapped.cost.utilization, "energy_J": mapped.cost.energy_pJ * PICO,
                "mapping": mapped.mapping.text(architecture),
            }
            for layer, (count, mapped) in zip(self.network.layers, self.found(), strict=True)
        ]  # fmt: skip


@dataclass(frozen=True)
class Breakdown:
    """What one evaluated design did, worked out again in detail when it is first asked for."""

    simulator: AcceleratorSimulator
    levels: tuple[int, ...]
    workload: Workload

    @cached_property
    def result(self) -> NetworkResult:
        """Every layer's mapping and costs."""
        return self.simulator.explain(np.array(self.levels, dtype=np.int64), self.workload)

    @property
    def layers(self) -> list[dict[str, Any]]:
        """See `NetworkResult.layer_rows`."""
        return self.result.layer_rows()


class Breakdowns(Sequence[Breakdown]):
    """One `Breakdown` a row, made when looked at."""

    def __init__(self, simulator: AcceleratorSimulator, designs: Designs, workload: Workload) -> None:
        self._simulator, self._designs, self._workload = simulator, designs, workload

    def __len__(self) -> int:
        return len(self._designs)

    @overload
    def __getitem__(self, row: int) -> Breakdown: ...
    @overload
    def __getitem__(self, row: slice) -> list[Breakdown]: ...
    def __getitem__(self, row: int | slice) -> Breakdown | list[Breakdown]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        return Breakdown(self._simulator, tuple(map(int, self._designs[row])), self._workload)


def network_of(workload: Workload) -> Network:
    """The network that a workload is.

    Raises:
        WorkloadError: if it is something else.
    """
    if not isinstance(workload.data, Network):
        raise WorkloadError(f"workload {workload.name!r} of domain {workload.domain!r} is not a DNN")
    return workload.data


@dataclass(frozen=True)
class AcceleratorSimulator:
    """Networks on the accelerators of a space. ``extras["breakdown"]`` of its metrics holds a `Breakdown` a row."""

    name: str
    decoder: Decoder
    mapper: MapperSettings = MapperSettings()
    threads: int | None = None
    version: int = 1

    @property
    def space(self) -> Space:
        return self.decoder.space

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        parts = self.decoder.parts
        return (
            Metric("latency_s", "s", "min", "time of one run of all layers, one after the other"),
            Metric("cycles", "1", "min", "clock cycles of one run"),
            Metric("energy_J", "J", "min", "energy of one run"),
            Metric("mac_energy_J", "J", "min", "energy of the multiply-accumulates", "energy_J"),
            *(Metric(f"{name}_energy_J", "J", "min", f"energy of accesses to {level}", "energy_J")
              for level, name in parts.items()),
            Metric("leakage_energy_J", "J", "min", "leakage of the whole chip over the run", "energy_J"),
            Metric("average_power_W", "W", "min", "energy over latency"),
            Metric("area_m2", "m2", "min", "area of the chip: arithmetic and memories"),
            Metric("mac_area_m2", "m2", "min", "area of the arithmetic", "area_m2"),
            *(Metric(f"{name}_area_m2", "m2", "min", f"area of {level}", "area_m2")
              for level, name in list(parts.items())[:-1]),
            Metric("utilization", "1", "max", "share of all multiply-accumulate slots that did work"),
            Metric("dram_accesses_per_mac", "1", "min", "words to and from off-chip memory a multiply-accumulate"),
        )  # fmt: skip

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of B designs, shape (B, D) of level numbers, the layers of all spread over the cores."""
        network, rows = network_of(workload), np.array(designs, dtype=np.int64)
        made = [self.decoder.accelerator(self.space.row(row)) for row in rows]
        several = len(network.layers)
        found: list[list[Mapped | str | None]] = [[None] * several for _ in made]

        def work(start: int, stop: int) -> None:
            for number in range(start, stop):
                row, layer = divmod(number, several)
                template = made[row]
                if isinstance(template, Template):
                    found[row][layer] = self._map(template, network, layer)

        for_row_blocks(work, len(rows) * several, threads=self.threads)
        reasons = tuple(_reason(template, row) for template, row in zip(made, found, strict=True))
        columns = {metric.name: np.full(len(rows), np.nan) for metric in self.metrics}
        for number, (template, mapped) in enumerate(zip(made, found, strict=True)):
            if not reasons[number] and isinstance(template, Template):
                result = NetworkResult(template, network, tuple(m for m in mapped if isinstance(m, Mapped)), "")
                for name, value in self._values(result).items():
                    columns[name][number] = value
        feasible = np.array([not reason for reason in reasons], dtype=bool)
        return Metrics(columns, feasible, reasons, {"breakdown": Breakdowns(self, rows, workload)})

    def _map(self, template: Template, network: Network, number: int) -> Mapped | str:
        """The mapping of one layer, or why there is none."""
        layer, mapper = network.layers[number], self.mapper
        try:
            mapped = find_mapping(
                template.architecture, layer, template.rules, mapper.objective, mapper.budget, mapper.seed
            )
        except ConfigError as error:  # the dataflow's rules cannot be met by this layer
            return f"layer {layer.name}: no mapping: {error}"
        if not mapped.cost.feasible:
            return f"layer {layer.name}: no mapping found in {mapper.budget} evaluations: {mapped.cost.reason}"
        return mapped

    def _values(self, result: NetworkResult) -> dict[str, float]:
        """The metrics of one feasible design."""
        architecture, parts = result.template.architecture, self.decoder.parts
        at = dict.fromkeys(("mac", *parts.values(), "leakage"), 0.0)
        for part, energy in result.energy_by_part().items():
            level = part.split("/")[0]
            at[{"MAC": "mac", "leakage": "leakage"}.get(part) or parts[level]] += energy
        areas = {"mac": architecture.arithmetic.instances * architecture.arithmetic.area_um2}
        areas |= {name: _area(architecture.level(level)) for level, name in list(parts.items())[:-1]}
        total = sum(at.values())
        words = sum(count * _words(mapped, architecture.levels[-1].name) for count, mapped in result.found())
        macs = result.network.macs
        return {
            "latency_s": result.latency_s, "cycles": result.cycles, "energy_J": total,
            **{f"{name}_energy_J": energy for name, energy in at.items()},
            "average_power_W": total / result.latency_s,
            "area_m2": sum(areas.values()) * SQUARE_MICRO,
            **{f"{name}_area_m2": area * SQUARE_MICRO for name, area in areas.items()},
            "utilization": macs / (result.cycles * architecture.arithmetic.instances),
            "dram_accesses_per_mac": words / macs,
        }  # fmt: skip

    def accelerator(self, levels: Designs) -> Template:
        """The hardware of one design, shape (D,) of level numbers.

        Raises:
            DesignError: if there can be none.
        """
        made = self.decoder.accelerator(self.space.row(levels))
        if isinstance(made, str):
            raise DesignError(f"no hardware: {made}")
        return made

    def hardware(self, levels: Designs) -> tuple[str, list[str], list[list[str]]]:
        """Title, columns and rows of a table of one design's hardware, shape (D,)."""
        from archgym.simulators.dnn.text import COLUMNS, architecture_rows, architecture_title

        architecture = self.accelerator(levels).architecture
        return architecture_title(architecture), list(COLUMNS), architecture_rows(architecture)

    def describe(self, levels: Designs, workload: Workload) -> str:
        """Hardware, layers, energy and a mapping of one feasible design, shape (D,), as text."""
        from archgym.simulators.dnn.text import describe

        return describe(self.explain(levels, workload))

    def picture(self, levels: Designs, workload: Workload) -> NDArray[np.uint8]:
        """Hierarchy, energy and roofline of one feasible design, shape (D,), as an array of shape (height, width, 3).

        Raises:
            DesignError: if the design is infeasible.
            MissingExtraError: if matplotlib is not installed.
        """
        from archgym.simulators.dnn.render import picture

        return picture(self.explain(levels, workload))

    def explain(self, levels: Designs, workload: Workload) -> NetworkResult:
        """Everything about one design, shape (D,) of level numbers.

        Raises:
            DesignError: if there can be no such hardware.
        """
        network, template = network_of(workload), self.accelerator(levels)
        found = [self._map(template, network, number) for number in range(len(network.layers))]
        mapped = tuple(m if isinstance(m, Mapped) else None for m in found)
        return NetworkResult(template, network, mapped, _reason(template, found))


def _reason(template: Template | str, found: Sequence[Mapped | str | None]) -> str:
    if isinstance(template, str):
        return template
    return next((mapped for mapped in found if isinstance(mapped, str)), "")


def _area(level: Any) -> float:
    return float(level.instances * level.area_um2)


def _words(mapped: Mapped, name: str) -> float:
    """Words that one run of a layer reads from and writes to a level."""
    level = next(level for level in mapped.cost.levels if level.name == name)
    tensors = (level.tensors[tensor] for tensor in TENSORS if tensor in level.tensors)
    return float(sum(t.reads_per_instance + t.fills_per_instance + t.updates_per_instance for t in tensors))


def simulator_name(base: str, defaults: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """A simulator's name with every option that is not the default: what decides a result is part of its identity."""
    changed = [f"{key}={options[key]}" for key in defaults if options[key] != defaults[key]]
    return "-".join([base, *changed])
