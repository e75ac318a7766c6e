"""The mapper: the best mapping of a layer that a budget of evaluations finds, under a dataflow's constraints.

Deterministic for a seed. It searches whole factors only, as the cost model evaluates them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.batch import for_row_blocks
from archgym.simulators.dnn.architecture import Architecture
from archgym.simulators.dnn.constraints import FREE, Freedom, Rule, read_freedom
from archgym.simulators.dnn.layer import DIMENSIONS, Layer
from archgym.simulators.dnn.mapping import Mapping, MappingArrays, unpack
from archgym.simulators.dnn.model import Cost, largest_fanout, read_analysis

if TYPE_CHECKING:
    from archgym.simulators.dnn.analysis import Analysis
    from archgym.simulators.dnn.moves import Choices

OBJECTIVES = ("edp", "energy", "latency")
# Annealing in the logarithm of the objective: at first a mapping half as good again is often taken, at last hardly any.
HOT, COLD = 0.5, 0.01
MOST_STARTS, MOST_TRIES = 96, 32


@dataclass(frozen=True)
class Mapped:
    """What the mapper found: the mapping, its cost, and how many mappings were evaluated.

    ``cost.feasible`` is False where no mapping was found that fits; ``cost.reason`` then says what came nearest.
    """

    mapping: Mapping
    cost: Cost
    evaluations: int


def find_mapping(
    architecture: Architecture,
    layer: Layer,
    rules: Sequence[Rule] = (),
    objective: str = "edp",
    budget: int = 20000,
    seed: int = 0,
) -> Mapped:
    """The best mapping of ``layer`` found with ``budget`` evaluations of the cost model.

    Args:
        rules: constraints, see `constraints.read_freedom`.
        objective: ``"edp"`` (energy times cycles), ``"energy"`` or ``"latency"``; ties go to the other quantity.
        budget: evaluations to spend, at least 1; all are counted, those of mappings that do not fit included.
        seed: equal seeds give equal mappings.

    Raises:
        ConfigError: for a budget below 1 and for constraints that no mapping can meet.
    """
    from archgym.simulators.dnn.search import search

    if objective not in OBJECTIVES:
        raise UnknownNameError("mapper objective", objective, OBJECTIVES)
    if budget < 1:
        raise ConfigError(f"mapper budget = {budget} must be at least 1")
    freedom = read_freedom(architecture, layer, rules)
    starts = max(1, min(MOST_STARTS, budget // 100))
    tries = max(1, min(MOST_TRIES, budget // (6 * starts)))
    pool = start_pool(freedom, layer, 2 * starts + 2)
    choices, fanout, home, found = _setting(architecture, layer, freedom)
    search(
        pool, budget, starts, tries, HOT, COLD, choices, fanout, home, layer.coefficients(), architecture.machine(), found,
        OBJECTIVES.index(objective), generator_state(seed),
    )  # fmt: skip
    return Mapped(unpack(pool, 0), read_analysis(architecture, layer, pool, 0, found), budget)


def _setting(
    architecture: Architecture, layer: Layer, freedom: Freedom
) -> tuple[Choices, NDArray[np.int64], NDArray[np.int64], Analysis]:
    """What a search may change, the physical fan-outs, where loops start, and room for an analysis."""
    from archgym.simulators.dnn.analysis import make_analysis

    levels = len(architecture.levels)
    fanout = np.array([architecture.fanout(number) for number in range(levels)], np.int64)
    found = make_analysis(levels, largest_fanout(architecture))
    return read_choices(freedom, layer), fanout, homes(freedom), found


def random_mappings(
    architecture: Architecture, layer: Layer, rules: Sequence[Rule] = (), count: int = 1, seed: int = 0
) -> MappingArrays:
    """``count`` random mappings that keep to the rules: a well-used array, memories filled until little more fits.

    Not every one need fit: what the rules force inwards is taken as it is. Deterministic for a seed.
    """
    from archgym.simulators.dnn.search import random_rows

    freedom = read_freedom(architecture, layer, rules)
    pool = start_pool(freedom, layer, count + 1)
    choices, fanout, home, found = _setting(architecture, layer, freedom)
    random_rows(pool, choices, fanout, home, layer.coefficients(), architecture.machine(), found, generator_state(seed))
    return pool.take(slice(1, None))


def map_network(
    architecture: Architecture,
    layers: Sequence[Layer],
    rules: Sequence[Rule] = (),
    objective: str = "edp",
    budget: int = 2000,
    seed: int = 0,
    threads: int | None = None,
) -> list[Mapped]:
    """The best mapping found for each layer, ``budget`` evaluations each, on ``threads`` threads (all cores).

    Layers of equal shape are mapped once. The result does not depend on the number of threads.
    """
    distinct = list(dict.fromkeys(layers))
    found: list[Mapped | None] = [None] * len(distinct)

    def work(start: int, stop: int) -> None:
        for number in range(start, stop):
            found[number] = find_mapping(architecture, distinct[number], rules, objective, budget, seed)

    for_row_blocks(work, len(distinct), threads=threads)
    by_shape = dict(zip(distinct, found, strict=True))
    return [mapped for layer in layers if (mapped := by_shape[layer]) is not None]


def generator_state(seed: int) -> NDArray[np.uint64]:
    """State of the kernels' generator, never zero."""
    return np.asarray(np.random.SeedSequence(seed).generate_state(1, np.uint64) | np.uint64(1))


