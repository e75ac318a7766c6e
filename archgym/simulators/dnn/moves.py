"""Random steps from one mapping to another: prime factors between slots, places of loops, bypasses; all can be undone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.dnn.mapping import MappingArrays
from archgym.simulators.dnn.reuse import Ints
from archgym.simulators.jit import inner

# Kinds of entries in the list that takes back a proposal.
FACTOR, ORDER, KEEP = range(3)
TEMPORAL = 0


class Choices(NamedTuple):
    """What may be changed; see `constraints.Freedom`."""

    slots: Ints  # (slots, 2): level and kind (temporal, x, y) in which some dimension may have a factor
    dimensions: Ints  # dimensions whose bound is above 1
    primes: Ints  # (8, room): distinct prime factors of each bound
    prime_count: Ints  # (8,)
    limit: Ints  # (levels, 3, 8)
    movable: NDArray[np.bool_]  # (levels, 3, 8): factor not fixed
    free_keep: Ints  # (entries, 2): level and tensor
    first_place: Ints  # (levels,): first temporal place that may be reordered; 7 or more: none


@inner
def draw(state: NDArray[np.uint64]) -> int:
    """Next number of a 64-bit xorshift generator, as 53 bits."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return int(x >> np.uint64(11))


@inner
def below(state: NDArray[np.uint64], count: int) -> int:
    """A number in 0..count-1 (for counts far below 2^53)."""
    return int(draw(state) / 9007199254740992.0 * count)


@inner
def unit(state: NDArray[np.uint64]) -> float:
    """A number in [0, 1)."""
    return draw(state) / 9007199254740992.0


@inner
def factor_at(pool: MappingArrays, row: int, level: int, kind: int, dimension: int) -> int:
    """A factor of a mapping."""
    if kind == TEMPORAL:
        return int(pool.temporal[row, level, dimension])
    return int(pool.spatial[row, level, kind - 1, dimension])


@inner
def set_factor(pool: MappingArrays, row: int, level: int, kind: int, dimension: int, value: int) -> None:
    """Change a factor of a mapping."""
    if kind == TEMPORAL:
        pool.temporal[row, level, dimension] = value
    else:
        pool.spatial[row, level, kind - 1, dimension] = value


@inner
def copy_mapping(pool: MappingArrays, source: int, target: int) -> None:
    """Copy one row of a pool onto another."""
    for level in range(pool.temporal.shape[1]):
        for dimension in range(8):
            pool.temporal[target, level, dimension] = pool.temporal[source, level, dimension]
            pool.order[target, level, dimension] = pool.order[source, level, dimension]
            for axis in range(2):
                pool.spatial[target, level, axis, dimension] = pool.spatial[source, level, axis, dimension]
        for tensor in range(3):
            pool.keep[target, level, tensor] = pool.keep[source, level, tensor]


@inner
def note(undo: Ints, count: int, kind: int, a: int, b: int, c: int, value: int) -> int:
    """Remember how to take back a change; returns the new length of the list."""
    undo[count, 0], undo[count, 1], undo[count, 2], undo[count, 3], undo[count, 4] = kind, a, b, c, value
    return count + 1


@inner
def move_place(pool: MappingArrays, row: int, level: int, source: int, target: int) -> None:
    """Move the loop at one place of a level's order to another."""
    dimension = pool.order[row, level, source]
    step = 1 if target > source else -1
    place = source
    while place != target:
        pool.order[row, level, place] = pool.order[row, level, place + step]
        place += step
    pool.order[row, level, target] = dimension


@inner
def take_back(pool: MappingArrays, row: int, undo: Ints, count: int) -> None:
    """Undo a proposal, last change first."""
    for entry in range(count - 1, -1, -1):
        a, b, c, value = undo[entry, 1], undo[entry, 2], undo[entry, 3], undo[entry, 4]
        if undo[entry, 0] == FACTOR:
            set_factor(pool, row, a, b, c, value)
        elif undo[entry, 0] == ORDER:
            move_place(pool, row, a, c, b)
        else:
            pool.keep[row, a, b] = not pool.keep[row, a, b]


