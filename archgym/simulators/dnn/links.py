"""Receivers that get a box from the neighbour that held it a step before, instead of from their parent.

Timeloop's rule, copied with its quirk: neighbours are looked up on the physical grid (as wide as the hardware), while
receivers are numbered densely in the used columns, so that a partly used row misplaces vertical neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

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
    SHARE,
    SHIFT,
    SIZES,
    WIDTH,
    Floats,
    Ints,
    P,
    Q,
    R,
    S,
    add_flow,
)
from archgym.simulators.jit import inner


class Grid(NamedTuple):
    """The receivers of one level: physical columns, how many are used, and how far apart boxes can lie along the
    input's width and height."""

    columns: int
    used: int
    reach_w: int
    reach_h: int


@inner
def place_receivers(tensor: int, spatial: Ints, order: Ints, box: Ints, coefficients: Ints, receivers: Ints) -> int:
    """Write each receiver's place along the input's axes and the number of its box along axes of its own.

    Receivers are numbered as their loops count, innermost loop fastest, x inside y; returns how many there are.
    """
    steps = (coefficients[0], coefficients[2], coefficients[1], coefficients[3])
    total, boxes = 1, 1
    receivers[AT_WIDTH, 0], receivers[AT_HEIGHT, 0], receivers[AT_OWN, 0] = 0, 0, 0
    for axis in range(2):
        for place in range(8):
            dimension = order[axis, place]
            factor = spatial[axis, dimension]
            if factor == 1:
                continue
            width, height, own = 0, 0, 0
            if tensor == INPUTS and INPUT_AXIS[dimension] < OWN_AXIS:
                stride = box[dimension] if axis == 0 else box[dimension] * spatial[0, dimension]
                if INPUT_AXIS[dimension] == WIDTH:
                    width = stride * steps[dimension]
                else:
                    height = stride * steps[dimension]
            elif RELEVANT[tensor, dimension]:
                own = boxes
                boxes *= factor
            for number in range(total, total * factor):  # each further iteration repeats the ones before, displaced
                receivers[AT_WIDTH, number] = receivers[AT_WIDTH, number - total] + width
                receivers[AT_HEIGHT, number] = receivers[AT_HEIGHT, number - total] + height
                receivers[AT_OWN, number] = receivers[AT_OWN, number - total] + own
            total *= factor
    return total


@inner
def number_boxes(total: int, receivers: Ints) -> int:
    """Give receivers with the same box the same number (row BOX); returns how many boxes differ.

    Row HASH is an open-addressed table of the first receiver with each box, -1 where empty.
    """
    places = 2
    while places < 2 * total:
        places *= 2
    for place in range(places):
        receivers[HASH, place] = -1
    boxes = 0
    for number in range(total):
        width, height, own = receivers[AT_WIDTH, number], receivers[AT_HEIGHT, number], receivers[AT_OWN, number]
        place = (width * 7919 + height * 104729 + own * 1299709) & (places - 1)
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
            place = (place + 1) & (places - 1)
    return boxes


@inner
def mark_pair(one: int, other: int, shift_w: int, shift_h: int, receivers: Ints) -> None:
    """Link whichever of two neighbours needs what the other, one shift ahead, held before."""
    if receivers[AT_OWN, one] != receivers[AT_OWN, other]:
        return
    ahead_w = receivers[AT_WIDTH, other] - receivers[AT_WIDTH, one]
    ahead_h = receivers[AT_HEIGHT, other] - receivers[AT_HEIGHT, one]
    if ahead_w == shift_w and ahead_h == shift_h:
        receivers[LINKED, one] = 1
    if ahead_w == -shift_w and ahead_h == -shift_h:
        receivers[LINKED, other] = 1


@inner
def mark_links(grid: Grid, shift_w: int, shift_h: int, receivers: Ints) -> int:
    """Mark the receivers of which a west, east, north or south neighbour lies one shift ahead; returns how many."""
    for number in range(grid.used):
        receivers[LINKED, number] = 0
    column = 0
    for number in range(1, grid.used):
        column += 1
        if column == grid.columns:
            column = 0
        else:
            mark_pair(number - 1, number, shift_w, shift_h, receivers)
    for number in range(grid.columns, grid.used):
        mark_pair(number - grid.columns, number, shift_w, shift_h, receivers)
    linked = 0
    for number in range(grid.used):
        linked += receivers[LINKED, number]
    return linked


