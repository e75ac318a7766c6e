"""What single agents promise beyond the laws: no design twice, whole spaces, fronts, stagnation, warm starts, refusals."""

import importlib.util
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from archgym import agents, testing
from archgym.agents import agent_class, agent_names, make_agent
from archgym.agents.base import Agent
from archgym.cli.agent_page import source
from archgym.errors import BudgetExhausted, ConfigError, DesignError, MissingExtraError, UnknownNameError
from archgym.rollout import Evaluator, make_spec
from archgym.space import Space, grid
from archgym.testing.separable import separable_problem
from archgym.testing.toy import toy_problem

PROBLEM = toy_problem()


def searched(agent, budget, problem=PROBLEM):
    """All designs evaluated by a run."""
    seen = []
    evaluate = Evaluator(problem, budget, progress=lambda used, best, told: seen.append(told.designs))
    agent.run(evaluate)
    return np.concatenate(seen)


@pytest.mark.parametrize("name", ["ga", "hillclimb", "aco", "gp", "sae"])
def test_hardly_any_design_is_tried_twice(name):
    designs = searched(make_agent(name, PROBLEM.space, 0), 120)
    assert len(np.unique(designs, axis=0)) >= 117


def test_grid_enumerates_a_space_that_fits_the_budget():
    space = Space("small", (grid("x", 0, 3), grid("y", 0, 4)))
    designs = searched(make_agent("grid", space, 0), int(space.size), separable_problem(space))
    assert len(np.unique(designs, axis=0)) == space.size


def test_ants_that_agree_search_around_their_design():
    agent = make_agent("aco", PROBLEM.space, 0, {"start_size": 1, "floor": 0.0})
    told = PROBLEM.evaluate(PROBLEM.space.default[None])
    agent.tell(told)
    agent.pheromone[:] = 0.0
    agent.pheromone[np.arange(len(PROBLEM.space)), PROBLEM.space.default] = 1.0
    ants = agent.ask(5)
    apart = (ants != PROBLEM.space.default).sum(axis=1)
    assert (apart >= 1).all()
    assert (apart <= 2).all()
    assert len(np.unique(ants, axis=0)) == 5


def test_annealing_cools_within_its_cycles_and_starts_each_at_the_best():
    agent = make_agent("annealing", PROBLEM.space, 0, {"horizon": 100, "cycles": 2})
    told = PROBLEM.evaluate(agent.ask(10))
    agent.tell(told)
    temperatures = []
    for _ in range(9):
        agent.tell(PROBLEM.evaluate(agent.ask(10)))
        agent._losses = [1.0]
        temperatures.append(agent.temperature())
    assert temperatures[0] > temperatures[2] > 0
    assert temperatures[5] > temperatures[2]


def test_nsga2_returns_designs_none_of_which_another_dominates():
    agent = make_agent("nsga2", PROBLEM.space, 0)
    searched(agent, 200)
    designs, costs = agent.front()
    assert len(designs) == len(costs) > 1
    for row in costs:
        better = (costs <= row).all(axis=1) & (costs < row).any(axis=1)
        assert not better.any()
    every = np.stack(agent._costs)[agent.archive.feasible][:, :-1]
    assert all((costs <= row).all(axis=1).any() for row in every)


@pytest.mark.parametrize("name", ["ga", "annealing", "aco", "hillclimb", "gp", "sae"])
def test_a_warm_start_counts_as_the_start_and_is_built_upon(name):
    rng = np.random.default_rng(3)
    known = PROBLEM.evaluate(PROBLEM.space.sample(rng, 400))
    warm, cold = (make_agent(name, PROBLEM.space, seed=5) for _ in range(2))
    warm.tell(known)
    found, chance = PROBLEM.evaluate(warm.ask(10)), PROBLEM.evaluate(cold.ask(10))
    assert np.median(found.reward) > np.median(chance.reward)


def test_every_agent_says_what_it_is_and_where_it_comes_from():
    for name in agent_names():
        try:
            chosen = agent_class(name)
        except MissingExtraError:
            continue
        sentences = chosen.summary.replace("e.g.", "").count(". ") + 1
        assert chosen.summary.endswith("."), name
        assert sentences <= 3, name
        assert chosen.use_when, name
        if not chosen.__module__.endswith(".marl"):
            assert source(chosen), name


