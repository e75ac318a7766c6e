"""From a study to its runs: every run with the `RunSpec` that identifies it.

The order is fixed by the definition, so run numbers mean the same wherever and however the study is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archgym.agents import make_agent
from archgym.problem import Problem
from archgym.registry import make_problem
from archgym.rollout import RunSpec
from archgym.study.definition import Agents, ProblemKey, Study


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study.

    Attributes:
        number: its place in the study.
        label: the group of agents it belongs to.
        setting: number of its hyperparameter setting within the group.
    """

    number: int
    problem: ProblemKey
    label: str
    setting: int
    spec: RunSpec
    hash: str


@dataclass(frozen=True)
class Plan:
    """All runs of a study, and its problems."""

    study: Study
    runs: tuple[PlannedRun, ...]
    problems: Mapping[ProblemKey, Problem]

    def __len__(self) -> int:
        return len(self.runs)


def open_problem(key: ProblemKey) -> Problem:
    """The problem of this name; its table stands in for the simulator if the key says so and one is found."""
    problem = make_problem(key.id, key.workload, key.objective, **dict(key.options))
    if key.simulator == "own":
        return problem
    from archgym.simulators.table import find_table

    table = find_table(problem.simulator, problem.workload)
    return (
        problem if table is None else make_problem(key.id, problem.workload, key.objective, table, **dict(key.options))
    )


def plan_study(study: Study) -> Plan:
    """The runs of a study: for each agent, problem and setting, one a seed.

    Raises:
        WorkloadError, UnknownNameError, ConfigError: if a problem cannot be made.
    """
    problems: dict[ProblemKey, Problem] = {}
    identities: dict[ProblemKey, dict[str, Any]] = {}
    runs: list[PlannedRun] = []
    for agents in study.agents:
        settings = agents.expand()
        for key in study.problems_of(agents):
            if key not in problems:
                problems[key] = open_problem(key)
                identities[key] = problems[key].identity()
            for number, setting in enumerate(settings):
                batch = agents.batch_size or _batch_size(agents, problems[key], setting)
                for seed in agents.seeds or study.seeds:
                    spec = RunSpec(identities[key], agents.agent, setting, seed, agents.budget or study.budget, batch)
                    runs.append(PlannedRun(len(runs), key, agents.name, number, spec, spec.hash))
    return Plan(study, tuple(runs), problems)


_batches: dict[tuple[str, str, str], int] = {}


def _batch_size(agents: Agents, problem: Problem, setting: dict[str, Any]) -> int:
    """What an agent with these hyperparameters asks for at a time; the same for every seed and workload."""
    key = (agents.agent, problem.space.fingerprint, json.dumps(setting, sort_keys=True))
    if key not in _batches:
        _batches[key] = make_agent(agents.agent, problem.space, 0, setting).batch_size
    return _batches[key]
