"""Workloads of the DNN simulators: shipped networks, a user's own layer list, an ONNX model; or one layer of these."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dnn.layer import Layer
from archgym.simulators.dnn.network import YAML_SUFFIXES, Network, make_network, network_facts, read_network
from archgym.workload import Workload, content_fingerprint

FOLDER = Path(__file__).parent / "data" / "networks"
#: Every shipped network; the first is the default of the environments.
NETWORKS = (
    "alexnet", "alexnet-full", "alexnet-archgym", "vgg16", "resnet18", "resnet50", "mobilenetv2", "bert-base-128",
    "bert-base-384", "bert-base-512",
)  # fmt: skip
FILE_SUFFIXES = (".json", *YAML_SUFFIXES, ".onnx")


def _plain(name: str) -> str:
    """A name without case and punctuation, so that ``ResNet-18`` and ``resnet_18`` are ``resnet18``."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def load_network(name: str | os.PathLike[str]) -> Network:
    """A shipped network by name (case and punctuation do not matter), or the path of a JSON, YAML or ONNX file.

    Raises:
        UnknownNameError: for a name that is not shipped.
        WorkloadError: for a file that cannot be read, or holds what cannot be mapped.
        MissingExtraError: if reading the file needs a package that is not installed.
    """
    text = os.fspath(name)
    for known in NETWORKS:
        if _plain(known) == _plain(text):
            return _shipped(known)
    if not text.endswith(FILE_SUFFIXES):
        raise UnknownNameError("network", text, NETWORKS)
    if text.endswith(".onnx"):
        from archgym.simulators.dnn.onnx_reader import read_onnx

        return read_onnx(text)
    return read_network(text)


@lru_cache(maxsize=len(NETWORKS))
def _shipped(name: str) -> Network:
    return read_network(FOLDER / f"{name}.json")


def network_workload(network: Network) -> Workload:
    """A network as a workload; its identity is that of the shapes and counts, whatever they are called."""
    content = [
        [layer.bounds, layer.stride, layer.dilation, count]
        for layer, count in zip(network.layers, network.counts, strict=True)
    ]
    facts, features = network_facts(network)
    return Workload("dnn", network.name, content_fingerprint(json.dumps(content)), network, facts, features)


class NetworkWorkloads:
    """Whole networks. A workload's ``data`` is a `Network`."""

    forms = "the path of a layer list (.json, .yaml) or of an ONNX model (.onnx)"

    def names(self) -> tuple[str, ...]:
        """The shipped networks."""
        return NETWORKS

    def load(self, name: str | os.PathLike[str]) -> Workload:
        """A network as `load_network` finds it."""
        return network_workload(load_network(name))


class LayerWorkloads:
    """Single layers, written ``network/layer``. A workload's ``data`` is a `Network` of one layer."""

    forms = "FILE/LAYER, a layer of a layer list (.json, .yaml) or of an ONNX model (.onnx)"

    def names(self) -> tuple[str, ...]:
        """Every distinct layer of the shipped networks."""
        return tuple(
            f"{name}/{layer.name}"
            for name in NETWORKS
            for layer in _shipped(name).layers
            if name not in ("alexnet", "alexnet-archgym")  # part of, or a variant of, alexnet-full
        )

    def load(self, name: str | os.PathLike[str]) -> Workload:
        """A layer of a shipped network, or of a file: ``resnet18/conv2_1a``, ``my.yaml/conv1``.

        A file of one layer needs no layer's name. Raises as `load_network`, and ``UnknownNameError`` for another layer.
        """
        network, layer = _find_layer(os.fspath(name))
        return network_workload(make_network(f"{network.name}/{layer.name}", [layer]))


def _find_layer(text: str) -> tuple[Network, Layer]:
    if text.endswith(FILE_SUFFIXES) or "/" not in text:
        network = load_network(text)
        if len(network.layers) > 1:
            names = ", ".join(layer.name for layer in network.layers)
            raise WorkloadError(f"workload {text!r} has several layers; name one, as in '{text}/LAYER': {names}")
        return network, network.layers[0]
    for place in (place for place, letter in enumerate(text) if letter == "/"):
        if text[:place].endswith(FILE_SUFFIXES) or any(_plain(text[:place]) == _plain(name) for name in NETWORKS):
            network = load_network(text[:place])
            return network, network.layer(text[place + 1 :])
    raise UnknownNameError("network of a layer", text.rpartition("/")[0], NETWORKS)


NETWORK_SOURCE = NetworkWorkloads()
LAYER_SOURCE = LayerWorkloads()
