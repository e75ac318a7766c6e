"""Random layers, architectures and mappings, small enough for the slow twins."""

from __future__ import annotations

import math

import numpy as np

from archgym.simulators.dnn.architecture import Architecture, Arithmetic, StorageLevel
from archgym.simulators.dnn.layer import DIMENSIONS, TENSORS, Layer
from archgym.simulators.dnn.mapping import Block, Mapping

KINDS = ("temporal", "x", "y")
# How often loops run over R, S, P, Q, C, K, N, G: any layer, one row of windows, windows both ways, a matrix product.
LAYERS = (
    (0.2, 0.08, 0.2, 0.14, 0.12, 0.12, 0.07, 0.07),
    (0.3, 0.05, 0.35, 0.05, 0.1, 0.1, 0.025, 0.025),
    (0.25, 0.2, 0.25, 0.2, 0.04, 0.04, 0.01, 0.01),
    (0.0, 0.0, 0.3, 0.0, 0.3, 0.3, 0.0, 0.1),
)
WINDOWLESS = LAYERS[3:]
# How often loops run in time, along x and along y.
SPREADS = ((0.6, 0.2, 0.2), (0.45, 0.4, 0.15), (0.4, 0.3, 0.3), (0.75, 0.15, 0.1))
MOST_RECEIVERS, MOST_UNITS = 48, 10_000


def pick(rng, choices, weights=None):
    return choices[int(rng.choice(len(choices), p=weights))]


def random_case(rng: np.random.Generator, most_loops=8, bypass=True, layers=LAYERS, most_levels=5):
    """An architecture of 2 to 5 levels, a mapping with at most ``most_loops`` temporal loops, and their layer."""
    levels = int(rng.integers(2, most_levels + 1))
    loops = {(level, kind): [] for level in range(levels) for kind in KINDS}
    dimensions, spread = pick(rng, layers), pick(rng, SPREADS)
    temporal, receivers = 0, [1] * levels
    for _ in range(int(rng.integers(3, most_loops + 6))):
        level, kind, dimension = int(rng.integers(levels)), pick(rng, KINDS, spread), pick(rng, DIMENSIONS, dimensions)
        factor = pick(rng, (2, 3, 4, 5, 7), (0.45, 0.3, 0.13, 0.08, 0.04))
        if dimension in [d for d, _ in loops[level, kind]]:
            continue
        if kind == "temporal":
            if temporal == most_loops:
                continue
        elif receivers[level] * factor > MOST_RECEIVERS or math.prod(receivers) * factor > MOST_UNITS:
            continue
        temporal += kind == "temporal"
        receivers[level] *= factor if kind != "temporal" else 1
        loops[level, kind].append((dimension, factor))
    keeps = random_keeps(rng, levels) if bypass else [frozenset(TENSORS)] * levels
    mapping = Mapping(tuple(Block(*(tuple(loops[n, kind]) for kind in KINDS), keeps[n]) for n in range(levels)))
    bounds = mapping.factors()
    stride, dilation = (tuple(int(v) for v in rng.choice([1, 1, 1, 2, 3, 4], 2)) for _ in range(2))
    layer = Layer(tuple(bounds[d] for d in DIMENSIONS), stride, dilation, "random")
    return random_architecture(rng, loops, levels), layer, mapping


def random_keeps(rng, levels):
    """Tensors kept at each level, often all of them at the outermost, always each at some level."""
    share = pick(rng, (0.5, 0.7, 0.9))
    keeps = [{t for t in TENSORS if rng.random() < share} for _ in range(levels)]
    for tensor in TENSORS:
        if rng.random() < 0.8 or not any(tensor in keep for keep in keeps):
            keeps[-1].add(tensor)
    return [frozenset(keep) for keep in keeps]


def random_architecture(rng, loops, levels):
    """Meshes at least as large as the mapping needs, sometimes larger (the physical grid then differs from the used)."""
    mesh, meshes = [1, 1], []
    for level in range(levels - 1, -1, -1):
        meshes.append(tuple(mesh))
        for axis, kind in enumerate(("x", "y")):
            used = int(np.prod([f for _, f in loops[level, kind]], dtype=int))
            spare = pick(rng, (0, 1, 2, 5), (0.6, 0.2, 0.1, 0.1))
            mesh[axis] *= used + (spare if mesh[0] * mesh[1] < 2000 else 0)
    storage = [random_level(rng, f"L{number}", x, y) for number, (x, y) in enumerate(reversed(meshes))]
    return Architecture("random", Arithmetic(mesh_x=mesh[0], mesh_y=mesh[1], energy_pJ=0.7), tuple(storage))


def random_level(rng, name, x, y):
    read, write, shared = (
        None if rng.random() < unlimited else pick(rng, (0.25, 0.5, 1.0, 2.0, 3.0, 8.0))
        for unlimited in (0.4, 0.4, 0.7)
    )
    reading, filling, updating = (float(v) for v in rng.random(3))
    return StorageLevel(
        name, None, x, y, block_size=pick(rng, (1, 1, 2, 4, 8)), read_bandwidth=read, write_bandwidth=write,
        shared_bandwidth=shared, read_pJ=reading, fill_pJ=filling, update_pJ=updating,
    )  # fmt: skip
