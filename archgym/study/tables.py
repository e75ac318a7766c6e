"""A study's results as tidy Parquet tables for pandas or polars.

``runs.parquet`` has one row a run, ``evaluations-ID.parquet`` one row an evaluation of the problems with
that id, joined by ``run``. Both follow the plan's order and hold nothing that depends on who ran the
study; what does (processor time, executor) is in ``timings.parquet``.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import MissingExtraError, RunFileError
from archgym.problem import Evaluation
from archgym.rollout import run_path
from archgym.runlog import RunWriter
from archgym.space import Parameter, Space
from archgym.study.definition import ProblemKey
from archgym.study.plan import Plan, PlannedRun
from archgym.study.records import Log, Record, unpack_run
from archgym.study.store import Store, finished, replacing

if TYPE_CHECKING:
    import pyarrow

#: evaluations a row group, which bounds memory
_GROUP = 500_000


def write_tables(store: Store, plan: Plan, directory: Path) -> list[Path]:
    """Write the tables and return their paths.

    Raises:
        MissingExtraError: if pyarrow is not installed.
        RunFileError: if the system refuses to write (a full disk); earlier tables stay as they were.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing Parquet tables", "study") from error
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / "runs.parquet", directory / "timings.parquet"]
    runs = pyarrow.Table.from_pylist(_run_rows(store, plan), _RUNS())
    timings = [
        {"run": r.number, "hash": r.hash, "cpu_s": c.head["cpu_s"], "executor": c.head["executor"]}
        for r, c in finished(store, plan)
    ]
    schema = pyarrow.schema([("run", "int32"), ("hash", "string"), ("cpu_s", "float64"), ("executor", "string")])
    for path, table in zip(paths, (runs, pyarrow.Table.from_pylist(timings, schema)), strict=True):
        with replacing(path) as draft:
            pyarrow.parquet.write_table(table, draft, compression="zstd")
    for id in dict.fromkeys(key.id for key in plan.problems):
        path = directory / f"evaluations-{id.replace(':', '-')}.parquet"
        if _write_evaluations(store, plan, id, path):
            paths.append(path)
    return paths


def _RUNS() -> pyarrow.Schema:
    import pyarrow

    kinds = {
        "int32": ("run", "setting", "seed", "budget", "batch_size", "simulator_version"),
        "int64": ("evaluations", "best_evaluation", "unique_designs", "feasible"),
        "float64": ("best_reward", "mean_reward"),
    }
    kind = {name: kind for kind, names in kinds.items() for name in names}
    return pyarrow.schema([(name, kind.get(name, "string")) for name in _RUN_COLUMNS])


_RUN_COLUMNS = (
    *("run", "hash", "status", "problem", "workload", "objective", "agents", "agent", "setting", "hyperparameters"),
    *("seed", "budget", "batch_size", "evaluations", "best_reward", "best_evaluation", "mean_reward"),
    *("unique_designs", "feasible", "simulator", "simulator_version", "space", "best_design"),
)


def _run_rows(store: Store, plan: Plan) -> list[dict[str, Any]]:
    rows = []
    for run in plan.runs:
        record = store.runs.get(run.hash) or store.stopped.get(run.hash) or store.failures.get(run.hash)
        if record is None:
            continue
        spec, summary = run.spec, dict(record.head["summary"])
        design = summary.pop("best_design", None)
        space = plan.problems[run.problem].space
        rows.append(
            {
                "run": run.number,
                "hash": run.hash,
                "status": {"run": "done", "stopped": "stopped", "failure": "failed"}[record.kind],
                "problem": run.problem.id,
                "workload": run.problem.workload,
                "objective": run.problem.objective,
                "agents": run.label,
                "agent": spec.agent,
                "setting": run.setting,
                "hyperparameters": json.dumps(dict(spec.hyperparameters), sort_keys=True),
                "seed": spec.seed,
                "budget": spec.budget,
                "batch_size": spec.batch_size,
                "simulator": spec.identity["simulator"],
                "simulator_version": spec.identity["simulator_version"],
                "space": spec.identity["space"],
                "best_design": None if design is None else json.dumps(space.row(design)),
                **summary,
            }
        )
    return rows


def _write_evaluations(store: Store, plan: Plan, id: str, path: Path) -> bool:
    """Whether there were any to write."""
    import pyarrow.parquet

    tables = _evaluations(store, plan, id)
    first = next(tables, None)
    if first is None:
        return False
    with (
        replacing(path) as draft,
        pyarrow.parquet.ParquetWriter(draft, first.schema, compression="zstd") as writer,
    ):
        for table in itertools.chain([first], tables):
            writer.write_table(table)
    return True


