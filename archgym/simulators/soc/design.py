"""One SoC design by name: blocks, links, and where each task and each edge's data are. Read from and written to JSON.

Designs here may be infeasible (that is found by simulating); what they name must exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym.errors import DesignError, nearest
from archgym.simulators.soc.arrays import Batch, Catalogue, catalogue
from archgym.simulators.soc.library import KINDS, Block, Library
from archgym.simulators.soc.taskgraph import TaskGraph

_FARSI_KINDS = {"gpp": 0, "ip": 1, "sram": 2, "dram": 3, "ic": 4}


@dataclass(frozen=True)
class Design:
    """A SoC for a task graph.

    Attributes:
        names: of the block instances; positions below count in this order.
        blocks: what each instance is.
        links: pairs of instances that are connected.
        pe: per task, its processing element.
        memory: per edge, the memory that holds its data.
        order: task numbers in the order in which ready tasks are looked at.
    """

    graph: TaskGraph
    names: tuple[str, ...]
    blocks: tuple[Block, ...]
    links: tuple[tuple[int, int], ...]
    pe: tuple[int, ...]
    memory: tuple[int, ...]
    order: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """The design in the form that `read_design` reads."""
        tasks = self.graph.tasks
        return {
            "workload": self.graph.name,
            "blocks": {name: {"lib": block.name} for name, block in zip(self.names, self.blocks, strict=True)},
            "edges": [[self.names[a], self.names[b]] for a, b in self.links],
            "task_to_pe": {task.name: self.names[slot] for task, slot in zip(tasks, self.pe, strict=True)},
            "data_to_mem": [
                [tasks[source].name, tasks[target].name, self.names[slot]]
                for (source, target, _), slot in zip(self.graph.edges, self.memory, strict=True)
            ],
            "kernel_order": [tasks[number].name for number in self.order],
        }


def read_design(
    document: Mapping[str, Any], graph: TaskGraph, library: Library | None = None, where: str = "design"
) -> Design:
    """A design from its JSON form.

    A block is given by its library name (``{"lib": "A53_pe"}`` or just the name); numbers given beside it
    (``peak_work_rate``, ``work_over_energy``, ``work_over_area``, ``subtype``) take precedence over the library's.

    Raises:
        DesignError: naming what is missing or unknown.
    """
    library = library or Library(graph)
    for key, kind in (("blocks", Mapping), ("edges", Sequence), ("task_to_pe", Mapping), ("data_to_mem", Sequence)):
        if not isinstance(document.get(key), kind):
            raise DesignError(f"{where}: {key!r} must be a JSON {'object' if kind is Mapping else 'list'}")
    names = tuple(document["blocks"])
    if not names:
        raise DesignError(f"{where}: 'blocks' is empty; a design needs a processing element, a bus and a memory")
    slot = {name: number for number, name in enumerate(names)}
    blocks = tuple(_read_block(name, entry, library, where) for name, entry in document["blocks"].items())
    links: dict[frozenset[int], tuple[int, int]] = {}
    for edge in document["edges"]:
        if not isinstance(edge, Sequence) or isinstance(edge, str) or len(edge) != 2:
            raise DesignError(f"{where}: each of 'edges' must be a pair of blocks, not {edge!r}")
        a, b = (_lookup(end, slot, "block", f"{where}, edges") for end in edge)
        links[frozenset((a, b))] = (a, b)
    pe = [-1] * len(graph)
    for task, block in document["task_to_pe"].items():
        number = _lookup(task, graph.number, "task", f"{where}, task_to_pe")
        pe[number] = _lookup(block, slot, "block", f"{where}, task_to_pe")
    missing = [task.name for task, chosen in zip(graph.tasks, pe, strict=True) if chosen < 0]
    if missing:
        raise DesignError(f"{where}: task_to_pe does not say where these tasks run: {', '.join(missing)}")
    memory = _read_data(document["data_to_mem"], graph, slot, where)
    order = document.get("kernel_order")
    ranked = (
        list(range(len(graph)))
        if order is None
        else [_lookup(task, graph.number, "task", f"{where}, kernel_order") for task in order]
    )
    if sorted(ranked) != list(range(len(graph))):
        raise DesignError(f"{where}: kernel_order must name each of the {len(graph)} tasks once")
    return Design(graph, names, blocks, tuple(links.values()), tuple(pe), memory, tuple(ranked))


def _lookup(name: object, numbers: Mapping[str, int], kind: str, where: str) -> int:
    if not isinstance(name, str) or name not in numbers:
        near = nearest(str(name), numbers)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise DesignError(f"{where}: unknown {kind} {name!r}{hint}; there are: {', '.join(numbers)}")
    return numbers[name]


def _read_data(entries: Sequence[Any], graph: TaskGraph, slot: Mapping[str, int], where: str) -> tuple[int, ...]:
    edge = {(source, target): number for number, (source, target, _) in enumerate(graph.edges)}
    memory = [-1] * len(edge)
    for entry in entries:
        if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != 3:
            raise DesignError(f"{where}: each of 'data_to_mem' must be [from, to, memory], not {entry!r}")
        source, target = (_lookup(task, graph.number, "task", f"{where}, data_to_mem") for task in entry[:2])
        if source == target:  # data a task keeps for itself do not cross the interconnect
            continue
        if (source, target) not in edge:
            raise DesignError(f"{where}, data_to_mem: workload {graph.name!r} has no edge {entry[0]} -> {entry[1]}")
        memory[edge[source, target]] = _lookup(entry[2], slot, "block", f"{where}, data_to_mem")
    for (source, target, _), chosen in zip(graph.edges, memory, strict=True):
        if chosen < 0:
            pair = f"{graph.tasks[source].name} -> {graph.tasks[target].name}"
            raise DesignError(f"{where}: data_to_mem does not say which memory holds {pair}")
    return tuple(memory)


def _read_block(name: str, entry: object, library: Library, where: str) -> Block:
    given: Mapping[str, Any] = {"lib": entry} if isinstance(entry, str) else entry if isinstance(entry, Mapping) else {}
    kind, lib = given.get("lib"), str(given.get("lib"))
    known = library.blocks[library.number[lib]] if lib in library.number else None
    subtype, rate = given.get("subtype"), given.get("peak_work_rate")
    if known is None and (subtype not in (*_FARSI_KINDS, *KINDS) or not _positive(rate)):
        near = nearest(lib, library.number)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise DesignError(
            f"{where}, block {name!r}: unknown library block {kind!r}{hint}; allowed: A53_pe, <task>_<accelerator>_"
            "<unroll>_<clock>_pe, GMEM_<0-5>_<1|4|6|8>_mem, LMEM_<0-5>_<1|4|6|8>_mem, LMEM_ic_<0-5>_<1|4|6|8>_ic, or any "
            "name with subtype, peak_work_rate, work_over_energy and work_over_area"
        )
    if known is None:
        known = Block(
            lib, _FARSI_KINDS[subtype] if subtype in _FARSI_KINDS else KINDS.index(str(subtype)), float(str(rate))
        )
    changes: dict[str, float] = {}
    pairs = [("peak_work_rate", "rate")]
    if known.kind < 2:  # memories and buses have energy and area from the memory technology, or none
        pairs += [("work_over_energy", "work_per_J"), ("work_over_area", "work_per_m2")]
    for key, field in pairs:
        value = given.get(key)
        if value is None:
            continue
        if not _positive(value):
            raise DesignError(f"{where}, block {name!r}: {key} {value!r} is not allowed; allowed: a number above 0")
        changes[field] = float(value)
    return known._replace(**changes)  # type: ignore[arg-type]


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def pack(designs: Sequence[Design]) -> tuple[Catalogue, Batch]:
    """Designs of one task graph as arrays; the catalogue holds the kinds of blocks they use.

    Raises:
        DesignError: if they belong to different task graphs.
    """
    numbers: dict[Block, int] = {}
    slots = max(len(design.blocks) for design in designs)
    links = max((len(design.links) for design in designs), default=1)
    block = np.full((len(designs), slots), -1, dtype=np.int64)
    link = np.full((len(designs), max(1, links), 2), -1, dtype=np.int64)
    for row, design in enumerate(designs):
        if design.graph != designs[0].graph:
            raise DesignError(f"designs of one batch must be for one task graph, not {design.graph.name!r} too")
        for position, kind in enumerate(design.blocks):
            block[row, position] = numbers.setdefault(kind, len(numbers))
        for position, pair in enumerate(design.links):
            link[row, position] = pair
    batch = Batch(
        block,
        link,
        np.array([design.pe for design in designs], dtype=np.int64),
        np.array([design.memory for design in designs], dtype=np.int64).reshape(len(designs), -1),
        np.array([design.order for design in designs], dtype=np.int64),
    )
    return catalogue(tuple(numbers)), batch


def named_design(graph: TaskGraph, names: Sequence[str], blocks: Sequence[Block], batch: Batch, row: int) -> Design:
    """One row of a batch by name; empty slots are left out.

    Args:
        names: of the batch's block slots.
        blocks: of the batch's catalogue.
    """
    used = [slot for slot in range(batch.block.shape[1]) if batch.block[row, slot] >= 0]
    place = {slot: position for position, slot in enumerate(used)}
    return Design(
        graph,
        tuple(names[slot] for slot in used),
        tuple(blocks[int(batch.block[row, slot])] for slot in used),
        tuple((place[int(a)], place[int(b)]) for a, b in batch.link[row] if a >= 0),
        tuple(place[int(slot)] for slot in batch.pe[row]),
        tuple(place[int(slot)] for slot in batch.memory[row]),
        tuple(map(int, batch.order[row])),
    )
