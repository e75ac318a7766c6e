"""Who earned it: a model of the return under joint actions, which says what each agent's own choice changed.

The first layer is linear in the actions, so an alternative of one agent changes it by a difference of two rows; all
alternatives of all agents are judged at once. Source: counterfactual baseline, Foerster et al. 2018 (COMA).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archgym.space import Space

_ROWS = 64


class CreditModel:
    """Two networks side by side, each a linear part and one hidden layer, over a state and a joint action.

    Args:
        sizes: number of actions of each agent, shape (n,).
        features: what is known of each action, rows in the order of the agents, shape (sum of sizes, F).
        state_size: length of a state.
        hidden: width of the hidden layer.
        rate: step size of the fit.
    """

    members = 2

    def __init__(
        self,
        sizes: NDArray[np.int64],
        features: NDArray[np.float32],
        state_size: int,
        hidden: int,
        rate: float,
        generator: torch.Generator,
    ) -> None:
        self._generator, self._features = generator, torch.from_numpy(features)
        self._first = torch.from_numpy(np.cumsum(sizes) - sizes)
        self._owner = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))
        self._place = torch.arange(len(features)) - self._first[self._owner]
        self._most, width = int(sizes.max()), features.shape[1]
        scale = (len(sizes) + state_size) ** -0.5
        self._choices = torch.randn(self.members, width, hidden, generator=generator) * scale
        self._states = torch.randn(self.members, state_size, hidden, generator=generator) * scale
        self._bias = torch.zeros(self.members, 1, hidden)
        self._out = torch.randn(self.members, hidden, 1, generator=generator) * 0.3 * hidden**-0.5
        self._linear = torch.zeros(self.members, width + state_size, 1)
        self._level = torch.zeros(self.members, 1, 1)
        self.parameters = [self._choices, self._states, self._bias, self._out, self._linear, self._level]
        for tensor in self.parameters:
            tensor.requires_grad_()
        self._optimiser = torch.optim.Adam(self.parameters, rate)
        self.centre, self.unit = 0.0, 1.0

    def fit(self, states: Tensor, actions: Tensor, returns: Tensor, steps: int) -> None:
        """Fit to states (N, s), actions (N, n) and returns (N,), whose scale is taken over."""
        self._rescale(float(returns.mean()), float(returns.std()))
        wanted = (returns - self.centre) / self.unit
        for _ in range(steps):
            rows = torch.randint(len(wanted), (self.members, min(_ROWS, len(wanted))), generator=self._generator)
            hidden, linear = self._project(states[rows], actions[rows])
            error = (self._value(hidden, linear) - wanted[rows]).square().mean(dim=1).sum()
            self._optimiser.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()

    def _rows(self) -> tuple[Tensor, Tensor]:
        """Every action's part of the hidden layer, (members, A, hidden), and of the linear part, (members, A)."""
        width = self._features.shape[1]
        return self._features @ self._choices, (self._features @ self._linear[:, :width])[..., 0]

    def _project(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden inputs (members, N, hidden) and linear part (members, N) of states and actions (members, N, …)."""
        choices, linear = self._rows()
        chosen = actions + self._first
        member = torch.arange(self.members)[:, None, None]
        seen = states @ self._linear[:, self._features.shape[1] :]
        return (
            choices[member, chosen].sum(dim=2) + states @ self._states + self._bias,
            linear[member, chosen].sum(dim=2) + seen[..., 0],
        )

    def _value(self, hidden: Tensor, linear: Tensor) -> Tensor:
        values: Tensor = (torch.tanh(hidden) @ self._out + self._level)[..., 0] + linear
        return values

    def alternatives(self, states: Tensor, actions: Tensor) -> Tensor:
        """Returns predicted if one agent acted otherwise, in units of `unit` around `centre`.

        Args:
            states: shape (N, s).
            actions: shape (N, n).

        Returns:
            Shape (N, n, most actions); 0 where an agent has fewer actions.
        """
        with torch.no_grad():
            choices, linear = self._rows()
            repeated = (self.members, *(-1 for _ in actions.shape))
            hidden, straight = self._project(states.expand(repeated), actions.expand(repeated))
            own = actions[:, self._owner] + self._first[self._owner]
            worth = torch.zeros(own.shape)
            for member in range(self.members):
                other = hidden[member][:, None] - choices[member][own] + choices[member]
                level = straight[member][:, None] - linear[member][own] + linear[member]
                worth += (torch.tanh(other) @ self._out[member] + self._level[member])[..., 0] + level
            table = torch.zeros(*actions.shape, self._most)
            table[:, self._owner, self._place] = worth / self.members
        return table

    def _rescale(self, centre: float, unit: float) -> None:
        """Express returns on another scale, with the last layers changed so that the model says what it said.

        Source: PopArt, van Hasselt et al. 2016.
        """
        with torch.no_grad():
            for tensor in (self._out, self._linear, self._level):
                tensor.mul_(self.unit / unit)
            self._level.add_((self.centre - centre) / unit)
        self.centre, self.unit = centre, unit


def action_features(space: Space, heads: list[NDArray[np.int64]]) -> NDArray[np.float32]:
    """What is known of each head's joint choices: which levels, and of ordered parameters which levels they pass.

    Args:
        heads: columns that each agent decides.

    Returns:
        Shape (sum of the heads' joint choices, F); a column belongs to one parameter.
    """
    known = [
        _level_features(int(size), bool(ordered)) for size, ordered in zip(space.sizes, space.ordered, strict=True)
    ]
    starts = np.cumsum([0, *(table.shape[1] for table in known)])
    blocks = []
    for head in heads:
        shape = tuple(space.sizes[head])
        levels = np.unravel_index(np.arange(int(np.prod(shape))), shape)
        block = np.zeros((len(levels[0]), starts[-1]), dtype=np.float32)
        for column, level in zip(head, levels, strict=True):
            block[:, starts[column] : starts[column + 1]] = known[column][level]
        blocks.append(block)
    return np.concatenate(blocks)


def _level_features(size: int, ordered: bool) -> NDArray[np.float32]:
    levels = np.arange(size)
    which = np.eye(size, dtype=np.float32)
    if not ordered or size == 1:
        return which
    passed = (levels[:, None] >= levels[None, 1:]) - 0.5
    return np.concatenate([0.5 * which, passed.astype(np.float32)], axis=1)
