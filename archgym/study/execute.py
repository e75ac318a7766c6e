"""Running a study: the runs that are missing, by one of several executors, each outcome kept as it comes.

Executors only compute; what they return is written here, so the data are the same whichever is used.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.batch import default_threads
from archgym.study.definition import Study
from archgym.study.plan import Plan, PlannedRun, plan_study
from archgym.study.pool import Crash, run_in_processes
from archgym.study.store import Store
from archgym.study.threads import ONE_THREAD, single_threaded
from archgym.study.worker import Outcome, StudyWorker, Task, as_head, failed

EXECUTORS = ("auto", "serial", "processes", "ray")


class Watcher(Protocol):
    """Is told what happens while a study runs."""

    def start(self, plan: Plan, store: Store, todo: list[PlannedRun]) -> None: ...
    def done(self, run: PlannedRun, outcome: Outcome) -> None: ...
    def finish(self) -> None: ...


@dataclass(frozen=True)
class Options:
    """How to run a study; none of it changes the data.

    Attributes:
        executor: ``serial`` (this process), ``processes`` (this machine's cores), ``ray``, or ``auto``:
            processes when there is more than one core to use.
        jobs: processes at a time; 0 for all cores.
        address: of a Ray cluster; empty starts one on this machine.
        scheduler: for Ray, ``""`` or ``"asha"``: stop unpromising runs early.
        bundle: for Ray, runs a trial (0: chosen from how many there are).
    """

    executor: str = "auto"
    jobs: int = 0
    address: str = ""
    scheduler: str = ""
    bundle: int = 0
    retry_failed: bool = False
    allow_runs: int = 0
    extend: bool = False


@dataclass
class Report:
    """What a call of `run_study` did."""

    planned: int
    found: int
    ran: int = 0
    failed: int = 0
    stopped: int = 0
    seconds: float = 0.0
    apart: dict[str, int] = field(default_factory=dict)
    damaged: int = 0


def run_study(
    study: Study, directory: Path | str, options: Options | None = None, watchers: tuple[Watcher, ...] = ()
) -> Report:
    """Do the runs of a study that its directory does not hold yet.

    Being interrupted in any way loses the runs that were in flight and nothing else; calling this again
    goes on. Runs that failed are recorded with their traceback and left alone unless ``retry_failed``.

    Raises:
        ConfigError: for a study of an unconfirmed absurd size, or a directory that holds another study.
        UnknownNameError: for an unknown executor.
        RunFileError: if the directory cannot be written (a full disk).
        MissingExtraError: if the executor's package is not installed.
    """
    options = options or Options()
    if options.executor not in EXECUTORS:
        raise UnknownNameError("executor", options.executor, EXECUTORS)
    if options.scheduler and options.executor != "ray":
        raise ConfigError(f"scheduler {options.scheduler!r} needs the executor 'ray', not {options.executor!r}")
    study.check_size(options.allow_runs)
    store = Store(directory)
    store.claim(study, options.extend)
    plan = plan_study(study)
    todo = store.todo(plan, options.retry_failed)
    report = Report(len(plan), len(plan) - len(todo), apart=store.apart(plan), damaged=store.damaged)
    began = time.monotonic()
    with store.open_writer() as writer:
        for watcher in watchers:
            watcher.start(plan, store, todo)
        try:
            for outcome in _outcomes(study, todo, options):
                run = plan.runs[outcome.task.number]
                head = as_head(outcome, run.label, options.executor)
                if outcome.traceback:
                    writer.failure(run.hash, head, outcome.traceback)
                    report.failed += 1
                else:
                    writer.run(run.hash, head, plan.problems[run.problem], outcome.body, outcome.kind)
                    report.ran += outcome.kind == "run"
                    report.stopped += outcome.kind == "stopped"
                for watcher in watchers:
                    watcher.done(run, outcome)
        finally:
            report.seconds = time.monotonic() - began
            for watcher in watchers:
                watcher.finish()
    return report


def _outcomes(study: Study, todo: list[PlannedRun], options: Options) -> Iterator[Outcome]:
    if not todo:
        return iter(())
    worker = StudyWorker.for_problems({run.problem for run in todo}, study.log)
    tasks = [Task.of(run) for run in todo]
    jobs = options.jobs or default_threads()
    executor = options.executor
    if executor == "auto":
        executor = "processes" if jobs > 1 and len(tasks) > 1 else "serial"
    if executor == "ray":
        from archgym.study.ray_executor import run_on_ray

        return run_on_ray(tasks, worker, options)
    return _serial(tasks, worker) if executor == "serial" else _processes(tasks, worker, jobs)


def _serial(tasks: list[Task], worker: StudyWorker) -> Iterator[Outcome]:
    with single_threaded():
        for task in tasks:
            yield worker(task)


def _processes(tasks: list[Task], worker: StudyWorker, jobs: int) -> Iterator[Outcome]:
    with contextlib.closing(run_in_processes(worker, tasks, jobs, ONE_THREAD)) as results:  # type: ignore[type-var]
        for task, made in results:
            yield failed(task, made.why) if isinstance(made, Crash) else made
