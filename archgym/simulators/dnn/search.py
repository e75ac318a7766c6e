"""Looking for the best mapping: simulated annealing over prime factors, loop orders and bypasses, from several starts.

Starts differ in how they spread the work over the array; after each round only the better half goes on, colder. All
kernels, deterministic for a seed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.dnn.analysis import CYCLES, ENERGY, Analysis, measure, measure_level, memory_fits, meshes_fit
from archgym.simulators.dnn.architecture import Machine
from archgym.simulators.dnn.evaluation import count_costs, evaluate_fully, lay_out, least_energy
from archgym.simulators.dnn.mapping import MappingArrays
from archgym.simulators.dnn.moves import (
    TEMPORAL,
    Choices,
    below,
    changes_nothing,
    copy_mapping,
    factor_at,
    move_place,
    propose,
    set_factor,
    take_back,
    unit,
)
from archgym.simulators.dnn.reuse import RELEVANT, Floats, Ints
from archgym.simulators.jit import inner, jit

EDP, BY_ENERGY, BY_LATENCY = range(3)
INFEASIBLE = 1e200


@inner
def logarithm(cycles: float, energy: float, objective: int) -> float:
    """Logarithm of the objective."""
    energy = max(energy, 1e-30)
    if objective == EDP:
        return math.log(cycles) + math.log(energy)
    # The other quantity decides only between equals.
    if objective == BY_ENERGY:
        return math.log(energy) + 1e-6 * math.log(cycles)
    return math.log(cycles) + 1e-6 * math.log(energy)


@inner
def value_of(
    pool: MappingArrays, row: int, coefficients: Ints, machine: Machine, found: Analysis, objective: int, most: float
) -> float:
    """Logarithm of the objective; above any feasible one, and smaller the less is amiss, where it cannot run.

    Where a lower bound already passes ``most``, that bound: the costs need not be counted.
    """
    if lay_out(pool, row, coefficients, machine, found):
        bound = logarithm(found.outer[0], least_energy(pool, row, machine, found), objective)
        if bound > most + 1e-9:  # further than rounding reaches
            return bound
        if count_costs(pool, row, coefficients, machine, found):
            return logarithm(found.totals[CYCLES], found.totals[ENERGY], objective)
        return 3.0 * INFEASIBLE
    missing = abs(math.log((found.status[2] + 1.0) / (found.status[3] + 1.0)))
    place = found.status[1] - missing / (1.0 + missing)
    return float(INFEASIBLE * (2.0 - place / (1.0 + pool.temporal.shape[1])))


@inner
def anneal(
    pool: MappingArrays, row: int, best_row: int, values: Floats, steps: int, hot: float, cold: float, choices: Choices,
    coefficients: Ints, machine: Machine, found: Analysis, objective: int, state: NDArray[np.uint64], undo: Ints,
) -> None:  # fmt: skip
    """``steps`` evaluations of simulated annealing on one row; ``values`` holds the logarithms of row and best row."""
    current, best = values[row], values[best_row]
    temperature, cooling = hot, (cold / hot) ** (1.0 / max(1, steps))
    for _ in range(steps):
        temperature *= cooling
        count = propose(pool, row, choices, state, undo)
        if count == 0:
            continue
        allowed = current - temperature * math.log(unit(state) + 1e-12)
        if changes_nothing(pool, row, undo, count):
            continue
        value = value_of(pool, row, coefficients, machine, found, objective, allowed)
        if value > allowed:
            take_back(pool, row, undo, count)
            continue
        current = value
        if value < best:
            best = value
            copy_mapping(pool, row, best_row)
    values[row], values[best_row] = current, best


@inner
def spread(
    pool: MappingArrays, row: int, choices: Choices, fanout: Ints, home: Ints, state: NDArray[np.uint64], greedy: float
) -> None:
    """Fill the array at random: take factors from each dimension's home slot into the spatial slots.

    ``fanout`` (levels, 2) is the physical fan-out, ``home`` (8,) the level whose temporal loops hold what is left.
    """
    for _ in range(3 * len(choices.slots)):
        slot = below(state, len(choices.slots))
        level, kind = choices.slots[slot, 0], choices.slots[slot, 1]
        if kind == TEMPORAL:
            continue
        taken = 1
        for dimension in range(8):
            taken *= factor_at(pool, row, level, kind, dimension)
        room = fanout[level, kind - 1] // taken
        for _ in range(2 * len(choices.dimensions)):
            dimension = choices.dimensions[below(state, len(choices.dimensions))]
            here = home[dimension]
            if not choices.movable[level, kind, dimension] or not choices.movable[here, TEMPORAL, dimension]:
                continue
            most = min(room, choices.limit[level, kind, dimension] // factor_at(pool, row, level, kind, dimension))
            left = pool.temporal[row, here, dimension]
            chosen = 1
            for divisor in range(2, min(most, left) + 1):
                quotient = int(left / divisor)  # quicker than the remainder of integers
                if quotient * divisor == left and (chosen == 1 or unit(state) < greedy):
                    chosen = divisor
            set_factor(pool, row, level, kind, dimension, chosen * factor_at(pool, row, level, kind, dimension))
            pool.temporal[row, here, dimension] = left // chosen
            room //= chosen


@inner
def tiles_fit(
    pool: MappingArrays, row: int, first: int, last: int, coefficients: Ints, machine: Machine, found: Analysis
) -> bool:
    """Whether all tiles fit, where those of levels ``first``..``last`` (excluded) have to be measured anew."""
    for level in range(pool.temporal.shape[1]):
        if first <= level < last:
            measure_level(pool, row, level, coefficients, found)
        if not memory_fits(pool, row, level, machine, found):
            return False
    return True


@inner
def fill_memories(
    pool: MappingArrays, row: int, choices: Choices, home: Ints, coefficients: Ints, machine: Machine, found: Analysis,
    state: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Move loops inwards at random as long as their tiles fit, starting from the innermost level."""
    measure(pool, row, coefficients, found)
    meshed = meshes_fit(machine, found)
    for slot in range(len(choices.slots)):
        level, kind = choices.slots[slot, 0], choices.slots[slot, 1]
        if kind != TEMPORAL:
            continue
        misfits = 0
        for _ in range(4 + below(state, 20)):
            if misfits == 4:
                break
            dimension = choices.dimensions[below(state, len(choices.dimensions))]
            here = home[dimension]
            if here <= level or not choices.movable[level, TEMPORAL, dimension]:
                continue
            prime = choices.primes[dimension, below(state, choices.prime_count[dimension])]
            left, there = pool.temporal[row, here, dimension], pool.temporal[row, level, dimension]
            if not choices.movable[here, TEMPORAL, dimension] or left % prime:
                continue
            if there * prime > choices.limit[level, TEMPORAL, dimension]:
                continue
            pool.temporal[row, here, dimension], pool.temporal[row, level, dimension] = left // prime, there * prime
            if not (meshed and tiles_fit(pool, row, level, here, coefficients, machine, found)):
                pool.temporal[row, here, dimension], pool.temporal[row, level, dimension] = left, there
                for changed in range(level, here):
                    measure_level(pool, row, changed, coefficients, found)
                misfits += 1