@pytest.mark.parametrize("budget", [0, -5])
def test_a_budget_of_zero_or_less_is_refused(budget):
    with pytest.raises(ConfigError, match="budget"):
        make_spec(PROBLEM, agent="random", budget=budget)


def test_an_unknown_hyperparameter_and_one_out_of_range_are_refused_with_what_is_allowed():
    with pytest.raises(UnknownNameError, match="population"):
        make_agent("ga", PROBLEM.space, 0, {"poplation": 5})
    with pytest.raises(ConfigError, match=r"'population': 1 is out of range; allowed: 2 to 10000"):
        make_agent("ga", PROBLEM.space, 0, {"population": 1})
    with pytest.raises(ConfigError, match=r"'start'.*latin"):
        make_agent("ga", PROBLEM.space, 0, {"start": "corner"})


@pytest.mark.parametrize(("name", "extra"), [("bo", "agents"), ("ppo", "rl"), ("optuna", "peers")])
def test_a_missing_extra_is_named(monkeypatch, name, extra):
    monkeypatch.setattr(agents, "_installed", lambda package: False)
    with pytest.raises(MissingExtraError, match=rf"archgym\[{extra}\]"):
        make_agent(name, PROBLEM.space, 0)


def test_a_sampler_that_needs_another_extra_names_it(monkeypatch):
    pytest.importorskip("optuna")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else found(name))
    monkeypatch.setattr(agents, "_installed", lambda package: True)
    with pytest.raises(MissingExtraError, match=r"sampler 'gp'.*archgym\[rl\]"):
        make_agent("optuna", PROBLEM.space, 0, {"sampler": "gp"})


@pytest.mark.parametrize("name", ["random", "ga", "sae"])
def test_evaluations_of_another_space_are_refused(name):
    other = separable_problem(Space("another", (grid("x", 0, 3),)))
    with pytest.raises(DesignError, match="belongs to space"):
        make_agent(name, PROBLEM.space, 0).tell(other.evaluate([[1]]))


class ThirdParty(Agent):
    """Repeats the best design told with one parameter redrawn."""

    name = "third-party"
    summary = "Redraws one parameter of the best design told."
    use_when = "you test that agents of other packages are found."

    def __init__(self, space, seed=0, hyperparameters=None):
        super().__init__(space, seed, hyperparameters)
        self._best, self._reward = None, -np.inf

    def ask(self, count):
        designs = self.space.sample(self.rng, count)
        if self._best is not None:
            redrawn = self.rng.integers(len(self.space), size=count)
            designs = np.where(np.arange(len(self.space)) == redrawn[:, None], designs, self._best)
        return designs

    def tell(self, evaluation):
        self.check(evaluation)
        for design, reward in zip(evaluation.designs, evaluation.reward.tolist(), strict=True):
            if reward > self._reward:
                self._best, self._reward = design.copy(), reward


def test_an_agent_of_another_package_is_found_by_its_entry_point_and_conforms(monkeypatch):
    entry = EntryPoint("third-party", f"{__name__}:ThirdParty", "archgym.agents")
    monkeypatch.setattr(agents, "entry_points", lambda group: [entry] if group == "archgym.agents" else [])
    assert "third-party" in agent_names()
    agent = make_agent("third-party", PROBLEM.space, 0)
    assert len(searched(agent, 30)) == 30
    testing.check_agent(agent_class("third-party"), budget=100, short=16, seeds=3, other_process=False)


def test_every_agent_counts_the_same_budget():
    for name in ("random", "walker", "ga", "sae", "gp"):
        evaluate = Evaluator(PROBLEM, 33)
        agent = make_agent(name, PROBLEM.space, 0)
        agent.run(evaluate)
        assert (evaluate.used, evaluate.remaining) == (33, 0), name
        with pytest.raises(BudgetExhausted):
            evaluate(PROBLEM.space.default[None])
