"""What a layer asks for: loop bounds, strides and dilations of a convolution, a GEMM or a batched matrix product.

Every layer is one eight-deep loop nest, so that one analysis serves all of them:
``Outputs[n, g, k, q, p] += Weights[g, k, c, r, s] * Inputs[n, g, c, r*Wdilation + p*Wstride, s*Hdilation + q*Hstride]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import UnknownNameError, WorkloadError

DIMENSIONS = ("R", "S", "P", "Q", "C", "K", "N", "G")
TENSORS = ("Weights", "Inputs", "Outputs")
COEFFICIENTS = ("Wstride", "Hstride", "Wdilation", "Hdilation")
RELEVANT = {"Weights": frozenset("RSCKG"), "Inputs": frozenset("RSPQCNG"), "Outputs": frozenset("PQKNG")}
LARGEST_COUNT = 2**63 - 1


def positive_integer(name: str, value: object) -> int:
    """``value`` as an int of at least 1, or a ``WorkloadError`` that names ``name``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        shown = value if isinstance(value, np.generic) else repr(value)
        raise WorkloadError(f"{name} = {shown}: must be a whole number of at least 1")
    return int(value)


@dataclass(frozen=True)
class Layer:
    """Bounds of the eight loops (a missing one is 1) and the strides and dilations of the two window axes.

    R, S: filter width and height; P, Q: output width and height; C, K: input and output channels *of one group*;
    N: batch; G: groups (depthwise: G channels with C = K = 1; batched matmul: G products).
    Raises ``WorkloadError`` for a bound below 1 and for a layer whose multiply-accumulates pass 2^63 - 1.
    """

    bounds: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    name: str = field(default="layer", compare=False)

    def __post_init__(self) -> None:
        if len(self.bounds) != len(DIMENSIONS):
            raise WorkloadError(f"layer {self.name!r}: {len(self.bounds)} bounds given, {len(DIMENSIONS)} expected")
        for dimension, bound in zip(DIMENSIONS, self.bounds, strict=True):
            positive_integer(f"layer {self.name!r}: bound {dimension}", bound)
        for label, pair in (("stride", self.stride), ("dilation", self.dilation)):
            for value in pair:
                positive_integer(f"layer {self.name!r}: {label}", value)
        if self.macs > LARGEST_COUNT:
            raise WorkloadError(
                f"layer {self.name!r}: {self.macs} multiply-accumulates, at most 2^63 - 1 can be counted"
            )
        for tensor, words in self.tensor_words().items():
            if words > LARGEST_COUNT:
                raise WorkloadError(f"layer {self.name!r}: {tensor} has {words} words, at most 2^63 - 1 can be counted")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole layer."""
        return math.prod(self.bounds)

    def bound(self, dimension: str) -> int:
        """Bound of the loop over ``dimension``."""
        return self.bounds[DIMENSIONS.index(dimension)]

    def tensor_words(self) -> dict[str, int]:
        """Words of each tensor's bounding box (holes that a stride or dilation leaves are counted)."""
        r, s, p, q, c, k, n, g = self.bounds
        width = 1 + (r - 1) * self.dilation[0] + (p - 1) * self.stride[0]
        height = 1 + (s - 1) * self.dilation[1] + (q - 1) * self.stride[1]
        return {"Weights": g * k * c * r * s, "Inputs": n * g * c * width * height, "Outputs": n * g * k * p * q}

    def coefficients(self) -> NDArray[np.int64]:
        """``(Wdilation, Wstride, Hdilation, Hstride)`` as int64: steps of R, P, S and Q along the input's axes."""
        return np.array([self.dilation[0], self.stride[0], self.dilation[1], self.stride[1]], np.int64)

    def to_json(self) -> dict[str, int | str]:
        """The flat form that ``from_json`` reads."""
        flat: dict[str, int | str] = {"name": self.name, **dict(zip(DIMENSIONS, self.bounds, strict=True))}
        flat.update(Wstride=self.stride[0], Hstride=self.stride[1])
        flat.update(Wdilation=self.dilation[0], Hdilation=self.dilation[1])
        return flat

    @classmethod
    def from_json(cls, data: Dictionary[str, Any], name: str = "layer") -> Layer:
        """A layer from ``{"R": …, "S": …, …, "Wstride": …}``, or ``{"gemm": {...}}``, or ``{"matmul": {...}}``."""
        if not isinstance(data, Dictionary):
            raise WorkloadError(f"layer {name!r}: a mapping of bounds is expected, got {type(data).__name__}")
        name = str(data.get("name", name))
        for kind, build in (("gemm", gemm), ("matmul", matmul)):
            if kind in data:
                unknown = set(data) - {kind, "name"}
                if unknown:
                    raise UnknownNameError(f"key of {kind} layer", sorted(unknown)[0], [kind, "name"])
                return build(name=name, **_sizes(kind, data[kind]))
        for key in data:
            if key not in (*DIMENSIONS, *COEFFICIENTS, "name"):
                raise UnknownNameError("layer dimension", key, (*DIMENSIONS, *COEFFICIENTS))
        values = {
            key: positive_integer(f"layer {name!r}: {key}", data.get(key, 1)) for key in (*DIMENSIONS, *COEFFICIENTS)
        }
        return cls(
            tuple(values[dimension] for dimension in DIMENSIONS),
            (values["Wstride"], values["Hstride"]),
            (values["Wdilation"], values["Hdilation"]),
            name,
        )


def _sizes(kind: str, data: object) -> dict[str, int]:
    allowed = ("M", "N", "K") if kind == "gemm" else ("batch", "M", "N", "K")
    if not isinstance(data, Dictionary):
        raise WorkloadError(f"{kind}: a mapping of {', '.join(allowed)} is expected")
    for key in data:
        if key not in allowed:
            raise UnknownNameError(f"{kind} size", key, allowed)
    for key in ("M", "N", "K"):
        if key not in data:
            raise WorkloadError(f"{kind}: size {key} is missing")
    return {str(key): positive_integer(f"{kind} size {key}", value) for key, value in data.items()}


def convolution(
    output: tuple[int, int],
    filters: int,
    channels: int,
    window: tuple[int, int] = (1, 1),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    batch: int = 1,
    name: str = "convolution",
) -> Layer:
    """A convolution by its *output* (width, height); ``filters`` and ``channels`` count all groups together.

    Raises ``WorkloadError`` where ``groups`` does not divide both.
    """
    positive_integer("groups", groups)
    if filters % groups or channels % groups:
        raise WorkloadError(f"{name}: groups = {groups} must divide filters = {filters} and channels = {channels}")
    bounds = (*window, *output, channels // groups, filters // groups, batch, groups)
    return Layer(bounds, stride, dilation, name)


def depthwise(
    output: tuple[int, int],
    channels: int,
    window: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    batch: int = 1,
    name: str = "depthwise",
) -> Layer:
    """A depthwise convolution: one filter for each channel, nothing summed over channels."""
    return convolution(output, channels, channels, window, stride, groups=channels, batch=batch, name=name)


def gemm(M: int, N: int, K: int, name: str = "gemm") -> Layer:
    """``Outputs[M, N] = Inputs[M, K] x Weights[K, N]``; as loops P = M, C = K, K = N."""
    return Layer((1, 1, M, 1, K, N, 1, 1), name=name)


def matmul(M: int, N: int, K: int, batch: int = 1, name: str = "matmul") -> Layer:
    """``batch`` independent products, each with its own second operand (attention scores: batch = heads)."""
    return Layer((1, 1, M, 1, K, N, 1, batch), name=name)
