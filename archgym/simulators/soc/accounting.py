"""From a finished schedule to energy, power, area and development cost, and to the breakdown by task and block."""

from __future__ import annotations

import math

import numpy as np

from archgym.simulators.jit import inner
from archgym.simulators.soc.arrays import (
    BANK_BYTES,
    CHUNK_BYTES,
    COST_ACCELERATOR,
    COST_BANK,
    COST_BUS,
    COST_CORE,
    COST_ROUTE,
    LEAST_BYTES,
    Floats,
    Hops,
    Ints,
    Log,
    Slots,
    Store,
)
from archgym.simulators.soc.library import ACCELERATOR, BUS, CORE, DRAM, SRAM
from archgym.simulators.soc.taskgraph import SINK, SOURCE


@inner
def capacity_of(peak: float, settings: Floats) -> float:
    """The size a memory is built in, bytes."""
    chunks = math.ceil(max(float(math.ceil(peak)), settings[LEAST_BYTES]) / settings[CHUNK_BYTES])
    return float(chunks * settings[CHUNK_BYTES])


@inner
def place_of(capacity: float, sizes: Floats) -> tuple[int, float]:
    """The row of the memory table to start from and the part of the way to the next: 0 at a row of its own.

    Beyond the last row the line through the last two goes on.
    """
    row = 0
    while row < len(sizes) and sizes[row] < capacity:
        row += 1
    if row < len(sizes) and sizes[row] == capacity:
        return row, 0.0
    high = min(max(row, 1), len(sizes) - 1)
    return high - 1, (capacity - sizes[high - 1]) / (sizes[high] - sizes[high - 1])


@inner
def build_memories(slots: Slots, settings: Floats, sizes: Floats, costs: Floats, store: Store) -> None:
    """Size each memory and look up what it costs: J/byte read and written, m²."""
    for slot in range(len(slots.kind)):
        kind = slots.kind[slot]
        if kind in (SRAM, DRAM):
            table = kind - SRAM
            store.capacity[slot] = capacity_of(store.peak[slot], settings)
            row, part = place_of(store.capacity[slot], sizes[table])
            for number in range(3):
                low = costs[table, row, number]
                value = low if part == 0 else low + part * (costs[table, row + 1, number] - low)
                store.cost[slot, number] = value


@inner
def hosted(slot: int, pe: Ints, work: Floats, role: Ints, farsi: bool) -> tuple[float, float, bool]:
    """Most and total work of the tasks on a processing element, and whether it has to be built at all.

    One that only stands for the outside (sources, sinks) is not built. FARSI takes that to be one task or two.
    """
    most, total, tasks, sources, sinks = 0.0, 0.0, 0, 0, 0
    for task in range(len(pe)):
        if pe[task] == slot:
            tasks += 1
            most, total = max(most, work[task]), total + work[task]
            sources += role[task] == SOURCE
            sinks += role[task] == SINK
    outside = (tasks == 1 and sources + sinks == 1) or (tasks == 2 and sources >= 1 and sinks >= 1)
    built = tasks > 0 and not (outside if farsi else total == 0)
    return most, total, built


@inner
def build(
    pe: Ints, work: Floats, role: Ints, slots: Slots, settings: Floats, farsi: bool, store: Store, value: Floats
) -> None:
    """Area of each block and by kind (``value[5:9]``), bytes of memory, and the development cost of the blocks."""
    simplest = np.inf
    for task in range(len(work)):
        if work[task] > 0:
            simplest = min(simplest, work[task])
    cost = 0.0
    for slot in range(len(slots.kind)):
        kind = slots.kind[slot]
        store.area[slot] = 0.0
        if kind == BUS:
            cost += settings[COST_BUS]
        elif kind in (SRAM, DRAM):
            store.area[slot] = store.cost[slot, 2]
            value[10 + kind - SRAM] += store.capacity[slot]
            cost += settings[COST_BANK] * math.ceil(math.ceil(store.peak[slot]) / settings[BANK_BYTES])
        elif kind in (CORE, ACCELERATOR):
            most, total, built = hosted(slot, pe, work, role, farsi)
            if built:
                store.area[slot] = (1.0 if kind == CORE else most) / slots.work_per_m2[slot]
            effort = settings[COST_CORE] * total if kind == CORE else settings[COST_ACCELERATOR] * most
            cost += effort / simplest
        if kind >= 0 and kind != BUS:
            value[5 + kind] += store.area[slot]
    value[9] += cost


@inner
def routes_cost(kind: Ints, tasks: int, settings: Floats, mark: Ints, hops: Hops) -> float:
    """Development cost of the routes: blocks from each task to each memory it uses, ends included."""
    total = 0.0
    for slot in range(len(kind)):
        mark[slot] = -1
    for task in range(tasks):
        for hop in range(hops.start[2 * task], hops.start[2 * task + 2]):
            block = hops.block[hop]
            if kind[block] != BUS and mark[block] != task:
                mark[block] = task
                length, back = 2, hop
                while hops.before[back] >= 0:
                    back = hops.before[back]
                    length += 1
                total += length
    return float(settings[COST_ROUTE] * total)


