"""How a layer is laid out in time and space on an architecture: one block of loops for each storage level.

In every dimension the factors of all blocks, temporal and spatial, multiply to the layer's bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.errors import DesignError, UnknownNameError
from archgym.simulators.dnn.architecture import Architecture
from archgym.simulators.dnn.layer import DIMENSIONS, TENSORS, Layer

Factors = tuple[tuple[str, int], ...]


class MappingArrays(NamedTuple):
    """B mappings onto n levels, for kernels; dimensions by their place in `DIMENSIONS`, innermost first.

    Orders hold all eight dimensions; the place of a dimension whose factor is 1 does not matter.
    """

    temporal: NDArray[np.int64]  # (B, n, 8): factor of each dimension
    order: NDArray[np.int64]  # (B, n, 8): dimensions, innermost loop first
    spatial: NDArray[np.int64]  # (B, n, 2, 8): factor of each dimension along x and along y
    spatial_order: NDArray[np.int64]  # (B, n, 2, 8): dimensions, innermost first; x lies inside y
    keep: NDArray[np.bool_]  # (B, n, 3): whether the level holds a tile of the tensor

    @property
    def rows(self) -> int:
        """Number of mappings."""
        return int(self.temporal.shape[0])

    def take(self, rows: Any) -> MappingArrays:
        """The chosen mappings."""
        return MappingArrays(*(array[rows] for array in self))

    def contiguous(self) -> MappingArrays:
        """The same mappings in row-major order, as kernels are compiled for."""
        return MappingArrays(
            np.ascontiguousarray(self.temporal), np.ascontiguousarray(self.order), np.ascontiguousarray(self.spatial),
            np.ascontiguousarray(self.spatial_order), np.ascontiguousarray(self.keep),
        )  # fmt: skip


@dataclass(frozen=True)
class Block:
    """The loops of one storage level, innermost first, and the tensors it keeps.

    ``temporal`` loops run over the level's instances; inside them ``x`` and ``y`` spread the work over the instances
    of the next level inwards (or the arithmetic units), x innermost. Loops of factor 1 may be left out.
    """

    temporal: Factors = ()
    x: Factors = ()
    y: Factors = ()
    keep: frozenset[str] = frozenset(TENSORS)


@dataclass(frozen=True)
class Mapping:
    """Blocks of loops for the storage levels of an architecture, innermost first."""

    blocks: tuple[Block, ...]

    def factors(self) -> dict[str, int]:
        """Product of all factors by dimension."""
        product = dict.fromkeys(DIMENSIONS, 1)
        for block in self.blocks:
            for dimension, factor in (*block.temporal, *block.x, *block.y):
                product[dimension] *= factor
        return product

    def check(self, architecture: Architecture, layer: Layer) -> None:
        """Raise ``DesignError`` unless the mapping is one of ``layer`` onto ``architecture``.

        Whether tiles and fan-outs fit is not looked at: that is a result of the evaluation.
        """
        if len(self.blocks) != len(architecture.levels):
            raise DesignError(
                f"mapping has {len(self.blocks)} levels, {architecture.name!r} has {len(architecture.levels)}"
            )
        for dimension, product in self.factors().items():
            if product != layer.bound(dimension):
                raise DesignError(
                    f"factors of {dimension} multiply to {product}, but the bound of {dimension} is {layer.bound(dimension)}"
                )
        for tensor in TENSORS:
            if not any(tensor in block.keep for block in self.blocks):
                raise DesignError(f"{tensor} is kept at no level")

    def to_json(self, architecture: Architecture) -> list[dict[str, Any]]:
        """The form that ``from_json`` reads, innermost level first."""
        return [
            {
                "name": level.name,
                "keep": [t for t in TENSORS if t in block.keep],
                "bypass": [t for t in TENSORS if t not in block.keep],
                "temporal": {d: dict(block.temporal).get(d, 1) for d in DIMENSIONS},
                "permutation_inner_to_outer": _complete([d for d, _ in block.temporal]),
                "spatial_children": {"X": dict(block.x), "Y": dict(block.y)},
            }
            for level, block in zip(architecture.levels, self.blocks, strict=True)
        ]

    def text(self, architecture: Architecture) -> str:
        """The loop nest as people write it, outermost loop first."""
        lines, depth = [], 0
        for level, block in reversed(list(zip(architecture.levels, self.blocks, strict=True))):
            kept = ", ".join(t for t in TENSORS if t in block.keep) or "nothing"
            lines.append(f"{'  ' * depth}{level.name} [{kept}]")
            for loops, kind in ((block.temporal, "for"), (block.y, "parallel-for (y)"), (block.x, "parallel-for (x)")):
                for dimension, factor in reversed(loops):
                    if factor > 1:
                        lines.append(f"{'  ' * depth}{kind} {dimension} in 0..{factor - 1}:")
                        depth += 1
        lines.append(f"{'  ' * depth}multiply-accumulate")
        return "\n".join(lines)

    @classmethod
    def from_json(cls, levels: object, architecture: Architecture, layer: Layer) -> Mapping:
        """A mapping from a list of levels, each ``{"name", "temporal", "permutation_inner_to_outer", …}``.

        ``keep`` names the tensors a level keeps, ``bypass`` those it does not (one of them is enough; none: all kept);
        ``spatial_children`` is ``{"X": {...}, "Y": {...}}``, ordered innermost first; dimensions that a permutation
        leaves out follow outside. Raises as ``check``.
        """
        if not isinstance(levels, Sequence) or not all(isinstance(level, Dictionary) for level in levels):
            raise DesignError(
                "a mapping is a list of levels, innermost first, each with name, temporal and permutation"
            )
        names = [level.name for level in architecture.levels]
        by_name: dict[str, Dictionary[str, Any]] = {}
        for data in levels:
            name = str(data.get("name"))
            if name not in names:
                raise UnknownNameError("storage level", name, names)
            if name in by_name:
                raise DesignError(f"level {name!r} appears twice in the mapping")
            by_name[name] = data
        missing = [name for name in names if name not in by_name]
        if missing:
            raise DesignError(f"the mapping lacks level {missing[0]!r}")
        mapping = cls(tuple(_read_block(by_name[name]) for name in names))
        mapping.check(architecture, layer)
        return mapping


_BLOCK_KEYS = ("name", "keep", "bypass", "temporal", "permutation_inner_to_outer", "spatial_children")


def _read_block(data: Dictionary[str, Any]) -> Block:
    owner = f"level {data.get('name')!r}"
    for key in data:
        if key not in _BLOCK_KEYS:
            raise UnknownNameError(f"key of {owner}:", key, _BLOCK_KEYS)
    temporal = dict(_read_factors(owner, data.get("temporal", {})))
    if isinstance(data.get("permutation_inner_to_outer"), str):
        data = {**data, "permutation_inner_to_outer": list(data["permutation_inner_to_outer"])}
    order = _read_names(owner, data, "permutation_inner_to_outer", DIMENSIONS, list(temporal))
    if len(set(order)) != len(order):
        raise DesignError(f"{owner}: permutation {list(order)} names a dimension twice")
    spatial = data.get("spatial_children") or {}
    if not isinstance(spatial, Dictionary):
        raise DesignError(
            f"{owner}: spatial_children must be given as {{axis: {{dimension: factor}}}}, got {spatial!r}"
        )
    for axis in spatial:
        if axis not in ("X", "Y"):
            raise UnknownNameError(f"axis of spatial_children of {owner}:", axis, ("X", "Y"))
    return Block(
        tuple((dimension, temporal.get(dimension, 1)) for dimension in _complete(order)),
        _read_factors(owner, spatial.get("X", {})),
        _read_factors(owner, spatial.get("Y", {})),
        _read_keep(owner, data),
    )


def _read_factors(owner: str, data: object) -> Factors:
    if not isinstance(data, Dictionary):
        raise DesignError(f"{owner}: factors must be given as {{dimension: factor}}, got {data!r}")
    for dimension, factor in data.items():
        if dimension not in DIMENSIONS:
            raise UnknownNameError(f"dimension of {owner}:", dimension, DIMENSIONS)
        if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
            raise DesignError(f"{owner}: factor {dimension} = {factor!r} must be a whole number of at least 1")
    return tuple((str(dimension), int(factor)) for dimension, factor in data.items())


def _read_names(
    owner: str, data: Dictionary[str, Any], key: str, allowed: tuple[str, ...], default: Sequence[str] = ()
) -> list[str]:
    names = data.get(key, default)
    if not isinstance(names, list | tuple):
        raise DesignError(f"{owner}: {key} must be a list of {', '.join(allowed)}, got {names!r}")
    for name in names:
        if name not in allowed:
            kind = "tensor" if allowed == TENSORS else "dimension"
            raise UnknownNameError(f"{kind} in {key} of {owner}:", name, allowed)
    return list(names)


def _read_keep(owner: str, data: Dictionary[str, Any]) -> frozenset[str]:
    keep, bypass = (set(_read_names(owner, data, key, TENSORS)) for key in ("keep", "bypass"))
    if keep & bypass:
        raise DesignError(f"{owner}: {sorted(keep & bypass)[0]} is both kept and bypassed")
    if "keep" in data and "bypass" in data and keep | bypass != set(TENSORS):
        raise DesignError(f"{owner}: {sorted(set(TENSORS) - keep - bypass)[0]} is neither kept nor bypassed")
    return frozenset(keep if "keep" in data else set(TENSORS) - bypass)


def _complete(order: Iterable[str]) -> tuple[str, ...]:
    """``order`` followed by the dimensions it leaves out."""
    named = tuple(order)
    return (*named, *(dimension for dimension in DIMENSIONS if dimension not in named))


def pack(mappings: Sequence[Mapping]) -> MappingArrays:
    """Mappings onto the same architecture as arrays."""
    count, levels, width = len(mappings), len(mappings[0].blocks) if mappings else 0, len(DIMENSIONS)
    identity = np.arange(width)
    arrays = MappingArrays(
        np.ones((count, levels, width), np.int64),
        np.broadcast_to(identity, (count, levels, width)).copy(),
        np.ones((count, levels, 2, width), np.int64),
        np.broadcast_to(identity, (count, levels, 2, width)).copy(),
        np.zeros((count, levels, len(TENSORS)), np.bool_),
    )
    for row, mapping in enumerate(mappings):
        for number, block in enumerate(mapping.blocks):
            _pack_loops(block.temporal, arrays.temporal[row, number], arrays.order[row, number])
            for axis, loops in enumerate((block.x, block.y)):
                _pack_loops(loops, arrays.spatial[row, number, axis], arrays.spatial_order[row, number, axis])
            arrays.keep[row, number] = [tensor in block.keep for tensor in TENSORS]
    return arrays


def _pack_loops(loops: Factors, factors: NDArray[np.int64], order: NDArray[np.int64]) -> None:
    for dimension, factor in loops:
        factors[DIMENSIONS.index(dimension)] = factor
    order[:] = [DIMENSIONS.index(dimension) for dimension in _complete(d for d, _ in loops)]


def unpack(arrays: MappingArrays, row: int) -> Mapping:
    """One mapping out of arrays; loops of factor 1 are left out."""

    def loops(factors: NDArray[np.int64], order: NDArray[np.int64]) -> Factors:
        return tuple((DIMENSIONS[d], int(factors[d])) for d in order if factors[d] > 1)

    return Mapping(
        tuple(
            Block(
                loops(arrays.temporal[row, number], arrays.order[row, number]),
                loops(arrays.spatial[row, number, 0], arrays.spatial_order[row, number, 0]),
                loops(arrays.spatial[row, number, 1], arrays.spatial_order[row, number, 1]),
                frozenset(t for t, kept in zip(TENSORS, arrays.keep[row, number], strict=True) if kept),
            )
            for number in range(arrays.temporal.shape[1])
        )
    )


def check_shapes(arrays: MappingArrays, architecture: Architecture) -> None:
    """Raise ``DesignError`` unless the arrays have the shapes and types of mappings onto ``architecture``."""
    count, levels, width = arrays.rows, len(architecture.levels), len(DIMENSIONS)
    shapes = ((levels, width), (levels, width), (levels, 2, width), (levels, 2, width), (levels, len(TENSORS)))
    for field, array, shape in zip(MappingArrays._fields, arrays, shapes, strict=True):
        if array.shape != (count, *shape):
            raise DesignError(f"mappings: {field} has shape {array.shape}, {(count, *shape)} is needed")
        needed = np.dtype(np.bool_ if field == "keep" else np.int64)
        if array.dtype != needed:
            raise DesignError(f"mappings: {field} has values of type {array.dtype}, {needed} is needed")


def check_rows(arrays: MappingArrays, layer: Layer, start: int, stop: int) -> None:
    """Raise ``DesignError`` unless rows ``start``..``stop`` are mappings of ``layer`` (as ``Mapping.check``)."""
    from archgym.simulators.dnn.mapping_checks import first_wrong

    row, fault, number = first_wrong(arrays, np.array(layer.bounds, np.int64), start, stop)
    if row < 0:
        return
    if fault == 0:
        raise DesignError(
            f"mapping {row}: an order at level {number} does not hold each of 0..{len(DIMENSIONS) - 1} once"
        )
    if fault == 1:
        raise DesignError(
            f"mapping {row}: the factors of {DIMENSIONS[number]} are not whole numbers of at least 1 that multiply to "
            f"its bound {layer.bounds[number]}"
        )
    raise DesignError(f"mapping {row}: {TENSORS[number]} is kept at no level")
