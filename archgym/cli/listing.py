"""``archgym list``: the problems, workloads, objectives and agents there are."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from archgym import families
from archgym.agents import agent_class, agent_names
from archgym.cli.output import table
from archgym.errors import MissingExtraError

HELP = "list the problems, their workloads and objectives, and the agents"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    problems = [
        {
            "id": family.id,
            "summary": family.summary,
            "workloads": list(family.source().names()),
            "objectives": list(family.objectives),
        }
        for family in families().values()
    ]
    agents = [{"name": name, "summary": _summary(name)} for name in agent_names()]
    if options.json:
        print(json.dumps({"problems": problems, "agents": agents}, indent=1))
        return 0
    table(
        "Problems",
        ["id", "what", "workloads", "objectives"],
        [[p["id"], p["summary"], _few(p["workloads"]), ", ".join(p["objectives"])] for p in problems],
    )
    table("Agents", ["name", "idea"], [[a["name"], a["summary"]] for a in agents])
    print("Details: archgym show ID, archgym show AGENT")
    return 0


def _summary(name: str) -> str:
    try:
        return agent_class(name).summary
    except MissingExtraError as error:
        return f"not installed: {error}"


def _few(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)})" if len(names) > most else "")
