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
    Scratch,
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
        cost[:] = costs[place]
        return
    high = min(max(place, 1), len(sizes) - 1)
    part = (capacity - sizes[high - 1]) / (sizes[high] - sizes[high - 1])
    cost[:] = costs[high - 1] + part * (costs[high] - costs[high - 1])


@jit
def spend(
    row: int, phases: int, batch: Batch, graph: GraphArrays, kinds: Catalogue, s: Scratch, per_work: Floats, value: Floats
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
        value[1 + (kinds.kind[number] == ACCELERATOR)] += s.done[task] * own
        per_work[task] = own
        for direction in range(2):
            for hop in range(s.hop_start[2 * task + direction], s.hop_start[2 * task + direction + 1]):
                memory = s.hop_block[hop]
                kind = kinds.kind[batch.block[row, memory]]
                if kind == BUS:
                    continue
                byte = s.write_cost[memory] if direction == 0 else s.read_cost[memory]
                value[3 + (kind == DRAM)] += s.done[task] * s.hop_ratio[hop] * byte
                per_work[task] += s.hop_ratio[hop] * byte
    for phase in range(phases):
        energy = 0.0
        for record in range(s.record_start[phase], s.record_start[phase + 1]):
            energy += s.record_rate[record] * s.phase_s[phase] * per_work[s.record_task[record]]
        s.phase_J[phase] = energy


@jit
def window_power(phases: int, window: float, farsi: bool, s: Scratch) -> float:
    """Highest mean power over windows made of whole phases: one closes with the phase that exceeds ``window`` seconds.

    FARSI counts only phases that last when it closes a window, but all of them when it sums one up.
    """
    power, budget, first, count = 0.0, window, 0, 0
    closed = 0
    for phase in range(phases):
        if s.phase_s[phase] == 0:
            if not farsi:
                count += 1
            continue
        count += 1
        if s.phase_s[phase] > budget:
            budget = window
            power = max(power, mean_power(first, count, s))
            first = closed = count
        else:
            budget -= s.phase_s[phase]
    if closed != phases:
        power = max(power, mean_power(closed, phases, s))
    return power


@jit
def mean_power(first: int, end: int, s: Scratch) -> float:
    energy, time = 0.0, 0.0
    for phase in range(first, end):
        energy += s.phase_J[phase]
        time += s.phase_s[phase]
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
    s: Scratch,
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
            capacity = capacity_of(s.peak[slot], settings)
            memory_cost(capacity, sizes[kind - SRAM], costs[kind - SRAM], cost)
            s.read_cost[slot], s.write_cost[slot], areas[slot] = cost[0], cost[1], cost[2]
            value[5 + kind] += areas[slot]
            value[10 + kind - SRAM] += capacity
            development += settings[COST_BANK] * math.ceil(math.ceil(s.peak[slot]) / settings[BANK_BYTES])
        else:
            most, total, built = hosted(row, slot, batch, graph, farsi)
            if built:
                areas[slot] = (1.0 if kind == CORE else most) / kinds.work_per_m2[number]
            value[5 + kind] += areas[slot]
            development += settings[COST_CORE if kind == CORE else COST_ACCELERATOR] * (
                (total if kind == CORE else most) / simplest
            )
    value[9] = development + settings[COST_ROUTE] * touched(row, batch, graph, s)


@jit
def touched(row: int, batch: Batch, graph: GraphArrays, s: Scratch) -> float:
    """Blocks on the routes from each task to each memory it uses, ends included, in sum."""
    total = 0.0
    for slot in range(batch.block.shape[1]):
        s.mark[slot] = -1
    for task in range(len(graph.work)):
        for hop in range(s.hop_start[2 * task], s.hop_start[2 * task + 2]):
            block = s.hop_block[hop]
            if s.degree[block] == 1 and s.mark[block] != task:
                s.mark[block] = task
                length, back = 2, hop
                while s.hop_before[back] >= 0:
                    back = s.hop_before[back]
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
    s: Scratch,
    areas: Floats,
    detail: Detail,
) -> None:
    """Fill one row of the breakdown: who spent and limited what, and the phases."""
    slots = batch.block.shape[1]
    for task in range(len(graph.work)):
        out = detail.task[row, task]
        out[:4] = s.times[task]
        role, pe = graph.role[task], batch.pe[row, task]
        detail.block[row, pe, 6] += s.times[task, 3]
        pays = role != SOURCE and role != SINK
        if pays:
            detail.use[row, task, pe] += s.done[task] / kinds.work_per_J[batch.block[row, pe]]
        for direction in range(2):
            for hop in range(s.hop_start[2 * task + direction], s.hop_start[2 * task + direction + 1]):
                memory = s.hop_block[hop]
                if s.degree[memory] != 1:
                    continue
                moved = s.hop_ratio[hop] * s.done[task]
                free = 0.0 if farsi or graph.work[task] > 0 else s.hop_bytes[hop]  # what takes no time costs nothing
                detail.block[row, memory, 5 - direction] += moved + free
                if pays:
                    detail.use[row, task, memory] += moved * (s.write_cost[memory] if direction == 0 else s.read_cost[memory])
        for slot in range(slots):
            out[4] += detail.use[row, task, slot]
            detail.block[row, slot, 0] += detail.use[row, task, slot]
    for slot in range(slots):
        number = batch.block[row, slot]
        detail.block[row, slot, 1] = areas[slot]
        if number >= 0 and (kinds.kind[number] == SRAM or kinds.kind[number] == DRAM):
            detail.block[row, slot, 2] = math.ceil(s.peak[slot])
            detail.block[row, slot, 3] = capacity_of(s.peak[slot], settings)
    for task in range(len(graph.work)):
        find_limiter(row, task, phases, slots, batch, s, detail)
    for phase in range(phases):
        detail.phase[row, phase, 0], detail.phase[row, phase, 1] = s.phase_s[phase], s.phase_J[phase]


@jit
def find_limiter(row: int, task: int, phases: int, slots: int, batch: Batch, s: Scratch, detail: Detail) -> None:
    """The block that limited the task's rate for the longest time; each block's time goes to its own account too."""
    for slot in range(slots):
        s.share[slot] = 0.0
    for phase in range(phases):
        for record in range(s.record_start[phase], s.record_start[phase + 1]):
            if s.record_task[record] == task:
                s.share[s.record_limiter[record]] += s.phase_s[phase]
    worst = batch.pe[row, task]
    for slot in range(slots):
        detail.block[row, slot, 7] += s.share[slot]
        if s.share[slot] > s.share[worst]:
            worst = slot
    detail.task[row, task, 5], detail.task[row, task, 6] = worst, s.share[worst]
