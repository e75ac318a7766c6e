"""ONNX models built here become the layers that they are; what is not mapped is named and counted."""

from __future__ import annotations

import numpy as np
import pytest

from archgym.errors import WorkloadError
from archgym.simulators.dnn.layer import convolution, depthwise, gemm, matmul
from archgym.simulators.dnn.onnx_reader import MAPPED, WITHOUT_MACS, network_of_model, read_onnx
from archgym.simulators.dnn.workloads import NETWORK_SOURCE

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def model(nodes, inputs, weights, outputs=("y",), domains=()):
    """A model from nodes, shapes of inputs (None or text: open) and shapes of weights."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()],
    )
    imports = [helper.make_opsetid("", 18), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports)


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs.split(), [output], name=attributes.pop("name", ""), **attributes)


def layers(*arguments, **settings):
    return network_of_model(model(*arguments, **settings)).layers


@pytest.mark.parametrize(
    ("shape", "weight", "attributes", "expected"),
    [
        ((1, 3, 224, 224), (64, 3, 7, 7), {"strides": [2, 2], "pads": [3, 3, 3, 3]},
         convolution((112, 112), 64, 3, (7, 7), (2, 2))),
        ((2, 8, 20, 30), (6, 4, 3, 5), {"group": 2, "dilations": [2, 1], "strides": [1, 3]},
         convolution(((30 - 5) // 3 + 1, 20 - 4), 6, 8, (5, 3), (3, 1), (1, 2), groups=2, batch=2)),
        ((1, 32, 14, 14), (32, 1, 3, 3), {"group": 32, "auto_pad": "SAME_UPPER"}, depthwise((14, 14), 32)),
        ((1, 3, 9, 9), (4, 3, 2, 2), {"pads": [0, 0, 1, 1]}, convolution((9, 9), 4, 3, (2, 2))),
        ((1, 16, 100), (8, 16, 5), {"strides": [5]}, convolution((20, 1), 8, 16, (5, 1), (5, 1))),
    ],
)  # fmt: skip
def test_convolutions(shape, weight, attributes, expected):
    """ONNX has height before width; a layer's first axis is the width."""
    found = layers([node("Conv", "x w", "y", **attributes)], {"x": shape}, {"w": weight})
    assert found == (expected,)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ((5, 7), (7, 3), gemm(5, 3, 7)),
        ((2, 12, 128, 64), (2, 12, 64, 128), matmul(128, 128, 64, 24)),
        ((2, 128, 768), (768, 768), gemm(256, 768, 768)),
        ((4, 1, 6, 7), (5, 7, 8), matmul(6, 8, 7, 20)),
        ((7,), (7, 3), gemm(1, 3, 7)),
        ((5, 7), (7,), gemm(5, 1, 7)),
    ],
)
def test_matrix_products(left, right, expected):
    assert layers([node("MatMul", "a b", "y")], {"a": left, "b": right}, {}) == (expected,)