@inner
def changes_nothing(pool: MappingArrays, row: int, undo: Ints, count: int) -> bool:
    """Whether a proposal only moved a loop past loops that run once, or put back the factor that it took."""
    if count == 1 and undo[0, 0] == ORDER:
        level, source, target = undo[0, 1], undo[0, 2], undo[0, 3]
        for place in range(min(source, target), max(source, target) + 1):
            if place != target and pool.temporal[row, level, pool.order[row, level, place]] > 1:
                return False
        return True
    if count == 4 and undo[0, 0] == FACTOR and undo[2, 0] == FACTOR:
        return bool(factor_at(pool, row, undo[0, 1], undo[0, 2], undo[0, 3]) == undo[0, 4])
    return False


@inner
def shift_factor(
    pool: MappingArrays, row: int, choices: Choices, state: NDArray[np.uint64], undo: Ints, count: int, source: int,
    target: int,
) -> int:  # fmt: skip
    """Move a random prime factor of a random dimension from slot ``source`` to ``target`` (negative: any)."""
    slots, dimensions = choices.slots.shape[0], choices.dimensions.shape[0]
    for _ in range(24 if slots > 1 else 0):
        dimension = choices.dimensions[below(state, dimensions)]
        start = source if source >= 0 else below(state, slots)
        level, kind = choices.slots[start, 0], choices.slots[start, 1]
        factor = factor_at(pool, row, level, kind, dimension)
        if factor == 1 or not choices.movable[level, kind, dimension]:
            continue
        end = target if target >= 0 else below(state, slots)
        other, other_kind = choices.slots[end, 0], choices.slots[end, 1]
        prime = choices.primes[dimension, below(state, choices.prime_count[dimension])]
        if start == end or factor % prime != 0 or not choices.movable[other, other_kind, dimension]:
            continue
        there = factor_at(pool, row, other, other_kind, dimension)
        if there * prime > choices.limit[other, other_kind, dimension]:
            continue
        count = note(undo, count, FACTOR, level, kind, dimension, factor)
        count = note(undo, count, FACTOR, other, other_kind, dimension, there)
        set_factor(pool, row, level, kind, dimension, factor // prime)
        set_factor(pool, row, other, other_kind, dimension, there * prime)
        return count
    return count


@inner
def reorder(pool: MappingArrays, row: int, choices: Choices, state: NDArray[np.uint64], undo: Ints, count: int) -> int:
    """Move a loop that runs more than once to another place of its level's order."""
    for _ in range(12):
        level = below(state, pool.temporal.shape[1])
        first = choices.first_place[level]
        if first >= 7:
            continue
        source, target = first + below(state, 8 - first), first + below(state, 8 - first)
        if source == target or pool.temporal[row, level, pool.order[row, level, source]] == 1:
            continue
        move_place(pool, row, level, source, target)
        return note(undo, count, ORDER, level, source, target, 0)
    return count


@inner
def flip_keep(
    pool: MappingArrays, row: int, choices: Choices, state: NDArray[np.uint64], undo: Ints, count: int
) -> int:
    """Keep a tensor where it was bypassed, or the reverse."""
    entry = below(state, len(choices.free_keep))
    level, tensor = choices.free_keep[entry, 0], choices.free_keep[entry, 1]
    kept = 0
    for other in range(pool.keep.shape[1]):
        kept += pool.keep[row, other, tensor]
    if pool.keep[row, level, tensor] and kept == 1:
        return count
    pool.keep[row, level, tensor] = not pool.keep[row, level, tensor]
    return note(undo, count, KEEP, level, tensor, 0, 0)


@inner
def propose(pool: MappingArrays, row: int, choices: Choices, state: NDArray[np.uint64], undo: Ints) -> int:
    """Change a mapping in place by a random step; returns the length of the list that takes it back."""
    pick = unit(state)
    if pick < 0.45:
        return shift_factor(pool, row, choices, state, undo, 0, -1, -1)
    if pick < 0.68:  # two slots trade factors
        one, two = below(state, choices.slots.shape[0]), below(state, choices.slots.shape[0])
        count = shift_factor(pool, row, choices, state, undo, 0, one, two)
        return shift_factor(pool, row, choices, state, undo, count, two, one)
    if pick < 0.76:
        count = shift_factor(pool, row, choices, state, undo, 0, -1, -1)
        return reorder(pool, row, choices, state, undo, count)
    if pick < 0.92 or len(choices.free_keep) == 0:
        return reorder(pool, row, choices, state, undo, 0)
    count = flip_keep(pool, row, choices, state, undo, 0)
    if pick < 0.96:
        return count
    return shift_factor(pool, row, choices, state, undo, count, -1, -1)
