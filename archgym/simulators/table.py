"""A simulator that looks results up: every design of a small space, simulated once.

A table stands in for the simulator it was made by: same name, version, space and metrics, and the same
results to the last bit, in well under a microsecond a design. With it the exact optimum and the rank of
every design are known. Breakdowns (``extras``) are not kept. Equal results are stored once: many designs
of a controller behave alike, so a table of hundreds of thousands packs into very little.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archgym.errors import ArchGymError, DesignError, WorkloadError
from archgym.metrics import Metric, Metrics
from archgym.objective import Objective
from archgym.simulators.base import Simulator
from archgym.space import Designs, Space
from archgym.workload import Workload

MAGIC = b"archgym table 1\n"
SUFFIX = ".table"


class TableError(ArchGymError):
    """A table file that is damaged or belongs to something else."""


@dataclass(frozen=True)
class TableSimulator:
    """Results of every design of a space on one workload.

    Attributes:
        workload_name, workload_fingerprint: what it was made on; it refuses any other.
        index: for each design, by `Space.number`, its row of results, shape (space.size,).
        results: different rows of metrics, shape (U, M), NaN where infeasible.
        feasible: shape (U,).
        reasons: U strings.
    """

    name: str
    version: int
    space: Space
    metrics: tuple[Metric, ...]
    workload_name: str
    workload_fingerprint: str
    index: NDArray[np.int32]
    results: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    reasons: tuple[str, ...]

    @cached_property
    def _strides(self) -> NDArray[np.int64]:
        return np.concatenate([np.cumprod(self.space.sizes[::-1])[-2::-1], [1]]).astype(np.int64)

    @cached_property
    def _columns(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(self.results.T)

    @cached_property
    def _reasons(self) -> NDArray[np.object_]:
        return np.array([*self.reasons, ""], dtype=object)[:-1]

    def rows(self, designs: Designs) -> NDArray[np.int64]:
        """The row of results of each design, shape (B,)."""
        numbers = designs[:, 0] * self._strides[0]
        for column in range(1, designs.shape[1]):
            numbers = numbers + designs[:, column] * self._strides[column]
        rows: NDArray[np.int64] = self.index[numbers].astype(np.int64)
        return rows

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Look designs up, shape (B, D).

        Raises:
            WorkloadError: for another workload than the table was made on.
        """
        if workload.fingerprint != self.workload_fingerprint:
            raise WorkloadError(
                f"this table is of workload {self.workload_name!r}; {workload.name!r} is another "
                f"(its fingerprint is {workload.fingerprint[:16]}, not {self.workload_fingerprint[:16]})"
            )
        return self._take(self.rows(self.space.check(designs)))

    def _take(self, rows: NDArray[np.int64]) -> Metrics:
        columns = {metric.name: self._columns[k][rows] for k, metric in enumerate(self.metrics)}
        feasible = self.feasible[rows]
        reasons = ("",) * len(rows) if feasible.all() else tuple(self._reasons[rows])
        return Metrics(columns, feasible, reasons)

    def standing(self, objective: Objective) -> Standing:
        """How every design of the space does by an objective."""
        rewards = objective(self._take(np.arange(len(self.results))))
        return Standing(self, rewards, np.bincount(self.index, minlength=len(rewards)))


