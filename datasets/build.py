"""Build the shipped datasets anew from their recipes, or check that building gives the same files.

    python datasets/build.py                  build those that are missing
    python datasets/build.py --force NAME     build NAME anew
    python datasets/build.py --check          build all in a temporary place and compare every file
    python datasets/build.py --verify         simulate every row again and demand equal numbers

Where every design of a space has been tabulated, results are looked up: they are the simulator's to the last bit,
as `--verify` shows, which always simulates.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from archgym import make_problem
from archgym.dataset import Dataset, build_dataset, open_dataset, verify_dataset
from archgym.problem import Problem
from archgym.rollout import run_search
from archgym.simulators.table import find_table

HERE = Path(__file__).parent
RECIPES: dict[str, dict[str, Any]] = json.loads((HERE / "recipes.json").read_text(encoding="utf-8"))
LICENCE = "Apache-2.0"


def tabulated(problem: str, workload: str, objective: str) -> Problem:
    """The problem, its results looked up where they are tabulated."""
    own = make_problem(problem, workload, objective)
    table = find_table(own.simulator, own.workload)
    return own if table is None else make_problem(problem, workload, objective, table)


def build(name: str, directory: Path) -> Dataset:
    """Search as the recipe says, and gather the logs."""
    recipe = RECIPES[name]
    with tempfile.TemporaryDirectory() as logs:
        for workload in recipe["workloads"]:
            problem = tabulated(recipe["problem"], workload, recipe["objective"])
            for agent in recipe["agents"]:
                for seed in recipe["seeds"]:
                    run_search(problem, agent, recipe["budget"], seed, directory=logs)
        return build_dataset(
            [logs],
            directory,
            name=name,
            description=recipe["description"],
            licence=LICENCE,
            published=recipe["published"],
        )


def files(directory: Path) -> dict[str, bytes]:
    """Every file of a dataset, by its place in it."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


def check(name: str) -> bool:
    """Whether building gives the shipped files again."""
    with tempfile.TemporaryDirectory() as place:
        made = build(name, Path(place) / name)
        shipped = open_dataset(HERE / name)
        same = files(made.directory) == files(shipped.directory)
        alike = made.manifest.content == shipped.manifest.content
    told = "the same files" if same else "the same data in other files" if alike else "OTHER DATA than shipped"
    print(f"{name}: {told}")
    return alike


def verify(name: str) -> bool:
    """Whether the simulator gives every row again."""
    found = verify_dataset(open_dataset(HERE / name), None)
    print(f"{name}: {found.checked:,} of {found.rows:,} rows simulated again, {found.mismatches:,} differ")
    return found.passed


def make(name: str, force: bool) -> bool:
    """Build a dataset if it is missing, or anew."""
    if force or not (HERE / name).exists():
        with tempfile.TemporaryDirectory(dir=HERE) as place:
            made = build(name, Path(place) / name)
            shutil.rmtree(HERE / name, ignore_errors=True)
            shutil.move(made.directory, HERE / name)
        print(f"{name}: {len(made):,} rows, {made.manifest.measures['unique_designs']:,} different designs")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(RECIPES)}")
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--force", action="store_true", help="replace what is there")
    does.add_argument("--check", action="store_true", help="change nothing; fail if building gives other data")
    does.add_argument("--verify", action="store_true", help="change nothing; fail if simulating gives other numbers")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in RECIPES]
    if unknown:
        parser.error(f"no recipe {unknown[0]!r}; there are {', '.join(RECIPES)}")
    fine = True
    for name in options.names or RECIPES:
        done = check(name) if options.check else verify(name) if options.verify else make(name, options.force)
        fine = fine and done
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