def homes(freedom: Freedom) -> NDArray[np.int64]:
    """For each dimension the outermost level whose temporal loops may hold it (where a search starts)."""
    levels = freedom.limit.shape[0]
    home = np.full(len(DIMENSIONS), levels - 1, np.int64)
    for dimension in range(len(DIMENSIONS)):
        for level in range(levels - 1, -1, -1):
            if freedom.limit[level, 0, dimension] > 1 and freedom.exact[level, 0, dimension] == FREE:
                home[dimension] = level
                break
    return home


def start_pool(freedom: Freedom, layer: Layer, rows: int) -> MappingArrays:
    """Room for ``rows`` mappings; every one is the plain start, each loop as far out as constraints let it.

    Raises ``ConfigError`` where they leave no place for a factor.
    """
    factors = np.where(freedom.exact == FREE, 1, freedom.exact)
    for dimension, bound in enumerate(layer.bounds):
        left = _place(factors, freedom, dimension, bound // int(factors[:, :, dimension].prod()))
        if left > 1:
            raise ConfigError(f"mapping constraints leave no place for a factor {left} of {DIMENSIONS[dimension]}")

    def repeat(array: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.repeat(np.ascontiguousarray(array)[None], rows, axis=0)

    keep = np.repeat((freedom.keep != 0)[None], rows, axis=0)
    return MappingArrays(
        repeat(factors[:, 0]), repeat(freedom.order[:, 0]), repeat(factors[:, 1:]), repeat(freedom.order[:, 1:]), keep
    )


def _place(factors: NDArray[np.int64], freedom: Freedom, dimension: int, left: int) -> int:
    """Put the prime factors of ``left`` wherever limits allow, outermost first; returns what could not be placed."""
    levels, kinds = factors.shape[:2]
    places = [(level, kind) for kind in range(kinds) for level in range(levels - 1, -1, -1)]
    for prime in reversed(prime_factors(left)):
        for level, kind in places:
            free = freedom.exact[level, kind, dimension] == FREE
            if free and factors[level, kind, dimension] * prime <= freedom.limit[level, kind, dimension]:
                factors[level, kind, dimension] *= prime
                left //= prime
                break
    return left


def prime_factors(number: int) -> list[int]:
    """Prime factors in ascending order, repeated as often as they divide."""
    found, prime = [], 2
    while prime * prime <= number:
        while number % prime == 0:
            found.append(prime)
            number //= prime
        prime += 1
    return [*found, number] if number > 1 else found


def read_choices(freedom: Freedom, layer: Layer) -> Choices:
    """What the search may change, as arrays."""
    from archgym.simulators.dnn.moves import Choices

    primes = [sorted(set(prime_factors(bound))) for bound in layer.bounds]
    table = np.ones((len(DIMENSIONS), max(1, *map(len, primes))), np.int64)
    for dimension, distinct in enumerate(primes):
        table[dimension, : len(distinct)] = distinct
    dimensions = np.flatnonzero(np.array(layer.bounds) > 1)
    movable = (freedom.exact == FREE) & (freedom.limit > 1)
    slots = [place for place in np.ndindex(movable.shape[:2]) if movable[place][dimensions].any()]
    return Choices(
        np.array(slots, np.int64).reshape(-1, 2), dimensions.astype(np.int64), table,
        np.array([len(distinct) for distinct in primes], np.int64), freedom.limit, movable,
        np.ascontiguousarray(np.argwhere(freedom.keep == FREE), np.int64), freedom.fixed_places,
    )  # fmt: skip
