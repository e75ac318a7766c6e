"""What a study's report is made from: scores at equal budget, curves, known optima, best designs.

Rewards of different problems do not compare, so across problems a score is scaled: 0 is the average random
design, 1 the best known one (the exact optimum where the space has been tabulated).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError
from archgym.problem import Problem
from archgym.registry import family
from archgym.simulators.table import Standing, find_table
from archgym.statistics import HeldOut, best_so_far, budgets_up_to, held_out_best
from archgym.study.definition import ProblemKey, Study
from archgym.study.plan import Plan, PlannedRun, plan_study
from archgym.study.records import Record, unpack_run
from archgym.study.store import Store, finished

Values = NDArray[np.float64]

#: logged designs kept for each problem, to learn which parameters matter
_SAMPLE = 4000
#: designs simulated again for fronts where no table is known
_FRONT_SAMPLE = 400


@dataclass
class Group:
    """One group of agents on one problem.

    Attributes:
        settings: hyperparameters of each setting that has all its seeds, S.
        curves: best reward so far at the view's budgets, shape (S, seeds, B); NaN beyond the group's own budget.
        budget: the group's own.
        incomplete: settings left out because runs are missing or failed.
    """

    label: str
    agent: str
    settings: list[Mapping[str, Any]]
    curves: Values
    budget: int
    incomplete: int = 0

    def scores(self, column: int) -> Values:
        """Best reward at a budget (by its place), shape (S, seeds)."""
        scores: Values = self.curves[:, :, column]
        return scores

    def tuned(self, column: int) -> HeldOut | None:
        """The tuned agent, scored on seeds it was not tuned on; with one setting there is nothing to tune."""
        scores = self.scores(column)
        if len(scores) == 1:
            return HeldOut(scores[0], np.zeros(scores.shape[1], dtype=np.int64))
        return held_out_best(scores)


@dataclass
class Best:
    """The best design found on a problem, and by whom."""

    design: list[int]
    reward: float
    run: PlannedRun
    evaluation: int


@dataclass
class View:
    """One problem of a study with everything its runs found."""

    key: ProblemKey
    problem: Problem
    budgets: NDArray[np.int64]
    common_budget: int
    groups: dict[str, Group]
    best: Best
    designs: NDArray[np.int64]
    rewards: Values
    standing: Standing | None
    average_random: float
    metrics: Mapping[str, Values] = field(default_factory=dict)

    @property
    def optimum(self) -> float:
        """The exact optimum if it is known, else the best reward found."""
        return self.standing.optimum if self.standing else self.best.reward

    @property
    def common_column(self) -> int:
        """The place of the budget at which groups are compared."""
        return int(np.flatnonzero(self.budgets == self.common_budget)[0])

    def scaled(self, rewards: Values) -> Values:
        """Rewards with the average random design at 0 and the best known one at 1."""
        span = self.optimum - self.average_random
        return (rewards - self.average_random) / span if span > 0 else np.ones_like(rewards)

    @property
    def label(self) -> str:
        return self.key.label


@dataclass(frozen=True)
class Plane:
    """Designs of a workload in two costs.

    Attributes:
        names: of the two metrics.
        units: theirs.
        costs: of designs the study found, shape (N, 2).
        exact: of every different result of the space, shape (U, 2), where that is known.
        default: of the default design, shape (2,).
    """

    id: str
    workload: str
    names: tuple[str, str]
    units: tuple[str, str]
    costs: Values
    exact: Values | None
    default: Values


@dataclass
class Analysis:
    """A study ready to be reported."""

    study: Study
    plan: Plan
    views: list[View]
    rows: list[dict[str, Any]]
    apart: dict[str, int]

    @cached_property
    def labels(self) -> list[str]:
        """Groups of agents in the study's order, those with finished runs."""
        present = {label for view in self.views for label in view.groups}
        return [agents.name for agents in self.study.agents if agents.name in present]

    @cached_property
    def shared(self) -> list[View]:
        """Views on which every group has results: what comparisons over problems use."""
        return [view for view in self.views if all(label in view.groups for label in self.labels)]

    @cached_property
    def planes(self) -> list[Plane]:
        """The designs found in the plane of two costs that the family names, one a workload."""
        keys = dict.fromkeys((view.key.id, view.key.workload) for view in self.views if family(view.key.id).plane)
        return [_plane([v for v in self.views if (v.key.id, v.key.workload) == key]) for key in keys]

    @property
    def exact(self) -> bool:
        """Whether every optimum is known exactly."""
        return all(view.standing is not None for view in self.views)

    def counts(self) -> dict[str, int]:
        status = [row["status"] for row in self.rows]
        return {name: status.count(name) for name in ("done", "stopped", "failed", "missing")}


def analyse(store: Store) -> Analysis:
    """Read a study's directory.

    Raises:
        RunFileError: if it holds no study.
        ConfigError: if no run is finished yet.
    """
    study = store.study()
    plan = plan_study(study)
    by_problem: dict[ProblemKey, list[tuple[PlannedRun, Record]]] = {}
    for run, record in finished(store, plan):
        by_problem.setdefault(run.problem, []).append((run, record))
    if not by_problem:
        raise ConfigError(f"{store.directory}: no run is finished yet; `archgym study run` first")
    views = [_view(key, plan, by_problem[key]) for key in plan.problems if key in by_problem]
    return Analysis(study, plan, views, _rows(store, plan), store.apart(plan))


