"""From links to routes: refuses what is not a tree of buses, and finds the blocks each task's data pass.

Every function works on one row and touches no Python object. ``tests/soc/twin.py`` is the obvious version.
"""

from __future__ import annotations

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
    GraphArrays,
    Hops,
    Ints,
    Tree,
)
from archgym.simulators.soc.library import ACCELERATOR, BUS, CORE, DRAM, SRAM


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
def connect(row: int, batch: Batch, failure: Ints, tree: Tree) -> int:
    """Neighbours of each block, in the order of the links; returns the number of links."""
    slots = batch.block.shape[1]
    for slot in range(slots):
        tree.degree[slot] = 0
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
        tree.degree[a] += 1
        tree.degree[b] += 1
        links += 1
    turns = 0
    tree.first[0] = 0
    for slot in range(slots):
        tree.first[slot + 1] = tree.first[slot] + tree.degree[slot]
        tree.turn[slot] = turns
        turns += tree.degree[slot] * tree.degree[slot]
        tree.where[slot] = tree.first[slot]
    for number in range(batch.link.shape[1]):
        a, b = batch.link[row, number, 0], batch.link[row, number, 1]
        if a >= 0:
            tree.neighbour[tree.where[a]] = b
            tree.neighbour[tree.where[b]] = a
            tree.where[a] += 1
            tree.where[b] += 1
    return links


@jit
def root_tree(row: int, batch: Batch, kinds: Catalogue, links: int, failure: Ints, tree: Tree) -> None:
    """Parent and depth of each block, from the first one; refuses what is not one tree of buses with leaves."""
    slots = batch.block.shape[1]
    for slot in range(slots):
        number = batch.block[row, slot]
        if number >= 0 and kinds.kind[number] != BUS:
            lone = tree.degree[slot] == 1
            if not lone or kinds.kind[batch.block[row, tree.neighbour[tree.first[slot]]]] != BUS:
                failure[0], failure[1], failure[2] = ATTACHMENT, slot, tree.degree[slot]
                return
    root, present = -1, 0
    for slot in range(slots):
        tree.up[slot] = -2
        if batch.block[row, slot] >= 0:
            present += 1
            root = slot if root < 0 else root
    if root < 0:
        failure[0], failure[1], failure[2] = NO_PE, 0, -1
        return
    seen, tail = 0, 1
    tree.path[0], tree.up[root], tree.depth[root] = root, -1, 0
    while seen < tail:
        here = tree.path[seen]
        seen += 1
        for position in range(tree.degree[here]):
            there = tree.neighbour[tree.first[here] + position]
            if tree.up[there] == -2:
                tree.up[there], tree.depth[there], tree.slot_down[there] = here, tree.depth[here] + 1, position
                tree.path[tail] = there
                tail += 1
            elif there == tree.up[here]:
                tree.slot_up[here] = position
    for slot in range(slots):
        if batch.block[row, slot] >= 0 and tree.up[slot] == -2:
            failure[0], failure[1], failure[2] = DISCONNECTED, root, slot
            return
    if links != present - 1:
        failure[0], failure[1], failure[2] = CYCLE, links, present


@jit
def route(a: int, b: int, tree: Tree) -> int:
    """The blocks from ``a`` to ``b``, both included, in ``tree.path``; returns how many."""
    count, x, y = 0, a, b
    while tree.depth[x] > tree.depth[y]:
        tree.path[count] = x
        count += 1
        x = tree.up[x]
    back = len(tree.path) - 1
    while x != y:
        if tree.depth[y] > tree.depth[x] or tree.depth[y] == tree.depth[x]:
            tree.path[back] = y
            back -= 1
            if tree.depth[y] == tree.depth[x]:
                tree.path[count] = x
                count += 1
                x = tree.up[x]
            y = tree.up[y]
    tree.path[count] = x
    count += 1
    for position in range(back + 1, len(tree.path)):
        tree.path[count] = tree.path[position]
        count += 1
    return count


@jit
def lay_routes(row: int, batch: Batch, graph: GraphArrays, tree: Tree, hops: Hops) -> None:
    """For each task and direction, the blocks its data pass, as a tree of hops away from its processing element."""
    count = 0
    for slot in range(batch.block.shape[1]):
        tree.mark[slot] = 0
    for way in range(2 * len(graph.work)):
        task, reading = way // 2, way % 2
        pe, work = batch.pe[row, task], graph.work[task]
        hops.start[way] = count
        stamp = way + 1
        for number in range(graph.start[way], graph.start[way + 1]):
            edge = graph.edge[number]
            length = route(pe, batch.memory[row, edge], tree)
            ratio = graph.bytes[edge] / work if work > 0 else 0.0
            before = -1
            for step in range(1, length):
                x, y = tree.path[step - 1], tree.path[step]
                if tree.mark[y] != stamp:
                    tree.mark[y], tree.where[y] = stamp, count
                    hops.block[count], hops.before[count] = y, before
                    hops.pipe[count] = 2 * y if tree.up[y] == x else 2 * x + 1
                    hops.units[count] = hops.ratio[count] = hops.bytes[count] = 0.0
                    if before >= 0:
                        w = tree.path[step - 2]
                        entry = tree.slot_down[w] if tree.up[w] == x else tree.slot_up[x]
                        leave = tree.slot_down[y] if tree.up[y] == x else tree.slot_up[x]
                        hops.turn[count] = tree.turn[x] + entry * tree.degree[x] + leave
                    count += 1
                before = tree.where[y]
                hops.units[before] += graph.units[edge, reading]
                hops.ratio[before] += ratio
                hops.bytes[before] += graph.bytes[edge]
    hops.start[2 * len(graph.work)] = count


@jit
def network(
    row: int, batch: Batch, graph: GraphArrays, kinds: Catalogue, failure: Ints, tree: Tree, hops: Hops
) -> None:
    """Check a design and lay its routes; ``failure[0]`` tells whether it can be simulated."""
    failure[0] = FEASIBLE
    links = connect(row, batch, failure, tree)
    if failure[0] == FEASIBLE:
        root_tree(row, batch, kinds, links, failure, tree)
    if failure[0] == FEASIBLE:
        check_mapping(row, batch, kinds, graph, failure)
    if failure[0] == FEASIBLE:
        lay_routes(row, batch, graph, tree, hops)
