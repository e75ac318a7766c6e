"""The distribution of whole designs as one tensor, in place of Stable-Baselines3's one object a parameter."""

from __future__ import annotations

import torch
from stable_baselines3.common.distributions import MultiCategoricalDistribution
from torch import Tensor

#: a logit whose probability is exactly zero
_NEVER = -1e8


class DesignDistribution(MultiCategoricalDistribution):
    """Independent categorical distributions of D parameters, padded to the most levels, S: tensors of shape (B, D, S)."""

    def __init__(self, action_dims: list[int]) -> None:
        super().__init__(action_dims)
        sizes = torch.tensor(action_dims)
        levels = torch.arange(int(sizes.max()))
        starts = torch.cumsum(sizes, 0) - sizes
        self._columns = torch.where(levels < sizes[:, None], starts[:, None] + levels, int(sizes.sum()))
        self._logs = torch.empty(0)

    def proba_distribution(self, action_logits: Tensor) -> DesignDistribution:
        """For logits of shape (B, sum of sizes)."""
        never = action_logits.new_full((len(action_logits), 1), _NEVER)
        self._logs = torch.cat([action_logits, never], dim=1)[:, self._columns].log_softmax(dim=2)
        return self

    def log_prob(self, actions: Tensor) -> Tensor:
        """Of designs (B, D), shape (B,)."""
        return self._logs.gather(2, actions.long()[:, :, None])[:, :, 0].sum(dim=1)

    def entropy(self) -> Tensor:
        """Shape (B,)."""
        return -(self._logs.exp() * self._logs).sum(dim=(1, 2))

    def sample(self) -> Tensor:
        """Designs, shape (B, D)."""
        count, width, most = self._logs.shape
        return torch.multinomial(self._logs.exp().reshape(-1, most), 1).reshape(count, width)

    def mode(self) -> Tensor:
        """The likeliest design, shape (B, D)."""
        return self._logs.argmax(dim=2)
