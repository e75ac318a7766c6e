"""The schedule, phase by phase: who runs, at what rate under contention, and what the memories hold.

Every function works on one design and touches no Python object. ``tests/soc/twin.py`` is the obvious version.
The order of floating-point operations is FARSI's, so that its schedules are met to the last bit.
"""

from __future__ import annotations

import numpy as np

from archgym.simulators.jit import inner
from archgym.simulators.soc.arrays import Floats, Flow, GraphArrays, Hops, Ints, Log, State, Store
from archgym.simulators.soc.library import BUS
from archgym.simulators.soc.taskgraph import JOIN, SINK

# A task ends with the event that another one's end is within this share of its work (physical fidelity).
ROUNDING = 1e-9


@inner
def gather(count: int, running: Ints, hops: Hops, flow: Flow) -> None:
    """Burst units of the running tasks on each pipe and turn, and how many inputs compete for each pipe."""
    for number in range(2 * count):
        direction, way = number % 2, 2 * running[number // 2] + number % 2
        for hop in range(hops.start[way], hops.start[way + 1]):
            flow.pipe_units[direction, hops.pipe[hop]] = 0.0
            flow.pipe_inputs[direction, hops.pipe[hop]] = 0
            if hops.before[hop] >= 0:
                flow.turn_units[direction, hops.turn[hop]] = -1.0
    for number in range(2 * count):
        direction, way = number % 2, 2 * running[number // 2] + number % 2
        for hop in range(hops.start[way], hops.start[way + 1]):
            flow.pipe_units[direction, hops.pipe[hop]] += hops.units[hop]
            if hops.before[hop] >= 0:
                turn = hops.turn[hop]
                if flow.turn_units[direction, turn] < 0:
                    flow.turn_units[direction, turn] = 0.0
                    flow.pipe_inputs[direction, hops.pipe[hop]] += 1
                flow.turn_units[direction, turn] += hops.units[hop]


@inner
def find_rate(task: int, pe: int, kind: Ints, rates: Floats, farsi: bool, hops: Hops, flow: Flow) -> tuple[float, int]:
    """The task's instructions/s: what its slowest resource leaves it, and which block that is.

    A bus serves each way out with its full bandwidth, shared equally among the ways in and there by burst units.
    """
    best, limiter = rates[pe], pe
    for direction in range(2):
        way = 2 * task + direction
        for hop in range(hops.start[way], hops.start[way + 1]):
            before, block, units = hops.before[hop], hops.block[hop], hops.units[hop]
            if before >= 0:
                bus = hops.block[before]
                inputs = flow.pipe_inputs[direction, hops.pipe[hop]]
                own, total, ratio = units, flow.turn_units[direction, hops.turn[hop]], hops.ratio[hop]
                if farsi:  # all of the task's data through the bus, whichever way out they take
                    own, total = hops.units[before], flow.pipe_units[direction, hops.pipe[before]]
                    ratio = hops.ratio[before]
                if own > 0:
                    rate = rates[bus] * ((1.0 / inputs) * (own / total)) / ratio
                    if rate < best:
                        best, limiter = rate, bus
            if kind[block] != BUS and units > 0:
                share = units / flow.pipe_units[direction, hops.pipe[hop]]
                rate = rates[block] * share / hops.ratio[hop]
                if rate < best:
                    best, limiter = rate, block
    return best, limiter


@inner
def move_data(
    task: int, sign: float, role: int, work: float, farsi: bool, kind: Ints, hops: Hops, store: Store
) -> None:
    """Take (+1) or give back (-1) the room for a task's outputs."""
    if role == SINK or (farsi and role == JOIN):
        return
    for hop in range(hops.start[2 * task], hops.start[2 * task + 1]):
        memory = hops.block[hop]
        if kind[memory] != BUS:
            size = work * hops.ratio[hop] if farsi and work > 0 else hops.bytes[hop]
            store.occupied[memory] += sign * size
            store.peak[memory] = max(store.peak[memory], store.occupied[memory])


@inner
def release_inputs(
    task: int, graph: GraphArrays, farsi: bool, kind: Ints, hops: Hops, store: Store, finished: Ints, unread: Ints
) -> None:
    """The task has read its inputs: give back the room of what nobody will read any more."""
    finished[task] = 1
    for number in range(graph.start[2 * task + 1], graph.start[2 * task + 2]):
        parent = graph.source[graph.edge[number]]
        first, end = graph.start[2 * parent], graph.start[2 * parent + 1]
        unread[parent] -= 1
        free = unread[parent] == 0
        if farsi:  # its list of completed tasks loses the children of a parent whose children are all in it
            every = True
            for other in range(first, end):
                every = every and finished[graph.target[graph.edge[other]]] == 1
            if every:
                for other in range(first, end):
                    finished[graph.target[graph.edge[other]]] = 0
            free = every and graph.work[parent] > 0
        if free:
            move_data(parent, -1.0, graph.role[parent], graph.work[parent], farsi, kind, hops, store)


@inner
def reset(order: Ints, graph: GraphArrays, store: Store, state: State) -> int:
    """Everything at its start; returns the number of tasks that are ready, in ``state.fresh``."""
    for slot in range(len(state.host)):
        state.host[slot] = -1
        store.occupied[slot] = store.peak[slot] = 0.0
    ready = 0
    for position in range(len(order)):
        task = order[position]
        state.rank[task] = position
        state.missing[task] = graph.start[2 * task + 2] - graph.start[2 * task + 1]
        state.unread[task] = graph.start[2 * task + 1] - graph.start[2 * task]
        state.finished[task] = 0
        state.left[task], state.done[task] = graph.work[task], 0.0
        for number in range(4):
            state.times[task, number] = 0.0
        if state.missing[task] == 0:
            state.fresh[ready] = task
            ready += 1
    return ready


@inner
def admit(now: float, running: int, fresh: int, waiting: int, pe: Ints, farsi: bool, state: State) -> tuple[int, int]:
    """Give free processing elements to ready tasks; returns how many run and how many wait.

    FARSI looks at newly ready tasks before waiting ones; otherwise it is first come, first served.
    """
    still = 0
    for number in range(fresh + waiting):
        newly = number < fresh if farsi else number >= waiting
        if newly:
            task = state.fresh[number if farsi else number - waiting]
            state.times[task, 0] = state.times[task, 1] = now
        else:
            task = state.waiting[number - fresh if farsi else number]
        if state.host[pe[task]] < 0:
            state.host[pe[task]] = task
            state.running[running] = task
            running += 1
            if not farsi:
                state.times[task, 1] = now
        else:
            state.spare[still] = task
            still += 1
    for number in range(still):
        state.waiting[number] = state.spare[number]
    return running, still


@inner
def make_ready(task: int, fresh: int, graph: GraphArrays, missing: Ints, rank: Ints, ready: Ints) -> int:
    """Tell a task's successors that it is done; adds those that miss nothing to ``ready``, in the order of ranks."""
    for out in range(graph.start[2 * task], graph.start[2 * task + 1]):
        child = graph.target[graph.edge[out]]
        missing[child] -= 1
        if missing[child] == 0:
            place = fresh
            while place > 0 and rank[ready[place - 1]] > rank[child]:
                ready[place] = ready[place - 1]
                place -= 1
            ready[place] = child
            fresh += 1
    return fresh


@inner
def find_rates(
    running: int, pe: Ints, kind: Ints, rates: Floats, farsi: bool, hops: Hops, flow: Flow, state: State
) -> float:
    """Set every running task's rate; returns the time until the first of them ends."""
    gather(running, state.running, hops, flow)
    step = np.inf
    for number in range(running):
        task = state.running[number]
        state.rate[task], state.limiter[task] = find_rate(task, pe[task], kind, rates, farsi, hops, flow)
        step = min(step, state.left[task] / state.rate[task])
    return step


@inner
def is_over(left: float, work: float, farsi: bool) -> bool:
    if work == 0:
        return True
    return 1 - left / work >= 0.99 if farsi else left <= ROUNDING * work


@inner
def schedule(
    order: Ints,
    pe: Ints,
    kind: Ints,
    rates: Floats,
    graph: GraphArrays,
    farsi: bool,
    hops: Hops,
    flow: Flow,
    state: State,
    store: Store,
    log: Log,
) -> int:
    """Run the tasks to the end, from event to event; returns the number of phases."""
    work, role = graph.work, graph.role
    fresh = reset(order, graph, store, state)
    running, waiting, phases, records, now = 0, 0, 0, 0, 0.0
    log.phase_s[0], log.record_start[0] = 0.0, 0
    while True:
        log.record_start[phases + 1] = records
        phases += 1
        kept = running
        if farsi:  # room is taken as soon as a task is ready
            for number in range(fresh):
                task = state.fresh[number]
                move_data(task, 1.0, role[task], work[task], True, kind, hops, store)
        running, waiting = admit(now, kept, fresh, waiting, pe, farsi, state)
        if running == 0:
            return phases
        instant = False
        for number in range(running):
            task = state.running[number]
            instant = instant or work[task] == 0
            if not farsi and number >= kept:
                move_data(task, 1.0, role[task], work[task], False, kind, hops, store)
        step = 0.0
        if not instant:  # a task without work ends at once, so nothing else moves
            step = find_rates(running, pe, kind, rates, farsi, hops, flow, state)
        later = step + now
        step = later - now if farsi else step
        now = later
        log.phase_s[phases] = step
        kept, fresh = 0, 0
        for number in range(running):
            task = state.running[number]
            if not instant:
                log.record_task[records] = task
                log.record_rate[records], log.record_limiter[records] = state.rate[task], state.limiter[task]
                records += 1
                amount = state.rate[task] * step
                state.left[task] -= amount
                state.done[task] += amount
                state.times[task, 3] += step
            if is_over(state.left[task], work[task], farsi):
                state.host[pe[task]] = -1
                state.times[task, 2] = now
                release_inputs(task, graph, farsi, kind, hops, store, state.finished, state.unread)
                fresh = make_ready(task, fresh, graph, state.missing, state.rank, state.fresh)
            else:
                state.running[kept] = task
                kept += 1
        running = kept
