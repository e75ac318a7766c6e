"""The cost of one mapping: accesses, cycles and energy from the words that move. Pure functions of arrays, for kernels.

Counts follow Timeloop's dense model (sources and quirks in ASSUMPTIONS.md), in the same order of double arithmetic.
"""

from __future__ import annotations

import numpy as np

from archgym.simulators.dnn.analysis import (
    BLOCK,
    CLUSTERS,
    CONTENT,
    COUNT_TOO_LARGE,
    CYCLES,
    ENERGY,
    FANOUT,
    FILL_PJ,
    FILLS,
    INSTANCES,
    LARGEST,
    LEAK_PJ,
    LEAKAGE_ENERGY,
    LINK,
    MAC_ENERGY,
    MACS_USED,
    MESH_X,
    MESH_Y,
    PARTITION,
    PICOJOULES,
    READ_PJ,
    READ_RATE,
    READS,
    SENT,
    SHARED_RATE,
    UPDATE_PJ,
    UPDATES,
    UTILIZATION,
    WRITE_RATE,
    Analysis,
    fits,
    list_loops,
    measure,
    partition,
    refuse,
)
from archgym.simulators.dnn.architecture import Machine
from archgym.simulators.dnn.mapping import MappingArrays
from archgym.simulators.dnn.reuse import OUTPUTS, Flags, Floats, Ints
from archgym.simulators.dnn.transfers import bypass, count_transfers
from archgym.simulators.jit import inner, jit


@inner
def nearest_whole(value: float) -> float:
    """``value`` rounded half away from zero, not below 0."""
    down = np.floor(value)
    return float(max(0.0, down + 1.0 if value - down >= 0.5 else down))


@inner
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


@inner
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


@inner
def level_energy(machine: Machine, level: int, found: Analysis) -> float:
    """Picojoules of all instances of a level; by tensor in ``found.counts``."""
    count, real = found.counts, machine.real
    block, energy = real[level, BLOCK], 0.0
    memories = min(found.nest[level, INSTANCES], machine.whole[level, CLUSTERS])
    for tensor in range(3):
        reads, fills, updates = count[level, READS, tensor], count[level, FILLS, tensor], count[level, UPDATES, tensor]
        count[level, PICOJOULES, tensor] = 0.0
        if reads + fills + updates == 0.0:
            continue
        if block != 1.0:
            reads, fills, updates = np.ceil(reads / block), np.ceil(fills / block), np.ceil(updates / block)
        spent = reads * real[level, READ_PJ] + fills * real[level, FILL_PJ] + updates * real[level, UPDATE_PJ]
        count[level, PICOJOULES, tensor] = spent * memories
        energy += spent * memories
    return energy


@inner
def price(machine: Machine, found: Analysis) -> bool:
    """Cycles by bandwidth and energy by access, to ``found.totals``; false where cycles pass 2^63 - 1."""
    levels = found.box.shape[0]
    steps = found.outer[0]
    slowest, energy = steps, 0.0
    for level in range(levels):
        found.cycles[level] = level_cycles(machine, level, steps, found)
        if found.cycles[level] >= LARGEST:
            return refuse(found, COUNT_TOO_LARGE, level, 0, 0)
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
    return True


@inner
def lay_out(mappings: MappingArrays, row: int, coefficients: Ints, machine: Machine, found: Analysis) -> bool:
    """The first part of an analysis: tiles and loops; returns whether they fit."""
    measure(mappings, row, coefficients, found)
    if not fits(mappings, row, machine, found):
        return False
    list_loops(mappings, row, coefficients, found)
    return True


@inner
def count_costs(mappings: MappingArrays, row: int, coefficients: Ints, machine: Machine, found: Analysis) -> bool:
    """The rest of the analysis of a mapping that fits; returns whether all counts are below 2^63.

    Of the distinct shares only that of outputs is worked out, which the costs need.
    """
    count_transfers(mappings, row, coefficients, machine, found)
    partition(found, OUTPUTS)
    bypass(mappings, row, found)
    if not count_accesses(mappings.keep, row, found):
        return False
    return price(machine, found)


@inner
def least_energy(mappings: MappingArrays, row: int, machine: Machine, found: Analysis) -> float:
    """Picojoules that a mapping which has been laid out needs at least.

    Each step of each unit asks the innermost level that keeps a tensor for a word, unless units share one on the way.
    """
    levels, steps = found.box.shape[0], found.outer[0]
    used = found.nest[0, INSTANCES] * found.nest[0, FANOUT]
    energy = steps * used * machine.real[levels, READ_PJ] + steps * machine.real[levels, LEAK_PJ]
    for tensor in range(3):
        for level in range(levels):
            if found.nest[level, FANOUT] > 1:
                break
            if mappings.keep[row, level, tensor]:
                memories = min(found.nest[level, INSTANCES], machine.whole[level, CLUSTERS])
                each = machine.real[level, UPDATE_PJ if tensor == OUTPUTS else READ_PJ]
                energy += steps * memories * each / machine.real[level, BLOCK]
                break
    return float(energy)


@inner
def evaluate_mapping(mappings: MappingArrays, row: int, coefficients: Ints, machine: Machine, found: Analysis) -> bool:
    """Analyse one mapping into ``found``; returns whether it can run at all (``found.status`` says why not)."""
    if not lay_out(mappings, row, coefficients, machine, found):
        return False
    return count_costs(mappings, row, coefficients, machine, found)


@inner
def evaluate_fully(mappings: MappingArrays, row: int, coefficients: Ints, machine: Machine, found: Analysis) -> None:
    """Analyse one mapping into ``found``, with the distinct shares of all tensors."""
    if evaluate_mapping(mappings, row, coefficients, machine, found):
        for tensor in range(3):
            partition(found, tensor)


@jit
def evaluate_one(mappings: MappingArrays, row: int, coefficients: Ints, machine: Machine, found: Analysis) -> None:
    """Analyse one mapping into ``found``, with the distinct shares of all tensors."""
    evaluate_fully(mappings, row, coefficients, machine, found)


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
