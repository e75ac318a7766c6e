"""The cost of one mapping: tiles, transfers, bypassing, cycles, energy. A pure function of arrays, for kernels.

Counts follow Timeloop's dense model (sources and quirks in ASSUMPTIONS.md), in the same order of double arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archgym.simulators.dnn import links
from archgym.simulators.dnn.architecture import UNLIMITED, Machine
from archgym.simulators.dnn.mapping import MappingArrays
from archgym.simulators.dnn.reuse import (
    BOUND,
    DIMENSION,
    INPUT_AXIS,
    INPUTS,
    NEXT,
    OUTPUTS,
    RELEVANT,
    SHIFT,
    WEIGHTS,
    WIDTH,
    C,
    Flags,
    Floats,
    G,
    Ints,
    K,
    N,
    P,
    Q,
    R,
    S,
    add_flow,
    delivered_inputs,
    spread_sliding,
)
from archgym.simulators.jit import jit

FITS, TILE_TOO_LARGE, TILE_TOO_SMALL, MESH_TOO_SMALL, COUNT_TOO_LARGE = range(5)
CYCLES, ENERGY, UTILIZATION, MAC_ENERGY, LEAKAGE_ENERGY, MACS_USED = range(6)
# Columns of Machine.whole and Machine.real.
CAPACITY, MESH_X, MESH_Y, FANOUT_X, FANOUT_Y, CLUSTERS = range(6)
LEAST_WORDS, READ_RATE, WRITE_RATE, SHARED_RATE, BLOCK, READ_PJ, FILL_PJ, UPDATE_PJ, LEAK_PJ = range(9)
# Rows of Analysis.box, Analysis.words, Analysis.nest and Analysis.counts.
RECEIVER, RECEIVERS, OWN = range(3)
TILE, UNION, PARTITION = range(3)
FIRST, INSTANCES, FANOUT, SIDE_X, SIDE_Y = range(5)
CONTENT, SENT, LINK, READS, FILLS, UPDATES, PICOJOULES = range(7)
LARGEST = 2.0**63


class Analysis(NamedTuple):
    """Everything found about one mapping onto n levels; axis 0 is the level unless said otherwise."""

    box: Ints  # (n, 3, 8): loop extents of one receiver of the level, of all its receivers, of its own tile
    words: Ints  # (n, 3, 3 tensors): of the own tile, of all receivers' tiles together, of the distinct share
    nest: Ints  # (n + 1, 5): first temporal loop, instances in use, receivers of each: all, along x, along y
    loops: Ints  # (8 n + 1, 6): see `reuse`
    outer: Floats  # (8 n + 1,): product of loop bounds from each loop outwards
    used: Ints  # (n, 3 tensors): entries of ``flow`` in use
    keys: Ints  # (n, 3 tensors, entries, 2): receivers that share a box, and number of such boxes
    flow: Floats  # (n, 3 tensors, entries): words sent inwards
    counts: Floats  # (n, 7, 3 tensors): accesses from inwards, words sent from outwards, words over links (all
    # instances), reads, fills, updates of one instance, picojoules of all
    cycles: Floats  # (n,)
    factors: Ints  # (n, 8): fan-out by dimension
    receivers: Ints  # (10, room): scratch of `links` and of grouping
    totals: Floats  # (6,)
    status: Ints  # (4,): verdict, level, words (or instances) needed, words (or instances) there


def make_analysis(levels: int, largest_fanout: int) -> Analysis:
    """Room for the analysis of mappings onto ``levels`` levels, none with more receivers than ``largest_fanout``."""
    # At most sqrt(2 F) group sizes can differ among F receivers; links add as many again for each shift.
    entries = 8 * int(np.ceil(np.sqrt(2 * largest_fanout))) + 32
    return Analysis(
        np.ones((levels, 3, 8), np.int64), np.ones((levels, 3, 3), np.int64), np.ones((levels + 1, 5), np.int64),
        np.ones((8 * levels + 1, 6), np.int64), np.ones(8 * levels + 1), np.zeros((levels, 3), np.int64),
        np.ones((levels, 3, entries, 2), np.int64), np.zeros((levels, 3, entries)), np.zeros((levels, 7, 3)),
        np.zeros(levels), np.ones((levels, 8), np.int64), np.ones((10, 4 * largest_fanout + 4), np.int64), np.zeros(6),
        np.zeros(4, np.int64),
    )  # fmt: skip


@jit
def input_sides(box: Ints, level: int, which: int, coefficients: Ints) -> tuple[int, int]:
    """Width and height of the input's bounding box over loop extents ``box[level, which]``."""
    width = 1 + (box[level, which, R] - 1) * coefficients[0] + (box[level, which, P] - 1) * coefficients[1]
    height = 1 + (box[level, which, S] - 1) * coefficients[2] + (box[level, which, Q] - 1) * coefficients[3]
    return width, height


