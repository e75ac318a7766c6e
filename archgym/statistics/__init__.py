"""Statistics for comparing search agents fairly.

Stands alone: arrays in, numbers out, nothing of archgym's other parts is imported.
"""

from archgym.statistics.aggregate import (
    Interval,
    bootstrap,
    improvement_probability,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    profile_band,
)
from archgym.statistics.curves import (
    Band,
    best_so_far,
    budgets_up_to,
    curve_band,
    evaluations_to_target,
    expected_best,
    expected_running_time,
    regret,
    relative_improvement,
)
from archgym.statistics.fronts import hypervolume, nondominated
from archgym.statistics.importance import Importance, parameter_importance
from archgym.statistics.lottery import HeldOut, Spread, held_out_best, lottery_spread
from archgym.statistics.ranks import RankTable, critical_difference, rank_table

__all__ = [
    "Band",
    "HeldOut",
    "Importance",
    "Interval",
    "RankTable",
    "Spread",
    "best_so_far",
    "bootstrap",
    "budgets_up_to",
    "critical_difference",
    "curve_band",
    "evaluations_to_target",
    "expected_best",
    "expected_running_time",
    "held_out_best",
    "hypervolume",
    "improvement_probability",
    "interquartile_mean",
    "lottery_spread",
    "nondominated",
    "parameter_importance",
    "performance_profile",
    "probability_of_improvement",
    "profile_band",
    "rank_table",
    "regret",
    "relative_improvement",
]
