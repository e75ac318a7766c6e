"""Words that levels send inwards, by how many receivers share them, and bypassing of levels that keep no tile."""

from __future__ import annotations

from archgym.simulators.dnn import links
from archgym.simulators.dnn.analysis import (
    CONTENT,
    FANOUT,
    FANOUT_X,
    FIRST,
    LINK,
    RECEIVER,
    SENT,
    TILE,
    Analysis,
    input_sides,
)
from archgym.simulators.dnn.architecture import Machine
from archgym.simulators.dnn.mapping import MappingArrays
from archgym.simulators.dnn.reuse import (
    DIMENSION,
    INPUT_AXIS,
    INPUTS,
    NEXT,
    SHIFT,
    WEIGHTS,
    WIDTH,
    C,
    Ints,
    K,
    N,
    P,
    Q,
    R,
    S,
    add_flow,
    delivered_inputs,
    spread_sliding,
)
from archgym.simulators.jit import inner


@inner
def sharers(factors: Ints, level: int, tensor: int) -> int:
    """How many receivers of a level need the same box because they differ only in loops that do not concern it."""
    if tensor == WEIGHTS:
        return int(factors[level, P] * factors[level, Q] * factors[level, N])
    if tensor == INPUTS:
        return int(factors[level, K])
    return int(factors[level, R] * factors[level, S] * factors[level, C])


@inner
def coincide(factors: Ints, level: int) -> bool:
    """Whether a window loop and an output loop along the same axis of the input both run in space."""
    wide = factors[level, R] > 1 and factors[level, P] > 1
    return bool(wide or (factors[level, S] > 1 and factors[level, Q] > 1))


@inner
def linked_words(
    mappings: MappingArrays, row: int, level: int, tensor: int, tile: int, coefficients: Ints, machine: Machine,
    found: Analysis,
) -> float:  # fmt: skip
    """Serve receivers by their neighbours where that saves reads; returns the words a receiver gets so."""
    loops, outer, last = found.loops, found.outer, found.nest[found.box.shape[0], FIRST]
    start = found.nest[level, FIRST]
    factors, box = found.factors[level], found.box[level, RECEIVER]
    grid = links.make_grid(
        tensor, mappings.spatial[row, level], mappings.spatial_order[row, level], factors,
        machine.whole[level, FANOUT_X], box, coefficients, found.receivers,
    )  # fmt: skip
    used, keys, flow, receivers = found.used, found.keys, found.flow, found.receivers
    if level == 0:
        served, linked = links.operand_links(used, keys, flow, tensor, loops, outer, last, grid, receivers)
    elif links.slides(found.box, level, coefficients, loops, start):
        width, height = input_sides(found.box, level, RECEIVER, coefficients)
        extent = width if INPUT_AXIS[loops[start, DIMENSION]] == WIDTH else height
        fresh = tile // extent * loops[start, SHIFT]
        served, linked = links.new_part_links(
            used, keys, flow, level, fresh, loops, outer, start, last, grid, receivers
        )
    else:
        served, linked = links.whole_tile_links(
            used, keys, flow, level, tile, loops, outer, start, last, grid, receivers
        )
    found.counts[level, LINK, tensor] = linked
    return served


@inner
def count_transfers(mappings: MappingArrays, row: int, coefficients: Ints, machine: Machine, found: Analysis) -> None:
    """Words sent out of every level to the one inwards, before bypassing."""
    levels = found.box.shape[0]
    loops, outer, last = found.loops, found.outer, found.nest[levels, FIRST]
    used, keys, flow = found.used, found.keys, found.flow
    for level in range(levels):
        start, fanout = found.nest[level, FIRST], found.nest[level, FANOUT]
        for tensor in range(3):
            used[level, tensor] = 0
            found.counts[level, LINK, tensor] = 0.0
            tile = 1 if level == 0 else found.words[level - 1, TILE, tensor]
            inner = loops[start, NEXT + tensor]
            if level == 0:
                words = outer[0]
            elif tensor == INPUTS:
                width, height = input_sides(found.box, level, RECEIVER, coefficients)
                words = delivered_inputs(tile, width, height, loops, outer, inner, last)
            else:
                words = tile * outer[inner]
            if fanout == 1:
                keys[level, tensor, 0, 0], keys[level, tensor, 0, 1] = 1, 1
                flow[level, tensor, 0] = words
                used[level, tensor] = 1
                continue
            linking = level == 0
            if level > 0 and tensor == INPUTS:
                linking = links.links_possible(found.factors, level, found.box, coefficients, loops, start, last)
            if linking:
                words -= linked_words(mappings, row, level, tensor, tile, coefficients, machine, found)
            shared = sharers(found.factors, level, tensor)
            distinct = fanout // shared
            if tensor == INPUTS and coincide(found.factors, level):
                if words > 0:
                    spread_sliding(
                        used, keys, flow, level, words, shared, distinct, found.factors, found.box, coefficients,
                        found.receivers,
                    )  # fmt: skip
            elif used[level, tensor] == 0:
                keys[level, tensor, 0, 0], keys[level, tensor, 0, 1] = shared, distinct
                flow[level, tensor, 0] = words * distinct
                used[level, tensor] = 1
            elif words > 0:
                add_flow(used, keys, flow, level, tensor, shared, distinct, words * distinct)


@inner
def flow_words(found: Analysis, level: int, tensor: int, copies: bool) -> float:
    """Words a level sends inwards, each counted once, or (``copies``) once for each receiver."""
    total = 0.0
    for entry in range(found.used[level, tensor]):
        words = found.flow[level, tensor, entry]
        total += words * found.keys[level, tensor, entry, 0] if copies else words
    return total


@inner
def sent_words(found: Analysis, level: int, tensor: int) -> float:
    """Words that each receiver of a level is sent, on average."""
    total = 0.0
    fanout = found.nest[level, FANOUT]
    for entry in range(found.used[level, tensor]):
        total += found.flow[level, tensor, entry] * found.keys[level, tensor, entry, 0] / fanout
    return total


@inner
def bypass(mappings: MappingArrays, row: int, found: Analysis) -> None:
    """Let the receivers of a level that keeps no tile of a tensor be served from further out."""
    levels = found.box.shape[0]
    keep, count = mappings.keep, found.counts
    for tensor in range(3):
        for level in range(levels):
            count[level, CONTENT, tensor] = flow_words(found, level, tensor, False)
            count[level, SENT, tensor] = 0.0
            if level + 1 < levels and keep[row, level, tensor]:
                count[level, SENT, tensor] = sent_words(found, level + 1, tensor)
        for level in range(levels - 1):
            if keep[row, level, tensor]:
                continue
            asked = count[level, CONTENT, tensor] * found.nest[level + 1, FANOUT]
            scale = asked / flow_words(found, level + 1, tensor, True)
            for entry in range(found.used[level + 1, tensor]):
                found.flow[level + 1, tensor, entry] *= scale
            count[level + 1, LINK, tensor] = 0.0
            count[level + 1, CONTENT, tensor] = flow_words(found, level + 1, tensor, False)
        outermost = levels - 1
        while not keep[row, outermost, tensor]:
            count[outermost, LINK, tensor] = 0.0
            outermost -= 1
        count[outermost, SENT, tensor] = 0.0
