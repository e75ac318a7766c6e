"""A study on a Ray cluster: runs travel in bundles, each bundle a Ray Tune trial.

A trial costs Ray a second or two, so short runs share one. What trials compute goes to a collector actor
as it is done, and from there to the process that steers the study, which alone writes. A trial whose
process dies is started again and leaves out what the collector has; a run that was begun twice without
coming to an end is recorded as failed.
"""

from __future__ import annotations

import math
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archgym.errors import ConfigError, MissingExtraError
from archgym.metrics import Metrics
from archgym.problem import Evaluation
from archgym.runlog import Run
from archgym.study.pool import MOST_CRASHES
from archgym.study.records import pack_run
from archgym.study.threads import ONE_THREAD
from archgym.study.worker import Outcome, StudyWorker, Task, failed, summarise

if TYPE_CHECKING:
    from archgym.study.execute import Options

#: about how many bundles a processor gets, so that none waits long for another at the end
_BUNDLES_A_CPU = 4
#: ASHA's rungs: the first at this share of the budget, each next one at three times the last
_FIRST_RUNG, REDUCTION = 1 / 27, 3


def _ray() -> Any:
    try:
        import ray
        import ray.tune
    except ModuleNotFoundError as error:
        raise MissingExtraError("the Ray executor", "ray") from error
    return ray


class Collector:
    """Holds outcomes until they are fetched; an actor, so that any machine of the cluster can reach it."""

    def __init__(self) -> None:
        self._waiting: list[Outcome] = []
        self._partial: dict[str, Outcome] = {}
        self._done: set[str] = set()
        self._begun: dict[str, int] = {}

    def begin(self, task: Task) -> str:
        """Whether a task is to be ``"run"``, is ``"done"`` already, or has ``"crashed"`` too often."""
        if task.hash in self._done:
            return "done"
        self._begun[task.hash] = self._begun.get(task.hash, 0) + 1
        return "crashed" if self._begun[task.hash] > MOST_CRASHES else "run"

    def add(self, outcome: Outcome) -> None:
        if outcome.kind == "stopped":
            self._partial[outcome.task.hash] = outcome
            return
        self._partial.pop(outcome.task.hash, None)
        self._done.add(outcome.task.hash)
        self._waiting.append(outcome)

    def drain(self) -> list[Outcome]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def missing(self, tasks: list[Task]) -> list[Task]:
        """Tasks of which nothing has come."""
        return [task for task in tasks if task.hash not in self._done and task.hash not in self._partial]

    def stopped(self) -> list[Outcome]:
        """The last state of runs that were stopped early."""
        return list(self._partial.values())


def connect(address: str, jobs: int) -> Any:
    """Ray, connected to the cluster at ``address``, or to one started here with ``jobs`` processors.

    Raises:
        MissingExtraError: if Ray is not installed.
        ConfigError: if the cluster cannot be reached.
    """
    ray = _ray()
    if ray.is_initialized():
        return ray
    _check_reachable(address)
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address:
            ray.init(address=address, runtime_env={"env_vars": ONE_THREAD}, **common)
        else:
            ray.init(num_cpus=jobs or None, include_dashboard=False, runtime_env={"env_vars": ONE_THREAD}, **common)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"--address {address!r}: no Ray cluster could be reached there ({error})") from error
    return ray


def _check_reachable(address: str) -> None:
    """Refuse an address at which nobody listens; Ray itself would try for many minutes."""
    host, separator, port = address.rpartition("://")[2].rpartition(":")
    if not separator:
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"--address {address!r}: no Ray cluster could be reached there ({error})") from error


def run_on_ray(tasks: Sequence[Task], worker: StudyWorker, options: Options) -> Iterator[Outcome]:
    """Outcomes of the tasks as they come; with ASHA, runs that were stopped early come last."""
    ray = connect(options.address, options.jobs)
    collector = ray.remote(num_cpus=0)(Collector).remote()
    if options.scheduler == "asha":
        # Rewards of different problems do not compare, so each problem is a contest of its own.
        for key in dict.fromkeys(task.problem for task in tasks):
            own = [task for task in tasks if task.problem == key]
            yield from _contest(ray, collector, [[task] for task in own], worker, options)
        yield from ray.get(collector.stopped.remote())
        return
    cpus = options.jobs or int(ray.cluster_resources().get("CPU", 1))
    size = options.bundle or max(1, math.ceil(len(tasks) / (cpus * _BUNDLES_A_CPU)))
    yield from _contest(
        ray, collector, [list(tasks[k : k + size]) for k in range(0, len(tasks), size)], worker, options
    )


