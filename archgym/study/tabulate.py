"""Simulating every design of a space: in parallel, in parts that survive being killed, then packed.

A simulator may be able to prove that a result holds for other designs too: a limit that was never reached,
for one, might as well have been larger. It says so by a method ``same_results(designs, workload)`` that gives
the metrics of B designs and two (B, D) arrays of level numbers, ``low`` and ``high``: every design from low to
high in each parameter, inclusive, has those metrics, to the last bit. Those designs are then not simulated.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError
from archgym.metrics import Metrics
from archgym.registry import Family, families, family, make_problem, register
from archgym.simulators.base import Simulator
from archgym.simulators.table import TableError, TableSimulator, differing, make_table, table_name, write_table
from archgym.space import Designs, Space
from archgym.study.pool import Crash, run_in_processes
from archgym.study.store import write_atomically
from archgym.study.threads import ONE_THREAD
from archgym.workload import Workload

#: the largest space that is tabulated
MOST_DESIGNS = 20_000_000
#: designs a part
PART = 4096

Progress = Callable[[int, int], None]
Content = dict[str, NDArray[Any]]


class Proving(Protocol):
    """A simulator that can say for which other designs a result holds."""

    def same_results(self, designs: Designs, workload: Workload) -> tuple[Metrics, Designs, Designs]: ...


@dataclass(frozen=True)
class _Part:
    """Designs to simulate, and the file their results go to."""

    designs: Designs
    path: Path


class _PartWorker:
    """Simulates parts in another process."""

    def __init__(self, declared: Family, workload: str) -> None:
        self._declared, self._workload = declared, workload
        self._made: tuple[Simulator, Workload] | None = None

    def __call__(self, part: _Part) -> str:
        if self._made is None:
            if self._declared.id not in families():
                register(self._declared)
            problem = make_problem(self._declared.id, self._workload)
            self._made = (problem.simulator, problem.workload)
        try:
            _simulate(part, *self._made)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""


def tabulate(
    id: str, workload_name: str | None, folder: Path, jobs: int = 1, check: int = 256, progress: Progress | None = None
) -> tuple[Path, TableSimulator]:
    """Build the table of a family on a workload, and return its path and content.

    Parts that an earlier, interrupted call left are used. The result is compared with ``check`` random
    designs simulated anew before it is written.

    Args:
        jobs: processes at a time; 1 simulates here, where the simulator's own threads use all cores.
        progress: called with (designs known, designs of the space).

    Raises:
        ConfigError: if the space is too large to be enumerated.
        TableError: if the check fails.
    """
    problem = make_problem(id, workload_name)
    simulator, workload = problem.simulator, problem.workload
    if simulator.space.size > MOST_DESIGNS:
        raise ConfigError(
            f"{id} has {simulator.space.size:.6g} designs; spaces of at most {MOST_DESIGNS:,} can be tabulated"
        )
    path = folder / table_name(simulator, workload)
    parts = path.with_name(path.name + ".parts")
    parts.mkdir(parents=True, exist_ok=True)
    report = progress or (lambda done, total: None)
    if hasattr(simulator, "same_results"):
        contents, owner = _by_proof(simulator, workload, parts, report)
    else:
        declared, name = family(id), workload_name or family(id).workload
        contents, owner = _one_by_one(simulator, workload, parts, jobs, declared, name, report)
    table = _assemble(contents, owner, simulator, workload)
    wrong = differing(table, simulator, workload, check)
    if len(wrong):
        raise TableError(
            f"{path}: {len(wrong)} of {check} designs differ when simulated again, the first is "
            f"{simulator.space.row(wrong[0])}; parts made by another version of the code? remove {parts}"
        )
    write_table(table, path)
    shutil.rmtree(parts)
    return path, table


def _one_by_one(
    simulator: Simulator, workload: Workload, folder: Path, jobs: int, declared: Family, name: str, progress: Progress
) -> tuple[list[Content], NDArray[np.int64]]:
    """Simulate every design; returns the parts, and for each design its row in them."""
    size = simulator.space.size
    parts = [
        _Part(simulator.space.enumerate(start, start + PART), folder / f"part-{start:010d}.npz")
        for start in range(0, size, PART)
    ]
    missing = [part for part in parts if _read(part) is None]
    done = size - sum(len(part.designs) for part in missing)
    progress(done, size)
    for part in _each(missing, simulator, workload, jobs, declared, name):
        done += len(part.designs)
        progress(done, size)
    return [_expect(part) for part in parts], np.arange(size)


def _each(
    parts: list[_Part], simulator: Simulator, workload: Workload, jobs: int, declared: Family, name: str
) -> Iterator[_Part]:
    if jobs <= 1:
        for part in parts:
            _simulate(part, simulator, workload)
            yield part
        return
    with contextlib.closing(run_in_processes(_PartWorker(declared, name), parts, jobs, ONE_THREAD)) as made:  # type: ignore[type-var]
        for part, trouble in made:
            if trouble:
                raise TableError(f"{part.path.name}: {trouble.why if isinstance(trouble, Crash) else trouble}")
            yield part


def _by_proof(
    simulator: Simulator, workload: Workload, folder: Path, progress: Progress
) -> tuple[list[Content], NDArray[np.int64]]:
    """Simulate designs until what is proved of them covers the space; returns as `_one_by_one`.

    Designs go in waves, at most one a combination of unordered levels, so that what one proves saves the
    others; highest levels first, where limits bind least. The waves follow from the space and the results
    alone, so an interrupted build finds its parts again.
    """
    space = simulator.space
    owner = np.full(space.size, -1, dtype=np.int64)
    order, groups = _wave_order(space)
    contents: list[Content] = []
    rows = 0
    while len(order):
        _, first = np.unique(groups[order], return_index=True)
        chosen = np.sort(order[first])
        for start in range(0, len(chosen), PART):
            numbers = chosen[start : start + PART]
            designs = np.stack(np.unravel_index(numbers, tuple(space.sizes)), axis=1).astype(np.int64)
            part = _Part(designs, folder / f"part-{len(contents):010d}.npz")
            if _read(part) is None:
                _simulate(part, simulator, workload)
            content = _expect(part)
            _cover(owner.reshape(space.sizes), content["low"], content["high"], rows)
            contents.append(content)
            rows += len(designs)
            progress(int((owner >= 0).sum()), space.size)
        order = order[owner[order] < 0]
    return contents, owner


def _wave_order(space: Space) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Designs by number, highest levels of ordered parameters first, and each one's combination of unordered levels."""
    height = np.zeros(space.size, dtype=np.float32)
    groups = np.zeros(space.size, dtype=np.int64)
    numbers = np.arange(space.size)
    for size, ordered, levels in zip(
        space.sizes, space.ordered, np.unravel_index(numbers, tuple(space.sizes)), strict=True
    ):
        if ordered:
            height += levels / size
        else:
            groups = groups * size + levels
    return np.argsort(-height, kind="stable"), groups


