"""The laws of a problem: its space, workload, simulator and objective, and how an evaluation is put together."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np

from archgym.errors import DesignError
from archgym.problem import Problem
from archgym.testing.law import in_another_process, law, refused, same
from archgym.testing.objective import check_objective
from archgym.testing.simulator import check_simulator, sample_designs
from archgym.testing.space import check_space


def check_problem(problem: Problem, count: int = 48, seed: int = 0, other_process: bool = True) -> None:
    """Check the laws of a problem and of its parts.

    Args:
        count: random designs to try, beside the default and the corners.
        other_process: whether to also compare with a fresh interpreter that has another hash seed.

    Raises:
        LawViolation: naming the law and a case.
    """
    check_space(problem.space, other_process=other_process)
    metrics = check_simulator(problem.simulator, problem.workload, count, seed, other_process)
    check_objective(problem.objective, metrics, problem.metrics)
    check_evaluation(problem, count, seed)
    if other_process:
        there = in_another_process(f"problem {problem.id}", _identity, problem)
        law(there == problem.identity(), f"{problem.id}: its identity is another one in another process")


def _identity(problem: Problem) -> dict[str, Any]:
    return problem.identity()


def check_evaluation(problem: Problem, count: int = 48, seed: int = 0) -> None:
    """Check that evaluations hold what they say.

    Raises:
        LawViolation: naming the law and a case.
    """
    designs = sample_designs(problem.space, count, seed)
    evaluation = problem.evaluate(designs)
    law(len(evaluation) == len(designs), f"{problem.id}: {len(designs)} designs gave {len(evaluation)} rewards")
    law(np.array_equal(evaluation.designs, designs), f"{problem.id}: an evaluation holds other designs")
    law(evaluation.space_fingerprint == problem.space.fingerprint, f"{problem.id}: an evaluation names another space")
    rewards = problem.objective(evaluation.metrics)
    law(same(evaluation.reward, rewards), f"{problem.id}: the reward is not the objective's")
    law(
        evaluation.cost_names == tuple(problem.objective.metrics),
        f"{problem.id}: costs are not the objective's metrics",
    )
    directions = {metric.name: metric.direction for metric in problem.metrics}
    for name, costs in zip(evaluation.cost_names, evaluation.costs.T, strict=True):
        column = evaluation.metrics[name]
        expected = np.where(np.isfinite(column), -column if directions[name] == "max" else column, np.inf)
        law(
            np.array_equal(costs, expected), f"{problem.id}: costs of {name} are not to be minimised, inf where missing"
        )
    law(same(problem.evaluate(designs.tolist()).reward, rewards), f"{problem.id}: designs as lists give other rewards")
    reference = problem.evaluate(problem.space.default).metrics.row(0)
    law(same(dict(problem.reference), reference), f"{problem.id}: the reference is not the default design's metrics")
    beyond = problem.space.sizes.copy()
    refused(DesignError, lambda: problem.evaluate(beyond), f"{problem.id}: an illegal design", problem.space.names[0])
    identity = problem.identity()
    law(json.loads(json.dumps(identity)) == json.loads(json.dumps(problem.identity())), f"{problem.id}: identity moves")
    restored = pickle.loads(pickle.dumps(problem))
    law(restored.identity() == identity, f"{problem.id}: pickling changes its identity")
