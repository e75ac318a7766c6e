"""Ranks of agents over tasks: the Friedman test and Nemenyi's critical difference.

Source: Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class RankTable:
    """Mean ranks (1 is best) of K agents over N tasks.

    Attributes:
        mean_ranks: shape (K,).
        statistic: Friedman's chi-square with correction for ties.
        p_value: of the hypothesis that all agents are alike.
        critical_difference: two agents whose mean ranks differ by less cannot be told apart; inf for one task.
        groups: maximal sets of agents (column numbers, best first) that cannot be told apart.
    """

    mean_ranks: NDArray[np.float64]
    tasks: int
    statistic: float
    p_value: float
    critical_difference: float
    groups: tuple[tuple[int, ...], ...]


def rank_table(scores: ArrayLike, significance: float = 0.05) -> RankTable:
    """Rank agents on scores of shape (tasks, agents), higher better; ties share their mean rank.

    Raises:
        ValueError: with fewer than two agents, or no task.
    """
    from scipy.stats import chi2, rankdata

    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise ValueError(f"scores must have shape (tasks >= 1, agents >= 2), not {table.shape}")
    tasks, agents = table.shape
    ranks = rankdata(-table, axis=1)
    means = ranks.mean(axis=0)
    # Spread of rank sums over what it is expected to be when all are alike; ties shrink the latter.
    expected = ((ranks - (agents + 1) / 2) ** 2).sum() / (tasks * (agents - 1))
    observed = ((means - (agents + 1) / 2) ** 2).sum() * tasks
    statistic = float(observed / expected) if expected > 0 else 0.0
    difference = critical_difference(agents, tasks, significance)
    return RankTable(
        means, tasks, statistic, float(chi2.sf(statistic, agents - 1)), difference, _groups(means, difference)
    )


def critical_difference(agents: int, tasks: int, significance: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - significance, agents, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(agents * (agents + 1) / (6 * tasks))


def _groups(means: NDArray[np.float64], difference: float) -> tuple[tuple[int, ...], ...]:
    order = np.argsort(means, kind="stable")
    found: list[tuple[int, ...]] = []
    last_end = -1
    for start in range(len(order)):
        end = max(k for k in range(start, len(order)) if means[order[k]] - means[order[start]] <= difference)
        if end > last_end:
            found.append(tuple(int(agent) for agent in order[start : end + 1]))
            last_end = end
    return tuple(found)
