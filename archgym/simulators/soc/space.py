"""Design spaces of SoCs for a task graph: a template over the whole library, and ArchGym's small one.

In the template every design is a SoC: buses form a tree by construction, tasks can only be put where they can run,
and blocks that nothing uses are left out.
"""

from __future__ import annotations

import numpy as np

from archgym.errors import ConfigError
from archgym.simulators.soc.arrays import Batch, Catalogue, Ints, catalogue
from archgym.simulators.soc.design import Design, named_design
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
                choice(
                    f"{task.name}.memory", *memory_names, group=MAPPING, help=f"which memory takes {task.name}'s output"
                )
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
                choice(
                    f"{name}.parent", *bus_names[:number], group=INTERCONNECT, help=f"the bus that {name} is linked to"
                )
            )
    if buses > 1:
        hung = [
            *core_names,
            *memory_names,
            *(f"{graph.tasks[number].name}.accelerator" for number in accelerated(graph)),
        ]
        parameters += [
            choice(f"{name}.bus", *bus_names, group=INTERCONNECT, help=f"the bus that {name} hangs on") for name in hung
        ]
    return Space(f"SoC for {graph.name}", tuple(parameters))


def _transport(name: str, group: str) -> list[Parameter]:
    return [
        ordinal(f"{name}.width_bytes", WIDTHS, unit="B", group=group, help=f"bytes {name} moves a cycle, each way"),
        ordinal(f"{name}.clock_MHz", CLOCKS_MHZ, unit="MHz", group=group, help=f"clock of {name}"),
    ]


