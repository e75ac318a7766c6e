"""The kernels equal a plain walk or sum, and the libraries that trained the models."""

import numpy as np
import pytest

from archgym.errors import ModelFileError
from archgym.proxy.features import FeatureMap, raw_features
from archgym.proxy.fit import Candidate, Table, fit_model, likeliest_deviation, one_thread, wants_logarithm
from archgym.proxy.linear import LinearModel, fit_linear, linear_values
from archgym.proxy.networks import fit_networks
from archgym.proxy.reach import Reach
from archgym.proxy.trees import TreeModel, from_boosters, from_forest
from archgym.space import Space, choice, grid
from tests.dataset.toy import SPACE

WORKLOADS = [
    {"locality": 0.95, "requests": 1e4},
    {"locality": 0.1, "requests": 1e4},
    {"locality": 0.5, "requests": 1e4},
]
NAMES = ("locality", "requests")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    designs = SPACE.sample(rng, 300)
    raw = np.stack([raw_features(WORKLOADS[number], NAMES) for number in rng.integers(0, 3, 300)])
    target = np.sin(designs[:, 1]) * (1 + designs[:, 0]) + designs[:, 3] * raw[:, 0] + rng.normal(size=300) * 0.01
    return Table(SPACE, designs, raw, NAMES, target)


def walk(model: TreeModel, columns, workload):
    """Each member's value of one row, the obvious way."""
    row = np.concatenate([columns, workload])
    values = []
    for m in range(len(model.base)):
        total = 0.0
        for root in model.root[model.member[m] : model.member[m + 1]]:
            node = int(root)
            while model.child[node] != node:
                node = int(model.child[node]) + int(row[model.column[node]] > model.threshold[node])
            total += model.value[node]
        values.append(model.base[m] + model.weight[m] * total)
    return values


def test_features_are_level_numbers_and_one_hot_choices():
    features = FeatureMap.of(SPACE, NAMES, np.array([raw_features(work, NAMES) for work in WORKLOADS]))
    assert features.workload_names == ("locality",)  # the other never differs
    assert features.integers(np.array([[2, 3, 1, 7, 0, 5]])).tolist() == [[0, 0, 1, 3, 1, 7, 0, 5]]
    assert features.scale.tolist() == [1, 1, 1, 6, 1, 7, 1, 5]
    scaled = [features.workload(work)[0] for work in WORKLOADS]
    assert np.mean(scaled) == pytest.approx(0.0)
    assert np.std(scaled) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["forest", "boosting"])
def test_the_tree_kernel_is_a_plain_walk_and_equals_scikit_learn(table, kind):
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

    features = FeatureMap.of(SPACE, NAMES, table.raw)
    columns, workload = features.integers(table.designs), features.scaled(table.raw, NAMES)
    inputs = np.concatenate([columns, workload], axis=1).astype(float)
    with one_thread():
        if kind == "forest":
            trained = [RandomForestRegressor(12, random_state=0).fit(inputs, table.target)]
            model = from_forest(trained[0], groups=3)
        else:
            settings = {"max_iter": 40, "min_samples_leaf": 1, "early_stopping": False}
            trained = [
                HistGradientBoostingRegressor(random_state=s, **settings).fit(inputs, table.target) for s in (0, 1)
            ]
            model = from_boosters(trained)
        expected = np.mean([one.predict(inputs) for one in trained], axis=0)
    model.check(columns.shape[1] + workload.shape[1])
    for work in np.unique(workload, axis=0):
        mine = np.flatnonzero((workload == work).all(axis=1))
        found = model.bind(work, features.width).members(table.designs[mine], columns[mine])
        assert np.allclose(found.mean(axis=1), expected[mine], rtol=0, atol=1e-9)
        plain = np.array([walk(model, columns[row], work) for row in mine])
        assert np.array_equal(found, plain)


def test_ridge_is_the_least_squares_solution_with_a_penalty(table):
    space, rng = SPACE.only(["page_policy", "arbiter", "refresh"]), np.random.default_rng(3)
    designs, workload = space.sample(rng, 200), rng.normal(size=(200, 1))
    target = designs @ [1.0, 2.0, 3.0] + designs[:, 0] * designs[:, 1] + workload[:, 0]
    model = fit_linear(designs, workload, target, space, 0.5)
    hot = space.one_hot(designs)
    blocks = np.split(hot, np.cumsum(space.sizes)[:-1], axis=1)
    pairs = [np.einsum("ni,nj->nij", blocks[a], blocks[b]).reshape(200, -1) for a, b in ((0, 1), (0, 2), (1, 2))]
    matrix = np.concatenate([hot, hot * workload, *pairs, workload], axis=1)
    centred = target - target.mean()
    solution = np.linalg.solve(matrix.T @ matrix + 0.5 * np.eye(matrix.shape[1]), matrix.T @ centred)
    assert np.allclose(linear_values(model, designs, workload, space), target.mean() + matrix @ solution, atol=1e-6)


