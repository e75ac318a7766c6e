"""The cost of one mapping: tiles, transfers, bypassing, cycles, energy. A pure function of arrays, for kernels.

Counts follow Timeloop's dense model (sources and quirks in ASSUMPTIONS.md), in the same order of double arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.dnn.architecture import UNLIMITED, Machine
from archgym.simulators.dnn.links import input_links, operand_links
from archgym.simulators.dnn.reuse import (
    INPUTS,
    OUTPUTS,
    Children,
    Loops,
    Traffic,
    add_traffic,
    delivered_words,
    multicast_groups,
    spread_traffic,
    tile_words,
)
from archgym.simulators.jit import jit

FITS, TILE_TOO_LARGE, TILE_TOO_SMALL, MESH_TOO_SMALL, COUNT_TOO_LARGE = range(5)
CYCLES, ENERGY, UTILIZATION, MAC_ENERGY, LEAKAGE_ENERGY, MACS_USED = range(6)
LARGEST = 2.0**63


class Analysis(NamedTuple):
    """Everything found about one mapping; axis 0 is the storage level, the last of (levels, 3) the tensor."""

    child: NDArray[np.int64]  # (levels, 8): loop extents of one receiver of the level
    union: NDArray[np.int64]  # (levels, 8): of all receivers together
    extents: NDArray[np.int64]  # (levels, 8): of the level's own tile
    tiles: NDArray[np.int64]  # (levels, 3): words of the tile
    unions: NDArray[np.int64]  # (levels, 3): words of all receivers' tiles together
    units: NDArray[np.int64]  # (3,): words of a single operation (ones)
    instances: NDArray[np.int64]  # (levels,): instances in use
    fanout: NDArray[np.int64]  # (levels,): receivers of one instance
    grid: NDArray[np.int64]  # (2,): scratch
    loops: Loops
    traffic: Traffic
    children: Children
    content: NDArray[np.float64]  # (levels, 3): accesses by the level inwards
    share: NDArray[np.float64]  # (levels, 3): words an instance is sent from outwards
    partition: NDArray[np.int64]  # (levels, 3): distinct words an instance sees in all
    kept: NDArray[np.bool_]
    reads: NDArray[np.float64]
    fills: NDArray[np.float64]
    updates: NDArray[np.float64]
    energy: NDArray[np.float64]  # (levels, 3), picojoules
    cycles: NDArray[np.float64]  # (levels,)
    totals: NDArray[np.float64]
    status: NDArray[np.int64]  # verdict, level, words (or instances) needed, words (or instances) there


def make_analysis(levels: int, largest_fanout: int) -> Analysis:
    """Room for the analysis of mappings onto ``levels`` levels, none with more receivers than ``largest_fanout``."""
    # At most sqrt(2 F) group sizes can differ among F receivers; links add as many again for each shift.
    entries = 8 * int(np.ceil(np.sqrt(2 * largest_fanout))) + 32

    def whole(*shape: int) -> NDArray[np.int64]:
        return np.ones(shape, np.int64)

    def real(*shape: int) -> NDArray[np.float64]:
        return np.zeros(shape)

    loops = Loops(whole(8 * levels), whole(8 * levels), whole(8 * levels), np.ones(8 * levels + 1), whole(levels + 1))
    traffic = Traffic(
        whole(levels, 3), whole(levels, 3, entries), whole(levels, 3, entries), real(levels, 3, entries), real(levels, 3)
    )
    room = largest_fanout + 1
    children = Children(
        whole(room), whole(room), whole(room), np.zeros(room, np.bool_), whole(room), 0 * whole(room), whole(2 * room)
    )
    return Analysis(
        whole(levels, 8), whole(levels, 8), whole(levels, 8), whole(levels, 3), whole(levels, 3), whole(3), whole(levels),
        whole(levels), whole(2), loops, traffic, children, real(levels, 3), real(levels, 3), whole(levels, 3),
        np.ones((levels, 3), np.bool_), real(levels, 3), real(levels, 3), real(levels, 3), real(levels, 3), real(levels),
        real(6), whole(4),
    )  # fmt: skip


@jit
def measure_tiles(temporal, spatial, coefficients, found):
    """Loop extents, tiles, fan-outs and instances of every level."""
    levels = temporal.shape[0]
    for level in range(levels):
        found.fanout[level] = 1
        for dimension in range(8):
            child = 1 if level == 0 else found.extents[level - 1, dimension]
            receivers = spatial[level, 0, dimension] * spatial[level, 1, dimension]
            found.child[level, dimension] = child
            found.union[level, dimension] = child * receivers
            found.extents[level, dimension] = child * receivers * temporal[level, dimension]
            found.fanout[level] *= receivers
        tile_words(found.union[level], coefficients, found.unions[level])
        tile_words(found.extents[level], coefficients, found.tiles[level])
    found.instances[levels - 1] = 1
    for level in range(levels - 2, -1, -1):
        found.instances[level] = found.instances[level + 1] * found.fanout[level + 1]


@jit
def fits(keep, spatial, machine, found):
    """Whether tiles fit their memories and instances their meshes; the verdict goes to ``found.status``."""
    levels = keep.shape[0]
    for level in range(levels):
        if machine.capacity[level] == UNLIMITED:
            continue
        need = 0
        for tensor in range(3):
            if keep[level, tensor]:
                need += found.tiles[level, tensor]
        if need > machine.capacity[level]:
            found.status[0], found.status[1] = TILE_TOO_LARGE, level
            found.status[2], found.status[3] = need, machine.capacity[level]
            return False
        if need < machine.least_words[level]:
            found.status[0], found.status[1] = TILE_TOO_SMALL, level
            found.status[2], found.status[3] = need, int(np.ceil(machine.least_words[level]))
            return False
    for axis in range(2):
        used = 1
        for level in range(levels, -1, -1):
            if level < levels:
                for dimension in range(8):
                    used *= spatial[level, axis, dimension]
            place = level - 1 if level else levels
            if used > machine.mesh[place, axis]:
                found.status[0], found.status[1] = MESH_TOO_SMALL, place
                found.status[2], found.status[3] = used, machine.mesh[place, axis]
                return False
    found.status[0] = FITS
    return True


@jit
def list_loops(temporal, order, found):
    """The temporal loops that run more than once, innermost first, and products of their bounds from each outwards."""
    levels, used = temporal.shape[0], 0
    loops = found.loops
    for level in range(levels):
        loops.first[level] = used
        for place in range(8):
            dimension = order[level, place]
            if temporal[level, dimension] > 1:
                loops.dimension[used] = dimension
                loops.bound[used] = temporal[level, dimension]
                loops.stride[used] = found.union[level, dimension]
                used += 1
    loops.first[levels] = used
    loops.outer[used] = 1.0
    for number in range(used - 1, -1, -1):
        loops.outer[number] = loops.outer[number + 1] * loops.bound[number]


@jit
def physical_grid(level, spatial, machine, grid):
    """The grid of receivers that neighbours are looked up on."""
    for axis in range(2):
        used = 1
        for dimension in range(8):
            used *= spatial[axis, dimension]
        grid[axis] = max(machine.fanout[level, axis], used)


@jit
def count_transfers(spatial, spatial_order, coefficients, machine, found):
    """Transfers out of every level to the one inwards, before bypassing."""
    levels = spatial.shape[0]
    traffic, loops = found.traffic, found.loops
    for level in range(levels):
        for tensor in range(3):
            traffic.count[level, tensor] = 0
            traffic.link[level, tensor] = 0.0
            tile = found.units[tensor] if level == 0 else found.tiles[level - 1, tensor]
            if level == 0:
                words = loops.outer[0]
            else:
                words = delivered_words(tensor, tile, found.child[level], loops, loops.first[level], coefficients)
            if found.fanout[level] == 1:
                add_traffic(traffic, level, tensor, 1, 1, words)
                continue
            if level == 0 or tensor == INPUTS:
                physical_grid(level, spatial[level], machine, found.grid)
            if level == 0:
                words -= operand_links(
                    traffic, tensor, spatial[0], spatial_order[0], found.child[0], coefficients, loops, found.grid,
                    found.children,
                )  # fmt: skip
            elif tensor == INPUTS:
                words -= input_links(
                    traffic, level, tile, spatial[level], spatial_order[level], found.child[level], coefficients, loops,
                    found.grid, found.children,
                )  # fmt: skip
            factors = spatial[level, 0] * spatial[level, 1]
            largest = multicast_groups(tensor, factors, found.child[level], coefficients, found.children)
            spread_traffic(traffic, level, tensor, words, largest, found.children.histogram)


@jit
def partition_words(found):
    """Distinct words of each tensor that one instance of a level sees in all, on average, rounded down."""
    levels = found.tiles.shape[0]
    for tensor in range(3):
        part = found.tiles[levels - 1, tensor]
        found.partition[levels - 1, tensor] = part
        for level in range(levels - 2, -1, -1):
            if found.fanout[level + 1] > 1:
                tile, union = found.tiles[level, tensor], found.unions[level + 1, tensor]
                if float(part) * float(tile) < LARGEST:
                    part = part * tile // union
                else:
                    part = part // union * tile + part % union * tile // union
            found.partition[level, tensor] = part


@jit
def total_words(traffic, level, tensor, weighted):
    """Sum over a level's transfers, each counted once or (``weighted``) once for each receiver."""
    total = 0.0
    for entry in range(traffic.count[level, tensor]):
        words = traffic.words[level, tensor, entry]
        total += words * traffic.multicast[level, tensor, entry] if weighted else words
    return total