@jit
def tile_words(box: Ints, level: int, which: int, coefficients: Ints, words: Ints, row: int) -> None:
    """Words of each tensor's bounding box over loop extents ``box[level, which]``."""
    width, height = input_sides(box, level, which, coefficients)
    channels = box[level, which, C] * box[level, which, G]
    filters = box[level, which, K] * box[level, which, G]
    batch = box[level, which, N]
    words[level, row, WEIGHTS] = box[level, which, R] * box[level, which, S] * box[level, which, C] * filters
    words[level, row, INPUTS] = width * height * channels * batch
    words[level, row, OUTPUTS] = box[level, which, P] * box[level, which, Q] * filters * batch


@jit
def measure(mappings: MappingArrays, row: int, coefficients: Ints, found: Analysis) -> None:
    """Loop extents, tiles, fan-outs and instances of every level."""
    levels = found.box.shape[0]
    box, nest = found.box, found.nest
    for level in range(levels):
        side_x, side_y = 1, 1
        for dimension in range(8):
            inner = 1 if level == 0 else box[level - 1, OWN, dimension]
            along_x, along_y = mappings.spatial[row, level, 0, dimension], mappings.spatial[row, level, 1, dimension]
            factor = along_x * along_y
            found.factors[level, dimension] = factor
            box[level, RECEIVER, dimension] = inner
            box[level, RECEIVERS, dimension] = inner * factor
            box[level, OWN, dimension] = inner * factor * mappings.temporal[row, level, dimension]
            side_x *= along_x
            side_y *= along_y
        fanout = side_x * side_y
        nest[level, FANOUT], nest[level, SIDE_X], nest[level, SIDE_Y] = fanout, side_x, side_y
        tile_words(box, level, OWN, coefficients, found.words, TILE)
        if fanout > 1:
            tile_words(box, level, RECEIVERS, coefficients, found.words, UNION)
    instances = 1
    for level in range(levels - 1, -1, -1):
        nest[level, INSTANCES] = instances
        instances *= nest[level, FANOUT]


@jit
def refuse(found: Analysis, verdict: int, level: int, need: int, there: int) -> bool:
    """Note why a mapping cannot run."""
    found.status[0], found.status[1] = verdict, level
    found.status[2], found.status[3] = need, there
    return False


@jit
def fits(mappings: MappingArrays, row: int, machine: Machine, found: Analysis) -> bool:
    """Whether tiles fit their memories and instances their meshes."""
    levels = found.box.shape[0]
    for level in range(levels):
        capacity = machine.whole[level, CAPACITY]
        if capacity == UNLIMITED:
            continue
        need = 0
        for tensor in range(3):
            if mappings.keep[row, level, tensor]:
                need += found.words[level, TILE, tensor]
        if need > capacity:
            return refuse(found, TILE_TOO_LARGE, level, need, capacity)
        least = machine.real[level, LEAST_WORDS]
        if need < least:
            return refuse(found, TILE_TOO_SMALL, level, need, int(np.ceil(least)))
    for axis in range(2):
        side = 1
        for level in range(levels - 1, -1, -1):
            side *= found.nest[level, SIDE_X + axis]
            inner = level - 1 if level > 0 else levels
            there = machine.whole[inner, MESH_X + axis]
            if side > there:
                return refuse(found, MESH_TOO_SMALL, inner, side, there)
    found.status[0] = FITS
    return True


