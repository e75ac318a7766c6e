"""Simulating batches of SoC designs: arrays in, arrays out, rows spread over threads.

A row's result depends on nothing but the row.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from archgym.errors import UnknownNameError
from archgym.simulators.batch import for_row_blocks
from archgym.simulators.jit import inner, jit
from archgym.simulators.soc import arrays
from archgym.simulators.soc.accounting import (
    build,
    build_memories,
    describe_blocks,
    describe_limits,
    describe_tasks,
    phase_energies,
    routes_cost,
    spend,
    window_power,
)
from archgym.simulators.soc.arrays import (
    FEASIBLE,
    WINDOW_S,
    Batch,
    Catalogue,
    Detail,
    Floats,
    GraphArrays,
    Ints,
    Scratch,
    Slots,
    Totals,
)
from archgym.simulators.soc.library import MemoryTechnology, memory_technology
from archgym.simulators.soc.routes import network
from archgym.simulators.soc.schedule import schedule

Fidelity = Literal["physical", "farsi"]
FIDELITIES: tuple[Fidelity, ...] = ("physical", "farsi")
ROWS_AT_A_TIME = 256


def check_fidelity(fidelity: str) -> bool:
    """Whether it is FARSI's.

    Raises:
        UnknownNameError: if it is neither.
    """
    if fidelity not in FIDELITIES:
        raise UnknownNameError("fidelity", fidelity, FIDELITIES)
    return fidelity == "farsi"


@inner
def fill_slots(block: Ints, kinds: Catalogue, slots: Slots) -> None:
    """Look up what is in each slot of one design."""
    for slot in range(len(block)):
        number = block[slot]
        slots.kind[slot] = kinds.kind[number] if number >= 0 else -1
        if number >= 0:
            slots.rate[slot], slots.only[slot] = kinds.rate[number], kinds.task[number]
            slots.work_per_J[slot], slots.work_per_m2[slot] = kinds.work_per_J[number], kinds.work_per_m2[number]


@jit
def run_rows(
    first: int,
    end: int,
    batch: Batch,
    graph: GraphArrays,
    kinds: Catalogue,
    settings: Floats,
    technology: MemoryTechnology,
    farsi: bool,
    detailed: bool,
    s: Scratch,
    totals: Totals,
    detail: Detail,
) -> None:
    """Rows ``first`` to ``end`` of a batch."""
    work, role = graph.work, graph.role
    slots, hops, state, store, log = s.slots, s.hops, s.state, s.store, s.log
    per_work = np.empty(len(work))
    for row in range(first, end):
        pe, memory, failure, value = batch.pe[row], batch.memory[row], totals.failure[row], totals.value[row]
        fill_slots(batch.block[row], kinds, slots)
        network(slots.kind, slots.only, batch.link[row], pe, memory, graph, failure, s.tree, hops)
        if failure[0] != FEASIBLE:
            continue
        phases = schedule(batch.order[row], pe, slots.kind, slots.rate, graph, farsi, hops, s.flow, state, store, log)
        build_memories(slots, settings, technology.capacity, technology.cost, store)
        value[9] = routes_cost(slots.kind, len(work), settings, s.tree.mark, hops)
        build(pe, work, role, slots, settings, farsi, store, value)
        spend(pe, role, state.done, slots, hops, store.cost, per_work, value)
        phase_energies(phases, per_work, log)
        value[0] = window_power(phases, settings[WINDOW_S], farsi, log.phase_s, log.phase_J)
        value[12] = phases
        for number in range(len(graph.last)):
            totals.latency[row, number] = state.times[graph.last[number], 2]
        if detailed:
            task_out, block_out, use = detail.task[row], detail.block[row], detail.use[row]
            describe_tasks(
                pe, work, role, farsi, slots, hops, store, state.done, state.times, task_out, block_out, use
            )  # fmt: skip
            describe_limits(phases, pe, log, task_out, block_out)
            describe_blocks(phases, slots.kind, store, log, block_out, detail.phase[row])


def simulate_batch(
    graph: GraphArrays,
    kinds: Catalogue,
    batch: Batch,
    fidelity: str = "physical",
    detailed: bool = False,
    threads: int | None = None,
) -> tuple[Totals, Detail]:
    """Simulate every row of a batch.

    Args:
        fidelity: ``"physical"``, or ``"farsi"`` to reproduce that tool's quirks (see ASSUMPTIONS.md).
        detailed: whether to fill the breakdown; if not, its arrays have no rows.
        threads: how many to use; all cores if omitted.

    Raises:
        UnknownNameError: for another fidelity.
    """
    farsi = check_fidelity(fidelity)
    rows, slots = batch.block.shape
    tasks, shown = len(graph.work), len(batch.block) if detailed else 0
    totals = Totals(
        np.zeros((rows, 3), dtype=np.int64),
        np.zeros((rows, len(graph.last))),
        np.zeros((rows, len(arrays.VALUES))),
    )
    detail = Detail(
        np.zeros((shown, tasks, len(arrays.TASK_VALUES))),
        np.zeros((shown, slots, len(arrays.BLOCK_VALUES))),
        np.zeros((shown, tasks + 2, 2)),
        np.zeros((shown, tasks, slots)),
    )
    sizes = arrays.Sizes(slots, batch.link.shape[1], tasks, len(graph.bytes))
    settings, technology = arrays.settings(), memory_technology()

    def work(first: int, end: int) -> None:
        own = arrays.scratch(sizes)
        run_rows(first, end, batch, graph, kinds, settings, technology, farsi, detailed, own, totals, detail)

    for_row_blocks(work, rows, ROWS_AT_A_TIME, threads)
    return totals, detail