@dataclass(frozen=True)
class Standing:
    """Rewards of a whole space: the optimum, and where any reward stands.

    Attributes:
        rewards: of each different result, shape (U,).
        counts: how many designs give that result, shape (U,).
    """

    table: TableSimulator
    rewards: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def optimum(self) -> float:
        """The highest reward of the space."""
        return float(self.rewards.max())

    def best_designs(self, most: int = 100) -> Designs:
        """Designs with the highest reward, at most ``most``, in the space's order."""
        best = np.flatnonzero((self.rewards == self.optimum)[self.table.index])[:most]
        sizes = tuple(self.table.space.sizes)
        return np.stack(np.unravel_index(best, sizes), axis=1).astype(np.int64)

    @property
    def best_count(self) -> int:
        """How many designs have the highest reward."""
        return int(self.counts[self.rewards == self.optimum].sum())

    @property
    def mean(self) -> float:
        """The reward of the average random design."""
        return float((self.rewards * self.counts).sum() / self.counts.sum())

    def percentile(self, rewards: ArrayLike) -> NDArray[np.float64]:
        """Percent of the space's designs that are no better than each reward; 100 is the optimum."""
        order = np.argsort(self.rewards, kind="stable")
        up_to = np.concatenate([[0], np.cumsum(self.counts[order])])
        places = np.searchsorted(self.rewards[order], np.asarray(rewards, dtype=np.float64), side="right")
        return np.asarray(100.0 * up_to[places] / up_to[-1], dtype=np.float64)

    def quantile(self, percent: float) -> float:
        """The lowest reward that at least ``percent`` of the designs do not exceed."""
        order = np.argsort(self.rewards, kind="stable")
        share = 100.0 * np.cumsum(self.counts[order]) / self.counts.sum()
        place = min(int(np.searchsorted(share, percent)), len(order) - 1)
        return float(self.rewards[order[place]])

    def expanded(self) -> NDArray[np.float64]:
        """The reward of every design, in the space's order, shape (space.size,)."""
        return self.rewards[self.table.index]


def make_table(
    simulator: Simulator,
    workload: Workload,
    results: NDArray[np.float64],
    feasible: NDArray[np.bool_],
    codes: Iterable[str],
) -> TableSimulator:
    """A table from the results of every design in the order of `Space.enumerate`.

    Args:
        results: metrics, shape (space.size, M).
        codes: a reason for each design.
    """
    reasons = np.array(list(codes), dtype=object)
    different, reason_codes = np.unique(reasons.astype(str), return_inverse=True)
    # Bits, not values, are compared: NaN equals NaN, and -0.0 differs from 0.0.
    keys = np.concatenate([results.view(np.int64), feasible[:, None], reason_codes.reshape(-1, 1)], axis=1)
    packed = np.ascontiguousarray(keys).view([("", np.int64)] * keys.shape[1]).ravel()
    _, first, index = np.unique(packed, return_index=True, return_inverse=True)
    # Rows are numbered by first appearance: neighbours then have close numbers, which packs better.
    order = np.argsort(first, kind="stable")
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    first = first[order]
    return TableSimulator(
        simulator.name,
        simulator.version,
        simulator.space,
        simulator.metrics,
        workload.name,
        workload.fingerprint,
        place[index.reshape(-1)],
        results[first],
        feasible[first],
        tuple(str(different[code]) for code in reason_codes.reshape(-1)[first]),
    )


