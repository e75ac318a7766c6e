"""Random layers, architectures and mappings, small enough for the slow twins."""

from __future__ import annotations

import numpy as np

from archgym.simulators.dnn.architecture import Architecture, Arithmetic, StorageLevel
from archgym.simulators.dnn.layer import DIMENSIONS, TENSORS, Layer
from archgym.simulators.dnn.mapping import Block, Mapping


def random_case(rng: np.random.Generator, most_loops=9, bypass=True, level_zero_fanout=True):
    """An architecture of 2 to 4 levels, a mapping with at most ``most_loops`` temporal loops, and their layer."""
    levels = int(rng.integers(2, 5))
    kinds = ["temporal", "x", "y"]
    loops = {(level, kind): [] for level in range(levels) for kind in kinds}
    temporal = 0
    for _ in range(int(rng.integers(3, most_loops + 4))):
        level, kind = int(rng.integers(levels)), kinds[int(rng.choice(3, p=[0.6, 0.2, 0.2]))]
        dimension = DIMENSIONS[int(rng.choice(8, p=[0.2, 0.08, 0.2, 0.14, 0.12, 0.12, 0.07, 0.07]))]
        if kind != "temporal" and level == 0 and not level_zero_fanout:
            continue
        if dimension in [d for d, _ in loops[level, kind]] or (kind == "temporal" and temporal == most_loops):
            continue
        temporal += kind == "temporal"
        loops[level, kind].append((dimension, int(rng.choice([2, 3, 4], p=[0.5, 0.35, 0.15]))))
    blocks = []
    for level in range(levels):
        keep = frozenset(t for t in TENSORS if not bypass or rng.random() < 0.7 or level == levels - 1)
        blocks.append(Block(*(tuple(loops[level, kind]) for kind in kinds), keep))
    mapping = Mapping(tuple(blocks))
    bounds = mapping.factors()
    stride, dilation = (tuple(int(v) for v in rng.choice([1, 1, 1, 2, 3], 2)) for _ in range(2))
    layer = Layer(tuple(bounds[d] for d in DIMENSIONS), stride, dilation, "random")
    return random_architecture(rng, loops, levels), layer, mapping


def random_architecture(rng, loops, levels):
    """Meshes at least as large as the mapping needs, sometimes larger (the physical grid then differs from the used)."""
    mesh, meshes = [1, 1], []
    for level in range(levels - 1, -1, -1):
        meshes.append(tuple(mesh))
        for axis, kind in enumerate(("x", "y")):
            mesh[axis] *= int(np.prod([f for _, f in loops[level, kind]], dtype=int)) + int(rng.random() < 0.3)
    storage = [
        StorageLevel(
            f"L{number}", None, x, y, read_bandwidth=float(rng.integers(1, 5)), write_bandwidth=2.0, read_pJ=1.0
        )
        for number, (x, y) in enumerate(reversed(meshes))
    ]
    return Architecture("random", Arithmetic(mesh_x=mesh[0], mesh_y=mesh[1]), tuple(storage))
