"""The truth on tiny layers: execute every iteration of the nest and count, element by element, what must be moved.

A receiver holds exactly the elements it needs for the current step of the loops outside it; what it lacked before the
step is sent, and an element that several receivers lack at once is read once at the parent. Nothing is shared with the
model: no boxes, no closed forms, no loop truncation.
"""

from __future__ import annotations

import itertools
from collections import Counter

from archgym.simulators.dnn.layer import DIMENSIONS, TENSORS


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


def execute(layer, mapping):
    """``{(level, tensor): (elements read at the parent, elements received by all receivers)}`` for each level."""
    extent, stages = dict.fromkeys(DIMENSIONS, 1), []
    for block in mapping.blocks:
        spatial, temporal = [], []
        for loops, listed in (((*block.x, *block.y), spatial), (block.temporal, temporal)):
            for dimension, factor in loops:
                listed.insert(0, (dimension, factor, extent[dimension]))
                extent[dimension] *= factor
        stages.append((spatial, temporal))
    result = {}
    for level in range(1, len(stages)):
        outside = [loop for _, temporal in reversed(stages[level:]) for loop in temporal]
        inside = [loop for spatial, temporal in reversed(stages[:level]) for loop in (*temporal, *spatial)]
        spatial = stages[level][0]
        tile = [Counter(point) for point in points(inside)]
        for tensor in TENSORS:
            read, received, held = 0, 0, {}
            for step in points(outside):
                wanted = set()
                for number, place in enumerate(points(spatial)):
                    base = step + place
                    need = {elements(tensor, Counter(base) + point, layer) for point in tile}
                    missing = need - held.get(number, set())
                    held[number] = need
                    received += len(missing)
                    wanted |= missing
                read += len(wanted)
            result[level, tensor] = (read, received)
    return result