@jit
def bypass(keep, found):
    """Let the receivers of a level that keeps no tile of a tensor be served from further out."""
    levels = keep.shape[0]
    traffic = found.traffic
    for tensor in range(3):
        for level in range(levels):
            found.kept[level, tensor] = keep[level, tensor]
            found.content[level, tensor] = total_words(traffic, level, tensor, False)
            found.share[level, tensor] = 0.0
            if level + 1 < levels:
                for entry in range(traffic.count[level + 1, tensor]):
                    copies = traffic.words[level + 1, tensor, entry] * traffic.multicast[level + 1, tensor, entry]
                    found.share[level, tensor] += copies / found.fanout[level + 1]
        for level in range(levels - 1):
            if keep[level, tensor]:
                continue
            asked = found.content[level, tensor] * found.fanout[level + 1]
            scale = asked / total_words(traffic, level + 1, tensor, True)
            for entry in range(traffic.count[level + 1, tensor]):
                traffic.words[level + 1, tensor, entry] *= scale
            traffic.link[level + 1, tensor] = 0.0
            found.content[level + 1, tensor] = total_words(traffic, level + 1, tensor, False)
        outermost = levels - 1
        while not keep[outermost, tensor]:
            traffic.link[outermost, tensor] = 0.0
            outermost -= 1
        found.share[outermost, tensor] = 0.0


