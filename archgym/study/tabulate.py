"""Simulating every design of a space: in parallel, in parts that survive being killed, then packed.

A simulator may know that settings make no difference: a limit that can never be reached, for one, might as well
be lower. It says so by a method ``representatives(designs, workload)`` that gives for each of B designs, shape
(B, D), one that has the same metrics to the last bit and stands for itself. Only those are simulated.
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
from archgym.registry import Family, families, family, make_problem, register
from archgym.simulators.base import Simulator
from archgym.simulators.table import TableError, TableSimulator, differing, make_table, table_name, write_table
from archgym.space import Designs
from archgym.study.pool import Crash, run_in_processes
from archgym.study.store import write_atomically
from archgym.study.threads import ONE_THREAD
from archgym.workload import Workload

#: the largest space that is tabulated
MOST_DESIGNS = 20_000_000
#: designs a part
PART = 1024
#: designs whose representatives are asked for at a time
_BLOCK = 1 << 18

Progress = Callable[[int, int], None]
Content = dict[str, NDArray[Any]]


class Knowing(Protocol):
    """A simulator that knows which designs have equal results."""

    def representatives(self, designs: Designs, workload: Workload) -> Designs: ...


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
    chosen, owner = _distinct(simulator, workload)
    declared, name = family(id), workload_name or family(id).workload
    contents = _results(chosen, len(owner), simulator, workload, parts, jobs, declared, name, report)
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


def _distinct(simulator: Simulator, workload: Workload) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of the designs to simulate, in order, and for each design of the space its place among them.

    Raises:
        TableError: if a representative has another one itself.
    """
    space = simulator.space
    if not hasattr(simulator, "representatives"):
        return np.arange(space.size), np.arange(space.size)
    knowing = cast(Knowing, simulator)
    numbers = np.empty(space.size, dtype=np.int64)
    for start in range(0, space.size, _BLOCK):
        found = knowing.representatives(space.enumerate(start, start + _BLOCK), workload)
        numbers[start : start + _BLOCK] = space.number(found)
    chosen, owner = np.unique(numbers, return_inverse=True)
    if not np.array_equal(numbers[chosen], chosen):
        raise TableError(f"{simulator.name}: a design that stands for others is itself stood for by another")
    return chosen, owner.reshape(-1)


def _results(
    chosen: NDArray[np.int64],
    size: int,
    simulator: Simulator,
    workload: Workload,
    folder: Path,
    jobs: int,
    declared: Family,
    name: str,
    progress: Progress,
) -> list[Content]:
    """The results of the chosen designs, part by part; parts that are there already are not simulated again."""
    shape = tuple(simulator.space.sizes)
    parts = []
    for number, start in enumerate(range(0, len(chosen), PART)):
        designs = np.stack(np.unravel_index(chosen[start : start + PART], shape), axis=1).astype(np.int64)
        parts.append(_Part(designs, folder / f"part-{number:06d}.npz"))
    missing = [part for part in parts if _read(part) is None]
    done = len(chosen) - sum(len(part.designs) for part in missing)
    progress(done * size // len(chosen), size)
    for part in _each(missing, simulator, workload, jobs, declared, name):
        done += len(part.designs)
        progress(done * size // len(chosen), size)
    return [_expect(part) for part in parts]


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


def _simulate(part: _Part, simulator: Simulator, workload: Workload) -> None:
    metrics = simulator(part.designs, workload)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        designs=part.designs.astype(np.int32),
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
