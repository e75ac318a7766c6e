"""A task graph: what one frame of an application computes, and the bytes its tasks hand to each other.

A graph is immutable, free of cycles, and checked once when it is built; nothing later checks it again.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from archgym.errors import WorkloadError, nearest

COMPUTE, SOURCE, SINK, JOIN = range(4)

# What a file may say; others are notes. FARSI's own spellings are among them.
KEYS = ("workload", "name", "source", "tasks", "edges", "last_task", "budget", "individual_budget")
TASK_KEYS = (
    *("name", "core_cycles", "gpp_cycles", "work", "dummy", "iterations", "burst_bytes", "accelerators", "ips"),
    *("ip_cycles", "ip_energy_fJ", "ip_area_um2", "ip_variants"),
)


@dataclass(frozen=True)
class Accelerator:
    """One task's accelerator without unrolling at the base clock, before technology scaling."""

    name: str
    cycles: float
    energy_fJ: float
    area_um2: float


@dataclass(frozen=True)
class Task:
    """A node: ``work`` in instructions (0 for a source, a sink or a join, which take no time).

    ``iterations`` bounds how far its accelerators can be unrolled; the task itself runs once.
    """

    name: str
    work: float
    iterations: int = 1
    accelerators: tuple[Accelerator, ...] = ()
    burst_bytes: float = 1024.0


@dataclass(frozen=True)
class Budget:
    """Limits of one application. Areas on the chip and of the DRAM dies are held to ``area_m2`` each."""

    latency_s: float
    power_W: float
    area_m2: float


@dataclass(frozen=True)
class TaskGraph:
    """Tasks, and edges ``(from, to, bytes)`` as task numbers.

    Attributes:
        last: per application, the task whose end is its latency.
        budgets: per application, where given.
        individual_budgets: the tighter set of limits, where given.

    Raises:
        WorkloadError: for repeated names, cycles, numbers out of range.
    """

    name: str
    tasks: tuple[Task, ...]
    edges: tuple[tuple[int, int, float], ...]
    last: Mapping[str, int]
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    individual_budgets: Mapping[str, Budget] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [task.name for task in self.tasks]
        repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if repeated:
            raise WorkloadError(f"workload {self.name!r}: task names must differ; repeated: {', '.join(repeated)}")
        pairs: set[tuple[int, int]] = set()
        for start, end, _ in self.edges:
            if (start, end) in pairs:
                raise WorkloadError(f"workload {self.name!r}: edge {names[start]} -> {names[end]} is given twice")
            pairs.add((start, end))
        if not any(task.work > 0 for task in self.tasks):
            raise WorkloadError(f"workload {self.name!r} has no task with work above 0; at least one is needed")
        refuse_cycles(self.edges, names, f"workload {self.name!r}")

    def __len__(self) -> int:
        return len(self.tasks)

    @cached_property
    def number(self) -> dict[str, int]:
        """Task numbers by name."""
        return {task.name: number for number, task in enumerate(self.tasks)}

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        found: list[list[int]] = [[] for _ in self.tasks]
        for start, end, _ in self.edges:
            found[start].append(end)
        return tuple(map(tuple, found))

    @cached_property
    def parents(self) -> tuple[tuple[int, ...], ...]:
        found: list[list[int]] = [[] for _ in self.tasks]
        for start, end, _ in self.edges:
            found[end].append(start)
        return tuple(map(tuple, found))

    def role(self, number: int) -> int:
        """COMPUTE, or what a task without work is: SOURCE (nothing comes in), SINK (nothing goes out) or JOIN."""
        if self.tasks[number].work > 0:
            return COMPUTE
        if not self.parents[number]:
            return SOURCE
        return JOIN if self.children[number] else SINK

    @cached_property
    def burst_counts(self) -> tuple[int, ...]:
        """Per task, how many bursts it works in: the smallest input over the burst size.

        1 where that would leave a burst without output or work, and for sources and sinks.
        """
        counts = []
        for number, task in enumerate(self.tasks):
            inputs = [size for _, end, size in self.edges if end == number]
            outputs = [size for start, _, size in self.edges if start == number]
            count = math.floor(min(inputs) / task.burst_bytes) if inputs else 0
            if count and (math.floor(min(outputs, default=0.0) / count) == 0 or math.floor(task.work / count) == 0):
                count = 0
            counts.append(1 if self.role(number) in (SOURCE, SINK) else max(1, count))
        return tuple(counts)


