"""``archgym search ID``: find a good design within a budget of simulations."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym import families, make_problem
from archgym.agents import agent_names
from archgym.cli.output import name_values, number, progress_bar, quantity, table
from archgym.errors import MissingExtraError
from archgym.problem import Evaluation, Problem
from archgym.rollout import RunSpec, make_spec, run_path, run_search
from archgym.runlog import Run, partial_path

HELP = "search a problem for a good design"
EPILOG = """\
example:
  archgym search DRAMEnv-v0 --workload cloud-1 --objective low_latency --agent ga --budget 500 --seed 0 --out runs

Every evaluation is logged to one file in --out, named by the content of the command. Ctrl-C keeps what was
computed; the same command goes on from there, and is instant once the run is complete.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help=f"a problem: {', '.join(families())}")
    parser.add_argument("--workload", help="a shipped workload (see `archgym show ID`), or a file")
    parser.add_argument("--objective", help="what to search for (see `archgym show ID`)")
    parser.add_argument("--agent", default="ga", help=f"search agent (default: ga): {', '.join(agent_names())}")
    parser.add_argument("--budget", type=int, default=500, help="simulations to spend (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same run (default: 0)")
    parser.add_argument(
        "--batch", type=int, default=None, help="designs asked for at a time (default: the agent's own)"
    )
    parser.add_argument(
        "--ahead",
        type=int,
        default=0,
        metavar="N",
        help="for slow simulators: keep N designs in flight instead of waiting for whole batches",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set one of the agent's hyperparameters (see `archgym show AGENT`); repeatable",
    )
    parser.add_argument(
        "--out", default="runs", metavar="DIR", help="where the run file and pictures go (default: runs)"
    )
    parser.add_argument("--no-plots", action="store_true", help="write no pictures")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    problem = make_problem(options.id, options.workload, options.objective)
    hyperparameters = name_values("--set", options.set)
    spec = make_spec(
        problem, options.agent, options.budget, options.seed, hyperparameters, options.batch, options.ahead
    )
    path = run_path(spec, options.out)
    try:
        found = _search(problem, spec, options)
    except KeyboardInterrupt:
        kept = partial_path(path)
        where = (
            f"what was computed is kept in {kept}; the same command goes on from there"
            if kept.exists()
            else "nothing was computed yet"
        )
        raise KeyboardInterrupt(where) from None
    pictures = [] if options.no_plots else _pictures(found, problem, path)
    if options.json:
        print(json.dumps(_summary(found, problem, path, pictures), indent=1))
        return 0
    _report(found, problem, path, pictures)
    return 0


def _search(problem: Problem, spec: RunSpec, options: argparse.Namespace) -> Run:
    with progress_bar(options.quiet) as bar:
        running = f"{options.agent} on {problem.workload.name}"
        task = bar.add_task("starting (compiles once after an installation)", total=options.budget, best="-")

        def advance(used: int, best: float, evaluation: Evaluation) -> None:
            bar.update(task, description=running, completed=used, best=number(best))

        settings = (spec.agent, spec.budget, spec.seed, spec.hyperparameters, spec.batch_size)
        return run_search(problem, *settings, options.out, advance, spec.ahead)


def _pictures(found: Run, problem: Problem, path: Path) -> list[str]:
    from archgym.report.search import save_figures

    try:
        return [str(picture) for picture in save_figures(found, problem, path.with_suffix(""))]
    except MissingExtraError as error:
        print(f"archgym search: {error}", file=sys.stderr)
        return []


def _comparison(found: Run, problem: Problem) -> list[list[object]]:
    """Rows (metric, default design, best design, change) for metrics with a direction or that are totals."""
    best = found.metrics.row(found.best)
    rows: list[list[object]] = []
    for metric in problem.metrics:
        if metric.direction == "none":
            continue
        before, after = problem.reference[metric.name], best[metric.name]
        change = f"{100 * (after / before - 1):+.1f} %" if before else ""
        rows.append([metric.name, quantity(before, metric.unit), quantity(after, metric.unit), change])
    return rows


def _report(found: Run, problem: Problem, path: Path, pictures: list[str]) -> None:
    best, default = problem.space.row(found.designs[found.best]), problem.space.row(problem.space.default)
    feasible = int(found.metrics.feasible.sum())
    print(
        f"{problem.id} on {problem.workload.name}, objective {problem.objective_name}: best reward "
        f"{found.reward[found.best]:.4f} at evaluation {found.best + 1} of {len(found)} ({feasible} feasible)"
    )
    changed = {name: value for name, value in best.items() if value != default[name]}
    idle = _without_effect(problem, found.designs[found.best], list(changed))
    shown = best if len(best) <= 20 else changed
    title = "Best design" if shown is best else f"Best design: {len(changed)} of {len(best)} parameters changed"
    marks = {name: "no effect here" if name in idle else "changed" for name in changed}
    helps = {name: problem.space[name].help for name, mark in marks.items() if mark == "changed"}
    table(
        title,
        ["parameter", "best", "default", "", "what"],
        [[name, value, default[name], marks.get(name, ""), helps.get(name, "")] for name, value in shown.items()],
    )
    table("Compared with the default design", ["metric", "default", "best", "change"], _comparison(found, problem))
    print(f"run file: {path}")
    for picture in pictures:
        print(f"picture:  {picture}")


def _without_effect(problem: Problem, design: NDArray[np.int64], changed: list[str]) -> set[str]:
    """Those changed parameters that the simulator says cannot matter beside the others' values."""
    alike = getattr(problem.simulator, "representatives", None)
    if alike is None or not changed:
        return set()
    columns = [problem.space.names.index(name) for name in changed]
    undone = np.repeat(design[None], len(changed), axis=0)
    undone[np.arange(len(changed)), columns] = problem.space.default[columns]
    equal = (alike(undone, problem.workload) == alike(design[None], problem.workload)).all(axis=1)
    return {name for name, same in zip(changed, equal, strict=True) if same}


def _summary(found: Run, problem: Problem, path: Path, pictures: list[str]) -> dict[str, Any]:
    row = found.best
    return {
        "run_file": str(path),
        "pictures": pictures,
        "evaluations": len(found),
        "best_evaluation": row + 1,
        "reward": float(found.reward[row]),
        "feasible": bool(found.metrics.feasible[row]),
        "design": problem.space.row(found.designs[row]),
        "metrics": found.metrics.row(row),
        "default_metrics": dict(problem.reference),
    }