@inner
def spend(
    pe: Ints, role: Ints, done: Floats, slots: Slots, hops: Hops, cost: Floats, per_work: Floats, value: Floats
) -> None:
    """Energy by kind of block (``value[1:5]``) and each task's energy per instruction (``per_work``).

    Sources and sinks stand for the outside and cost nothing.
    """
    for task in range(len(pe)):
        per_work[task] = 0.0
        if role[task] in (SOURCE, SINK):
            continue
        own = 1.0 / slots.work_per_J[pe[task]]
        value[1 + slots.kind[pe[task]]] += done[task] * own
        per_work[task] = own
        for way in range(2 * task, 2 * task + 2):
            for hop in range(hops.start[way], hops.start[way + 1]):
                memory = hops.block[hop]
                if slots.kind[memory] != BUS:
                    each = hops.ratio[hop] * cost[memory, (way + 1) % 2]  # writing is the even way, and costs[1]
                    value[1 + slots.kind[memory]] += done[task] * each
                    per_work[task] += each


@inner
def phase_energies(phases: int, per_work: Floats, log: Log) -> None:
    for phase in range(phases):
        energy = 0.0
        for record in range(log.record_start[phase], log.record_start[phase + 1]):
            energy += log.record_rate[record] * log.phase_s[phase] * per_work[log.record_task[record]]
        log.phase_J[phase] = energy


@inner
def mean_power(first: int, end: int, seconds: Floats, joules: Floats) -> float:
    energy, time = 0.0, 0.0
    for phase in range(first, end):
        energy += joules[phase]
        time += seconds[phase]
    return energy / time if time > 0 else 0.0


@inner
def window_power(phases: int, window: float, farsi: bool, seconds: Floats, joules: Floats) -> float:
    """Highest mean power over windows made of whole phases: one closes with the phase that exceeds ``window`` seconds.

    FARSI counts only phases that last when it closes a window, but all of them when it sums one up.
    """
    power, budget, first, count = 0.0, window, 0, 0
    for phase in range(phases):
        if seconds[phase] == 0 and farsi:
            continue
        count += 1
        if seconds[phase] > budget:
            budget = window
            power = max(power, mean_power(first, count, seconds, joules))
            first = count
        else:
            budget -= seconds[phase]
    return max(power, mean_power(first, phases, seconds, joules))


@inner
def describe_tasks(
    pe: Ints,
    work: Floats,
    role: Ints,
    farsi: bool,
    slots: Slots,
    hops: Hops,
    store: Store,
    done: Floats,
    times: Floats,
    task_out: Floats,
    block_out: Floats,
    use: Floats,
) -> None:
    """One row of the breakdown: times and energy of tasks, traffic and energy of blocks, energy of each pair."""
    for task in range(len(pe)):
        for number in range(4):
            task_out[task, number] = times[task, number]
        block_out[pe[task], 6] += times[task, 3]
        pays = role[task] not in (SOURCE, SINK)
        if pays:
            use[task, pe[task]] += done[task] / slots.work_per_J[pe[task]]
        for way in range(2 * task, 2 * task + 2):
            for hop in range(hops.start[way], hops.start[way + 1]):
                memory = hops.block[hop]
                if slots.kind[memory] == BUS:
                    continue
                moved = hops.ratio[hop] * done[task]
                free = 0.0 if farsi or work[task] > 0 else hops.bytes[hop]  # what takes no time costs nothing
                block_out[memory, 5 - way % 2] += moved + free
                if pays:
                    use[task, memory] += moved * store.cost[memory, (way + 1) % 2]
        for slot in range(len(slots.kind)):
            task_out[task, 4] += use[task, slot]
            block_out[slot, 0] += use[task, slot]


@inner
def describe_limits(phases: int, pe: Ints, log: Log, task_out: Floats, block_out: Floats) -> None:
    """The block that limited each task's rate for the longest time; each block's time goes to its own account too."""
    slots = len(block_out)
    for task in range(len(pe)):
        for slot in range(slots):
            log.share[slot] = 0.0
        for phase in range(phases):
            for record in range(log.record_start[phase], log.record_start[phase + 1]):
                if log.record_task[record] == task:
                    log.share[log.record_limiter[record]] += log.phase_s[phase]
        worst = pe[task]
        for slot in range(slots):
            block_out[slot, 7] += log.share[slot]
            if log.share[slot] > log.share[worst]:
                worst = slot
        task_out[task, 5], task_out[task, 6] = worst, log.share[worst]


@inner
def describe_blocks(phases: int, kind: Ints, store: Store, log: Log, block_out: Floats, phase_out: Floats) -> None:
    """Area and sizes of blocks, and the phases."""
    for slot in range(len(kind)):
        block_out[slot, 1] = store.area[slot]
        if kind[slot] in (SRAM, DRAM):
            block_out[slot, 2], block_out[slot, 3] = math.ceil(store.peak[slot]), store.capacity[slot]
    for phase in range(phases):
        phase_out[phase, 0], phase_out[phase, 1] = log.phase_s[phase], log.phase_J[phase]
