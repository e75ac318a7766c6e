"""Networks: layers with how often each occurs, from a list in JSON or YAML.

    name: my network
    layers:
    - {name: conv1, conv: {input: [224, 224], channels: 3, filters: 64, window: [7, 7], stride: 2, padding: 3}}
    - {name: depthwise, conv: {input: [112, 112], channels: 64, filters: 64, window: [3, 3], padding: 1, groups: 64}}
    - {name: classifier, gemm: {M: 1, N: 1000, K: 2048}}
    - {name: scores, matmul: {batch: 12, M: 128, N: 128, K: 64}, count: 12}
    - {name: by loops, R: 3, S: 3, P: 56, Q: 56, C: 64, K: 64, Wstride: 1, Hstride: 1}

``conv`` is a convolution by its input: width and height pairs (or one number for both) of the input, ``window``,
``stride``, ``padding`` (before and after alike) and ``dilation``; ``channels`` and ``filters`` of all ``groups`` together;
``batch``. ``gemm`` is ``[M, K] x [K, N]`` with weights as its second operand, ``matmul`` a batch of products of two
activations. The last form gives the eight loop bounds themselves (see `layer.Layer`). ``count``: that many equal layers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dnn.layer import COEFFICIENTS, DIMENSIONS, Layer, convolution, positive_integer

YAML_SUFFIXES = (".yaml", ".yml")
_CONV_KEYS = ("input", "channels", "filters", "window", "stride", "padding", "dilation", "groups", "batch")


@dataclass(frozen=True)
class Network:
    """Distinct layers in order of first appearance, and how often each occurs; equal shapes are one layer."""

    name: str
    layers: tuple[Layer, ...]
    counts: tuple[int, ...]
    description: str = ""

    def __len__(self) -> int:
        """How many layers there are, equal ones counted."""
        return sum(self.counts)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole network."""
        return sum(layer.macs * count for layer, count in zip(self.layers, self.counts, strict=True))

    def layer(self, name: str) -> Layer:
        """The layer called ``name``."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise UnknownNameError(f"layer of network {self.name!r}", name, [layer.name for layer in self.layers])


def make_network(name: str, layers: Sequence[Layer], counts: Sequence[int] | None = None, about: str = "") -> Network:
    """A network of ``layers``; equal shapes become one, under the name of the first.

    Raises ``WorkloadError`` without any layer.
    """
    if not layers:
        raise WorkloadError(f"network {name!r} has no layers; at least one is needed")
    total: dict[Layer, int] = {}
    for layer, count in zip(layers, counts or [1] * len(layers), strict=True):
        total[layer] = total.get(layer, 0) + count
    return Network(name, tuple(total), tuple(total.values()), about)


def read_network(path: str | Path) -> Network:
    """A network from a JSON or YAML file.

    Raises ``WorkloadError`` for a file that cannot be read or is no layer list.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        data = _parse_yaml(text) if path.suffix in YAML_SUFFIXES else json.loads(text)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise WorkloadError(f"network file {str(path)!r} cannot be read: {_one_line(error)}") from error
    return parse_network(data, path.stem, f"network file {str(path)!r}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _parse_yaml(text: str) -> Any:
    import yaml  # type: ignore[import-untyped]

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def parse_network(data: Any, name: str = "network", source: str = "network") -> Network:
    """A network from the parsed list; ``source`` is named in errors."""
    if not isinstance(data, Mapping) or not isinstance(data.get("layers"), list):
        raise WorkloadError(f"{source}: an object with a list 'layers' is expected")
    for key in data:
        if key not in ("name", "description", "layers"):
            raise UnknownNameError(f"key of {source}", key, ("name", "description", "layers"))
    layers, counts = [], []
    for number, entry in enumerate(data["layers"]):
        where = f"layer {number + 1}"
        if not isinstance(entry, Mapping):
            raise WorkloadError(f"{source}: {where} must be an object, not {entry!r}")
        try:
            layers.append(parse_layer({key: value for key, value in entry.items() if key != "count"}, where))
            counts.append(positive_integer("count", entry.get("count", 1)))
        except (WorkloadError, UnknownNameError) as error:
            raise WorkloadError(f"{source}: {where}: {error}") from error
    return make_network(str(data.get("name", name)), layers, counts, str(data.get("description", "")))


def parse_layer(entry: Mapping[str, Any], name: str = "layer") -> Layer:
    """A layer in one of the forms of this module's description."""
    if "conv" not in entry:
        return Layer.from_json(entry, name)
    for key in entry:
        if key not in ("conv", "name"):
            raise UnknownNameError("key of conv layer", key, ("conv", "name"))
    sizes, name = entry["conv"], str(entry.get("name", name))
    if not isinstance(sizes, Mapping):
        raise WorkloadError(f"conv: an object of {', '.join(_CONV_KEYS)} is expected")
    for key in sizes:
        if key not in _CONV_KEYS:
            raise UnknownNameError("conv size", key, _CONV_KEYS)
    for key in ("input", "channels", "filters"):
        if key not in sizes:
            raise WorkloadError(f"conv: size {key} is missing")
    return convolution_of_input(
        _pair("input", sizes["input"]), sizes["channels"], sizes["filters"], _pair("window", sizes.get("window", 1)),
        _pair("stride", sizes.get("stride", 1)), _pair("padding", sizes.get("padding", 0), least=0),
        _pair("dilation", sizes.get("dilation", 1)), sizes.get("groups", 1), sizes.get("batch", 1), name,
    )  # fmt: skip


def convolution_of_input(
    input: tuple[int, int],
    channels: int,
    filters: int,
    window: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    batch: int = 1,
    name: str = "conv",
) -> Layer:
    """A convolution by its input (width, height); padding is that of one side. The padded input is what is read.

    Raises ``WorkloadError`` where the window does not fit the padded input or groups do not divide the channels.
    """
    output = []
    for axis, label in enumerate(("width", "height")):
        reach = 1 + (window[axis] - 1) * dilation[axis]
        room = input[axis] + 2 * padding[axis] - reach
        if room < 0:
            raise WorkloadError(f"conv: window {label} {reach} exceeds the padded input's {room + reach}")
        output.append(room // stride[axis] + 1)
    for label, value in (("channels", channels), ("filters", filters), ("batch", batch)):
        positive_integer(label, value)
    return convolution((output[0], output[1]), filters, channels, window, stride, dilation, groups, batch, name)


def _pair(name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """One whole number for both axes, or a list of width and height."""
    values = value if isinstance(value, list | tuple) else (value, value)
    if len(values) != 2 or any(isinstance(v, bool) or not isinstance(v, int) or v < least for v in values):
        raise WorkloadError(f"conv: {name} = {value!r} must be one or two whole numbers of at least {least}")
    return int(values[0]), int(values[1])


def network_facts(network: Network) -> tuple[dict[str, bool | int | float | str], dict[str, float]]:
    """Facts for people and numbers for models: layers, multiply-accumulates, words of each tensor, kinds of layers."""
    words = {"Weights": 0, "Inputs": 0, "Outputs": 0}
    depthwise = windows = 0
    for layer, count in zip(network.layers, network.counts, strict=True):
        for tensor, number in layer.tensor_words().items():
            words[tensor] += number * count
        alone = layer.bound("C") == 1 and layer.bound("G") > 1
        depthwise += layer.macs * count if alone else 0
        windows += layer.macs * count if layer.bound("R") * layer.bound("S") > 1 else 0
    macs = network.macs
    facts: dict[str, bool | int | float | str] = {
        "layers": len(network),
        "distinct layer shapes": len(network.layers),
        "multiply-accumulates": macs,
        "weights, words": words["Weights"],
        "inputs, words": words["Inputs"],
        "outputs, words": words["Outputs"],
    }
    if len(network) == 1:
        (layer,) = network.layers
        loops = [f"{d} = {bound}" for d, bound in zip(DIMENSIONS, layer.bounds, strict=True) if bound > 1]
        steps = [f"{key} = {layer.to_json()[key]}" for key in COEFFICIENTS if layer.to_json()[key] != 1]
        facts = {"loops": ", ".join([*loops, *steps]) or "none that runs twice", **facts}
    if network.description:
        facts = {"network": network.description, **facts}
    features = {
        "layers": float(len(network)),
        "log10_macs": math.log10(macs),
        "log10_weights": math.log10(words["Weights"]),
        "log10_inputs": math.log10(words["Inputs"]),
        "log10_outputs": math.log10(words["Outputs"]),
        "window_share": windows / macs,
        "depthwise_share": depthwise / macs,
    }
    return facts, features
