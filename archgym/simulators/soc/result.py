"""Results of single designs by name: totals, breakdown by task and block, schedule, and why a design is infeasible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym.simulators.soc import arrays
from archgym.simulators.soc.arrays import BLOCK_VALUES, TASK_VALUES, VALUES, Detail, Ints, Totals, graph_arrays
from archgym.simulators.soc.design import Design, pack
from archgym.simulators.soc.library import ACCELERATOR, CORE, KINDS
from archgym.simulators.soc.model import simulate_batch
from archgym.simulators.soc.taskgraph import TaskGraph


def reason(failure: Ints, names: Sequence[str], graph: TaskGraph) -> str:
    """Why a design is infeasible, from the kernel's reason and two numbers; empty if it is not."""

    def name(slot: int) -> str:
        return names[slot] if 0 <= slot < len(names) else "nothing"

    code, first, second = map(int, failure)
    if code == arrays.FEASIBLE:
        return ""
    if code == arrays.NO_PE:
        return (
            f"task {graph.tasks[first].name} is mapped to {name(second)}, which is no processing element of the design"
        )
    if code == arrays.WRONG_ACCELERATOR:
        return f"task {graph.tasks[first].name} cannot run on {name(second)}, an accelerator of another task"
    if code == arrays.NO_MEMORY:
        source, target, _ = graph.edges[first]
        data = f"{graph.tasks[source].name} -> {graph.tasks[target].name}"
        return f"data {data} are mapped to {name(second)}, which is no memory of the design"
    if code == arrays.LOOSE_LINK:
        return f"a link between {name(first)} and {name(second)}: both ends must be blocks of the design"
    if code == arrays.SELF_LINK:
        return f"{name(first)} is linked to itself"
    if code == arrays.DISCONNECTED:
        return f"the interconnect is disconnected: there is no route between {name(first)} and {name(second)}"
    if code == arrays.CYCLE:
        return f"the interconnect has a cycle: {first} links for {second} blocks, a tree has {second - 1}"
    return f"{name(first)} has {second} links; a processing element or memory must have one, to a bus"


@dataclass(frozen=True)
class Result:
    """What simulating one design gave. All numbers are NaN and all breakdowns empty if it is infeasible.

    Attributes:
        reason: why it is infeasible, else empty.
        latency: s, by application.
        total: by name, see `arrays.VALUES`.
        tasks: by task, see `arrays.TASK_VALUES`; ``limiting_block`` is a block's name.
        blocks: by block, see `arrays.BLOCK_VALUES`.
        use: energy in J by task and block, where there is any.
        phases: (duration in s, energy in J) in order; nothing starts or ends within a phase.
    """

    design: Design
    fidelity: str
    reason: str
    latency: dict[str, float]
    total: dict[str, float]
    tasks: dict[str, dict[str, Any]]
    blocks: dict[str, dict[str, float]]
    use: dict[str, dict[str, float]]
    phases: tuple[tuple[float, float], ...]

    @property
    def feasible(self) -> bool:
        return not self.reason

    @property
    def latency_s(self) -> float:
        """Of the slowest application."""
        return max(self.latency.values())

    @property
    def power_W(self) -> float:
        return self.total["power_W"]

    @property
    def energy_J(self) -> float:
        return sum(self.total[f"{kind}_energy_J"] for kind in KINDS[:4])

    @property
    def area_m2(self) -> float:
        """With the DRAM."""
        return sum(self.total[f"{kind}_area_m2"] for kind in KINDS[:4])

    @property
    def on_chip_area_m2(self) -> float:
        """Without the DRAM."""
        return sum(self.total[f"{kind}_area_m2"] for kind in KINDS[:3])

    def to_json(self) -> dict[str, Any]:
        """Everything, with ``null`` for the numbers of an infeasible design."""
        head = {"workload": self.design.graph.name, "fidelity": self.fidelity, "feasible": self.feasible}
        if not self.feasible:
            keys = (
                "latency_s",
                "power_W",
                "energy_J",
                "area_m2",
                "on_chip_area_m2",
                "dram_area_m2",
                "development_cost",
            )
            return {**head, "reason": self.reason, **dict.fromkeys(keys)}
        return {
            **head,
            "reason": "",
            "latency_s": self.latency_s,
            "power_W": self.power_W,
            "energy_J": self.energy_J,
            "area_m2": self.area_m2,
            "on_chip_area_m2": self.on_chip_area_m2,
            "dram_area_m2": self.total["dram_area_m2"],
            "development_cost": self.total["development_cost"],
            "latency_by_workload_s": self.latency,
            "energy_by_kind_J": {kind: self.total[f"{kind}_energy_J"] for kind in KINDS[:4]},
            "area_by_kind_m2": {kind: self.total[f"{kind}_area_m2"] for kind in KINDS[:4]},
            "sram_bytes": self.total["sram_bytes"],
            "dram_bytes": self.total["dram_bytes"],
            "per_block": {
                name: {"kind": KINDS[block.kind], "lib": block.name, **self.blocks[name]}
                for name, block in zip(self.design.names, self.design.blocks, strict=True)
            },
            "per_task": {
                task: {"pe": self.design.names[slot], **self.tasks[task], "energy_by_block_J": self.use[task]}
                for task, slot in zip(self.tasks, self.design.pe, strict=True)
            },
            "phases": [list(phase) for phase in self.phases],
        }


