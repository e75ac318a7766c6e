"""Summaries of scores over runs and tasks, with intervals.

Scores come as strata: one array of run scores a task. Resampling never mixes tasks, and every task
weighs the same however many runs it has where a mean over tasks is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]
Statistic = Callable[[Values], Values]

#: elements of one block of resampled scores, which bounds the memory of a bootstrap to tens of MB
_BLOCK = 2_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate and its percentile bootstrap interval."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


def interquartile_mean(values: ArrayLike) -> Values:
    """Mean of the middle half of the last axis, (..., N) -> (...).

    A quarter of the sample is cut from each end exactly: the values at the cut count with the fraction
    that lies inside, so the estimate does not jump with N.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    count = ordered.shape[-1]
    edges = np.arange(count + 1)
    inside = np.diff(np.clip(edges, count / 4, 3 * count / 4))
    used = inside > 0
    mean: Values = (ordered[..., used] * inside[used]).sum(axis=-1) / inside.sum()
    return mean


def resample(strata: Sequence[ArrayLike], repetitions: int, seed: int = 0) -> Iterator[list[Values]]:
    """Stratified bootstrap samples, in blocks: one array (repetitions in the block, runs) a stratum."""
    arrays = _checked(strata)
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // max(1, sum(map(len, arrays))))
    for start in range(0, repetitions, block):
        rows = min(block, repetitions - start)
        yield [array[rng.integers(0, len(array), (rows, len(array)))] for array in arrays]


def bootstrap(
    strata: Sequence[ArrayLike],
    statistic: Statistic = interquartile_mean,
    repetitions: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A statistic of all scores pooled, with its stratified percentile bootstrap interval.

    Args:
        strata: scores of the runs of each task.
        statistic: maps (..., N) to (...).

    Raises:
        ValueError: if a stratum is empty.
    """
    arrays = _checked(strata)
    estimate = float(statistic(np.concatenate(arrays)))
    draws = np.concatenate(
        [statistic(np.concatenate(sample, axis=1)) for sample in resample(arrays, repetitions, seed)]
    )
    return _interval(estimate, draws, confidence)


def _interval(estimate: float, draws: Values, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high), confidence)


def _checked(strata: Sequence[ArrayLike]) -> list[Values]:
    arrays = [np.asarray(stratum, dtype=np.float64).ravel() for stratum in strata]
    if not arrays or any(len(array) == 0 for array in arrays):
        raise ValueError("every stratum needs at least one score")
    return arrays


def performance_profile(strata: Sequence[ArrayLike], thresholds: ArrayLike) -> Values:
    """Fraction of runs scoring at least each threshold, averaged over tasks; shape of ``thresholds``."""
    levels = np.asarray(thresholds, dtype=np.float64)
    shares = [_share_at_least(np.sort(stratum), levels) for stratum in _checked(strata)]
    mean: Values = np.mean(shares, axis=0)
    return mean


def _share_at_least(ordered: Values, levels: Values) -> Values:
    share: Values = 1.0 - np.searchsorted(ordered, levels, side="left") / len(ordered)
    return share


def profile_band(
    strata: Sequence[ArrayLike], thresholds: ArrayLike, repetitions: int = 500, confidence: float = 0.95, seed: int = 0
) -> tuple[Values, Values]:
    """Pointwise bootstrap band (low, high) of `performance_profile`."""
    levels = np.asarray(thresholds, dtype=np.float64)
    draws = []
    for sample in resample(strata, repetitions, seed):
        ordered = [np.sort(task, axis=1) for task in sample]
        draws += [
            np.mean([_share_at_least(task[row], levels) for task in ordered], axis=0) for row in range(len(ordered[0]))
        ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


def improvement_probability(first: Sequence[ArrayLike], second: Sequence[ArrayLike]) -> float:
    """Probability that a run of ``first`` beats one of ``second`` on the same task, ties counting half, over tasks."""
    pairs = list(zip(_checked(first), _checked(second), strict=True))
    return float(np.mean([_beats(x, np.sort(y)) for x, y in pairs]))


def _beats(values: Values, ordered: Values) -> float:
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return float(((below + up_to) / 2).mean() / len(ordered))


def probability_of_improvement(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    repetitions: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`improvement_probability` with a stratified bootstrap interval."""
    draws = []
    for sample in resample([*first, *second], repetitions, seed):
        xs, ys = sample[: len(first)], [np.sort(y, axis=1) for y in sample[len(first) :]]
        draws += [float(np.mean([_beats(x[r], y[r]) for x, y in zip(xs, ys, strict=True)])) for r in range(len(xs[0]))]
    return _interval(improvement_probability(first, second), np.array(draws), confidence)
