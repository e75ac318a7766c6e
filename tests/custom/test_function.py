"""A Python function as a registered problem."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

import archgym
from archgym import Metric, choice, powers
from archgym.custom import simulator
from archgym.errors import ConfigError
from archgym.rollout import run_search
from archgym.simulators.function import Infeasible

numbers = itertools.count()
PARAMETERS = (powers("size", 1, 64), choice("policy", "lru", "fifo"))
METRICS = (Metric("latency_s", "s", "min"), Metric("hits", "1", "max"))


def declare(function, **details):
    family_id = f"CacheTest{next(numbers)}Env-v0"
    simulator(family_id, PARAMETERS, METRICS, **details)(function)
    return family_id


def scalar(size, policy):
    """A cache."""
    if size == 64 and policy == "fifo":
        raise Infeasible("too large for fifo")
    return {"latency_s": 1.0 / size + (policy == "fifo"), "hits": float(size)}


def batch(size, policy):
    late = policy == "fifo"
    return {"latency_s": 1.0 / size + late, "hits": size, "feasible": ~((size == 64) & late)}


def test_scalar_and_vectorised_functions_agree():
    one = archgym.make_problem(declare(scalar))
    many = archgym.make_problem(declare(batch, vectorised=True))
    designs = one.space.enumerate()
    a, b = one.evaluate(designs), many.evaluate(designs)
    assert a.metrics.feasible.tolist() == b.metrics.feasible.tolist()
    assert (~a.metrics.feasible).sum() == 1
    for name in ("latency_s", "hits"):
        np.testing.assert_array_equal(a.metrics[name], b.metrics[name])
    assert "too large for fifo" in a.metrics.reasons


def test_made_by_gymnasium_and_searched():
    family_id = declare(scalar)
    environment = gym.make(family_id)
    environment.reset(seed=0)
    _, reward, *_ = environment.step(environment.action_space.sample())
    assert np.isfinite(reward)
    run = run_search(archgym.make_problem(family_id), "random", budget=200, seed=1)
    assert run.space.row(run.designs[run.best]) == {"size": 64, "policy": "lru"}


def test_higher_is_better_metrics_get_an_objective_that_raises_them():
    problem = archgym.make_problem(declare(scalar), objective="hits")
    small, large = problem.evaluate(problem.space.encode([{"size": 1}, {"size": 32}])).reward
    assert large > small


def test_workload_data_reaches_the_function():
    def scaled(size, policy, workload):
        return {"latency_s": workload["scale"] / size, "hits": 1.0}

    family_id = declare(scaled, workloads={"small": {"scale": 1.0}, "big": {"scale": 8.0}})
    rows = [
        archgym.make_problem(family_id, name).evaluate([[0, 0]]).metrics["latency_s"][0] for name in ("small", "big")
    ]
    assert rows == [1.0, 8.0]


def test_wrong_arguments_and_wrong_results_are_refused():
    with pytest.raises(ConfigError, match="size"):
        declare(lambda width: {})
    problem = archgym.make_problem(declare(lambda size, policy: {"latency_s": 1.0}))
    with pytest.raises(ConfigError, match="hits"):
        problem.evaluate([[0, 0]])


def test_a_result_that_is_not_finite_is_an_infeasible_row():
    problem = archgym.make_problem(
        declare(lambda size, policy: {"latency_s": 1.0 if size == 1 else float("inf"), "hits": 1.0})
    )
    metrics = problem.evaluate([[0, 0], [1, 0]]).metrics
    assert metrics.feasible.tolist() == [True, False]
    assert "finite" in metrics.reasons[1]


def test_a_method_of_an_object_is_declared_like_a_function():
    class Board:
        clock_Hz = 2e9

        def cycle(self, stages):
            return {"time_s": stages / self.clock_Hz}

    metrics = (Metric("time_s", "s", "min"),)
    simulator("BoardEnv-v0", parameters=(powers("stages", 1, 8),), metrics=metrics)(Board().cycle)
    assert archgym.make_problem("BoardEnv-v0").evaluate(np.array([[1]])).metrics["time_s"][0] == 1e-9