@inner
def try_links(
    used: Ints, keys: Ints, flow: Floats, level: int, tensor: int, words: float, shift_w: int, shift_h: int, grid: Grid,
    receivers: Ints,
) -> tuple[float, float]:  # fmt: skip
    """Serve ``words`` a receiver with links where that lowers the parent's reads.

    Returns the words so served and the sum of words over all links.
    """
    linked = mark_links(grid, shift_w, shift_h, receivers)
    if linked == 0 or words == 0:
        return 0.0, 0.0
    boxes = number_boxes(grid.used, receivers)
    for number in range(boxes):
        receivers[SHARE, number] = 0
    for number in range(grid.used):
        receivers[SHARE, receivers[BOX, number]] += 1 - receivers[LINKED, number]
    left, largest = 0, 0
    for number in range(boxes):
        left += 1 if receivers[SHARE, number] > 0 else 0
        largest = max(largest, receivers[SHARE, number])
    if left == boxes:
        return 0.0, 0.0
    for size in range(largest + 1):
        receivers[SIZES, size] = 0
    for number in range(boxes):
        receivers[SIZES, receivers[SHARE, number]] += 1
    for size in range(1, largest + 1):
        if receivers[SIZES, size] > 0:
            add_flow(used, keys, flow, level, tensor, size, receivers[SIZES, size], words * receivers[SIZES, size])
    return words, words * linked


@inner
def receivers_reach(factors: Ints, box: Ints, coefficients: Ints) -> tuple[int, int]:
    """Largest distance between receivers' boxes along the input's width and height."""
    width = (factors[R] - 1) * coefficients[0] * box[R] + (factors[P] - 1) * coefficients[1] * box[P]
    height = (factors[S] - 1) * coefficients[2] * box[S] + (factors[Q] - 1) * coefficients[3] * box[Q]
    return width, height


@inner
def make_grid(
    tensor: int, spatial: Ints, order: Ints, factors: Ints, fanout: int, box: Ints, coefficients: Ints, receivers: Ints
) -> Grid:
    """Place the receivers. ``fanout`` is the physical fan-out along x."""
    columns = 1
    for dimension in range(8):
        columns *= spatial[0, dimension]
    total = place_receivers(tensor, spatial, order, box, coefficients, receivers)
    reach_w, reach_h = receivers_reach(factors, box, coefficients)
    return Grid(max(fanout, columns), total, reach_w, reach_h)


@inner
def carry_shift(loops: Ints, number: int, back_w: int, back_h: int) -> tuple[int, int]:
    """Shift of the input's box when loop ``number`` steps and all loops inside it start again."""
    axis = INPUT_AXIS[loops[number, DIMENSION]]
    width = loops[number, SHIFT] if axis == WIDTH else 0
    height = loops[number, SHIFT] if axis == HEIGHT else 0
    return width - back_w, height - back_h


@inner
def slides(box: Ints, level: int, coefficients: Ints, loops: Ints, start: int) -> bool:
    """Whether loop ``start`` moves a receiver's input box, ``box[level, 0]``, by less than the box is long."""
    shift = loops[start, SHIFT]
    if INPUT_AXIS[loops[start, DIMENSION]] == WIDTH:
        return bool(shift <= (box[level, 0, R] - 1) * coefficients[0] + (box[level, 0, P] - 1) * coefficients[1])
    return bool(shift <= (box[level, 0, S] - 1) * coefficients[2] + (box[level, 0, Q] - 1) * coefficients[3])


@inner
def links_possible(
    factors: Ints, level: int, box: Ints, coefficients: Ints, loops: Ints, start: int, last: int
) -> bool:
    """Whether some shift of the input's box is as short as the way between two receivers' boxes.

    The innermost loop must move the box along a window axis: others either leave it (so that the step before brought
    nothing) or move it out of reach. If it slides the box over itself, its own shift must be in reach.
    """
    if start == last or INPUT_AXIS[loops[start, DIMENSION]] > HEIGHT:
        return False
    if factors[level, R] * factors[level, S] * factors[level, P] * factors[level, Q] == 1:
        return False
    reach_w, reach_h = receivers_reach(factors[level], box[level, 0], coefficients)
    back_w, back_h = carry_shift(loops, start, 0, 0)
    if back_w <= reach_w and back_h <= reach_h:
        return True
    if slides(box, level, coefficients, loops, start):
        return False
    for number in range(start + 1, last):
        if INPUT_AXIS[loops[number, DIMENSION]] == OWN_AXIS:
            return False
        carry_w, carry_h = carry_shift(loops, number, back_w, back_h)
        back_w, back_h = carry_w + 2 * back_w, carry_h + 2 * back_h
        if abs(carry_w) <= reach_w and abs(carry_h) <= reach_h:
            return True
    return False


@inner
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


@inner
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


@inner
def operand_links(
    used: Ints,
    keys: Ints,
    flow: Floats,
    tensor: int,
    loops: Ints,
    outer: Floats,
    last: int,
    grid: Grid,
    receivers: Ints,
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
