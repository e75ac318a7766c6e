"""Writing and reading the rows of a dataset as a stream: what is in memory is one row group, whatever the size.

A dataset appears under its name only when it is complete; until then it is in ``NAME.partial``.
"""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.dataset.coverage import Coverage
from archgym.dataset.manifest import Manifest, read_manifest
from archgym.dataset.rows import ContentDigest, Rows, concatenate, file_digest
from archgym.dataset.schema import arrow, level_column, level_dtype, level_values, make_schema, value_type
from archgym.errors import ConfigError, DatasetError
from archgym.metrics import Metric, Metrics
from archgym.space import Space

ROW_GROUP = 131_072
ROWS_PER_PART = 4_000_000


class DatasetWriter:
    """Writes a dataset; use as a context manager, which removes what was written if an error leaves it.

    Args:
        directory: where the dataset will be; must not exist.
        name, description, licence: for the manifest and the card.
        published: date of publication, ``YYYY-MM-DD``, or empty.
        simulator: ``{"name", "version"}``.

    Raises:
        ConfigError: if the directory exists, or ``published`` is no date.
        DatasetError: if columns would share a name.
    """

    def __init__(
        self,
        directory: Path | str,
        space: Space,
        metrics: Sequence[Metric],
        simulator: Mapping[str, Any],
        name: str = "",
        description: str = "",
        licence: str = "not stated",
        rows_per_part: int = ROWS_PER_PART,
        published: str = "",
    ) -> None:
        self.directory, self.published = Path(directory), _date(published)
        if self.directory.exists():
            raise ConfigError(f"{self.directory} exists already; choose another name or remove it")
        self.space, self.metrics, self.simulator = space, tuple(metrics), dict(simulator)
        self.name, self.description, self.licence = name or self.directory.name, description, licence
        self._schema, self._rows_per_part = make_schema(space, self.metrics), rows_per_part
        self._temporary = self.directory.with_name(self.directory.name + ".partial")
        shutil.rmtree(self._temporary, ignore_errors=True)
        (self._temporary / "data").mkdir(parents=True)
        self._tables: dict[str, dict[str, int]] = {"workloads": {}, "tasks": {}, "agents": {}}
        self._entries: dict[str, list[Mapping[str, Any]]] = {"workloads": [], "tasks": [], "agents": []}
        self._runs: list[list[Any]] = []
        self._pending: list[Rows] = []
        self._waiting = self._rows = self._part_rows = 0
        self._parts: list[dict[str, Any]] = []
        self._file: Any = None
        self._digest = ContentDigest(space, self.metrics)
        self.coverage = Coverage(space, self.metrics)

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._close_part()
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _number(self, table: str, key: str, entry: Mapping[str, Any]) -> int:
        known = self._tables[table]
        if key not in known:
            known[key] = len(known)
            self._entries[table].append(dict(entry))
        return known[key]

    def add_run(
        self,
        workload: Mapping[str, Any],
        task: Mapping[str, Any],
        agent: str,
        hyperparameters: Mapping[str, Any],
        seed: int,
        budget: int,
        batch_size: int,
        hash: str,
    ) -> int:
        """Announce a run and get its number. ``task`` names problem, objective and objective_definition."""
        work = self._number("workloads", workload["fingerprint"], workload)
        entry = {**task, "workload": work}
        job = self._number("tasks", repr(sorted(entry.items())), entry)
        setting = {"agent": agent, "hyperparameters": dict(hyperparameters)}
        who = self._number("agents", repr((agent, sorted(hyperparameters.items()))), setting)
        self._runs.append([job, who, seed, budget, batch_size, 0, hash])
        return len(self._runs) - 1

    def append(self, rows: Rows) -> None:
        """Add rows; their run numbers must be announced. Missing metrics are kept as null."""
        if not len(rows):
            return
        for run, count in zip(*np.unique(rows.run, return_counts=True), strict=True):
            self._runs[int(run)][5] += int(count)
        self._pending.append(rows)
        self._waiting += len(rows)
        while self._waiting >= ROW_GROUP:
            self._flush(ROW_GROUP)

    def _flush(self, count: int) -> None:
        block = concatenate(self._pending) if len(self._pending) > 1 else self._pending[0]
        now, later = block.take(slice(0, count)), block.take(slice(count, None))
        self._pending, self._waiting = ([later], len(later)) if len(later) else ([], 0)
        if self._file is None:
            number = len(self._parts)
            self._path = self._temporary / "data" / f"part-{number:05d}.parquet"
            self._file = arrow().parquet.ParquetWriter(
                self._path, self._schema, compression="zstd", write_statistics=True
            )
        self._file.write_table(self._table(now), row_group_size=ROW_GROUP)
        runs = np.array([run[:2] for run in self._runs], dtype=np.int64)[now.run]
        agents = np.array([entry["agent"] for entry in self._entries["agents"]])[runs[:, 1]]
        self.coverage.update(now.designs, now.metrics, now.reward, agents)
        self._digest.update(now)
        self._rows += len(now)
        self._part_rows += len(now)
        if self._part_rows >= self._rows_per_part:
            self._close_part()

    def _table(self, rows: Rows) -> Any:
        pa = arrow()
        jobs = np.array([[run[0], run[1]] for run in self._runs], dtype=np.int64)[rows.run]
        work = np.array([task["workload"] for task in self._entries["tasks"]], dtype=np.int32)[jobs[:, 0]]

        def named(numbers: NDArray[Any], names: list[str]) -> Any:
            return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)), pa.array(names, pa.string()))

        columns = [
            pa.array(rows.run.astype(np.int32)),
            pa.array(rows.step.astype(np.int32)),
            named(jobs[:, 1], [entry["agent"] for entry in self._entries["agents"]]),
            named(work, [entry["name"] for entry in self._entries["workloads"]]),
        ]
        for column, parameter in enumerate(self.space.parameters):
            levels, kind = level_values(parameter), value_type(parameter)
            if pa.types.is_dictionary(kind):
                columns.append(named(rows.designs[:, column], levels))
            else:
                columns.append(pa.array(np.array(levels)[rows.designs[:, column]], type=kind))
        for column in range(len(self.space)):
            kind = self._schema.field(level_column(self.space.names[column])).type
            columns.append(pa.array(rows.designs[:, column]).cast(kind))
        columns += [pa.array(rows.metrics[metric.name], from_pandas=True) for metric in self.metrics]
        reasons, where = np.unique(np.array(rows.metrics.reasons, dtype=object), return_inverse=True)
        columns += [
            pa.array(rows.metrics.feasible),
            named(where, reasons.tolist()),
            pa.array(rows.reward, from_pandas=True),
        ]
        return pa.Table.from_arrays(columns, schema=self._schema)

    def _close_part(self) -> None:
        if self._file is None:
            return
        self._file.close()
        self._file = None
        self._parts.append(
            {
                "file": f"data/{self._path.name}",
                "rows": self._part_rows,
                "bytes": self._path.stat().st_size,
                "sha256": file_digest(self._path),
            }
        )
        self._part_rows = 0

    def finish(self) -> Dataset:
        """Write manifest, card and Croissant description, and give the dataset its name.

        Raises:
            DatasetError: if there is no row.
        """
        from archgym import __version__
        from archgym.dataset.card import write_card
        from archgym.dataset.croissant import write_croissant

        if self._waiting:
            self._flush(self._waiting)
        self._close_part()
        if not self._rows:
            raise DatasetError(f"{self.name}: there is no row to write")
        manifest = Manifest(
            name=self.name,
            description=self.description,
            licence=self.licence,
            simulator=self.simulator,
            space=self.space.to_json(),
            metrics=tuple(vars(metric) for metric in self.metrics),
            workloads=tuple(self._entries["workloads"]),
            tasks=tuple(self._entries["tasks"]),
            agents=tuple(self._entries["agents"]),
            runs=tuple(map(tuple, self._runs)),
            rows=self._rows,
            content=self._digest.hexdigest(),
            parts=tuple(self._parts),
            measures=self.coverage.summary(),
            published=self.published,
            made_with={"archgym": __version__, "pyarrow": arrow().__version__},
        )
        manifest.save(self._temporary)
        write_card(manifest, self._temporary)
        write_croissant(manifest, self._temporary)
        os.replace(self._temporary, self.directory)
        return Dataset(self.directory, manifest)


