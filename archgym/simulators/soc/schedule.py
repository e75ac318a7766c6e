"""The schedule, phase by phase: who runs, at what rate under contention, and what the memories hold.

Every function works on one row and touches no Python object. ``tests/soc/twin.py`` is the obvious version.
The order of floating-point operations is FARSI's, so that its schedules are met to the last bit.
"""

from __future__ import annotations

import numpy as np

from archgym.simulators.jit import jit
from archgym.simulators.soc.arrays import Batch, Catalogue, Flow, GraphArrays, Hops, Ints, Scratch, State, Store
from archgym.simulators.soc.library import BUS
from archgym.simulators.soc.taskgraph import JOIN, SINK

# A task ends with the event that another one's end is within this share of its work (physical fidelity).
ROUNDING = 1e-9


@jit
def gather(count: int, state: State, hops: Hops, flow: Flow) -> None:
    """Burst units of the running tasks on each pipe and turn, and how many inputs compete for each pipe."""
    for number in range(2 * count):
        way = 2 * state.running[number // 2] + number % 2
        for hop in range(hops.start[way], hops.start[way + 1]):
            flow.pipe_units[number % 2, hops.pipe[hop]] = 0.0
            flow.pipe_inputs[number % 2, hops.pipe[hop]] = 0
            if hops.before[hop] >= 0:
                flow.turn_units[number % 2, hops.turn[hop]] = -1.0
    for number in range(2 * count):
        way = 2 * state.running[number // 2] + number % 2
        for hop in range(hops.start[way], hops.start[way + 1]):
            flow.pipe_units[number % 2, hops.pipe[hop]] += hops.units[hop]
            if hops.before[hop] >= 0:
                turn = hops.turn[hop]
                if flow.turn_units[number % 2, turn] < 0:
                    flow.turn_units[number % 2, turn] = 0.0
                    flow.pipe_inputs[number % 2, hops.pipe[hop]] += 1
                flow.turn_units[number % 2, turn] += hops.units[hop]


@jit
def set_rate(
    task: int, row: int, batch: Batch, kinds: Catalogue, farsi: bool, state: State, hops: Hops, flow: Flow
) -> None:
    """The task's instructions/s: what its slowest resource leaves it, and which block that is.

    A bus serves each way out with its full bandwidth, shared equally among the ways in and there by burst units.
    """
    pe = batch.pe[row, task]
    best, limiter = kinds.rate[batch.block[row, pe]], pe
    for direction in range(2):
        way = 2 * task + direction
        for hop in range(hops.start[way], hops.start[way + 1]):
            before, units = hops.before[hop], hops.units[hop]
            if before >= 0:
                bus = hops.block[before]
                inputs = flow.pipe_inputs[direction, hops.pipe[hop]]
                own, total = units, flow.turn_units[direction, hops.turn[hop]]
                ratio = hops.ratio[hop]
                if farsi:  # all of the task's data through the bus, whichever way out they take
                    own, total = hops.units[before], flow.pipe_units[direction, hops.pipe[before]]
                    ratio = hops.ratio[before]
                if own > 0:
                    rate = kinds.rate[batch.block[row, bus]] * ((1.0 / inputs) * (own / total)) / ratio
                    if rate < best:
                        best, limiter = rate, bus
            block = hops.block[hop]
            kind = kinds.kind[batch.block[row, block]]
            if kind != BUS and units > 0:
                share = units / flow.pipe_units[direction, hops.pipe[hop]]
                rate = kinds.rate[batch.block[row, block]] * share / hops.ratio[hop]
                if rate < best:
                    best, limiter = rate, block
    state.rate[task], state.limiter[task] = best, limiter


@jit
def move_data(
    task: int, sign: float, graph: GraphArrays, farsi: bool, degree: Ints, hops: Hops, store: Store
) -> None:
    """Take (+1) or give back (-1) the room for a task's outputs."""
    role, work = graph.role[task], graph.work[task]
    if role == SINK or (farsi and role == JOIN):
        return
    for hop in range(hops.start[2 * task], hops.start[2 * task + 1]):
        memory = hops.block[hop]
        if degree[memory] == 1:  # the leaves that data flow to are the memories
            size = work * hops.ratio[hop] if farsi and work > 0 else hops.bytes[hop]
            store.occupied[memory] += sign * size
            store.peak[memory] = max(store.peak[memory], store.occupied[memory])


@jit
def release_inputs(
    task: int, graph: GraphArrays, farsi: bool, degree: Ints, hops: Hops, store: Store, state: State
) -> None:
    """The task has read its inputs: give back the room of what nobody will read any more."""
    state.finished[task] = 1
    for number in range(graph.start[2 * task + 1], graph.start[2 * task + 2]):
        parent = graph.source[graph.edge[number]]
        first, end = graph.start[2 * parent], graph.start[2 * parent + 1]
        if farsi:  # its list of completed tasks loses the children of a parent whose children are all in it
            every = True
            for other in range(first, end):
                every = every and state.finished[graph.target[graph.edge[other]]] == 1
            if every:
                if graph.work[parent] > 0:
                    move_data(parent, -1.0, graph, True, degree, hops, store)
                for other in range(first, end):
                    state.finished[graph.target[graph.edge[other]]] = 0
        else:
            state.unread[parent] -= 1
            if state.unread[parent] == 0:
                move_data(parent, -1.0, graph, False, degree, hops, store)


@jit
def reset(row: int, batch: Batch, graph: GraphArrays, store: Store, state: State) -> int:
    """Everything at its start; returns the number of tasks that are ready, in ``state.fresh``."""
    for slot in range(batch.block.shape[1]):
        state.host[slot] = -1
        store.occupied[slot] = store.peak[slot] = 0.0
    ready = 0
    for position in range(len(graph.work)):
        task = batch.order[row, position]
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


@jit
def admit(
    row: int,
    now: float,
    running: int,
    fresh: int,
    waiting: int,
    batch: Batch,
    graph: GraphArrays,
    farsi: bool,
    degree: Ints,
    hops: Hops,
    store: Store,
    state: State,
) -> tuple[int, int]:
    """Give free processing elements to ready tasks; returns how many run and how many wait.

    FARSI looks at newly ready tasks before waiting ones; otherwise it is first come, first served.
    """
    still = 0
    for number in range(fresh + waiting):
        newly = number < fresh if farsi else number >= waiting
        task = state.fresh[number if farsi else number - waiting] if newly else state.waiting[number - fresh if farsi else number]
        if newly:
            state.times[task, 0] = now
            if farsi:
                state.times[task, 1] = now
                move_data(task, 1.0, graph, True, degree, hops, store)
        pe = batch.pe[row, task]
        if state.host[pe] < 0:
            state.host[pe] = task
            state.running[running] = task
            running += 1
            if not farsi:
                state.times[task, 1] = now
                move_data(task, 1.0, graph, False, degree, hops, store)
        else:
            state.spare[still] = task
            still += 1
    for number in range(still):
        state.waiting[number] = state.spare[number]
    return running, still


@jit
def advance(
    row: int,
    step: float,
    now: float,
    running: int,
    batch: Batch,
    graph: GraphArrays,
    farsi: bool,
    degree: Ints,
    hops: Hops,
    store: Store,
    state: State,
) -> tuple[int, int]:
    """Let the running tasks work for ``step`` seconds; returns how many still run and how many became ready."""
    kept, fresh = 0, 0
    for number in range(running):
        task = state.running[number]
        amount = state.rate[task] * step
        state.left[task] -= amount
        state.done[task] += amount
        state.times[task, 3] += step
    for number in range(running):
        task = state.running[number]
        work = graph.work[task]
        over = work == 0 or (1 - state.left[task] / work >= 0.99 if farsi else state.left[task] <= ROUNDING * work)
        if not over:
            state.running[kept] = task
            kept += 1
            continue
        state.host[batch.pe[row, task]] = -1
        state.times[task, 2] = now
        release_inputs(task, graph, farsi, degree, hops, store, state)
        for out in range(graph.start[2 * task], graph.start[2 * task + 1]):
            child = graph.target[graph.edge[out]]
            state.missing[child] -= 1
            if state.missing[child] == 0:
                place = fresh
                while place > 0 and state.rank[state.fresh[place - 1]] > state.rank[child]:
                    state.fresh[place] = state.fresh[place - 1]
                    place -= 1
                state.fresh[place] = child
                fresh += 1
    return kept, fresh


@jit
def schedule(row: int, batch: Batch, graph: GraphArrays, kinds: Catalogue, farsi: bool, s: Scratch) -> int:
    """Run the tasks to the end, from event to event; returns the number of phases."""
    degree, hops, flow, store, state, log = s.tree.degree, s.hops, s.flow, s.store, s.state, s.log
    fresh = reset(row, batch, graph, store, state)
    running, waiting, phases, records, now = 0, 0, 0, 0, 0.0
    log.phase_s[0], log.record_start[0] = 0.0, 0
    while True:
        log.record_start[phases + 1] = records
        phases += 1
        running, waiting = admit(row, now, running, fresh, waiting, batch, graph, farsi, degree, hops, store, state)
        if running == 0:
            return phases
        instant = False
        for number in range(running):
            task = state.running[number]
            instant = instant or graph.work[task] == 0
            state.rate[task], state.limiter[task] = 0.0, batch.pe[row, task]
        step = 0.0
        if not instant:  # a task without work ends at once, so nothing else moves
            gather(running, state, hops, flow)
            step = np.inf
            for number in range(running):
                task = state.running[number]
                set_rate(task, row, batch, kinds, farsi, state, hops, flow)
                step = min(step, state.left[task] / state.rate[task])
                log.record_task[records] = task
                log.record_rate[records], log.record_limiter[records] = state.rate[task], state.limiter[task]
                records += 1
        later = step + now
        step = later - now if farsi else step
        now = later
        log.phase_s[phases] = step
        running, fresh = advance(row, step, now, running, batch, graph, farsi, degree, hops, store, state)
