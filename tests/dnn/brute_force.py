"""The truth on tiny layers: execute every iteration of the nest and count, element by element, what must be moved.

A receiver holds exactly the elements it needs for the current step of the loops outside it; what it lacked before the
step is sent, and an element that several receivers lack at once is read once at the parent. Nothing is shared with the
model: no boxes, no closed forms, no loop truncation. A tensor's receivers are the instances of the next level inwards
that keeps it, or the arithmetic units, which hold nothing from one cycle to the next.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import NamedTuple

from archgym.simulators.dnn.layer import DIMENSIONS, TENSORS


class Moved(NamedTuple):
    """For one instance of a level: elements it read or took, sent to all its receivers together, and ever touched."""

    read: int
    received: int
    distinct: int
    receivers: int


def elements(tensor, point, layer):
    r, s, p, q, c, k, n, g = (point[d] for d in DIMENSIONS)
    if tensor == "Weights":
        return (g, k, c, r, s)
    if tensor == "Outputs":
        return (n, g, k, p, q)
    return (n, g, c, r * layer.dilation[0] + p * layer.stride[0], s * layer.dilation[1] + q * layer.stride[1])


def points(loops):
    """Offsets of every iteration of ``loops`` (dimension, factor, stride), outermost first, in order of execution."""
    for indices in itertools.product(*[range(f) for _, f, _ in loops]):
        offset = Counter()
        for (dimension, _, stride), index in zip(loops, indices, strict=True):
            offset[dimension] += index * stride
        yield offset


def stages_of(mapping):
    """Spatial and temporal loops of each level, outermost first, with strides."""
    extent, stages = dict.fromkeys(DIMENSIONS, 1), []
    for block in mapping.blocks:
        spatial, temporal = [], []
        for loops, listed in (((*block.x, *block.y), spatial), (block.temporal, temporal)):
            for dimension, factor in loops:
                listed.insert(0, (dimension, factor, extent[dimension]))
                extent[dimension] *= factor
        stages.append((spatial, temporal))
    return stages


def execute(layer, mapping):
    """``{(level, tensor): Moved}`` for every level that keeps the tensor."""
    stages, result = stages_of(mapping), {}
    for tensor in TENSORS:
        inner = -1
        for level, block in enumerate(mapping.blocks):
            if tensor in block.keep:
                result[level, tensor] = serve(tensor, layer, stages, inner, level)
                inner = level
    return result


def serve(tensor, layer, stages, inner, level):
    """What one instance of ``level`` moves for its receivers at level ``inner`` (-1: arithmetic units)."""
    outside = [loop for _, temporal in reversed(stages[inner + 1 :]) for loop in temporal]
    spread = [loop for spatial, _ in reversed(stages[inner + 1 : level + 1]) for loop in spatial]
    inside = [loop for spatial, temporal in reversed(stages[: inner + 1]) for loop in (*temporal, *spatial)]
    tile, places = [Counter(point) for point in points(inside)], list(points(spread))
    read, received, held, touched = 0, 0, {}, set()
    for step in points(outside):
        wanted = set()
        for number, place in enumerate(places):
            base = step + place
            need = {elements(tensor, base + point, layer) for point in tile}
            missing = need - held.get(number, set()) if inner >= 0 else need
            held[number] = need
            received += len(missing)
            wanted |= missing
        read += len(wanted)
        touched |= wanted
    return Moved(read, received, len(touched), math.prod(f for _, f, _ in spread))
