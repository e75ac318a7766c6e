"""Doing one run of a study, in whatever process or machine: the same code for every executor."""

from __future__ import annotations

import dataclasses
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archgym.errors import ConfigError
from archgym.problem import Problem
from archgym.registry import Family, families, family, register
from archgym.rollout import Progress, RunSpec, run_search
from archgym.runlog import Run
from archgym.study.definition import ProblemKey
from archgym.study.plan import PlannedRun, open_problem
from archgym.study.records import pack_run


@dataclass(frozen=True)
class Task:
    """One run to do, small enough to send."""

    number: int
    problem: ProblemKey
    agent: str
    hyperparameters: dict[str, Any]
    seed: int
    budget: int
    batch_size: int
    hash: str

    @classmethod
    def of(cls, run: PlannedRun) -> Task:
        spec = run.spec
        hyperparameters = dict(spec.hyperparameters)
        return cls(
            run.number, run.problem, spec.agent, hyperparameters, spec.seed, spec.budget, spec.batch_size, run.hash
        )


@dataclass(frozen=True)
class Outcome:
    """What came of a task: a record's parts, or a traceback."""

    task: Task
    seconds: float
    body: bytes = b""
    spec: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    traceback: str = ""
    kind: str = "run"


class StudyWorker:
    """Does tasks one after another, keeping problems open between them.

    Args:
        declared: families that the other process may not know (its registry starts with the built-in ones).
        log: ``"compact"`` or ``"full"``.
    """

    def __init__(self, declared: tuple[Family, ...], log: str) -> None:
        self._declared, self.log = declared, log
        self._problems: dict[ProblemKey, Problem] = {}

    @classmethod
    def for_problems(cls, keys: set[ProblemKey], log: str) -> StudyWorker:
        return cls(tuple(family(id) for id in sorted({key.id for key in keys})), log)

    def __getstate__(self) -> tuple[tuple[Family, ...], str]:
        return self._declared, self.log  # open problems stay in the process that opened them

    def __setstate__(self, state: tuple[tuple[Family, ...], str]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def problem(self, key: ProblemKey) -> Problem:
        if key not in self._problems:
            for declared in self._declared:
                if declared.id not in families():
                    register(declared)
            self._problems[key] = open_problem(key)
        return self._problems[key]

    def __call__(self, task: Task, progress: Progress | None = None) -> Outcome:
        """Do one run; whatever goes wrong in it is an outcome, not an exception."""
        began = time.thread_time()
        try:
            run = self._run(task, progress)
            body = pack_run(run, self.log)
        except Exception:
            return Outcome(task, time.thread_time() - began, traceback=traceback.format_exc())
        return Outcome(task, time.thread_time() - began, body, dict(run.header["spec"]), summarise(run))

    def _run(self, task: Task, progress: Progress | None) -> Run:
        problem = self.problem(task.problem)
        run = run_search(
            problem,
            task.agent,
            task.budget,
            task.seed,
            task.hyperparameters,
            task.batch_size,
            progress=progress,
        )
        made = RunSpec(**run.header["spec"]).hash
        if made != task.hash:
            raise ConfigError(
                f"this process makes run {made} of what was planned as {task.hash}: its archgym, simulators or "
                f"workloads differ from those of the process that planned the study"
            )
        return run


def summarise(run: Run) -> dict[str, Any]:
    """What tables and status want of a run without reading it whole."""
    return {
        "evaluations": len(run),
        "best_reward": float(run.reward[run.best]),
        "best_evaluation": run.best + 1,
        "best_design": run.designs[run.best].tolist(),
        "mean_reward": float(np.mean(run.reward)),
        "unique_designs": len(np.unique(run.designs, axis=0)),
        "feasible": int(run.metrics.feasible.sum()),
    }


def failed(task: Task, why: str) -> Outcome:
    """The outcome of a task whose process died."""
    return Outcome(task, 0.0, traceback=why)


def as_head(outcome: Outcome, label: str, executor: str) -> dict[str, Any]:
    """The head of an outcome's record."""
    task = outcome.task
    spec = outcome.spec or {"agent": task.agent, "hyperparameters": task.hyperparameters, "seed": task.seed}
    return {
        "spec": spec,
        "problem": dataclasses.asdict(task.problem),
        "label": label,
        "summary": outcome.summary,
        "cpu_s": round(outcome.seconds, 6),
        "executor": executor,
    }
