"""Behaviour digests of the built-in families, kept in tests/golden/digests.json.

``python -m tests.laws.digests`` writes those of new families and of simulators whose version was raised, says what
moved, and leaves a digest alone that moved without a new version: raise the version, or find out why it moved.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from archgym.registry import BUILT_IN, make_problem
from archgym.testing.digest import behaviour_digest, changes

FILE = Path(__file__).parents[1] / "golden" / "digests.json"
COMMAND = "python -m tests.laws.digests"


def built_in() -> list[str]:
    return sorted(family.id for module in BUILT_IN for family in importlib.import_module(module).FAMILIES)


def stored() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def fault(id: str, old: dict[str, Any] | None, new: dict[str, Any]) -> str:
    """What is wrong with a digest, in words; empty if nothing is."""
    if old is None:
        return f"{id} has no digest yet; run {COMMAND}"
    moved = changes(old, new)
    if moved and old["version"] == new["version"]:
        return f"{id} behaves differently under the same version {new['version']}: {'; '.join(moved)}"
    if old["version"] != new["version"]:
        return f"{id} has version {new['version']}, its digest is of {old['version']}; run {COMMAND}"
    return ""


def regenerate() -> int:
    digests, refused = stored(), 0
    for id in built_in():
        old, new = digests.get(id), behaviour_digest(make_problem(id))
        if old is None or old["version"] != new["version"]:
            moved = "new" if old is None else "; ".join(changes(old, new)) or "nothing but the version"
            sys.stdout.write(f"{id}: written ({moved})\n")
            digests[id] = new
        elif fault(id, old, new):
            refused += 1
            sys.stdout.write(f"left alone: {fault(id, old, new)}\n")
    kept = {id: digests[id] for id in built_in()}
    FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(regenerate())
