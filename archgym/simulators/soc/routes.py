"""From links to routes: refuses what is not a tree of buses, and finds the blocks each task's data pass.

Every function works on one design and touches no Python object. ``tests/soc/twin.py`` is the obvious version.
"""

from __future__ import annotations

from archgym.simulators.jit import inner
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
    GraphArrays,
    Hops,
    Ints,
    Tree,
)
from archgym.simulators.soc.library import ACCELERATOR, BUS, CORE, DRAM, SRAM


@inner
def fail(failure: Ints, reason: int, first: int, second: int) -> None:
    failure[0], failure[1], failure[2] = reason, first, second


@inner
def check_mapping(kind: Ints, only: Ints, pe: Ints, memory: Ints, failure: Ints) -> None:
    """Every task on a processing element that can run it, every edge in a memory."""
    slots = len(kind)
    for task in range(len(pe)):
        slot = pe[task]
        found = kind[slot] if 0 <= slot < slots else -1
        if found not in (CORE, ACCELERATOR):
            fail(failure, NO_PE, task, slot)
            return
        if found == ACCELERATOR and only[slot] >= 0 and only[slot] != task:
            fail(failure, WRONG_ACCELERATOR, task, slot)
            return
    for edge in range(len(memory)):
        slot = memory[edge]
        found = kind[slot] if 0 <= slot < slots else -1
        if found not in (SRAM, DRAM):
            fail(failure, NO_MEMORY, edge, slot)
            return


@inner
def connect(kind: Ints, link: Ints, failure: Ints, tree: Tree) -> int:
    """Neighbours of each block, in the order of the links; returns the number of links."""
    slots, links, turns = len(kind), 0, 0
    for slot in range(slots):
        tree.degree[slot] = 0
    for number in range(len(link)):
        a, b = link[number, 0], link[number, 1]
        if a < 0 and b < 0:
            continue
        if a < 0 or b < 0 or a >= slots or b >= slots or kind[a] < 0 or kind[b] < 0:
            fail(failure, LOOSE_LINK, a, b)
            return 0
        if a == b:
            fail(failure, SELF_LINK, a, b)
            return 0
        tree.degree[a] += 1
        tree.degree[b] += 1
        links += 1
    tree.first[0] = 0
    for slot in range(slots):
        tree.first[slot + 1] = tree.first[slot] + tree.degree[slot]
        tree.turn[slot] = turns
        turns += tree.degree[slot] * tree.degree[slot]
        tree.where[slot] = tree.first[slot]
    for number in range(len(link)):
        a, b = link[number, 0], link[number, 1]
        if a >= 0:
            tree.neighbour[tree.where[a]] = b
            tree.neighbour[tree.where[b]] = a
            tree.where[a] += 1
            tree.where[b] += 1
    return links


@inner
def check_leaves(kind: Ints, failure: Ints, tree: Tree) -> None:
    """Every processing element and memory hangs on exactly one bus."""
    for slot in range(len(kind)):
        if kind[slot] >= 0 and kind[slot] != BUS:
            lone = tree.degree[slot] == 1
            if not lone or kind[tree.neighbour[tree.first[slot]]] != BUS:
                fail(failure, ATTACHMENT, slot, tree.degree[slot])
                return


@inner
def root_tree(kind: Ints, links: int, failure: Ints, tree: Tree) -> None:
    """Parent and depth of each block, from the first one; refuses what is not one tree."""
    root, present = -1, 0
    for slot in range(len(kind)):
        tree.up[slot] = -2
        if kind[slot] >= 0:
            present += 1
            root = slot if root < 0 else root
    if root < 0:
        fail(failure, NO_PE, 0, -1)
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
    for slot in range(len(kind)):
        if kind[slot] >= 0 and tree.up[slot] == -2:
            fail(failure, DISCONNECTED, root, slot)
            return
    if links != present - 1:
        fail(failure, CYCLE, links, present)


@inner
def route(a: int, b: int, up: Ints, depth: Ints, path: Ints) -> int:
    """The blocks from ``a`` to ``b``, both included, in ``path``; returns how many."""
    count, x, y = 0, a, b
    while depth[x] > depth[y]:
        path[count] = x
        count += 1
        x = up[x]
    back = len(path) - 1
    while x != y:
        path[back] = y
        back -= 1
        if depth[y] == depth[x]:
            path[count] = x
            count += 1
            x = up[x]
        y = up[y]
    path[count] = x
    count += 1
    for position in range(back + 1, len(path)):
        path[count] = path[position]
        count += 1
    return count


@inner
def lay_routes(pe: Ints, memory: Ints, graph: GraphArrays, tree: Tree, hops: Hops) -> None:
    """For each task and direction, the blocks its data pass, as a tree of hops away from its processing element."""
    count = 0
    for slot in range(len(tree.mark)):
        tree.mark[slot] = 0
    for way in range(2 * len(pe)):
        task, reading = way // 2, way % 2
        hops.start[way] = count
        for number in range(graph.start[way], graph.start[way + 1]):
            edge = graph.edge[number]
            length = route(pe[task], memory[edge], tree.up, tree.depth, tree.path)
            before = -1
            for step in range(1, length):
                y = tree.path[step]
                if tree.mark[y] != way + 1:
                    tree.mark[y], tree.where[y] = way + 1, count
                    open_hop(count, step, before, tree, hops)
                    count += 1
                before = tree.where[y]
                hops.units[before] += graph.units[edge, reading]
                hops.ratio[before] += graph.bytes[edge] / graph.work[task] if graph.work[task] > 0 else 0.0
                hops.bytes[before] += graph.bytes[edge]
    hops.start[2 * len(pe)] = count


@inner
def open_hop(hop: int, step: int, before: int, tree: Tree, hops: Hops) -> None:
    """A new hop, to block number ``step`` of the path."""
    x, y = tree.path[step - 1], tree.path[step]
    hops.block[hop], hops.before[hop] = y, before
    hops.pipe[hop] = 2 * y if tree.up[y] == x else 2 * x + 1
    hops.units[hop] = hops.ratio[hop] = hops.bytes[hop] = 0.0
    if before >= 0:
        w = tree.path[step - 2]
        entry = tree.slot_down[w] if tree.up[w] == x else tree.slot_up[x]
        leave = tree.slot_down[y] if tree.up[y] == x else tree.slot_up[x]
        hops.turn[hop] = tree.turn[x] + entry * tree.degree[x] + leave


@inner
def network(
    kind: Ints,
    only: Ints,
    link: Ints,
    pe: Ints,
    memory: Ints,
    graph: GraphArrays,
    failure: Ints,
    tree: Tree,
    hops: Hops,
) -> None:
    """Check a design and lay its routes; ``failure[0]`` tells whether it can be simulated."""
    failure[0] = FEASIBLE
    links = connect(kind, link, failure, tree)
    if failure[0] == FEASIBLE:
        check_leaves(kind, failure, tree)
    if failure[0] == FEASIBLE:
        root_tree(kind, links, failure, tree)
    if failure[0] == FEASIBLE:
        check_mapping(kind, only, pe, memory, failure)
    if failure[0] == FEASIBLE:
        lay_routes(pe, memory, graph, tree, hops)
