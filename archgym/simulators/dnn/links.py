"""Receivers that get a box from the neighbour that held it a step before, instead of from their parent.

Timeloop's rule, copied with its quirk: neighbours are looked up on the physical grid (as wide as the hardware), while
receivers are numbered densely in the used columns, so that a partly used row misplaces vertical neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archgym.simulators.dnn.reuse import (
    AT_HEIGHT,
    AT_OWN,
    AT_WIDTH,
    BOUND,
    BOX,
    DIMENSION,
    HASH,
    HEIGHT,
    INPUT_AXIS,
    INPUTS,
    LINKED,
    NEXT,
    OWN_AXIS,
    RELEVANT,
    SHIFT,
    WIDTH,
    Floats,
    Ints,
    P,
    Q,
    R,
    S,
    add_flow,
)
from archgym.simulators.jit import jit


class Grid(NamedTuple):
    """The receivers of one level for one tensor: physical columns and rows, how many are used, how many boxes differ,
    and how far apart boxes can lie along the input's width and height."""

    columns: int
    rows: int
    used: int
    boxes: int
    reach_w: int
    reach_h: int


@jit
def place_receivers(tensor: int, spatial: Ints, order: Ints, box: Ints, coefficients: Ints, receivers: Ints) -> int:
    """Write each receiver's place along the input's axes and the number of its box along axes of its own."""
    total = 1
    for axis in range(2):
        for dimension in range(8):
            total *= spatial[axis, dimension]
    steps = (coefficients[0], coefficients[2], coefficients[1], coefficients[3])
    for number in range(total):
        rest, radix = number, 1
        width, height, own = 0, 0, 0
        for axis in range(2):
            for place in range(8):
                dimension = order[axis, place]
                factor = spatial[axis, dimension]
                index, rest = rest % factor, rest // factor
                if factor == 1 or not RELEVANT[tensor, dimension]:
                    continue
                if tensor == INPUTS and INPUT_AXIS[dimension] != OWN_AXIS:
                    stride = box[dimension] if axis == 0 else box[dimension] * spatial[0, dimension]
                    moved = index * stride * steps[dimension]
                    if INPUT_AXIS[dimension] == WIDTH:
                        width += moved
                    else:
                        height += moved
                else:
                    own += index * radix
                    radix *= factor
        receivers[AT_WIDTH, number], receivers[AT_HEIGHT, number], receivers[AT_OWN, number] = width, height, own
    return total


@jit
def number_boxes(total: int, receivers: Ints) -> int:
    """Give receivers with the same box the same number (row BOX); returns how many boxes differ.

    Row HASH is an open-addressed table of the first receiver with each box, -1 where empty.
    """
    places = 2 * total
    for place in range(places):
        receivers[HASH, place] = -1
    boxes = 0
    for number in range(total):
        width, height, own = receivers[AT_WIDTH, number], receivers[AT_HEIGHT, number], receivers[AT_OWN, number]
        place = (width * 7919 + height * 104729 + own * 31) % places
        while True:
            other = receivers[HASH, place]
            if other < 0:
                receivers[HASH, place] = number
                receivers[BOX, number] = boxes
                boxes += 1
                break
            same = receivers[AT_WIDTH, other] == width and receivers[AT_HEIGHT, other] == height
            if same and receivers[AT_OWN, other] == own:
                receivers[BOX, number] = receivers[BOX, other]
                break
            place = place + 1 if place + 1 < places else 0
    return boxes


@jit
def is_linked(number: int, grid: Grid, shift_w: int, shift_h: int, receivers: Ints) -> bool:
    """Whether a west, east, north or south neighbour lies exactly one shift ahead of receiver ``number``."""
    x, y = number % grid.columns, number // grid.columns
    for side in range(4):
        if side == 0 and x > 0:
            other = number - 1
        elif side == 1 and x + 1 < grid.columns:
            other = number + 1
        elif side == 2 and y > 0:
            other = number - grid.columns
        elif side == 3 and y + 1 < grid.rows:
            other = number + grid.columns
        else:
            continue
        if (
            other < grid.used
            and receivers[AT_OWN, other] == receivers[AT_OWN, number]
            and receivers[AT_WIDTH, other] - receivers[AT_WIDTH, number] == shift_w
            and receivers[AT_HEIGHT, other] - receivers[AT_HEIGHT, number] == shift_h
        ):
            return True
    return False


