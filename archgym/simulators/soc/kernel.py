"""The model's inner loops: routes in the tree of buses, rates under contention, the schedule phase by phase.

Every function works on one row and touches no Python object. ``tests/soc/twin.py`` is the obvious version.
The order of floating-point operations is FARSI's, so that its schedules are met to the last bit.
"""

from __future__ import annotations

import numpy as np

from archgym.simulators.jit import jit
from archgym.simulators.soc.arrays import (
    ATTACHMENT,
    CYCLE,
    DISCONNECTED,
    FEASIBLE,
    LOOSE_LINK,
    NO_MEMORY,
    NO_PE,
    SELF_LINK,
    WRONG_ACCELERATOR,
    Batch,
    Catalogue,
    Floats,
    GraphArrays,
    Ints,
    Scratch,
)
from archgym.simulators.soc.library import ACCELERATOR, BUS, CORE, DRAM, SRAM
from archgym.simulators.soc.taskgraph import JOIN, SINK

# A task ends with the event that another one's end is within this share of its work (physical fidelity).
ROUNDING = 1e-9


@jit
def check_mapping(row: int, batch: Batch, kinds: Catalogue, graph: GraphArrays, failure: Ints) -> None:
    """Every task on a processing element that can run it, every edge in a memory."""
    slots = batch.block.shape[1]
    for task in range(len(graph.work)):
        slot = batch.pe[row, task]
        present = 0 <= slot < slots and batch.block[row, slot] >= 0
        kind = kinds.kind[batch.block[row, slot]] if present else -1
        if kind != CORE and kind != ACCELERATOR:
            failure[0], failure[1], failure[2] = NO_PE, task, slot
            return
        runs = kinds.task[batch.block[row, slot]]
        if kind == ACCELERATOR and runs >= 0 and runs != task:
            failure[0], failure[1], failure[2] = WRONG_ACCELERATOR, task, slot
            return
    for edge in range(len(graph.bytes)):
        slot = batch.memory[row, edge]
        present = 0 <= slot < slots and batch.block[row, slot] >= 0
        kind = kinds.kind[batch.block[row, slot]] if present else -1
        if kind != SRAM and kind != DRAM:
            failure[0], failure[1], failure[2] = NO_MEMORY, edge, slot
            return


@jit
def connect(row: int, batch: Batch, failure: Ints, s: Scratch) -> int:
    """Neighbours of each block, in the order of the links; returns the number of links."""
    slots = batch.block.shape[1]
    for slot in range(slots):
        s.degree[slot] = 0
    links = 0
    for number in range(batch.link.shape[1]):
        a, b = batch.link[row, number, 0], batch.link[row, number, 1]
        if a < 0 and b < 0:
            continue
        if a < 0 or b < 0 or a >= slots or b >= slots or batch.block[row, a] < 0 or batch.block[row, b] < 0:
            failure[0], failure[1], failure[2] = LOOSE_LINK, a, b
            return 0
        if a == b:
            failure[0], failure[1], failure[2] = SELF_LINK, a, b
            return 0
        s.degree[a] += 1
        s.degree[b] += 1
        links += 1
    turns = 0
    s.first[0] = 0
    for slot in range(slots):
        s.first[slot + 1] = s.first[slot] + s.degree[slot]
        s.turn[slot] = turns
        turns += s.degree[slot] * s.degree[slot]
        s.where[slot] = s.first[slot]
    for number in range(batch.link.shape[1]):
        a, b = batch.link[row, number, 0], batch.link[row, number, 1]
        if a >= 0:
            s.neighbour[s.where[a]] = b
            s.neighbour[s.where[b]] = a
            s.where[a] += 1
            s.where[b] += 1
    return links


