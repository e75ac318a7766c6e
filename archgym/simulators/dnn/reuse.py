"""How often the data of a tile change as the loops around it run: temporal reuse, halos, multicast, neighbour links.

Closed forms of what Timeloop finds by running every temporal loop for two iterations and comparing bounding boxes; the
tests hold the step-by-step form, which gives the same counts. A loop's *shift* is how far one step moves a tensor's box.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.jit import jit

R, S, P, Q, C, K, N, G = range(8)
WEIGHTS, INPUTS, OUTPUTS = range(3)
RELEVANT = np.array(
    [
        [True, True, False, False, True, True, False, True],
        [True, True, True, True, True, False, True, True],
        [False, False, True, True, False, True, True, True],
    ]
)
# Axis of the input that a dimension moves along: 0 width, 1 height, 2 an axis of its own, -1 none.
INPUT_AXIS = np.array([0, 1, 0, 1, 2, -1, 2, 2])


class Loops(NamedTuple):
    """The temporal loops of a mapping that run more than once, innermost first, and products over them."""

    dimension: NDArray[np.int64]
    bound: NDArray[np.int64]
    stride: NDArray[np.int64]  # of one iteration, in the loop's dimension
    outer: NDArray[np.float64]  # product of the bounds from here outwards; one longer than the others
    first: NDArray[np.int64]  # first loop of each level, and the number of loops


class Traffic(NamedTuple):
    """Transfers from a level to the level inwards, by (multicast factor, receivers' groups) and number of words."""

    count: NDArray[np.int64]  # (levels, 3): entries in use
    multicast: NDArray[np.int64]  # (levels, 3, entries)
    groups: NDArray[np.int64]
    words: NDArray[np.float64]
    link: NDArray[np.float64]  # (levels, 3): words that came from a neighbour instead


class Children(NamedTuple):
    """Scratch: where the boxes of the receivers lie, and how boxes group."""

    width: NDArray[np.int64]
    height: NDArray[np.int64]
    own: NDArray[np.int64]  # number of the box along axes of its own
    linked: NDArray[np.bool_]
    size: NDArray[np.int64]  # of the group a receiver leads; 0 if it follows another
    histogram: NDArray[np.int64]  # groups by size
    column: NDArray[np.int64]  # the same along one axis of the input


@jit
def input_extent(extent, dilation, stride, window, output):
    """Cells along an input axis that ``window`` filter cells and ``output`` output cells touch, first to last."""
    return 1 + (window - 1) * dilation + (output - 1) * stride


@jit
def tile_words(extents, coefficients, words):
    """Words of each tensor's bounding box over ``extents`` (8,); written to ``words`` (3,)."""
    width = 1 + (extents[R] - 1) * coefficients[0] + (extents[P] - 1) * coefficients[1]
    height = 1 + (extents[S] - 1) * coefficients[2] + (extents[Q] - 1) * coefficients[3]
    words[WEIGHTS] = extents[R] * extents[S] * extents[C] * extents[K] * extents[G]
    words[INPUTS] = width * height * extents[C] * extents[N] * extents[G]
    words[OUTPUTS] = extents[P] * extents[Q] * extents[K] * extents[N] * extents[G]


@jit
def input_shift(dimension, stride, coefficients):
    """How far an iteration of a window or output loop moves the input's box."""
    if dimension == R:
        return coefficients[0] * stride
    if dimension == P:
        return coefficients[1] * stride
    if dimension == S:
        return coefficients[2] * stride
    return coefficients[3] * stride


@jit
def first_relevant(tensor, loops, start):
    """The innermost loop from ``start`` outwards that changes the tensor's box."""
    last = loops.first[-1]
    number = start
    while number < last and not RELEVANT[tensor, loops.dimension[number]]:
        number += 1
    return number


@jit
def input_extents(extents, coefficients):
    """Width and height of the input's bounding box."""
    width = 1 + (extents[R] - 1) * coefficients[0] + (extents[P] - 1) * coefficients[1]
    height = 1 + (extents[S] - 1) * coefficients[2] + (extents[Q] - 1) * coefficients[3]
    return width, height


@jit
def delivered_words(tensor, tile, extents, loops, start, coefficients):
    """Words one receiver is sent over the whole run, when it keeps ``tile`` words between steps.

    Loops inside the first relevant one cost nothing. Along an input axis the innermost moving loop brings only what
    the box did not hold; each further loop brings whole tiles again, unless its carry leaves the box where it was
    (no cost) or moves it by the same shift as before (new part only).
    """
    last = loops.first[-1]
    inner = first_relevant(tensor, loops, start)
    if tensor != INPUTS or inner == last:
        return tile * loops.outer[inner]
    axis = INPUT_AXIS[loops.dimension[inner]]
    if axis == 2:
        return tile * loops.outer[inner]
    shift = input_shift(loops.dimension[inner], loops.stride[inner], coefficients)
    width, height = input_extents(extents, coefficients)
    extent = height if axis == 1 else width
    fresh = tile // extent * min(shift, extent)
    words = tile + (loops.bound[inner] - 1) * loops.outer[inner + 1] * fresh
    reach = shift
    number = inner + 1
    while number < last:
        other = INPUT_AXIS[loops.dimension[number]]
        if other != axis and other >= 0:
            break
        moved = tile
        if other == axis:
            step = input_shift(loops.dimension[number], loops.stride[number], coefficients)
            if step == reach:
                moved = 0
            elif step - reach == shift:
                moved = fresh
            reach += step
        words += (loops.bound[number] - 1) * loops.outer[number + 1] * moved
        number += 1
    return words + tile * (loops.outer[number] - 1.0)


@jit
def add_traffic(traffic, level, tensor, multicast, groups, words):
    """Add ``words`` under the key (multicast, groups), keys kept in ascending order."""
    used = traffic.count[level, tensor]
    place = 0
    while place < used:
        key = traffic.multicast[level, tensor, place]
        if key > multicast or (key == multicast and traffic.groups[level, tensor, place] >= groups):
            break
        place += 1
    same = (
        place < used
        and traffic.multicast[level, tensor, place] == multicast
        and traffic.groups[level, tensor, place] == groups
    )
    if same:
        traffic.words[level, tensor, place] += words
        return
    for later in range(used, place, -1):
        traffic.multicast[level, tensor, later] = traffic.multicast[level, tensor, later - 1]
        traffic.groups[level, tensor, later] = traffic.groups[level, tensor, later - 1]
        traffic.words[level, tensor, later] = traffic.words[level, tensor, later - 1]
    traffic.multicast[level, tensor, place] = multicast
    traffic.groups[level, tensor, place] = groups
    traffic.words[level, tensor, place] = words
    traffic.count[level, tensor] = used + 1


@jit
def axis_groups(count_a, step_a, count_b, step_b, histogram):
    """Receivers at ``step_a * x + step_b * y``: number of groups by group size; returns the largest size.

    Equal positions lie on chains (x + step_b/g, y - step_a/g), g the greatest common divisor.
    """
    largest = min(count_a, count_b)
    for size in range(largest + 1):
        histogram[size] = 0
    divisor = math.gcd(step_a, step_b)
    step_x, step_y = step_b // divisor, step_a // divisor
    if count_a <= step_x or count_b <= step_y:
        histogram[1] = count_a * count_b
        return 1
    longest = 1
    for x in range(count_a):
        for y in range(count_b):
            if x < step_x or y + step_y >= count_b:  # nothing before it on its chain
                size = 1 + min((count_a - 1 - x) // step_x, y // step_y)
                histogram[size] += 1
                longest = max(longest, size)
    return longest


@jit
def multicast_groups(tensor, factors, extents, coefficients, children):
    """Distinct boxes among the receivers by how many share one (``children.histogram``); returns the largest share.

    ``factors`` (8,) is the fan-out in each dimension, ``extents`` (8,) the receiver's own loops. Boxes that overlap
    only in part are not shared.
    """
    shared, distinct = 1, 1
    for dimension in range(8):
        if not RELEVANT[tensor, dimension]:
            shared *= factors[dimension]
        elif tensor != INPUTS or INPUT_AXIS[dimension] == 2:
            distinct *= factors[dimension]
    histogram = children.histogram
    if tensor != INPUTS:
        histogram[shared] = distinct
        return shared
    both_w, both_h = factors[R] > 1 and factors[P] > 1, factors[S] > 1 and factors[Q] > 1
    if not both_w and not both_h:
        histogram[shared] = distinct * factors[R] * factors[P] * factors[S] * factors[Q]
        return shared
    steps = (
        coefficients[0] * extents[R], coefficients[1] * extents[P], coefficients[2] * extents[S], coefficients[3] * extents[Q],
    )  # fmt: skip
    top_w = axis_groups(factors[R], steps[0], factors[P], steps[1], children.column)
    half = len(children.column) // 2
    top_h = axis_groups(factors[S], steps[2], factors[Q], steps[3], children.column[half:])
    for size_w in range(1, top_w + 1):
        for size_h in range(1, top_h + 1):
            groups = children.column[size_w] * children.column[half + size_h]
            histogram[shared * size_w * size_h] += distinct * groups
    return shared * top_w * top_h


@jit
def spread_traffic(traffic, level, tensor, words, largest, histogram):
    """Charge ``words`` to every group in ``histogram`` and clear it."""
    for size in range(1, largest + 1):
        if histogram[size] > 0:
            if words > 0:
                add_traffic(traffic, level, tensor, size, histogram[size], words * histogram[size])
            histogram[size] = 0
