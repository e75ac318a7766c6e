"""The laws over the registry: a family that is registered is checked, with no line added here."""

import pytest

from archgym import testing
from archgym.registry import families, family, make_problem
from tests import toy  # noqa: F401 - registers the toy family

IDS = sorted(families())


@pytest.mark.parametrize("id", IDS)
def test_problem(id):
    testing.check_problem(make_problem(id), count=24)


@pytest.mark.parametrize("id", IDS)
def test_every_objective(id):
    for name in family(id).objectives:
        problem = make_problem(id, objective=name)
        metrics = problem.simulator(testing.sample_designs(problem.space, 24), problem.workload)
        testing.check_objective(problem.objective, metrics, problem.metrics)


@pytest.mark.parametrize("id", IDS)
def test_every_workload_is_described(id):
    source = family(id).source()
    features = set()
    for name in dict.fromkeys((family(id).workload, *source.names())):
        workload = source.load(name)
        testing.check_workload(workload)
        features.add(tuple(workload.features))
    assert len(features) == 1, f"the workloads of {id} must have the same features"


@pytest.mark.parametrize("id", IDS)
def test_design_env(id):
    testing.check_design_env(id)


@pytest.mark.parametrize("id", IDS)
def test_vector_env(id):
    testing.check_vector_env(id)


@pytest.mark.parametrize("id", IDS)
def test_sequential_env(id):
    testing.check_sequential_env(id)


@pytest.mark.parametrize("split", ["parameter", "group"])
@pytest.mark.parametrize("id", IDS)
def test_parallel_env(id, split):
    testing.check_parallel_env(id, split)


@pytest.mark.parametrize("split", ["parameter", "group"])
@pytest.mark.parametrize("id", IDS)
def test_turn_env(id, split):
    testing.check_turn_env(id, split)