def _cover(owner: NDArray[np.int64], low: Designs, high: Designs, first: int) -> None:
    """Give each box of designs that has no row yet the row that proves it."""
    for row, (least, most) in enumerate(zip(low, high, strict=True)):
        box = owner[tuple(slice(a, b + 1) for a, b in zip(least, most, strict=True))]
        box[box < 0] = first + row


def _simulate(part: _Part, simulator: Simulator, workload: Workload) -> None:
    low = high = part.designs
    if hasattr(simulator, "same_results"):
        metrics, low, high = cast(Proving, simulator).same_results(part.designs, workload)
        if not ((low <= part.designs) & (part.designs <= high)).all():
            raise TableError(f"{simulator.name}: a design lies outside of what is proved by it")
    else:
        metrics = simulator(part.designs, workload)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        designs=part.designs.astype(np.int32),
        low=low.astype(np.int32),
        high=high.astype(np.int32),
        results=np.stack([metrics[metric.name] for metric in simulator.metrics], axis=1),
        feasible=metrics.feasible,
        reasons=np.array(metrics.reasons, dtype=str),
    )
    write_atomically(part.path, buffer.getvalue())


def _read(part: _Part) -> Content | None:
    """What a part's file holds; None if there is none, or it is damaged or of other designs."""
    try:
        with np.load(part.path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
            return content if np.array_equal(content["designs"], part.designs) else None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError):
        return None


def _expect(part: _Part) -> Content:
    content = _read(part)
    if content is None:
        raise TableError(f"{part.path}: it vanished or was damaged while the table was built; try again")
    return content


def _assemble(
    contents: list[Content], owner: NDArray[np.int64], simulator: Simulator, workload: Workload
) -> TableSimulator:
    results = np.concatenate([content["results"] for content in contents]).astype(np.float64)[owner]
    feasible = np.concatenate([content["feasible"] for content in contents]).astype(bool)[owner]
    reasons = np.concatenate([content["reasons"] for content in contents])[owner]
    return make_table(simulator, workload, np.ascontiguousarray(results), feasible, reasons)