def refuse_cycles(edges: Sequence[tuple[int, int, float]], names: Sequence[str], where: str) -> None:
    """Do nothing if the edges are free of cycles.

    Raises:
        WorkloadError: naming the tasks of a cycle.
    """
    children: list[list[int]] = [[] for _ in names]
    for start, end, _ in edges:
        children[start].append(end)
    state = [0] * len(names)  # 0 unseen, 1 on the way, 2 done
    for root in range(len(names)):
        trail = [(root, iter(children[root]))] if state[root] == 0 else []
        while trail:
            here, rest = trail[-1]
            state[here] = 1
            step = next(rest, None)
            if step is None:
                state[here] = 2
                trail.pop()
            elif state[step] == 1:
                way = [number for number, _ in trail]
                path = " -> ".join(names[number] for number in [*way[way.index(step) :], step])
                raise WorkloadError(f"{where}: the task graph has a cycle: {path}; it must have none")
            elif state[step] == 0:
                trail.append((step, iter(children[step])))


def merge(graphs: Sequence[TaskGraph]) -> TaskGraph:
    """Several applications sharing one SoC, all started at time 0.

    Tasks without work of equal name and role become one (FARSI's rule for its common source and sink).

    Raises:
        WorkloadError: if an application or a task with work is there twice.
    """
    if len(graphs) == 1:
        return graphs[0]
    tasks: list[Task] = []
    number: dict[str, int] = {}
    edges: list[tuple[int, int, float]] = []
    last: dict[str, int] = {}
    budgets: dict[str, Budget] = {}
    individual: dict[str, Budget] = {}
    for graph in graphs:
        for task in graph.tasks:
            if task.name not in number:
                number[task.name] = len(tasks)
                tasks.append(task)
            elif task.work > 0 or tasks[number[task.name]].work > 0:
                raise WorkloadError(
                    f"workloads {', '.join(g.name for g in graphs)}: task {task.name!r} is in more than one of them; "
                    "tasks with work need names of their own"
                )
        ends = [number[task.name] for task in graph.tasks]
        edges += [(ends[start], ends[end], size) for start, end, size in graph.edges]
        if set(last) & set(graph.last):
            raise WorkloadError(f"workload {graph.name!r} is named twice; each may be there once")
        last |= {name: ends[task] for name, task in graph.last.items()}
        budgets |= graph.budgets
        individual |= graph.individual_budgets
    return TaskGraph("+".join(g.name for g in graphs), tuple(tasks), tuple(edges), last, budgets, individual)


def read_graph(document: Mapping[str, Any], where: str = "workload") -> TaskGraph:
    """A task graph from its JSON form (see ``data/workload.schema.json``).

    Args:
        document: the parsed JSON; FARSI's spellings (``gpp_cycles``, ``ips``, ``power_w``) are understood too.
        where: what to call the document in errors.

    Raises:
        WorkloadError: naming what is missing, unknown or out of range.
    """
    if not isinstance(document, Mapping):
        raise WorkloadError(f"{where}: must be a JSON object, not {type(document).__name__}")
    name = document.get("workload", document.get("name"))
    if not isinstance(name, str) or not name:
        raise WorkloadError(f"{where}: 'workload' must be a name, not {name!r}")
    where = f"workload {name!r}"
    _refuse_typos(document, KEYS, where)
    listed = document.get("tasks")
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
        raise WorkloadError(f"{where}: 'tasks' must be a list of at least one task, not {listed!r}")
    tasks = tuple(_read_task(entry, f"{where}, task {position}") for position, entry in enumerate(listed))
    number = {task.name: position for position, task in enumerate(tasks)}
    edges = []
    for position, edge in enumerate(document.get("edges") or ()):
        if not isinstance(edge, Sequence) or isinstance(edge, str) or len(edge) != 3:
            raise WorkloadError(f"{where}, edge {position}: must be [from, to, bytes], not {edge!r}")
        start, end = (_task_number(task, number, f"{where}, edge {position}") for task in edge[:2])
        size = _number(edge[2], f"{where}, edge {edge[0]} -> {edge[1]}, bytes", 0.0)
        if start != end:  # data a task keeps for itself does not cross the interconnect
            edges.append((start, end, size))
    refuse_cycles(edges, [task.name for task in tasks], where)
    last = _last_task(document.get("last_task"), tasks, edges, number, where)
    budget = _read_budget(document.get("budget"), f"{where}, budget")
    individual = _read_budget(document.get("individual_budget"), f"{where}, individual_budget")
    return TaskGraph(
        name,
        tasks,
        tuple(edges),
        {name: last},
        {name: budget} if budget else {},
        {name: individual} if individual else {},
    )


