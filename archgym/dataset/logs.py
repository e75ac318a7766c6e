"""Finding the logs of searches: run files, directories of them, and studies.

Only complete runs are taken; what is unfinished is counted, and what is damaged is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archgym.errors import ConfigError, DatasetError, UnknownNameError
from archgym.metrics import Metrics
from archgym.problem import Problem
from archgym.registry import family, make_problem
from archgym.rollout import RunSpec
from archgym.runlog import Run, read_run
from archgym.workload import Workload

#: the file by which a study's directory is known
STUDY = "study.json"


@dataclass(frozen=True)
class Filter:
    """Which runs, and how much of each, go into a dataset; an empty tuple or None means all.

    Attributes:
        agents, problems, workloads, objectives: names.
        seeds: seeds.
        budget: only runs of at least this budget.
        steps: only the first so many evaluations of each run.
    """

    agents: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    budget: int | None = None
    steps: int | None = None

    def takes(self, spec: Mapping[str, Any]) -> bool:
        """Whether the run with this spec is wanted."""
        identity = spec["identity"]
        wanted = (
            (self.agents, spec["agent"]),
            (self.problems, identity["problem"]),
            (self.workloads, identity["workload"]),
            (self.objectives, identity["objective"]),
            (self.seeds, spec["seed"]),
        )
        return all(not names or value in names for names, value in wanted) and spec["budget"] >= (self.budget or 0)


@dataclass
class Found:
    """What `find_runs` came by, counted."""

    taken: int = 0
    filtered: int = 0
    unfinished: int = 0
    repeated: int = 0
    hashes: set[str] = field(default_factory=set)
    names: dict[str, set[str]] = field(default_factory=lambda: {"agent": set(), "problem": set(), "workload": set()})

    def nothing(self, chosen: Filter) -> DatasetError | UnknownNameError:
        """The error for a build that took no run, naming a filter value that no log has."""
        for kind, names in (("agent", chosen.agents), ("problem", chosen.problems), ("workload", chosen.workloads)):
            for name in names:
                if self.names[kind] and name not in self.names[kind]:
                    return UnknownNameError(f"{kind} in these logs", name, sorted(self.names[kind]))
        return DatasetError(
            f"no run to take: {self.filtered} complete runs do not pass the filter, {self.unfinished} are unfinished"
        )


def find_runs(sources: Iterable[Path | str], chosen: Filter, found: Found) -> Iterator[Run]:
    """The complete runs under ``sources`` that pass the filter, in a fixed order, one in memory at a time.

    Raises:
        ConfigError: if a source does not exist.
        RunFileError: if a log is damaged.
    """
    for source in map(Path, sources):
        if not source.exists():
            raise ConfigError(f"{source}: there is no such file or directory")
        for run in _runs_of(source, found):
            spec = run.header["spec"]
            for kind, name in (
                ("agent", spec["agent"]),
                ("problem", spec["identity"]["problem"]),
                ("workload", spec["identity"]["workload"]),
            ):
                found.names[kind].add(name)
            identity = RunSpec(**spec).hash
            if not run.complete:
                found.unfinished += 1
            elif not chosen.takes(spec):
                found.filtered += 1
            elif identity in found.hashes:  # the same run under two names, or sources that overlap
                found.repeated += 1
            else:
                found.hashes.add(identity)
                found.taken += 1
                yield run


def _runs_of(source: Path, found: Found) -> Iterator[Run]:
    if source.is_file():
        yield read_run(source)
        return
    for study in sorted(path.parent for path in source.rglob(STUDY)):
        yield from _runs_of_study(study, found)
    for path in sorted(source.rglob("*.jsonl")):
        yield read_run(path)
    found.unfinished += sum(1 for _ in source.rglob("*.jsonl.partial"))


def _runs_of_study(directory: Path, found: Found) -> Iterator[Run]:
    """A study's finished runs; metrics that a compact log left out are simulated anew."""
    from archgym.study.store import Store

    store = Store(directory)
    found.unfinished += len(store.stopped)
    for key in sorted(store.runs):
        run = store.run(key)
        columns = run.metrics.columns.values()
        compact = run.metrics.feasible.any() and all(np.isnan(column[run.metrics.feasible]).all() for column in columns)
        yield simulate_again(run) if compact else run


def simulate_again(run: Run) -> Run:
    """The run with its metrics filled in by its simulator.

    Raises:
        DatasetError: if the simulator or workload is not to be had, has another version, or gives other rewards.
    """
    spec = run.header["spec"]
    problem = problem_of(spec["identity"])
    evaluation = problem.evaluate(run.designs)
    if not np.array_equal(evaluation.reward, run.reward):
        raise DatasetError(
            f"the run of {spec['agent']} with seed {spec['seed']}: its simulator now gives other rewards"
        )
    plain = Metrics(evaluation.metrics.columns, evaluation.metrics.feasible, evaluation.metrics.reasons)
    return Run(run.header, run.designs, plain, run.reward, run.complete)


def problem_of(identity: Mapping[str, Any]) -> Problem:
    """The problem with this logged identity.

    Raises:
        DatasetError: naming what of it is not to be had here, or differs.
    """
    try:
        family(identity["problem"])
    except (ConfigError, UnknownNameError) as error:
        raise DatasetError(f"problem {identity['problem']!r} is not registered here") from error
    workload = load_workload(identity["problem"], identity["workload"], identity["workload_fingerprint"])
    if workload is None:
        raise DatasetError(
            f"workload {identity['workload']!r} of {identity['problem']} with fingerprint "
            f"{identity['workload_fingerprint'][:16]}… is not to be had here"
        )
    problem = make_problem(identity["problem"], workload, identity["objective"])
    now = {
        "simulator": problem.simulator.name,
        "simulator_version": problem.simulator.version,
        "space": problem.space.fingerprint,
    }
    changed = [f"{key} {identity[key]!r}, now {value!r}" for key, value in now.items() if identity[key] != value]
    if changed:
        raise DatasetError(f"{identity['problem']} is not what made the data: {'; '.join(changed)}")
    return problem


def take_steps(run: Run, steps: int | None) -> Run:
    """The first ``steps`` evaluations of a run."""
    if steps is None or steps >= len(run):
        return run
    chosen = slice(0, steps)
    return Run(run.header, run.designs[chosen], run.metrics.take(np.arange(steps)), run.reward[chosen], run.complete)


def load_workload(problem: str, name: str, fingerprint: str | None = None) -> Workload | None:
    """The workload of a logged task, or None if the problem, or a workload with that content, is not to be had here."""
    try:
        workload = family(problem).source().load(name)
    except (ConfigError, UnknownNameError, ValueError, OSError):
        return None
    return workload if fingerprint in (None, workload.fingerprint) else None


def describe_workload(problem: str, name: str, fingerprint: str) -> dict[str, Any]:
    """The manifest's entry of a workload; facts and features are empty if it is not to be had here."""
    workload = load_workload(problem, name, fingerprint)
    if workload is None:
        return {"name": name, "domain": "", "fingerprint": fingerprint, "facts": {}, "features": {}}
    return describe(workload)


def describe(workload: Workload) -> dict[str, Any]:
    """A workload as a manifest entry."""
    return {
        "name": workload.name,
        "domain": workload.domain,
        "fingerprint": workload.fingerprint,
        "facts": dict(workload.facts),
        "features": {key: float(value) for key, value in workload.features.items()},
    }
