"""How often the data of a tile change as the loops around it run: temporal reuse, halos and multicast.

Closed forms of what Timeloop finds by running every temporal loop for two iterations and comparing bounding boxes; the
tests hold the step-by-step form, which gives the same counts. A loop's *shift* is how far one step moves the input's box.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.jit import inner

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

R, S, P, Q, C, K, N, G = range(8)
WEIGHTS, INPUTS, OUTPUTS = range(3)
RELEVANT = np.array(
    [
        [True, True, False, False, True, True, False, True],
        [True, True, True, True, True, False, True, True],
        [False, False, True, True, False, True, True, True],
    ]
)
WIDTH, HEIGHT, OWN_AXIS, NO_AXIS = 0, 1, 2, 3
INPUT_AXIS = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT, OWN_AXIS, NO_AXIS, OWN_AXIS, OWN_AXIS])
# Columns of the list of temporal loops that run more than once, innermost first: the dimension, its bound, the shift of
# the input, and for each tensor the first loop from here outwards that moves its box.
DIMENSION, BOUND, SHIFT, NEXT = range(4)
# Rows of the scratch about receivers.
AT_WIDTH, AT_HEIGHT, AT_OWN, BOX, LINKED, SHARE, SIZES, HASH, ALONG_WIDTH, ALONG_HEIGHT = range(10)


@inner
def delivered_inputs(tile: int, width: int, height: int, loops: Ints, outer: Floats, inner: int, last: int) -> float:
    """Words of inputs that one receiver is sent over the whole run; its box of ``tile`` words is width x height x rest.

    Loops inside the first moving one, ``inner``, cost nothing. If that one slides the box along an axis, it brings only
    what the box did not hold; each further loop brings whole tiles, unless it moves along the same axis and its carry
    leaves the box where it was (no cost) or moves it by the same shift as before (new part only).
    """
    if inner == last:
        return float(tile)
    axis = INPUT_AXIS[loops[inner, DIMENSION]]
    if axis == OWN_AXIS:
        return float(tile * outer[inner])
    extent = width if axis == WIDTH else height
    shift = loops[inner, SHIFT]
    fresh = tile // extent * shift if shift < extent else tile
    words = tile + (loops[inner, BOUND] - 1) * outer[inner + 1] * fresh
    reach = shift
    number = inner + 1
    while number < last:
        other = INPUT_AXIS[loops[number, DIMENSION]]
        if other != axis and other != NO_AXIS:
            break
        moved = tile
        if other == axis:
            step = loops[number, SHIFT]
            if step == reach:
                moved = 0
            elif step - reach == shift:
                moved = fresh
            reach += step
        words += (loops[number, BOUND] - 1) * outer[number + 1] * moved
        number += 1
    return float(words + tile * (outer[number] - 1.0))


@inner
def add_flow(
    used: Ints, keys: Ints, flow: Floats, level: int, tensor: int, share: int, groups: int, words: float
) -> None:
    """Add ``words`` that ``groups`` boxes, each for ``share`` receivers, cost a level; keys stay in ascending order."""
    count = used[level, tensor]
    place = 0
    if count > 0 and keys[level, tensor, count - 1, 0] < share:
        place = count
    while place < count:
        if keys[level, tensor, place, 0] > share:
            break
        if keys[level, tensor, place, 0] == share and keys[level, tensor, place, 1] >= groups:
            break
        place += 1
    if place < count and keys[level, tensor, place, 0] == share and keys[level, tensor, place, 1] == groups:
        flow[level, tensor, place] += words
        return
    for later in range(count, place, -1):
        keys[level, tensor, later, 0] = keys[level, tensor, later - 1, 0]
        keys[level, tensor, later, 1] = keys[level, tensor, later - 1, 1]
        flow[level, tensor, later] = flow[level, tensor, later - 1]
    keys[level, tensor, place, 0] = share
    keys[level, tensor, place, 1] = groups
    flow[level, tensor, place] = words
    used[level, tensor] = count + 1


@inner
def axis_groups(count_a: int, step_a: int, count_b: int, step_b: int, groups: Ints, row: int) -> int:
    """Receivers at ``step_a * x + step_b * y``: number of groups by group size; returns the largest size.

    Equal places lie on chains (x + step_b/g, y - step_a/g), g the greatest common divisor. Counts of points
    with so many successors on their chain give the chains of each length as second differences.
    """
    divisor = math.gcd(step_a, step_b)
    step_x, step_y = step_b // divisor, step_a // divisor
    longest = 1 + min((count_a - 1) // step_x, (count_b - 1) // step_y)
    here = count_a * count_b
    after = max(0, count_a - step_x) * max(0, count_b - step_y)
    for size in range(1, longest + 1):
        beyond = max(0, count_a - (size + 1) * step_x) * max(0, count_b - (size + 1) * step_y)
        groups[row, size] = here - 2 * after + beyond
        here, after = after, beyond
    return longest


@inner
def spread_sliding(
    used: Ints, keys: Ints, flow: Floats, level: int, words: float, shared: int, distinct: int, factors: Ints, box: Ints,
    coefficients: Ints, receivers: Ints,
) -> None:  # fmt: skip
    """Charge ``words`` of inputs a receiver to a level whose receivers' boxes coincide along a window axis.

    That happens where R and P, or S and Q, run in space together. ``shared`` receivers have the same box for other
    reasons, ``distinct`` is the number of places; ``box[level, 0]`` holds a receiver's loop extents. Boxes that overlap
    only in part (halos) are not shared.
    """
    wide, high = factors[level, R] * factors[level, P], factors[level, S] * factors[level, Q]
    others = distinct // (wide * high)
    top_w, top_h = 1, 1
    receivers[ALONG_WIDTH, 1], receivers[ALONG_HEIGHT, 1] = wide, high
    if factors[level, R] > 1 and factors[level, P] > 1:
        step_r, step_p = coefficients[0] * box[level, 0, R], coefficients[1] * box[level, 0, P]
        top_w = axis_groups(factors[level, R], step_r, factors[level, P], step_p, receivers, ALONG_WIDTH)
    if factors[level, S] > 1 and factors[level, Q] > 1:
        step_s, step_q = coefficients[2] * box[level, 0, S], coefficients[3] * box[level, 0, Q]
        top_h = axis_groups(factors[level, S], step_s, factors[level, Q], step_q, receivers, ALONG_HEIGHT)
    for size in range(1, top_w * top_h + 1):
        groups = 0
        for size_w in range(1, min(size, top_w) + 1):
            if size % size_w == 0 and size // size_w <= top_h:
                groups += receivers[ALONG_WIDTH, size_w] * receivers[ALONG_HEIGHT, size // size_w]
        groups *= others
        if groups > 0:
            add_flow(used, keys, flow, level, INPUTS, shared * size, groups, words * groups)
