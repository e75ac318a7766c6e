"""The Gaussian process of `gp` and `sae` against its closed form in plain NumPy, and what searches with it."""

import math

import numpy as np
import pytest

from archgym.agents import gaussian
from archgym.agents.moves import every_neighbour
from archgym.agents.surrogate import (
    TRANSFORMS,
    Surrogate,
    agreement,
    log_expected_improvement,
    squash,
)
from archgym.space import Space, choice, grid

SPACE = Space("mixed", (grid("a", 0, 5), choice("b", *"wxyz"), grid("c", 0, 2), choice("d", False, True)))


def covariance(first, second, rates, variance, power=1.0):
    """The kernel as its definition reads."""
    total = np.zeros((len(first), len(second)))
    for column, (size, ordered) in enumerate(zip(SPACE.sizes, SPACE.ordered, strict=True)):
        apart = np.abs(first[:, None, column] - second[None, :, column])
        distance = (apart / (size - 1)) ** power if ordered else (apart > 0)
        total += rates[column] * distance
    return variance * np.exp(-total)


@pytest.fixture
def fitted():
    rng = np.random.default_rng(4)
    designs, outputs = SPACE.sample(rng, 12), rng.normal(size=12)
    surrogate = Surrogate(SPACE, 40)
    surrogate.parameters = np.log(np.array([0.8, 1.5, 0.3, 0.6, 1.4, 0.05]))
    surrogate.add(designs)
    surrogate.learn(outputs)
    return surrogate, designs, outputs


@pytest.mark.parametrize("count", [1, 30])
def test_prediction_is_the_posterior_of_the_covariance(fitted, count):
    surrogate, designs, outputs = fitted
    asked = SPACE.sample(np.random.default_rng(5), count)
    rates, variance, noise = np.array([0.8, 1.5, 0.3, 0.6]), 1.4, 0.05 + gaussian.JITTER
    inverse = np.linalg.inv(covariance(designs, designs, rates, variance) + noise * np.eye(len(designs)))
    towards = covariance(asked, designs, rates, variance)
    means, deviations = surrogate.predict(asked)
    assert np.allclose(means, towards @ inverse @ outputs)
    assert np.allclose(deviations**2, variance - ((towards @ inverse) * towards).sum(axis=1), atol=1e-9)
    assert np.allclose(surrogate.means(asked), means)


def test_dropped_points_are_forgotten(fitted):
    surrogate, designs, outputs = fitted
    other = Surrogate(SPACE, 40)
    other.parameters = surrogate.parameters
    other.add(designs[:7])
    other.learn(outputs[:7])
    surrogate.drop(7)
    surrogate.learn(outputs[:7])
    asked = SPACE.sample(np.random.default_rng(6), 9)
    assert np.allclose(surrogate.predict(asked), other.predict(asked))


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_evidence_is_the_density_of_the_outputs_and_its_gradient_is_its_slope(power):
    rng = np.random.default_rng(7)
    designs, outputs = SPACE.sample(rng, 15), rng.normal(size=15)
    sizes, ordered = np.asarray(SPACE.sizes, dtype=np.int64), np.asarray(SPACE.ordered)
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    mean, spread = np.array([-0.5, -0.4, -0.3, -0.2, 0.1, -4.0]), np.full(6, 1.3)

    def evidence(parameters):
        return gaussian.evidence(
            parameters, np.ascontiguousarray(designs.T), outputs, ordered, sizes, offsets, power, mean, spread
        )

    here = np.log(np.array([0.8, 1.5, 0.3, 0.6, 1.4, 0.05]))
    value, gradient, left_out = evidence(here)
    matrix = covariance(designs, designs, np.exp(here[:4]), 1.4, power) + (0.05 + gaussian.JITTER) * np.eye(15)
    density = -0.5 * outputs @ np.linalg.solve(matrix, outputs) - 0.5 * np.linalg.slogdet(matrix)[1]
    assert value == pytest.approx(density - 0.5 * (((here - mean) / spread) ** 2).sum())
    for place in range(len(here)):
        step = 1e-5 * np.eye(len(here))[place]
        slope = (evidence(here + step)[0] - evidence(here - step)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-6)
    kept = np.arange(15) != 3
    alone = matrix[3, kept] @ np.linalg.solve(matrix[np.ix_(kept, kept)], outputs[kept])
    assert left_out[3] == pytest.approx(alone)