@jit
def nearest_whole(value):
    """``value`` rounded half away from zero, not below 0."""
    down = np.floor(value)
    return max(0.0, down + 1.0 if value - down >= 0.5 else down)


@jit
def count_accesses(found):
    """Reads, fills and updates of one instance; false where a count passes 2^63 - 1."""
    levels = found.tiles.shape[0]
    for tensor in range(3):
        outer_kept = False
        for level in range(levels - 1, -1, -1):
            reads, fills, updates = 0.0, 0.0, 0.0
            if found.kept[level, tensor]:
                peer = 0.0
                if level + 1 < levels:
                    peer = found.traffic.link[level + 1, tensor] / found.instances[level]
                reads = found.content[level, tensor] + peer
                fills = found.share[level, tensor] + peer
                if tensor == OUTPUTS:
                    # The first partial sum of an output needs no earlier one to be read.
                    updates = nearest_whole(found.content[level, tensor])
                    reads -= found.partition[level, tensor]
                    if outer_kept:
                        fills -= found.partition[level, tensor]
                    fills = nearest_whole(fills)
                else:
                    fills = np.floor(fills)
                reads = nearest_whole(reads)
                outer_kept = True
                if max(reads, fills, updates) >= LARGEST:
                    found.status[0], found.status[1] = COUNT_TOO_LARGE, level
                    return False
            found.reads[level, tensor], found.fills[level, tensor] = reads, fills
            found.updates[level, tensor] = updates
    return True