def _rows(store: Store, plan: Plan) -> list[dict[str, Any]]:
    rows = []
    for run in plan.runs:
        record = store.runs.get(run.hash) or store.stopped.get(run.hash) or store.failures.get(run.hash)
        status = {"run": "done", "stopped": "stopped", "failure": "failed"}[record.kind] if record else "missing"
        rows.append({"run": run, "status": status, "summary": dict(record.head["summary"]) if record else {}})
    return rows


def _view(key: ProblemKey, plan: Plan, runs: list[tuple[PlannedRun, Record]]) -> View:
    problem = plan.problems[key]
    longest = max(run.spec.budget for run, _ in runs)
    common = min(run.spec.budget for run, _ in runs)
    budgets = np.union1d(budgets_up_to(longest), sorted({run.spec.budget for run, _ in runs}))
    rng = np.random.default_rng(0)
    share = max(1, -(-2 * _SAMPLE // len(runs)))
    curves: dict[str, dict[int, dict[int, Values]]] = {}
    samples: list[tuple[NDArray[np.int64], Values]] = []
    best: Best | None = None
    for run, record in runs:
        log = unpack_run(record.body())
        reached = np.full(len(budgets), np.nan)
        inside = budgets <= len(log)
        reached[inside] = best_so_far(log.reward)[budgets[inside] - 1]
        curves.setdefault(run.label, {}).setdefault(run.setting, {})[run.spec.seed] = reached
        chosen = rng.permutation(len(log))[:share]
        samples.append((log.designs[chosen], log.reward[chosen]))
        top = int(np.argmax(log.reward))
        if best is None or log.reward[top] > best.reward:
            best = Best(log.designs[top].tolist(), float(log.reward[top]), run, top + 1)
    if best is None:
        raise ConfigError(f"{key.label}: no finished run")
    groups = {label: _group(label, plan, key, settings) for label, settings in curves.items()}
    groups = {label: group for label, group in groups.items() if group.settings}
    designs, first = np.unique(np.concatenate([d for d, _ in samples]), axis=0, return_index=True)
    rewards = np.concatenate([r for _, r in samples])[first]
    kept = np.sort(rng.permutation(len(designs))[:_SAMPLE])
    table = find_table(problem.simulator, problem.workload)
    standing = table.standing(problem.objective) if table else None
    average = standing.mean if standing else _average_random(runs, problem)
    return View(key, problem, budgets, common, groups, best, designs[kept], rewards[kept], standing, average)


def _group(label: str, plan: Plan, key: ProblemKey, settings: dict[int, dict[int, Values]]) -> Group:
    planned = [run for run in plan.runs if run.label == label and run.problem == key]
    seeds = sorted({run.spec.seed for run in planned})
    known = {run.setting: run.spec.hyperparameters for run in planned}
    whole = [number for number in sorted(settings) if len(settings[number]) == len(seeds)]
    budgets = len(next(iter(next(iter(settings.values())).values())))
    curves = np.array([[settings[number][seed] for seed in seeds] for number in whole]).reshape(-1, len(seeds), budgets)
    return Group(
        label,
        planned[0].spec.agent,
        [known[number] for number in whole],
        curves,
        planned[0].spec.budget,
        len(known) - len(whole),
    )


def _average_random(runs: list[tuple[PlannedRun, Record]], problem: Problem) -> float:
    """The mean reward of random designs: from the study's random runs if it has any, else from 256 of our own."""
    random = [record.head["summary"]["mean_reward"] for run, record in runs if run.spec.agent == "random"]
    if random:
        return float(np.mean(random))
    designs = problem.space.sample(np.random.default_rng(0), 256)
    return float(problem.evaluate(designs).reward.mean())


def _plane(views: list[View]) -> Plane:
    key, problem = views[0].key, views[0].problem
    names = family(key.id).plane
    assert names is not None
    designs = np.unique(np.concatenate([_front_designs(view) for view in views]), axis=0)
    metrics = problem.evaluate(designs).metrics
    exact = None
    if views[0].standing:
        table = views[0].standing.table
        places = [[metric.name for metric in table.metrics].index(name) for name in names]
        exact = table.results[:, places]
    units = {metric.name: metric.unit for metric in problem.metrics}
    return Plane(
        key.id,
        key.workload,
        names,
        (units[names[0]], units[names[1]]),
        np.stack([metrics[name] for name in names], axis=1),
        exact,
        np.array([problem.reference[name] for name in names]),
    )


def _front_designs(view: View) -> NDArray[np.int64]:
    """Designs of a view whose metrics a front is drawn from: the best by reward, and others at random."""
    order = np.argsort(-view.rewards, kind="stable")
    most = 4 * _FRONT_SAMPLE if view.standing else _FRONT_SAMPLE
    rest = np.random.default_rng(0).permutation(order[most // 2 :])[: most // 2]
    chosen = np.concatenate([order[: most // 2], rest])
    return np.concatenate([view.designs[chosen], [view.best.design], [view.problem.space.default]])
