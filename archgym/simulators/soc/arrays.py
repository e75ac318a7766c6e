"""What the kernel reads and writes: plain arrays, grouped by meaning.

A batch holds B designs of one task graph as slots: N block slots, L link slots; -1 marks an empty one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.soc.library import Block, hardware
from archgym.simulators.soc.taskgraph import TaskGraph

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class GraphArrays(NamedTuple):
    """A task graph of T tasks, E edges and K applications; edges by task in compressed rows."""

    work: Floats
    role: Ints
    start: Ints
    edge: Ints
    source: Ints
    target: Ints
    bytes: Floats
    units: Floats
    last: Ints


class Catalogue(NamedTuple):
    """C kinds of blocks, see `library.Block`."""

    kind: Ints
    rate: Floats
    work_per_J: Floats
    work_per_m2: Floats
    task: Ints


class Batch(NamedTuple):
    """B designs.

    Attributes:
        block: catalogue number of each block slot, (B, N).
        link: pairs of block slots, (B, L, 2).
        pe: block slot of each task's processing element, (B, T).
        memory: block slot of the memory that holds each edge's data, (B, E).
        order: task numbers in the order in which ready tasks are looked at, (B, T).
    """

    block: Ints
    link: Ints
    pe: Ints
    memory: Ints
    order: Ints


class Totals(NamedTuple):
    """Results a row: ``failure`` (B, 3) is a reason and two numbers; ``value`` is (B, len(VALUES)), ``latency`` (B, K)."""

    failure: Ints
    latency: Floats
    value: Floats


class Detail(NamedTuple):
    """Breakdown: ``task`` (B, T, len(TASK_VALUES)), ``block`` (B, N, len(BLOCK_VALUES)), ``phase`` (B, T + 2, 2).

    ``use`` (B, T, N) is the energy a task spends in a block, J.
    """

    task: Floats
    block: Floats
    phase: Floats
    use: Floats


VALUES = (
    "power_W",
    "core_energy_J",
    "accelerator_energy_J",
    "sram_energy_J",
    "dram_energy_J",
    "core_area_m2",
    "accelerator_area_m2",
    "sram_area_m2",
    "dram_area_m2",
    "development_cost",
    "sram_bytes",
    "dram_bytes",
    "phases",
)
TASK_VALUES = ("ready_s", "start_s", "end_s", "active_s", "energy_J", "limiting_block", "limiting_s")
BLOCK_VALUES = (
    "energy_J",
    "area_m2",
    "peak_bytes",
    "capacity_bytes",
    "read_bytes",
    "written_bytes",
    "busy_s",
    "limiting_s",
)

# Reasons why a design cannot be simulated; the two numbers say where.
FEASIBLE, NO_PE, NO_MEMORY, WRONG_ACCELERATOR, LOOSE_LINK, SELF_LINK, DISCONNECTED, CYCLE, ATTACHMENT = range(9)

# Layout of the settings array.
WINDOW_S, BANK_BYTES, COST_CORE, COST_ACCELERATOR, COST_BANK, COST_BUS, COST_ROUTE, CHUNK_BYTES, LEAST_BYTES = range(9)


def graph_arrays(graph: TaskGraph) -> GraphArrays:
    """``start``/``edge`` hold row 2t = edges out of task t, row 2t + 1 = edges into it, each in the graph's order."""
    count = len(graph)
    rows: list[list[int]] = [[] for _ in range(2 * count)]
    for number, (source, target, _) in enumerate(graph.edges):
        rows[2 * source].append(number)
        rows[2 * target + 1].append(number)
    burst = graph.burst_counts
    units = [[int(size / burst[source]), int(size / burst[target])] for source, target, size in graph.edges]
    return GraphArrays(
        np.array([task.work for task in graph.tasks]),
        np.array([graph.role(number) for number in range(count)], dtype=np.int64),
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array([number for row in rows for number in row], dtype=np.int64),
        np.array([source for source, _, _ in graph.edges], dtype=np.int64),
        np.array([target for _, target, _ in graph.edges], dtype=np.int64),
        np.array([size for _, _, size in graph.edges], dtype=np.float64),
        np.array(units, dtype=np.float64).reshape(len(units), 2),
        np.array(list(graph.last.values()), dtype=np.int64),
    )


def catalogue(blocks: tuple[Block, ...]) -> Catalogue:
    return Catalogue(
        np.array([block.kind for block in blocks], dtype=np.int64),
        np.array([block.rate for block in blocks], dtype=np.float64),
        np.array([block.work_per_J for block in blocks], dtype=np.float64),
        np.array([block.work_per_m2 for block in blocks], dtype=np.float64),
        np.array([block.task for block in blocks], dtype=np.int64),
    )


def settings() -> Floats:
    """The library's constants that the kernel needs, see the layout above."""
    cost, memory = hardware()["development_cost"], hardware()["memory"]
    return np.array(
        [
            hardware()["power_window_s"],
            memory["bank_bytes"],
            cost["core"],
            cost["accelerator"],
            cost["memory_bank"],
            cost["bus"],
            cost["route_block"],
            memory["chunk_bytes"],
            memory["least_bytes"],
        ],
        dtype=np.float64,
    )


