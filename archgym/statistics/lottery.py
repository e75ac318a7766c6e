"""The hyperparameter lottery: how much an agent's result depends on its settings.

All settings are compared at equal budget, and a tuned agent is never scored on the seeds it was tuned on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Spread:
    """Scores of settings, each the mean over its seeds: quartiles, and the interquartile range over the median."""

    settings: int
    worst: float
    first_quartile: float
    median: float
    third_quartile: float
    best: float

    @property
    def interquartile_range(self) -> float:
        return self.third_quartile - self.first_quartile

    @property
    def relative(self) -> float:
        """Interquartile range over the median's magnitude (0 when both are 0)."""
        return self.interquartile_range / abs(self.median) if self.median else float(self.interquartile_range > 0)


def lottery_spread(scores: ArrayLike) -> Spread:
    """Spread over settings of scores of shape (settings, seeds) or (settings,)."""
    table = np.asarray(scores, dtype=np.float64)
    means = table.mean(axis=1) if table.ndim == 2 else table
    return Spread(len(means), *map(float, np.quantile(means, [0, 0.25, 0.5, 0.75, 1])))


@dataclass(frozen=True)
class HeldOut:
    """Scores of tuned agents on seeds that took no part in the tuning.

    Attributes:
        scores: one a seed, of the setting chosen on the other seeds, shape (seeds,).
        chosen: the (first) setting chosen for each, shape (seeds,).
    """

    scores: NDArray[np.float64]
    chosen: NDArray[np.int64]


def held_out_best(scores: ArrayLike) -> HeldOut | None:
    """Best setting by leave-one-seed-out selection from scores of shape (settings, seeds).

    For each seed the setting with the best mean over the other seeds is chosen, and its score on the seed
    left out is taken; of settings that tie, the mean of their scores, as if one were drawn, so that their
    order means nothing. None with fewer than two seeds: nothing honest can be said then.
    """
    table = np.asarray(scores, dtype=np.float64)
    seeds = table.shape[1]
    if seeds < 2:
        return None
    kept, chosen = np.empty(seeds), np.empty(seeds, dtype=np.int64)
    for seed in range(seeds):
        others = np.delete(table, seed, axis=1).mean(axis=1)
        best = np.isclose(others, others.max(), rtol=1e-12, atol=0.0)
        kept[seed], chosen[seed] = table[best, seed].mean(), best.argmax()
    return HeldOut(kept, chosen)
