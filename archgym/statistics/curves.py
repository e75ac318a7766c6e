"""What a run had found after each evaluation: best so far, regret, and how long a target took.

Rewards are higher-is-better; a curve is the best reward after 1, 2, … evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archgym.statistics.aggregate import interquartile_mean

Values = NDArray[np.float64]


def best_so_far(rewards: ArrayLike) -> Values:
    """Running maximum along the last axis, (..., N) -> (..., N)."""
    return np.maximum.accumulate(np.asarray(rewards, dtype=np.float64), axis=-1)


def regret(curves: ArrayLike, optimum: float) -> Values:
    """``optimum`` minus the best so far; zero once the optimum is found."""
    return optimum - np.asarray(curves, dtype=np.float64)


def budgets_up_to(budget: int, points: int = 60) -> NDArray[np.int64]:
    """About ``points`` budgets from 1 to ``budget``, evenly spaced in the logarithm, without repeats."""
    return np.unique(np.round(np.geomspace(1, budget, min(points, budget))).astype(np.int64))


@dataclass(frozen=True)
class Band:
    """A curve over budgets with a pointwise interval; all arrays have shape (len(budgets),)."""

    budgets: NDArray[np.int64]
    value: Values
    low: Values
    high: Values


def curve_band(
    curves: ArrayLike, budgets: ArrayLike, repetitions: int = 500, confidence: float = 0.95, seed: int = 0
) -> Band:
    """Interquartile mean over runs of curves, shape (R, len(budgets)), with a bootstrap interval over the runs."""
    values = np.asarray(curves, dtype=np.float64)
    rng = np.random.default_rng(seed)
    draws = np.stack(
        [interquartile_mean(values[rng.integers(0, len(values), len(values))].T) for _ in range(repetitions)]
    )
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return Band(np.asarray(budgets, dtype=np.int64), interquartile_mean(values.T), low, high)


def evaluations_to_target(curves: ArrayLike, target: float) -> Values:
    """Evaluations until the best so far is at least ``target``, (R, N) -> (R,); inf where it never is."""
    reached = np.atleast_2d(np.asarray(curves, dtype=np.float64)) >= target
    return np.where(reached.any(axis=-1), reached.argmax(axis=-1) + 1.0, np.inf)


def expected_running_time(evaluations: ArrayLike, budget: int) -> float:
    """Evaluations spent for each success, restarting failed runs: all spent / runs that reached the target.

    Args:
        evaluations: from `evaluations_to_target`, inf where a run failed after ``budget``.
    """
    spent = np.asarray(evaluations, dtype=np.float64)
    successes = int(np.isfinite(spent).sum())
    return float(np.where(np.isfinite(spent), spent, budget).sum() / successes) if successes else float("inf")


def relative_improvement(scores: ArrayLike, average_random: float) -> Values:
    """Percent by which scores exceed the average random design's reward: 100 (s - r) / |r|."""
    return 100.0 * (np.asarray(scores, dtype=np.float64) - average_random) / abs(average_random)


def expected_best(values: ArrayLike, draws: ArrayLike) -> Values:
    """Exact expected maximum of n draws with replacement from ``values``, for each n of ``draws``.

    With the rewards of a whole space this is the curve of random search; with the scores of many settings
    it is what a tuning budget of n settings buys.
    """
    ordered, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    share = np.cumsum(counts) / counts.sum()
    below = np.concatenate([[0.0], share[:-1]])
    exponents = np.asarray(draws, dtype=np.float64)[..., None]
    expected: Values = ((share**exponents - below**exponents) * ordered).sum(axis=-1)
    return expected
