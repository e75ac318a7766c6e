"""The SoC simulators: a template space over the whole library, and ArchGym's published space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from archgym.errors import WorkloadError
from archgym.metrics import Metric, Metrics
from archgym.simulators.soc.arrays import VALUES, Batch, Catalogue, Floats, GraphArrays, graph_arrays
from archgym.simulators.soc.design import Design
from archgym.simulators.soc.library import ACCELERATOR, BUS, CORE, DRAM, KINDS, SRAM, Block
from archgym.simulators.soc.limited import LimitedTemplate
from archgym.simulators.soc.model import check_fidelity, simulate_batch
from archgym.simulators.soc.result import Result, reason, simulate_designs
from archgym.simulators.soc.space import Template
from archgym.simulators.soc.taskgraph import TaskGraph
from archgym.space import Designs, Space
from archgym.workload import Workload


class Decoder(Protocol):
    """From level numbers to block and link slots."""

    graph: TaskGraph
    space: Space
    blocks: tuple[Block, ...]
    catalogue: Catalogue
    names: tuple[str, ...]

    def batch(self, designs: Designs) -> Batch: ...
    def design(self, batch: Batch, row: int = 0) -> Design: ...


@dataclass(frozen=True)
class Breakdown:
    """What one evaluated design did, simulated again in detail when it is first asked for."""

    simulator: SoCSimulator
    levels: tuple[int, ...]

    @cached_property
    def result(self) -> Result:
        """Totals, and per task and block: energy, area, times, what limited what (see `result.Result`)."""
        return self.simulator.explain(np.array(self.levels, dtype=np.int64))

    @property
    def limits(self) -> Mapping[str, float]:
        """The budgets by metric; empty if the workload has none."""
        return budget_limits(self.simulator.graph)

    @property
    def individual_limits(self) -> Mapping[str, float]:
        """The tighter budgets of an application with a SoC of its own, if it has them."""
        return budget_limits(self.simulator.graph, individual=True)


class Breakdowns(Sequence[Breakdown]):
    """One `Breakdown` a row, made when looked at."""

    def __init__(self, simulator: SoCSimulator, designs: Designs) -> None:
        self._simulator, self._designs = simulator, designs.copy()

    def __len__(self) -> int:
        return len(self._designs)

    @overload
    def __getitem__(self, row: int) -> Breakdown: ...
    @overload
    def __getitem__(self, row: slice) -> list[Breakdown]: ...
    def __getitem__(self, row: int | slice) -> Breakdown | list[Breakdown]:
        if isinstance(row, slice):
            return [Breakdown(self._simulator, tuple(map(int, levels))) for levels in self._designs[row]]
        return Breakdown(self._simulator, tuple(map(int, self._designs[row])))


def latency_metrics(graph: TaskGraph) -> dict[str, str]:
    """The latency metric of each application: ``latency_s`` if there is one, ``latency_<application>_s`` if several."""
    if len(graph.last) == 1:
        return dict.fromkeys(graph.last, "latency_s")
    return {name: f"latency_{name}_s" for name in graph.last}


def budget_limits(graph: TaskGraph, individual: bool = False) -> dict[str, float]:
    """Limits by metric: latency for each application, power and area summed over them (FARSI: k times the budget).

    Area on the chip and of the DRAM is held to the area budget each. Empty if any application has no budget.
    """
    budgets = graph.individual_budgets if individual else graph.budgets
    if set(budgets) != set(graph.last):
        return {}
    limits = {metric: budgets[name].latency_s for name, metric in latency_metrics(graph).items()}
    area = sum(budgets[name].area_m2 for name in graph.last)
    limits["power_W"] = sum(budgets[name].power_W for name in graph.last)
    return limits | {"on_chip_area_m2": area, "dram_area_m2": area}


def _metrics(graph: TaskGraph) -> tuple[Metric, ...]:
    per_application = [
        Metric(metric, "s", "min", f"time until {name} is done")
        for name, metric in latency_metrics(graph).items()
        if metric != "latency_s"
    ]
    energy = [Metric(f"{kind}_energy_J", "J", "min", f"energy of the {_MANY[kind]}", "energy_J") for kind in KINDS[:4]]
    area = [
        Metric(f"{kind}_area_m2", "m2", "min", f"area of the {_MANY[kind]}", "on_chip_area_m2") for kind in KINDS[:3]
    ]
    return (
        Metric("latency_s", "s", "min", "time until the (slowest) application is done"),
        *per_application,
        Metric("power_W", "W", "min", "highest mean power of any window of 10 ms"),
        Metric("energy_J", "J", "min", "energy of one run"),
        *energy,
        Metric("area_m2", "m2", "min", "area with the DRAM"),
        Metric("on_chip_area_m2", "m2", "min", "area without the DRAM", "area_m2"),
        *area,
        Metric("dram_area_m2", "m2", "min", "area of the DRAM", "area_m2"),
        Metric("development_cost", "1", "min", "effort to build and program the SoC, FARSI's units"),
        Metric("sram_capacity_B", "B", "none", "bytes of SRAM"),
        Metric("dram_capacity_B", "B", "none", "bytes of DRAM"),
        *(Metric(f"{_MANY[kind]}_used", "1", "none", f"number of {_MANY[kind]}") for kind in ("core", "accelerator")),
        Metric("memories_used", "1", "none", "number of memories"),
        Metric("buses_used", "1", "none", "number of buses"),
    )


_MANY = {"core": "cores", "accelerator": "accelerators", "sram": "SRAM", "dram": "DRAM"}


@dataclass(frozen=True)
class SoCSimulator:
    """SoCs for one task graph, decoded from a space of designs.

    ``extras["breakdown"]`` of its metrics holds a `Breakdown` a row. Infeasible rows give the reason.
    """

    name: str
    decoder: Decoder
    fidelity: str
    version: int = 1

    @property
    def graph(self) -> TaskGraph:
        return self.decoder.graph

    @property
    def space(self) -> Space:
        return self.decoder.space

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        return _metrics(self.graph)

    @cached_property
    def _arrays(self) -> GraphArrays:
        return graph_arrays(self.graph)

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of B designs, shape (B, D) of level numbers.

        Raises:
            WorkloadError: if ``workload`` is not the one this simulator was made for.
        """
        if workload.data is not self.graph and workload.data != self.graph:
            raise WorkloadError(
                f"workload {workload.name!r}: this simulator and its space were made for {self.graph.name!r}; make another"
            )
        rows = np.array(designs, dtype=np.int64)
        batch = self.decoder.batch(rows)
        totals, _ = simulate_batch(self._arrays, self.decoder.catalogue, batch, self.fidelity)
        feasible = totals.failure[:, 0] == 0
        columns = self._columns(batch, totals.latency, totals.value)
        for column in columns.values():
            column[~feasible] = np.nan
        names, graph = self.decoder.names, self.graph
        pairs = zip(feasible, totals.failure, strict=True)
        reasons = tuple("" if good else reason(why, names, graph) for good, why in pairs)
        return Metrics(columns, feasible, reasons, {"breakdown": Breakdowns(self, rows)})

    def _columns(self, batch: Batch, latency: Floats, value: Floats) -> dict[str, Floats]:
        """The kernel's numbers as columns in the order of `metrics`."""
        kinds = np.append(self.decoder.catalogue.kind, -1)[batch.block]
        at = {name: value[:, number] for number, name in enumerate(VALUES)}
        found = {"latency_s": latency.max(axis=1), "power_W": at["power_W"]}
        for number, metric in enumerate(latency_metrics(self.graph).values()):
            found[metric] = latency[:, number]
        for kind in KINDS[:4]:
            found[f"{kind}_energy_J"], found[f"{kind}_area_m2"] = at[f"{kind}_energy_J"], at[f"{kind}_area_m2"]
        found["energy_J"] = sum(at[f"{kind}_energy_J"] for kind in KINDS[:4])
        found["on_chip_area_m2"] = sum(at[f"{kind}_area_m2"] for kind in KINDS[:3])
        found["area_m2"] = found["on_chip_area_m2"] + at["dram_area_m2"]
        found["development_cost"] = at["development_cost"]
        found["sram_capacity_B"], found["dram_capacity_B"] = at["sram_bytes"], at["dram_bytes"]
        found["cores_used"] = (kinds == CORE).sum(axis=1).astype(np.float64)
        found["accelerators_used"] = (kinds == ACCELERATOR).sum(axis=1).astype(np.float64)
        found["memories_used"] = ((kinds == SRAM) | (kinds == DRAM)).sum(axis=1).astype(np.float64)
        found["buses_used"] = (kinds == BUS).sum(axis=1).astype(np.float64)
        return {metric.name: np.array(found[metric.name]) for metric in self.metrics}

    def design(self, levels: Designs) -> Design:
        """One design, shape (D,) of level numbers, as named blocks, links and mappings."""
        return self.decoder.design(self.decoder.batch(self.space.check(levels)))

    def explain(self, levels: Designs) -> Result:
        """Everything about one design, shape (D,) of level numbers."""
        (result,) = simulate_designs([self.design(levels)], self.fidelity)
        return result

    def describe(self, levels: Designs, workload: Workload | None = None) -> str:
        """Blocks, schedule and budgets of one design, shape (D,) of level numbers, as text (for its own workload)."""
        from archgym.simulators.soc.text import describe

        return describe(self.explain(levels), budget_limits(self.graph))

    def picture(self, levels: Designs, workload: Workload | None = None) -> NDArray[np.uint8]:
        """SoC, schedule and budgets of one feasible design, shape (D,), as an array of shape (height, width, 3).

        The workload is its own; other simulators need to be told.

        Raises:
            DesignError: if the design is infeasible.
            MissingExtraError: if matplotlib is not installed.
        """
        from archgym.simulators.soc.render import picture

        return picture(self.explain(levels))


