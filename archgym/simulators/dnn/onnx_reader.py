"""Networks from ONNX models (needs the optional extra ``onnx``). Only shapes are read, no weights.

`MAPPED` operators become layers; those in `WITHOUT_MACS` do no matrix work and are left out; any other is refused.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from archgym.errors import ArchGymError, MissingExtraError, WorkloadError
from archgym.simulators.dnn.layer import Layer, convolution, gemm, matmul
from archgym.simulators.dnn.network import Network, make_network
from archgym.simulators.dnn.onnx_shapes import tensor_shapes, with_shapes

#: Operators whose work is not matrix work: element by element, pooling, normalisation, moving and shaping data.
WITHOUT_MACS = frozenset(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift BitwiseAnd BitwiseNot
    BitwiseOr BitwiseXor Cast CastLike Ceil Celu CenterCropPad Clip Compress Concat Constant ConstantOfShape Cos Cosh CumSum
    DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather
    GatherElements GatherND Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GroupNormalization
    HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual
    Log LogSoftmax LpNormalization LpPool Max MaxPool MaxUnpool Mean MeanVarianceNormalization Min Mish Mod Mul Neg
    NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 ReduceL2
    ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
    ReverseSequence Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
    SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample
    Where Xor
    """.split()  # noqa: SIM905 - one word a line would fill three pages
)

Shape = tuple[int, ...]


def read_onnx(path: str | os.PathLike[str], skip: Collection[str] = ()) -> Network:
    """The layers of an ONNX model. A first dimension of an input that is not given is taken as 1.

    Args:
        path: of the model.
        skip: operators to leave out although they do matrix work.

    Raises:
        MissingExtraError: if onnx is not installed.
        WorkloadError: if the file cannot be read, a shape is not known, or operators are neither mapped nor without
            matrix work; they are named and counted.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading ONNX models", "onnx") from error
    try:
        model = onnx.load(os.fspath(path), load_external_data=False)
    except Exception as error:  # protobuf and onnx raise classes of their own
        raise WorkloadError(
            f"model {os.fspath(path)!r} cannot be read as ONNX: {' '.join(str(error).split())}"
        ) from error
    return network_of_model(model, Path(path).stem, skip)


def network_of_model(model: Any, name: str = "model", skip: Collection[str] = ()) -> Network:
    """The layers of a loaded model, see `read_onnx`."""
    from onnx import inliner

    try:
        plain = inliner.inline_local_functions(model) if model.functions else model
        kinds = [_kind(node) for node in plain.graph.node]
        _refuse_unmapped(kinds, name, skip)
        graph = with_shapes(plain, keep=MAPPED).graph
    except ArchGymError:
        raise
    except Exception as error:  # onnx raises classes of its own
        raise WorkloadError(f"model {name!r}: shapes cannot be inferred: {' '.join(str(error).split())}") from error
    shapes, layers = tensor_shapes(graph), []
    for number, node in enumerate(graph.node):
        kind = _kind(node)
        if kind in MAPPED and kind not in skip:
            where = f"model {name!r}: {kind} {node.name or number!r}"
            layers.append(MAPPED[kind](_Node(node, shapes, where), node.name or f"{kind}_{number}"))
    if not layers:
        raise WorkloadError(f"model {name!r} has no operator that does matrix work: {', '.join(MAPPED)}")
    left = Counter(kind for kind in kinds if kind not in MAPPED or kind in skip)
    about = "; without matrix work: " + ", ".join(f"{kind} ({count})" for kind, count in sorted(left.items()))
    return make_network(name, layers, about=f"ONNX model of {len(kinds)} operators{about if left else ''}")


def _kind(node: Any) -> str:
    """The operator's name, with its domain unless that is ONNX's own."""
    return str(node.op_type) if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def _refuse_unmapped(kinds: Sequence[str], name: str, skip: Collection[str]) -> None:
    known = {*MAPPED, *WITHOUT_MACS, *skip}
    missing = Counter(kind for kind in kinds if kind not in known)
    if missing:
        listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(missing.items()))
        raise WorkloadError(
            f"model {name!r}: {sum(missing.values())} operators are not mapped: {listed}; mapped: {', '.join(MAPPED)}"
        )


class _Node:
    """An operator with its attributes and the shapes around it; errors name it."""

    def __init__(self, node: Any, shapes: Mapping[str, Shape], where: str) -> None:
        from onnx import helper

        self._node, self._shapes, self.where = node, shapes, where
        self.attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}

    def input(self, number: int) -> Shape:
        return self._shape(self._node.input[number] if number < len(self._node.input) else "")

    def output(self) -> Shape:
        return self._shape(self._node.output[0])

    def _shape(self, tensor: str) -> Shape:
        shape = self._shapes.get(tensor)
        if shape is None:
            raise WorkloadError(f"{self.where}: the shape of tensor {tensor!r} is not known")
        if 0 in shape:
            raise WorkloadError(
                f"{self.where}: tensor {tensor!r} has a dimension that is not known: {_shown(shape)}; give the model's "
                "inputs fixed sizes"
            )
        return shape

    def pair(self, name: str, axes: int) -> tuple[int, int]:
        """An attribute of one number an axis (height, width, as ONNX has it) as (width, height)."""
        values = list(self.attributes.get(name) or [1] * axes)
        return _pair(values)


def _shown(shape: Shape) -> str:
    return "[" + ", ".join(str(size) if size else "?" for size in shape) + "]"


def _pair(values: Sequence[int]) -> tuple[int, int]:
    """(height, width) or (length,) as (width, height)."""
    return int(values[-1]), int(values[-2]) if len(values) > 1 else 1


def _conv(node: _Node, name: str, weights: int = 1) -> Layer:
    data, filters, output = node.input(0), node.input(weights), node.output()
    axes = len(data) - 2
    if axes not in (1, 2):
        raise WorkloadError(f"{node.where}: convolutions over {axes} axes are not mapped, only over 1 and 2")
    groups = int(node.attributes.get("group", 1))
    return convolution(
        _pair(output[2:]), filters[0], filters[1] * groups, _pair(filters[2:]), node.pair("strides", axes),
        node.pair("dilations", axes), groups, data[0], name,
    )  # fmt: skip


def _gemm(node: _Node, name: str) -> Layer:
    first, second = node.input(0), node.input(1)
    m, k = reversed(first) if node.attributes.get("transA", 0) else first
    n = second[0] if node.attributes.get("transB", 0) else second[1]
    return gemm(m, n, k, name)


def _matmul(node: _Node, name: str, second: int = 1) -> Layer:
    """A batch of products; one product if the second operand is the same for all, whose rows then follow each other."""
    left, right = node.input(0), node.input(second)
    left = (1, *left) if len(left) == 1 else left
    right = (*right, 1) if len(right) == 1 else right
    m, k, n = left[-2], left[-1], right[-1]
    if math.prod(right[:-2]) == 1:
        return gemm(math.prod(left[:-1]), n, k, name)
    depth = max(len(left), len(right)) - 2
    batches = [(1,) * (depth - len(shape) + 2) + shape[:-2] for shape in (left, right)]
    return matmul(m, n, k, math.prod(max(a, b) for a, b in zip(*batches, strict=True)), name)


#: Operators that become layers.
MAPPED: Mapping[str, Callable[[_Node, str], Layer]] = {
    "Conv": _conv,
    "ConvInteger": _conv,
    "QLinearConv": lambda node, name: _conv(node, name, weights=3),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": lambda node, name: _matmul(node, name, second=3),
}
