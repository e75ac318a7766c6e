"""Statistics against closed forms and against slow, obvious twins."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym import statistics as stats


def test_interquartile_mean_is_the_mean_of_the_middle_half():
    assert stats.interquartile_mean([100.0, 1.0, 2.0, -100.0]) == 1.5
    assert stats.interquartile_mean(np.arange(8.0)) == np.mean([2, 3, 4, 5])
    # Nine values: 2.25 are cut from each end, so the third and seventh count three quarters.
    expected = (0.75 * 2 + 3 + 4 + 5 + 0.75 * 6) / 4.5
    assert stats.interquartile_mean(np.arange(9.0)) == pytest.approx(expected)


def test_interquartile_mean_works_on_the_last_axis():
    values = np.random.default_rng(0).normal(size=(3, 4, 13))
    rows = [stats.interquartile_mean(row) for row in values.reshape(-1, 13)]
    np.testing.assert_allclose(stats.interquartile_mean(values).ravel(), rows)


def test_bootstrap_interval_of_a_mean_has_the_normal_width():
    values = np.random.default_rng(1).normal(5, 2, size=400)
    interval = stats.bootstrap([values], lambda x: x.mean(axis=-1), repetitions=4000)
    half = 1.96 * values.std() / np.sqrt(400)
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.08)


def test_bootstrap_never_mixes_tasks():
    # Two tasks without spread inside: pooled resampling would vary, stratified resampling cannot.
    interval = stats.bootstrap([[0.0] * 5, [1.0] * 5], lambda x: x.mean(axis=-1), repetitions=200)
    assert (interval.low, interval.value, interval.high) == (0.5, 0.5, 0.5)


def test_bootstrap_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        interval = stats.bootstrap([rng.normal(size=40)], lambda x: x.mean(axis=-1), 400, 0.9, seed=trial)
        covered += interval.low <= 0 <= interval.high
    assert 165 <= covered <= 195  # 180 expected, three standard deviations are 13


def test_an_empty_stratum_is_refused():
    with pytest.raises(ValueError, match="at least one score"):
        stats.bootstrap([[1.0], []])


def test_performance_profile_counts_runs_at_or_above_each_threshold():
    profile = stats.performance_profile([[1, 2, 3, 4], [4, 4]], [0, 2, 4, 5])
    np.testing.assert_allclose(profile, [1.0, (0.75 + 1) / 2, (0.25 + 1) / 2, 0.0])
    low, high = stats.profile_band([[1, 2, 3, 4], [4, 4]], [0, 2, 4, 5])
    assert (low <= profile).all()
    assert (profile <= high).all()
    assert low[0] == high[0] == 1.0
    assert low[3] == high[3] == 0.0


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=8),
    st.lists(st.integers(0, 6), min_size=1, max_size=8),
)
def test_improvement_probability_is_the_share_of_pairs_won(first, second):
    pairs = [(x > y) + 0.5 * (x == y) for x, y in itertools.product(first, second)]
    assert stats.improvement_probability([first], [second]) == pytest.approx(np.mean(pairs))


def test_probability_of_improvement_interval():
    interval = stats.probability_of_improvement([[2, 3], [5, 6]], [[1, 1], [5.5, 5.5]], repetitions=300)
    assert interval.value == 0.75
    assert 0.5 <= interval.low <= 0.75 <= interval.high <= 1.0


def test_best_so_far_regret_and_evaluations_to_target():
    curve = stats.best_so_far([[0.1, 0.5, 0.2, 0.9], [0.3, 0.1, 0.3, 0.3]])
    np.testing.assert_array_equal(curve, [[0.1, 0.5, 0.5, 0.9], [0.3, 0.3, 0.3, 0.3]])
    np.testing.assert_allclose(stats.regret(curve, 0.9)[0], [0.8, 0.4, 0.4, 0.0])
    reached = stats.evaluations_to_target(curve, 0.5)
    np.testing.assert_array_equal(reached, [2, np.inf])
    assert stats.expected_running_time(reached, 4) == 6.0  # 2 + 4 evaluations for one success
    assert stats.expected_running_time([np.inf], 4) == np.inf


def test_budgets_are_increasing_and_end_at_the_budget():
    budgets = stats.budgets_up_to(1000, 40)
    assert budgets[0] == 1
    assert budgets[-1] == 1000
    assert (np.diff(budgets) > 0).all()
    np.testing.assert_array_equal(stats.budgets_up_to(3), [1, 2, 3])


def test_curve_band_of_equal_runs_has_no_width():
    band = stats.curve_band(np.tile([0.1, 0.4], (6, 1)), [1, 2], repetitions=50)
    np.testing.assert_allclose(band.low, band.high)
    np.testing.assert_allclose(band.value, [0.1, 0.4])


def test_expected_best_is_exact():
    # The maximum of n dice: sum over k of k * ((k/6)^n - ((k-1)/6)^n).
    faces = np.arange(1, 7)
    for n in (1, 2, 5):
        brute = np.mean([max(roll) for roll in itertools.product(faces, repeat=n)])
        assert stats.expected_best(faces, n) == pytest.approx(brute)
    assert stats.expected_best([3, 3, 3], [1, 10]).tolist() == [3, 3]


def test_relative_improvement_over_the_average_random_design():
    np.testing.assert_allclose(stats.relative_improvement([0.6, 0.5], 0.5), [20.0, 0.0])
    np.testing.assert_allclose(stats.relative_improvement([-1.0], -2.0), [50.0])


def test_lottery_spread_is_over_the_means_of_settings():
    spread = stats.lottery_spread([[1, 1], [1, 3], [3, 3], [4, 4], [4, 6]])  # means 1 2 3 4 5
    assert (spread.worst, spread.first_quartile, spread.median, spread.third_quartile, spread.best) == (1, 2, 3, 4, 5)
    assert spread.interquartile_range == 2
    assert spread.relative == pytest.approx(2 / 3)


def test_a_tuned_agent_is_never_scored_on_the_seed_it_was_chosen_on():
    # Setting 0 is lucky on seed 0, setting 1 on seed 1; in truth all are alike except for luck.
    found = stats.held_out_best([[10.0, 0.0, 1.0], [0.0, 10.0, 1.0]])
    assert found.chosen.tolist() == [1, 0, 0]
    assert found.scores.tolist() == [0.0, 0.0, 1.0]
    assert stats.held_out_best([[1.0], [2.0]]) is None


def test_the_order_of_settings_that_tie_means_nothing():
    scores = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.6], [0.5, 0.9, 1.0]])
    for order in itertools.permutations(range(3)):
        found = stats.held_out_best(scores[list(order)])
        np.testing.assert_allclose(found.scores, [0.5, 1.0, 0.3])


def test_held_out_best_of_pure_noise_is_not_better_than_average():
    rng = np.random.default_rng(3)
    scores = [stats.held_out_best(rng.normal(size=(50, 3))).scores.mean() for _ in range(300)]
    assert abs(np.mean(scores)) < 4 * np.std(scores) / np.sqrt(300)


# Nemenyi's q values at 5 % over sqrt 2 as tabulated by Demšar (2006), table 5a.
@pytest.mark.parametrize(("agents", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_difference_agrees_with_the_published_table(agents, quantile):
    tasks = 30
    expected = quantile * np.sqrt(agents * (agents + 1) / (6 * tasks))
    assert stats.critical_difference(agents, tasks) == pytest.approx(expected, rel=1e-3)


def test_friedman_statistic_equals_scipys():
    from scipy.stats import friedmanchisquare

    scores = np.random.default_rng(4).integers(0, 5, size=(12, 4)).astype(float)
    table = stats.rank_table(scores)
    statistic, p_value = friedmanchisquare(*scores.T)
    assert table.statistic == pytest.approx(statistic)
    assert table.p_value == pytest.approx(p_value)


def test_rank_table_groups_what_cannot_be_told_apart():
    scores = np.tile([3.0, 2.0, 1.0], (100, 1))
    table = stats.rank_table(scores)
    assert table.mean_ranks.tolist() == [1, 2, 3]
    assert table.groups == ((0,), (1,), (2,))
    few = stats.rank_table(scores[:2])
    assert few.groups == ((0, 1, 2),)
    assert stats.rank_table(np.ones((5, 3))).statistic == 0.0
    with pytest.raises(ValueError, match="agents >= 2"):
        stats.rank_table(np.ones((5, 1)))


def _slow_front(costs):
    return [
        i
        for i, row in enumerate(costs)
        if not any((other <= row).all() and (other < row).any() for other in costs)
        and not any((other == row).all() for other in costs[:i])
    ]


@settings(max_examples=60)
@given(st.integers(1, 3), st.integers(1, 14), st.integers(0, 10**6))
def test_front_and_hypervolume_equal_counting_unit_cells(costs, count, seed):
    points = np.random.default_rng(seed).integers(0, 5, size=(count, costs))
    assert sorted(stats.nondominated(points)) == _slow_front(points)
    cells = itertools.product(range(4), repeat=costs)  # the reference point is 4 in every cost
    covered = sum(any((point <= cell).all() for point in points) for cell in cells)
    assert stats.hypervolume(points, [4] * costs) == pytest.approx(covered)


def test_front_leaves_out_rows_that_are_not_finite():
    assert stats.nondominated([[np.nan, 0], [1, np.inf], [2, 2]]).tolist() == [2]
    assert stats.nondominated(np.empty((0, 2))).tolist() == []
    assert stats.hypervolume(np.empty((0, 2)), [1, 1]) == 0.0
    with pytest.raises(ValueError, match="1 to 3"):
        stats.hypervolume(np.ones((2, 4)), np.ones(4) * 2)


def test_parameter_importance_of_a_known_function():
    sizes = [3, 4, 2, 5]
    designs = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), axis=1)
    signs = np.array([-1.0, 1.0])
    levels = np.array([-1.0, 0.0, 1.0])
    # Variances over the grid: main effect of parameter 0 is 4 * 2/3, the pair (0, 2) is 2/3; 1 and 3 do nothing.
    rewards = 2 * levels[designs[:, 0]] + levels[designs[:, 0]] * signs[designs[:, 2]]
    found = stats.parameter_importance(designs, rewards, sizes, ridge=1e-6)
    assert found.main[0] == pytest.approx(4 / 5, abs=1e-4)
    assert found.pairs[(0, 2)] == pytest.approx(1 / 5, abs=1e-4)
    assert found.main[[1, 2, 3]] == pytest.approx(np.zeros(3), abs=1e-6)
    assert found.effects[0] == pytest.approx(2 * levels, abs=1e-4)
    assert found.explained == pytest.approx(1.0, abs=1e-4)


def test_parameter_importance_of_noise_says_that_it_explains_nothing():
    rng = np.random.default_rng(5)
    designs = rng.integers(0, 4, size=(200, 5))
    assert stats.parameter_importance(designs, rng.normal(size=200), [4] * 5).explained < 0.2
