"""The Gaussian process proxy against plain NumPy, and the files it refuses."""

import itertools

import numpy as np
import pytest

from archgym.errors import ConfigError, ModelFileError
from archgym.proxy import gaussian
from archgym.proxy.fit import AUTO, candidates
from archgym.proxy.gaussian import GaussianModel, parameter_groups
from archgym.proxy.gaussian_fit import JITTER, Likeness, fit_gaussian, likeness, pair_sums
from archgym.space import Space, choice, grid

SPACE = Space("mixed", (grid("a", 0, 5), choice("b", *"wxyz"), grid("c", 0, 2), choice("d", False, True)))
STARTS = np.concatenate([[0], np.cumsum(SPACE.sizes**2)])
WORKLOAD = np.array([[0.5, -1.0]])


def square(tables, number):
    size = SPACE.sizes[number]
    return tables[STARTS[number] : STARTS[number + 1]].reshape(size, size)


def alike(first, second, tables):
    """The product of table entries, as its definition reads."""
    found = np.ones((len(first), len(second)))
    for number in range(len(SPACE)):
        found *= square(tables, number)[first[:, number]][:, second[:, number]]
    return found


@pytest.fixture
def known():
    rng = np.random.default_rng(3)
    designs, workload = SPACE.sample(rng, 30), rng.normal(size=(30, 2))
    what = Likeness(SPACE, workload)
    return what, what.mean + 0.3 * rng.normal(size=len(what.mean)), designs, workload, rng.normal(size=30)


def test_levels_are_as_alike_as_the_steps_and_arms_between_them_say(known):
    what, parameters, *_ = known
    tables = what.tables(parameters)
    shares = np.exp(parameters[what.count : what.count + len(SPACE)])
    steps, arms = np.exp(parameters[:5]), np.exp(parameters[5:9])
    for one, other in itertools.product(range(6), repeat=2):
        apart = steps[min(one, other) : max(one, other)].sum()
        assert square(tables, 0)[one, other] == pytest.approx((1 + shares[0] * np.exp(-apart)) / (1 + shares[0]))
    for one, other in itertools.product(range(4), repeat=2):
        apart = 0.0 if one == other else arms[one] + arms[other]
        assert square(tables, 1)[one, other] == pytest.approx((1 + shares[1] * np.exp(-apart)) / (1 + shares[1]))


def test_evidence_is_the_density_and_its_slope(known):
    what, parameters, designs, workload, outputs = known
    codes = np.ascontiguousarray(designs.T)
    value, slope, left_out = what.evidence(parameters, codes, outputs)
    decay, variance, noise = np.exp(parameters[-3:])
    apart = np.abs(workload[:, None] - workload[None]).sum(axis=2)
    matrix = variance * alike(designs, designs, what.tables(parameters)) * np.exp(-decay * apart)
    matrix += (noise + JITTER) * np.eye(30)
    inverse = np.linalg.inv(matrix)
    prior = 0.5 * (((parameters - what.mean) / what.spread) ** 2).sum()
    assert value == pytest.approx(-0.5 * outputs @ inverse @ outputs - 0.5 * np.linalg.slogdet(matrix)[1] - prior)
    np.testing.assert_allclose(left_out, outputs - inverse @ outputs / np.diag(inverse), rtol=1e-6)
    for number, step in enumerate(1e-5 * np.eye(len(parameters))):
        ends = [what.evidence(parameters + sign * step, codes, outputs)[0] for sign in (1, -1)]
        assert slope[number] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-5)


def test_kernels_are_their_plain_twins(known):
    what, parameters, designs, _, _ = known
    codes, tables = np.ascontiguousarray(designs.T), what.tables(parameters)
    np.testing.assert_allclose(likeness(codes, codes[:, :7], tables, what.sizes), alike(designs, designs[:7], tables))
    values = np.random.default_rng(0).normal(size=(30, 30))
    values += values.T
    sums = np.zeros(len(tables))
    for n, k in itertools.combinations(range(30), 2):
        for number in range(len(SPACE)):
            row, column = designs[k, number], designs[n, number]
            square(sums, number)[column, row] += 2 * values[n, k]
    found = pair_sums(codes, values, what.sizes)
    for number in range(len(SPACE)):  # which of two levels comes first does not matter
        one, other = square(found, number), square(sums, number)
        np.testing.assert_allclose(one + one.T, other + other.T)


