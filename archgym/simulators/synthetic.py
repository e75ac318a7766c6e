"""Two families of made-up problems whose optimum is known exactly, for judging search agents.

`SyntheticChoicesEnv-v0`: unordered choices that interact in pairs. `SyntheticMixedEnv-v0`: a roofline of
mixed parameters with a capacity cliff and an area penalty. Every workload name is a seeded instance.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from archgym import arithmetic
from archgym.errors import WorkloadError
from archgym.metrics import Metric, Metrics, all_feasible
from archgym.objective import ObjectiveRecipe, Reference, Rewards
from archgym.registry import Family
from archgym.space import Designs, Parameter, Space, choice, grid, powers, real
from archgym.workload import Workload, content_fingerprint

Floats = NDArray[np.float64]
Factor = tuple[tuple[int, ...], Floats]

CHOICES = Space(
    "choices", tuple(choice(f"choice_{n}", *"abcdefgh", help="an unordered alternative") for n in range(10))
)
INTERACTIONS = 12


@dataclass(frozen=True)
class GapToOptimum:
    """``scale / (scale + value - optimum)``: 1 at the optimum and nowhere else; the default design gets 1/2."""

    metrics: tuple[str, ...]
    optimum: float
    scale: float
    range: tuple[float, float] = (0.0, 1.0)
    infeasible: float = 0.0

    def __call__(self, metrics: Metrics) -> Rewards:
        reward = self.scale / (self.scale + np.maximum(0.0, metrics["value"] - self.optimum))
        return np.where(np.isfinite(reward), reward, self.infeasible)


@dataclass(frozen=True)
class ReachOptimum:
    """Recipe for `GapToOptimum`: the optimum is a fact of the workload."""

    help: str = "come close to the known optimum"

    def bind(self, reference: Reference, workload: Workload) -> GapToOptimum:
        optimum = float(workload.facts["optimum"])
        return GapToOptimum(("value",), optimum, max(reference()["value"] - optimum, 1e-9))


@dataclass(frozen=True)
class NegativeValue:
    """``-value`` itself, as optimisers are usually compared; bounded because an instance's tables are finite."""

    metrics: tuple[str, ...] = ("value",)
    range: tuple[float, float] = (-1e6, 1e6)
    infeasible: float = -1e6

    def __call__(self, metrics: Metrics) -> Rewards:
        low, high = self.range
        return np.where(np.isfinite(metrics["value"]), np.clip(-metrics["value"], low, high), self.infeasible)


@dataclass(frozen=True)
class Lower:
    """Recipe for `NegativeValue`."""

    help: str = "minimise the value as it stands"

    def bind(self, reference: Reference, workload: Workload) -> NegativeValue:
        return NegativeValue()


def eliminate(factors: Iterable[Factor], sizes: Sequence[int]) -> tuple[NDArray[np.int64], float]:
    """The levels that minimise a sum of tables, by variable elimination, and the minimum.

    Args:
        factors: (columns, table) pairs; a table has one axis a column.
        sizes: number of levels of each column.

    Source: dynamic programming over a graphical model (Dechter, Bucket elimination, 1999).
    """
    left = [(tuple(columns), np.asarray(table, dtype=np.float64)) for columns, table in factors]
    best_of: list[tuple[int, tuple[int, ...], NDArray[np.int64]]] = []
    pending = set(range(len(sizes)))

    def width(column: int) -> tuple[int, int]:
        joined = {other for columns, _ in left if column in columns for other in columns}
        return len(joined), column

    while pending:
        column = min(sorted(pending), key=width)
        pending.remove(column)
        touched = [factor for factor in left if column in factor[0]]
        left = [factor for factor in left if column not in factor[0]]
        scope = tuple(sorted({other for columns, _ in touched for other in columns} - {column}))
        order = (*scope, column)
        total = np.zeros([sizes[other] for other in order])
        for columns, table in touched:
            places = [order.index(other) for other in columns]
            arranged = np.transpose(table, np.argsort(places))
            total = total + arranged.reshape([sizes[other] if other in columns else 1 for other in order])
        best_of.append((column, scope, total.argmin(axis=-1)))
        left.append((scope, total.min(axis=-1)))
    levels = np.zeros(len(sizes), dtype=np.int64)
    for column, scope, choices in reversed(best_of):
        levels[column] = choices[tuple(levels[list(scope)])]
    return levels, float(sum(table for _, table in left))


