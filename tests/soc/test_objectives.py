"""Rewards from budgets: 1 exactly when all are met, bounded, and errors where a workload has none."""

from __future__ import annotations

import numpy as np
import pytest

from archgym.errors import WorkloadError
from archgym.metrics import Metrics
from archgym.problem import Problem
from archgym.simulators.soc import FAMILIES, OBJECTIVES
from archgym.simulators.soc.simulator import budget_limits, make_soc
from archgym.simulators.soc.workloads import SOURCE, graph_workload
from tests.soc.designs import generator, small_graph


def problem_for(workload, objective):
    return Problem("SoCEnv-v0", make_soc(workload), workload, objective, OBJECTIVES[objective])


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("workload", ["audio_decoder", "edge_detection", "hpvm_cava"])
def test_rewards_are_bounded_and_finite(workload, objective):
    problem = problem_for(SOURCE.load(workload), objective)
    found = problem.evaluate(problem.space.sample(generator(0), 2000))
    low, high = problem.objective.range
    assert np.isfinite(found.reward).all()
    assert (found.reward >= low).all()
    assert (found.reward <= high).all()
    assert len(np.unique(found.reward)) > 100
    assert problem.identity()["objective"] == objective


def test_budgets_reward_is_archgyms_distance_turned_round():
    workload = SOURCE.load("edge_detection")
    problem = problem_for(workload, "budgets")
    found = problem.evaluate(problem.space.sample(generator(1), 500))
    limits = budget_limits(workload.data)
    distance = sum(np.maximum(0, found.metrics[name] / limit - 1) for name, limit in limits.items())
    np.testing.assert_allclose(found.reward, 1 / (1 + distance), rtol=1e-12)


def test_meeting_all_budgets_is_the_maximum():
    """A budget just met gives 1, just missed less."""
    workload = SOURCE.load("hpvm_cava")
    simulator = make_soc(workload)
    metrics = simulator(simulator.space.default[None], workload)
    exact = {
        "latency_s": metrics["latency_s"][0],
        "power_W": metrics["power_W"][0],
        "area_m2": metrics["on_chip_area_m2"][0],
    }
    for factor, expected in ((1.0, 1.0), (1 - 1e-6, None)):
        budget = {name: value * factor for name, value in exact.items()}
        graph = small_graph(
            tasks=[{"name": t.name, "work": t.work, "iterations": t.iterations, "accelerators": {a.name: {"cycles": a.cycles, "energy_fJ": a.energy_fJ, "area_um2": a.area_um2} for a in t.accelerators}} for t in workload.data.tasks],
            edges=[[workload.data.tasks[a].name, workload.data.tasks[b].name, size] for a, b, size in workload.data.edges],
            last_task="descale_fxp_cloned",
            budget=budget,
        )  # fmt: skip
        problem = problem_for(graph_workload(graph), "budgets")
        reward = problem.evaluate(problem.space.default).reward[0]
        assert reward == expected if expected else 1 - 1e-5 < reward < 1


def test_within_budgets_less_is_more():
    """Any design that meets the budgets is worth more than 1/2, any other less; among the first the cheaper wins."""
    workload = SOURCE.load("audio_decoder")
    budgets, cost = problem_for(workload, "budgets"), problem_for(workload, "development-cost")
    start = budgets.space.encode({name: "accelerator" for name in budgets.space.names if name.endswith(".runs_on")})[0]
    start[list(budgets.space.names).index("memory_0.kind")] = 1
    near = np.concatenate([start[None], budgets.space.neighbours(start), budgets.space.sample(generator(2), 50)])
    met = budgets.evaluate(near).reward == 1.0
    assert met.any()
    assert not met.all()
    found = cost.evaluate(near)
    assert (found.reward[met] > 0.5).all()
    assert (found.reward[~met] < 0.5).all()
    order = np.argsort(found.metrics["development_cost"][met])
    assert (np.diff(found.reward[met][order]) <= 0).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_less_of_anything_is_never_worth_less(objective):
    """Costs on both sides of their limits; each in turn is made smaller."""
    workload = SOURCE.load("edge_detection")
    problem = problem_for(workload, objective)
    rng = generator(3)
    found = problem.simulator(problem.space.sample(rng, 500), workload)
    costs = [metric.name for metric in problem.simulator.metrics if metric.direction == "min"]
    columns = {name: column * 10 ** rng.uniform(-4, 1, 500) for name, column in found.columns.items()}

    def reward(columns):
        return problem.objective(Metrics(columns, found.feasible, found.reasons, {}))

    before = reward(columns)
    for name in costs:
        assert (reward(columns | {name: 0.7 * columns[name]}) >= before).all(), name
    assert (reward({name: 0.7 * column for name, column in columns.items()}) > before).any()


def test_missing_budgets():
    workload = graph_workload(small_graph(budget=None))
    for objective in OBJECTIVES:
        problem = problem_for(workload, objective)
        if objective == "latency-power-area":
            assert problem.evaluate(problem.space.default).reward[0] == 0.5
            continue
        with pytest.raises(WorkloadError, match=r"'small' has no '.*budget' for small"):
            problem.evaluate(problem.space.default)
    with pytest.raises(WorkloadError, match="individual_budget"):
        _ = problem_for(SOURCE.load("edge_detection_1"), "individual-budgets").objective


def test_families_can_be_made():
    for family in FAMILIES:
        workload = family.source().load(family.workload)
        simulator = family.make_simulator(workload)
        problem = Problem(family.id, simulator, workload, family.objective, family.objectives[family.objective])
        assert 0 < problem.evaluate(problem.space.default).reward[0] < 1
        package, _, file = family.assumptions.partition("/")
        from importlib.resources import files

        assert "What is modelled" in (files(package) / file).read_text()
