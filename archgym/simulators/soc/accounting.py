"""From a finished schedule to energy, power, area and development cost, and to the breakdown by task and block."""

from __future__ import annotations

import math

import numpy as np

from archgym.simulators.jit import jit
from archgym.simulators.soc.arrays import (
    BANK_BYTES,
    CHUNK_BYTES,
    COST_ACCELERATOR,
    COST_BANK,
    COST_BUS,
    COST_CORE,
    COST_ROUTE,
    LEAST_BYTES,
    Batch,
    Catalogue,
    Detail,
    Floats,
    GraphArrays,
    Hops,
    Ints,
    Log,
    State,
    Store,
    Tree,
)
from archgym.simulators.soc.library import ACCELERATOR, BUS, CORE, DRAM, SRAM
from archgym.simulators.soc.taskgraph import SINK, SOURCE


@jit
def capacity_of(peak: float, settings: Floats) -> float:
    """The size a memory is built in, bytes."""
    chunks = math.ceil(max(float(math.ceil(peak)), settings[LEAST_BYTES]) / settings[CHUNK_BYTES])
    return float(chunks * settings[CHUNK_BYTES])


@jit
def memory_cost(capacity: float, sizes: Floats, costs: Floats, cost: Floats) -> None:
    """Read J/byte, write J/byte and m² of a memory: the row of that capacity, else linear between or beyond rows."""
    place = int(np.searchsorted(sizes, capacity))
    if place < len(sizes) and sizes[place] == capacity:
        for number in range(3):
            cost[number] = costs[place, number]
        return
    high = min(max(place, 1), len(sizes) - 1)
    part = (capacity - sizes[high - 1]) / (sizes[high] - sizes[high - 1])
    for number in range(3):
        low = costs[high - 1, number]
        cost[number] = low + part * (costs[high, number] - low)


@jit
def spend(
    row: int,
    phases: int,
    batch: Batch,
    graph: GraphArrays,
    kinds: Catalogue,
    done: Floats,
    hops: Hops,
    store: Store,
    log: Log,
    per_work: Floats,
    value: Floats,
) -> None:
    """Energy of each phase and in total by kind of block. Sources and sinks stand for the outside and cost nothing.

    ``per_work[t]`` becomes task t's energy per instruction; ``value[1:5]`` the energy by kind.
    """
    for task in range(len(graph.work)):
        per_work[task] = 0.0
        role = graph.role[task]
        if role in (SOURCE, SINK):
            continue
        number = batch.block[row, batch.pe[row, task]]
        own = 1.0 / kinds.work_per_J[number]
        value[1 + (kinds.kind[number] == ACCELERATOR)] += done[task] * own
        per_work[task] = own
        for direction in range(2):
            for hop in range(hops.start[2 * task + direction], hops.start[2 * task + direction + 1]):
                memory = hops.block[hop]
                kind = kinds.kind[batch.block[row, memory]]
                if kind == BUS:
                    continue
                byte = store.write_cost[memory] if direction == 0 else store.read_cost[memory]
                value[3 + (kind == DRAM)] += done[task] * hops.ratio[hop] * byte
                per_work[task] += hops.ratio[hop] * byte
    for phase in range(phases):
        energy = 0.0
        for record in range(log.record_start[phase], log.record_start[phase + 1]):
            energy += log.record_rate[record] * log.phase_s[phase] * per_work[log.record_task[record]]
        log.phase_J[phase] = energy


@jit
def window_power(phases: int, window: float, farsi: bool, log: Log) -> float:
    """Highest mean power over windows made of whole phases: one closes with the phase that exceeds ``window`` seconds.

    FARSI counts only phases that last when it closes a window, but all of them when it sums one up.
    """
    power, budget, first, count = 0.0, window, 0, 0
    closed = 0
    for phase in range(phases):
        if log.phase_s[phase] == 0:
            if not farsi:
                count += 1
            continue
        count += 1
        if log.phase_s[phase] > budget:
            budget = window
            power = max(power, mean_power(first, count, log))
            first = closed = count
        else:
            budget -= log.phase_s[phase]
    if closed != phases:
        power = max(power, mean_power(closed, phases, log))
    return power


@jit
def mean_power(first: int, end: int, log: Log) -> float:
    energy, time = 0.0, 0.0
    for phase in range(first, end):
        energy += log.phase_J[phase]
        time += log.phase_s[phase]
    return energy / time if time > 0 else 0.0


@jit
def hosted(row: int, pe: int, batch: Batch, graph: GraphArrays, farsi: bool) -> tuple[float, float, int]:
    """Most and total work of the tasks on a processing element, and whether it has to be built (1) at all.

    One that only stands for the outside (sources, sinks) is not built. FARSI takes that to be one task or two.
    """
    most, total, tasks, sources, sinks = 0.0, 0.0, 0, 0, 0
    for task in range(len(graph.work)):
        if batch.pe[row, task] == pe:
            tasks += 1
            most, total = max(most, graph.work[task]), total + graph.work[task]
            sources += graph.role[task] == SOURCE
            sinks += graph.role[task] == SINK
    outside = (tasks == 1 and sources + sinks == 1) or (tasks == 2 and sources >= 1 and sinks >= 1)
    built = 0 if tasks == 0 or (outside if farsi else total == 0) else 1
    return most, total, built