@jit
def try_links(
    used: Ints, keys: Ints, flow: Floats, level: int, tensor: int, words: float, shift_w: int, shift_h: int, grid: Grid,
    receivers: Ints,
) -> tuple[float, float]:  # fmt: skip
    """Serve ``words`` a receiver with links where that lowers the parent's reads.

    Returns the words so served and the sum of words over all links.
    """
    linked = 0
    for number in range(grid.used):
        receivers[LINKED, number] = is_linked(number, grid, shift_w, shift_h, receivers)
        linked += receivers[LINKED, number]
    if linked == 0 or words == 0:
        return 0.0, 0.0
    share = np.zeros(grid.boxes, np.int64)
    for number in range(grid.used):
        if receivers[LINKED, number] == 0:
            share[receivers[BOX, number]] += 1
    left, largest = 0, 0
    for number in range(grid.boxes):
        left += 1 if share[number] > 0 else 0
        largest = max(largest, share[number])
    if left == grid.boxes:
        return 0.0, 0.0
    sizes = np.zeros(largest + 1, np.int64)
    for number in range(grid.boxes):
        sizes[share[number]] += 1
    for size in range(1, largest + 1):
        if sizes[size] > 0:
            add_flow(used, keys, flow, level, tensor, size, sizes[size], words * sizes[size])
    return words, words * linked


@jit
def receivers_reach(factors: Ints, box: Ints, coefficients: Ints) -> tuple[int, int]:
    """Largest distance between receivers' boxes along the input's width and height."""
    width = (factors[R] - 1) * coefficients[0] * box[R] + (factors[P] - 1) * coefficients[1] * box[P]
    height = (factors[S] - 1) * coefficients[2] * box[S] + (factors[Q] - 1) * coefficients[3] * box[Q]
    return width, height


@jit
def make_grid(
    tensor: int, spatial: Ints, order: Ints, factors: Ints, fanout: Ints, box: Ints, coefficients: Ints, receivers: Ints
) -> Grid:
    """Number the receivers and their boxes. ``fanout`` (2,) is the physical fan-out along x and y."""
    columns, rows = 1, 1
    for dimension in range(8):
        columns *= spatial[0, dimension]
        rows *= spatial[1, dimension]
    total = place_receivers(tensor, spatial, order, box, coefficients, receivers)
    reach_w, reach_h = receivers_reach(factors, box, coefficients)
    boxes = number_boxes(total, receivers)
    return Grid(max(fanout[0], columns), max(fanout[1], rows), total, boxes, reach_w, reach_h)


@jit
def carry_shift(loops: Ints, number: int, back_w: int, back_h: int) -> tuple[int, int]:
    """Shift of the input's box when loop ``number`` steps and all loops inside it start again."""
    axis = INPUT_AXIS[loops[number, DIMENSION]]
    width = loops[number, SHIFT] if axis == WIDTH else 0
    height = loops[number, SHIFT] if axis == HEIGHT else 0
    return width - back_w, height - back_h


@jit
def links_possible(factors: Ints, level: int, loops: Ints, start: int, last: int) -> bool:
    """Whether neighbours could hold each other's input boxes: the innermost loop must move them along a window axis.

    Other loops either leave the box (so that the step before brought nothing) or move it out of reach.
    """
    if start == last or INPUT_AXIS[loops[start, DIMENSION]] > HEIGHT:
        return False
    return bool(factors[level, R] * factors[level, S] * factors[level, P] * factors[level, Q] > 1)


@jit
def in_reach(
    factors: Ints, level: int, box: Ints, coefficients: Ints, loops: Ints, start: int, last: int, slides: bool
) -> bool:
    """Whether some shift of the input's box is as short as the way between two receivers' boxes.

    If the innermost loop ``slides`` the box over itself, it must be that loop's shift.
    """
    reach_w, reach_h = receivers_reach(factors[level], box[level, 0], coefficients)
    back_w, back_h = carry_shift(loops, start, 0, 0)
    if back_w <= reach_w and back_h <= reach_h:
        return True
    if slides:
        return False
    for number in range(start + 1, last):
        if INPUT_AXIS[loops[number, DIMENSION]] == OWN_AXIS:
            return False
        carry_w, carry_h = carry_shift(loops, number, back_w, back_h)
        back_w, back_h = carry_w + 2 * back_w, carry_h + 2 * back_h
        if abs(carry_w) <= reach_w and abs(carry_h) <= reach_h:
            return True
    return False


