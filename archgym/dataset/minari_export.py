"""Export to Minari: one episode a search run, the environment recoverable from the dataset.

Each problem, workload and objective is a Minari dataset of its own, since a Minari dataset has one environment.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from archgym.dataset.rows import Rows, concatenate
from archgym.dataset.store import Dataset
from archgym.dataset.verify import task_problem
from archgym.envs.observation import Observer
from archgym.envs.registration import register_family
from archgym.errors import DatasetError, MissingExtraError
from archgym.problem import Problem
from archgym.registry import family


def export_minari(dataset: Dataset, out: Path) -> list[Path]:
    """Write Minari datasets under ``out``; returns their directories (what ``minari.MinariDataset(path)`` takes).

    With ``MINARI_DATASETS_PATH=out`` Minari also lists and loads them by name.
    An episode is a run: observations are what the environment would have shown before and after each evaluation,
    actions the designs' level numbers; the last step is truncated, as the run's budget ended it. Playing an episode's
    actions in the recovered environment gives its observations and rewards again.

    Raises:
        MissingExtraError: if minari is not installed.
        DatasetError: if the problem or its workload is not to be had here.
    """
    try:
        import gymnasium

        storage = importlib.import_module("minari.dataset.minari_storage").MinariStorage
        minari = importlib.import_module("minari")
        importlib.import_module("h5py")
    except ModuleNotFoundError as error:
        raise MissingExtraError("exporting to Minari", "data") from error
    out = out.resolve()  # Minari would join a relative path to itself
    made = []
    for job in range(len(dataset.manifest.tasks)):
        problem = task_problem(dataset.manifest, job)
        horizon = max(run[5] for run in dataset.manifest.runs if run[0] == job)
        register_family(family(problem.id))
        env = gymnasium.make(
            problem.id, workload=problem.workload.name, objective=problem.objective_name, horizon=horizon
        )
        identity = _identity(dataset.manifest.name, problem)
        path = out / identity / "data"
        path.mkdir(parents=True)
        _namespace(out / identity.partition("/")[0])
        store = storage.new(
            path,
            observation_space=env.observation_space,
            action_space=env.action_space,
            env_spec=env.spec,
            data_format="hdf5",
        )
        store.update_metadata(
            {
                "dataset_id": identity,
                "minari_version": minari.__version__,
                "description": dataset.manifest.description or dataset.manifest.name,
                "algorithm_name": ", ".join(dataset.manifest.agent_names()),
                "author": {"archgym"},
                "requirements": ["archgym"],
            }
        )
        store.update_episodes(_episodes(dataset, job, problem, horizon))
        env.close()
        made.append(path)
    return made


def _identity(name: str, problem: Problem) -> str:
    """``NAME/PROBLEM/WORKLOAD-OBJECTIVE-v0``, in the letters that Minari allows."""
    parts = [_plain(name), _plain(problem.id), f"{_plain(problem.workload.name)}-{_plain(problem.objective_name)}-v0"]
    return "/".join(parts)


def _plain(name: str) -> str:
    return "".join(character if character.isalnum() or character == "-" else "-" for character in name)


def _namespace(directory: Path) -> None:
    """Minari keeps a metadata file in each namespace's directory."""
    with contextlib.suppress(FileExistsError):
        (directory / "namespace_metadata.json").open("x").write("{}")


def _episodes(dataset: Dataset, job: int, problem: Problem, horizon: int) -> Iterator[Any]:
    """Episode buffers of the runs of one task, one in memory at a time."""
    buffer = importlib.import_module("minari.data_collector").EpisodeBuffer
    observer = Observer(problem)
    first = observer.rows(observer.default.metrics, 0.0)
    for number, rows in enumerate(runs_of(dataset, job)):
        ends = np.zeros(len(rows), dtype=bool)
        ends[-1] = True
        yield buffer(
            id=number,
            seed=int(dataset.manifest.runs[int(rows.run[0])][2]),
            observations=np.concatenate([first, observer.rows(rows.metrics, (rows.step + 1) / horizon)]),
            actions=rows.designs,
            rewards=rows.reward,
            terminations=np.zeros(len(rows), dtype=bool),
            truncations=ends,
            infos=_infos(observer, rows),
        )


def _infos(observer: Observer, rows: Rows) -> dict[str, Any]:
    """Metrics in SI units and feasibility of each observation: of the default design first, then of each row."""
    start = observer.default.metrics
    infos = {name: np.append(start[name], values) for name, values in rows.metrics.columns.items()}
    return infos | {"feasible": np.append(start.feasible, rows.metrics.feasible)}


def runs_of(dataset: Dataset, job: int) -> Iterator[Rows]:
    """Rows of each run of a task, run by run.

    Raises:
        DatasetError: if the rows of a run are not together (as every build writes them).
    """
    runs = dataset.manifest.runs
    waiting: list[Rows] = []
    done: set[int] = set()
    for block in dataset.blocks():
        edges = np.flatnonzero(np.diff(block.run)) + 1
        for start, stop in zip([0, *edges], [*edges, len(block)], strict=True):
            piece = block.take(slice(int(start), int(stop)))
            number = int(piece.run[0])
            if waiting and int(waiting[0].run[0]) != number:
                yield concatenate(waiting)
                done.add(int(waiting[0].run[0]))
                waiting = []
            if runs[number][0] != job:
                continue
            if number in done:
                raise DatasetError(f"the rows of run {number} are not together")
            waiting.append(piece)
    if waiting:
        yield concatenate(waiting)
