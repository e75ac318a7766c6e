"""Receivers that get a box from the neighbour that held it a step before, instead of from their parent.

Timeloop's rule, copied with its quirk: neighbours are looked up on the physical grid (as wide as the hardware), while
receivers are numbered densely in the used columns, so that a partly used row misplaces vertical neighbours.
"""

from __future__ import annotations

import numpy as np

from archgym.simulators.dnn.reuse import (
    INPUT_AXIS,
    INPUTS,
    RELEVANT,
    add_traffic,
    first_relevant,
    input_extents,
    input_shift,
)
from archgym.simulators.jit import jit


@jit
def place_children(tensor, spatial, order, extents, coefficients, children):
    """Write each receiver's place along the input's axes and the number of its box along axes of its own."""
    total = 1
    for axis in range(2):
        for dimension in range(8):
            total *= spatial[axis, dimension]
    for number in range(total):
        rest, radix = number, 1
        width, height, own = 0, 0, 0
        for axis in range(2):
            for place in range(8):
                dimension = order[axis, place]
                factor = spatial[axis, dimension]
                if factor == 1:
                    continue
                index, rest = rest % factor, rest // factor
                if not RELEVANT[tensor, dimension]:
                    continue
                if tensor == INPUTS and INPUT_AXIS[dimension] < 2:
                    stride = extents[dimension] if axis == 0 else extents[dimension] * spatial[0, dimension]
                    moved = index * input_shift(dimension, stride, coefficients)
                    if INPUT_AXIS[dimension] == 0:
                        width += moved
                    else:
                        height += moved
                else:
                    own += index * radix
                    radix *= factor
        children.width[number], children.height[number], children.own[number] = width, height, own
    return total


@jit
def number_groups(total, children):
    """Give receivers with the same box the same number (``children.size``); returns how many boxes differ."""
    key = np.empty(total, np.int64)
    span_w, span_h = 1, 1
    for number in range(total):
        span_w = max(span_w, children.width[number] + 1)
        span_h = max(span_h, children.height[number] + 1)
    for number in range(total):
        key[number] = (children.own[number] * span_w + children.width[number]) * span_h + children.height[number]
    ranked = np.argsort(key, kind="mergesort")
    groups = 0
    for place in range(total):
        if place and key[ranked[place]] != key[ranked[place - 1]]:
            groups += 1
        children.size[ranked[place]] = groups
    return groups + 1


@jit
def is_linked(number, total, grid_x, grid_y, shift_w, shift_h, children):
    """Whether a north, south, west or east neighbour lies exactly one shift ahead of receiver ``number``."""
    x, y = number % grid_x, number // grid_x
    for side in range(4):
        if side == 0 and x > 0:
            other = number - 1
        elif side == 1 and x + 1 < grid_x:
            other = number + 1
        elif side == 2 and y > 0:
            other = number - grid_x
        elif side == 3 and y + 1 < grid_y:
            other = number + grid_x
        else:
            continue
        if (
            other < total
            and children.own[other] == children.own[number]
            and children.width[other] - children.width[number] == shift_w
            and children.height[other] - children.height[number] == shift_h
        ):
            return True
    return False


@jit
def try_links(traffic, level, tensor, words, shift_w, shift_h, grid, total, groups, children):
    """Serve ``words`` a receiver with links where that lowers the parent's reads; returns the words so served.

    ``grid`` (2,) is the physical grid; ``groups`` the number of distinct boxes among ``total`` receivers.
    """
    linked = 0
    for number in range(total):
        children.linked[number] = is_linked(number, total, grid[0], grid[1], shift_w, shift_h, children)
        linked += children.linked[number]
    if linked == 0 or words == 0:
        return 0.0
    share = np.zeros(groups, np.int64)
    for number in range(total):
        if not children.linked[number]:
            share[children.size[number]] += 1
    left, largest = 0, 0
    for group in range(groups):
        left += share[group] > 0
        largest = max(largest, share[group])
    if left == groups:
        return 0.0
    sizes = np.zeros(largest + 1, np.int64)
    for group in range(groups):
        sizes[share[group]] += 1
    for size in range(1, largest + 1):
        if sizes[size] > 0:
            add_traffic(traffic, level, tensor, size, sizes[size], words * sizes[size])
    traffic.link[level, tensor] += words * linked
    return words