def _refuse_typos(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """A key that is nearly one that is missing is taken for a mistake; any other unknown one for a note."""
    absent = [key for key in known if key not in entry]
    for key in entry:
        meant = difflib.get_close_matches(str(key), absent, n=1, cutoff=0.75) if key not in known else ()
        if meant:
            raise WorkloadError(f"{where}: unknown key {key!r} (did you mean {meant[0]!r}?)")


def _read_task(entry: object, where: str) -> Task:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise WorkloadError(f"{where}: must be an object with a 'name', not {entry!r}")
    where = f"{where} {entry['name']!r}"
    _refuse_typos(entry, TASK_KEYS, where)
    cycles = entry.get("core_cycles", entry.get("gpp_cycles"))
    if cycles is not None:
        work = _number(cycles, f"{where}, core_cycles", 0.0) / 1e9 * 2 * 1e9  # 2 instructions a cycle, rounded as FARSI
    else:
        work = _number(entry.get("work"), f"{where}, work", 0.0)
    iterations = entry.get("iterations")
    count = _number(1 if iterations is None else iterations, f"{where}, iterations", 1.0)
    listed = entry.get("accelerators", entry.get("ips"))
    if listed is None:
        keys = {"cycles": "ip_cycles", "energy_fJ": "ip_energy_fJ", "area_um2": "ip_area_um2"}
        listed = {"IP0": {key: entry[old] for key, old in keys.items()}} if entry.get("ip_cycles") else {}
    if not isinstance(listed, Mapping):
        raise WorkloadError(f"{where}: 'accelerators' must be an object of named accelerators, not {listed!r}")
    if listed and work == 0:
        raise WorkloadError(f"{where}: a task without work cannot have accelerators; give core_cycles above 0")
    accelerators = tuple(_read_accelerator(name, values, where) for name, values in listed.items())
    burst = _number(entry.get("burst_bytes", 1024), f"{where}, burst_bytes", 1.0)
    return Task(entry["name"], work, int(count), accelerators, burst)


def _read_accelerator(name: str, values: object, where: str) -> Accelerator:
    where = f"{where}, accelerator {name!r}"
    if not isinstance(values, Mapping):
        raise WorkloadError(f"{where}: must be an object with cycles, energy_fJ and area_um2, not {values!r}")
    cycles, energy, area = (
        _number(values.get(key), f"{where}, {key}", 0.0, above=True) for key in ("cycles", "energy_fJ", "area_um2")
    )
    return Accelerator(name, cycles, energy, area)


def _number(value: object, what: str, least: float, above: bool = False) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value < least or (above and value <= least):  # type: ignore[operator]
        bound = "above" if above else "of at least"
        raise WorkloadError(f"{what}: {value!r} is not allowed; allowed: a number {bound} {least:g}")
    return float(value)  # type: ignore[arg-type]


def _task_number(task: object, number: Mapping[str, int], where: str) -> int:
    if task not in number:
        near = nearest(str(task), number)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise WorkloadError(f"{where}: unknown task {task!r}{hint}; tasks: {', '.join(number)}")
    return number[task]  # type: ignore[index]


def _last_task(
    named: object,
    tasks: tuple[Task, ...],
    edges: list[tuple[int, int, float]],
    number: Mapping[str, int],
    where: str,
) -> int:
    if named is not None:
        return _task_number(named, number, f"{where}, last_task")
    ends = sorted(set(range(len(tasks))) - {start for start, _, _ in edges})
    if len(ends) != 1:
        found = ", ".join(tasks[end].name for end in ends) or "none"
        raise WorkloadError(f"{where}: 'last_task' is missing, and not one task but these have no successor: {found}")
    return ends[0]


def _read_budget(entry: object, where: str) -> Budget | None:
    if entry is None or entry == {}:
        return None
    if not isinstance(entry, Mapping):
        raise WorkloadError(f"{where}: must be an object with latency_s, power_W and area_m2, not {entry!r}")
    limits = []
    for key, others in (("latency_s", ("latency",)), ("power_W", ("power_w", "power")), ("area_m2", ("area",))):
        given = next((entry[name] for name in (key, *others) if entry.get(name) is not None), None)
        if given is None:
            raise WorkloadError(f"{where}: {key} is missing; a budget needs latency_s, power_W and area_m2")
        limits.append(_number(given, f"{where}, {key}", 0.0, above=True))
    return Budget(*limits)
