"""Mappings of one layer onto one architecture as a design space.

Every prime factor of every loop bound is one parameter: the slot (a level's temporal loops, or its spatial loops along x
or y) that it goes to. Every level's loop order is a code with exactly one value for each order: a parameter a loop says
at which place it goes in among the loops before it, innermost first. Bypasses that the rules leave open are flags.

With ``overflow="outwards"`` a factor whose slot has no room left (its tile would not fit, the mesh or a rule's limit is
full) goes to the next slot outwards that has; a tiling that fits is always taken as it is, so all of them are reached.
With ``"infeasible"`` factors stay where they are put.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.dnn.architecture import Architecture
from archgym.simulators.dnn.constraints import FREE, KINDS, Freedom, read_freedom
from archgym.simulators.dnn.layer import DIMENSIONS, TENSORS, Layer
from archgym.simulators.dnn.mapper import find_mapping, prime_factors, start_pool
from archgym.simulators.dnn.mapping import Mapping, MappingArrays, pack
from archgym.simulators.dnn.templates import Template
from archgym.space import Parameter, Space, choice, ordinal

OVERFLOWS = ("outwards", "infeasible")
DEFAULT_BUDGET = 500  # evaluations that the mapper spends on the default design
Ints = NDArray[np.int64]


class Code(NamedTuple):
    """How designs are read, as arrays for kernels. Slots are numbered from the innermost outwards."""

    slots: Ints  # (S, 2): level and kind (0 temporal, 1 x, 2 y)
    factors: Ints  # (F, 2): dimension and prime of each factor parameter
    factor_slots: Ints  # (F, S): slots that may hold it, from the innermost outwards, -1 behind the last
    factor_columns: Ints  # (F,): parameter of each factor, -1 where there is one slot only
    limit: Ints  # (levels, 3, 8): largest factor of a dimension in a slot
    order_parameters: Ints  # (levels, 8): parameter that places the n-th free loop of a level, -1: none
    free_loops: Ints  # (levels, 8): the free loops of a level in the order in which they are placed, -1 behind the last
    first_place: Ints  # (levels,): places of a level's order that the rules fix
    keep_parameters: Ints  # (levels, 3): parameter that says whether a tensor is kept, -1: not free
    outwards: Ints  # (1,): whether factors move outwards


@dataclass(frozen=True)
class MappingCode:
    """The space of mappings of ``layer`` onto a template's architecture under its rules, and how to read a design.

    Raises:
        ConfigError: if no mapping keeps to the rules.
    """

    template: Template
    layer: Layer
    overflow: str = "outwards"

    def __post_init__(self) -> None:
        if self.overflow not in OVERFLOWS:
            raise UnknownNameError("overflow", self.overflow, OVERFLOWS)
        start_pool(self.freedom, self.layer, 1)

    def __getstate__(self) -> dict[str, object]:
        """Only what it is made of; the rest is derived anew."""
        return {"template": self.template, "layer": self.layer, "overflow": self.overflow}

    @property
    def architecture(self) -> Architecture:
        return self.template.architecture

    @cached_property
    def freedom(self) -> Freedom:
        return read_freedom(self.architecture, self.layer, self.template.rules)

    @cached_property
    def slots(self) -> tuple[tuple[int, int], ...]:
        """(level, kind) from the innermost outwards: of each level x, y, then its temporal loops around them."""
        return tuple((level, kind) for level in range(len(self.architecture.levels)) for kind in (1, 2, 0))

    def slot_name(self, slot: int) -> str:
        """``GLB``, ``GLB x`` or ``GLB y``."""
        level, kind = self.slots[slot]
        name = self.architecture.levels[level].name
        return name if kind == 0 else f"{name} {KINDS[kind]}"

    @cached_property
    def running(self) -> tuple[int, ...]:
        """Dimensions whose loop runs more than once."""
        return tuple(d for d, bound in enumerate(self.layer.bounds) if bound > 1)

    def slots_of(self, dimension: int) -> list[int]:
        """Slots that may hold a factor of a dimension."""
        return [
            number
            for number, (level, kind) in enumerate(self.slots)
            if self.freedom.exact[level, kind, dimension] == FREE and self.freedom.limit[level, kind, dimension] > 1
        ]

    @cached_property
    def factors(self) -> tuple[tuple[int, int], ...]:
        """(dimension, prime), large primes first: every factor that the rules do not fix."""
        exact = np.where(self.freedom.exact == FREE, 1, self.freedom.exact)
        found = []
        for dimension, bound in enumerate(self.layer.bounds):
            left = bound // int(exact[:, :, dimension].prod())
            found += [(dimension, prime) for prime in reversed(prime_factors(left))]
        return tuple(found)

    @cached_property
    def _factor_names(self) -> tuple[str, ...]:
        """``C.0``, ``C.1``, … for the factors of each dimension."""
        dimensions = [dimension for dimension, _ in self.factors]
        return tuple(f"{DIMENSIONS[d]}.{dimensions[:number].count(d)}" for number, d in enumerate(dimensions))

    def free_loops(self, level: int) -> list[int]:
        """Dimensions whose place in a level's order is free: those that may run there and are not fixed inside."""
        fixed = set(self.freedom.order[level, 0, : self.freedom.fixed_places[level]])
        return [
            d
            for d in self.running
            if d not in fixed
            and (self.freedom.exact[level, 0, d] > 1 or (level, 0) in map(self.slots.__getitem__, self.slots_of(d)))
        ]

    def free_keeps(self) -> list[tuple[int, int]]:
        """(level, tensor) whose bypass is free."""
        return [(int(level), int(tensor)) for level, tensor in np.argwhere(self.freedom.keep == FREE)]

    @cached_property
    def space(self) -> Space:
        """Factors, then orders, then bypasses; the default is what the mapper finds with few evaluations."""
        plain = self._plain_space
        found = find_mapping(self.architecture, self.layer, self.template.rules, budget=DEFAULT_BUDGET).mapping
        values = plain.row(self.encode(found))
        return Space(plain.name, tuple(replace(p, default=values[p.name]) for p in plain.parameters))

    @cached_property
    def _plain_space(self) -> Space:
        parameters: list[Parameter] = []
        for name, (dimension, prime) in zip(self._factor_names, self.factors, strict=True):
            slots = [self.slot_name(slot) for slot in self.slots_of(dimension)]
            if len(slots) > 1:
                help = f"loops that get the factor {prime} of {DIMENSIONS[dimension]} = {self.layer.bounds[dimension]}"
                parameters.append(choice(name, *slots, group="tiling", help=help))
        for level, storage in enumerate(self.architecture.levels):
            for number, dimension in enumerate(self.free_loops(level)[1:], start=1):
                before = ", ".join(DIMENSIONS[d] for d in self.free_loops(level)[:number])
                name = f"{storage.name}.order.{DIMENSIONS[dimension]}"
                help = f"loops among {before} that lie inside {DIMENSIONS[dimension]}"
                parameters.append(ordinal(name, range(number + 1), default=number, group="order", help=help))
        for level, tensor in self.free_keeps():
            name = f"{self.architecture.levels[level].name}.keep.{TENSORS[tensor]}"
            help = f"whether {TENSORS[tensor].lower()} have a tile there"
            parameters.append(choice(name, True, False, group="bypass", help=help))
        if not parameters:
            raise ConfigError(f"layer {self.layer.name!r} has one mapping only: there is nothing to choose")
        return Space(f"mappings of {self.layer.name} onto {self.architecture.name}", tuple(parameters))

    @cached_property
    def code(self) -> Code:
        """The arrays that `decoding` reads designs by."""
        levels, width = len(self.architecture.levels), len(DIMENSIONS)
        position = {name: column for column, name in enumerate(self._plain_space.names)}
        columns = [position.get(name, -1) for name in self._factor_names]
        factor_slots = np.full((len(self.factors), len(self.slots)), -1, np.int64)
        for number, (dimension, _) in enumerate(self.factors):
            slots = self.slots_of(dimension)
            factor_slots[number, : len(slots)] = slots
        orders, loops = np.full((levels, width), -1, np.int64), np.full((levels, width), -1, np.int64)
        keeps = np.full((levels, len(TENSORS)), -1, np.int64)
        for level, storage in enumerate(self.architecture.levels):
            free = self.free_loops(level)
            loops[level, : len(free)] = free
            for number, dimension in enumerate(free):
                orders[level, number] = position.get(f"{storage.name}.order.{DIMENSIONS[dimension]}", -1)
            for tensor, name in enumerate(TENSORS):
                keeps[level, tensor] = position.get(f"{storage.name}.keep.{name}", -1)
        return Code(
            np.array(self.slots, np.int64), np.array(self.factors, np.int64).reshape(-1, 2),
            factor_slots, np.array(columns, np.int64), self.freedom.limit, orders, loops, self.freedom.fixed_places, keeps,
            np.array([self.overflow == "outwards"], np.int64),
        )  # fmt: skip

    def encode(self, mapping: Mapping) -> Ints:
        """The design of a mapping that keeps to the rules, shape (D,); orders of loops that run once are the plain ones.

        Raises:
            DesignError: if it is not a mapping of the layer.
        """
        mapping.check(self.architecture, self.layer)
        arrays, space, code = pack([mapping]), self._plain_space, self.code
        design = np.zeros(len(space), np.int64)
        exact = np.where(self.freedom.exact == FREE, 1, self.freedom.exact)
        left = np.stack([arrays.temporal[0], arrays.spatial[0, :, 0], arrays.spatial[0, :, 1]], axis=1) // exact
        for number, (dimension, prime) in enumerate(self.factors):
            slots = self.slots_of(dimension)
            for place, slot in enumerate(slots):
                at = (*self.slots[slot], dimension)
                if left[at] % prime == 0:
                    left[at] //= prime
                    if code.factor_columns[number] >= 0:
                        design[code.factor_columns[number]] = place
                    break
        for level in range(len(self.architecture.levels)):
            order = [int(d) for d in arrays.order[0, level]]
            free = self.free_loops(level)
            for number, dimension in enumerate(free):
                if code.order_parameters[level, number] >= 0:
                    before = sum(order.index(other) < order.index(dimension) for other in free[:number])
                    design[code.order_parameters[level, number]] = before
        for level, tensor in self.free_keeps():
            design[code.keep_parameters[level, tensor]] = 0 if arrays.keep[0, level, tensor] else 1
        return design

    def pool(self, rows: int) -> MappingArrays:
        """Room for ``rows`` mappings that hold only what the rules fix."""
        plain = start_pool(self.freedom, self.layer, rows)
        exact = np.where(self.freedom.exact == FREE, 1, self.freedom.exact)
        plain.temporal[:] = exact[:, 0]
        plain.spatial[:] = exact[:, 1:]
        return plain