def test_a_fit_finds_which_parameter_matters():
    designs = SPACE.enumerate()
    outputs = squash(np.array([0.0, 3.0, 1.0, 2.0])[designs[:, 1]] + 0.01 * designs[:, 0])
    seen = np.random.default_rng(8).permutation(len(designs))[:50]
    surrogate = Surrogate(SPACE, 60)
    surrogate.fit(designs[seen], outputs[seen], 40)
    rates = surrogate.parameters[:4]
    assert rates.argmax() == 1
    assert rates[1] - max(rates[[0, 2, 3]]) > 1.0


def test_climbing_ends_where_no_neighbour_has_a_higher_mean(fitted):
    surrogate, _, _ = fitted
    for design in surrogate.climb(SPACE.sample(np.random.default_rng(9), 6), 100):
        around = every_neighbour(design, SPACE.sizes)
        assert surrogate.means(around).max() <= surrogate.means(design[None])[0] + 1e-6


def test_one_step_of_a_climb_is_the_best_neighbour(fitted):
    surrogate, _, _ = fitted
    for design in SPACE.sample(np.random.default_rng(10), 8):
        (moved,) = surrogate.climb(design[None], 1)
        best = np.concatenate([design[None], every_neighbour(design, SPACE.sizes)])
        assert np.array_equal(moved, best[surrogate.means(best).argmax()])


def test_neighbours_are_all_single_changes():
    design = np.array([2, 3, 0, 1])
    around = every_neighbour(design, SPACE.sizes)
    expected = {tuple(row) for row in SPACE.enumerate() if (row != design).sum() == 1}
    assert {tuple(row) for row in around} == expected
    assert len(around) == len(expected)


def test_log_expected_improvement_is_the_logarithm_of_its_integral_and_finite_far_below_the_best():
    means, deviations = np.array([0.3, -1.0, 2.0]), np.array([0.5, 1.2, 0.1])
    grid_points = np.linspace(-12, 12, 200_001)
    for mean, deviation, score in zip(means, deviations, log_expected_improvement(means, deviations, 0.4), strict=True):
        density = np.exp(-0.5 * grid_points**2) / math.sqrt(2 * math.pi)
        gain = np.maximum(0.0, mean + deviation * grid_points - 0.4)
        assert score == pytest.approx(math.log(np.trapezoid(gain * density, grid_points)), abs=1e-4)
    far = log_expected_improvement(np.array([-60.0, -50.0]), np.ones(2), 0.0)
    assert np.isfinite(far).all()
    assert far[0] < far[1]


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_a_transform_keeps_the_order_and_has_unit_deviation(name):
    values = np.concatenate([np.random.default_rng(11).normal(size=60), [-1e6, -40.0]])
    changed = TRANSFORMS[name](values)
    order = np.argsort(values)
    assert (np.diff(changed[order]) >= -1e-12).all()
    assert changed.mean() == pytest.approx(0.0, abs=1e-9)
    assert changed.std() == pytest.approx(1.0)


def test_squash_measures_by_the_median_and_the_upper_tenth():
    values = np.random.default_rng(12).normal(size=33)
    centre, upper = np.median(values), np.quantile(values, 0.9)
    shifted = (values - centre) / (upper - centre)
    expected = np.where(shifted < 0, -np.log1p(np.abs(shifted)), shifted)
    assert np.allclose(squash(values), (expected - expected.mean()) / expected.std())


def test_agreement_is_one_for_the_truth_and_minus_one_for_its_reverse():
    values = np.arange(10.0)
    assert agreement(values, values) == 1.0
    assert agreement(-values, values) == -1.0
