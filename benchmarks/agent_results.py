"""What the runs of `benchmarks.agents` found, as a small table: kept in a file, read, and summed up."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archgym.statistics import Interval, bootstrap, probability_of_improvement
from benchmarks.agents import CONTESTANTS, problem

Floats = NDArray[np.float64]
FILE = Path(__file__).parent / "results" / "agents.csv"
OPTIMA = FILE.with_name("agents-optima.csv")
#: Evaluations whose best rewards are kept.
KEPT = (20, 50, 100, 200, 500, 1000, 2000)
HEAD = ("problem", "contestant", "seed", "budget", "evaluations", "ms", "wall", *map(str, KEPT))


@dataclass(frozen=True)
class Run:
    """One search: best rewards by evaluations, and what it cost."""

    problem: str
    contestant: str
    seed: int
    budget: int
    evaluations: int
    milliseconds: float
    wall: float
    best: dict[int, float]

    def at(self, budget: int) -> float:
        """The best reward within ``budget``; of a run that was cut short, what it had."""
        return self.best[max(count for count in self.best if count <= budget)]


def gather(logs: Sequence[Path], file: Path = FILE, optima: Path = OPTIMA) -> None:
    """Add the logs of runs to the tables; of a run in the table or several logs the last counts."""
    rows: dict[tuple[str, str, int, int], list[object]] = {}
    if file.exists():
        with file.open(newline="", encoding="utf-8") as stream:
            for row in list(csv.reader(stream))[1:]:
                if row[1] in CONTESTANTS:
                    rows[row[0], row[1], int(row[2]), int(row[3])] = [*row]
    for log in logs:
        for line in log.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if entry["contestant"] not in CONTESTANTS:
                continue
            best, done = entry["best"], entry["evaluations"]
            kept = {n: best.get(str(n), best[str(done)] if n > done else None) for n in KEPT if n <= entry["budget"]}
            key = (entry["problem"], entry["contestant"], entry["seed"], entry["budget"])
            cost = f"{1e3 * entry['seconds'] / done:.4g}"
            shown = ["" if n not in kept else f"{kept[n]:.8g}" for n in KEPT]
            rows[key] = [*key, done, cost, f"{entry['wall']:.3g}", *shown]
    file.parent.mkdir(exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEAD)
        writer.writerows(rows[key] for key in sorted(rows))
    runs = read_runs(file)
    with optima.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("problem", "reward", "how"))
        for name in sorted({run.problem for run in runs}):
            found = max(max(run.best.values()) for run in runs if run.problem == name)
            reward, how = _optimum(name) or (found, "best found in any run")
            writer.writerow((name, f"{reward:.10g}", how))


def read(file: Path = FILE, optima: Path = OPTIMA) -> Results:
    with optima.open(newline="", encoding="utf-8") as stream:
        known = {row["problem"]: (float(row["reward"]), row["how"]) for row in csv.DictReader(stream)}
    return Results(read_runs(file), known)


def read_runs(file: Path) -> list[Run]:
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [
        Run(
            row["problem"],
            row["contestant"],
            int(row["seed"]),
            int(row["budget"]),
            int(row["evaluations"]),
            float(row["ms"]),
            float(row["wall"]),
            {n: float(row[str(n)]) for n in KEPT if row[str(n)]},
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Results:
    """All runs, and by problem the best reward there is and how it is known."""

    runs: list[Run]
    optima: dict[str, tuple[float, str]]

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], list[Run]]:
        grouped: dict[tuple[str, str], list[Run]] = {}
        for run in self.runs:
            grouped.setdefault((run.problem, run.contestant), []).append(run)
        return grouped

    def of(self, name: str, contestant: str, budget: int) -> list[Run]:
        """The runs that say how good a contestant is at a budget, one a seed.

        One that plans for its budget must have had this one; of the others the longest run serves all budgets.
        """
        plans = CONTESTANTS[contestant][1]
        fitting = [
            run
            for run in self._by_place.get((name, contestant), [])
            if (run.budget == budget if plans else run.budget >= budget)
        ]
        return list({run.seed: run for run in sorted(fitting, key=lambda run: run.budget)}.values())

    def regrets(self, name: str, contestant: str, budget: int) -> Floats:
        best, _ = self.optima[name]
        # rewards are kept to eight digits, so a regret below that is none
        lost = np.array([best - run.at(budget) for run in self.of(name, contestant, budget)])
        return np.where(lost < 1e-6 * max(1.0, abs(best)), 0.0, lost)

    def regret(self, name: str, contestant: str, budget: int) -> Interval | None:
        """Interquartile mean over seeds with its bootstrap interval; None if it was not run."""
        values = self.regrets(name, contestant, budget)
        return bootstrap([values], repetitions=1000) if len(values) else None

    def cut(self, name: str, contestant: str, budget: int) -> int:
        """Evaluations of the shortest run, where a run was cut short; else 0."""
        done = [run.evaluations for run in self.of(name, contestant, budget)]
        return min(done) if done and min(done) < budget else 0

    def cost(self, contestant: str, names: Iterable[str]) -> float:
        """Milliseconds of the contestant alone an evaluation, over its longest runs on these problems."""
        costs = []
        for name in names:
            runs = self._by_place.get((name, contestant), [])
            longest = max((run.budget for run in runs), default=0)
            costs += [run.milliseconds for run in runs if run.budget == longest]
        return float(np.mean(costs)) if costs else float("nan")

    def scores(self, names: Sequence[str], contestant: str, budget: int) -> list[Floats] | None:
        """By problem, where runs stand from random search's median at 100 (0) to the optimum (1); None if not all."""
        strata = []
        for name in names:
            lost = self.regrets(name, contestant, budget)
            scale = float(np.median(self.regrets(name, "random", 100)))
            if not len(lost):
                return None
            strata.append(1.0 - lost / max(scale, 1e-12))
        return strata

    def against(self, name: str, contestant: str, other: str, budget: int) -> Interval | None:
        """Probability that a run has less regret than one of another contestant, ties counting half."""
        mine, theirs = self.regrets(name, contestant, budget), self.regrets(name, other, budget)
        return probability_of_improvement([-mine], [-theirs]) if len(mine) and len(theirs) else None

    def contestants(self, keep: Callable[[str], bool] = lambda kind: True) -> list[str]:
        ran = {run.contestant for run in self.runs}
        return [name for name, (kind, _, _) in CONTESTANTS.items() if name in ran and keep(kind)]


def _optimum(name: str) -> tuple[float, str] | None:
    chosen = problem(name)
    if "optimum" in chosen.workload.facts:
        return -float(chosen.workload.facts["optimum"]), "known"
    standing = getattr(chosen.simulator, "standing", None)
    return None if standing is None else (float(standing(chosen.objective).optimum), "known from all designs")
