"""A small ensemble of neural networks: trained by PyTorch on one thread, evaluated by a kernel on plain arrays.

Members start from different weights and see different samples of the data; where they disagree, none knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import MissingExtraError, ModelFileError
from archgym.simulators.batch import for_row_blocks
from archgym.simulators.jit import jit
from archgym.space import Designs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NetworkModel:
    """M members of two hidden layers with ReLU; inputs are design columns over their scale, then workload columns.

    Attributes: first (M, F + W, H) and first_bias (M, H), second (M, H, H), second_bias (M, H), last (M, H),
    last_bias (M,), scale (F,); float64.
    """

    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats
    last: Floats
    last_bias: Floats
    scale: Floats

    kind = "networks"

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], width: int, workload_columns: int) -> NetworkModel:
        """From saved arrays.

        Raises:
            ModelFileError: if their shapes do not fit together, or to this many columns.
        """
        try:
            parts = {name: np.ascontiguousarray(arrays[name], dtype=np.float64) for name in cls.__dataclass_fields__}
            members, _, hidden = parts["first"].shape
        except (KeyError, ValueError, TypeError) as error:
            raise ModelFileError(f"network model: an array is missing or of the wrong kind ({error})") from error
        shapes = {
            "first": (members, width + workload_columns, hidden),
            "first_bias": (members, hidden),
            "second": (members, hidden, hidden),
            "second_bias": (members, hidden),
            "last": (members, hidden),
            "last_bias": (members,),
            "scale": (width,),
        }
        if any(parts[name].shape != shape for name, shape in shapes.items()) or not members:
            raise ModelFileError("network model: the arrays' shapes do not fit together")
        if not all(np.isfinite(part).all() for part in parts.values()):
            raise ModelFileError("network model: a weight is not finite")
        return cls(**parts)

    def bind(self, workload: Floats) -> BoundNetworks:
        """The networks for one workload: its columns become part of the first bias."""
        width = len(self.scale)
        bias = self.first_bias.copy()
        for column, value in enumerate(workload):
            bias += value * self.first[:, width + column, :]
        # Inputs run from -1 to 1: 2 x / scale - 1.
        first = np.ascontiguousarray(self.first[:, :width, :] * (2.0 / self.scale)[None, :, None])
        for column in range(width):
            bias -= self.first[:, column, :]
        return BoundNetworks(self, first, bias)


@jit
def _forward(
    features: NDArray[np.int32],
    first: Floats,
    first_bias: Floats,
    second: Floats,
    second_bias: Floats,
    last: Floats,
    last_bias: Floats,
    start: int,
    stop: int,
    out: Floats,
) -> None:
    """``out[row, m]`` = network m of the row; sums run over inputs in order, so a row's bits are its own."""
    members, inputs, hidden = first.shape
    one = np.empty(hidden)
    two = np.empty(hidden)
    for m in range(members):
        for row in range(start, stop):
            one[:] = first_bias[m]
            for i in range(inputs):
                x = features[row, i]
                if x != 0:
                    for j in range(hidden):
                        one[j] += x * first[m, i, j]
            two[:] = second_bias[m]
            for i in range(hidden):
                x2 = one[i]
                if x2 > 0.0:
                    for j in range(hidden):
                        two[j] += x2 * second[m, i, j]
            total = last_bias[m]
            for j in range(hidden):
                if two[j] > 0.0:
                    total += two[j] * last[m, j]
            out[row, m] = total


class BoundNetworks:
    """A `NetworkModel` for one workload."""

    def __init__(self, model: NetworkModel, first: Floats, first_bias: Floats) -> None:
        self._model, self._first, self._bias = model, first, first_bias

    def members(self, designs: Designs, features: NDArray[np.int32], threads: int | None = None) -> Floats:
        """Each member's value, shape (B, M), of design columns, shape (B, F)."""
        model = self._model
        out = np.empty((len(features), len(model.last_bias)))

        def work(start: int, stop: int) -> None:
            _forward(features, self._first, self._bias, model.second, model.second_bias, model.last,
                     model.last_bias, start, stop, out)  # fmt: skip

        for_row_blocks(work, len(features), 512, threads)
        return out