@dataclass(frozen=True)
class ChoicesInstance:
    """Tables of one instance: ``alone`` (D, L), ``pairs`` (P, 2) column numbers, ``together`` (P, L, L)."""

    alone: Floats
    pairs: NDArray[np.int64]
    together: Floats

    def optimum(self) -> tuple[NDArray[np.int64], float]:
        """The best design and its value, exactly."""
        factors: list[Factor] = [((column,), table) for column, table in enumerate(self.alone)]
        factors += [((int(a), int(b)), table) for (a, b), table in zip(self.pairs, self.together, strict=True)]
        return eliminate(factors, [self.alone.shape[1]] * len(self.alone))


@dataclass(frozen=True)
class ChoicesSimulator:
    """Adds the tables up: ten choices alone and twelve pairs of them together."""

    name: str = "synthetic-choices"
    version: int = 1

    @property
    def space(self) -> Space:
        return CHOICES

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric("value", "1", "min", "the sum to be made small"),
            Metric("alone", "1", "none", "what each choice adds on its own", part_of="value"),
            Metric("interactions", "1", "none", "what pairs of choices add together", part_of="value"),
        )

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        tables: ChoicesInstance = workload.data
        alone, interactions = np.zeros(len(designs)), np.zeros(len(designs))
        for column, table in enumerate(tables.alone):
            alone += table[designs[:, column]]
        for (a, b), table in zip(tables.pairs, tables.together, strict=True):
            interactions += table[designs[:, a], designs[:, b]]
        return all_feasible({"value": alone + interactions, "alone": alone, "interactions": interactions})


#: The first eight parameters make the roofline; the other twelve interact with it through area alone.
MIXED = Space(
    "mixed",
    (
        powers("rows", 4, 128, help="rows of processing elements"),
        powers("columns", 4, 128, help="columns of processing elements"),
        powers("buffer", 16, 2048, unit="kB", help="on-chip memory; a tile that does not fit falls off the cliff"),
        grid("tile", 1, 12, help="tile edge in steps of 12"),
        choice("dataflow", "output", "weight", "input", help="what stays in place"),
        powers("channels", 1, 8, help="memory channels"),
        real("frequency", 0.2, 1.6, 8, unit="GHz", help="clock"),
        choice("word", "int8", "bf16", "fp32", help="number format"),
        grid("queue", 1, 16, help="request queue depth"),
        choice("scheduler", "fifo", "oldest", "row", "batch", "rank", help="request order"),
        grid("prefetch", 0, 15, help="lines fetched ahead"),
        choice("prefetcher", "next", "stride", "delta", "region", help="which lines are fetched ahead"),
        powers("banks", 2, 64, help="memory banks"),
        choice("address_map", "brc", "rbc", "rcb", "cbr", "xor", "hash", help="order of address bits"),
        real("supply", 0.6, 1.1, 11, unit="V", help="supply voltage"),
        choice("gating", False, True, help="clock gating"),
        powers("link", 8, 512, unit="bit", help="link width"),
        choice("routing", "xy", "yx", "adaptive", "ring", help="how packets travel"),
        choice("compression", False, True, help="compress what moves"),
        choice("double_buffering", False, True, help="load while computing"),
    ),
)
CORE = 8