@jit
def list_loops(mappings: MappingArrays, row: int, coefficients: Ints, found: Analysis) -> int:
    """The temporal loops that run more than once, innermost first; returns how many there are."""
    levels = found.box.shape[0]
    loops, used = found.loops, 0
    for level in range(levels):
        found.nest[level, FIRST] = used
        for place in range(8):
            dimension = mappings.order[row, level, place]
            bound = mappings.temporal[row, level, dimension]
            if bound == 1:
                continue
            stride = found.box[level, RECEIVERS, dimension]
            if dimension == R:
                stride *= coefficients[0]
            elif dimension == P:
                stride *= coefficients[1]
            elif dimension == S:
                stride *= coefficients[2]
            elif dimension == Q:
                stride *= coefficients[3]
            loops[used, DIMENSION], loops[used, BOUND], loops[used, SHIFT] = dimension, bound, stride
            used += 1
    found.nest[levels, FIRST] = used
    found.outer[used] = 1.0
    for tensor in range(3):
        loops[used, NEXT + tensor] = used
    for number in range(used - 1, -1, -1):
        found.outer[number] = found.outer[number + 1] * loops[number, BOUND]
        for tensor in range(3):
            moves = RELEVANT[tensor, loops[number, DIMENSION]]
            loops[number, NEXT + tensor] = number if moves else loops[number + 1, NEXT + tensor]
    return used


@jit
def sharers(factors: Ints, level: int, tensor: int) -> int:
    """How many receivers of a level need the same box because they differ only in loops that do not concern it."""
    if tensor == WEIGHTS:
        return int(factors[level, P] * factors[level, Q] * factors[level, N])
    if tensor == INPUTS:
        return int(factors[level, K])
    return int(factors[level, R] * factors[level, S] * factors[level, C])


@jit
def coincide(factors: Ints, level: int) -> bool:
    """Whether a window loop and an output loop along the same axis of the input both run in space."""
    wide = factors[level, R] > 1 and factors[level, P] > 1
    return bool(wide or (factors[level, S] > 1 and factors[level, Q] > 1))


@jit
def linked_words(
    mappings: MappingArrays, row: int, level: int, tensor: int, tile: int, coefficients: Ints, machine: Machine,
    found: Analysis,
) -> float:  # fmt: skip
    """Serve receivers by their neighbours where that saves reads; returns the words a receiver gets so."""
    loops, outer, last = found.loops, found.outer, found.nest[found.box.shape[0], FIRST]
    start = found.nest[level, FIRST]
    factors, box = found.factors[level], found.box[level, RECEIVER]
    grid = links.make_grid(
        tensor, mappings.spatial[row, level], mappings.spatial_order[row, level], factors,
        machine.whole[level, FANOUT_X], box, coefficients, found.receivers,
    )  # fmt: skip
    used, keys, flow, receivers = found.used, found.keys, found.flow, found.receivers
    if level == 0:
        served, linked = links.operand_links(used, keys, flow, tensor, loops, outer, last, grid, receivers)
    elif links.slides(found.box, level, coefficients, loops, start):
        width, height = input_sides(found.box, level, RECEIVER, coefficients)
        extent = width if INPUT_AXIS[loops[start, DIMENSION]] == WIDTH else height
        fresh = tile // extent * loops[start, SHIFT]
        served, linked = links.new_part_links(
            used, keys, flow, level, fresh, loops, outer, start, last, grid, receivers
        )
    else:
        served, linked = links.whole_tile_links(
            used, keys, flow, level, tile, loops, outer, start, last, grid, receivers
        )
    found.counts[level, LINK, tensor] = linked
    return served


