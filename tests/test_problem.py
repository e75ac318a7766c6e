"""Problems and their registry: what an evaluation holds, what identifies it, and which settings are refused."""

import dataclasses
import json
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from archgym import registry
from archgym.errors import ConfigError, DesignError, UnknownNameError, WorkloadError
from archgym.metrics import Metrics
from archgym.objective import Minimise
from archgym.problem import Problem
from archgym.registry import Family, families, family, make_problem, register
from archgym.space import Space, grid
from archgym.testing import check_problem
from archgym.testing.separable import SeparableSimulator, awkward_spaces, separable_problem
from archgym.testing.toy import ToySimulator, best_design, toy_problem
from tests import toy


def test_the_toy_keeps_the_laws():
    check_problem(toy.problem())


@pytest.mark.parametrize("space", awkward_spaces(), ids=lambda space: space.name)
def test_the_separable_problems_keep_the_laws(space):
    check_problem(separable_problem(space), other_process=False)
    problem = separable_problem(space)
    best = problem.simulator.best
    assert problem.evaluate(best).metrics["cost"] == 1.0


def test_the_optimum_of_the_toy_is_known():
    problem = toy_problem()
    every = problem.evaluate(problem.space.enumerate())
    assert every.reward.max() == pytest.approx(problem.evaluate(best_design()).reward[0], rel=1e-12)
    assert 0 < (~every.metrics.feasible).mean() < 0.1


def test_an_evaluation_tells_costs_to_be_minimised():
    class Bandwidth(Minimise):
        pass

    recipe = Bandwidth(("bandwidth_B_per_s", "energy_J"), weights=(-1.0, 1.0))
    problem = dataclasses.replace(toy_problem(), recipe=recipe)
    evaluation = problem.evaluate([[0] * 7, [0, 7, 0, 0, 0, 0, 7]])
    assert evaluation.cost_names == ("bandwidth_B_per_s", "energy_J")
    assert evaluation.costs[0, 0] == -evaluation.metrics["bandwidth_B_per_s"][0] < 0
    assert np.isinf(evaluation.costs[1]).all()
    assert evaluation.reward[1] == 0.0


def test_identity_covers_whatever_decides_a_result():
    problem = toy_problem()
    same = json.dumps(problem.identity())
    assert json.dumps(toy_problem().identity()) == same
    others = [
        toy_problem(objective="fast"),
        toy_problem(workload="heavy"),
        dataclasses.replace(problem, simulator=ToySimulator(version=2)),
        dataclasses.replace(problem, recipe=Minimise(("total_time_s", "energy_J"), weights=(2.0, 1.0))),
        dataclasses.replace(problem, workload=dataclasses.replace(problem.workload, fingerprint="0" * 64)),
    ]
    assert len({json.dumps(other.identity()) for other in others} | {same}) == len(others) + 1


def test_a_default_design_that_cannot_be_built_is_said_so():
    class Impossible(SeparableSimulator):
        def __call__(self, designs, workload):
            none = np.zeros(len(designs), dtype=bool)
            return Metrics({"cost": np.full(len(designs), np.nan)}, none, ("no room",) * len(designs))

    made = separable_problem(Space("s", (grid("a", 0, 3),)))
    problem = Problem(made.id, Impossible(made.space), made.workload, "cost", Minimise(("cost",)))
    with pytest.raises(WorkloadError, match=r"default design .* infeasible .* no room"):
        problem.evaluate([[1]])


def test_illegal_designs_name_row_and_parameter():
    with pytest.raises(DesignError, match="row 1: parameter 'depth'"):
        toy.problem().evaluate([[0] * 7, [0, 0, 8, 0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"id": "ToyEnv-v1"}, UnknownNameError, "unknown problem 'ToyEnv-v1'; did you mean 'ToyEnv-v0'"),
        ({"workload": "lite"}, UnknownNameError, "did you mean 'light'"),
        ({"objective": "fst"}, UnknownNameError, "did you mean 'fast'"),
        ({"speed": 3}, UnknownNameError, "speed"),
        ({"simulator": SeparableSimulator(awkward_spaces()[0])}, ConfigError, "'separable' has space"),
    ],
)
def test_bad_settings_are_named(settings, kind, words):
    with pytest.raises(kind, match=words):
        make_problem(**{"id": toy.ID, **settings})


def test_a_stand_in_simulator_and_an_own_recipe_are_taken():
    stand_in = ToySimulator(name="stand-in")
    problem = make_problem(toy.ID, simulator=stand_in, objective=Minimise(("energy_J",)))
    assert problem.simulator is stand_in
    assert problem.objective.metrics == ("energy_J",)
    assert problem.objective_name == "Minimise"


def test_an_id_belongs_to_one_family():
    register(toy.TOY)
    with pytest.raises(ConfigError, match="registered already"):
        register(dataclasses.replace(toy.TOY, summary="another"))
    assert family(toy.ID) is toy.TOY


def test_a_family_whose_space_follows_the_workload_is_given_it():
    def simulator(workload, scale=1):
        return SeparableSimulator(Space("s", (grid("a", 0, workload.data[0] // 100 * scale),)))

    made = Family("x", "", simulator, "archgym.testing.toy:WORKLOADS", {}, "light", workload_sets_space=True)
    work = made.source().load("light")
    assert made.make_simulator(work).space.size == 11
    assert made.make_simulator(work, scale=2).space.size == 21


def test_families_of_other_packages_are_found_and_broken_ones_left_out(monkeypatch):
    third_party = dataclasses.replace(toy.TOY, id="ThirdPartyEnv-v0")
    monkeypatch.setattr("tests.toy.THIRD_PARTY", (third_party,), raising=False)
    entries = [
        EntryPoint("broken", "no_such_module:FAMILY", registry.ENTRY_POINTS),
        EntryPoint("third", "tests.toy:THIRD_PARTY", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == registry.ENTRY_POINTS else [])
    monkeypatch.setattr(registry, "_families", {})
    monkeypatch.setattr(registry, "_loaded", False)
    with pytest.warns(UserWarning, match="'broken' .* left out"):
        known = families()
    assert known["ThirdPartyEnv-v0"] is third_party


@pytest.mark.parametrize(("option", "words"), [("devic", "did you mean 'device'"), ("colour", "allowed: device")])
def test_an_option_the_simulator_does_not_have_is_named(option, words):
    with pytest.raises(UnknownNameError, match=words):
        make_problem("DRAMEnv-v0", **{option: "x"})
