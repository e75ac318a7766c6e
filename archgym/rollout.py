"""A run: an agent against a problem, within a budget, every evaluation logged.

A run is identified by its content (`RunSpec`), so the same command resumes it: the agent is replayed
against the logged evaluations, and a log that the agent would not have made is refused.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archgym.agents import agent_class, make_agent
from archgym.ahead import check_can_ask_ahead, run_ahead
from archgym.errors import BudgetExhausted, ConfigError, RunFileError
from archgym.metrics import joined
from archgym.problem import Evaluation, Problem
from archgym.runlog import Run, RunWriter, partial_path, read_run
from archgym.simulators.batch import default_threads
from archgym.space import Designs, Space

Progress = Callable[[int, float, Evaluation], None]


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run, as plain JSON values; equal specs give equal data on any machine."""

    identity: Mapping[str, Any]
    agent: str
    hyperparameters: Mapping[str, Any]
    seed: int
    budget: int
    batch_size: int
    ahead: int = 0

    def to_json(self) -> dict[str, Any]:
        values = dataclasses.asdict(self)
        if not self.ahead:
            del values["ahead"]  # as if there were no such thing, so that such runs keep their names
        return values

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over the canonical JSON."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def filename(self) -> str:
        return f"{self.agent}-seed{self.seed}-{self.hash}.jsonl"


def make_spec(
    problem: Problem,
    agent: str,
    budget: int,
    seed: int = 0,
    hyperparameters: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    ahead: int = 0,
) -> RunSpec:
    """The spec of a run, with every hyperparameter written out; arguments as of `run_search`.

    Raises:
        ConfigError: for a budget, seed or batch size out of range, or a bad hyperparameter.
        UnknownNameError: for an unknown agent or hyperparameter.
    """
    for name, value, least in (
        ("budget", budget, 1),
        ("seed", seed, 0),
        ("batch_size", batch_size or 1, 1),
        ("ahead", ahead, 0),
    ):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{name}: {value!r} is not allowed; allowed: whole numbers from {least}")
    chosen = agent_class(agent).Hyperparameters.parse(hyperparameters or {})
    made = make_agent(agent, problem.space, int(seed), chosen)
    batch = int(batch_size) if batch_size else made.batch_size
    if ahead:
        check_can_ask_ahead(type(made))
        if batch_size not in (None, 1):
            raise ConfigError(
                f"batch_size: {batch_size} is not allowed with ahead, which asks one at a time; allowed: 1"
            )
        batch = 1
    return RunSpec(problem.identity(), agent, chosen.to_json(), int(seed), int(budget), batch, int(ahead))


