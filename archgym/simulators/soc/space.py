"""Design spaces of SoCs for a task graph: a template over the whole library, and ArchGym's small one.

In the template every design is a SoC: buses form a tree by construction, tasks can only be put where they can run,
and blocks that nothing uses are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archgym.errors import ConfigError
from archgym.simulators.soc.arrays import Batch, Catalogue, Ints, catalogue
from archgym.simulators.soc.design import Design
from archgym.simulators.soc.library import (
    BUS,
    CLOCKS,
    DRAM,
    SRAM,
    WIDTHS,
    Library,
    accelerator_block,
    transport_block,
    unrollings,
)
from archgym.simulators.soc.taskgraph import TaskGraph
from archgym.space import Designs, Parameter, Space, choice, ordinal

PROCESSING, MAPPING, MEMORIES, INTERCONNECT = "processing elements", "mapping", "memories", "interconnect"
CLOCKS_MHZ = tuple(100 * clock for clock in CLOCKS)
LARGEST = 16


def accelerated(graph: TaskGraph) -> list[int]:
    """The tasks that have an accelerator."""
    return [number for number, task in enumerate(graph.tasks) if task.accelerators]


def writers(graph: TaskGraph) -> list[int]:
    """The tasks that hand data on."""
    return [number for number in range(len(graph)) if graph.children[number]]


def template_space(graph: TaskGraph, cores: int, memories: int, buses: int) -> Space:
    """Everything that can be chosen about a SoC of at most so many cores, memories and buses, and one accelerator a task.

    The default is where FARSI's own search starts: one core, and the slowest bus and memory.

    Raises:
        ConfigError: for a number of slots out of range.
    """
    for name, value in (("cores", cores), ("memories", memories), ("buses", buses)):
        if not isinstance(value, int) or not 1 <= value <= LARGEST:
            raise ConfigError(f"{name}: {value!r} is not allowed; allowed: whole numbers of 1 to {LARGEST}")
    parameters: list[Parameter] = []
    core_names = [f"core_{number}" for number in range(cores)]
    bus_names = [f"bus_{number}" for number in range(buses)]
    memory_names = [f"memory_{number}" for number in range(memories)]
    for number, task in enumerate(graph.tasks):
        if task.work > 0:
            places = [*core_names, "accelerator"] if task.accelerators else core_names
            parameters.append(choice(f"{task.name}.runs_on", *places, group=MAPPING, help=f"what {task.name} runs on"))
        if graph.children[number]:
            parameters.append(
                choice(f"{task.name}.memory", *memory_names, group=MAPPING, help=f"which memory takes {task.name}'s output")
            )
    for number in accelerated(graph):
        task = graph.tasks[number]
        text = f"of {task.name}'s accelerator, if it is used"
        if len(task.accelerators) > 1:
            kinds = [accelerator.name for accelerator in task.accelerators]
            parameters.append(choice(f"{task.name}.accelerator", *kinds, group=PROCESSING, help=f"kind {text}"))
        unrolls = unrollings(task.iterations)
        if len(unrolls) > 1:
            parameters.append(ordinal(f"{task.name}.unroll", unrolls, group=PROCESSING, help=f"loop copies {text}"))
        parameters.append(
            ordinal(f"{task.name}.clock_MHz", CLOCKS_MHZ, unit="MHz", group=PROCESSING, help=f"clock {text}")
        )
    for name in memory_names:
        parameters.append(choice(f"{name}.kind", "dram", "sram", group=MEMORIES, help=f"technology of {name}, if used"))
        parameters += _transport(name, MEMORIES)
    for number, name in enumerate(bus_names):
        parameters += _transport(name, INTERCONNECT)
        if number > 1:
            parameters.append(
                choice(f"{name}.parent", *bus_names[:number], group=INTERCONNECT, help=f"the bus that {name} is linked to")
            )
    if buses > 1:
        hung = [*core_names, *memory_names, *(f"{graph.tasks[number].name}.accelerator" for number in accelerated(graph))]
        parameters += [
            choice(f"{name}.bus", *bus_names, group=INTERCONNECT, help=f"the bus that {name} hangs on") for name in hung
        ]
    return Space(f"SoC for {graph.name}", tuple(parameters))


def _transport(name: str, group: str) -> list[Parameter]:
    return [
        ordinal(f"{name}.width_bytes", WIDTHS, unit="B", group=group, help=f"bytes {name} moves a cycle, each way"),
        ordinal(f"{name}.clock_MHz", CLOCKS_MHZ, unit="MHz", group=group, help=f"clock of {name}"),
    ]


@dataclass(frozen=True)
class Slots:
    """Where the blocks of a template are in a batch: cores, memories, buses, then accelerators by task."""

    graph: TaskGraph
    cores: int
    memories: int
    buses: int

    @property
    def names(self) -> tuple[str, ...]:
        own = [f"{self.graph.tasks[number].name}.accelerator" for number in accelerated(self.graph)]
        counts = (("core", self.cores), ("memory", self.memories), ("bus", self.buses))
        return (*(f"{kind}_{number}" for kind, count in counts for number in range(count)), *own)

    @property
    def first_bus(self) -> int:
        return self.cores + self.memories

    @property
    def first_accelerator(self) -> int:
        return self.first_bus + self.buses


class Template:
    """Decodes designs of a `template_space`; its catalogue is the whole library."""

    def __init__(self, graph: TaskGraph, cores: int, memories: int, buses: int) -> None:
        self.graph = graph
        self.space = template_space(graph, cores, memories, buses)
        self.slots = Slots(graph, cores, memories, buses)
        self.names = self.slots.names
        library = Library(graph)
        self.blocks = library.blocks
        self.catalogue: Catalogue = catalogue(library.blocks)
        self._column = {name: column for column, name in enumerate(self.space.names)}
        self._transport = {
            kind: np.array([[library.number[transport_block(kind, w, c).name] for c in CLOCKS] for w in range(len(WIDTHS))])
            for kind in (SRAM, DRAM, BUS)
        }
        self._own: dict[int, Ints] = {}
        for number in accelerated(graph):
            task = graph.tasks[number]
            self._own[number] = np.array(
                [
                    [
                        [library.number[accelerator_block(number, task, kind, unroll, clock).name] for clock in CLOCKS]
                        for unroll in unrollings(task.iterations)
                    ]
                    for kind in task.accelerators
                ]
            )

    def _level(self, designs: Designs, name: str) -> Ints:
        """Levels of a parameter, or 0 where there is nothing to choose."""
        column = self._column.get(name)
        return designs[:, column] if column is not None else np.zeros(len(designs), dtype=np.int64)

    def batch(self, designs: Designs) -> Batch:
        """Designs of shape (B, D) as block and link slots."""
        slots, graph = self.slots, self.graph
        rows = len(designs)
        names = slots.names
        block = np.full((rows, len(names)), -1, dtype=np.int64)
        pe = np.zeros((rows, len(graph)), dtype=np.int64)
        own = {number: slots.first_accelerator + place for place, number in enumerate(accelerated(graph))}
        for number, task in enumerate(graph.tasks):
            where = self._level(designs, f"{task.name}.runs_on")
            pe[:, number] = np.where(where < slots.cores, where, own.get(number, 0))
            if number in own:
                unroll, clock = self._level(designs, f"{task.name}.unroll"), self._level(designs, f"{task.name}.clock_MHz")
                kind = self._level(designs, f"{task.name}.accelerator")
                chosen = self._own[number][kind, unroll, clock]
                block[:, own[number]] = np.where(where == slots.cores, chosen, -1)
        for core in range(slots.cores):
            block[:, core] = np.where((pe == core).any(axis=1), 0, -1)
        holder = {number: self._level(designs, f"{graph.tasks[number].name}.memory") for number in writers(graph)}
        memory = np.zeros((rows, len(graph.edges)), dtype=np.int64)
        for edge, (source, _, _) in enumerate(graph.edges):
            memory[:, edge] = slots.cores + holder[source]
        for number in range(slots.memories):
            name, slot = f"memory_{number}", slots.cores + number
            width, clock = self._level(designs, f"{name}.width_bytes"), self._level(designs, f"{name}.clock_MHz")
            sram = self._level(designs, f"{name}.kind") == 1
            chosen = np.where(sram, self._transport[SRAM][width, clock], self._transport[DRAM][width, clock])
            block[:, slot] = np.where((memory == slot).any(axis=1), chosen, -1)
        link = self._hang(designs, block)
        order = np.tile(np.arange(len(graph), dtype=np.int64), (rows, 1))
        return Batch(block, link, pe, memory, order)

    def _hang(self, designs: Designs, block: Ints) -> Ints:
        """Links of the used blocks; puts the buses that they need into ``block``."""
        slots, rows = self.slots, len(designs)
        names = slots.names
        link = np.full((rows, len(names), 2), -1, dtype=np.int64)
        below = np.zeros((rows, slots.buses), dtype=np.int64)  # used blocks on a bus or on the buses under it
        here = np.zeros_like(below)
        everyone = np.arange(rows)
        for slot, name in enumerate(names):
            if slots.first_bus <= slot < slots.first_accelerator:
                continue
            bus, used = self._level(designs, f"{name}.bus"), block[:, slot] >= 0
            here[everyone, bus] += used
            link[:, slot, 0] = np.where(used, slot, -1)
            link[:, slot, 1] = np.where(used, slots.first_bus + bus, -1)
        below += here
        total = here.sum(axis=1)
        needed = here > 0
        for number in range(slots.buses - 1, 0, -1):
            parent = self._level(designs, f"bus_{number}.parent")
            below[everyone, parent] += below[:, number]
            through = (below[:, number] > 0) & (below[:, number] < total)
            needed[:, number] |= through
            needed[everyone, parent] |= through
            slot = slots.first_bus + number
            link[:, slot, 0] = np.where(through, slot, -1)
            link[:, slot, 1] = np.where(through, slots.first_bus + parent, -1)
        for number in range(slots.buses):
            name = f"bus_{number}"
            width, clock = self._level(designs, f"{name}.width_bytes"), self._level(designs, f"{name}.clock_MHz")
            block[:, slots.first_bus + number] = np.where(needed[:, number], self._transport[BUS][width, clock], -1)
        return link

    def design(self, batch: Batch, row: int = 0) -> Design:
        """One row of a batch by name."""
        used = [slot for slot in range(batch.block.shape[1]) if batch.block[row, slot] >= 0]
        place = {slot: position for position, slot in enumerate(used)}
        return Design(
            self.graph,
            tuple(self.slots.names[slot] for slot in used),
            tuple(self.blocks[int(batch.block[row, slot])] for slot in used),
            tuple((place[int(a)], place[int(b)]) for a, b in batch.link[row] if a >= 0),
            tuple(place[int(slot)] for slot in batch.pe[row]),
            tuple(place[int(slot)] for slot in batch.memory[row]),
            tuple(map(int, batch.order[row])),
        )