@dataclass(frozen=True)
class MixedInstance:
    """Coefficients of one instance.

    Attributes:
        work: operations and bytes of the kernel, in log2.
        efficiency: log2 slow-down by dataflow, tile and word, shapes (3, 12) and (3, 3).
        pairs: six tables of log2 slow-down, one a pair of consecutive parameters beyond the core.
        area: per parameter, the area of each level, in the unit of the limit.
        limit: area that is free of charge.
        rates: slope of the area penalty, slope of the cliff.
    """

    work: Floats
    efficiency: tuple[Floats, Floats]
    pairs: tuple[Floats, ...]
    area: tuple[Floats, ...]
    limit: float
    rates: Floats

    def core_terms(self, designs: Designs) -> tuple[Floats, Floats, Floats]:
        """log2 of the roofline time, cliff and area of the core, the first eight columns."""
        rows, columns, buffer, tile, dataflow, channels, clock, word = designs[:, :CORE].T
        bytes_a_word = np.array([1.0, 2.0, 4.0])[word]
        edge = 12.0 * (tile + 1)
        compute = self.work[0] - (rows + columns + 4) - arithmetic.log2(0.2 + 0.2 * clock)
        mismatch = np.abs(arithmetic.log2(edge) - 0.5 * (rows + columns + 4) - 1.0)
        compute = compute + 0.4 * mismatch + self.efficiency[1][dataflow, word]
        reuse = arithmetic.log2(edge) + self.efficiency[0][dataflow, tile]
        memory = self.work[1] + arithmetic.log2(bytes_a_word) - reuse - channels
        footprint = 3.0 * edge * edge * bytes_a_word / (1024.0 * 16.0 * 2.0**buffer)
        cliff = np.where(footprint > 1.0, self.rates[1] * footprint, 0.0)
        area = np.zeros(len(designs))
        for column in range(CORE):
            area += self.area[column][designs[:, column]]
        return np.maximum(compute, memory), cliff, area

    def value(self, designs: Designs) -> tuple[Floats, Floats, Floats, Floats]:
        """Time (log2), cliff, overheads (log2) and area penalty of each design; their sum is the value."""
        time, cliff, area = self.core_terms(designs)
        overheads = np.zeros(len(designs))
        for number, table in enumerate(self.pairs):
            first = CORE + 2 * number
            overheads += table[designs[:, first], designs[:, first + 1]]
        for column in range(CORE, len(MIXED)):
            area += self.area[column][designs[:, column]]
        return time, cliff, overheads, self.penalty(area)

    def penalty(self, area: Floats) -> Floats:
        charged: Floats = self.rates[0] * np.maximum(0.0, area / self.limit - 1.0) ** 2
        return charged

    def optimum(self) -> tuple[NDArray[np.int64], float]:
        """The best design and its value, exactly.

        The value grows with the slow-down and with the area of each independent part (the core, and each
        pair), so only parts on the Pareto front of (slow-down, area) can be in an optimum.
        """
        sizes = [int(size) for size in MIXED.sizes]
        core = np.stack(np.unravel_index(np.arange(int(np.prod(sizes[:CORE]))), sizes[:CORE]), axis=1)
        time, cliff, area = self.core_terms(core)
        slow, area, levels = _front(time + cliff, area, core)
        for number, table in enumerate(self.pairs):
            first = CORE + 2 * number
            more = np.array(list(itertools.product(*map(range, table.shape))), dtype=np.int64)
            more_area = self.area[first][more[:, 0]] + self.area[first + 1][more[:, 1]]
            more_slow, more_area, more = _front(table.ravel(), more_area, more)
            joined = np.concatenate([levels.repeat(len(more), axis=0), np.tile(more, (len(levels), 1))], axis=1)
            slow, area, levels = _front(
                np.add.outer(slow, more_slow).ravel(), np.add.outer(area, more_area).ravel(), joined
            )
        best = levels[int((slow + self.penalty(area)).argmin())]
        return best.astype(np.int64), float(sum(part[0] for part in self.value(best[None])))


def _front(slow: Floats, area: Floats, levels: Designs) -> tuple[Floats, Floats, Designs]:
    """The rows that no other row beats in both slow-down and area."""
    order = np.lexsort((area, slow))
    least = np.minimum.accumulate(area[order])
    kept = order[np.concatenate([[True], area[order][1:] < least[:-1]])]
    return slow[kept], area[kept], levels[kept]


@dataclass(frozen=True)
class MixedSimulator:
    """A roofline of twenty mixed parameters in log2 time, with a capacity cliff and a charge for area."""

    name: str = "synthetic-mixed"
    version: int = 1

    @property
    def space(self) -> Space:
        return MIXED

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric("value", "1", "min", "the sum to be made small"),
            Metric("time", "1", "none", "log2 of the roofline time", part_of="value"),
            Metric("cliff", "1", "none", "what overflowing the buffer costs", part_of="value"),
            Metric("overheads", "1", "none", "log2 slow-down by the other parameters", part_of="value"),
            Metric("penalty", "1", "none", "charge for area above the limit", part_of="value"),
        )

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        time, cliff, overheads, penalty = workload.data.value(designs)
        value = time + cliff + overheads + penalty
        columns = {"value": value, "time": time, "cliff": cliff, "overheads": overheads, "penalty": penalty}
        return all_feasible(columns)


def _choices_instance(rng: np.random.Generator) -> ChoicesInstance:
    every = np.array(list(itertools.combinations(range(len(CHOICES)), 2)))
    pairs = every[np.sort(rng.choice(len(every), INTERACTIONS, replace=False))]
    levels = int(CHOICES.sizes[0])
    return ChoicesInstance(
        rng.normal(size=(len(CHOICES), levels)), pairs, rng.normal(size=(INTERACTIONS, levels, levels))
    )


