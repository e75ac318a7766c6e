"""Reading designs of a mapping space and evaluating them, row by row: kernels."""

from __future__ import annotations

from archgym.simulators.dnn.analysis import FILLS, PICOJOULES, READS, UPDATES, Analysis, fits, measure
from archgym.simulators.dnn.architecture import Machine
from archgym.simulators.dnn.evaluation import evaluate_mapping
from archgym.simulators.dnn.mapping import MappingArrays
from archgym.simulators.dnn.mapping_space import Code
from archgym.simulators.dnn.moves import factor_at, set_factor
from archgym.simulators.dnn.reuse import Floats, Ints
from archgym.simulators.jit import inner, jit

ABOVE_LIMIT = 5  # verdict: a rule's limit is exceeded; the others are those of `analysis`


@inner
def read_order(designs: Ints, row: int, code: Code, pool: MappingArrays, level: int) -> None:
    """Write a level's loop order: fixed places, then the free loops as the design inserts them, then the others."""
    first = code.first_place[level]
    placed = 0
    for number in range(8):
        loop = code.free_loops[level, number]
        if loop < 0:
            break
        parameter = code.order_parameters[level, number]
        place = designs[row, parameter] if parameter >= 0 else 0
        for other in range(placed, place, -1):
            pool.order[0, level, first + other] = pool.order[0, level, first + other - 1]
        pool.order[0, level, first + place] = loop
        placed += 1
    end = first + placed
    for dimension in range(8):
        seen = False
        for place in range(end):
            seen = seen or pool.order[0, level, place] == dimension
        if not seen:
            pool.order[0, level, end] = dimension
            end += 1


@inner
def multiply(code: Code, number: int, slot: int, pool: MappingArrays) -> bool:
    """Multiply a slot's loop by a factor; returns whether the rules allow as much there."""
    dimension, prime = code.factors[number, 0], code.factors[number, 1]
    level, kind = code.slots[slot, 0], code.slots[slot, 1]
    product = factor_at(pool, 0, level, kind, dimension) * prime
    set_factor(pool, 0, level, kind, dimension, product)
    return bool(product <= code.limit[level, kind, dimension])


@inner
def divide(code: Code, number: int, slot: int, pool: MappingArrays) -> None:
    """Take back a factor."""
    dimension, prime = code.factors[number, 0], code.factors[number, 1]
    level, kind = code.slots[slot, 0], code.slots[slot, 1]
    set_factor(pool, 0, level, kind, dimension, factor_at(pool, 0, level, kind, dimension) // prime)


@inner
def place_factor(
    code: Code, number: int, chosen: int, pool: MappingArrays, coefficients: Ints, roomy: Machine, found: Analysis
) -> bool:
    """Put a factor into the first slot from the chosen one outwards that has room; false if rules allow it in none.

    Where none has room, it goes to the outermost slot that the rules allow, or else to the chosen one.
    """
    last = -1
    for place in range(chosen, code.slots.shape[0]):
        slot = code.factor_slots[number, place]
        if slot < 0:
            break
        allowed = multiply(code, number, slot, pool)
        if code.outwards[0] == 0:
            return allowed
        if allowed:
            measure(pool, 0, coefficients, found)
            if fits(pool, 0, roomy, found):
                return True
            last = slot
        divide(code, number, slot, pool)
    multiply(code, number, last if last >= 0 else code.factor_slots[number, chosen], pool)
    return last >= 0


@inner
def decode(
    designs: Ints, row: int, code: Code, plain: MappingArrays, pool: MappingArrays, coefficients: Ints, roomy: Machine,
    found: Analysis,
) -> int:  # fmt: skip
    """Write the mapping of a design into row 0 of ``pool``; returns the first factor that breaks a rule, or -1.

    ``plain`` holds what the rules fix; ``roomy`` is the machine without least tile sizes, which an unfinished mapping
    would not reach.
    """
    for level in range(pool.temporal.shape[1]):
        for dimension in range(8):
            pool.temporal[0, level, dimension] = plain.temporal[0, level, dimension]
            pool.order[0, level, dimension] = plain.order[0, level, dimension]
            for axis in range(2):
                pool.spatial[0, level, axis, dimension] = plain.spatial[0, level, axis, dimension]
        for tensor in range(3):
            parameter = code.keep_parameters[level, tensor]
            pool.keep[0, level, tensor] = plain.keep[0, level, tensor]
            if parameter >= 0:
                pool.keep[0, level, tensor] = designs[row, parameter] == 0
        read_order(designs, row, code, pool, level)
    wrong = -1
    for number in range(code.factors.shape[0]):
        column = code.factor_columns[number]
        chosen = designs[row, column] if column >= 0 else 0
        if not place_factor(code, number, chosen, pool, coefficients, roomy, found) and wrong < 0:
            wrong = number
    return wrong


@jit
def evaluate_designs(
    start: int, stop: int, designs: Ints, code: Code, plain: MappingArrays, pool: MappingArrays, coefficients: Ints,
    machine: Machine, roomy: Machine, found: Analysis, totals: Floats, levels: Floats, status: Ints,
) -> None:  # fmt: skip
    """Evaluate designs ``start``..``stop``: ``totals`` (B, 6) as in `analysis`, ``status`` (B, 4) with the verdict, and
    ``levels`` (B, n, 2) with picojoules and words of each level are written."""
    count = levels.shape[1]
    for row in range(start, stop):
        wrong = decode(designs, row, code, plain, pool, coefficients, roomy, found)
        if evaluate_mapping(pool, 0, coefficients, machine, found) and wrong >= 0:
            found.status[0], found.status[1] = ABOVE_LIMIT, wrong
        for column in range(4):
            status[row, column] = found.status[column]
        for column in range(6):
            totals[row, column] = found.totals[column]
        for level in range(count):
            energy, words = 0.0, 0.0
            for tensor in range(3):
                energy += found.counts[level, PICOJOULES, tensor]
                words += found.counts[level, READS, tensor]
                words += found.counts[level, FILLS, tensor] + found.counts[level, UPDATES, tensor]
            levels[row, level, 0], levels[row, level, 1] = energy, words


@jit
def decode_rows(
    designs: Ints, code: Code, plain: MappingArrays, pool: MappingArrays, out: MappingArrays, coefficients: Ints,
    roomy: Machine, found: Analysis,
) -> None:  # fmt: skip
    """The mappings of designs, row by row, into ``out``."""
    for row in range(designs.shape[0]):
        decode(designs, row, code, plain, pool, coefficients, roomy, found)
        for level in range(out.temporal.shape[1]):
            for dimension in range(8):
                out.temporal[row, level, dimension] = pool.temporal[0, level, dimension]
                out.order[row, level, dimension] = pool.order[0, level, dimension]
                for axis in range(2):
                    out.spatial[row, level, axis, dimension] = pool.spatial[0, level, axis, dimension]
                    out.spatial_order[row, level, axis, dimension] = pool.spatial_order[0, level, axis, dimension]
            for tensor in range(3):
                out.keep[row, level, tensor] = pool.keep[0, level, tensor]
