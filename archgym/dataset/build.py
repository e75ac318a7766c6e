"""Building a dataset from logs, and merging datasets: one run or block in memory at a time.

Everything in one dataset comes from one simulator version over one space.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archgym.dataset.logs import Filter, Found, describe_workload, find_runs, take_steps
from archgym.dataset.manifest import Manifest, differences
from archgym.dataset.rows import Rows
from archgym.dataset.store import ROWS_PER_PART, Dataset, DatasetWriter, open_dataset
from archgym.errors import ConfigError, DatasetError
from archgym.rollout import RunSpec
from archgym.runlog import Run


def build_dataset(
    sources: Iterable[Path | str],
    directory: Path | str,
    chosen: Filter | None = None,
    name: str = "",
    description: str = "",
    licence: str = "not stated",
    rows_per_part: int = ROWS_PER_PART,
    published: str = "",
) -> Dataset:
    """Gather complete runs into a dataset.

    Args:
        sources: run files, directories of run files, studies.
        directory: of the new dataset; must not exist.
        chosen: which runs, and how much of each.
        published: date of publication, ``YYYY-MM-DD``, or empty.

    Raises:
        ConfigError: if a source is missing, the directory exists or ``published`` is no date.
        RunFileError: if a log is damaged.
        DatasetError: if the logs differ in space, metrics or simulator version (the difference is named), or a
            feasible row lacks a metric that others have.
        UnknownNameError: if no run is taken because a filter names what is not there.
    """
    chosen = chosen or Filter()
    if chosen.steps is not None and chosen.steps < 1:
        raise ConfigError(f"steps: {chosen.steps} is not allowed; allowed: whole numbers from 1")
    if Path(directory).exists():
        raise ConfigError(f"{directory} exists already; choose another name or remove it")
    found = Found()
    writer: DatasetWriter | None = None
    first: Manifest | None = None
    try:
        for run in find_runs(sources, chosen, found):
            stub = _stub(run)
            if writer is None or first is None:
                first = stub
                writer = DatasetWriter(
                    directory,
                    stub.design_space,
                    stub.metric_table,
                    stub.simulator,
                    name,
                    description,
                    licence,
                    rows_per_part,
                    published,
                )
            refuse_differences(first, stub, "the first log", f"the run of {_who(run)}")
            add_logged_run(writer, take_steps(run, chosen.steps))
        if writer is None:
            raise found.nothing(chosen)
        return writer.finish()
    except BaseException as error:
        if writer is not None:
            writer.__exit__(type(error))
        raise


def _stub(run: Run) -> Manifest:
    """The part of a manifest that a run log decides."""
    identity = run.header["spec"]["identity"]
    simulator = {"name": identity["simulator"], "version": identity["simulator_version"]}
    return Manifest("", "", "", simulator, run.header["space"], tuple(run.header["metrics"]))


def _who(run: Run) -> str:
    spec = run.header["spec"]
    return f"{spec['agent']} with seed {spec['seed']} on {spec['identity']['workload']}"


def refuse_differences(first: Manifest, second: Manifest, first_name: str, second_name: str) -> None:
    """Raise DatasetError naming every difference that forbids one dataset of both."""
    found = differences(first, second)
    if found:
        raise DatasetError(f"{first_name} and {second_name} cannot be put together: {'; '.join(found)}")


def add_logged_run(writer: DatasetWriter, run: Run) -> int:
    """Append a whole run to a dataset being written; returns its number."""
    spec = run.header["spec"]
    identity = spec["identity"]
    task = {key: identity[key] for key in ("problem", "objective", "objective_definition")}
    number = writer.add_run(
        describe_workload(identity["problem"], identity["workload"], identity["workload_fingerprint"]),
        task,
        spec["agent"],
        spec["hyperparameters"],
        spec["seed"],
        spec["budget"],
        spec["batch_size"],
        RunSpec(**spec).hash,
    )
    steps = np.arange(len(run), dtype=np.int64)
    writer.append(Rows(run.designs, run.metrics, run.reward, np.full(len(run), number), steps))
    return number


def merge_datasets(
    sources: Sequence[Path | str],
    directory: Path | str,
    name: str = "",
    description: str = "",
    licence: str | None = None,
    published: str = "",
) -> Dataset:
    """Put several datasets into one.

    Raises:
        DatasetError: if they differ in space, metrics, simulator or licence (the difference is named), hold the
            same run twice, or are damaged.
    """
    datasets = [open_dataset(source) for source in sources]
    if not datasets:
        raise ConfigError("no dataset to merge; name at least one")
    first = datasets[0].manifest
    for dataset in datasets:
        dataset.check()
    for source, other in zip(sources[1:], datasets[1:], strict=True):
        refuse_differences(first, other.manifest, str(sources[0]), str(source))
        if licence is None and other.manifest.licence != first.licence:
            raise DatasetError(
                f"{sources[0]} has licence {first.licence!r} and {source} {other.manifest.licence!r}; "
                "state one for the whole"
            )
    seen: dict[str, str] = {}
    with DatasetWriter(
        directory,
        first.design_space,
        first.metric_table,
        first.simulator,
        name,
        description,
        licence or first.licence,
        published=published,
    ) as writer:
        for source, dataset in zip(sources, datasets, strict=True):
            numbers = np.array(
                [_announce(writer, dataset.manifest, run, seen, str(source)) for run in dataset.manifest.runs],
                dtype=np.int64,
            )
            for block in dataset.blocks():
                writer.append(dataclasses.replace(block, run=numbers[block.run]))
        return writer.finish()


def _announce(writer: DatasetWriter, manifest: Manifest, run: Sequence[Any], seen: dict[str, str], source: str) -> int:
    job, who, seed, budget, batch_size, _, identity = run
    if identity in seen:
        raise DatasetError(
            f"run {identity} is in both {seen[identity]} and {source}; a merged dataset would count it twice"
        )
    seen[identity] = source
    task = dict(manifest.tasks[job])
    workload = manifest.workloads[task.pop("workload")]
    agent = manifest.agents[who]
    return writer.add_run(workload, task, agent["agent"], agent["hyperparameters"], seed, budget, batch_size, identity)
