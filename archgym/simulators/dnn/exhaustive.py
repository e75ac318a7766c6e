"""The true optimum of small mapping problems: every mapping that can differ in cost, evaluated.

Loops of factor 1 have no place in an order, so orders are only those of the loops that run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.dnn.architecture import Architecture
from archgym.simulators.dnn.constraints import FREE, Freedom, Rule, read_freedom
from archgym.simulators.dnn.layer import DIMENSIONS, Layer
from archgym.simulators.dnn.mapper import OBJECTIVES, Mapped
from archgym.simulators.dnn.mapping import MappingArrays, unpack
from archgym.simulators.dnn.model import evaluate, evaluate_batch

CHUNK = 20_000
Factors = tuple[int, ...]


def splits(bound: int, limits: Sequence[int]) -> Iterator[Factors]:
    """Every way to write ``bound`` as a product of one factor for each limit, none above its limit."""
    if not limits:
        if bound == 1:
            yield ()
        return
    for factor in range(1, min(bound, limits[0]) + 1):
        if bound % factor == 0:
            for rest in splits(bound // factor, limits[1:]):
                yield (factor, *rest)


def _dimension_splits(freedom: Freedom, layer: Layer, dimension: int) -> list[Factors]:
    """Allowed factors of one dimension in all (level, kind) slots, in their order in ``freedom``."""
    limits = freedom.limit[:, :, dimension].ravel()
    exact = freedom.exact[:, :, dimension].ravel()
    found = splits(layer.bounds[dimension], [int(limit) for limit in limits])
    return [f for f in found if all(e in (FREE, value) for e, value in zip(exact, f, strict=True))]


def _orders(factors: NDArray[np.int64], freedom: Freedom, level: int) -> list[Factors]:
    """Orders of a level's temporal loops that run more than once, the others behind; fixed places stay innermost."""
    places = int(freedom.fixed_places[level])
    listed = [int(d) for d in freedom.order[level, 0]]
    fixed = [d for d in listed[:places] if factors[d] > 1]
    free = [d for d in listed[places:] if factors[d] > 1]
    idle = [d for d in range(len(DIMENSIONS)) if factors[d] == 1]
    return [(*fixed, *order, *idle) for order in itertools.permutations(free)]


def _masks(freedom: Freedom) -> list[NDArray[np.bool_]]:
    """Every choice of kept tensors in which each tensor is kept somewhere."""
    free = np.argwhere(freedom.keep == FREE)
    found = []
    for bits in itertools.product((True, False), repeat=len(free)):
        mask = freedom.keep == 1
        mask[tuple(free.T)] = bits
        if mask.any(axis=0).all():
            found.append(mask)
    return found


def every_mapping(
    architecture: Architecture, layer: Layer, rules: Sequence[Rule] = (), limit: int = 5_000_000
) -> Iterator[MappingArrays]:
    """All mappings under the rules, in blocks; raises ``ConfigError`` once there are more than ``limit``."""
    freedom = read_freedom(architecture, layer, rules)
    levels, width = len(architecture.levels), len(DIMENSIONS)
    fanout = np.array([architecture.fanout(number) for number in range(levels)])
    masks = _masks(freedom)
    rows: list[tuple[NDArray[np.int64], tuple[Factors, ...], NDArray[np.bool_]]] = []
    count = 0
    for chosen in itertools.product(*(_dimension_splits(freedom, layer, d) for d in range(width))):
        factors = np.array(chosen, np.int64).T.reshape(levels, 3, width)
        if (factors[:, 1:].prod(axis=2) > fanout).any():
            continue
        for orders in itertools.product(*(_orders(factors[level, 0], freedom, level) for level in range(levels))):
            for mask in masks:
                rows.append((factors, orders, mask))
        if len(rows) >= CHUNK:
            count += len(rows)
            if count > limit:
                raise ConfigError(f"more than {limit} mappings: too many to try them all")
            yield _arrays(rows, freedom)
            rows = []
    if rows:
        yield _arrays(rows, freedom)


def _arrays(
    rows: list[tuple[NDArray[np.int64], tuple[Factors, ...], NDArray[np.bool_]]], freedom: Freedom
) -> MappingArrays:
    factors = np.array([row[0] for row in rows])
    spatial_order = np.broadcast_to(freedom.order[:, 1:], (len(rows), *freedom.order[:, 1:].shape))
    return MappingArrays(
        np.ascontiguousarray(factors[:, :, 0]), np.array([row[1] for row in rows], np.int64),
        np.ascontiguousarray(factors[:, :, 1:]), np.ascontiguousarray(spatial_order), np.array([row[2] for row in rows]),
    )  # fmt: skip


def best_mapping(
    architecture: Architecture, layer: Layer, rules: Sequence[Rule] = (), objective: str = "edp", limit: int = 5_000_000
) -> Mapped:
    """The best of all mappings; ``cost.feasible`` is False where none fits. Raises as ``every_mapping``."""
    if objective not in OBJECTIVES:
        raise UnknownNameError("mapper objective", objective, OBJECTIVES)
    best, mapping, count = np.inf, None, 0
    for arrays in every_mapping(architecture, layer, rules, limit):
        costs = evaluate_batch(architecture, layer, arrays)
        score = {"edp": costs.energy_pJ * costs.cycles, "energy": costs.energy_pJ, "latency": costs.cycles}[objective]
        score = np.where(costs.feasible, score, np.inf)
        row = int(np.argmin(score))
        if mapping is None or score[row] < best:
            best, mapping = float(score[row]), unpack(arrays, row)
        count += arrays.rows
    if mapping is None:
        raise ConfigError("the rules allow no mapping")
    return Mapped(mapping, evaluate(architecture, layer, mapping), count)
