"""Whether arrays of factors and orders are mappings of a layer at all."""

from __future__ import annotations

from archgym.simulators.dnn.mapping import MappingArrays
from archgym.simulators.dnn.reuse import Ints
from archgym.simulators.jit import inner, jit


@inner
def is_order(order: Ints, row: int, level: int) -> bool:
    """Whether ``order[row, level]`` holds each of 0..7 once."""
    seen = 0
    for place in range(8):
        if order[row, level, place] < 0 or order[row, level, place] > 7:
            return False
        seen |= 1 << order[row, level, place]
    return seen == 255


@inner
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
def first_wrong(mappings: MappingArrays, bounds: Ints, start: int, stop: int) -> tuple[int, int, int]:
    """The first of rows ``start``..``stop`` that is no mapping of a layer with these bounds: (row, fault, number).

    Faults: 0 an order, 1 factors of a dimension, 2 a tensor that no level keeps; row -1 if all are mappings.
    """
    levels = mappings.temporal.shape[1]
    for row in range(start, stop):
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
