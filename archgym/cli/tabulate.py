"""``archgym tabulate ID``: simulate every design of a small space once, for exact optima and fast studies."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from archgym import families, make_problem
from archgym.cli.output import progress_bar, table
from archgym.errors import ConfigError

HELP = "simulate every design of a small space: exact optimum, percentile of every design, instant look-up"
EPILOG = """\
example:
  archgym tabulate DRAMEnv-v0 --workload stream --workload random

Stop it at any time; the same command goes on from there. A table that exists is verified instead of built:
its checksum, and random designs simulated again. --rebuild builds it anew.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help=f"a problem: {', '.join(families())}")
    parser.add_argument(
        "--workload", action="append", default=[], help="a workload; repeatable (default: the problem's own)"
    )
    parser.add_argument("--out", metavar="DIR", help="where to (default: the folder where tables are looked for)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time (default: 1, with threads inside)")
    parser.add_argument("--check", type=int, default=256, metavar="N", help="designs simulated again (default: 256)")
    parser.add_argument("--rebuild", action="store_true", help="build tables that exist anew")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    for name, least in (("jobs", 1), ("check", 0)):
        if getattr(options, name) < least:
            raise ConfigError(f"--{name}: {getattr(options, name)} is not allowed; allowed: whole numbers from {least}")
    rows = [_one(options, workload) for workload in options.workload or [None]]
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    columns = ["workload", "designs", "different", "feasible", "bytes", "seconds", "what"]
    table(f"Tables of {options.id}", columns, [[row[column] for column in columns] for row in rows])
    optima = [[row["workload"], name, *values.values()] for row in rows for name, values in row["optima"].items()]
    table(
        "Exact optima", ["workload", "objective", "reward", "optimal designs", "average design", "one of them"], optima
    )
    for row in rows:
        print(f"table: {row['path']}")
    return 0


def _one(options: argparse.Namespace, workload: str | None) -> dict[str, Any]:
    from archgym.simulators.table import cache_folder, differing, find_table, table_path
    from archgym.study.tabulate import tabulate

    problem = make_problem(options.id, workload)
    began = time.perf_counter()
    found = None if options.rebuild or options.out else find_table(problem.simulator, problem.workload)
    if found is None:
        folder = Path(options.out) if options.out else cache_folder()
        with progress_bar(options.quiet) as bar:
            task = bar.add_task(f"{problem.workload.name}", total=None, best="-")

            def advance(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            path, found = tabulate(options.id, workload, folder, options.jobs, options.check, advance)
        what = "built"
    else:
        path = table_path(problem.simulator, problem.workload) or Path()
        wrong = differing(found, problem.simulator, problem.workload, options.check)
        what = "verified" if not len(wrong) else f"WRONG: {len(wrong)} of {options.check} designs differ; use --rebuild"
    return {
        "workload": problem.workload.name,
        "designs": problem.space.size,
        "different": len(found.results),
        "feasible": int(found.feasible[found.index].sum()),
        "bytes": path.stat().st_size,
        "seconds": round(time.perf_counter() - began, 1),
        "what": what,
        "path": str(path),
        "optima": _optima(options.id, problem.workload.name if workload is None else workload, found),
    }


def _optima(id: str, workload: str, found: Any) -> dict[str, dict[str, Any]]:
    from archgym.registry import family

    optima = {}
    for objective in family(id).objectives:
        problem = make_problem(id, workload, objective, found)
        standing = found.standing(problem.objective)
        design = problem.space.row(standing.best_designs(1)[0])
        optima[objective] = {
            "reward": standing.optimum,
            "designs": standing.best_count,
            "average": standing.mean,
            "design": ", ".join(f"{name}={value}" for name, value in design.items()),
        }
    return optima