def _evaluations(store: Store, plan: Plan, id: str) -> Iterator[pyarrow.Table]:
    """Tables of about `_GROUP` evaluations, all with one schema."""
    spaces = {key: problem.space for key, problem in plan.problems.items() if key.id == id}
    runs = [(run, record) for run, record in finished(store, plan) if run.problem.id == id]
    firsts = {run.problem: record for run, record in reversed(runs)}
    metrics = [name for record in firsts.values() for name in unpack_run(record.body()).metrics]
    columns = _Columns(spaces, _kinds(spaces.values()), tuple(dict.fromkeys(metrics)))
    waiting: list[tuple[PlannedRun, Log]] = []
    for run, record in runs:
        waiting.append((run, unpack_run(record.body())))
        if sum(len(log) for _, log in waiting) >= _GROUP:
            yield columns.table(waiting)
            waiting = []
    if waiting:
        yield columns.table(waiting)


def _kinds(spaces: Iterable[Space]) -> dict[str, str]:
    """The type of every parameter of the spaces, the widest of them; problems of a family may differ in their space."""
    found: dict[str, str] = {}
    for space in spaces:
        for parameter in space.parameters:
            kinds = (_kind(parameter), found.get(parameter.name, "bool"))
            found[parameter.name] = min(kinds, key=_WIDEST_FIRST.index)
    return found


_WIDEST_FIRST = ("string", "double", "int32", "bool")


def _kind(parameter: Parameter) -> str:
    if all(isinstance(level, bool) for level in parameter.levels):
        return "bool"
    if all(isinstance(level, int) and abs(level) < 2**31 for level in parameter.levels):
        return "int32"
    return "double" if all(isinstance(level, int | float) for level in parameter.levels) else "string"


@dataclass(frozen=True)
class _Columns:
    """The columns of the evaluations of problems that share an id: all their parameters and metrics, null where absent.

    Attributes:
        kinds: type of each parameter, in the order of the columns.
        metrics: names of the metrics that the logs hold.
    """

    spaces: Mapping[ProblemKey, Space]
    kinds: Mapping[str, str]
    metrics: tuple[str, ...]

    def table(self, runs: list[tuple[PlannedRun, Log]]) -> pyarrow.Table:
        import pyarrow

        lengths = [len(log) for _, log in runs]
        columns: dict[str, Any] = {
            "run": pyarrow.array(np.repeat([run.number for run, _ in runs], lengths).astype(np.int32)),
            "evaluation": pyarrow.array(np.concatenate([np.arange(1, n + 1) for n in lengths]).astype(np.int32)),
        }
        for name, kind in self.kinds.items():
            parts = [_values(self.spaces[run.problem], name, log) for run, log in runs]
            columns[name] = pyarrow.concat_arrays([part.cast(kind) for part in parts])
        columns["reward"] = np.concatenate([log.reward for _, log in runs])
        columns["feasible"] = np.concatenate([log.feasible for _, log in runs])
        for name in self.metrics:
            columns[name] = np.concatenate([log.metrics.get(name, np.full(len(log), np.nan)) for _, log in runs])
        return pyarrow.table(columns)


def _values(space: Space, name: str, log: Log) -> pyarrow.Array:
    """The values of a parameter in a log; null where its space does not have it."""
    import pyarrow

    if name not in space.names:
        return pyarrow.nulls(len(log))
    parameter = space[name]
    codes = log.designs[:, space.names.index(name)]
    numbers = {"bool": np.bool_, "int32": np.int32, "double": np.float64}
    if kind := numbers.get(_kind(parameter)):
        return pyarrow.array(np.array(parameter.levels, dtype=kind)[codes])
    names: NDArray[np.object_] = np.array([str(level) for level in parameter.levels], dtype=object)
    return pyarrow.DictionaryArray.from_arrays(pyarrow.array(codes.astype(np.int32)), pyarrow.array(names)).cast(
        "string"
    )


def write_run_file(store: Store, plan: Plan, hash: str, directory: Path) -> Path:
    """Write one run as a run file with all its metrics, simulating its designs again and checking the rewards.

    Raises:
        RunFileError: if there is no such run, or the simulator now gives other rewards.
    """
    planned = next((run for run in plan.runs if run.hash == hash), None)
    if planned is None:
        raise RunFileError(f"{store.directory}: the study has no run {hash}")
    run = store.run(hash)
    evaluation = plan.problems[planned.problem].evaluate(run.designs)
    if not np.array_equal(evaluation.reward, run.reward):
        raise RunFileError(f"run {hash}: its rewards differ from what the simulator gives now")
    path = run_path(planned.spec, directory)
    writer = RunWriter(path, run.header)
    batch = planned.spec.batch_size
    for start in range(0, len(run), batch):
        writer.append(_part(evaluation, slice(start, start + batch)))
    writer.finish()
    return path


def _part(whole: Evaluation, rows: slice) -> Evaluation:
    return Evaluation(
        whole.space_fingerprint,
        whole.designs[rows],
        whole.metrics.take(rows),
        whole.reward[rows],
        whole.costs[rows],
        whole.cost_names,
    )


def verify(store: Store, plan: Plan, runs: list[tuple[PlannedRun, Record]]) -> list[str]:
    """Hashes of runs whose logged rewards are not exactly what the simulators give."""
    wrong = []
    for run, record in runs:
        log = unpack_run(record.body())
        if not np.array_equal(plan.problems[run.problem].evaluate(log.designs).reward, log.reward):
            wrong.append(run.hash)
    return wrong