def simulate_designs(designs: Sequence[Design], fidelity: str = "physical") -> list[Result]:
    """Simulate designs of one task graph, with their breakdowns.

    Raises:
        DesignError: if they belong to different task graphs.
        UnknownNameError: for another fidelity than ``"physical"`` and ``"farsi"``.
    """
    if not designs:
        return []
    kinds, batch = pack(designs)
    totals, detail = simulate_batch(graph_arrays(designs[0].graph), kinds, batch, fidelity, detailed=True)
    return [read_row(design, fidelity, row, totals, detail) for row, design in enumerate(designs)]


def read_row(design: Design, fidelity: str, row: int, totals: Totals, detail: Detail) -> Result:
    """One row of the kernel's results by name."""
    why = reason(totals.failure[row], design.names, design.graph)
    applications = tuple(design.graph.last)
    if why:
        nothing = float("nan")
        return Result(
            design, fidelity, why, dict.fromkeys(applications, nothing), dict.fromkeys(VALUES, nothing), {}, {}, {}, ()
        )
    names = design.names
    task_names = [task.name for task in design.graph.tasks]
    tasks: dict[str, dict[str, Any]] = {}
    for task, values in zip(task_names, detail.task[row], strict=True):
        tasks[task] = dict(zip(TASK_VALUES, map(float, values), strict=True))
        tasks[task]["limiting_block"] = names[int(values[TASK_VALUES.index("limiting_block")])]
    use = {
        task: {names[slot]: float(line[slot]) for slot in np.flatnonzero(line)}
        for task, line in zip(task_names, detail.use[row], strict=True)
    }
    blocks = {}
    for slot, (name, block) in enumerate(zip(names, design.blocks, strict=True)):
        shown = [key for key in BLOCK_VALUES if _applies(key, block.kind)]
        blocks[name] = {key: float(detail.block[row, slot, BLOCK_VALUES.index(key)]) for key in shown}
    phases = detail.phase[row, : int(totals.value[row, VALUES.index("phases")])]
    return Result(
        design,
        fidelity,
        "",
        dict(zip(applications, map(float, totals.latency[row]), strict=True)),
        dict(zip(VALUES, map(float, totals.value[row]), strict=True)),
        tasks,
        blocks,
        use,
        tuple((float(step), float(energy)) for step, energy in phases),
    )


def _applies(value: str, kind: int) -> bool:
    """Whether a number means something for a kind of block."""
    if value == "busy_s":
        return kind in (CORE, ACCELERATOR)
    if value.endswith("bytes"):
        return KINDS[kind] in ("sram", "dram")
    return True
