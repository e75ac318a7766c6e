"""ArchGym's SoC space as it was published: 18 + 2T integers, almost all of them infeasible, for comparison.

Three slots each for processing elements (a core, or one accelerator of one task), memories (the narrowest DRAM)
and buses (the narrowest); links among them; and for each task a processing element and a memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.soc.arrays import Batch, Catalogue, Ints, catalogue
from archgym.simulators.soc.design import Design, named_design
from archgym.simulators.soc.library import BUS, CLOCKS, DRAM, accelerator_block, core_block, transport_block
from archgym.simulators.soc.space import INTERCONNECT, MAPPING, MEMORIES, PROCESSING, accelerated
from archgym.simulators.soc.taskgraph import TaskGraph
from archgym.space import Designs, Parameter, Space, choice, ordinal

Flags = NDArray[np.bool_]

SLOTS = 3
PE, MEMORY, FIRST_BUS = 0, SLOTS, 2 * SLOTS
# The accelerator that happens to be first in FARSI's library, where that is not the first task's.
FIRST_ACCELERATOR = {"audio_decoder": "rotatorSet_fxp_cloned"}


def limited_space(graph: TaskGraph) -> Space:
    """The integers with their published bounds; the default is one core, one bus and one memory."""
    each = range(SLOTS)
    parameters: list[Parameter] = []
    parameters += [choice(f"pe_allocation_{n}", 0, 1, group=PROCESSING, help=_PE_HELP) for n in each]
    parameters += [ordinal(f"memory_allocation_{n}", range(4), group=MEMORIES, help=_MEMORY_HELP) for n in each]
    parameters += [ordinal(f"bus_allocation_{n}", range(4), group=INTERCONNECT, help=_BUS_HELP) for n in each]
    links = (("pe_to_bus", range(SLOTS)), ("bus_to_bus", range(-1, SLOTS)), ("bus_to_memory", range(-1, SLOTS)))
    for name, levels in links:
        for n in each:
            default = 0 if name == "pe_to_bus" or (name == "bus_to_memory" and n == 0) else -1
            help = f"{name.split('_')[-1]} linked to {name.split('_')[0]} {n}" + (", -1: none" if -1 in levels else "")
            parameters.append(choice(f"{name}_{n}", *levels, default=default, group=INTERCONNECT, help=help))
    for name, what in (("task_to_pe", "processing element that runs"), ("task_to_memory", "memory for the output of")):
        parameters += [
            choice(f"{name}_{task.name}", *each, group=MAPPING, help=f"{what} {task.name}") for task in graph.tasks
        ]
    return Space(f"ArchGym's SoC for {graph.name}", tuple(parameters))


_PE_HELP = "0: core, 1: the first accelerator of the library without unrolling at 100 MHz"
_MEMORY_HELP = "DRAM of 4 bytes a cycle at 100, 400, 600 or 800 MHz"
_BUS_HELP = "bus of 4 bytes a cycle at 100, 400, 600 or 800 MHz"


class LimitedTemplate:
    """Decodes designs of a `limited_space`. What nothing uses is left out; a memory with two buses stays, to be refused."""

    def __init__(self, graph: TaskGraph) -> None:
        self.graph = graph
        self.space = limited_space(graph)
        first = FIRST_ACCELERATOR.get(graph.name)
        number = graph.number[first] if first in graph.number else next(iter(accelerated(graph)), None)
        blocks = [core_block()]
        if number is None:  # without any accelerator both levels are a core
            blocks.append(core_block())
        else:
            task = graph.tasks[number]
            blocks.append(accelerator_block(number, task, task.accelerators[0], 1, 1))
        blocks += [transport_block(kind, 0, clock) for kind in (DRAM, BUS) for clock in CLOCKS]
        self.blocks = tuple(blocks)
        self.catalogue: Catalogue = catalogue(self.blocks)
        self.names = tuple(f"{kind}_{n}" for kind in ("pe", "memory", "bus") for n in range(SLOTS))

    def batch(self, designs: Designs) -> Batch:
        """Designs of shape (B, D) as block and link slots."""
        rows, tasks = len(designs), len(self.graph)
        part = np.split(designs, [3, 6, 9, 12, 15, 18, 18 + tasks], axis=1)
        pes, memories, buses, pe_to_bus, bus_to_bus, bus_to_memory, pe, of_task = part
        bus_to_bus, bus_to_memory = bus_to_bus - 1, bus_to_memory - 1
        memory = np.zeros((rows, len(self.graph.edges)), dtype=np.int64)
        for edge, (source, _, _) in enumerate(self.graph.edges):
            memory[:, edge] = MEMORY + of_task[:, source]
        numbers = np.concatenate([pes, 2 + memories, 6 + buses], axis=1)
        used = np.zeros((rows, 3 * SLOTS), dtype=bool)
        for n in range(SLOTS):
            used[:, PE + n] = (pe == n).any(axis=1)
            shared = (bus_to_memory == n).sum(axis=1) > 1
            used[:, MEMORY + n] = (memory == MEMORY + n).any(axis=1) | shared
        link = self._links(used, pe_to_bus, bus_to_bus, bus_to_memory)
        block = np.where(used, numbers, -1)
        order = np.tile(np.arange(tasks, dtype=np.int64), (rows, 1))
        return Batch(block, link, np.ascontiguousarray(pe), memory, order)

    def _links(self, used: Flags, pe_to_bus: Ints, bus_to_bus: Ints, bus_to_memory: Ints) -> Ints:
        """Links of the used blocks, each once; marks the buses that can reach one of them as used."""
        rows, everyone = len(used), np.arange(len(used))
        joined = np.tile(np.eye(SLOTS, dtype=bool), (rows, 1, 1))
        attached = np.zeros((rows, SLOTS), dtype=bool)
        link = np.full((rows, 3 * SLOTS, 2), -1, dtype=np.int64)

        def put(column: int, present: Flags, a: Ints | int, b: Ints | int) -> None:
            link[:, column, 0], link[:, column, 1] = np.where(present, a, -1), np.where(present, b, -1)

        for n in range(SLOTS):
            put(n, used[:, PE + n], PE + n, FIRST_BUS + pe_to_bus[:, n])
            attached[everyone, pe_to_bus[:, n]] |= used[:, PE + n]
            target = bus_to_memory[:, n]
            present = (target >= 0) & used[everyone, MEMORY + np.maximum(target, 0)]
            put(SLOTS + n, present, FIRST_BUS + n, MEMORY + target)
            attached[:, n] |= present
            other = bus_to_bus[:, n]
            back = (other >= 0) & (other < n) & (bus_to_bus[everyone, np.maximum(other, 0)] == n)
            put(2 * SLOTS + n, (other >= 0) & ~back, FIRST_BUS + n, FIRST_BUS + other)
            attached[:, n] |= other == n  # a bus linked to itself stays, to be refused
            joined[everyone, n, np.where(other >= 0, other, n)] = True
        joined |= joined.transpose(0, 2, 1)
        reach = (joined[:, :, :, None] & joined[:, None, :, :]).any(axis=2)
        kept = (reach & attached[:, None, :]).any(axis=2)
        used[:, FIRST_BUS:] = kept
        for n in range(SLOTS):
            link[:, 2 * SLOTS + n] = np.where(kept[:, n, None], link[:, 2 * SLOTS + n], -1)
        return link

    def design(self, batch: Batch, row: int = 0) -> Design:
        """One row of a batch by name."""
        return named_design(self.graph, self.names, self.blocks, batch, row)