def fit_networks(
    features: NDArray[np.int32],
    workload: Floats,
    scale: Floats,
    target: Floats,
    seed: int,
    members: int = 5,
    hidden: int = 64,
    steps: int = 3000,
    batch: int = 128,
    rate: float = 4e-3,
    decay: float = 1e-4,
    start: NetworkModel | None = None,
) -> NetworkModel:
    """Train the ensemble with AdamW and a falling rate, on a resampling of the rows for each member.

    Args:
        start: networks to go on from instead of random weights, such as ones that learnt a cheaper metric; their answers
            are first brought to the target by the straight line that fits best. ``members`` and ``hidden`` are theirs.

    Raises:
        MissingExtraError: if PyTorch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtraError("training networks", "proxy") from error
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _fit(torch, features, workload, scale, target, seed, members, hidden, steps, batch, rate, decay, start)
    finally:
        torch.set_num_threads(threads)


def _fit(
    torch: Any,
    features: NDArray[np.int32],
    workload: Floats,
    scale: Floats,
    target: Floats,
    seed: int,
    members: int,
    hidden: int,
    steps: int,
    batch: int,
    rate: float,
    decay: float,
    start: NetworkModel | None,
) -> NetworkModel:
    rng = np.random.default_rng(seed)
    if start is not None:
        members, _, hidden = start.first.shape
    inputs = torch.from_numpy(np.concatenate([2.0 * features / scale - 1.0, workload], axis=1).astype(np.float32))
    mean, spread = float(target.mean()), float(target.std()) or 1.0
    wanted = torch.from_numpy(((target - mean) / spread).astype(np.float32))
    count = inputs.shape[1]
    sizes = ((count, hidden), (hidden, hidden), (hidden, 1))
    weights = [
        torch.from_numpy((rng.normal(size=(members, *s)) * np.sqrt(2.0 / s[0])).astype(np.float32)) for s in sizes
    ]
    biases = [torch.zeros(members, 1, s[1]) for s in sizes]
    if start is not None:
        weights, biases = _weights_of(torch, start, inputs.numpy(), (target - mean) / spread)
    for parameter in (*weights, *biases):
        parameter.requires_grad_(True)
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    # Each member leaves out a different tenth of the rows.
    kept = [rng.permutation(len(target))[: max(1, int(0.9 * len(target)))] for _ in range(members)]
    for _ in range(steps):
        chosen = np.stack([rows[rng.integers(0, len(rows), batch)] for rows in kept])
        hiddens = inputs[chosen]
        for weight, bias in zip(weights[:2], biases[:2], strict=True):
            hiddens = torch.relu(torch.baddbmm(bias, hiddens, weight))
        error = torch.baddbmm(biases[2], hiddens, weights[2])[..., 0] - wanted[chosen]
        loss = (error * error).mean(dim=1).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    arrays = [p.detach().numpy().astype(np.float64) for p in (*weights, *biases)]
    return NetworkModel(
        arrays[0], arrays[3][:, 0], arrays[1], arrays[4][:, 0], arrays[2][:, :, 0] * spread,
        arrays[5][:, 0, 0] * spread + mean, np.asarray(scale, dtype=np.float64),
    )  # fmt: skip


def _weights_of(
    torch: Any, start: NetworkModel, inputs: NDArray[np.float32], target: Floats
) -> tuple[list[Any], list[Any]]:
    """The weights and biases of trained networks, each member's last layer rescaled to fit ``target`` in the mean square."""
    hidden = np.maximum(np.einsum("ni,mih->mnh", inputs, start.first) + start.first_bias[:, None], 0.0)
    hidden = np.maximum(np.einsum("mnh,mhk->mnk", hidden, start.second) + start.second_bias[:, None], 0.0)
    said = np.einsum("mnh,mh->mn", hidden, start.last) + start.last_bias[:, None]
    last, last_bias = start.last.copy(), start.last_bias.copy()
    for member, values in enumerate(said):
        slope = float(np.cov(values, target, bias=True)[0, 1] / np.var(values)) if np.var(values) > 0 else 0.0
        last[member] *= slope
        last_bias[member] = slope * last_bias[member] + float(target.mean()) - slope * float(values.mean())
    weights = (start.first, start.second, last[:, :, None])
    biases = (start.first_bias[:, None], start.second_bias[:, None], last_bias[:, None, None])
    return tuple([torch.from_numpy(a.astype(np.float32)) for a in arrays] for arrays in (weights, biases))  # type: ignore[return-value]