@jit
def price(machine, found):
    """Cycles by bandwidth and energy by access; totals go to ``found.totals``."""
    levels = found.tiles.shape[0]
    steps = found.loops.outer[0]
    slowest, energy = steps, 0.0
    for level in range(levels):
        demand_in, demand_out = 0.0, 0.0
        for tensor in range(3):
            demand_out += found.reads[level, tensor] / steps
            demand_in += (found.fills[level, tensor] + found.updates[level, tensor]) / steps
        slowdown = 1.0
        if machine.bandwidth[level, 0] < demand_out:
            slowdown = min(slowdown, machine.bandwidth[level, 0] / demand_out)
        if machine.bandwidth[level, 1] < demand_in:
            slowdown = min(slowdown, machine.bandwidth[level, 1] / demand_in)
        if machine.bandwidth[level, 2] < demand_out + demand_in:
            slowdown = min(slowdown, machine.bandwidth[level, 2] / (demand_out + demand_in))
        found.cycles[level] = np.ceil(steps / slowdown)
        slowest = max(slowest, found.cycles[level])
        memories = min(found.instances[level], machine.clusters[level])
        for tensor in range(3):
            block = machine.block[level]
            spent = np.ceil(found.reads[level, tensor] / block) * machine.energy[level, 0]
            spent += np.ceil(found.fills[level, tensor] / block) * machine.energy[level, 1]
            spent += np.ceil(found.updates[level, tensor] / block) * machine.energy[level, 2]
            found.energy[level, tensor] = spent * memories
            energy += found.energy[level, tensor]
    used = found.instances[0] * found.fanout[0]
    units = machine.mesh[levels, 0] * machine.mesh[levels, 1]
    found.totals[CYCLES] = slowest
    found.totals[MAC_ENERGY] = steps * used * machine.mac_energy
    found.totals[LEAKAGE_ENERGY] = slowest * machine.leakage
    found.totals[ENERGY] = energy + found.totals[MAC_ENERGY] + found.totals[LEAKAGE_ENERGY]
    found.totals[UTILIZATION] = steps * used / units / slowest
    found.totals[MACS_USED] = used


@jit
def evaluate_mapping(temporal, order, spatial, spatial_order, keep, coefficients, machine, found):
    """Analyse one mapping into ``found``; returns whether it can run at all (``found.status`` says why not)."""
    measure_tiles(temporal, spatial, coefficients, found)
    if not fits(keep, spatial, machine, found):
        return False
    list_loops(temporal, order, found)
    count_transfers(spatial, spatial_order, coefficients, machine, found)
    partition_words(found)
    bypass(keep, found)
    if not count_accesses(found):
        return False
    price(machine, found)
    return True


@jit
def evaluate_rows(start, stop, mappings, coefficients, machine, found, totals, status):
    """Analyse rows ``start``..``stop`` of a batch; ``totals`` (B, 6) and ``status`` (B, 4) are written."""
    temporal, order, spatial, spatial_order, keep = mappings
    for row in range(start, stop):
        evaluate_mapping(
            temporal[row], order[row], spatial[row], spatial_order[row], keep[row], coefficients, machine, found
        )
        status[row] = found.status
        totals[row] = found.totals


__all__ = ["Analysis", "Machine", "evaluate_mapping", "evaluate_rows", "make_analysis"]
