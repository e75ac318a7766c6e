"""Seeded synthetic task graphs for scaling studies, from one task to thousands.

A generator is written as ``synthetic:<kind>?<knob>=<value>&…``; equal text gives equal graphs on every machine.
Sizes follow FARSI's generator: a memory-bound task moves 100 kB for 100 instructions, a compute-bound one
moves 100 B for 10^7; the budget is 30 ms, 20 mW and 15 mm². Accelerators are drawn like those of its real workloads.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym import arithmetic
from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.soc.taskgraph import Accelerator, Budget, Task, TaskGraph

PREFIX = "synthetic:"
BUDGET = Budget(0.030, 0.020, 15e-6)
Edges = list[tuple[int, int]]


@dataclass(frozen=True)
class Knobs:
    """What a graph is like.

    Attributes:
        tasks: number of tasks with work, from 1.
        width: how many run in parallel where the kind has parallel tasks, from 1.
        memory_bound: share of the tasks that are bound by memory, 0 to 1.
        spread: standard deviation of the logarithm of each task's work and data, from 0.
        accelerators: share of the tasks that have an accelerator, 0 to 1.
        seed: every draw follows from it.
    """

    tasks: int = 16
    width: int = 4
    memory_bound: float = 0.5
    spread: float = 0.5
    accelerators: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        bounds = {"tasks": (1, 10_000), "width": (1, 10_000), "memory_bound": (0, 1), "spread": (0, 10)}
        bounds |= {"accelerators": (0, 1), "seed": (0, 2**63)}
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            whole = isinstance(getattr(Knobs, name), float) or isinstance(value, int)
            if not isinstance(value, int | float) or isinstance(value, bool) or not whole or not low <= value <= high:
                kind = "a number" if isinstance(getattr(Knobs, name), float) else "a whole number"
                raise WorkloadError(
                    f"synthetic graph, {name}: {value!r} is not allowed; allowed: {kind} of {low} to {high}"
                )


def chain(knobs: Knobs) -> Edges:
    """One task after the other."""
    return [(task, task + 1) for task in range(knobs.tasks - 1)]


def fanout(knobs: Knobs) -> Edges:
    """A first task feeds all others but the last, which waits for them all."""
    last = knobs.tasks - 1
    middle = range(1, last)
    return [(0, task) for task in middle] + [(task, last) for task in middle] or chain(knobs)


def audio(knobs: Knobs) -> Edges:
    """Like ``audio_decoder``, repeated: a task feeds parallel ones that meet in a mixer, which feeds two channels."""
    return _stages(knobs, lambda count: _audio_stage(count, knobs.width))


def edge(knobs: Knobs) -> Edges:
    """Like ``edge_detection``, repeated: a task feeds parallel chains of two that meet in one."""
    return _stages(knobs, lambda count: _edge_stage(count, knobs.width))


KINDS: dict[str, Callable[[Knobs], Edges]] = {"chain": chain, "fanout": fanout, "audio": audio, "edge": edge}


def _stages(knobs: Knobs, shape: Callable[[int], tuple[int, Edges]]) -> Edges:
    """Stages in a row until all tasks are placed; each stage's last task feeds the next one's first."""
    edges: Edges = []
    placed = 0
    while placed < knobs.tasks:
        size, inner = shape(knobs.tasks - placed)
        edges += [(placed + start, placed + end) for start, end in inner]
        if placed:
            edges.append((placed - 1, placed))
        placed += size
    return edges


def _audio_stage(left: int, width: int) -> tuple[int, Edges]:
    """Head, ``width`` rotators, mixer, two channels of three, join: as much of it as there are tasks left."""
    if left < width + 9:
        return 1, []
    mixer = width + 1
    edges = [(0, task) for task in range(1, mixer)] + [(task, mixer) for task in range(1, mixer)] + [(0, mixer)]
    for first in (mixer + 1, mixer + 4):
        edges += [(mixer, first), (first, first + 1), (first + 1, first + 2), (first + 2, mixer + 7)]
    return mixer + 8, edges


def _edge_stage(left: int, width: int) -> tuple[int, Edges]:
    """Head, ``width`` chains of two, tail."""
    size = 2 * width + 2
    if left < size:
        return 1, []
    firsts = range(1, size - 1, 2)
    return size, [pair for first in firsts for pair in ((0, first), (first, first + 1), (first + 1, size - 1))]


def generate(kind: str, knobs: Knobs) -> TaskGraph:
    """A task graph with a source before its first tasks and a sink after its last ones.

    Raises:
        UnknownNameError: for an unknown kind.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of synthetic graph", kind, KINDS)
    rng = np.random.default_rng(np.random.SeedSequence([list(KINDS).index(kind), knobs.seed]))
    pairs = KINDS[kind](knobs)
    count = knobs.tasks
    heads = sorted(set(range(count)) - {end for _, end in pairs})
    tails = sorted(set(range(count)) - {start for start, _ in pairs})
    bound = np.zeros(count, dtype=bool)
    bound[rng.permutation(count)[: round(knobs.memory_bound * count)]] = True
    factor = arithmetic.exp(knobs.spread * rng.standard_normal((count, 2)))
    work = np.where(bound, 100.0, 1e7) * factor[:, 0]
    data = np.maximum(1.0, np.round(np.where(bound, 1e5, 100.0) * factor[:, 1]))
    tasks = [
        Task(f"task_{number}", float(work[number]), *_accelerator(work[number], knobs, rng)) for number in range(count)
    ]
    source, sink = count, count + 1
    edges = [(source, head, float(data[head])) for head in heads]
    edges += [(start, end, float(data[start])) for start, end in pairs]
    edges += [(tail, sink, float(data[tail])) for tail in tails]
    changed = {f.name: getattr(knobs, f.name) for f in dataclasses.fields(knobs) if getattr(knobs, f.name) != f.default}
    text = "&".join(f"{name}={value}" for name, value in changed.items())
    name = f"{PREFIX}{kind}" + (f"?{text}" if text else "")
    nodes = (*tasks, Task("source", 0.0), Task("sink", 0.0))
    return TaskGraph(name, nodes, tuple(edges), {name: sink}, {name: BUDGET})