def test_the_network_kernel_is_the_plain_formula(table):
    features = FeatureMap.of(SPACE, NAMES, table.raw)
    columns, workload = features.integers(table.designs), features.scaled(table.raw, NAMES)
    model = fit_networks(columns, workload, features.scale, table.target, seed=0, members=2, hidden=8, steps=60)
    again = fit_networks(columns, workload, features.scale, table.target, seed=0, members=2, hidden=8, steps=60)
    assert all(np.array_equal(a, b) for a, b in zip(model.arrays().values(), again.arrays().values(), strict=True))
    found = model.bind(workload[0]).members(table.designs, columns)
    inputs = np.concatenate([2 * columns / features.scale - 1, np.tile(workload[0], (300, 1))], axis=1)
    for m in range(2):
        one = np.maximum(inputs @ model.first[m] + model.first_bias[m], 0)
        two = np.maximum(one @ model.second[m] + model.second_bias[m], 0)
        assert np.allclose(found[:, m], two @ model.last[m] + model.last_bias[m], atol=1e-9)


@pytest.mark.parametrize("kind", ["ridge", "boosting", "stacked", "gaussian"])
def test_training_twice_gives_the_same_numbers(table, kind):
    settings = {"alpha": 1.0, "leaves": 8, "rate": 0.2, "rounds": 20, "leaf": 1}
    features = FeatureMap.of(SPACE, NAMES, table.raw)
    first, second = (fit_model(Candidate(kind, settings), table, features, 5, 2) for _ in range(2))
    for name, array in first.arrays().items():
        assert np.array_equal(array, second.arrays()[name])


def test_arrays_that_are_no_trees_are_refused(table):
    features = FeatureMap.of(SPACE, NAMES, table.raw)
    settings = {"leaves": 8, "rate": 0.2, "rounds": 5, "leaf": 1}
    arrays = fit_model(Candidate("boosting", settings), table, features, 0, 1).arrays()
    width = features.width + len(features.workload_names)
    TreeModel.from_arrays(dict(arrays), width)
    inner = int(np.flatnonzero(arrays["child"] != np.arange(len(arrays["child"])))[2])
    changes = {
        "a child beyond the end": ("child", inner, 10**6),
        "a loop": ("child", inner, 0),
        "a column beyond the row": ("column", inner, width),
        "a negative column": ("column", inner, -1),
        "a root beyond the end": ("root", 0, 10**6),
        "a member beyond the end": ("member", -1, 7),
        "an infinite leaf": ("value", inner, np.inf),
    }
    for name, place, value in changes.values():
        broken = {key: array.copy() for key, array in arrays.items()}
        broken[name][place] = value
        with pytest.raises(ModelFileError, match="do not form trees"):
            TreeModel.from_arrays(broken, width)
    with pytest.raises(ModelFileError, match="missing"):
        TreeModel.from_arrays({key: array for key, array in arrays.items() if key != "root"}, width)
    with pytest.raises(ModelFileError, match="another space"):
        LinearModel.from_arrays({"intercept": np.zeros(1), "single": np.zeros((3, 1)), "pairs": np.zeros(0)}, SPACE, 0)


def test_reach_marks_pairs_of_levels_that_never_met():
    space = Space("s", (choice("a", "x", "y", "z"), grid("b", 0, 3), grid("c", 0, 31)))
    designs = np.array([[0, 0, 0], [1, 1, 31]])
    reach = Reach.of(space, designs)
    assert reach.unseen(designs).tolist() == [0, 0]
    assert reach.unseen(np.array([[0, 0, 3], [0, 0, 4], [0, 1, 0], [2, 2, 15]])).tolist() == [0, 2, 2, 3]
    assert np.array_equal(Reach.from_array(space, reach.packed()).seen, reach.seen)
    with pytest.raises(ModelFileError):
        Reach.from_array(SPACE, reach.packed())


def test_logarithms_are_for_positive_targets_that_span_a_factor():
    assert wants_logarithm(np.array([1e-6, 1e-3]))
    assert not wants_logarithm(np.array([1.0, 1.5]))
    assert not wants_logarithm(np.array([0.0, 1e3]))


def test_the_deviation_is_recovered_from_errors_that_have_it():
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.0, 1.0, 20_000)
    errors = rng.normal(size=20_000) * np.sqrt(0.2**2 + (3.0 * spread) ** 2)
    floor, factor = likeliest_deviation(errors, spread)
    assert floor == pytest.approx(0.2, rel=0.35)
    assert factor == pytest.approx(3.0, rel=0.1)
    assert likeliest_deviation(np.zeros(5), np.ones(5)) == (0.0, 1.0)