@dataclass(frozen=True)
class _Rungs:
    """Tells Tune how a run does, and keeps its prefix, at each of ASHA's rungs."""

    ray: Any
    collector: Any
    task: Task
    worker: StudyWorker
    batches: list[Evaluation]

    def __call__(self, used: int, best: float, evaluation: Evaluation) -> None:
        self.batches.append(evaluation)
        before = used - len(evaluation)
        if any(before < rung <= used for rung in rungs(self.task.budget)):
            self.ray.get(self.collector.add.remote(_prefix(self.task, self.batches, self.worker)))
            self.ray.tune.report({"evaluations": used, "best_reward": best})


def rungs(budget: int) -> list[int]:
    """Numbers of evaluations after which ASHA decides."""
    first = max(1, round(budget * _FIRST_RUNG))
    return [first * REDUCTION**k for k in range(8) if first * REDUCTION**k < budget]


def _prefix(task: Task, batches: list[Evaluation], worker: StudyWorker) -> Outcome:
    """A run as far as it has come."""
    problem = worker.problem(task.problem)
    metrics = Metrics(
        {name: np.concatenate([b.metrics[name] for b in batches]) for name in batches[0].metrics.columns},
        np.concatenate([b.metrics.feasible for b in batches]),
        tuple(reason for b in batches for reason in b.metrics.reasons),
    )
    designs = np.concatenate([b.designs for b in batches])
    run = Run({}, designs, metrics, np.concatenate([b.reward for b in batches]), complete=False)
    spec = {
        "identity": problem.identity(),
        "agent": task.agent,
        "hyperparameters": task.hyperparameters,
        "seed": task.seed,
        "budget": task.budget,
        "batch_size": task.batch_size,
    }
    return Outcome(task, 0.0, pack_run(run, worker.log), spec, summarise(run), kind="stopped")


def _contest(
    ray: Any, collector: Any, bundles: list[list[Task]], worker: StudyWorker, options: Options
) -> Iterator[Outcome]:
    """One Tune experiment over bundles; outcomes are yielded while it runs."""
    tune = ray.tune
    asha = options.scheduler == "asha"
    budget = max(task.budget for bundle in bundles for task in bundle)
    scheduler = (
        tune.schedulers.ASHAScheduler(
            time_attr="evaluations",
            metric="best_reward",
            mode="max",
            max_t=budget + 1,
            grace_period=rungs(budget)[0] if rungs(budget) else 1,
            reduction_factor=REDUCTION,
        )
        if asha
        else None
    )
    trial = tune.with_parameters(_Trial(worker, asha), collector=collector, bundles=bundles)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(trial, {"cpu": 1}),
            param_space={"bundle": tune.grid_search(list(range(len(bundles))))},
            tune_config=tune.TuneConfig(scheduler=scheduler, max_concurrent_trials=options.jobs or None),
            run_config=tune.RunConfig(
                storage_path=folder,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=MOST_CRASHES * max(map(len, bundles))),
            ),
        )
        results: list[Any] = []
        yield from _while_running(lambda: results.append(tuner.fit()), lambda: ray.get(collector.drain.remote()))
    missing = ray.get(collector.missing.remote([task for bundle in bundles for task in bundle]))
    why = str(next(iter(results[0].errors), "no reason was given"))
    for task in missing:
        yield failed(task, f"its Ray trial ended without it: {why}")


class _Trial:
    """What a Ray worker does with one bundle, in the form Tune takes."""

    def __init__(self, worker: StudyWorker, asha: bool) -> None:
        self._worker, self._asha = worker, asha
        self.__name__ = "bundle"

    def __call__(self, config: dict[str, Any], collector: Any = None, bundles: Any = None) -> None:
        ray = _ray()
        for number, task in enumerate(bundles[config["bundle"]]):
            best = self._do(ray, collector, task)
            ray.tune.report({"evaluations": task.budget, "best_reward": best, "runs": number + 1})

    def _do(self, ray: Any, collector: Any, task: Task) -> float:
        """Do a run unless it is done, and return its best reward (-inf if there is none)."""
        state = ray.get(collector.begin.remote(task))
        if state == "done":
            return -math.inf
        if state == "crashed":
            outcome = failed(task, f"the worker process died during this run, {MOST_CRASHES} times")
        else:
            rungs = _Rungs(ray, collector, task, self._worker, []) if self._asha else None
            outcome = self._worker(task, rungs)
        ray.get(collector.add.remote(outcome))
        return float(outcome.summary.get("best_reward", -math.inf))


def _while_running(work: Callable[[], Any], drain: Callable[[], list[Outcome]]) -> Iterator[Outcome]:
    """What ``drain`` gives while ``work`` runs in a thread, and what is left after it."""
    trouble: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
        yield from drain()
    yield from drain()
    if trouble:
        raise trouble[0]
