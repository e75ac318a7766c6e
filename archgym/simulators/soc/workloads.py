"""Workloads of the SoC simulators: shipped task graphs, a user's own files, synthetic graphs, and several at once."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.soc import generators
from archgym.simulators.soc.taskgraph import COMPUTE, TaskGraph, merge, read_graph
from archgym.workload import Workload, content_fingerprint

FOLDER = Path(__file__).parent / "data" / "workloads"


class SoCWorkloads:
    """Where SoC workloads come from. A workload's ``data`` is a `TaskGraph`."""

    forms = (
        "a JSON file; synthetic:chain, fanout, audio or edge, such as synthetic:audio?tasks=100&seed=1; several joined by + "
        "share one SoC"
    )

    def names(self) -> tuple[str, ...]:
        """The shipped workloads, in alphabetic order."""
        return tuple(sorted(file.stem for file in FOLDER.glob("*.json")))

    def load(self, name: str | os.PathLike[str]) -> Workload:
        """A workload by name, by path, or by a generator's text.

        Args:
            name: one of

                - a shipped name, such as ``audio_decoder``;
                - the path of a JSON file (``data/workload.schema.json`` describes it);
                - a generator, such as ``synthetic:chain?tasks=100&seed=1``;
                - several of these joined by ``+``: the applications share one SoC.

        Raises:
            UnknownNameError: for an unknown name, generator or knob.
            WorkloadError: if a file cannot be read, or the graph is not one.
        """
        text = os.fspath(name)
        if "+" in text and not Path(text).is_file():
            return graph_workload(merge([load_graph(part) for part in text.split("+")]))
        return graph_workload(load_graph(text))


SOURCE = SoCWorkloads()


def load_graph(text: str) -> TaskGraph:
    """One application's task graph, see `SoCWorkloads.load`."""
    if text.startswith(generators.PREFIX):
        return generators.parse(text)
    if text in SOURCE.names():
        return _shipped(text)
    path = Path(text)
    if path.suffix == ".json" or path.is_file():
        return read_graph(read_json(path), str(path))
    raise UnknownNameError("workload", text, SOURCE.names())


@lru_cache(maxsize=32)
def _shipped(name: str) -> TaskGraph:
    return read_graph(read_json(FOLDER / f"{name}.json"), name)


def read_json(path: Path) -> Any:
    """A parsed JSON file.

    Raises:
        WorkloadError: if it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise WorkloadError(f"file {str(path)!r} cannot be read as JSON: {error}") from error


def graph_workload(graph: TaskGraph) -> Workload:
    """A task graph as a workload."""
    content = dataclasses.asdict(graph)
    facts, features = describe(graph)
    return Workload("soc", graph.name, content_fingerprint(json.dumps(content, sort_keys=True)), graph, facts, features)


def describe(graph: TaskGraph) -> tuple[dict[str, bool | int | float | str], dict[str, float]]:
    """Facts for people and numbers for models: size, work, data, longest chain, widest level."""
    level = levels(graph)
    work = [task.work for task in graph.tasks if task.work > 0]
    size = [bytes for _, _, bytes in graph.edges]
    heights = [level[number] for number in range(len(graph)) if graph.role(number) == COMPUTE]
    width = max(heights.count(height) for height in set(heights))
    facts: dict[str, bool | int | float | str] = {
        "applications": len(graph.last),
        "tasks": len(graph),
        "tasks with work": len(work),
        "edges": len(graph.edges),
        "work, instructions": round(sum(work)),
        "data, bytes": round(sum(size)),
        "longest chain of tasks with work": len(set(heights)),
        "most tasks at one depth": width,
        "accelerators": sum(len(task.accelerators) for task in graph.tasks),
    }
    facts |= _budget_facts(graph.budgets)
    features = {
        "applications": float(len(graph.last)),
        "tasks": float(len(work)),
        "edges": float(len(graph.edges)),
        "log10_work": math.log10(sum(work)),
        "log10_data": math.log10(1 + sum(size)),
        "largest_work_share": max(work) / sum(work),
        "depth": float(len(set(heights))),
        "width": float(width),
    }
    return facts, features


def _budget_facts(budgets: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    return {
        f"budget of {name}": f"{1e3 * b.latency_s:g} ms, {1e3 * b.power_W:g} mW, {1e6 * b.area_m2:g} mm²"
        for name, b in budgets.items()
    }


def levels(graph: TaskGraph) -> list[int]:
    """Depth of each task: the number of edges on the longest way to it."""
    level = [0] * len(graph)
    waiting = [len(graph.parents[number]) for number in range(len(graph))]
    ready = [number for number in range(len(graph)) if waiting[number] == 0]
    for number in ready:
        for child in graph.children[number]:
            level[child] = max(level[child], level[number] + 1)
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    return level
