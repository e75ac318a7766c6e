"""Shapes of the tensors of an ONNX model: inferred, with what the model computes of shapes worked out on the way."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = dict[str, NDArray[Any]]
LARGEST_CONSTANT = 4096  # numbers; shapes are far smaller, weights are left alone


def with_shapes(model: Any, keep: Collection[str] = ()) -> Any:
    """A copy of a model with an open batch taken as 1 and every shape that can be known.

    Operators whose inputs are small constants (shapes and what is computed from them) become constants, those named in
    ``keep`` apart. Raises whatever onnx
    raises for a model that it cannot handle.
    """
    import onnx
    from onnx import numpy_helper, shape_inference

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _close_batch(copy.graph)
    noted = list(copy.graph.value_info)
    while True:
        del copy.graph.value_info[:]
        inferred = shape_inference.infer_shapes(copy, strict_mode=False, data_prop=True)
        found = _constants(copy, tensor_shapes(inferred.graph), keep)
        if not found:
            break
        kept = [node for node in copy.graph.node if not set(node.output) <= found.keys()]
        del copy.graph.node[:]
        copy.graph.node.extend(kept)
        copy.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in found.items())
    known = {info.name for info in inferred.graph.value_info}
    inferred.graph.value_info.extend(info for info in noted if info.name not in known)
    return inferred


def _close_batch(graph: Any) -> None:
    """Take an open first dimension of an input as 1, and forget what an exporter noted of outputs for an open batch."""
    weights = {tensor.name for tensor in graph.initializer}
    for given in graph.input:
        dims = given.type.tensor_type.shape.dim
        if given.name not in weights and len(dims) and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    for stated in graph.output:
        stated.type.tensor_type.ClearField("shape")


def tensor_shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape; 0 for a dimension that is not known."""
    shapes: dict[str, tuple[int, ...]] = {}
    for info in (*graph.input, *graph.value_info, *graph.output):
        if info.type.tensor_type.HasField("shape"):
            shapes[info.name] = tuple(int(dim.dim_value) for dim in info.type.tensor_type.shape.dim)
    for tensor in graph.initializer:
        shapes[tensor.name] = tuple(int(size) for size in tensor.dims)
    return shapes


def _constants(model: Any, shapes: dict[str, tuple[int, ...]], keep: Collection[str]) -> Values:
    """Outputs of operators that are constants, by name: shapes, constants, and what is computed from small ones."""
    from onnx import TensorProto, numpy_helper

    known: Values = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if math.prod(tensor.dims) <= LARGEST_CONSTANT and tensor.data_location != TensorProto.EXTERNAL
    }
    found: Values = {}
    outputs = {info.name for info in model.graph.output}
    for node in model.graph.node:
        if set(node.output) & outputs or node.op_type in keep or node.domain not in ("", "ai.onnx"):
            continue
        values = _value(node, known, shapes, model.opset_import)
        known.update(values)
        found.update(values)
    return found


def _value(node: Any, known: Values, shapes: dict[str, tuple[int, ...]], opsets: Any) -> Values:
    """What an operator gives, if that is a small constant; otherwise nothing."""
    from onnx import helper, reference

    if node.op_type == "Shape":
        shape = shapes.get(node.input[0])
        if shape is None or 0 in shape:
            return {}
        ends = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        return {node.output[0]: np.array(shape[ends.get("start", 0) : ends.get("end")], np.int64)}
    given = [name for name in node.input if name]
    if not all(name in known for name in given) or any(entry.HasField("g") for entry in node.attribute):
        return {}
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(known[name].dtype), known[name].shape)
        for name in dict.fromkeys(given)
    ]
    results = [helper.make_tensor_value_info(name, 0, None) for name in node.output if name]
    graph = helper.make_graph([node], "one operator", inputs, results)
    try:
        program = reference.ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets))
        values = [np.asarray(value) for value in program.run(None, {name: known[name] for name in given})]
    except Exception:  # an operator that the evaluator cannot run stays as it is
        return {}
    if any(value.size > LARGEST_CONSTANT for value in values):
        return {}
    return dict(zip([name for name in node.output if name], values, strict=True))