@jit
def root_tree(row: int, batch: Batch, kinds: Catalogue, links: int, failure: Ints, s: Scratch) -> None:
    """Parent and depth of each block, from the first one; refuses what is not one tree of buses with leaves."""
    slots = batch.block.shape[1]
    for slot in range(slots):
        number = batch.block[row, slot]
        if number >= 0 and kinds.kind[number] != BUS:
            lone = s.degree[slot] == 1
            if not lone or kinds.kind[batch.block[row, s.neighbour[s.first[slot]]]] != BUS:
                failure[0], failure[1], failure[2] = ATTACHMENT, slot, s.degree[slot]
                return
    root, present = -1, 0
    for slot in range(slots):
        s.up[slot] = -2
        if batch.block[row, slot] >= 0:
            present += 1
            root = slot if root < 0 else root
    if root < 0:
        failure[0], failure[1], failure[2] = NO_PE, 0, -1
        return
    seen, tail = 0, 1
    s.path[0], s.up[root], s.depth[root] = root, -1, 0
    while seen < tail:
        here = s.path[seen]
        seen += 1
        for position in range(s.degree[here]):
            there = s.neighbour[s.first[here] + position]
            if s.up[there] == -2:
                s.up[there], s.depth[there], s.slot_down[there] = here, s.depth[here] + 1, position
                s.path[tail] = there
                tail += 1
            elif there == s.up[here]:
                s.slot_up[here] = position
    for slot in range(slots):
        if batch.block[row, slot] >= 0 and s.up[slot] == -2:
            failure[0], failure[1], failure[2] = DISCONNECTED, root, slot
            return
    if links != present - 1:
        failure[0], failure[1], failure[2] = CYCLE, links, present


@jit
def route(a: int, b: int, s: Scratch) -> int:
    """The blocks from ``a`` to ``b``, both included, in ``s.path``; returns how many."""
    count, x, y = 0, a, b
    while s.depth[x] > s.depth[y]:
        s.path[count] = x
        count += 1
        x = s.up[x]
    back = len(s.path) - 1
    while x != y:
        if s.depth[y] > s.depth[x] or s.depth[y] == s.depth[x]:
            s.path[back] = y
            back -= 1
            if s.depth[y] == s.depth[x]:
                s.path[count] = x
                count += 1
                x = s.up[x]
            y = s.up[y]
    s.path[count] = x
    count += 1
    for position in range(back + 1, len(s.path)):
        s.path[count] = s.path[position]
        count += 1
    return count


@jit
def lay_routes(row: int, batch: Batch, graph: GraphArrays, s: Scratch) -> None:
    """For each task and direction, the blocks its data pass, as a tree of hops away from its processing element."""
    count = 0
    for slot in range(batch.block.shape[1]):
        s.mark[slot] = 0
    for way in range(2 * len(graph.work)):
        task, reading = way // 2, way % 2
        pe, work = batch.pe[row, task], graph.work[task]
        s.hop_start[way] = count
        stamp = way + 1
        for number in range(graph.start[way], graph.start[way + 1]):
            edge = graph.edge[number]
            length = route(pe, batch.memory[row, edge], s)
            ratio = graph.bytes[edge] / work if work > 0 else 0.0
            before = -1
            for step in range(1, length):
                x, y = s.path[step - 1], s.path[step]
                if s.mark[y] != stamp:
                    s.mark[y], s.where[y] = stamp, count
                    s.hop_block[count], s.hop_before[count] = y, before
                    s.hop_pipe[count] = 2 * y if s.up[y] == x else 2 * x + 1
                    s.hop_units[count] = s.hop_ratio[count] = s.hop_bytes[count] = 0.0
                    if before >= 0:
                        w = s.path[step - 2]
                        entry = s.slot_down[w] if s.up[w] == x else s.slot_up[x]
                        leave = s.slot_down[y] if s.up[y] == x else s.slot_up[x]
                        s.hop_turn[count] = s.turn[x] + entry * s.degree[x] + leave
                    count += 1
                before = s.where[y]
                s.hop_units[before] += graph.units[edge, reading]
                s.hop_ratio[before] += ratio
                s.hop_bytes[before] += graph.bytes[edge]
    s.hop_start[2 * len(graph.work)] = count


