"""Training rows from a dataset: different designs only, drawn in one pass, with memory bounded by the sample.

A row's place in the sample and in the folds follows from a hash of its design, so a design is never on both
sides of a split, whatever dataset it comes from, on whichever workload.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.dataset.coverage import design_hash
from archgym.dataset.rows import Rows
from archgym.dataset.store import Dataset
from archgym.errors import DatasetError, UnknownNameError
from archgym.space import Designs

Floats = NDArray[np.float64]
#: designs whose hash falls below this share are held out of all training
HOLDOUT = 0.2
_SALTS = {"sample": 0x5851F42D4C957F2D, "holdout": 0x14057B7EF767814F, "fold": 0x2545F4914F6CDD1D}


@dataclass(frozen=True)
class Samples:
    """N different (design, workload) rows: designs (N, D), workload numbers (N,), targets (N, T), feasible (N,)."""

    designs: Designs
    workload: NDArray[np.int64]
    targets: Floats
    feasible: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.designs)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Samples:
        return Samples(self.designs[chosen], self.workload[chosen], self.targets[chosen], self.feasible[chosen])


def _salted(hashes: NDArray[np.uint64], salt: str) -> NDArray[np.uint64]:
    mixed = hashes ^ np.uint64(_SALTS[salt])
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return mixed ^ (mixed >> np.uint64(33))


def held_out(designs: Designs, share: float = HOLDOUT) -> NDArray[np.bool_]:
    """Which designs are kept out of all training, shape (B,): a fixed pseudo-random share of the space."""
    return _salted(design_hash(designs), "holdout") < np.uint64(min(share, 0.999999) * 2.0**64)


def folds_of(designs: Designs, folds: int) -> NDArray[np.int64]:
    """The cross-validation fold of each design, shape (B,)."""
    return (_salted(design_hash(designs), "fold") % np.uint64(folds)).astype(np.int64)


def gather(
    dataset: Dataset,
    targets: Sequence[str],
    limit: int,
    part: str = "train",
    drop_missing: bool = False,
    workloads: Sequence[str] = (),
    agents: Sequence[str] = (),
) -> Samples:
    """At most ``limit`` different (design, workload) rows, a uniform sample of all different ones.

    Args:
        part: ``"train"`` (designs not held out), ``"test"`` (held-out ones) or ``"all"``.
        drop_missing: leave out feasible rows without a finite target instead of refusing the dataset.
        workloads, agents: only rows of these, if any are named.

    Raises:
        UnknownNameError: for a target, workload or agent that the dataset lacks.
        DatasetError: if a part is damaged, a feasible row lacks a finite target (counted by target), or no row is left.
    """
    dataset.check()
    manifest = dataset.manifest
    for kind, names, known in (
        ("metric", targets, manifest.metric_names),
        ("workload", workloads, [w["name"] for w in manifest.workloads]),
        ("agent", agents, manifest.agent_names()),
    ):
        for name in names:
            if name not in known:
                raise UnknownNameError(f"{kind} of dataset {manifest.name}", name, known)
    wanted_run = np.array([_run_wanted(dataset, run, workloads, agents) for run in range(len(manifest.runs))])
    kept = _Sample(limit)
    missing = dict.fromkeys(targets, 0)
    for block in dataset.blocks(metrics=list(targets), reasons=False):
        rows = block.take(wanted_run[block.run])
        if part != "all":
            rows = rows.take(held_out(rows.designs) == (part == "test"))
        bad = np.zeros(len(rows), dtype=bool)
        for name in targets:
            absent = rows.metrics.feasible & ~np.isfinite(rows.metrics[name])
            missing[name] += int(absent.sum())
            bad |= absent
        kept.add(rows.take(~bad), manifest.run_workload, targets)
    told = [f"{name} in {count:,} rows" for name, count in missing.items() if count]
    if told and not drop_missing:
        raise DatasetError(
            f"{dataset.directory}: targets are missing or not finite in feasible rows: {', '.join(told)}; "
            "drop those rows (--drop-missing) or choose other targets"
        )
    return kept.result(dataset, part)


def _run_wanted(dataset: Dataset, run: int, workloads: Sequence[str], agents: Sequence[str]) -> bool:
    manifest = dataset.manifest
    workload = manifest.workloads[int(manifest.run_workload[run])]["name"]
    agent = manifest.agents[int(manifest.run_agent[run])]["agent"]
    return (not workloads or workload in workloads) and (not agents or agent in agents)


class _Sample:
    """The rows with the least hashes: a uniform sample of different rows, whatever their order and repetition."""

    def __init__(self, limit: int) -> None:
        self._limit, self._highest, self._waiting = limit, np.uint64(2**64 - 1), 0
        self._parts: list[tuple[NDArray[np.uint64], Samples]] = []

    def add(self, rows: Rows, run_workload: NDArray[np.int64], targets: Sequence[str]) -> None:
        work = run_workload[rows.run]
        place = _salted(design_hash(rows.designs) + work.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15), "sample")
        near = place <= self._highest
        if not near.any():
            return
        values = np.stack([rows.metrics[name][near] for name in targets], axis=1)
        found = Samples(rows.designs[near], work[near], values, rows.metrics.feasible[near])
        self._parts.append((place[near], found))
        self._waiting += len(found)
        if self._waiting > 2 * self._limit + 100_000:
            self._shrink()

    def _shrink(self) -> None:
        place = np.concatenate([part[0] for part in self._parts])
        place, first = np.unique(place, return_index=True)
        order = first[: self._limit]
        parts = [part[1] for part in self._parts]
        joined = Samples(
            np.concatenate([p.designs for p in parts])[order],
            np.concatenate([p.workload for p in parts])[order],
            np.concatenate([p.targets for p in parts])[order],
            np.concatenate([p.feasible for p in parts])[order],
        )
        self._parts = [(place[: self._limit], joined)]
        self._waiting = len(joined)
        if len(joined) == self._limit:
            self._highest = place[self._limit - 1]

    def result(self, dataset: Dataset, part: str) -> Samples:
        if not self._parts:
            which = {"train": " outside the held-out share", "test": " in the held-out share", "all": ""}[part]
            raise DatasetError(f"{dataset.directory}: no row{which} passes the choice of workloads and agents")
        self._shrink()
        return self._parts[0][1]