def write_table(table: TableSimulator, path: Path) -> None:
    """Write a table file; equal tables give equal files."""
    reasons = sorted(set(table.reasons))
    codes = np.array([reasons.index(reason) for reason in table.reasons], dtype="<u2")
    index = _compress(np.ascontiguousarray(table.index.astype("<u4").view(np.uint8).reshape(-1, 4).T))
    results = _compress(np.ascontiguousarray(table.results.T.astype("<f8").reshape(-1).view(np.uint8).reshape(-1, 8).T))
    flags = _compress(np.concatenate([table.feasible.view(np.uint8), codes.view(np.uint8)]))
    body = index + results + flags
    header = {
        "name": table.name,
        "version": table.version,
        "space": table.space.to_json(),
        "space_fingerprint": table.space.fingerprint,
        "metrics": [asdict(metric) for metric in table.metrics],
        "workload": table.workload_name,
        "workload_fingerprint": table.workload_fingerprint,
        "rows": len(table.results),
        "reasons": reasons,
        "parts": [len(index), len(results), len(flags)],
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(MAGIC + json.dumps(header, separators=(",", ":")).encode() + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _compress(part: NDArray[np.uint8]) -> bytes:
    return lzma.compress(part.tobytes(), preset=9)


def read_header(path: Path) -> dict[str, Any]:
    """What a table file says it is.

    Raises:
        TableError: if it is not a table file.
    """
    with path.open("rb") as file:
        if file.readline() != MAGIC:
            raise TableError(f"{path}: not a table file")
        try:
            return cast(dict[str, Any], json.loads(file.readline()))
        except ValueError as error:
            raise TableError(f"{path}: the header is damaged") from error


def read_table(path: Path) -> TableSimulator:
    """A table from its file, checked against its checksum.

    Raises:
        TableError: if the file is damaged.
    """
    header = read_header(path)
    with path.open("rb") as file:
        file.readline()
        file.readline()
        body = file.read()
    if hashlib.sha256(body).hexdigest() != header["sha256"]:
        raise TableError(f"{path}: the checksum does not match; build it again with `archgym tabulate`")
    space = Space.from_json(header["space"])
    metrics = tuple(Metric(**metric) for metric in header["metrics"])
    ends = np.cumsum([0, *header["parts"]])
    index, results, flags = (np.frombuffer(lzma.decompress(body[a:b]), np.uint8) for a, b in pairwise(ends))
    rows = header["rows"]
    planes = np.ascontiguousarray(results.reshape(8, -1).T).view("<f8").reshape(len(metrics), rows)
    codes = flags[rows:].view("<u2")
    return TableSimulator(
        header["name"],
        header["version"],
        space,
        metrics,
        header["workload"],
        header["workload_fingerprint"],
        np.ascontiguousarray(index.reshape(4, -1).T).view("<u4").ravel().astype(np.int32),
        np.ascontiguousarray(planes.T),
        flags[:rows].astype(bool),
        tuple(header["reasons"][code] for code in codes),
    )


def table_name(simulator: Simulator, workload: Workload) -> str:
    """The file name of a table; it tells versions, spaces and workloads apart."""
    identity = f"{simulator.space.fingerprint} {workload.fingerprint}"
    key = hashlib.sha256(identity.encode()).hexdigest()[:12]
    stem = f"{simulator.name}-v{simulator.version}-{Path(workload.name).name}-{key}"
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in stem) + SUFFIX


def table_folders() -> list[Path]:
    """Where tables are looked for: ``ARCHGYM_TABLES``, the user's cache, the package."""
    own = os.environ.get("ARCHGYM_TABLES")
    shipped = Path(str(files("archgym.simulators").joinpath("tables")))
    return [*([Path(own)] if own else []), cache_folder(), shipped]


def cache_folder() -> Path:
    """Where `archgym tabulate` puts tables unless told otherwise."""
    own = os.environ.get("ARCHGYM_TABLES")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "archgym" / "tables"


def table_path(simulator: Simulator, workload: Workload) -> Path | None:
    """The file of the table that stands in for ``simulator`` on ``workload``, if there is one."""
    for folder in table_folders():
        path = folder / table_name(simulator, workload)
        if path.is_file():
            return path
    return None


_open: dict[Path, TableSimulator] = {}


def find_table(simulator: Simulator, workload: Workload) -> TableSimulator | None:
    """The table of a simulator and workload, or None if it has not been built.

    Raises:
        TableError: if the file is damaged, or is not what its name says.
    """
    path = table_path(simulator, workload)
    if path is None:
        return None
    if path not in _open:
        _open[path] = read_table(path)
    table = _open[path]
    given = (simulator.name, simulator.version, simulator.space.fingerprint, workload.fingerprint)
    if (table.name, table.version, table.space.fingerprint, table.workload_fingerprint) != given:
        raise TableError(f"{path}: it is of another simulator, version, space or workload; build it again")
    return table


def differing(table: TableSimulator, simulator: Simulator, workload: Workload, count: int, seed: int = 0) -> Designs:
    """Of ``count`` random designs, those whose simulation differs from the table in any bit, shape (K, D)."""
    if table.space.fingerprint != simulator.space.fingerprint:
        raise DesignError(f"the table's space {table.space.fingerprint} is not the simulator's")
    designs = simulator.space.sample(np.random.default_rng(seed), count)
    found, truth = table(designs, workload), simulator(designs, workload)
    wrong = (found.feasible != truth.feasible) | (np.array(found.reasons) != np.array(truth.reasons))
    for name, column in truth.columns.items():
        wrong |= found[name].view(np.int64) != np.ascontiguousarray(column).view(np.int64)
    different: Designs = designs[wrong]
    return different
