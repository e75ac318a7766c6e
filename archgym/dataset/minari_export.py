"""Export to Minari: one episode a search run, the environment recoverable from the dataset.

Each problem, workload and objective is a Minari dataset of its own, since a Minari dataset has one environment.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from archgym.dataset.logs import load_workload
from archgym.dataset.store import Dataset, Rows, concatenate
from archgym.errors import ConfigError, DatasetError, MissingExtraError


def export_minari(dataset: Dataset, out: Path) -> list[Path]:
    """Write Minari datasets under ``out``; returns their directories (what ``minari.MinariDataset(path)`` takes).

    With ``MINARI_DATASETS_PATH=out`` Minari also lists and loads them by name, ``NAME/WORKLOAD-OBJECTIVE-v0``.
    An episode is a run: observations are what the environment would have shown before and after each evaluation,
    actions the designs' level numbers; the last step is truncated, as the run's budget ended it.

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
    made = []
    for job, task in enumerate(dataset.manifest.tasks):
        workload = dataset.manifest.workloads[task["workload"]]
        if load_workload(task["problem"], workload["name"], workload["fingerprint"]) is None:
            raise DatasetError(
                f"{task['problem']} on workload {workload['name']!r} is not to be had here, and a Minari "
                "dataset needs its environment"
            )
        env = gymnasium.make(task["problem"], workload=workload["name"], objective=task["objective"])
        identity = f"{_plain(dataset.manifest.name)}/{_plain(workload['name'])}-{_plain(task['objective'])}-v0"
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
                "description": dataset.manifest.description,
                "algorithm_name": ", ".join(dataset.manifest.agent_names()),
                "author": {"archgym"},
                "requirements": ["archgym"],
            }
        )
        store.update_episodes(_episodes(dataset, job, env))
        env.close()
        made.append(path)
    return made


def _plain(name: str) -> str:
    return "".join(character if character.isalnum() or character == "-" else "-" for character in name)


def _namespace(directory: Path) -> None:
    """Minari keeps a metadata file in each namespace's directory."""
    with contextlib.suppress(FileExistsError):
        (directory / "namespace_metadata.json").open("x").write("{}")


def _episodes(dataset: Dataset, job: int, env: Any) -> Iterator[Any]:
    """Episode buffers of the runs of one task, one in memory at a time."""
    buffer = importlib.import_module("minari.data_collector").EpisodeBuffer
    runs = dataset.manifest.runs
    for number, rows in enumerate(runs_of(dataset, job)):
        run = runs[int(rows.run[0])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first, _ = env.reset(seed=0)
        observations = np.concatenate([first[None], observe(env, rows)])
        ends = np.zeros(len(rows), dtype=bool)
        ends[-1] = True
        infos = {name: np.append(np.nan, values) for name, values in rows.metrics.columns.items()}
        infos["feasible"] = np.append(True, rows.metrics.feasible)
        yield buffer(
            id=number,
            seed=int(run[2]),
            observations=observations,
            actions=rows.designs,
            rewards=rows.reward,
            terminations=np.zeros(len(rows), dtype=bool),
            truncations=ends,
            infos=infos,
        )


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


def observe(env: Any, rows: Rows) -> Any:
    """What the environment shows after each evaluation, shape (N, …)."""
    raise ConfigError("no environment")
