"""Bayesian optimisation: every surrogate and acquisition searches, the kernel's parts see their own columns, the cost is bounded."""

import numpy as np
import pytest

from archgym.agents import make_agent
from archgym.agents.random import RandomSearch
from archgym.rollout import Evaluator
from archgym.space import Space, choice, grid
from archgym.testing.toy import toy_problem

pytest.importorskip("skopt")
from sklearn.base import clone
from sklearn.gaussian_process.kernels import Matern

from archgym.agents.bo_models import Columns, Process, make_model

MIXED = Space(
    "mixed", (grid("a", 0, 5), choice("b", *"wxyz"), grid("c", 0, 2), choice("d", False, True), grid("e", 1, 1))
)


@pytest.mark.parametrize("surrogate", ["gp", "rf", "et", "gbrt"])
@pytest.mark.parametrize("acquisition", ["hedge", "ei", "lcb", "pi"])
def test_every_surrogate_and_acquisition_finds_more_than_the_same_number_of_random_designs(surrogate, acquisition):
    problem = toy_problem()
    values = {"surrogate": surrogate, "acquisition": acquisition, "candidates": 100, "trees": 15, "batch_size": 8}
    agent = make_agent("bo", problem.space, 3, values)
    agent.run(Evaluator(problem, 58))
    chance = problem.evaluate(RandomSearch(problem.space, 3).ask(58)).reward.max()
    assert agent.archive.rewards.max() > chance


def test_a_kernel_on_columns_has_the_gradient_of_its_kernel():
    points = np.random.default_rng(0).random((7, 3))
    kernel = Columns(Matern(np.array([0.4, 0.9]), nu=2.5), (0, 2))
    value, gradient = kernel(points, eval_gradient=True)
    assert np.allclose(value, Matern(np.array([0.4, 0.9]), nu=2.5)(points[:, [0, 2]]))
    for place in range(2):
        moved = []
        for side in (-1e-5, 1e-5):
            other = clone(kernel)
            other.theta = kernel.theta + side * np.eye(2)[place]
            moved.append(other(points))
        assert np.allclose((moved[1] - moved[0]) / 2e-5, gradient[:, :, place], atol=1e-6)
    assert np.array_equal(clone(kernel).theta, kernel.theta)


def test_the_process_tells_every_unordered_level_apart_alike_and_ordered_ones_by_distance():
    rng = np.random.default_rng(1)
    designs = MIXED.sample(rng, 40)
    process = Process(MIXED, 0, 40)
    process.fit(designs, rng.normal(size=40), search=False)
    one = np.zeros((1, len(MIXED)), dtype=np.int64)

    def covariance(column, level):
        other = one.copy()
        other[0, column] = level
        kernel = process._regressor.kernel_
        return float(kernel(process._encode(one), process._encode(other))[0, 0])

    assert covariance(1, 1) == covariance(1, 2) == covariance(1, 3)
    assert covariance(0, 1) > covariance(0, 3) > covariance(0, 5)


@pytest.mark.parametrize("surrogate", ["gp", "rf", "et", "gbrt"])
def test_a_surrogate_orders_designs_by_a_sum_it_has_seen(surrogate):
    designs = MIXED.enumerate()
    costs = designs[:, 0] + np.array([0.0, 3.0, 1.0, 2.0])[designs[:, 1]]
    costs = (costs - costs.mean()) / costs.std()
    seen = np.random.default_rng(2).permutation(len(designs))[:90]
    model = make_model(surrogate, MIXED, 0, 30, 90)
    model.fit(designs[seen], costs[seen], search=True)
    means, deviations = model.predict(designs)
    assert np.corrcoef(means, costs)[0, 1] > 0.9
    assert (deviations > 0).all()


def test_the_model_never_sees_more_designs_than_its_capacity_and_always_the_best():
    problem = toy_problem()
    agent = make_agent("bo", problem.space, 0, {"capacity": 50, "candidates": 50})
    told = problem.evaluate(problem.space.sample(np.random.default_rng(0), 300))
    agent.tell(told)
    seen = []
    fit = agent._model.fit
    agent._model.fit = lambda designs, costs, search: (seen.append((designs, costs)), fit(designs, costs, search))
    agent.ask(4)
    ((designs, costs),) = seen
    assert len(designs) == 50
    assert np.array_equal(designs[costs.argmin()], told.designs[told.reward.argmax()])


def test_a_batch_holds_no_neighbours():
    problem = toy_problem()
    agent = make_agent("bo", problem.space, 0, {"start_size": 20})
    agent.tell(problem.evaluate(problem.space.sample(np.random.default_rng(0), 40)))
    batch = agent.ask(6)
    apart = (batch[:, None] != batch[None]).sum(axis=2)
    assert apart[~np.eye(6, dtype=bool)].min() >= 2


def test_the_process_predicts_as_its_library_does():
    rng = np.random.default_rng(6)
    process = Process(MIXED, 0, 40)
    process.fit(MIXED.sample(rng, 40), rng.normal(size=40), search=True)
    asked = MIXED.sample(rng, 25)
    means, deviations = process.predict(asked)
    expected = process._regressor.predict(process._encode(asked), return_std=True)
    assert np.allclose(means, expected[0])
    assert np.allclose(deviations, expected[1], atol=1e-6)
