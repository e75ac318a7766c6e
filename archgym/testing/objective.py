"""The laws of an objective: finite, bounded, stateless, higher is better, and never worse for being better."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Sequence

import numpy as np

from archgym.metrics import Metric, Metrics
from archgym.objective import Objective
from archgym.testing.law import law, same

IMPROVEMENTS = (1e-6, 0.01, 0.5, 0.999)


def check_objective(objective: Objective, metrics: Metrics, described: Sequence[Metric]) -> None:
    """Check the laws of an objective on some metrics.

    An objective that says ``monotone = False`` is excused from the law that a better metric never lowers the reward.

    Args:
        metrics: results to try it on, feasible and infeasible.
        described: the simulator's metrics, for their directions.

    Raises:
        LawViolation: naming the law and a case.
    """
    name = type(objective).__name__
    directions = {metric.name: metric.direction for metric in described}
    unknown = [metric for metric in objective.metrics if metric not in directions]
    law(not unknown, f"{name} reads {unknown}, which the simulator does not report")
    low, high = objective.range
    law(
        bool(np.isfinite([low, high]).all()) and low < high,
        f"{name}: range must be finite and not empty: {low}, {high}",
    )
    law(low <= objective.infeasible <= high, f"{name}: infeasible rows get {objective.infeasible}, out of its range")
    _check_rewards(objective, metrics)
    rewards = objective(metrics)
    law(same(rewards, objective(metrics)), f"{name}: the same metrics give another reward the second time")
    alone = np.concatenate([objective(metrics.take(slice(row, row + 1))) for row in range(len(metrics))])
    law(same(alone, rewards), f"{name}: a row's reward depends on the other rows")
    restored = pickle.loads(pickle.dumps(objective))
    law(same(restored(metrics), rewards), f"{name}: pickling changes the rewards")
    for metric in objective.metrics:
        _check_extremes(objective, metrics, metric)
        if getattr(objective, "monotone", True) and directions[metric] != "none":
            _check_monotone(objective, metrics, metric, -1.0 if directions[metric] == "min" else 1.0)


def _check_rewards(objective: Objective, metrics: Metrics) -> None:
    name, rewards = type(objective).__name__, objective(metrics)
    law(rewards.shape == (len(metrics),), f"{name}: {len(metrics)} rows gave rewards of shape {rewards.shape}")
    law(rewards.dtype == np.float64, f"{name}: rewards must be float64, not {rewards.dtype}")
    law(bool(np.isfinite(rewards).all()), f"{name}: a reward is not finite")
    low, high = objective.range
    out = rewards[(rewards < low) | (rewards > high)]
    law(not len(out), f"{name}: reward {out[:1]} is outside its range {low} to {high}")
    failed = rewards[~metrics.feasible]
    law(
        bool((failed == objective.infeasible).all()),
        f"{name}: infeasible rows get {failed[:3]}, not {objective.infeasible}",
    )
    worst = rewards[metrics.feasible].min(initial=high)
    law(worst >= objective.infeasible, f"{name}: a feasible row gets {worst}, less than an infeasible one")


def _with(metrics: Metrics, name: str, column: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Metrics:
    return dataclasses.replace(metrics, columns={**metrics.columns, name: column})


def _check_extremes(objective: Objective, metrics: Metrics, name: str) -> None:
    """There is no pole: not at zero, not far away, and not where a value is missing."""
    for extreme in (0.0, 1e-300, 1e30, 1e300, np.nan):
        column = np.where(metrics.feasible, extreme, np.nan)
        _check_rewards(objective, _with(metrics, name, column))


def _check_monotone(objective: Objective, metrics: Metrics, name: str, sign: float) -> None:
    before = objective(metrics)
    for share in IMPROVEMENTS:
        column = metrics[name] + sign * share * np.abs(metrics[name])
        after = objective(_with(metrics, name, column))
        worse = np.flatnonzero(after < before - 1e-12 * np.abs(before))
        law(
            not len(worse),
            f"{type(objective).__name__}: improving {name} by {share:.4%} lowers the reward in row {worse[:1]} "
            f"from {before[worse[:1]]} to {after[worse[:1]]}",
        )
