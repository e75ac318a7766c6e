"""Where the analysis of a mapping is kept, and its geometry: tiles, fan-outs, the list of loops, distinct shares."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archgym.simulators.dnn.architecture import UNLIMITED, Machine
from archgym.simulators.dnn.mapping import MappingArrays
from archgym.simulators.dnn.reuse import (
    BOUND,
    DIMENSION,
    INPUTS,
    NEXT,
    OUTPUTS,
    RELEVANT,
    SHIFT,
    WEIGHTS,
    C,
    Floats,
    G,
    Ints,
    K,
    N,
    P,
    Q,
    R,
    S,
)
from archgym.simulators.jit import inner

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
VAST = 2**62 - 1  # more words than any memory has; two of them still add up in 64 bits


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
        np.zeros(levels), np.ones((levels, 8), np.int64), np.empty((10, 4 * largest_fanout + 4), np.int64), np.zeros(6),
        np.zeros(4, np.int64),
    )  # fmt: skip


@inner
def input_sides(box: Ints, level: int, which: int, coefficients: Ints) -> tuple[int, int]:
    """Width and height of the input's bounding box over loop extents ``box[level, which]``."""
    width = 1 + (box[level, which, R] - 1) * coefficients[0] + (box[level, which, P] - 1) * coefficients[1]
    height = 1 + (box[level, which, S] - 1) * coefficients[2] + (box[level, which, Q] - 1) * coefficients[3]
    return width, height


@inner
def tile_words(box: Ints, level: int, which: int, coefficients: Ints, words: Ints, row: int) -> None:
    """Words of each tensor's bounding box over loop extents ``box[level, which]``."""
    width, height = input_sides(box, level, which, coefficients)
    channels = box[level, which, C] * box[level, which, G]
    filters = box[level, which, K] * box[level, which, G]
    batch = box[level, which, N]
    words[level, row, WEIGHTS] = box[level, which, R] * box[level, which, S] * box[level, which, C] * filters
    words[level, row, INPUTS] = width * height * channels * batch
    words[level, row, OUTPUTS] = box[level, which, P] * box[level, which, Q] * filters * batch


@inner
def measure_level(mappings: MappingArrays, row: int, level: int, coefficients: Ints, found: Analysis) -> None:
    """Loop extents, tiles and fan-out of a level; levels inside it must have been measured."""
    box, nest = found.box, found.nest
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


@inner
def measure(mappings: MappingArrays, row: int, coefficients: Ints, found: Analysis) -> None:
    """Loop extents, tiles, fan-outs and instances of every level."""
    levels = found.box.shape[0]
    nest = found.nest
    for level in range(levels):
        measure_level(mappings, row, level, coefficients, found)
    instances = 1
    for level in range(levels - 1, -1, -1):
        nest[level, INSTANCES] = instances
        instances *= nest[level, FANOUT]


@inner
def refuse(found: Analysis, verdict: int, level: int, need: int, there: int) -> bool:
    """Note why a mapping cannot run."""
    found.status[0], found.status[1] = verdict, level
    found.status[2], found.status[3] = need, there
    return False


@inner
def memory_fits(mappings: MappingArrays, row: int, level: int, machine: Machine, found: Analysis) -> bool:
    """Whether a level's tiles fit its memory."""
    capacity = machine.whole[level, CAPACITY]
    if capacity == UNLIMITED:
        return True
    need = 0
    for tensor in range(3):
        if mappings.keep[row, level, tensor]:
            need = min(VAST, need + min(VAST, found.words[level, TILE, tensor]))
    if need > capacity:
        return refuse(found, TILE_TOO_LARGE, level, need, capacity)
    least = machine.real[level, LEAST_WORDS]
    if need < least:
        return refuse(found, TILE_TOO_SMALL, level, need, int(np.ceil(least)))
    return True


@inner
def meshes_fit(machine: Machine, found: Analysis) -> bool:
    """Whether instances fit their meshes."""
    levels = found.box.shape[0]
    for axis in range(2):
        side = 1
        for level in range(levels - 1, -1, -1):
            side *= found.nest[level, SIDE_X + axis]
            inner = level - 1 if level > 0 else levels
            there = machine.whole[inner, MESH_X + axis]
            if side > there:
                return refuse(found, MESH_TOO_SMALL, inner, side, there)
    return True


@inner
def fits(mappings: MappingArrays, row: int, machine: Machine, found: Analysis) -> bool:
    """Whether tiles fit their memories and instances their meshes."""
    for level in range(found.box.shape[0]):
        if not memory_fits(mappings, row, level, machine, found):
            return False
    if not meshes_fit(machine, found):
        return False
    found.status[0] = FITS
    return True


@inner
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


@inner
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