@jit
def count_transfers(mappings: MappingArrays, row: int, coefficients: Ints, machine: Machine, found: Analysis) -> None:
    """Words sent out of every level to the one inwards, before bypassing."""
    levels = found.box.shape[0]
    loops, outer, last = found.loops, found.outer, found.nest[levels, FIRST]
    used, keys, flow = found.used, found.keys, found.flow
    for level in range(levels):
        start, fanout = found.nest[level, FIRST], found.nest[level, FANOUT]
        for tensor in range(3):
            used[level, tensor] = 0
            found.counts[level, LINK, tensor] = 0.0
            tile = 1 if level == 0 else found.words[level - 1, TILE, tensor]
            inner = loops[start, NEXT + tensor]
            if level == 0:
                words = outer[0]
            elif tensor == INPUTS:
                width, height = input_sides(found.box, level, RECEIVER, coefficients)
                words = delivered_inputs(tile, width, height, loops, outer, inner, last)
            else:
                words = tile * outer[inner]
            linking = fanout > 1 and level == 0
            if fanout > 1 and level > 0 and tensor == INPUTS:
                linking = links.links_possible(found.factors, level, found.box, coefficients, loops, start, last)
            if linking:
                words -= linked_words(mappings, row, level, tensor, tile, coefficients, machine, found)
            shared = sharers(found.factors, level, tensor)
            distinct = fanout // shared
            if tensor == INPUTS and coincide(found.factors, level):
                if words > 0:
                    spread_sliding(
                        used, keys, flow, level, words, shared, distinct, found.factors, found.box, coefficients,
                        found.receivers,
                    )  # fmt: skip
            elif used[level, tensor] == 0:
                keys[level, tensor, 0, 0], keys[level, tensor, 0, 1] = shared, distinct
                flow[level, tensor, 0] = words * distinct
                used[level, tensor] = 1
            elif words > 0:
                add_flow(used, keys, flow, level, tensor, shared, distinct, words * distinct)


@jit
def partition(found: Analysis, tensor: int) -> None:
    """Distinct words of a tensor that one instance of a level sees in all, on average, rounded down."""
    levels = found.box.shape[0]
    words = found.words
    part = words[levels - 1, TILE, tensor]
    words[levels - 1, PARTITION, tensor] = part
    for level in range(levels - 2, -1, -1):
        if found.nest[level + 1, FANOUT] > 1:
            tile, union = words[level, TILE, tensor], words[level + 1, UNION, tensor]
            if float(part) * float(tile) < LARGEST:
                part = part * tile // union
            else:
                part = part // union * tile + int(float(part % union) / union * tile)
        words[level, PARTITION, tensor] = part


@jit
def flow_words(found: Analysis, level: int, tensor: int, copies: bool) -> float:
    """Words a level sends inwards, each counted once, or (``copies``) once for each receiver."""
    total = 0.0
    for entry in range(found.used[level, tensor]):
        words = found.flow[level, tensor, entry]
        total += words * found.keys[level, tensor, entry, 0] if copies else words
    return total


@jit
def sent_words(found: Analysis, level: int, tensor: int) -> float:
    """Words that each receiver of a level is sent, on average."""
    total = 0.0
    fanout = found.nest[level, FANOUT]
    for entry in range(found.used[level, tensor]):
        total += found.flow[level, tensor, entry] * found.keys[level, tensor, entry, 0] / fanout
    return total


@jit
def bypass(mappings: MappingArrays, row: int, found: Analysis) -> None:
    """Let the receivers of a level that keeps no tile of a tensor be served from further out."""
    levels = found.box.shape[0]
    keep, count = mappings.keep, found.counts
    for tensor in range(3):
        for level in range(levels):
            count[level, CONTENT, tensor] = flow_words(found, level, tensor, False)
            count[level, SENT, tensor] = 0.0
            if level + 1 < levels and keep[row, level, tensor]:
                count[level, SENT, tensor] = sent_words(found, level + 1, tensor)
        for level in range(levels - 1):
            if keep[row, level, tensor]:
                continue
            asked = count[level, CONTENT, tensor] * found.nest[level + 1, FANOUT]
            scale = asked / flow_words(found, level + 1, tensor, True)
            for entry in range(found.used[level + 1, tensor]):
                found.flow[level + 1, tensor, entry] *= scale
            count[level + 1, LINK, tensor] = 0.0
            count[level + 1, CONTENT, tensor] = flow_words(found, level + 1, tensor, False)
        outermost = levels - 1
        while not keep[row, outermost, tensor]:
            count[outermost, LINK, tensor] = 0.0
            outermost -= 1
        count[outermost, SENT, tensor] = 0.0


