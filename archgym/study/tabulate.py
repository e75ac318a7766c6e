"""Simulating every design of a space: in parallel, in parts that survive being killed, then packed.

A simulator may say which parameters do not matter by a method ``canonical(designs) -> designs`` that maps
each design to one with the same results; then only the designs it maps to are simulated.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError
from archgym.registry import Family, families, make_problem, register
from archgym.simulators.base import Simulator
from archgym.simulators.table import TableError, TableSimulator, differing, make_table, table_name, write_table
from archgym.space import Designs
from archgym.study.pool import Crash, run_in_processes
from archgym.study.store import write_atomically
from archgym.study.threads import ONE_THREAD
from archgym.workload import Workload

#: the largest space that is tabulated
MOST_DESIGNS = 20_000_000
PART = 4096

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Part:
    """Designs number ``start`` to ``stop`` of those to be simulated, and the file their results go to."""

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
        progress: called with (designs done, designs to do).

    Raises:
        ConfigError: if the space is too large to be enumerated.
        TableError: if the check fails.
    """
    from archgym.registry import family

    problem = make_problem(id, workload_name)
    simulator, workload = problem.simulator, problem.workload
    if simulator.space.size > MOST_DESIGNS:
        raise ConfigError(
            f"{id} has {simulator.space.size:.6g} designs; spaces of at most {MOST_DESIGNS:,} can be tabulated"
        )
    path = folder / table_name(simulator, workload)
    chosen, inverse = _representatives(simulator)
    parts = _parts(chosen, path.with_name(path.name + ".parts"))
    missing = [part for part in parts if _read(part) is None]
    done = len(chosen) - sum(len(part.designs) for part in missing)
    if progress:
        progress(done, len(chosen))
    for part in _each(missing, simulator, workload, jobs, family(id), workload_name or family(id).workload):
        done += len(part.designs)
        if progress:
            progress(done, len(chosen))
    table = _assemble(parts, inverse, simulator, workload)
    wrong = differing(table, simulator, workload, check)
    if len(wrong):
        raise TableError(
            f"{path}: {len(wrong)} of {check} designs differ when simulated again, the first is "
            f"{simulator.space.row(wrong[0])}; parts made by another version of the code? remove {parts[0].path.parent}"
        )
    write_table(table, path)
    shutil.rmtree(parts[0].path.parent)
    return path, table


def _representatives(simulator: Simulator) -> tuple[Designs, NDArray[np.int64]]:
    """The designs to simulate, and for each design of the space which of them stands for it."""
    everything = simulator.space.enumerate()
    canonical = getattr(simulator, "canonical", None)
    if canonical is None:
        return everything, np.arange(len(everything))
    numbers, inverse = np.unique(simulator.space.number(canonical(everything)), return_inverse=True)
    return everything[numbers], inverse.reshape(-1)


def _parts(designs: Designs, folder: Path) -> list[_Part]:
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, len(designs), PART)
    return [_Part(designs[start : start + PART], folder / f"part-{start:010d}.npz") for start in starts]


def _each(
    parts: list[_Part], simulator: Simulator, workload: Workload, jobs: int, declared: Family, workload_name: str
) -> Iterator[_Part]:
    if jobs <= 1:
        for part in parts:
            _simulate(part, simulator, workload)
            yield part
        return
    with contextlib.closing(run_in_processes(_PartWorker(declared, workload_name), parts, jobs, ONE_THREAD)) as made:  # type: ignore[type-var]
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


def _read(part: _Part) -> dict[str, NDArray[np.generic]] | None:
    """What a part's file holds; None if there is none, or it is of other designs."""
    try:
        with np.load(part.path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError):
        return None
    return content if np.array_equal(content["designs"], part.designs) else None


def _assemble(
    parts: list[_Part], inverse: NDArray[np.int64], simulator: Simulator, workload: Workload
) -> TableSimulator:
    contents = [_read(part) for part in parts]
    if any(content is None for content in contents):
        raise TableError(f"{parts[0].path.parent}: a part vanished or was damaged while the table was built; try again")
    whole = [content for content in contents if content is not None]
    results = np.concatenate([content["results"] for content in whole]).astype(np.float64)[inverse]
    feasible = np.concatenate([content["feasible"] for content in whole]).astype(bool)[inverse]
    reasons = np.concatenate([content["reasons"] for content in whole])[inverse]
    return make_table(simulator, workload, np.ascontiguousarray(results), feasible, reasons)