class Evaluator:
    """Evaluates for an agent: counts against the budget, logs, and serves logged rows first when resuming."""

    def __init__(
        self,
        problem: Problem,
        budget: int,
        writer: RunWriter | None = None,
        logged: Run | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._problem, self.budget, self.used = problem, budget, 0
        self._writer, self._logged, self._progress = writer, logged, progress
        self._best = -np.inf

    @property
    def space(self) -> Space:
        return self._problem.space

    @property
    def remaining(self) -> int:
        return self.budget - self.used

    def __call__(self, designs: Designs) -> Evaluation:
        """Evaluate designs, shape (B, D).

        Raises:
            BudgetExhausted: after evaluating and logging what still fits, if B exceeds `remaining`.
            RunFileError: if a log is being replayed and holds other designs.
        """
        rows = self.space.check(designs)
        fitting = rows[: self.remaining]
        if len(fitting) or not len(rows):
            evaluation = self.evaluate(fitting, self.used)
            self.record(evaluation)
        if len(fitting) < len(rows):
            raise BudgetExhausted(
                f"{len(rows)} evaluations asked for, {len(fitting)} were left of the budget of {self.budget}"
            )
        return evaluation

    def record(self, evaluation: Evaluation) -> None:
        """Count and log an evaluation."""
        if not len(evaluation):
            return
        self.used += len(evaluation)
        if self._writer:
            self._writer.append(evaluation)
        self._best = max(self._best, float(evaluation.reward.max()))
        if self._progress:
            self._progress(self.used, self._best, evaluation)

    def stop(self) -> None:
        """End what is being evaluated in other threads, if the simulator can."""
        if hasattr(self._problem.simulator, "stop"):
            self._problem.simulator.stop()

    def evaluate(self, rows: Designs, position: int) -> Evaluation:
        """Evaluations ``position`` and following of the run, from the log if it has them; counts and logs nothing."""
        logged = self._logged
        known = 0 if logged is None else max(0, min(len(rows), len(logged) - position))
        if logged is None or known == 0:
            return self._problem.evaluate(rows)
        chosen = slice(position, position + known)
        if not np.array_equal(logged.designs[chosen], rows[:known]):
            raise RunFileError(
                f"the log differs from what the agent asks from evaluation {position} on; it was made by something else"
            )
        # Extras (breakdowns) are not logged, and an agent may read them: simulate anew if the simulator has any.
        evaluation = self._problem.score(rows, logged.metrics.take(chosen)) if known == len(rows) else None
        if evaluation is None or self._has_extras(rows):
            evaluation = self._problem.evaluate(rows)
        if not np.array_equal(evaluation.reward[:known], logged.reward[chosen]):
            raise RunFileError(f"the log's rewards differ from the simulator's from evaluation {position} on")
        return evaluation

    def _has_extras(self, rows: Designs) -> bool:
        if not hasattr(self, "_extras"):
            self._extras = bool(self._problem.evaluate(rows[:1]).metrics.extras)
        return self._extras


def run_path(spec: RunSpec, directory: Path | str) -> Path:
    return Path(directory) / spec.filename


def run_search(
    problem: Problem,
    agent: str,
    budget: int,
    seed: int = 0,
    hyperparameters: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    directory: Path | str | None = None,
    progress: Progress | None = None,
    ahead: int = 0,
) -> Run:
    """Search a problem and return the run.

    With a ``directory`` the run is kept there in one file named by its content. If that file is complete
    it is read instead of run again; if it was interrupted or damaged, the run goes on from its intact
    evaluations (a damaged file is kept beside it). Ctrl-C leaves a file that the same call resumes.

    Args:
        progress: called after each batch with (evaluations used, best reward so far, the evaluation).
        ahead: designs that are asked for before the first of them is told, one at a time, so that the workers of a
            slow simulator never wait for the slowest; twice the number of its workers is a good choice. The agent
            knows that much less when it is asked, so it is part of the run's identity.

    Raises:
        ConfigError, UnknownNameError: for bad settings.
        RunFileError: if a run file belongs to something else.
    """
    spec = make_spec(problem, agent, budget, seed, hyperparameters, batch_size, ahead)
    header = {
        "spec": spec.to_json(),
        "space": problem.space.to_json(),
        "metrics": [dataclasses.asdict(metric) for metric in problem.metrics],
    }
    if directory is None:
        return _run_in_memory(problem, spec, header, progress)
    path = run_path(spec, directory)
    logged = _found(path, header)
    if logged is not None and logged.complete:
        return logged
    writer = RunWriter(path, header, 0 if logged is None else len(logged))
    try:
        _drive(problem, spec, Evaluator(problem, spec.budget, writer, logged, progress))
    except KeyboardInterrupt:
        writer.close()
        raise
    except Exception:
        writer.close()
        _failure_path(path).write_text(traceback.format_exc(), encoding="utf-8")
        raise
    writer.finish()
    partial_path(path).unlink(missing_ok=True)
    _failure_path(path).unlink(missing_ok=True)
    return read_run(path)


def _failure_path(path: Path) -> Path:
    """Where the traceback of a failed run is kept."""
    return path.with_name(path.name + ".failed")


def _found(path: Path, header: Mapping[str, Any]) -> Run | None:
    """What an earlier call left at ``path``: a complete run, the intact part of an unfinished one, or None."""
    if path.exists():
        try:
            run = read_run(path)
        except RunFileError:
            return _salvaged(path, header)
        _check_header(path, run, header)
        return run
    unfinished = partial_path(path)
    if unfinished.exists() and unfinished.stat().st_size:
        try:
            run = read_run(unfinished, salvage=True)
        except RunFileError:  # killed before the header was whole: nothing was computed yet
            return None
        _check_header(unfinished, run, header)
        return dataclasses.replace(run, complete=False)
    return None


def _salvaged(path: Path, header: Mapping[str, Any]) -> Run | None:
    """The intact part of a damaged file, which is kept under another name once its copy is the partial file."""
    run = None
    with contextlib.suppress(RunFileError):  # not even the header is intact
        run = read_run(path, salvage=True)
    if run is not None:
        _check_header(path, run, header)
        copy = path.with_name(path.name + ".copy")
        shutil.copyfile(path, copy)
        os.replace(copy, partial_path(path))
    os.replace(path, path.with_name(path.name + ".damaged"))
    warnings.warn(
        f"{path} was damaged: kept as {path.name}.damaged, going on from its {len(run or ())} intact evaluations",
        stacklevel=4,
    )
    return run


def _check_header(path: Path, run: Run, header: Mapping[str, Any]) -> None:
    if run.space.fingerprint != Space.from_json(header["space"]).fingerprint:
        raise RunFileError(
            f"{path}: its space {run.space.fingerprint} does not match {Space.from_json(header['space']).fingerprint}"
        )
    if run.header["spec"] != json.loads(json.dumps(header["spec"])):
        raise RunFileError(
            f"{path}: it was made by another run ({run.header['spec']['agent']}, seed {run.header['spec']['seed']})"
        )


def _run_in_memory(problem: Problem, spec: RunSpec, header: Mapping[str, Any], progress: Progress | None) -> Run:
    batches: list[Evaluation] = []

    def keep(used: int, best: float, evaluation: Evaluation) -> None:
        batches.append(evaluation)
        if progress:
            progress(used, best, evaluation)

    _drive(problem, spec, Evaluator(problem, spec.budget, progress=keep))
    metrics = joined([batch.metrics for batch in batches])
    designs = np.concatenate([batch.designs for batch in batches])
    return Run(header, designs, metrics, np.concatenate([batch.reward for batch in batches]), complete=True)


def _drive(problem: Problem, spec: RunSpec, evaluator: Evaluator) -> None:
    agent = make_agent(spec.agent, problem.space, spec.seed, spec.hyperparameters)
    if spec.ahead:
        run_ahead(agent, evaluator, spec.ahead, getattr(problem.simulator, "workers", default_threads()))
        return
    with contextlib.suppress(BudgetExhausted):
        agent.run(evaluator, spec.batch_size)
    if evaluator.remaining:
        raise ConfigError(
            f"agent {spec.agent!r} stopped with {evaluator.remaining} of {spec.budget} evaluations unused"
        )
