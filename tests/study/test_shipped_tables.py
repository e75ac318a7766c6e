"""The tables that come with the package are what the simulator gives today."""

from __future__ import annotations

import numpy as np
import pytest

from archgym.registry import make_problem
from archgym.simulators.table import differing, find_table, table_path
from archgym.study import ProblemKey
from archgym.study.plan import open_problem

WORKLOADS = ("stream", "random", "cloud-1", "cloud-2")


@pytest.fixture(autouse=True)
def _only_shipped(tmp_path, monkeypatch):
    monkeypatch.delenv("ARCHGYM_TABLES", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def _table(workload):
    problem = make_problem("DRAMEnv-v0", workload)
    table = find_table(problem.simulator, problem.workload)
    assert table is not None
    return problem, table


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_shipped_table_agrees_with_the_simulator(workload):
    problem, table = _table(workload)
    assert len(table.index) == problem.space.size == 442_368
    assert len(differing(table, problem.simulator, problem.workload, 40, seed=11)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_shipped_table_agrees_with_the_simulator_in_thousands_of_designs(workload):
    problem, table = _table(workload)
    assert len(differing(table, problem.simulator, problem.workload, 4000, seed=12)) == 0


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_design_has_the_result_of_its_representative(workload):
    problem, table = _table(workload)
    designs = problem.space.enumerate()
    stand_ins = problem.space.number(problem.simulator.representatives(designs, problem.workload))
    np.testing.assert_array_equal(table.index, table.index[stand_ins])
    assert len(np.unique(stand_ins)) < problem.space.size / 10


def test_the_default_design_has_the_same_reward_by_table_and_by_simulator():
    by_table = open_problem(ProblemKey("DRAMEnv-v0", "cloud-1", "joint", "table"))
    simulated = open_problem(ProblemKey("DRAMEnv-v0", "cloud-1", "joint"))
    assert by_table.identity() == simulated.identity()
    assert type(by_table.simulator) is not type(simulated.simulator)
    default = simulated.space.default
    assert by_table.evaluate(default).reward == simulated.evaluate(default).reward


def test_another_memory_has_no_table():
    problem = make_problem("DRAMEnv-v0", "stream", device="ddr4-2400")
    assert table_path(problem.simulator, problem.workload) is None