@dataclass(frozen=True)
class Sizes:
    """Of one batch: N block slots, L link slots, T tasks, E edges."""

    blocks: int
    links: int
    tasks: int
    edges: int


class Tree(NamedTuple):
    """The tree of blocks. N block slots, L link slots."""

    degree: Ints  # (N,) neighbours of each block
    first: Ints  # (N + 1,) start of each block's neighbours
    neighbour: Ints  # (2L,)
    up: Ints  # (N,) parent in the tree
    depth: Ints  # (N,)
    slot_up: Ints  # (N,) position of the parent among the block's neighbours
    slot_down: Ints  # (N,) position of the block among its parent's neighbours
    turn: Ints  # (N,) first number of the block's turns (in-neighbour, out-neighbour)
    path: Ints  # (N,)
    mark: Ints  # (N,)
    where: Ints  # (N,)


class Hops(NamedTuple):
    """H hops: a task's data reaching a block. Hops of task t are in row 2t (writing) and 2t + 1 (reading) of ``start``."""

    start: Ints  # (2T + 1,)
    block: Ints  # (H,) the block reached
    before: Ints  # (H,) the hop that leads to the block before, -1 at the first bus
    pipe: Ints  # (H,) the directed link taken
    turn: Ints  # (H,) at the block before: from where it came and where it goes
    units: Floats  # (H,) burst units
    ratio: Floats  # (H,) bytes per instruction
    bytes: Floats  # (H,)


class Flow(NamedTuple):
    """What the running tasks load the links with, by direction."""

    pipe_units: Floats  # (2, 2N) burst units by pipe
    pipe_inputs: Ints  # (2, 2N) ways in with traffic for this pipe
    turn_units: Floats  # (2, turns)


class State(NamedTuple):
    """T tasks on their way, and the task each processing element runs."""

    missing: Ints  # inputs still to come
    unread: Ints  # readers still to finish
    finished: Ints  # 1 if in FARSI's list of completed tasks
    rank: Ints
    running: Ints
    waiting: Ints
    fresh: Ints
    spare: Ints
    left: Floats
    rate: Floats
    limiter: Ints
    done: Floats  # instructions
    times: Floats  # (T, 4) ready, start, end, active
    host: Ints  # (N,)


class Slots(NamedTuple):
    """What is in each of N block slots; kind -1 where there is nothing."""

    kind: Ints
    rate: Floats
    work_per_J: Floats
    work_per_m2: Floats
    only: Ints  # the one task an accelerator runs, else -1


class Store(NamedTuple):
    """What each block holds and costs, (N,)."""

    occupied: Floats  # bytes
    peak: Floats
    capacity: Floats
    cost: Floats  # (N, 3) J/byte read, J/byte written, m²
    area: Floats


class Log(NamedTuple):
    """What happened in each phase; records of a phase are who ran, how fast, and what limited it."""

    phase_s: Floats  # (T + 2,)
    phase_J: Floats  # (T + 2,)
    record_start: Ints  # (T + 3,)
    record_task: Ints  # (R,)
    record_rate: Floats  # (R,)
    record_limiter: Ints  # (R,)
    share: Floats  # (N,)


class Scratch(NamedTuple):
    """Working memory of one thread."""

    slots: Slots
    tree: Tree
    hops: Hops
    flow: Flow
    state: State
    store: Store
    log: Log


@lru_cache(maxsize=64)
def _layout(sizes: Sizes) -> tuple[tuple[type, tuple[tuple[tuple[int, ...], type], ...]], ...]:
    """Shape and type of each array of each part of a `Scratch`."""
    blocks, tasks = sizes.blocks, sizes.tasks
    hops = 2 * sizes.edges * blocks + 1
    turns = 2 * sizes.links * (min(2 * sizes.links, blocks) + 1) + 1  # no less than the sum of squared degrees
    records = (tasks + 2) * min(blocks, tasks) + 1
    usual = {Slots: blocks, Tree: blocks + 1, Hops: hops, Flow: turns, State: tasks, Store: blocks, Log: records}
    special: dict[str, tuple[int, ...]] = {
        "neighbour": (2 * sizes.links + 1,),
        "start": (2 * tasks + 1,),
        "pipe_units": (2, 2 * blocks),
        "pipe_inputs": (2, 2 * blocks),
        "turn_units": (2, turns),
        "times": (tasks, 4),
        "host": (blocks,),
        "cost": (blocks, 3),
        "phase_s": (tasks + 2,),
        "phase_J": (tasks + 2,),
        "record_start": (tasks + 3,),
        "share": (blocks,),
    }
    found = []
    for part, size in usual.items():
        kinds = (
            (name, np.float64 if "Floats" in str(kind) else np.int64) for name, kind in part.__annotations__.items()
        )
        found.append((part, tuple((special.get(name, (size,)), kind) for name, kind in kinds)))
    return tuple(found)


def scratch(sizes: Sizes) -> Scratch:
    """Working memory for one thread."""
    return Scratch(*(part(*(np.zeros(shape, dtype=kind) for shape, kind in shapes)) for part, shapes in _layout(sizes)))