@jit
def nearest_whole(value: float) -> float:
    """``value`` rounded half away from zero, not below 0."""
    down = np.floor(value)
    return float(max(0.0, down + 1.0 if value - down >= 0.5 else down))


@jit
def count_accesses(keep: Flags, row: int, found: Analysis) -> bool:
    """Reads, fills and updates of one instance; false where a count passes 2^63 - 1."""
    levels = found.box.shape[0]
    count = found.counts
    for tensor in range(3):
        outer_kept = False
        for level in range(levels - 1, -1, -1):
            reads, fills, updates = 0.0, 0.0, 0.0
            if keep[row, level, tensor]:
                peer = 0.0
                if level + 1 < levels:
                    peer = count[level + 1, LINK, tensor] / found.nest[level, INSTANCES]
                reads = count[level, CONTENT, tensor] + peer
                fills = count[level, SENT, tensor] + peer
                if tensor == OUTPUTS:
                    # The first partial sum of an output needs no earlier one to be read.
                    updates = nearest_whole(count[level, CONTENT, tensor])
                    reads -= found.words[level, PARTITION, tensor]
                    if outer_kept:
                        fills -= found.words[level, PARTITION, tensor]
                    fills = nearest_whole(fills)
                else:
                    fills = np.floor(fills)
                reads = nearest_whole(reads)
                outer_kept = True
                if max(reads, max(fills, updates)) >= LARGEST:
                    return refuse(found, COUNT_TOO_LARGE, level, 0, 0)
            count[level, READS, tensor], count[level, FILLS, tensor] = reads, fills
            count[level, UPDATES, tensor] = updates
    return True


@jit
def level_cycles(machine: Machine, level: int, steps: float, found: Analysis) -> float:
    """Cycles in which a level's bandwidth delivers and takes its words, not below ``steps``."""
    count, real = found.counts, machine.real
    out = count[level, READS, 0] + count[level, READS, 1] + count[level, READS, 2]
    taken = count[level, FILLS, 0] + count[level, FILLS, 1] + count[level, FILLS, 2]
    taken += count[level, UPDATES, 0] + count[level, UPDATES, 1] + count[level, UPDATES, 2]
    room = 0.999999 * steps  # far from any limit there is nothing to work out
    shared = out + taken < room * real[level, SHARED_RATE]
    if shared and out < room * real[level, READ_RATE] and taken < room * real[level, WRITE_RATE]:
        return steps
    demand_in, demand_out = 0.0, 0.0
    for tensor in range(3):
        demand_out += count[level, READS, tensor] / steps
        demand_in += (count[level, FILLS, tensor] + count[level, UPDATES, tensor]) / steps
    slowdown = 1.0
    if real[level, READ_RATE] < demand_out:
        slowdown = min(slowdown, real[level, READ_RATE] / demand_out)
    if real[level, WRITE_RATE] < demand_in:
        slowdown = min(slowdown, real[level, WRITE_RATE] / demand_in)
    if real[level, SHARED_RATE] < demand_out + demand_in:
        slowdown = min(slowdown, real[level, SHARED_RATE] / (demand_out + demand_in))
    return float(np.ceil(steps / slowdown))


@jit
def level_energy(machine: Machine, level: int, found: Analysis) -> float:
    """Picojoules of all instances of a level; by tensor in ``found.counts``."""
    count, real = found.counts, machine.real
    block, energy = real[level, BLOCK], 0.0
    memories = min(found.nest[level, INSTANCES], machine.whole[level, CLUSTERS])
    for tensor in range(3):
        reads, fills, updates = count[level, READS, tensor], count[level, FILLS, tensor], count[level, UPDATES, tensor]
        if block != 1.0:
            reads, fills, updates = np.ceil(reads / block), np.ceil(fills / block), np.ceil(updates / block)
        spent = reads * real[level, READ_PJ] + fills * real[level, FILL_PJ] + updates * real[level, UPDATE_PJ]
        count[level, PICOJOULES, tensor] = spent * memories
        energy += spent * memories
    return energy


