"""What each parameter of ``DRAMFullEnv-v0`` does: the table of the assumptions page.

python -m benchmarks.dram_sensitivity [--write]

Each parameter is set to each of its levels, the others staying as in a base design; the table shows the largest relative
change of a metric that an objective reads, over all workloads and bases below, and where it was found.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from archgym import Problem, make_problem
from archgym.simulators.dram import OBJECTIVES
from benchmarks.pages import write_between

WORKLOADS = {
    "default": None,
    "bursts": "synthetic:bursty?requests=10000&write_fraction=0.4&idle=3000&burst=256",
    "streams": "synthetic:streams?requests=10000",
    "random": "synthetic:random?requests=10000&write_fraction=0.5",
    "hotspot": "synthetic:hotspot?requests=10000&write_fraction=0.4",
    "sparse": "synthetic:sparse?requests=10000",
    "jpeg": "mediabench-jpegdecode_32?requests=20000",
}
BASES: dict[str, dict[str, object]] = {
    "default": {},
    "queued": {"Arbiter": "Reorder", "MaxActiveTransactions": 64, "SchedulerBuffer": "Shared", "RequestBufferSize": 32},
    "watermarks": {
        "Arbiter": "Fifo",
        "Scheduler": "GrpFrFcfsWm",
        "HighWatermark": 16,
        "LowWatermark": 4,
        "SchedulerBuffer": "ReadWrite",
        "RequestBufferSize": 32,
        "PowerDownPolicy": "Staggered",
    },
}
METRICS = tuple(dict.fromkeys(name for recipe in OBJECTIVES.values() for name in recipe.metrics))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Change:
    """The relative change of one metric when one parameter leaves a base design."""

    parameter: str
    size: float
    metric: str
    levels: str
    base: str
    workload: str


def changes(problem: Problem, workload: str, base: str) -> Iterator[Change]:
    """All one-at-a-time changes from one base design."""
    space = problem.space
    start = space.encode({**space.row(space.default), **BASES[base]})[0]
    rows, owners = [start], [""]
    for column, parameter in enumerate(space.parameters):
        for level in range(len(parameter.levels)):
            if level != start[column]:
                row = start.copy()
                row[column] = level
                rows.append(row)
                owners.append(parameter.name)
    metrics = problem.simulator(np.array(rows), problem.workload)
    for number, owner in enumerate(owners[1:], start=1):
        column = space.names.index(owner)
        levels = space.parameters[column].levels
        for name in METRICS:
            before, after = metrics[name][0], metrics[name][number]
            if metrics.feasible[number]:
                words = f"{levels[start[column]]} to {levels[rows[number][column]]}"
                yield Change(owner, float(after / before - 1), name, words, base, workload)


Largest = dict[tuple[str, bool], Change]


def largest() -> Largest:
    """The largest change of each parameter, over all bases (False) and from the default design alone (True)."""
    found: Largest = {}
    for workload, text in WORKLOADS.items():
        problem = make_problem("DRAMFullEnv-v0", text)
        for base in BASES:
            for change in changes(problem, workload, base):
                for only_default in {False, base == "default"}:
                    best = found.get((change.parameter, only_default))
                    if best is None or abs(change.size) > abs(best.size):
                        found[change.parameter, only_default] = change
    return found


def table(found: Largest) -> str:
    """The page's table and how many parameters matter."""
    names = make_problem("DRAMFullEnv-v0").space.names
    lines = [
        "| parameter | from the default design | from any base | of | from, to | base | workload |",
        "| --- | ---: | ---: | --- | --- | --- | --- |",
    ]
    for name in names:
        default, change = found[name, True], found[name, False]
        lines.append(
            f"| {name} | {_percent(default)} | {_percent(change)} | `{change.metric}` | {change.levels} | {change.base} | "
            f"{change.workload} |"
        )
    moving = [sum(abs(found[name, only].size) > 0.01 for name in names) for only in (False, True)]
    lines += [
        "",
        f"{moving[0]} of {len(names)} parameters move a metric by more than 1 % somewhere, {moving[1]} of them when changed "
        "alone from the default design.",
    ]
    return "\n".join(lines)


def _percent(change: Change) -> str:
    return f"{100 * change.size:+,.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into the assumptions page")
    options = parser.parse_args()
    text = table(largest())
    print(text)
    if options.write:
        write_between("sensitivity", text)


if __name__ == "__main__":
    main()