class Template:
    """Decodes designs of a `template_space`; its catalogue is the whole library.

    Block slots are cores, memories, buses, then accelerators by task. Tables of columns and catalogue numbers are
    made once, so that decoding takes a fixed number of array operations.
    """

    def __init__(self, graph: TaskGraph, cores: int, memories: int, buses: int) -> None:
        self.graph = graph
        self.space = template_space(graph, cores, memories, buses)
        self.cores, self.memories, self.buses = cores, memories, buses
        self.own = accelerated(graph)
        counts = (("core", cores), ("memory", memories), ("bus", buses))
        plain = [f"{kind}_{number}" for kind, count in counts for number in range(count)]
        self.names = (*plain, *(f"{graph.tasks[number].name}.accelerator" for number in self.own))
        library = Library(graph)
        self.blocks = library.blocks
        self.catalogue: Catalogue = catalogue(library.blocks)
        self._set_columns()
        self._set_numbers(library)

    def _columns(self, names: list[str]) -> Ints:
        """Columns of parameters; where there is nothing to choose, the column of zeros behind the last one."""
        place = {name: column for column, name in enumerate(self.space.names)}
        return np.array([place.get(name, len(place)) for name in names], dtype=np.int64)

    def _set_columns(self) -> None:
        tasks = [task.name for task in self.graph.tasks]
        own = [tasks[number] for number in self.own]
        self._runs_on = self._columns([f"{name}.runs_on" for name in tasks])
        self._memory = self._columns([f"{name}.memory" for name in tasks])
        self._choices = [
            self._columns([f"{name}.{what}" for name in own]) for what in ("accelerator", "unroll", "clock_MHz")
        ]
        memories, buses = (
            [f"{kind}_{n}" for n in range(count)] for kind, count in (("memory", self.memories), ("bus", self.buses))
        )
        self._memory_choices = [
            self._columns([f"{name}.{what}" for name in memories]) for what in ("kind", "width_bytes", "clock_MHz")
        ]
        self._bus_choices = [
            self._columns([f"{name}.{what}" for name in buses]) for what in ("width_bytes", "clock_MHz")
        ]
        self._parent = self._columns([f"{name}.parent" for name in buses])
        self._hung = np.array(
            [slot for slot, name in enumerate(self.names) if not name.startswith("bus_")], dtype=np.int64
        )
        self._bus = self._columns([f"{self.names[slot]}.bus" for slot in self._hung])
        self._source = np.array([source for source, _, _ in self.graph.edges], dtype=np.int64)

    def _set_numbers(self, library: Library) -> None:
        """Catalogue numbers by technology, width and clock, and by accelerator, unrolling and clock."""

        def numbers(kind: int) -> list[list[int]]:
            return [[library.number[transport_block(kind, w, c).name] for c in CLOCKS] for w in range(len(WIDTHS))]

        self._memory_number = np.array([numbers(DRAM), numbers(SRAM)], dtype=np.int64)
        self._bus_number = np.array(numbers(BUS), dtype=np.int64)
        tasks = [self.graph.tasks[number] for number in self.own]
        kinds = max((len(task.accelerators) for task in tasks), default=1)
        deepest = max((len(unrollings(task.iterations)) for task in tasks), default=1)
        self._own_number = np.zeros((len(tasks), kinds, deepest, len(CLOCKS)), dtype=np.int64)
        for place, (number, task) in enumerate(zip(self.own, tasks, strict=True)):
            for kind, accelerator in enumerate(task.accelerators):
                for step, unroll in enumerate(unrollings(task.iterations)):
                    names = [accelerator_block(number, task, accelerator, unroll, clock).name for clock in CLOCKS]
                    self._own_number[place, kind, step] = [library.number[name] for name in names]
        self._own_slot = np.zeros(len(self.graph), dtype=np.int64)
        self._own_slot[self.own] = self.cores + self.memories + self.buses + np.arange(len(self.own))

    def batch(self, designs: Designs) -> Batch:
        """Designs of shape (B, D) as block and link slots."""
        rows = len(designs)
        levels = np.concatenate([designs, np.zeros((rows, 1), dtype=np.int64)], axis=1)
        block = np.full((rows, len(self.names)), -1, dtype=np.int64)
        runs_on = levels[:, self._runs_on]
        pe = np.where(runs_on < self.cores, runs_on, self._own_slot)
        memory = self.cores + levels[:, self._memory][:, self._source]
        kind, unroll, clock = (levels[:, columns] for columns in self._choices)
        chosen = self._own_number[np.arange(len(self.own)), kind, unroll, clock]
        first = self.cores + self.memories + self.buses
        block[:, first:] = np.where(runs_on[:, self.own] == self.cores, chosen, -1)
        used = (pe[:, :, None] == np.arange(self.cores)).any(axis=1)
        block[:, : self.cores] = np.where(used, 0, -1)
        kind, width, clock = (levels[:, columns] for columns in self._memory_choices)
        used = (memory[:, :, None] == self.cores + np.arange(self.memories)).any(axis=1)
        block[:, self.cores : self.cores + self.memories] = np.where(used, self._memory_number[kind, width, clock], -1)
        link = self._hang(levels, block)
        order = np.tile(np.arange(len(self.graph), dtype=np.int64), (rows, 1))
        return Batch(block, link, pe, memory, order)

    def _hang(self, levels: Designs, block: Ints) -> Ints:
        """Links of the used blocks; puts the buses that they need into ``block``."""
        rows, first = len(levels), self.cores + self.memories
        everyone = np.arange(rows)
        bus, used = levels[:, self._bus], block[:, self._hung] >= 0
        parent = levels[:, self._parent]
        link = np.full((rows, len(self.names), 2), -1, dtype=np.int64)
        link[:, self._hung, 0] = np.where(used, self._hung, -1)
        link[:, self._hung, 1] = np.where(used, first + bus, -1)
        here = (used[:, :, None] & (bus[:, :, None] == np.arange(self.buses))).sum(axis=1)
        total, below, needed = here.sum(axis=1), here.copy(), here > 0
        for number in range(self.buses - 1, 0, -1):
            up = parent[:, number]
            below[everyone, up] += below[:, number]  # used blocks on a bus or on the buses under it
            through = (below[:, number] > 0) & (below[:, number] < total)
            needed[:, number] |= through
            needed[everyone, up] |= through
            link[:, first + number, 0] = np.where(through, first + number, -1)
            link[:, first + number, 1] = np.where(through, first + up, -1)
        width, clock = (levels[:, columns] for columns in self._bus_choices)
        block[:, first : first + self.buses] = np.where(needed, self._bus_number[width, clock], -1)
        return link

    def design(self, batch: Batch, row: int = 0) -> Design:
        """One row of a batch by name."""
        return named_design(self.graph, self.names, self.blocks, batch, row)