@jit
def build(
    row: int,
    batch: Batch,
    graph: GraphArrays,
    kinds: Catalogue,
    settings: Floats,
    farsi: bool,
    sizes: Floats,
    costs: Floats,
    tree: Tree,
    hops: Hops,
    store: Store,
    areas: Floats,
    value: Floats,
) -> None:
    """Memory sizes and costs, area by kind (``value[5:9]``), development cost, bytes of memory."""
    simplest = np.inf
    for task in range(len(graph.work)):
        if graph.work[task] > 0:
            simplest = min(simplest, graph.work[task])
    cost = np.empty(3)
    development = 0.0
    for slot in range(batch.block.shape[1]):
        number = batch.block[row, slot]
        areas[slot] = 0.0
        if number < 0:
            continue
        kind = kinds.kind[number]
        if kind == BUS:
            development += settings[COST_BUS]
        elif kind in (SRAM, DRAM):
            capacity = capacity_of(store.peak[slot], settings)
            memory_cost(capacity, sizes[kind - SRAM], costs[kind - SRAM], cost)
            store.read_cost[slot], store.write_cost[slot], areas[slot] = cost[0], cost[1], cost[2]
            value[5 + kind] += areas[slot]
            value[10 + kind - SRAM] += capacity
            development += settings[COST_BANK] * math.ceil(math.ceil(store.peak[slot]) / settings[BANK_BYTES])
        else:
            most, total, built = hosted(row, slot, batch, graph, farsi)
            if built:
                areas[slot] = (1.0 if kind == CORE else most) / kinds.work_per_m2[number]
            value[5 + kind] += areas[slot]
            development += settings[COST_CORE if kind == CORE else COST_ACCELERATOR] * (
                (total if kind == CORE else most) / simplest
            )
    value[9] = development + settings[COST_ROUTE] * touched(row, batch, graph, tree, hops)


@jit
def touched(row: int, batch: Batch, graph: GraphArrays, tree: Tree, hops: Hops) -> float:
    """Blocks on the routes from each task to each memory it uses, ends included, in sum."""
    total = 0.0
    for slot in range(batch.block.shape[1]):
        tree.mark[slot] = -1
    for task in range(len(graph.work)):
        for hop in range(hops.start[2 * task], hops.start[2 * task + 2]):
            block = hops.block[hop]
            if tree.degree[block] == 1 and tree.mark[block] != task:
                tree.mark[block] = task
                length, back = 2, hop
                while hops.before[back] >= 0:
                    back = hops.before[back]
                    length += 1
                total += length
    return total


@jit
def describe(
    row: int,
    phases: int,
    batch: Batch,
    graph: GraphArrays,
    kinds: Catalogue,
    settings: Floats,
    farsi: bool,
    degree: Ints,
    hops: Hops,
    store: Store,
    state: State,
    log: Log,
    areas: Floats,
    detail: Detail,
) -> None:
    """Fill one row of the breakdown: who spent and limited what, and the phases."""
    slots = batch.block.shape[1]
    for task in range(len(graph.work)):
        out = detail.task[row, task]
        for number in range(4):
            out[number] = state.times[task, number]
        role, pe = graph.role[task], batch.pe[row, task]
        detail.block[row, pe, 6] += state.times[task, 3]
        pays = role != SOURCE and role != SINK
        if pays:
            detail.use[row, task, pe] += state.done[task] / kinds.work_per_J[batch.block[row, pe]]
        for direction in range(2):
            for hop in range(hops.start[2 * task + direction], hops.start[2 * task + direction + 1]):
                memory = hops.block[hop]
                if degree[memory] != 1:
                    continue
                moved = hops.ratio[hop] * state.done[task]
                free = 0.0 if farsi or graph.work[task] > 0 else hops.bytes[hop]  # what takes no time costs nothing
                detail.block[row, memory, 5 - direction] += moved + free
                if pays:
                    detail.use[row, task, memory] += moved * (store.write_cost[memory] if direction == 0 else store.read_cost[memory])
        for slot in range(slots):
            out[4] += detail.use[row, task, slot]
            detail.block[row, slot, 0] += detail.use[row, task, slot]
    for slot in range(slots):
        number = batch.block[row, slot]
        detail.block[row, slot, 1] = areas[slot]
        if number >= 0 and (kinds.kind[number] == SRAM or kinds.kind[number] == DRAM):
            detail.block[row, slot, 2] = math.ceil(store.peak[slot])
            detail.block[row, slot, 3] = capacity_of(store.peak[slot], settings)
    for task in range(len(graph.work)):
        find_limiter(row, task, phases, slots, batch, log, detail)
    for phase in range(phases):
        detail.phase[row, phase, 0], detail.phase[row, phase, 1] = log.phase_s[phase], log.phase_J[phase]


@jit
def find_limiter(row: int, task: int, phases: int, slots: int, batch: Batch, log: Log, detail: Detail) -> None:
    """The block that limited the task's rate for the longest time; each block's time goes to its own account too."""
    for slot in range(slots):
        log.share[slot] = 0.0
    for phase in range(phases):
        for record in range(log.record_start[phase], log.record_start[phase + 1]):
            if log.record_task[record] == task:
                log.share[log.record_limiter[record]] += log.phase_s[phase]
    worst = batch.pe[row, task]
    for slot in range(slots):
        detail.block[row, slot, 7] += log.share[slot]
        if log.share[slot] > log.share[worst]:
            worst = slot
    detail.task[row, task, 5], detail.task[row, task, 6] = worst, log.share[worst]
