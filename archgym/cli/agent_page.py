"""What ``archgym show`` prints of an agent: its idea, when to use it, and its hyperparameters."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

from archgym.agents import agent_class
from archgym.agents.base import Agent
from archgym.cli.output import table


def show_agent(name: str, as_json: bool) -> None:
    """Print one agent's page.

    Raises:
        MissingExtraError: if it needs an extra that is not installed.
    """
    agent = agent_class(name)
    fields = [_field(field) for field in dataclasses.fields(agent.Hyperparameters)]
    if as_json:
        page: dict[str, Any] = {
            "name": name,
            "summary": agent.summary,
            "use_when": agent.use_when,
            "source": source(agent),
        }
        page["hyperparameters"] = fields
        print(json.dumps(page, indent=1))
        return
    print(f"{name}: {agent.summary}")
    if agent.use_when:
        print(f"Use it when {agent.use_when}")
    if source(agent):
        print(f"Source: {source(agent)}")
    print()
    table(
        "Hyperparameters (archgym search ID --agent " + name + " --set NAME=VALUE)",
        ["name", "default", "allowed", "what"],
        [[field["name"], field["default"], field["allowed"], field["help"]] for field in fields],
    )


def source(agent: type[Agent]) -> str:
    """Where the agent's idea comes from: the paragraph of its docstring that begins with "Source:"."""
    for paragraph in inspect.cleandoc(agent.__doc__ or "").split("\n\n"):
        _, found, text = paragraph.partition("Source: ")
        if found:
            return " ".join(text.split())
    return ""


def _field(field: dataclasses.Field[Any]) -> dict[str, Any]:
    low, high, choices = (field.metadata.get(key) for key in ("low", "high", "choices"))
    if choices:
        allowed = ", ".join(map(str, choices))
    elif low is None and high is None:
        allowed = type(field.default).__name__
    else:
        allowed = f"{'any' if low is None else low} to {'any' if high is None else high}"
    return {
        "name": field.name,
        "default": field.default,
        "allowed": allowed,
        "help": field.metadata.get("help", ""),
    }