def make_soc(
    workload: Workload, fidelity: str = "physical", cores: int = 3, memories: int = 4, buses: int = 4
) -> SoCSimulator:
    """The simulator of ``SoCEnv-v0``: at most so many cores, memories and buses, and an accelerator for each task.

    Raises:
        UnknownNameError: for another fidelity than ``"physical"`` and ``"farsi"``.
        ConfigError: for a number of slots out of range.
    """
    check_fidelity(fidelity)
    return SoCSimulator(_named("soc", fidelity), Template(_graph(workload), cores, memories, buses), fidelity)


def make_limited(workload: Workload, fidelity: str = "farsi") -> SoCSimulator:
    """The simulator of ``SoCLimitedEnv-v0``: ArchGym's 18 + 2T integers as they are.

    Raises:
        UnknownNameError: for another fidelity than ``"physical"`` and ``"farsi"``.
    """
    check_fidelity(fidelity)
    return SoCSimulator(_named("soc-limited", fidelity), LimitedTemplate(_graph(workload)), fidelity)


def _named(name: str, fidelity: str) -> str:
    """Fidelity is part of a simulator's identity."""
    return f"{name}-{fidelity}"


def _graph(workload: Workload) -> TaskGraph:
    if not isinstance(workload.data, TaskGraph):
        raise WorkloadError(f"workload {workload.name!r} of domain {workload.domain!r} is not a task graph")
    return workload.data