@jit
def whole_tile_links(
    used: Ints, keys: Ints, flow: Floats, level: int, tile: int, loops: Ints, outer: Floats, start: int, last: int,
    grid: Grid, receivers: Ints,
) -> tuple[float, float]:  # fmt: skip
    """Links for inputs whose innermost loop moves the box clear of itself, so that every step brings a whole tile."""
    served, linked, stalls = 0.0, 0.0, 0.0
    first_w, first_h = carry_shift(loops, start, 0, 0)
    back_w, back_h = first_w, first_h
    for number in range(start + 1, last):
        if INPUT_AXIS[loops[number, DIMENSION]] == OWN_AXIS:
            break
        weight = (loops[number, BOUND] - 1) * outer[number + 1]
        carry_w, carry_h = carry_shift(loops, number, back_w, back_h)
        back_w, back_h = carry_w + 2 * back_w, carry_h + 2 * back_h
        if carry_w == 0 and carry_h == 0:
            stalls += weight
        elif abs(carry_w) <= grid.reach_w and abs(carry_h) <= grid.reach_h:
            more = try_links(used, keys, flow, level, INPUTS, tile * weight, carry_w, carry_h, grid, receivers)
            served, linked = served + more[0], linked + more[1]
    if first_w <= grid.reach_w and first_h <= grid.reach_h:
        words = tile * (loops[start, BOUND] - 1) * (outer[start + 1] - stalls)
        more = try_links(used, keys, flow, level, INPUTS, words, first_w, first_h, grid, receivers)
        served, linked = served + more[0], linked + more[1]
    return served, linked


@jit
def new_part_links(
    used: Ints, keys: Ints, flow: Floats, level: int, fresh: int, loops: Ints, outer: Floats, start: int, last: int,
    grid: Grid, receivers: Ints,
) -> tuple[float, float]:  # fmt: skip
    """Links for inputs whose innermost loop slides the box over itself: only a new part that follows a new part of
    the same shift can have lain at a neighbour, so a further loop must carry by that same shift."""
    first_w, first_h = carry_shift(loops, start, 0, 0)
    if first_w > grid.reach_w or first_h > grid.reach_h:
        return 0.0, 0.0
    repeats = 0.0
    back_w, back_h = first_w, first_h
    for number in range(start + 1, last):
        if INPUT_AXIS[loops[number, DIMENSION]] == OWN_AXIS:
            break
        carry_w, carry_h = carry_shift(loops, number, back_w, back_h)
        back_w, back_h = carry_w + 2 * back_w, carry_h + 2 * back_h
        if carry_w == first_w and carry_h == first_h:
            repeats += (loops[number, BOUND] - 1) * outer[number + 1]
    words = fresh * loops[start, BOUND] * repeats
    return try_links(used, keys, flow, level, INPUTS, words, first_w, first_h, grid, receivers)


@jit
def operand_links(
    used: Ints, keys: Ints, flow: Floats, tensor: int, loops: Ints, outer: Floats, last: int, grid: Grid, receivers: Ints
) -> tuple[float, float]:
    """Links among arithmetic units: each cycle every unit needs one word of each tensor, held or not."""
    served, linked = 0.0, 0.0
    back_w, back_h = 0, 0
    until = last if tensor == INPUTS else (loops[0, NEXT + tensor] if last > 0 else 0)
    for number in range(until):
        carry_w, carry_h = 0, 0
        if tensor == INPUTS:
            if INPUT_AXIS[loops[number, DIMENSION]] == OWN_AXIS:
                break
            carry_w, carry_h = carry_shift(loops, number, back_w, back_h)
            back_w, back_h = carry_w + 2 * back_w, carry_h + 2 * back_h
        if abs(carry_w) <= grid.reach_w and abs(carry_h) <= grid.reach_h:
            weight = (loops[number, BOUND] - 1) * outer[number + 1]
            more = try_links(used, keys, flow, 0, tensor, weight, carry_w, carry_h, grid, receivers)
            served, linked = served + more[0], linked + more[1]
    return served, linked