def _date(text: str) -> str:
    """The text, which must be empty or a date."""
    try:
        valid = not text or datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(f"published: {text!r} is not a date; allowed: YYYY-MM-DD")
    return text


@dataclass(frozen=True)
class Dataset:
    """A dataset on disk; rows are read as a stream of blocks."""

    directory: Path
    manifest: Manifest

    def __len__(self) -> int:
        return self.manifest.rows

    @property
    def space(self) -> Space:
        return self.manifest.design_space

    def check(self) -> None:
        """Compare every part with its checksum.

        Raises:
            DatasetError: naming the first part that differs.
        """
        for part in self.manifest.parts:
            if file_digest(self.directory / part["file"]) != part["sha256"]:
                raise DatasetError(
                    f"{self.directory / part['file']}: damaged, its checksum differs from the manifest's"
                )

    def blocks(
        self, rows: int = ROW_GROUP, metrics: Sequence[str] | None = None, reasons: bool = True
    ) -> Iterator[Rows]:
        """All rows in order, at most ``rows`` at a time, with the named metrics only if given.

        Raises:
            DatasetError: if a part is damaged.
        """
        names = list(self.manifest.metric_names if metrics is None else metrics)
        fixed = ["run", "step", "feasible", "reward"] + (["reason"] if reasons else [])
        levels = [level_column(name) for name in self.space.names]
        pa = arrow()
        for part in self.manifest.parts:
            path = self.directory / part["file"]
            try:
                with pa.parquet.ParquetFile(path) as file:
                    for batch in file.iter_batches(batch_size=rows, columns=[*fixed, *levels, *names]):
                        yield _rows(batch, levels, names, reasons)
            except (pa.ArrowException, OSError) as error:
                raise DatasetError(f"{path}: damaged or truncated ({str(error).splitlines()[0]})") from error

    def read(self, metrics: Sequence[str] | None = None) -> Rows:
        """All rows at once."""
        return concatenate(list(self.blocks(metrics=metrics)))