@jit
def price(machine: Machine, found: Analysis) -> None:
    """Cycles by bandwidth and energy by access; totals go to ``found.totals``."""
    levels = found.box.shape[0]
    steps = found.outer[0]
    slowest, energy = steps, 0.0
    for level in range(levels):
        found.cycles[level] = level_cycles(machine, level, steps, found)
        slowest = max(slowest, found.cycles[level])
        energy += level_energy(machine, level, found)
    used = found.nest[0, INSTANCES] * found.nest[0, FANOUT]
    units = machine.whole[levels, MESH_X] * machine.whole[levels, MESH_Y]
    totals = found.totals
    totals[CYCLES] = slowest
    totals[MAC_ENERGY] = steps * used * machine.real[levels, READ_PJ]
    totals[LEAKAGE_ENERGY] = slowest * machine.real[levels, LEAK_PJ]
    totals[ENERGY] = energy + totals[MAC_ENERGY] + totals[LEAKAGE_ENERGY]
    totals[UTILIZATION] = steps * used / units / slowest
    totals[MACS_USED] = used


@jit
def evaluate_mapping(mappings: MappingArrays, row: int, coefficients: Ints, machine: Machine, found: Analysis) -> bool:
    """Analyse one mapping into ``found``; returns whether it can run at all (``found.status`` says why not).

    Of the distinct shares only that of outputs is worked out, which the costs need (`partition` gives the others).
    """
    measure(mappings, row, coefficients, found)
    if not fits(mappings, row, machine, found):
        return False
    list_loops(mappings, row, coefficients, found)
    count_transfers(mappings, row, coefficients, machine, found)
    partition(found, OUTPUTS)
    bypass(mappings, row, found)
    if not count_accesses(mappings.keep, row, found):
        return False
    price(machine, found)
    return True


@jit
def evaluate_rows(
    start: int, stop: int, mappings: MappingArrays, coefficients: Ints, machine: Machine, found: Analysis, totals: Floats,
    status: Ints,
) -> None:  # fmt: skip
    """Analyse rows ``start``..``stop`` of a batch; ``totals`` (B, 6) and ``status`` (B, 4) are written."""
    for row in range(start, stop):
        evaluate_mapping(mappings, row, coefficients, machine, found)
        for column in range(4):
            status[row, column] = found.status[column]
        for column in range(6):
            totals[row, column] = found.totals[column]


@jit
def is_order(order: Ints, row: int, level: int) -> bool:
    """Whether ``order[row, level]`` holds each of 0..7 once."""
    seen = 0
    for place in range(8):
        if order[row, level, place] < 0 or order[row, level, place] > 7:
            return False
        seen |= 1 << order[row, level, place]
    return seen == 255


@jit
def product_is(mappings: MappingArrays, row: int, dimension: int, bound: int) -> bool:
    """Whether the factors of a dimension multiply to ``bound``, without passing it on the way."""
    product = 1
    for level in range(mappings.temporal.shape[1]):
        for kind in range(3):
            if kind == 2:
                factor = mappings.temporal[row, level, dimension]
            else:
                factor = mappings.spatial[row, level, kind, dimension]
            if factor < 1 or factor > bound // product:
                return False
            product *= factor
    return product == bound


@jit
def first_wrong(mappings: MappingArrays, bounds: Ints) -> tuple[int, int, int]:
    """The first row that is no mapping of a layer with these bounds: (row, fault, number).

    Faults: 0 an order, 1 factors of a dimension, 2 a tensor that no level keeps; row -1 if all are mappings.
    """
    rows, levels = mappings.temporal.shape[0], mappings.temporal.shape[1]
    for row in range(rows):
        for level in range(levels):
            right = is_order(mappings.order, row, level)
            right = right and is_order(mappings.spatial_order[:, :, 0], row, level)
            if not (right and is_order(mappings.spatial_order[:, :, 1], row, level)):
                return row, 0, level
        for dimension in range(8):
            if not product_is(mappings, row, dimension, bounds[dimension]):
                return row, 1, dimension
        for tensor in range(3):
            kept = False
            for level in range(levels):
                kept = kept or mappings.keep[row, level, tensor]
            if not kept:
                return row, 2, tensor
    return -1, 0, 0
