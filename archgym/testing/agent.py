"""The laws of an agent: legal designs, exactly the budget, the same seed the same trajectory, better than random."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from archgym.agents.base import Agent, Hyperparameters
from archgym.agents.random import RandomSearch
from archgym.errors import ArchGymError, BudgetExhausted, ConfigError, DesignError, UnknownNameError
from archgym.problem import Evaluation, Problem
from archgym.rollout import Evaluator
from archgym.space import Designs, Space, grid
from archgym.testing.law import copied, in_another_process, law, refused, same
from archgym.testing.separable import awkward_spaces, separable_problem
from archgym.testing.toy import toy_problem

Values = Mapping[str, Any]


def check_agent(
    agent_class: type[Agent],
    hyperparameters: Values | None = None,
    budget: int = 150,
    short: int = 24,
    seeds: int = 5,
    other_process: bool = True,
) -> None:
    """Check the laws of an agent on made-up problems.

    Args:
        hyperparameters: values by name, for agents whose defaults are too slow to check.
        budget: evaluations of each run that is compared with random search.
        short: evaluations of each of the other runs.
        seeds: runs of ``budget`` evaluations.
        other_process: whether to also compare a trajectory with that of a fresh interpreter with another hash seed.

    Raises:
        LawViolation: naming the law and a case.
    """
    check_hyperparameters(agent_class)
    values = dict(hyperparameters or {})
    for space in (toy_problem().space, *awkward_spaces()):
        _check_ask(agent_class, values, space)
        _check_run(agent_class, values, separable_problem(space), short)
    _check_tell(agent_class, values)
    _check_trajectory(agent_class, values, short, other_process)
    if agent_class.learns:
        _check_better_than_random(agent_class, values, budget, seeds)
    else:
        _check_deaf(agent_class, values, short)


def make(agent_class: type[Agent], values: Values, space: Space, seed: int = 0) -> Agent:
    """An agent with these hyperparameters, by name."""
    return agent_class(space, seed, agent_class.Hyperparameters.parse(values))


def trajectory(
    agent_class: type[Agent],
    values: Values,
    problem: Problem,
    budget: int,
    seed: int = 0,
    batch_size: int | None = None,
) -> Evaluation:
    """Everything an agent evaluates within a budget.

    Raises:
        LawViolation: if it evaluates nothing, or leaves part of the budget.
    """
    batches: list[Evaluation] = []
    evaluate = Evaluator(problem, budget, progress=lambda used, best, evaluation: batches.append(evaluation))
    agent = make(agent_class, values, problem.space, seed)
    with contextlib.suppress(BudgetExhausted):
        agent.run(evaluate, batch_size)
    law(
        evaluate.remaining == 0,
        f"agent {agent_class.name}: run used {evaluate.used} of {budget} evaluations on space {problem.space.name!r}",
    )
    return problem.evaluate(np.concatenate([batch.designs for batch in batches]))


def _check_ask(agent_class: type[Agent], values: Values, space: Space) -> None:
    """Exactly as many designs as asked for, all legal, whatever the batch size."""
    problem = separable_problem(space)
    agent = make(agent_class, values, space)
    for count in (1, 3, 8, 2, 1):
        designs = agent.ask(count)
        where = f"agent {agent_class.name}: ask({count}) on space {space.name!r}"
        law(isinstance(designs, np.ndarray), f"{where} gave a {type(designs).__name__}, not an array")
        law(designs.shape == (count, len(space)), f"{where} gave shape {designs.shape}, not {(count, len(space))}")
        law(designs.dtype == np.int64, f"{where} gave {designs.dtype}, not int64")
        try:
            agent.tell(problem.evaluate(designs))
        except DesignError as error:
            law(False, f"{where} gave an illegal design: {error}")


def _check_run(agent_class: type[Agent], values: Values, problem: Problem, budget: int) -> None:
    """The budget is used exactly, with any batch size."""
    for batch_size in (None, 1, 5, budget + 3):
        trajectory(agent_class, values, problem, budget, batch_size=batch_size)
    trajectory(agent_class, values, problem, 1)


def _check_tell(agent_class: type[Agent], values: Values) -> None:
    """Evaluations of designs it never asked for are welcome (warm start), those of another space are refused."""
    problem, name = toy_problem(), agent_class.name
    space = problem.space
    rng = np.random.default_rng(5)
    fits = np.array([[0, 7, 0, 0, 0, 0, 7], [1, 6, 0, 0, 0, 0, 7], [2, 7, 0, 0, 0, 0, 6]])
    for what, designs in (
        ("a warm start", space.sample(rng, 20)),
        ("the same design again and again", np.repeat(space.default[None], 6, axis=0)),
        ("only infeasible designs", fits),
        ("one design", space.sample(rng, 1)),
    ):
        agent = make(agent_class, values, space)
        told = problem.evaluate(designs)
        before = copied(told)
        try:
            agent.tell(told)
            agent.tell(told)
            space.check(agent.ask(4))
        except ArchGymError as error:
            law(False, f"agent {name}: told of {what} before asking, it fails: {error}")
        law(same(told, before), f"agent {name}: it writes to the evaluation it is told")
    agent = make(agent_class, values, space)
    other = separable_problem(Space("another", (grid("x", 0, 3),)))
    refused(DesignError, lambda: agent.tell(other.evaluate([[1]])), f"agent {name} told of another space", "space")


def _check_trajectory(agent_class: type[Agent], values: Values, budget: int, other_process: bool) -> None:
    """A trajectory follows from the seed alone."""
    name, problem = agent_class.name, toy_problem()
    np.random.seed(1)  # noqa: NPY002 - to catch an agent that draws from the global generator
    first = trajectory(agent_class, values, problem, budget, seed=3).designs
    np.random.seed(2)  # noqa: NPY002
    law(
        same(trajectory(agent_class, values, problem, budget, seed=3).designs, first),
        f"agent {name}: the same seed gives another trajectory the second time",
    )
    law(
        not same(trajectory(agent_class, values, problem, budget, seed=4).designs, first),
        f"agent {name}: another seed gives the same trajectory",
    )
    if other_process:
        there = in_another_process(f"agent {name}", _designs, agent_class, values, budget)
        law(same(there, first), f"agent {name}: the same seed gives another trajectory in another process")


def _designs(agent_class: type[Agent], values: Values, budget: int) -> Designs:
    return trajectory(agent_class, values, toy_problem(), budget, seed=3).designs


def _check_better_than_random(agent_class: type[Agent], values: Values, budget: int, seeds: int) -> None:
    """An agent that learns has a higher mean best reward than random search with the same seeds."""
    problem = toy_problem()

    def score(chosen: type[Agent], settings: Values) -> float:
        best = [trajectory(chosen, settings, problem, budget, seed).reward.max() for seed in range(seeds)]
        return float(np.mean(best))

    reached, by_chance = score(agent_class, values), score(RandomSearch, {})
    law(
        reached > by_chance,
        f"agent {agent_class.name}: its mean best reward of {budget} evaluations is {reached:.4f}, not above random "
        f"search's {by_chance:.4f} (an agent that does not mean to learn says `learns = False`)",
    )


def _check_deaf(agent_class: type[Agent], values: Values, budget: int) -> None:
    """An agent that says it does not learn asks for the same designs whatever it is told."""
    problem = toy_problem()
    told, untold = (make(agent_class, values, problem.space, seed=3) for _ in range(2))
    for _ in range(3):
        designs = told.ask(budget)
        law(
            same(designs, untold.ask(budget)),
            f"agent {agent_class.name} says `learns = False`, but what it is told changes what it asks",
        )
        told.tell(problem.evaluate(designs))


def check_hyperparameters(agent_class: type[Agent]) -> None:
    """Check that an agent's hyperparameters are declared once, with help and ranges, and validated.

    Raises:
        LawViolation: naming the law and the hyperparameter.
    """
    declared = agent_class.Hyperparameters
    name = f"agent {agent_class.name}"
    law(bool(agent_class.name) and bool(agent_class.summary), f"{name}: needs a name and a one-sentence summary")
    law(issubclass(declared, Hyperparameters), f"{name}: Hyperparameters must derive from archgym's")
    defaults = declared()
    text = {key: str(value) for key, value in defaults.to_json().items()}
    law(declared.parse(text) == defaults, f"{name}: hyperparameters written as text read as others")
    restored = declared.parse(json.loads(json.dumps(defaults.to_json(), allow_nan=False)))
    law(restored == defaults, f"{name}: hyperparameters in JSON and back are others")
    refused(UnknownNameError, lambda: declared.parse({"no_such_thing": 1}), f"{name}: an unknown hyperparameter")
    for field in dataclasses.fields(declared):
        _check_hyperparameter(name, declared, field)


def _check_hyperparameter(name: str, declared: type[Hyperparameters], field: dataclasses.Field[Any]) -> None:
    what, meta = f"{name}: hyperparameter {field.name!r}", field.metadata
    law(bool(meta.get("help")), f"{what} needs a help text; declare it with hyper(...)")
    if meta.get("choices"):
        for choice in meta["choices"]:
            declared.parse({field.name: choice})
        refused(ConfigError, lambda: declared.parse({field.name: "no such choice"}), what, field.name)
        return
    kind = type(field.default)
    law(kind in (bool, int, float, str), f"{what} has a default of type {kind.__name__}; plain values only")
    if kind is str:
        law(False, f"{what} is free text; it must list its choices")
    if kind in (int, float):
        low, high = meta.get("low"), meta.get("high")
        if low is None or high is None:
            law(False, f"{what} must declare its range")
            return
        for bound in (low, high):
            declared.parse({field.name: kind(bound)})
        for beyond in (low - 1, high + 1):
            refused(ConfigError, lambda beyond=beyond: declared.parse({field.name: kind(beyond)}), what, field.name)  # type: ignore[misc]
        refused(ConfigError, lambda: declared.parse({field.name: "many"}), what, field.name)