@pytest.mark.parametrize(("across", "down"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm(across, down):
    left, right = ((7, 5) if across else (5, 7)), ((3, 7) if down else (7, 3))
    made = [node("Gemm", "a b c", "y", transA=across, transB=down)]
    assert layers(made, {"a": left}, {"b": right, "c": (3,)}) == (gemm(5, 3, 7),)


def small_network(batch="batch"):
    nodes = [
        node("Conv", "x w1", "a", name="first", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b w2", "c", name="second", pads=[1, 1, 1, 1]),
        node("Relu", "c", "d"),
        node("Conv", "d w2", "e", name="third", pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", "e", "f"),
        node("Flatten", "f", "g"),
        node("Gemm", "g w3", "y", name="classifier"),
    ]
    return model(nodes, {"x": (batch, 3, 8, 8)}, {"w1": (4, 3, 3, 3), "w2": (4, 4, 3, 3), "w3": (4, 10)})


def test_a_network_from_its_file(tmp_path):
    path = tmp_path / "small.onnx"
    onnx.save(small_network(), path)
    network = read_onnx(path)
    assert network.name == "small"
    assert [layer.name for layer in network.layers] == ["first", "second", "classifier"]
    assert network.counts == (1, 2, 1)
    assert network.layers == (
        convolution((8, 8), 4, 3, (3, 3)), convolution((8, 8), 4, 4, (3, 3)), gemm(1, 10, 4)
    )  # fmt: skip
    assert "Flatten (1), GlobalAveragePool (1), Relu (2)" in network.description
    assert NETWORK_SOURCE.load(path).fingerprint == NETWORK_SOURCE.load(str(path)).fingerprint
    assert network_of_model(small_network(4)).layers[0].bound("N") == 4


def test_unmapped_operators_are_named_and_counted():
    nodes = [
        node("Conv", "x w", "a"),
        node("Einsum", "a a", "b", equation="nchw,ncij->nchj"),
        node("ConvTranspose", "b w", "c"),
        node("Einsum", "a c", "d", equation="nchw,ncij->nchj"),
        helper.make_node("FusedConv", ["a", "w"], ["y"], domain="com.microsoft"),
    ]
    made = model(nodes, {"x": (1, 3, 8, 8)}, {"w": (3, 3, 1, 1)}, domains=["com.microsoft"])
    with pytest.raises(WorkloadError) as error:
        network_of_model(made, "mine")
    assert "'mine': 4 operators are not mapped: ConvTranspose (1), Einsum (2), com.microsoft.FusedConv (1)" in str(
        error.value
    )
    network = network_of_model(made, "mine", skip={"Einsum", "ConvTranspose", "com.microsoft.FusedConv"})
    assert network.layers == (convolution((8, 8), 3, 3),)
    assert "Einsum (2)" in network.description


def test_functions_of_the_model_are_written_out():
    body = helper.make_function(
        "mine", "twice", ["x", "w"], ["y"], [node("MatMul", "x w", "t"), node("MatMul", "t w", "y")],
        [helper.make_opsetid("", 18)],
    )  # fmt: skip
    made = model(
        [helper.make_node("twice", ["x", "w"], ["y"], domain="mine")], {"x": (5, 7)}, {"w": (7, 7)}, domains=["mine"]
    )
    made.functions.append(body)
    network = network_of_model(made)
    assert network.layers == (gemm(5, 7, 7),)
    assert network.counts == (2,)


def test_shapes_that_the_model_computes():
    """Attention as exporters write it for an open batch: the sizes of a reshape are worked out from other shapes."""
    half = numpy_helper.from_array(np.array([2], np.int64), "two")
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape first", "batch"),
        node("Gather", "shape last", "width"),
        node("Cast", "width", "real", to=TensorProto.FLOAT),
        node("Div", "real two_real", "halved"),
        node("Cast", "halved", "head", to=TensorProto.INT64),
        helper.make_node("Constant", [], ["rest"], value=numpy_helper.from_array(np.array([-1], np.int64))),
        node("Concat", "batch rest two head", "sizes", axis=0),
        node("Reshape", "x sizes", "split"),
        node("Transpose", "split", "rows", perm=[0, 2, 1, 3]),
        node("Transpose", "split", "columns", perm=[0, 2, 3, 1]),
        node("MatMul", "rows columns", "y"),
    ]
    made = model(nodes, {"x": ("batch", 10, 64)}, {})
    numbers = {"first": np.array([0]), "last": np.array([2]), "two_real": np.array([2.0], np.float32)}
    made.graph.initializer.extend([half, *(numpy_helper.from_array(v, name) for name, v in numbers.items())])
    assert network_of_model(made).layers == (matmul(10, 10, 32, 2),)


def test_products_of_constants_are_still_layers():
    made = model([node("MatMul", "a b", "t"), node("MatMul", "x t", "y")], {"x": (5, 7)}, {"a": (7, 2), "b": (2, 3)})
    assert network_of_model(made).layers == (gemm(7, 3, 2), gemm(5, 3, 7))


def test_open_sizes_are_refused():
    made = model([node("Conv", "x w", "y")], {"x": (1, 3, "height", 8)}, {"w": (4, 3, 3, 3)})
    with pytest.raises(WorkloadError, match=r"'[xy]' has a dimension that is not known: \[1, [34], \?"):
        network_of_model(made)


def test_three_axes_and_no_layers_are_refused(tmp_path):
    with pytest.raises(WorkloadError, match="over 3 axes are not mapped"):
        layers([node("Conv", "x w", "y")], {"x": (1, 3, 8, 8, 8)}, {"w": (4, 3, 3, 3, 3)})
    with pytest.raises(WorkloadError, match="no operator that does matrix work"):
        layers([node("Relu", "x", "y")], {"x": (1, 3)}, {})
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(WorkloadError, match=r"bad.onnx"):
        read_onnx(tmp_path / "bad.onnx")


def test_lists_name_real_operators():
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    assert set(MAPPED) <= known
    assert known >= WITHOUT_MACS
    assert not WITHOUT_MACS & set(MAPPED)