@jit
def gather(count: int, s: Scratch) -> None:
    """Burst units of the running tasks on each pipe and turn, and how many inputs compete for each pipe."""
    for number in range(2 * count):
        way = 2 * s.running[number // 2] + number % 2
        for hop in range(s.hop_start[way], s.hop_start[way + 1]):
            s.pipe_units[number % 2, s.hop_pipe[hop]] = 0.0
            s.pipe_inputs[number % 2, s.hop_pipe[hop]] = 0
            if s.hop_before[hop] >= 0:
                s.turn_units[number % 2, s.hop_turn[hop]] = -1.0
    for number in range(2 * count):
        way = 2 * s.running[number // 2] + number % 2
        for hop in range(s.hop_start[way], s.hop_start[way + 1]):
            s.pipe_units[number % 2, s.hop_pipe[hop]] += s.hop_units[hop]
            if s.hop_before[hop] >= 0:
                turn = s.hop_turn[hop]
                if s.turn_units[number % 2, turn] < 0:
                    s.turn_units[number % 2, turn] = 0.0
                    s.pipe_inputs[number % 2, s.hop_pipe[hop]] += 1
                s.turn_units[number % 2, turn] += s.hop_units[hop]


@jit
def set_rate(task: int, row: int, batch: Batch, kinds: Catalogue, farsi: bool, s: Scratch) -> None:
    """The task's instructions/s: what its slowest resource leaves it, and which block that is.

    A bus serves each way out with its full bandwidth, shared equally among the ways in and there by burst units.
    """
    pe = batch.pe[row, task]
    best, limiter = kinds.rate[batch.block[row, pe]], pe
    for direction in range(2):
        way = 2 * task + direction
        for hop in range(s.hop_start[way], s.hop_start[way + 1]):
            before, units = s.hop_before[hop], s.hop_units[hop]
            if before >= 0:
                bus = s.hop_block[before]
                inputs = s.pipe_inputs[direction, s.hop_pipe[hop]]
                own, total = units, s.turn_units[direction, s.hop_turn[hop]]
                ratio = s.hop_ratio[hop]
                if farsi:  # all of the task's data through the bus, whichever way out they take
                    own, total = s.hop_units[before], s.pipe_units[direction, s.hop_pipe[before]]
                    ratio = s.hop_ratio[before]
                if own > 0:
                    rate = kinds.rate[batch.block[row, bus]] * ((1.0 / inputs) * (own / total)) / ratio
                    if rate < best:
                        best, limiter = rate, bus
            block = s.hop_block[hop]
            kind = kinds.kind[batch.block[row, block]]
            if kind != BUS and units > 0:
                share = units / s.pipe_units[direction, s.hop_pipe[hop]]
                rate = kinds.rate[batch.block[row, block]] * share / s.hop_ratio[hop]
                if rate < best:
                    best, limiter = rate, block
    s.rate[task], s.limiter[task] = best, limiter


@jit
def move_data(task: int, sign: float, role: int, work: float, farsi: bool, s: Scratch) -> None:
    """Take (+1) or give back (-1) the room for a task's outputs."""
    if role == SINK or (farsi and role == JOIN):
        return
    for hop in range(s.hop_start[2 * task], s.hop_start[2 * task + 1]):
        memory = s.hop_block[hop]
        if s.degree[memory] == 1:  # the leaves that data flow to are the memories
            size = work * s.hop_ratio[hop] if farsi and work > 0 else s.hop_bytes[hop]
            s.occupied[memory] += sign * size
            s.peak[memory] = max(s.peak[memory], s.occupied[memory])


@jit
def release_inputs(task: int, graph: GraphArrays, farsi: bool, s: Scratch) -> None:
    """The task has read its inputs: give back the room of what nobody will read any more."""
    s.finished[task] = 1
    for number in range(graph.start[2 * task + 1], graph.start[2 * task + 2]):
        parent = graph.source[graph.edge[number]]
        first, end = graph.start[2 * parent], graph.start[2 * parent + 1]
        if farsi:  # its list of completed tasks loses the children of a parent whose children are all in it
            every = True
            for other in range(first, end):
                every = every and s.finished[graph.target[graph.edge[other]]] == 1
            if every:
                if graph.work[parent] > 0:
                    move_data(parent, -1.0, graph.role[parent], graph.work[parent], True, s)
                for other in range(first, end):
                    s.finished[graph.target[graph.edge[other]]] = 0
        else:
            s.unread[parent] -= 1
            if s.unread[parent] == 0:
                move_data(parent, -1.0, graph.role[parent], graph.work[parent], False, s)


@jit
def reset(row: int, batch: Batch, graph: GraphArrays, s: Scratch) -> int:
    """Everything at its start; returns the number of tasks that are ready, in ``s.fresh``."""
    for slot in range(batch.block.shape[1]):
        s.host[slot] = -1
        s.occupied[slot] = s.peak[slot] = 0.0
    ready = 0
    for position in range(len(graph.work)):
        task = batch.order[row, position]
        s.rank[task] = position
        s.missing[task] = graph.start[2 * task + 2] - graph.start[2 * task + 1]
        s.unread[task] = graph.start[2 * task + 1] - graph.start[2 * task]
        s.finished[task] = 0
        s.left[task], s.done[task] = graph.work[task], 0.0
        s.times[task, :] = 0.0
        if s.missing[task] == 0:
            s.fresh[ready] = task
            ready += 1
    return ready


@jit
def admit(
    row: int, now: float, running: int, fresh: int, waiting: int, batch: Batch, graph: GraphArrays, farsi: bool, s: Scratch
) -> tuple[int, int]:
    """Give free processing elements to ready tasks; returns how many run and how many wait.

    FARSI looks at newly ready tasks before waiting ones; otherwise it is first come, first served.
    """
    still = 0
    for number in range(fresh + waiting):
        newly = number < fresh if farsi else number >= waiting
        task = s.fresh[number if farsi else number - waiting] if newly else s.waiting[number - fresh if farsi else number]
        if newly:
            s.times[task, 0] = now
            if farsi:
                s.times[task, 1] = now
                move_data(task, 1.0, graph.role[task], graph.work[task], True, s)
        pe = batch.pe[row, task]
        if s.host[pe] < 0:
            s.host[pe] = task
            s.running[running] = task
            running += 1
            if not farsi:
                s.times[task, 1] = now
                move_data(task, 1.0, graph.role[task], graph.work[task], False, s)
        else:
            s.spare[still] = task
            still += 1
    for number in range(still):
        s.waiting[number] = s.spare[number]
    return running, still


@jit
def advance(row: int, step: float, now: float, running: int, batch: Batch, graph: GraphArrays, farsi: bool, s: Scratch) -> tuple[int, int]:
    """Let the running tasks work for ``step`` seconds; returns how many still run and how many became ready."""
    kept, fresh = 0, 0
    for number in range(running):
        task = s.running[number]
        amount = s.rate[task] * step
        s.left[task] -= amount
        s.done[task] += amount
        s.times[task, 3] += step
    for number in range(running):
        task = s.running[number]
        work = graph.work[task]
        over = work == 0 or (1 - s.left[task] / work >= 0.99 if farsi else s.left[task] <= ROUNDING * work)
        if not over:
            s.running[kept] = task
            kept += 1
            continue
        s.host[batch.pe[row, task]] = -1
        s.times[task, 2] = now
        release_inputs(task, graph, farsi, s)
        for out in range(graph.start[2 * task], graph.start[2 * task + 1]):
            child = graph.target[graph.edge[out]]
            s.missing[child] -= 1
            if s.missing[child] == 0:
                place = fresh
                while place > 0 and s.rank[s.fresh[place - 1]] > s.rank[child]:
                    s.fresh[place] = s.fresh[place - 1]
                    place -= 1
                s.fresh[place] = child
                fresh += 1
    return kept, fresh


@jit
def schedule(row: int, batch: Batch, graph: GraphArrays, kinds: Catalogue, farsi: bool, s: Scratch) -> int:
    """Run the tasks to the end, from event to event; returns the number of phases."""
    fresh = reset(row, batch, graph, s)
    running, waiting, phases, records, now = 0, 0, 0, 0, 0.0
    s.phase_s[0], s.record_start[0] = 0.0, 0
    while True:
        s.record_start[phases + 1] = records
        phases += 1
        running, waiting = admit(row, now, running, fresh, waiting, batch, graph, farsi, s)
        if running == 0:
            return phases
        instant = False
        for number in range(running):
            task = s.running[number]
            instant = instant or graph.work[task] == 0
            s.rate[task], s.limiter[task] = 0.0, batch.pe[row, task]
        step = 0.0
        if not instant:  # a task without work ends at once, so nothing else moves
            gather(running, s)
            step = np.inf
            for number in range(running):
                task = s.running[number]
                set_rate(task, row, batch, kinds, farsi, s)
                step = min(step, s.left[task] / s.rate[task])
                s.record_task[records] = task
                s.record_rate[records], s.record_limiter[records] = s.rate[task], s.limiter[task]
                records += 1
        later = step + now
        step = later - now if farsi else step
        now = later
        s.phase_s[phases] = step
        running, fresh = advance(row, step, now, running, batch, graph, farsi, s)


@jit
def network(row: int, batch: Batch, graph: GraphArrays, kinds: Catalogue, failure: Ints, s: Scratch) -> None:
    """Check a design and lay its routes; ``failure[0]`` tells whether it can be simulated."""
    failure[0] = FEASIBLE
    links = connect(row, batch, failure, s)
    if failure[0] == FEASIBLE:
        root_tree(row, batch, kinds, links, failure, s)
    if failure[0] == FEASIBLE:
        check_mapping(row, batch, kinds, graph, failure)
    if failure[0] == FEASIBLE:
        lay_routes(row, batch, graph, s)


@jit
def latencies(graph: GraphArrays, s: Scratch, latency: Floats) -> None:
    for number in range(len(graph.last)):
        latency[number] = s.times[graph.last[number], 2]