@pytest.mark.parametrize("most", [1, 12, 24, 1024])
def test_predictions_add_up_weights_times_likeness(known, most, monkeypatch):
    monkeypatch.setattr(gaussian, "GROUP", most)
    what, parameters, designs, workload, _ = known
    weights, tables = np.random.default_rng(1).normal(size=(30, 3)), what.tables(parameters)
    model = GaussianModel(designs.T.astype(np.int32), workload, tables, 0.7, weights, 5.0)
    asked = SPACE.sample(np.random.default_rng(2), 600)
    found = model.bind(WORKLOAD[0], SPACE).members(asked, np.empty(0, dtype=np.int32))
    near = np.exp(-0.7 * np.abs(workload - WORKLOAD).sum(axis=1))
    np.testing.assert_allclose(found, 5.0 + alike(asked, designs, tables) * near @ weights)
    alone = np.concatenate([model.bind(WORKLOAD[0], SPACE).members(asked[n : n + 1], asked) for n in range(5)])
    assert np.array_equal(alone, found[:5])  # to the last bit, in whatever batch


def test_groups_hold_consecutive_parameters_of_a_bounded_number_of_levels():
    sizes = np.array([4, 3, 2000, 2, 2, 512, 2, 3])
    first = parameter_groups(sizes).tolist()
    assert first == [0, 2, 3, 5, 7, 8]


def test_parameters_of_many_levels_are_left_to_other_kinds():
    wide = Space("wide", (grid("near", 0, 255), grid("far", 0, 256)))
    narrow = Space("narrow", wide.parameters[:1])
    assert {option.kind for option in candidates(AUTO, wide, 100)} == set(AUTO) - {"gaussian"}
    assert {option.kind for option in candidates(AUTO, narrow, 100)} == set(AUTO)
    with pytest.raises(ConfigError, match="parameter far has 257 levels; allowed: at most 256"):
        candidates(["gaussian"], wide, 100)
    designs = wide.sample(np.random.default_rng(0), 20)
    with pytest.raises(ConfigError, match="parameter far"):
        fit_gaussian(designs, np.empty((20, 0)), designs[:, 0] * 1.0, wide, 0, 1)


def test_what_was_told_comes_back_and_members_that_left_rows_out_differ():
    rng = np.random.default_rng(0)
    designs = np.unique(SPACE.sample(rng, 100), axis=0)
    target = 3.0 + designs[:, 0] * (1.0 + (designs[:, 1] == 2)) + 0.1 * designs[:, 2] ** 2
    again = [fit_gaussian(designs, np.empty((len(designs), 0)), target, SPACE, 4, 3) for _ in range(2)]
    assert all(np.array_equal(*pair) for pair in zip(*(model.arrays().values() for model in again), strict=True))
    found = again[0].bind(np.empty(0), SPACE).members(designs, np.empty(0, dtype=np.int32))
    np.testing.assert_allclose(found[:, 0], target, atol=0.02)
    assert np.abs(found[:, 1] - target).max() > np.abs(found[:, 0] - target).max()
    every = SPACE.enumerate()
    truth = 3.0 + every[:, 0] * (1.0 + (every[:, 1] == 2)) + 0.1 * every[:, 2] ** 2
    guess = again[0].bind(np.empty(0), SPACE).members(every, np.empty(0, dtype=np.int32))[:, 0]
    assert np.sqrt(np.mean((guess - truth) ** 2)) < 0.05 * truth.std()


@pytest.mark.parametrize(
    "change",
    [
        {"codes": np.full((4, 9), 6)},
        {"codes": np.zeros((3, 9))},
        {"tables": np.ones(5)},
        {"weights": np.full((9, 1), np.nan)},
        {"workload": np.zeros((9, 1))},
        {"numbers": np.zeros(3)},
        {"weights": None},
    ],
)
def test_arrays_that_are_no_process_are_refused(change):
    sound = GaussianModel(
        np.zeros((4, 9), dtype=np.int32), np.zeros((9, 0)), np.ones(STARTS[-1]), 0.0, np.ones((9, 2)), 1.0
    ).arrays()
    GaussianModel.from_arrays(dict(sound), SPACE, 0)
    arrays = {name: array for name, array in {**sound, **change}.items() if array is not None}
    with pytest.raises(ModelFileError, match="Gaussian process"):
        GaussianModel.from_arrays(arrays, SPACE, 0)
