"""The blocks a SoC can be built of: cores, accelerators, memories and buses, and what a memory's size costs.

Numbers are those of Project FARSI (Apache-2.0), kept in ``data/hardware.json`` and ``data/memory_technology.json``;
the blocks themselves follow from them and the task graph, in the same floating-point order as FARSI's.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from archgym.errors import UnknownNameError
from archgym.simulators.soc.taskgraph import Accelerator, Task, TaskGraph

CORE, ACCELERATOR, SRAM, DRAM, BUS = range(5)
KINDS = ("core", "accelerator", "sram", "dram", "bus")
CLOCKS = (1, 4, 6, 8)
WIDTHS = tuple(4 * 2**step for step in range(6))


@cache
def hardware() -> dict[str, Any]:
    """The library's constants (do not modify)."""
    text = (files("archgym.simulators.soc") / "data" / "hardware.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


class Block(NamedTuple):
    """One kind of block.

    Attributes:
        rate: a processing element's instructions/s; a memory's or bus's bytes/s, for reads and writes each.
        work_per_J: a processing element's instructions per joule (memories: see `memory_technology`; buses: free).
        work_per_m2: an accelerator's instructions (of its task) per m², a core's 1 per m².
        task: number of the one task an accelerator runs, else -1.
    """

    name: str
    kind: int
    rate: float
    work_per_J: float = math.inf
    work_per_m2: float = math.inf
    task: int = -1
    unroll: int = 0
    clock_Hz: float = 0.0
    width_bytes: int = 0


def unrollings(iterations: int) -> tuple[int, ...]:
    """How far an accelerator can be unrolled: powers of two up to the iteration count, at most 16, and the count."""
    if iterations == 1:
        return (1,)
    powers = [2**step for step in range(int(math.log2(iterations)) + 1)]
    limit = hardware()["accelerator"]["unroll_powers"]
    powers = powers[:limit] if len(powers) > limit + 1 else powers
    return tuple(powers if iterations in powers else [*powers, iterations])


def accelerator_block(number: int, task: Task, accelerator: Accelerator, unroll: int, clock: int) -> Block:
    """The accelerator of a task, unrolled and clocked; energy does not depend on the clock."""
    scaling = hardware()["accelerator"]
    return Block(
        f"{task.name}_{accelerator.name}_{unroll}_{clock}_pe",
        ACCELERATOR,
        clock * unroll * (task.work / (accelerator.cycles / scaling["clock_Hz"])),
        1 / scaling["energy_scaling"] / unroll * (task.work / (accelerator.energy_fJ * 1e-15)),
        1 / scaling["area_scaling"] / unroll * task.work / (accelerator.area_um2 * 1e-12),
        number,
        unroll,
        clock * scaling["clock_Hz"],
    )


def core_block() -> Block:
    core = hardware()["core"]
    rate = core["clock_Hz"] * core["instructions_per_cycle"]
    return Block("A53_pe", CORE, rate, core["instructions_per_J"], 1.0 / core["area_m2"], clock_Hz=core["clock_Hz"])


def transport_block(kind: int, step: int, clock: int) -> Block:
    """A memory or bus of width step ``step`` (0..5, 4 to 128 bytes) at ``clock`` times 100 MHz."""
    prefix, suffix = {SRAM: ("LMEM", "mem"), DRAM: ("GMEM", "mem"), BUS: ("LMEM_ic", "ic")}[kind]
    base = hardware()["bus" if kind == BUS else "memory"]["clock_Hz"]
    name = f"{prefix}_{step}_{clock}_{suffix}"
    return Block(name, kind, clock * float(WIDTHS[step]) * base, clock_Hz=clock * base, width_bytes=WIDTHS[step])


@dataclass(frozen=True)
class Library:
    """Every block that can serve a task graph, in a fixed order: core, memories, buses, accelerators by task."""

    graph: TaskGraph

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        found = [core_block()]
        found += [
            transport_block(kind, step, clock) for kind in (SRAM, DRAM, BUS) for step in range(6) for clock in CLOCKS
        ]
        for number, task in enumerate(self.graph.tasks):
            found += [
                accelerator_block(number, task, accelerator, unroll, clock)
                for accelerator in task.accelerators
                for unroll in unrollings(task.iterations)
                for clock in CLOCKS
            ]
        return tuple(found)

    @cached_property
    def number(self) -> dict[str, int]:
        """Block numbers by name."""
        return {block.name: number for number, block in enumerate(self.blocks)}

    def block(self, name: str) -> Block:
        """The block of this name.

        Raises:
            UnknownNameError: with the nearest name.
        """
        if name not in self.number:
            raise UnknownNameError("block", name, self.number)
        return self.blocks[self.number[name]]


class MemoryTechnology(NamedTuple):
    """Memory cost by capacity, from CACTI: ``capacity`` (2, P) bytes and ``cost`` (2, P, 3), SRAM first, DRAM second.

    The three costs are read J/byte, write J/byte and m².
    """

    capacity: np.ndarray[Any, np.dtype[np.float64]]
    cost: np.ndarray[Any, np.dtype[np.float64]]
    chunk: float
    least: float


@cache
def memory_technology() -> MemoryTechnology:
    """The memory cost table; capacities between its rows are interpolated, beyond them extrapolated, linearly."""
    text = (files("archgym.simulators.soc") / "data" / "memory_technology.json").read_text(encoding="utf-8")
    document = json.loads(text)
    table = np.array([document["sram"], document["dram"]], dtype=np.float64)
    sizes = hardware()["memory"]
    return MemoryTechnology(
        np.ascontiguousarray(table[:, :, 0]),
        np.ascontiguousarray(table[:, :, 1:]),
        float(sizes["chunk_bytes"]),
        float(sizes["least_bytes"]),
    )
