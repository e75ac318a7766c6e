"""``archgym show ID``: everything about one problem, or about one agent."""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from typing import Any

from archgym import families, make_problem
from archgym.agents import agent_names
from archgym.cli.agent_page import show_agent
from archgym.cli.output import name_values, quantity, save_pixels, table
from archgym.problem import Problem
from archgym.registry import Family, family

HELP = "show a problem (parameters, metrics, objectives, workload, assumptions) or an agent (hyperparameters)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id", metavar="ID", help=f"a problem ({', '.join(families())}) or an agent (see `archgym list`)"
    )
    parser.add_argument("--workload", help="a shipped workload, or a file")
    parser.add_argument(
        "--assumptions", action="store_true", help="print the full page on what is modelled and how well"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    design = parser.add_argument_group("one design instead, the default one unless changed")
    design.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the design (repeat)"
    )
    design.add_argument("--result", action="store_true", help="print the design and what it does on the workload")
    design.add_argument("--picture", metavar="FILE.png", help="draw the design and what it does on the workload")


def run(options: argparse.Namespace) -> int:
    if options.id in agent_names():
        show_agent(options.id, options.json)
        return 0
    chosen = family(options.id)
    if options.assumptions:
        print(assumptions(chosen))
        return 0
    problem = make_problem(options.id, options.workload)
    if options.json:
        print(json.dumps(_description(chosen, problem), indent=1))
        return 0
    if options.result or options.picture or options.set:
        _show_design(problem, options)
        return 0
    space = problem.space
    print(f"{chosen.id}: {chosen.summary}\n")
    rows = [
        [r["parameter"], r["kind"], r["levels"], r["default"], r["unit"], r["group"], r["help"]] for r in space.table()
    ]
    table(
        f"{len(space)} parameters, {size_text(space.size)} designs",
        ["parameter", "kind", "levels", "default", "unit", "group", "what"],
        rows,
    )
    table(
        f"Metrics, with the default design's value on {problem.workload.name!r}",
        ["metric", "default", "better", "what"],
        [[m.name, quantity(problem.reference[m.name], m.unit), _better(m.direction), m.help] for m in problem.metrics],
    )
    hardware = getattr(problem.simulator, "hardware", None)
    if hardware is not None:
        table(*hardware(space.default))
    table(
        "Objectives (rewards: bounded, higher is better)",
        ["objective", "what"],
        [
            [name + (" (default)" if name == chosen.objective else ""), recipe.help]
            for name, recipe in chosen.objectives.items()
        ],
    )
    table(
        f"Workload {problem.workload.name!r}",
        ["fact", "value"],
        [[key, value] for key, value in problem.workload.facts.items()],
    )
    print(f"Workloads: {', '.join(chosen.source().names())}")
    forms = getattr(chosen.source(), "forms", "")
    if forms:
        print(f"or {forms}")
    if chosen.assumptions:
        print(f"What is modelled and how well: archgym show {chosen.id} --assumptions")
    print(f"What one design does: archgym show {chosen.id} --set NAME=VALUE --result --picture FILE.png")
    return 0


def _show_design(problem: Problem, options: argparse.Namespace) -> None:
    """One design as text, as a picture, or both."""
    from archgym.envs.observation import Observer
    from archgym.envs.render import render

    observer = Observer(problem)
    evaluation = problem.evaluate(problem.space.encode(name_values("--set", options.set)))
    if options.result or not options.picture:
        print(render("ansi", observer, evaluation), end="")
    if options.picture:
        pixels = render("rgb_array", observer, evaluation)
        save_pixels(pixels, options.picture)
        print(f"picture: {options.picture}")


def assumptions(chosen: Family) -> str:
    """The family's page on what its simulator does and does not model."""
    package, _, name = chosen.assumptions.partition("/")
    return files(package).joinpath(name).read_text(encoding="utf-8") if name else "no page"


def size_text(size: int) -> str:
    """A number of designs: exact while a person can read it."""
    return f"{size:,}" if size < 10**12 else f"{float(size):.3g}"


def _better(direction: str) -> str:
    return {"min": "lower", "max": "higher"}.get(direction, "")


def _description(chosen: Family, problem: Problem) -> dict[str, Any]:
    return {
        "id": chosen.id,
        "summary": chosen.summary,
        "simulator": {"name": problem.simulator.name, "version": problem.simulator.version},
        "space": problem.space.to_json(),
        "size": problem.space.size,
        "space_fingerprint": problem.space.fingerprint,
        "metrics": [
            {"name": m.name, "unit": m.unit, "direction": m.direction, "help": m.help} for m in problem.metrics
        ],
        "objectives": {name: recipe.help for name, recipe in chosen.objectives.items()},
        "workload": {
            "name": problem.workload.name,
            "fingerprint": problem.workload.fingerprint,
            "facts": dict(problem.workload.facts),
        },
        "workloads": list(chosen.source().names()),
    }