def _accelerator(work: float, knobs: Knobs, rng: np.random.Generator) -> tuple[int, tuple[Accelerator, ...]]:
    """Iteration count and accelerator of a task: 2 to 40 times fewer cycles than a core, loops of 1 to 1024 turns."""
    chance, speedup, energy, area, power = rng.random(5)
    if chance >= knobs.accelerators:
        return 1, ()
    cycles = max(1.0, work / 2 / (2 * 20**speedup))
    made = Accelerator("IP0", float(cycles), float(10 ** (1 + 4 * energy)), float(10 ** (3.5 + 2 * area)))
    return 2 ** int(power * 11), (made,)


def parse(text: str) -> TaskGraph:
    """The graph of a generator's text.

    Raises:
        UnknownNameError: for an unknown kind or knob.
        WorkloadError: for a value out of range.
    """
    kind, _, settings = text.removeprefix(PREFIX).partition("?")
    known = {field.name: field for field in dataclasses.fields(Knobs)}
    values: dict[str, Any] = {}
    for item in filter(None, settings.split("&")):
        name, _, value = item.partition("=")
        if name not in known:
            raise UnknownNameError("knob of a synthetic graph", name, known)
        values[name] = _parse(name, value, known)
    return generate(kind, Knobs(**values))


def _parse(name: str, text: str, known: Mapping[str, Any]) -> float | int:
    kind = type(known[name].default)
    try:
        value = kind(text)
    except ValueError:
        raise WorkloadError(f"synthetic graph, {name}: {text!r} is not a number") from None
    if not math.isfinite(value):
        raise WorkloadError(f"synthetic graph, {name}: {text!r} is not finite")
    return value  # type: ignore[no-any-return]
