"""Which mappings a dataflow allows, as data: a list of rules in Timeloop's form, read into arrays for the mapper.

A rule names a storage level and says which tensors it keeps, which factors its loops may have, or how they are ordered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.dnn.architecture import Architecture
from archgym.simulators.dnn.layer import DIMENSIONS, TENSORS, Layer
from archgym.simulators.dnn.mapping import MappingArrays

KINDS = ("temporal", "x", "y")
FREE = -1
Rule = Dictionary[str, Any]


class Freedom(NamedTuple):
    """What the mapper may choose for a layer on an architecture."""

    limit: NDArray[np.int64]  # (levels, 3 kinds, 8): largest factor; 1 where a dimension may not go
    exact: NDArray[np.int64]  # (levels, 3 kinds, 8): the only factor allowed, or FREE
    keep: NDArray[np.int64]  # (levels, 3 tensors): 1 kept, 0 bypassed, FREE
    order: NDArray[np.int64]  # (levels, 3 kinds, 8): dimensions innermost first
    fixed_places: NDArray[np.int64]  # (levels,): so many innermost temporal places are fixed


def read_freedom(architecture: Architecture, layer: Layer, rules: Sequence[Rule] = ()) -> Freedom:
    """The choices that ``rules`` leave.

    Each rule has ``target`` (a level) and ``type``: ``datatype`` with ``keep``/``bypass``; ``temporal`` or ``spatial``
    with ``factors`` such as ``"N=1 C<=4"`` and ``permutation`` (innermost first, dimensions left out are free outside);
    spatial ones also ``split``: how many places of the permutation lie along x. Level names that the architecture does
    not have and unknown dimensions raise ``UnknownNameError``; factors that no mapping can meet raise ``ConfigError``.
    """
    levels, width = len(architecture.levels), len(DIMENSIONS)
    bounds = np.array(layer.bounds, np.int64)
    freedom = Freedom(
        np.broadcast_to(bounds, (levels, len(KINDS), width)).copy(),
        np.full((levels, len(KINDS), width), FREE, np.int64),
        np.full((levels, len(TENSORS)), FREE, np.int64),
        np.broadcast_to(np.arange(width), (levels, len(KINDS), width)).copy(),
        np.zeros(levels, np.int64),
    )
    freedom.keep[levels - 1] = 1
    names = [level.name for level in architecture.levels]
    for number in range(levels):
        for axis, room in enumerate(architecture.fanout(number)):
            np.minimum(freedom.limit[number, 1 + axis], room, out=freedom.limit[number, 1 + axis])
        if architecture.levels[number].words == 0:
            freedom.keep[number] = 0
    for rule in rules:
        if rule.get("target") not in names:
            raise UnknownNameError("storage level in a mapping constraint", rule.get("target"), names)
        _apply(rule, names.index(rule["target"]), freedom, layer)
    _check(freedom, layer, names)
    return freedom


def _apply(rule: Rule, level: int, freedom: Freedom, layer: Layer) -> None:
    kind = rule.get("type")
    if kind in ("datatype", "bypass"):
        for key, value in (("keep", 1), ("bypass", 0)):
            for tensor in rule.get(key, ()):
                if tensor not in TENSORS:
                    raise UnknownNameError("tensor in a mapping constraint", tensor, TENSORS)
                freedom.keep[level, TENSORS.index(tensor)] = value
        return
    if kind not in ("temporal", "spatial"):
        raise UnknownNameError("type of mapping constraint", kind, ("datatype", "temporal", "spatial"))
    kinds = (0,) if kind == "temporal" else (1, 2)
    order = _dimensions(str(rule.get("permutation", "")).replace(" ", ""))
    split = rule.get("split")
    if split is not None and not 0 <= int(split) <= len(DIMENSIONS):
        raise ConfigError(f"mapping constraint: split = {split} must lie in 0..{len(DIMENSIONS)}")
    for dimension, sign, value in _factors(str(rule.get("factors", ""))):
        number = DIMENSIONS.index(dimension)
        value = layer.bounds[number] if value == 0 else value
        for k in kinds:
            freedom.limit[level, k, number] = min(freedom.limit[level, k, number], value)
        if sign == "=" and (kind == "temporal" or value == 1):
            for k in kinds:
                freedom.exact[level, k, number] = value
        elif sign == "=":
            axis = 1 if split is None or (dimension in order and order.index(dimension) < split) else 2
            freedom.exact[level, axis, number], freedom.exact[level, 3 - axis, number] = value, 1
    if order:
        numbers = [DIMENSIONS.index(d) for d in order]
        for k in kinds:
            freedom.order[level, k] = numbers + [d for d in range(len(DIMENSIONS)) if d not in numbers]
        if kind == "temporal":
            freedom.fixed_places[level] = len(order)
    if split is not None:
        complete = [DIMENSIONS[d] for d in freedom.order[level, 1]]
        for place, dimension in enumerate(complete):
            freedom.limit[level, 2 if place < int(split) else 1, DIMENSIONS.index(dimension)] = 1


@lru_cache(maxsize=1024)
def _dimensions(text: str) -> tuple[str, ...]:
    for letter in text:
        if letter not in DIMENSIONS:
            raise UnknownNameError("dimension in a mapping constraint", letter, DIMENSIONS)
    if len(set(text)) != len(text):
        raise ConfigError(f"mapping constraint: permutation {text!r} names a dimension twice")
    return tuple(text)


@lru_cache(maxsize=1024)
def _factors(text: str) -> tuple[tuple[str, str, int], ...]:
    result = []
    for token in text.split():
        match = re.fullmatch(r"([A-Za-z]+)(<=|=)?(\d+)", token)
        if match is None:
            raise ConfigError(f"mapping constraint: factor {token!r} must read like 'C=4' or 'C<=4'")
        _dimensions(match[1])
        result.append((match[1], match[2] or "=", int(match[3])))
    return tuple(result)


def _check(freedom: Freedom, layer: Layer, names: list[str]) -> None:
    for number, dimension in enumerate(DIMENSIONS):
        bound, fixed = layer.bounds[number], 1
        for level, kind in np.ndindex(freedom.exact.shape[:2]):
            value = freedom.exact[level, kind, number]
            if value != FREE:
                fixed *= int(value)
                if value > freedom.limit[level, kind, number]:
                    raise ConfigError(
                        f"mapping constraint: {dimension} = {value} at {names[level]} ({KINDS[kind]}) is above the limit "
                        f"{freedom.limit[level, kind, number]}"
                    )
        if bound % fixed:
            raise ConfigError(f"mapping constraints fix {dimension} to {fixed} in all, which does not divide {bound}")
    for tensor, name in enumerate(TENSORS):
        if not freedom.keep[:, tensor].any():
            raise ConfigError(f"mapping constraints bypass {name} at every level")


def satisfies(arrays: MappingArrays, row: int, freedom: Freedom) -> bool:
    """Whether a mapping keeps to the choices (used to check the mapper's answers)."""
    factors = np.stack([arrays.temporal[row], arrays.spatial[row, :, 0], arrays.spatial[row, :, 1]], axis=1)
    if (factors > freedom.limit).any() or ((freedom.exact != FREE) & (factors != freedom.exact)).any():
        return False
    if ((freedom.keep != FREE) & (arrays.keep[row] != freedom.keep)).any():
        return False
    for level, places in enumerate(freedom.fixed_places):
        fixed = [d for d in freedom.order[level, 0, :places] if factors[level, 0, d] > 1]
        free = [d for d in freedom.order[level, 0, places:] if factors[level, 0, d] > 1]
        found = [d for d in arrays.order[row, level] if factors[level, 0, d] > 1]
        if found[: len(fixed)] != fixed or set(found[len(fixed) :]) != set(free):
            return False
    return True