@jit
def reach_of_children(spatial, extents, coefficients):
    """Largest distance between receivers' boxes along the input's width and height."""
    reach_w, reach_h = 0, 0
    for dimension in range(4):
        factor = spatial[0, dimension] * spatial[1, dimension]
        far = (factor - 1) * input_shift(dimension, extents[dimension], coefficients)
        if INPUT_AXIS[dimension] == 0:
            reach_w += far
        else:
            reach_h += far
    return reach_w, reach_h


@jit
def input_links(traffic, level, tile, spatial, order, extents, coefficients, loops, grid, children):
    """Words a receiver of inputs that links serve; a box can only pass on when the innermost loop moves it sideways."""
    last, start = loops.first[-1], loops.first[level]
    if start == last or INPUT_AXIS[loops.dimension[start]] not in (0, 1):
        return 0.0
    reach_w, reach_h = reach_of_children(spatial, extents, coefficients)
    if reach_w == 0 and reach_h == 0:
        return 0.0
    axis = INPUT_AXIS[loops.dimension[start]]
    shift = input_shift(loops.dimension[start], loops.stride[start], coefficients)
    width, height = input_extents(extents, coefficients)
    extent = width if axis == 0 else height
    groups, total = 0, 0
    inner_w, inner_h = (shift, 0) if axis == 0 else (0, shift)
    first_reachable = inner_w <= reach_w and inner_h <= reach_h
    if shift < extent and not first_reachable:
        return 0.0
    served, stalls, repeats = 0.0, 0.0, 0.0
    back_w, back_h = inner_w, inner_h
    own_moved = False
    for number in range(start + 1, last):
        weight = (loops.bound[number] - 1) * loops.outer[number + 1]
        other = INPUT_AXIS[loops.dimension[number]]
        own_moved = own_moved or other == 2
        if own_moved:
            break
        step_w, step_h = 0, 0
        if other >= 0:
            step = input_shift(loops.dimension[number], loops.stride[number], coefficients)
            step_w, step_h = (step, 0) if other == 0 else (0, step)
        carry_w, carry_h = step_w - back_w, step_h - back_h
        back_w += step_w
        back_h += step_h
        if carry_w == 0 and carry_h == 0:
            stalls += weight
        elif carry_w == inner_w and carry_h == inner_h:
            repeats += weight
        if shift >= extent and (carry_w != 0 or carry_h != 0) and abs(carry_w) <= reach_w and abs(carry_h) <= reach_h:
            if total == 0:
                total = place_children(INPUTS, spatial, order, extents, coefficients, children)
                groups = number_groups(total, children)
            served += try_links(
                traffic, level, INPUTS, tile * weight, carry_w, carry_h, grid, total, groups, children
            )
    if not first_reachable:
        return served
    if shift < extent:  # only new parts of the same width can pass on, one right after the other
        words = tile // extent * shift * loops.bound[start] * repeats
    else:
        words = tile * (loops.bound[start] - 1) * (loops.outer[start + 1] - stalls)
    if words > 0 and total == 0:
        total = place_children(INPUTS, spatial, order, extents, coefficients, children)
        groups = number_groups(total, children)
    if words > 0:
        served += try_links(traffic, level, INPUTS, words, inner_w, inner_h, grid, total, groups, children)
    return served


@jit
def operand_links(traffic, tensor, spatial, order, extents, coefficients, loops, grid, children):
    """Words an arithmetic unit that its neighbours serve: each cycle every unit needs one word of each tensor."""
    last = loops.first[-1]
    total = place_children(tensor, spatial, order, extents, coefficients, children)
    groups = number_groups(total, children)
    reach_w, reach_h = reach_of_children(spatial, extents, coefficients)
    served = 0.0
    back_w, back_h = 0, 0
    until = last if tensor == INPUTS else first_relevant(tensor, loops, 0)
    for number in range(until):
        step_w, step_h = 0, 0
        if tensor == INPUTS:
            other = INPUT_AXIS[loops.dimension[number]]
            if other == 2:
                break
            if other >= 0:
                step = input_shift(loops.dimension[number], loops.stride[number], coefficients)
                step_w, step_h = (step, 0) if other == 0 else (0, step)
        carry_w, carry_h = step_w - back_w, step_h - back_h
        back_w += step_w
        back_h += step_h
        if abs(carry_w) <= reach_w and abs(carry_h) <= reach_h:
            weight = (loops.bound[number] - 1) * loops.outer[number + 1]
            served += try_links(traffic, 0, tensor, weight, carry_w, carry_h, grid, total, groups, children)
    return served
