"""Networks: published totals, equal layers counted once, the forms of a layer list, and what is refused."""

from __future__ import annotations

import json
import math

import pytest

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dnn.layer import convolution, depthwise, gemm, matmul
from archgym.simulators.dnn.network import make_network, parse_layer, parse_network, read_network
from archgym.simulators.dnn.workloads import LAYER_SOURCE, NETWORK_SOURCE, NETWORKS, load_network

#: Multiply-accumulates, from the networks' definitions (ResNet-50 v1.5: 4.089 G, MobileNetV2: 300.8 M, …).
TOTALS = {
    "alexnet": 665_784_864, "alexnet-full": 724_406_816, "alexnet-archgym": 1_076_634_144, "vgg16": 15_470_264_320,
    "resnet18": 1_814_073_344, "resnet50": 4_089_184_256, "mobilenetv2": 300_774_272, "bert-base-128": 11_173_625_856,
    "bert-base-384": 35_332_816_896, "bert-base-512": 48_318_382_080,
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_totals(name):
    network = load_network(name)
    assert network.macs == TOTALS[name]
    assert len(set(network.layers)) == len(network.layers)


def test_bert_by_hand():
    """Twelve layers, each four square projections, two products of attention for twelve heads, two of the feed-forward."""
    tokens, width, heads = 384, 768, 12
    projections = 4 * tokens * width * width
    attention = 2 * heads * tokens * tokens * (width // heads)
    assert load_network("bert-base-384").macs == 12 * (projections + attention + 2 * tokens * width * 4 * width)


def test_depthwise_layers_are_depthwise():
    layers = [layer for layer in load_network("mobilenetv2").layers if layer.name.endswith("_dw")]
    assert len(layers) > 5
    for layer in layers:
        groups = layer.bound("G")
        assert layer == depthwise((layer.bound("P"), layer.bound("Q")), groups, stride=layer.stride)
        assert layer.tensor_words()["Weights"] == 9 * groups
    grouped = load_network("alexnet").layer("CONV2")
    assert grouped == convolution((27, 27), 256, 96, (5, 5), groups=2)


def test_names_do_not_depend_on_case_and_punctuation():
    for spelled in ("ResNet-18", "resnet_18", "resnet18"):
        assert load_network(spelled) is load_network("resnet18")
    assert load_network("BERT base 128").name == "bert-base-128"
    with pytest.raises(UnknownNameError, match="did you mean 'resnet50'"):
        load_network("resnet5")


def test_identity_is_the_shapes(tmp_path):
    network = load_network("alexnet")
    renamed = make_network("other", [*network.layers], [*network.counts])
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps({"layers": [{**layer.to_json(), "name": f"l{n}"} for n, layer in enumerate(renamed.layers)]})
    )
    assert NETWORK_SOURCE.load(path).fingerprint == NETWORK_SOURCE.load("alexnet").fingerprint
    assert NETWORK_SOURCE.load("alexnet-full").fingerprint != NETWORK_SOURCE.load("alexnet").fingerprint


FORMS = [
    ({"conv": {"input": [224, 224], "channels": 3, "filters": 64, "window": [7, 7], "stride": 2, "padding": 3}},
     convolution((112, 112), 64, 3, (7, 7), (2, 2))),
    ({"conv": {"input": 56, "channels": 64, "filters": 64, "window": 3, "padding": 1, "groups": 64, "batch": 4}},
     depthwise((56, 56), 64, batch=4)),
    ({"conv": {"input": [32, 9], "channels": 8, "filters": 6, "window": [5, 3], "dilation": [2, 1], "stride": [3, 2]}},
     convolution(((32 - 9) // 3 + 1, (9 - 3) // 2 + 1), 6, 8, (5, 3), (3, 2), (2, 1))),
    ({"gemm": {"M": 4, "N": 5, "K": 6}}, gemm(4, 5, 6)),
    ({"matmul": {"batch": 3, "M": 4, "N": 5, "K": 6}}, matmul(4, 5, 6, 3)),
    ({"R": 3, "S": 3, "P": 8, "Q": 8, "C": 4, "K": 2, "Wstride": 2, "Hstride": 2},
     convolution((8, 8), 2, 4, (3, 3), (2, 2))),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "layer"), FORMS)
def test_forms(entry, layer):
    assert parse_layer(entry) == layer


def test_json_and_yaml_are_the_same_list(tmp_path):
    entries = [{"name": f"layer{n}", **entry, "count": n + 1} for n, (entry, _) in enumerate(FORMS)]
    (tmp_path / "net.json").write_text(json.dumps({"name": "mine", "layers": entries}))
    lines = ["name: mine", "layers:", *(f"- {json.dumps(entry)}" for entry in entries)]
    (tmp_path / "net.yaml").write_text("\n".join(lines))
    network = read_network(tmp_path / "net.json")
    assert read_network(tmp_path / "net.yaml") == network
    assert network.counts == (1, 2, 3, 4, 5, 6)
    assert len(network) == 21
    assert network.macs == sum((n + 1) * layer.macs for n, (_, layer) in enumerate(FORMS))
    assert LAYER_SOURCE.load(f"{tmp_path}/net.yaml/layer3").data.layers == (gemm(4, 5, 6),)
    with pytest.raises(WorkloadError, match="name one"):
        LAYER_SOURCE.load(f"{tmp_path}/net.yaml")


def test_every_layer_can_be_named():
    for name in LAYER_SOURCE.names():
        workload = LAYER_SOURCE.load(name)
        assert len(workload.data.layers) == 1
        assert workload.features["log10_macs"] == pytest.approx(math.log10(workload.data.macs))
    with pytest.raises(UnknownNameError, match="conv2_1a"):
        LAYER_SOURCE.load("resnet18/conv2_1")
    with pytest.raises(UnknownNameError, match="unknown network of a layer 'resnet19'; did you mean 'resnet18'"):
        LAYER_SOURCE.load("resnet19/conv1")
    assert LAYER_SOURCE.load("resnet18/conv1").facts["loops"].endswith("K = 64, Wstride = 2, Hstride = 2")


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([], "no layers"),
        ([3], "layer 1 must be an object"),
        ([{"P": 0}], "layer 1: layer 'layer 1': P = 0"),
        ([{"P": -4}], "P = -4"),
        ([{"P": 2.5}], "P = 2.5"),
        ([{"X": 4}], "unknown layer dimension 'X'"),
        ([{"P": 4}, {"P": 4, "count": 0}], "layer 2: count = 0"),
        ([{"gemm": {"M": 1, "N": 2}}], "size K is missing"),
        ([{"conv": {"input": 8, "channels": 3}}], "size filters is missing"),
        ([{"conv": {"input": 8, "channels": 3, "filters": 2, "kernel": 3}}], "unknown conv size 'kernel'"),
        ([{"conv": {"input": 4, "channels": 3, "filters": 2, "window": 7}}], "exceeds the padded input"),
        ([{"conv": {"input": 8, "channels": 3, "filters": 4, "groups": 2}}], "groups = 2 must divide"),
        ([{"conv": {"input": [8, 8, 8], "channels": 3, "filters": 4}}], "one or two whole numbers"),
        ([{"gemm": {"M": 2**40, "N": 2**20, "K": 2**20}}], "2\\^63"),
    ],
)  # fmt: skip
def test_bad_lists_are_refused(layers, words):
    with pytest.raises(WorkloadError, match=words):
        parse_network({"layers": layers})


def test_bad_files_are_refused(tmp_path):
    for name, text in (("a.json", "{"), ("b.yaml", "layers: [}"), ("c.json", "[]"), ("d.yaml", "- 1")):
        (tmp_path / name).write_text(text)
        with pytest.raises(WorkloadError, match=name) as error:
            load_network(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(WorkloadError, match="cannot be read"):
        load_network(tmp_path / "none.json")
