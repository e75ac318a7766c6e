"""Proving that a dataset is what its simulator says: simulate rows again and demand equal bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.dataset.logs import problem_of
from archgym.dataset.manifest import Manifest
from archgym.dataset.rows import Rows
from archgym.dataset.store import Dataset
from archgym.errors import DatasetError
from archgym.problem import Problem


@dataclass(frozen=True)
class Verification:
    """How many rows were simulated again, and what differed (one line each, the first few)."""

    checked: int
    rows: int
    mismatches: int
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return self.mismatches == 0


def verify_dataset(
    dataset: Dataset, sample: int | None = 1000, seed: int = 0, progress: Callable[[int], None] | None = None
) -> Verification:
    """Simulate ``sample`` rows (None: all) again; every metric, the feasibility and the reward must be equal.

    Args:
        sample: rows, spread evenly over the dataset and moved by ``seed``.
        progress: called with the number of rows checked so far.

    Raises:
        DatasetError: if a part is damaged, or the problem that made the rows is not to be had here as it was.
    """
    dataset.check()
    manifest = dataset.manifest
    chosen = _choose(len(dataset), sample, seed)
    problems: dict[int, Problem] = {}
    checked = mismatches = start = 0
    examples: list[str] = []
    for block in dataset.blocks(rows=16_384):
        inside = chosen[(chosen >= start) & (chosen < start + len(block))] - start
        rows = block.take(inside)
        for job in np.unique([manifest.runs[run][0] for run in rows.run]).tolist() if len(rows) else []:
            mine = rows.take(np.array([manifest.runs[run][0] == job for run in rows.run]))
            problem = problems.setdefault(job, task_problem(manifest, job))
            found = _compare(problem, mine)
            mismatches += len(found)
            examples += found[: max(0, 5 - len(examples))]
        checked += len(rows)
        start += len(block)
        if progress:
            progress(checked)
    return Verification(checked, len(dataset), mismatches, tuple(examples))


def _choose(rows: int, sample: int | None, seed: int) -> NDArray[np.int64]:
    if sample is None or sample >= rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, size=sample, replace=False)).astype(np.int64)


def task_problem(manifest: Manifest, job: int) -> Problem:
    """The problem of a task, exactly as the manifest says it was.

    Raises:
        DatasetError: naming what of it is not to be had here, or differs.
    """
    task = manifest.tasks[job]
    workload = manifest.workloads[task["workload"]]
    identity = {
        "problem": task["problem"],
        "objective": task["objective"],
        "workload": workload["name"],
        "workload_fingerprint": workload["fingerprint"],
        "simulator": manifest.simulator["name"],
        "simulator_version": manifest.simulator["version"],
        "space": manifest.design_space.fingerprint,
    }
    if task["problem"] is None:
        raise DatasetError(f"rows on workload {workload['name']!r} name no problem to simulate them with")
    return problem_of(identity)


def _compare(problem: Problem, rows: Rows) -> list[str]:
    """One line a row that differs, naming the first column that does."""
    evaluation = problem.evaluate(rows.designs)
    columns = {name: (values, evaluation.metrics[name]) for name, values in rows.metrics.columns.items()}
    columns["feasible"] = (rows.metrics.feasible.astype(float), evaluation.metrics.feasible.astype(float))
    columns["reward"] = (rows.reward, evaluation.reward)
    wrong: dict[int, str] = {}
    for name, (stored, now) in columns.items():
        if name == "reward" and np.isnan(stored).all():  # imported rows may have no reward
            continue
        for row in np.flatnonzero(~((stored == now) | (np.isnan(stored) & np.isnan(now)))).tolist():
            wrong.setdefault(
                row,
                f"run {rows.run[row]}, step {rows.step[row]}: {name} is {float(stored[row])!r}, simulated again {float(now[row])!r}",
            )
    return [wrong[row] for row in sorted(wrong)]
