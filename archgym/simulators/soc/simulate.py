"""``archgym simulate soc-design``: what given SoC designs do, from JSON files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgym.errors import DesignError

if TYPE_CHECKING:
    from archgym.simulators.soc.result import Result
    from archgym.simulators.soc.taskgraph import TaskGraph


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE.json",
        help="a design, a list of designs, or an object with 'designs'; a design has workload, blocks, edges, "
        "task_to_pe, data_to_mem and kernel_order",
    )
    parser.add_argument("--workload", help="run this workload (name or file) instead of the ones the designs name")
    parser.add_argument(
        "--fidelity",
        default="physical",
        choices=("physical", "farsi"),
        help="farsi reproduces that tool's quirks (default: physical; `archgym show SoCEnv-v0 --assumptions`)",
    )
    parser.add_argument("--json", action="store_true", help="write JSON: an object, or a list for several designs")
    parser.add_argument("--out", metavar="FILE", help="write to FILE instead of the terminal")
    parser.add_argument("--picture", metavar="FILE", help="draw the first design: SoC, schedule and budgets")


def read_documents(path: str) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Label, design and the file's own workload definition (or nothing), for each design of a file.

    Raises:
        DesignError: if the file cannot be read or holds no designs.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DesignError(f"design file {path!r} cannot be read as JSON: {error}") from error
    own: Mapping[str, Any] = {}
    if isinstance(content, Mapping) and "blocks" not in content:
        given = content.get("workload")
        own = given if isinstance(given, Mapping) else {}
        content = content.get("designs", {k: v for k, v in content.items() if isinstance(v, Mapping) and "blocks" in v})
    if isinstance(content, Mapping) and "blocks" in content:
        found: list[tuple[str, Any]] = [(Path(path).stem, content)]
    elif isinstance(content, Mapping):
        found = list(content.items())
    elif isinstance(content, list):
        found = [(f"{Path(path).stem}[{number}]", design) for number, design in enumerate(content)]
    else:
        found = []
    if not found:
        raise DesignError(f"design file {path!r}: a design, a list of designs or an object with 'designs' is expected")
    for label, design in found:
        if not isinstance(design, Mapping):
            raise DesignError(f"{path}: design {label} must be a JSON object, not {type(design).__name__}")
        yield str(design.get("id", label)), design, own


def workload_of(design: Mapping[str, Any], own: Mapping[str, Any], chosen: str | None, label: str) -> TaskGraph:
    """The task graph a design is for: the chosen one, its file's own, or the one it names."""
    from archgym.simulators.soc.taskgraph import read_graph
    from archgym.simulators.soc.workloads import SOURCE

    named = chosen if chosen is not None else design.get("workload", own.get("workload"))
    if isinstance(named, Mapping):
        return read_graph(named, f"{label}: workload")
    if chosen is None and own and named == own.get("workload"):
        return read_graph(own, f"{label}: workload")
    if isinstance(named, list):
        named = "+".join(map(str, named))
    if not isinstance(named, str):
        raise DesignError(f"{label}: 'workload' must name a workload, not {named!r}; or give --workload")
    graph: TaskGraph = SOURCE.load(named).data
    return graph


def simulate_files(files: list[str], workload: str | None, fidelity: str) -> list[tuple[str, Result]]:
    """Label and result of every design in the files, in order."""
    from archgym.simulators.soc.design import Design, read_design
    from archgym.simulators.soc.library import Library
    from archgym.simulators.soc.result import simulate_designs

    labels: list[str] = []
    designs: list[Design] = []
    libraries: dict[str, tuple[TaskGraph, Library]] = {}
    for path in files:
        for label, document, own in read_documents(path):
            graph = workload_of(document, own, workload, label)
            if graph.name not in libraries or libraries[graph.name][0] != graph:
                libraries[graph.name] = (graph, Library(graph))
            graph, library = libraries[graph.name]
            labels.append(label)
            designs.append(read_design(document, graph, library, label))
    results: dict[int, Result] = {}
    while len(results) < len(designs):
        first = next(number for number in range(len(designs)) if number not in results)
        same = [n for n, design in enumerate(designs) if n not in results and design.graph == designs[first].graph]
        results.update(zip(same, simulate_designs([designs[n] for n in same], fidelity), strict=True))
    return [(label, results[number]) for number, label in enumerate(labels)]


def table(label: str, result: Result) -> str:
    """One design for a terminal."""
    from archgym.simulators.soc.simulator import budget_limits
    from archgym.simulators.soc.text import budgets

    lines = [f"{label} ({result.design.graph.name}, {result.fidelity})"]
    if not result.feasible:
        return "\n".join([*lines, f"  infeasible: {result.reason}"])
    lines.append(
        f"  latency {1e3 * result.latency_s:.6g} ms   power {1e3 * result.power_W:.6g} mW   "
        f"energy {1e3 * result.energy_J:.6g} mJ   area {1e6 * result.on_chip_area_m2:.6g} mm² "
        f"+ DRAM {1e6 * result.total['dram_area_m2']:.6g} mm²   development cost {result.total['development_cost']:.6g}"
    )
    head = f"  {'task':<28} {'runs on':<14} {'start ms':>11} {'end ms':>11} {'energy uJ':>11}  limited by"
    lines += [head, "  " + "-" * (len(head) + 8)]
    slots = dict(zip(result.tasks, result.design.pe, strict=True))
    for task, values in sorted(result.tasks.items(), key=lambda item: item[1]["start_s"]):
        lines.append(
            f"  {task:<28} {result.design.names[slots[task]]:<14} {1e3 * values['start_s']:>11.5g} "
            f"{1e3 * values['end_s']:>11.5g} {1e6 * values['energy_J']:>11.4g}  {values['limiting_block']}"
        )
    limits = budget_limits(result.design.graph)
    return "\n".join([*lines, *(budgets(result, limits) if limits else ())])


def run(args: argparse.Namespace) -> int:
    """Simulate the designs and write what they do; infeasible designs are results with a reason."""
    found = simulate_files(args.files, args.workload, args.fidelity)
    if args.json:
        documents = [{"id": label, **result.to_json()} for label, result in found]
        text = json.dumps(documents[0] if len(documents) == 1 else documents, indent=1)
    else:
        text = "\n\n".join(table(label, result) for label, result in found)
    if args.out:
        Path(args.out).write_text(text + "\n", encoding="utf-8")
    else:
        sys.stdout.write(text + "\n")
    if args.picture:
        from archgym.simulators.soc.render import draw

        draw(found[0][1], args.picture)
    return 0