def _rows(batch: Any, levels: list[str], names: list[str], reasons: bool) -> Rows:
    def numbers(name: str) -> NDArray[Any]:
        array: NDArray[Any] = batch.column(name).to_numpy(zero_copy_only=False)
        return array

    designs = np.empty((len(batch), len(levels)), dtype=np.int64)
    for column, name in enumerate(levels):
        designs[:, column] = numbers(name)
    texts = tuple(batch.column("reason").to_pylist()) if reasons else ("",) * len(batch)
    columns = {name: np.array(numbers(name), dtype=np.float64) for name in names}
    metrics = Metrics(columns, np.array(numbers("feasible"), dtype=bool), texts)
    return Rows(
        designs,
        metrics,
        np.array(numbers("reward"), dtype=np.float64),
        numbers("run").astype(np.int64),
        numbers("step").astype(np.int64),
    )


def open_dataset(directory: Path | str) -> Dataset:
    """The dataset in ``directory``, its parts checked for presence, size and readable footers.

    Raises:
        DatasetError: naming what is missing, truncated or of another row count.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    pa = arrow()
    for part in manifest.parts:
        path = directory / part["file"]
        if not path.is_file():
            raise DatasetError(f"{path}: missing, but the manifest counts {part['rows']} rows in it")
        if path.stat().st_size != part["bytes"]:
            raise DatasetError(
                f"{path}: truncated or changed, it has {path.stat().st_size} bytes and the manifest says {part['bytes']}"
            )
        try:
            held = pa.parquet.read_metadata(path).num_rows
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{path}: damaged or truncated ({str(error).splitlines()[0]})") from error
        if held != part["rows"]:
            raise DatasetError(f"{path}: holds {held} rows, but the manifest says {part['rows']}")
    return Dataset(directory, manifest)


__all__ = ["Dataset", "DatasetWriter", "Rows", "concatenate", "level_dtype", "open_dataset"]