def _ordered_or_not(parameter: Parameter, rng: np.random.Generator, scale: float) -> Floats:
    """A random slow-down a level: a bowl with its own best level where ordered, anything where not."""
    count = len(parameter.levels)
    if not parameter.ordered:
        return scale * rng.random(count)
    place = (np.arange(count) - rng.uniform(0.2, 1.0) * (count - 1)) / max(1, count - 1)
    return 2.0 * scale * place**2


def _mixed_instance(rng: np.random.Generator) -> MixedInstance:
    pairs: list[Floats] = []
    for first in range(CORE, len(MIXED), 2):
        a, b = MIXED.parameters[first], MIXED.parameters[first + 1]
        alone = np.add.outer(_ordered_or_not(a, rng, 0.3), _ordered_or_not(b, rng, 0.3))
        joint = np.multiply.outer(_ordered_or_not(a, rng, 0.7), _ordered_or_not(b, rng, 0.7))
        pairs.append(alone + joint)
    area: list[Floats] = []
    for parameter in MIXED.parameters:
        count = len(parameter.levels)
        grown = np.linspace(0.0, 1.0, count) ** rng.uniform(0.8, 1.6) if parameter.ordered else rng.random(count)
        area.append(rng.uniform(0.3, 1.2) * grown)
    for column in (0, 1, 2):  # processing elements and memory double with the level
        doubled: Floats = np.exp2(np.arange(len(area[column])) - len(area[column]) + 1.0)
        area[column] = rng.uniform(2.0, 4.0) * doubled
    work = np.array([rng.uniform(18.5, 19.5), rng.uniform(17.0, 18.0)])
    efficiency = (0.6 * rng.random((3, 12)), 0.8 * rng.random((3, 3)))
    rates = np.array([rng.uniform(12.0, 18.0), rng.uniform(3.0, 5.0)])
    return MixedInstance(work, efficiency, tuple(pairs), tuple(area), rng.uniform(7.0, 8.5), rates)


class Instances:
    """Workloads named ``instance-0``, ``instance-1``, …: any whole number is a seed."""

    def __init__(self, domain: str) -> None:
        self.domain = domain

    def names(self) -> tuple[str, ...]:
        return tuple(f"instance-{seed}" for seed in range(10))

    def load(self, name: str) -> Workload:
        head, _, seed = name.partition("-")
        if head != "instance" or not seed.isdecimal():
            raise WorkloadError(f"workload {name!r} is not of the form 'instance-N' with N a whole number")
        return _instance(self.domain, int(seed))


@lru_cache(maxsize=64)
def _instance(domain: str, seed: int) -> Workload:
    rng = np.random.default_rng([seed, len(domain)])
    data = _choices_instance(rng) if domain == "synthetic-choices" else _mixed_instance(rng)
    arrays = [part for value in vars(data).values() for part in (value if isinstance(value, tuple) else (value,))]
    for part in arrays:
        if isinstance(part, np.ndarray):
            part.setflags(write=False)
    fingerprint = content_fingerprint(domain, *(np.asarray(part) for part in arrays))
    _, optimum = data.optimum()
    return Workload(
        domain, f"instance-{seed}", fingerprint, data, {"optimum": optimum, "seed": seed}, {"seed": float(seed)}
    )


CHOICES_INSTANCES = Instances("synthetic-choices")
MIXED_INSTANCES = Instances("synthetic-mixed")
OBJECTIVES: dict[str, ObjectiveRecipe] = {"gap": ReachOptimum(), "value": Lower()}

FAMILIES = (
    Family(
        id="SyntheticChoicesEnv-v0",
        summary="ten unordered choices of eight levels with twelve pairwise interactions; the optimum is known",
        simulator="archgym.simulators.synthetic:ChoicesSimulator",
        workloads="archgym.simulators.synthetic:CHOICES_INSTANCES",
        objectives=OBJECTIVES,
        workload="instance-0",
    ),
    Family(
        id="SyntheticMixedEnv-v0",
        summary="a roofline of twenty mixed parameters with a capacity cliff and a heavy tail; the optimum is known",
        simulator="archgym.simulators.synthetic:MixedSimulator",
        workloads="archgym.simulators.synthetic:MIXED_INSTANCES",
        objectives=OBJECTIVES,
        workload="instance-0",
    ),
)
