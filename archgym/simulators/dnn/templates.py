"""Architectures with their dataflows, as JSON files in ``templates/`` that a user can copy and edit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.dnn.architecture import Architecture
from archgym.simulators.dnn.constraints import Rule, read_freedom
from archgym.simulators.dnn.layer import Layer


@dataclass(frozen=True)
class Template:
    """An architecture and the mapping rules of its dataflow."""

    architecture: Architecture
    rules: tuple[Rule, ...]
    description: str


def template_names() -> tuple[str, ...]:
    """The templates that are shipped."""
    folder = files(__package__) / "templates"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".json")))


def load_template(name: str | Path) -> Template:
    """A shipped template by name, or a user's own by the path of its file (ending in ``.json``).

    Raises ``UnknownNameError`` for a name that is not shipped, ``ConfigError`` for a file that cannot be used.
    """
    if str(name).endswith(".json"):
        try:
            text = Path(name).read_text()
        except OSError as error:
            raise ConfigError(f"architecture file {str(name)!r}: {error}") from error
    elif str(name) in template_names():
        text = (files(__package__) / "templates" / f"{name}.json").read_text()
    else:
        raise UnknownNameError("architecture template", name, template_names())
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"architecture file {str(name)!r}: {error}") from error
    architecture = Architecture.from_json(data, Path(str(name)).stem)
    rules = tuple(data.get("constraints", ()))
    read_freedom(architecture, Layer((1,) * 8), rules)
    return Template(architecture, rules, str(data.get("description", "")))
