"""The manifest: everything about a dataset but its rows, as plain JSON.

Two datasets may be combined only if they hold the same space and metrics from the same simulator version;
`differences` names what stands against it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import DatasetError
from archgym.metrics import Metric
from archgym.space import Space

FORMAT = 1
FILENAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a dataset holds and how it was made.

    Attributes:
        name: for people; also the stem of exported files.
        description: one or two sentences.
        licence: of the data, an SPDX name or free text.
        published: the date of publication, ``YYYY-MM-DD``; empty if not stated.
        simulator: ``{"name", "version"}``.
        space: as `Space.to_json`.
        metrics: one mapping a metric: name, unit, direction, help, part_of.
        workloads: one mapping a workload: name, domain, fingerprint, facts, features.
        tasks: one mapping a problem as searched: problem, objective, objective_definition, workload (its number).
        agents: one mapping a setting of an agent: agent, hyperparameters.
        runs: one list a run: [task number, agent number, seed, budget, batch size, rows, content hash].
        rows: rows in all parts.
        content: SHA-256 over all columns' values in row order, whatever the file format.
        parts: one mapping a Parquet file: file, rows, bytes, sha256.
        measures: coverage and diversity, from `archgym.dataset.coverage`.
        made_with: versions of the software that wrote it.
    """

    name: str
    description: str
    licence: str
    simulator: Mapping[str, Any]
    space: Mapping[str, Any]
    metrics: tuple[Mapping[str, Any], ...]
    workloads: tuple[Mapping[str, Any], ...] = ()
    tasks: tuple[Mapping[str, Any], ...] = ()
    agents: tuple[Mapping[str, Any], ...] = ()
    runs: tuple[tuple[Any, ...], ...] = ()
    rows: int = 0
    content: str = ""
    parts: tuple[Mapping[str, Any], ...] = ()
    measures: Mapping[str, Any] = field(default_factory=dict)
    made_with: Mapping[str, str] = field(default_factory=dict)
    published: str = ""

    @cached_property
    def design_space(self) -> Space:
        return Space.from_json(self.space)

    @cached_property
    def metric_table(self) -> tuple[Metric, ...]:
        return tuple(Metric(**entry) for entry in self.metrics)

    @property
    def metric_names(self) -> tuple[str, ...]:
        return tuple(metric["name"] for metric in self.metrics)

    @cached_property
    def run_workload(self) -> NDArray[np.int64]:
        """Number of the workload of each run."""
        return np.array([self.tasks[run[0]]["workload"] for run in self.runs], dtype=np.int64)

    @cached_property
    def run_agent(self) -> NDArray[np.int64]:
        """Number of the agent setting of each run."""
        return np.array([run[1] for run in self.runs], dtype=np.int64)

    def agent_names(self) -> tuple[str, ...]:
        """Names of the agents, each once, sorted."""
        return tuple(sorted({entry["agent"] for entry in self.agents}))

    def to_json(self) -> dict[str, Any]:
        return {
            "archgym_dataset": FORMAT,
            "space_fingerprint": self.design_space.fingerprint,
            **dataclasses.asdict(self),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any], source: str = "manifest") -> Manifest:
        """The inverse of `to_json`.

        Raises:
            DatasetError: if it is of another format or lacks a field.
        """
        if not isinstance(entry, Mapping) or entry.get("archgym_dataset") != FORMAT:
            raise DatasetError(f"{source}: not the manifest of an archgym dataset of format {FORMAT}")
        fields = {f.name: f for f in dataclasses.fields(cls)}
        missing = [
            name
            for name, f in fields.items()
            if name not in entry and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise DatasetError(f"{source}: the manifest lacks {', '.join(missing)}")
        values = {name: entry[name] for name in fields if name in entry}
        for name in ("metrics", "workloads", "tasks", "agents", "parts"):
            values[name] = tuple(values.get(name, ()))
        values["runs"] = tuple(tuple(run) for run in values.get("runs", ()))
        return cls(**values)

    def save(self, directory: Path) -> None:
        text = _compact_runs(self.to_json())
        (directory / FILENAME).write_text(text + "\n", encoding="utf-8", newline="\n")


def _compact_runs(entry: dict[str, Any]) -> str:
    """JSON for people: indented, but one line a run."""
    runs = ",\n  ".join(json.dumps(run) for run in entry["runs"])
    text = json.dumps(entry | {"runs": ["@runs@"]}, indent=1, allow_nan=False)
    return text.replace('"@runs@"', runs, 1) if entry["runs"] else text.replace('\n  "@runs@"\n ', "", 1)


def read_manifest(directory: Path | str) -> Manifest:
    """The manifest in ``directory``.

    Raises:
        DatasetError: if there is none, or it is damaged.
    """
    path = Path(directory) / FILENAME
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{directory}: not a dataset, {FILENAME} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DatasetError(f"{path}: damaged, not valid JSON ({error})") from error
    return Manifest.from_json(entry, str(path))


def differences(first: Manifest, second: Manifest) -> list[str]:
    """What stands against putting rows of both in one dataset; empty if nothing does."""
    found = []
    for key in ("name", "version"):
        if first.simulator[key] != second.simulator[key]:
            found.append(f"simulator {key} {first.simulator[key]!r} against {second.simulator[key]!r}")
    found += space_differences(first.design_space, second.design_space)
    units = [{metric["name"]: metric["unit"] for metric in manifest.metrics} for manifest in (first, second)]
    for name in dict.fromkeys((*units[0], *units[1])):
        if units[0].get(name) != units[1].get(name):
            pair = [f"unit {unit[name]!r}" if name in unit else "absent" for unit in units]
            found.append(f"metric {name!r}: {pair[0]} against {pair[1]}")
    return found


def space_differences(first: Space, second: Space) -> list[str]:
    """The parameters in which two spaces differ, in words; empty exactly if the fingerprints are equal."""
    if first.fingerprint == second.fingerprint:
        return []
    if not set(first.names) & set(second.names):
        return [f"no parameter in common ({_few(first.names)} against {_few(second.names)})"]
    found = []
    for name in dict.fromkeys((*first.names, *second.names)):
        if (name in first.names) != (name in second.names):
            found.append(f"parameter {name!r} only in the {'first' if name in first.names else 'second'} space")
        elif first[name].levels != second[name].levels:
            found.append(f"parameter {name!r}: levels {_few(first[name].levels)} against {_few(second[name].levels)}")
        elif first[name].ordered != second[name].ordered:
            found.append(f"parameter {name!r} is ordered in one space only")
    return found or [f"order of parameters {', '.join(first.names)} against {', '.join(second.names)}"]


def _few(levels: tuple[Any, ...], most: int = 8) -> str:
    shown = [str(level) for level in levels[:most]]
    return f"[{', '.join(shown)}{', …' if len(levels) > most else ''}] ({len(levels)})"