@inner
def stationary_order(
    pool: MappingArrays, row: int, level: int, first: int, tensor: int, state: NDArray[np.uint64]
) -> None:
    """Shuffle a level's free places so that the loops which leave ``tensor`` where it is come innermost."""
    for place in range(first, 7):
        move_place(pool, row, level, place, place + below(state, 8 - place))
    inner = first
    for place in range(first, 8):
        if not RELEVANT[tensor, pool.order[row, level, place]]:
            move_place(pool, row, level, place, inner)
            inner += 1


@inner
def random_start(
    pool: MappingArrays, row: int, pattern: int, choices: Choices, fanout: Ints, home: Ints, coefficients: Ints,
    machine: Machine, found: Analysis, state: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Overwrite a row by a random mapping grown from row 0; bits of ``pattern`` say which free tensors are kept."""
    copy_mapping(pool, 0, row)
    for entry in range(choices.free_keep.shape[0]):
        level, tensor = choices.free_keep[entry, 0], choices.free_keep[entry, 1]
        pool.keep[row, level, tensor] = entry >= 40 or (pattern >> entry) & 1 == 0
    spread(pool, row, choices, fanout, home, state, 0.5 + 0.5 * unit(state))
    for level in range(pool.temporal.shape[1]):
        stationary_order(pool, row, level, choices.first_place[level], below(state, 3), state)
    fill_memories(pool, row, choices, home, coefficients, machine, found, state)


@jit
def random_rows(
    pool: MappingArrays, choices: Choices, fanout: Ints, home: Ints, coefficients: Ints, machine: Machine,
    found: Analysis, state: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Overwrite every row but the first by a random mapping."""
    patterns = 1 << min(choices.free_keep.shape[0], 40)
    for row in range(1, pool.temporal.shape[0]):
        pattern = below(state, patterns)
        random_start(pool, row, pattern, choices, fanout, home, coefficients, machine, found, state)


@inner
def begin(
    pool: MappingArrays, values: Floats, starts: int, tries: int, choices: Choices, fanout: Ints, home: Ints,
    coefficients: Ints, machine: Machine, found: Analysis, objective: int, state: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Fill rows 1..starts, each with the best of ``tries`` random mappings that bypass alike; the last row is scratch.

    The patterns of bypassing are spread evenly over the starts.
    """
    scratch = pool.temporal.shape[0] - 1
    patterns = 1 << min(choices.free_keep.shape[0], 40)
    offset = below(state, patterns)
    stride = 2 * (patterns * 5 // 16) + 1  # odd, so that a power of two of starts meets that many patterns
    for start in range(starts):
        pattern = (offset + start * stride) % patterns
        for number in range(tries):
            if start == 0 and number == 0:
                copy_mapping(pool, 0, scratch)
            else:
                random_start(pool, scratch, pattern, choices, fanout, home, coefficients, machine, found, state)
            most = values[1 + start] if number > 0 else math.inf
            value = value_of(pool, scratch, coefficients, machine, found, objective, most)
            if number == 0 or value < values[1 + start]:
                values[1 + start] = value
                copy_mapping(pool, scratch, 1 + start)
        copy_mapping(pool, 1 + start, 1 + starts + start)
        values[1 + starts + start] = values[1 + start]


@inner
def rank_rows(pool: MappingArrays, values: Floats, starts: int, alive: int) -> None:
    """Sort the first ``alive`` starts by the best value each has seen (row 0 of the pool is scratch)."""
    for row in range(1, alive):
        place = row
        while place > 0 and values[1 + starts + place] < values[starts + place]:
            for first in (1, 1 + starts):
                copy_mapping(pool, first + place, 0)
                copy_mapping(pool, first + place - 1, first + place)
                copy_mapping(pool, 0, first + place - 1)
                values[first + place], values[first + place - 1] = values[first + place - 1], values[first + place]
            place -= 1


@jit
def search(
    pool: MappingArrays, budget: int, starts: int, tries: int, hot: float, cold: float, choices: Choices, fanout: Ints,
    home: Ints, coefficients: Ints, machine: Machine, found: Analysis, objective: int,
    state: NDArray[np.uint64],
) -> None:  # fmt: skip
    """Spend ``budget`` evaluations; the best mapping found ends in row 0 and its analysis in ``found``.

    ``pool`` has ``2 * starts + 2`` rows: the plain start, where each start stands, the best each has seen, scratch.
    Rounds get equal shares of the budget; after each the better half of the starts go on, from the best they saw.
    """
    undo = np.zeros((16, 5), np.int64)
    values = np.zeros(2 * starts + 2)
    begin(pool, values, starts, tries, choices, fanout, home, coefficients, machine, found, objective, state)
    rounds, survivors = 1, starts
    while survivors > 1:
        survivors = (survivors + 1) // 2
        rounds += 1
    alive, left = starts, max(0, budget - starts * tries)
    for number in range(rounds):
        share = left // (rounds - number)
        left -= share
        for row in range(alive):
            steps = share // alive + (1 if row < share % alive else 0)
            copy_mapping(pool, 1 + starts + row, 1 + row)
            values[1 + row] = values[1 + starts + row]
            anneal(
                pool, 1 + row, 1 + starts + row, values, steps, max(cold, hot * 0.5**number), cold, choices, coefficients,
                machine, found, objective, state, undo,
            )  # fmt: skip
        rank_rows(pool, values, starts, alive)
        alive = (alive + 1) // 2
    copy_mapping(pool, 1 + starts, 0)
    evaluate_fully(pool, 0, coefficients, machine, found)
