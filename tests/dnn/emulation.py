"""Slow, obvious twin of the cost model: run the loops two iterations each and compare bounding boxes, step by step.

Follows the method of Timeloop's nest analysis literally (explicit boxes, one for each receiver); shares no code with
the kernels. A receiver's box is a tuple of (first, last + 1) along the tensor's axes.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

from archgym.simulators.dnn.layer import DIMENSIONS, TENSORS


def project(tensor, low, high, layer):
    """Bounding box of the operations between two corners (dictionaries by dimension, inclusive)."""
    (w_step, h_step), (w_hole, h_hole) = layer.stride, layer.dilation
    axes = {
        "Weights": [[("C", 1)], [("K", 1)], [("R", 1)], [("S", 1)], [("G", 1)]],
        "Inputs": [[("N", 1)], [("C", 1)], [("R", w_hole), ("P", w_step)], [("S", h_hole), ("Q", h_step)], [("G", 1)]],
        "Outputs": [[("N", 1)], [("K", 1)], [("Q", 1)], [("P", 1)], [("G", 1)]],
    }[tensor]
    return tuple((sum(f * low[d] for d, f in axis), sum(f * high[d] for d, f in axis) + 1) for axis in axes)


def size(box):
    return math.prod(max(0, end - start) for start, end in box)


def move(box, vector):
    return tuple((start + v, end + v) for (start, end), v in zip(box, vector, strict=True))


def vector_between(a, b):
    return tuple(start_b - start_a for (start_a, _), (start_b, _) in zip(a, b, strict=True))


EMPTY = ((0, 0),)


def subtract(box, other):
    """``box`` less ``other``, when they differ along one axis only and overlap; the whole of ``box`` otherwise."""
    if box == other:
        return EMPTY
    if any(o_end <= start or o_start >= end for (start, end), (o_start, o_end) in zip(box, other, strict=True)):
        return box
    differing = [axis for axis, (a, b) in enumerate(zip(box, other, strict=True)) if a != b]
    if len(differing) > 1:
        return box
    axis = differing[0]
    (start, end), (o_start, o_end) = box[axis], other[axis]
    left = (o_end, end) if o_start <= start else (start, o_start)
    return (*box[:axis], left, *box[axis + 1 :])


class Receiver:
    """What the first receiver of a level is sent, arrival by arrival.

    ``forgets``: the rule of older Timeloop versions, in which a step that leaves the box in place is a stride too.
    """

    def __init__(self, forgets=False):
        self.box, self.stride, self.forgets = None, None, forgets

    def arrive(self, box):
        before, self.box = self.box, box
        if before is None:
            return box
        shift = vector_between(before, box)
        if not any(shift) and not self.forgets:
            return subtract(box, before)
        if self.stride is None or self.stride == shift:
            self.stride = shift
            return subtract(box, before)
        self.stride = None
        return box


def blocks_of(mapping):
    for block in mapping.blocks:
        temporal = [(d, f) for d, f in block.temporal if f > 1]
        yield temporal, [(d, f) for d, f in block.x if f > 1], [(d, f) for d, f in block.y if f > 1]


def transfers(layer, architecture, mapping, forgets=False):
    """For each level and tensor: Counter of words by (multicast, groups), and words over links."""
    blocks = list(blocks_of(mapping))
    extent = dict.fromkeys(DIMENSIONS, 1)
    stages = []  # for each level: extents of a receiver, spatial loops with strides, temporal loops with strides
    for temporal, x, y in blocks:
        child, spatial, timed = dict(extent), [], []
        for loops, listed in ((x + y, spatial), (temporal, timed)):
            for dimension, factor in loops:
                listed.append((dimension, factor, extent[dimension]))
                extent[dimension] *= factor
        stages.append((child, spatial, timed))
    result = {}
    for level, (child, spatial, _) in enumerate(stages):
        outside = [loop for _, _, timed in stages[level:] for loop in timed]
        steps = []
        ranges = [range(min(f, 2)) for _, f, _ in reversed(outside)]
        for indices in itertools.product(*ranges):
            origin, weight = dict.fromkeys(DIMENSIONS, 0), 1
            for (dimension, factor, stride), index in zip(reversed(outside), indices, strict=True):
                origin[dimension] += index * stride
                weight *= factor - 1 if index == 1 else 1
            steps.append((origin, weight))
        x_used = math.prod(f for _, f in blocks[level][1])
        y_used = math.prod(f for _, f in blocks[level][2])
        grid = (max(architecture.fanout(level)[0], x_used), max(architecture.fanout(level)[1], y_used))
        for tensor in TENSORS:
            result[level, tensor] = run_steps(
                tensor, layer, child, spatial, steps, grid, Receiver(forgets) if level > 0 else None
            )
    return result, stages


def run_steps(tensor, layer, child, spatial, steps, grid, receiver):
    traffic, links, before = Counter(), 0, {}
    places = list(itertools.product(*[range(f) for _, f, _ in reversed(spatial)]))
    for origin, weight in steps:
        high = {d: origin[d] + child[d] - 1 for d in DIMENSIONS}
        box = project(tensor, origin, high, layer)
        fresh = receiver.arrive(box) if receiver else box
        boxes = {}
        for number, indices in enumerate(places):
            shifted = dict(origin)
            for (dimension, _, stride), index in zip(reversed(spatial), indices, strict=True):
                shifted[dimension] += index * stride
            there = project(tensor, shifted, {d: shifted[d] + child[d] - 1 for d in DIMENSIONS}, layer)
            boxes[number] = EMPTY if fresh == EMPTY else move(fresh, vector_between(box, there))
        if not spatial:
            traffic[1, 1] += size(fresh) * weight
            continue
        groups = share(boxes)
        linked = [number for number in boxes if has_link(number, boxes, before, grid)]
        remaining = share({number: b for number, b in boxes.items() if number not in linked})
        if linked and sum(remaining.values()) < sum(groups.values()):
            links += size(fresh) * weight * len(linked)
            groups = remaining
        for multicast, count in groups.items():
            traffic[multicast, count] += size(fresh) * weight * count
        before = boxes
    return +traffic, links


def share(boxes):
    """Number of groups of equal, not empty boxes by group size."""
    return Counter(Counter(box for box in boxes.values() if box != EMPTY).values())


def has_link(number, boxes, before, grid):
    if boxes[number] == EMPTY:
        return False
    x, y = number % grid[0], number // grid[0]
    sides = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]
    inside = [a + b * grid[0] for a, b in sides if 0 <= a < grid[0] and 0 <= b < grid[1]]
    return any(before.get(other) == boxes[number] for other in inside)


def rounded(value):
    return max(0, math.floor(value + 0.5))


def counts(layer, architecture, mapping, forgets=False):
    """``{(level number, tensor): (reads, fills, updates, tile, partition)}`` of kept tensors, and the level cycles."""
    found, stages = transfers(layer, architecture, mapping, forgets)
    levels = len(stages)
    zero = dict.fromkeys(DIMENSIONS, 0)
    extents, unions, instances, fanouts = [], [], [], []
    for child, spatial, timed in stages:
        union = {d: child[d] * math.prod(f for e, f, _ in spatial if e == d) for d in DIMENSIONS}
        unions.append(union)
        extents.append({d: union[d] * math.prod(f for e, f, _ in timed if e == d) for d in DIMENSIONS})
        fanouts.append(math.prod(f for _, f, _ in spatial))
    for level in range(levels):
        instances.append(math.prod(fanouts[level + 1 :]))

    def words(tensor, extent):
        return size(project(tensor, zero, {d: e - 1 for d, e in extent.items()}, layer))

    result = {}
    for tensor in TENSORS:
        traffic = {level: dict(sorted(found[level, tensor][0].items())) for level in range(levels)}
        link = {level: found[level, tensor][1] for level in range(levels)}
        content = {level: float(sum(traffic[level].values())) for level in range(levels)}
        given = {levels - 1: 0.0}
        for level in range(levels - 1):
            given[level] = sum(m * w / fanouts[level + 1] for (m, _), w in traffic[level + 1].items())
        partition = {levels - 1: words(tensor, extents[-1])}
        for level in range(levels - 2, -1, -1):
            whole = unions[level + 1] if stages[level + 1][1] else extents[level]
            partition[level] = partition[level + 1] * words(tensor, extents[level]) // words(tensor, whole)
        kept = [level for level in range(levels) if tensor in mapping.blocks[level].keep]
        for level in range(levels - 1):
            if level not in kept:
                weighted = sum(m * w for (m, _), w in traffic[level + 1].items())
                scale = content[level] * fanouts[level + 1] / weighted
                traffic[level + 1] = {key: w * scale for key, w in traffic[level + 1].items()}
                content[level + 1] = sum(traffic[level + 1].values())
                link[level + 1] = 0
        given[kept[-1]] = 0.0
        for level in kept:
            peer = link.get(level + 1, 0) / instances[level] if level != kept[-1] else 0.0
            tile = words(tensor, extents[level])
            if tensor == "Outputs":
                first = partition[level]
                reads = rounded(content[level] + peer - first)
                fills = rounded(given[level] + peer - (first if level != kept[-1] else 0))
                result[level, tensor] = (reads, fills, rounded(content[level]), tile, first)
            else:
                reads, fills = rounded(content[level] + peer), math.floor(given[level] + peer)
                result[level, tensor] = (reads, fills, 0, tile, partition[level])
    return result


def costs(architecture, mapping, rows):
    """Cycles of each level, cycles, energy in picojoules and utilization from the rows of `counts`, step by step."""
    steps = math.prod(f for block in mapping.blocks for _, f in block.temporal)
    fanouts = [math.prod(f for _, f in (*block.x, *block.y)) for block in mapping.blocks]
    used = math.prod(fanouts)
    energy, cycles = steps * used * architecture.arithmetic.energy_pJ, []
    for number, level in enumerate(architecture.levels):
        words_out, words_in = 0.0, 0.0
        for tensor in TENSORS:
            reads, fills, updates = rows.get((number, tensor), (0, 0, 0))[:3]
            words_out += reads / steps
            words_in += (fills + updates) / steps
            spent = sum(
                math.ceil(accesses / level.block_size) * each
                for accesses, each in ((reads, level.read_pJ), (fills, level.fill_pJ), (updates, level.update_pJ))
            )
            energy += math.prod(fanouts[number + 1 :]) * spent
        limits = (
            (level.read_bandwidth, words_out), (level.write_bandwidth, words_in),
            (level.shared_bandwidth, words_out + words_in),
        )  # fmt: skip
        slowdown = min([1.0, *(rate / words for rate, words in limits if rate is not None and rate < words)])
        cycles.append(math.ceil(steps / slowdown))
    slowest = max(steps, *cycles)
    return cycles, slowest, energy, steps * used / architecture.arithmetic.instances / slowest
