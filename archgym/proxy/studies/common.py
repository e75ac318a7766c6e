"""What the studies share: true results of designs, held-out designs to judge by, and how an outcome is kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archgym.dataset.coverage import design_hash
from archgym.problem import Problem
from archgym.proxy.active import problem_manifest, simulate
from archgym.proxy.fit import Candidate, Table, fit_target, predict, wants_logarithm
from archgym.proxy.samples import Samples, held_out
from archgym.proxy.target import TargetModel
from archgym.proxy.train import make_table
from archgym.registry import make_problem
from archgym.report.style import BLUE, GREEN, ORANGE, RED

DRAM = ("stream", "random", "cloud-1", "cloud-2")
DRAM_TARGETS = ("mean_latency_s", "total_time_s", "average_power_W", "energy_J")
GAUSSIAN = Candidate("gaussian")
BOOSTING = Candidate("boosting", {"leaves": 31, "rate": 0.1, "rounds": 300, "leaf": 1})
#: the error that ArchGym reports for its proxy
PUBLISHED = 0.0061
COLOURS = (BLUE, ORANGE, GREEN, RED, "#6b46c1", "#0987a0", "#975a16", "#97266d")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Scale:
    """How much a study does: ``share`` of the designs, and ``seeds`` repetitions."""

    share: float
    seeds: int

    @classmethod
    def full(cls) -> Scale:
        return cls(1.0, 3)

    @classmethod
    def small(cls) -> Scale:
        """Seconds instead of minutes, to see that it works; its numbers prove nothing."""
        return cls(0.04, 1)

    def of(self, count: int) -> int:
        """The scaled number of designs, at least 60."""
        return max(60, round(count * self.share))


@dataclass(frozen=True)
class Outcome:
    """Attributes: rows of the table, sentences that sum it up, and ``draw`` that saves the picture as ``stem.png/.svg``."""

    name: str
    rows: Sequence[Mapping[str, Any]]
    findings: Sequence[str]
    draw: Callable[[Path], list[Path]] = field(repr=False)

    def save(self, directory: Path) -> list[Path]:
        """Write ``NAME.csv``, ``NAME.json`` and the picture."""
        directory.mkdir(parents=True, exist_ok=True)
        table, summary = directory / f"{self.name}.csv", directory / f"{self.name}.json"
        columns = list(dict.fromkeys(column for row in self.rows for column in row))
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        content = {"study": self.name, "findings": list(self.findings), "rows": list(self.rows)}
        summary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")
        return [table, summary, *self.draw(directory / self.name)]


def truth(id: str, workload: str | None = None, objective: str | None = None) -> Problem:
    """A problem whose true results are looked up where every design has been tabulated, to the same last bit."""
    from archgym.simulators.table import find_table

    own = make_problem(id, workload, objective)
    table = find_table(own.simulator, own.workload)
    return own if table is None else make_problem(id, own.workload, objective, table)


def draw_designs(problem: Problem, count: int, seed: int, judging: bool = False) -> Any:
    """Different uniformly drawn designs, at most ``count``: held-out ones to judge by, or the others to learn from."""
    rng = np.random.default_rng([seed, 29 + judging])
    drawn = problem.space.sample(rng, int(count * (6.5 if judging else 1.6)) + 200)
    drawn = drawn[held_out(drawn) == judging]
    _, first = np.unique(design_hash(drawn), return_index=True)
    return drawn[np.sort(first)][:count]


def simulated(problem: Problem, targets: Sequence[str], count: int, seed: int, judging: bool = False) -> Samples:
    """Feasible ones of so many different designs, with their true metrics."""
    found = simulate(problem, targets, draw_designs(problem, count, seed, judging))
    return found.take(found.feasible)


def fit(problem: Problem, samples: Samples, target: int, seed: int = 0, candidate: Candidate = GAUSSIAN) -> TargetModel:
    """A model of one target without calibration."""
    table = table_of(problem, samples, target)
    return fit_target(candidate, table, seed, 1, wants_logarithm(table.target))


def table_of(problem: Problem, samples: Samples, target: int) -> Table:
    return make_table(samples, problem_manifest(problem), target)


@dataclass(frozen=True)
class Judged:
    """How many designs, and their relative RMSE (NaN if there are none)."""

    designs: int
    relative_rmse: float


def new_and_recalled(problem: Problem, model: TargetModel, judges: Samples, target: int) -> tuple[Judged, Judged]:
    """The error of designs that the model has to predict, and of those whose canonical form a training row has.

    Both are relative to the mean of all judges, so that they compare.
    """
    known, _ = model.memory.recall(model.structure.canonical(judges.designs))
    true = judges.targets[:, target]
    square = (predict(model, table_of(problem, judges, target)) - true) ** 2
    size = float(np.mean(np.abs(true)))

    def part(chosen: Any) -> Judged:
        count = int(chosen.sum())
        return Judged(count, float(np.sqrt(np.mean(square[chosen]))) / size if count else float("nan"))

    return part(~known), part(known)


def percent(value: float) -> str:
    return f"{100 * value:.2g} %"
