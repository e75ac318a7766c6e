"""Moves for one SoC design, from the breakdown of what it did: what is in the way, and what would relieve it.

Parameter names are those of the SoC template space; where a space lacks one, the move is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from archgym.space import Designs, Space

Change = dict[str, int]  # parameter name -> level number

TYPICAL_SPEEDUP = 8.0  # of an accelerator without unrolling at the lowest clock over a core
OTHER_SPEEDS = (1.0, 64.0, 512.0, 4096.0)  # sizes of an accelerator to try where the one that seems needed has failed


class Advice:
    """Moves for one SoC design, from its breakdown. Parameter names are those of the SoC template space."""

    def __init__(
        self,
        space: Space,
        centre: Designs,
        breakdown: Any,
        reward: float,
        goals: tuple[str, ...],
        margin: float,
        rng: np.random.Generator,
    ) -> None:
        self.space, self.centre, self.margin, self.rng = space, centre, margin, rng
        self.column = {name: column for column, name in enumerate(space.names)}
        self.result, self.goals = breakdown.result, goals
        self.value = self._values()
        self.limits = self._in_force(reward, dict(breakdown.limits), dict(breakdown.individual_limits))
        ratio = {name: self.value[name] / limit for name, limit in self.limits.items() if name in self.value}
        self.ratio = dict(sorted(ratio.items(), key=lambda pair: -pair[1]))
        design = self.result.design
        self.kind = {
            name: ("core", "accelerator", "sram", "dram", "bus")[block.kind]
            for name, block in zip(design.names, design.blocks, strict=True)
        }
        self.rate = {name: block.rate for name, block in zip(design.names, design.blocks, strict=True)}
        names = [task.name for task in design.graph.tasks]
        self.pe = {task: design.names[slot] for task, slot in zip(names, design.pe, strict=True)}
        self.working = [task.name for task in design.graph.tasks if task.work > 0]
        self.users: dict[str, set[str]] = {name: set() for name in design.names}
        for task, slot in zip(names, design.pe, strict=True):
            self.users[design.names[slot]].add(task)
        for (source, _, _), slot in zip(design.graph.edges, design.memory, strict=True):
            self.users[design.names[slot]].add(names[source])

    # What is in the way --------------------------------------------------------------------------------------

    def metrics(self) -> list[str]:
        """Metrics to work on: those over their limits, worst first; if there are none, what the objective is about."""
        unmet = [name for name in self.ratio if self.ratio[name] > 1]
        return unmet or [name for name in self.goals if name in self.value]

    def _in_force(self, reward: float, *sets: dict[str, float]) -> dict[str, float]:
        """The set of limits that explains the reward, if one does, else the first."""
        for limits in sets:
            excess = sum(max(0.0, self.value[name] / limit - 1.0) for name, limit in limits.items())
            if limits and math.isclose(reward, 1.0 / (1.0 + excess), rel_tol=1e-9):
                return limits
        return sets[0]

    def _values(self) -> dict[str, float]:
        result = self.result
        values = {
            "latency_s": result.latency_s,
            "power_W": result.power_W,
            "energy_J": result.energy_J,
            "on_chip_area_m2": result.on_chip_area_m2,
            "dram_area_m2": result.total["dram_area_m2"],
            "area_m2": result.area_m2,
            "development_cost": result.total["development_cost"],
        }
        return values | {f"latency_{name}_s": value for name, value in result.latency.items()}

    def moves(self) -> Iterator[Change]:
        """Changes to try, boldest first: for the metrics in the way, then for those with little room, then elsewhere."""
        first = self.metrics()
        tight = [name for name in self.ratio if name not in first and self.ratio[name] > 0.5]
        for metric in (*first, *tight):
            yield from self._improve(metric, max(1.5, self.ratio.get(metric, 1.5)))
        for metric in (*first, *tight):
            if metric.startswith("latency"):
                for task in self._critical(self._application(metric)):
                    yield from self._spread(task)

    def _improve(self, metric: str, ratio: float) -> Iterator[Change]:
        if metric.startswith("latency"):
            return self.faster(self._application(metric), ratio)
        if metric in ("power_W", "energy_J"):
            return self.thriftier()
        if metric == "development_cost":
            return self.simpler()
        return self.smaller("dram" if metric == "dram_area_m2" else "chip", ratio)

    @staticmethod
    def _application(metric: str) -> str | None:
        """The application a latency metric is of, None for the slowest."""
        return None if metric == "latency_s" else metric.removeprefix("latency_").removesuffix("_s")

    # Less latency --------------------------------------------------------------------------------------------

    def faster(self, application: str | None, ratio: float) -> Iterator[Change]:
        """Relieve what limits the tasks that take longest: all of them at once, then one by one."""
        tasks = self._critical(application)
        need = ratio * self.margin
        together: Change = {}
        longest = max((self.result.tasks[task]["active_s"] for task in tasks), default=0.0)
        single = []
        for task in tasks:
            change = self._relieve(task, need)
            if change:
                single.append(change)
                if self.result.tasks[task]["active_s"] * 4 * len(tasks) > longest:
                    together = _raised(together, change)
        if together:
            yield together
        yield from single

    def _critical(self, application: str | None) -> list[str]:
        """Tasks on the way that decides an application's end, the longest first."""
        graph = self.result.design.graph
        ends = [number for name, number in graph.last.items() if application in (None, name)]
        here = max(ends, key=lambda number: self.result.tasks[graph.tasks[number].name]["end_s"])
        way: list[str] = []
        while here is not None and graph.tasks[here].name not in way:
            task = graph.tasks[here].name
            way.append(task)
            times = self.result.tasks[task]
            before = list(graph.parents[here])
            if times["start_s"] > times["ready_s"]:  # it waited for its processing element
                before = [graph.number[other] for other in self.users[self.pe[task]] if other != task]
                before = [n for n in before if self.result.tasks[graph.tasks[n].name]["end_s"] <= times["start_s"]]
            here = max(before, key=lambda n: self.result.tasks[graph.tasks[n].name]["end_s"], default=None)
        return sorted((t for t in way if t in self.working), key=lambda t: -self.result.tasks[t]["active_s"])

    def _relieve(self, task: str, need: float) -> Change:
        """Make the block that limits a task ``need`` times faster, or move the task off it."""
        block = self.result.tasks[task]["limiting_block"]
        kind = self.kind[block]
        if kind == "core":
            return self._accelerate(task, need)
        if kind == "accelerator":
            return self._raise([f"{task}.clock_MHz", f"{task}.unroll"], need)
        change: Change = {}
        target = self.rate[block] * need
        for other in self._transport(task):  # whatever else on the way would limit it next
            if self.rate[other] < target:
                change |= self._raise([f"{other}.clock_MHz", f"{other}.width_bytes"], target / self.rate[other])
        return change

    def _transport(self, task: str) -> set[str]:
        """Buses and memories that a task's data pass."""
        design = self.result.design
        number = design.graph.number[task]
        near: dict[int, list[int]] = {}
        for a, b in design.links:
            near.setdefault(a, []).append(b)
            near.setdefault(b, []).append(a)
        passed: set[str] = set()
        for (source, target, _), memory in zip(design.graph.edges, design.memory, strict=True):
            if number not in (source, target):
                continue
            before, queue = {design.pe[number]: -1}, [design.pe[number]]
            for here in queue:
                for there in near[here]:
                    if there not in before:
                        before[there] = here
                        queue.append(there)
            here = memory
            while here != design.pe[number]:
                passed.add(design.names[here])
                here = before[here]
        return passed

    def _accelerate(self, task: str, need: float) -> Change:
        """Put a task on its accelerator, sized for ``need`` if it is known how much that takes; nothing if it has none."""
        change = self._set(f"{task}.runs_on", "accelerator")
        if not change:
            return {}
        return change | self._raise([f"{task}.clock_MHz", f"{task}.unroll"], need / TYPICAL_SPEEDUP, lowest=True)

    def _spread(self, task: str) -> Iterator[Change]:
        """Another place for a task, its output, or the block that limits it."""
        block = self.result.tasks[task]["limiting_block"]
        if self.kind[block] == "core":  # how fast its accelerator would be is not known
            for speed in OTHER_SPEEDS:
                yield self._accelerate(task, speed)
        names = [f"{task}.runs_on", f"{task}.memory", f"{block}.bus"]
        for number in self.rng.permutation(len(names)):
            yield from self._others(names[number])

    # Less power ----------------------------------------------------------------------------------------------

    def thriftier(self) -> Iterator[Change]:
        """Cheaper blocks for what spends most energy: cores' tasks to accelerators, DRAM to SRAM, less in one memory."""
        energy = {name: values["energy_J"] for name, values in self.result.blocks.items()}
        hot = sorted((name for name in energy if energy[name] > 0), key=lambda name: -energy[name])
        together: Change = {}
        for block in hot:
            if self.kind[block] == "core":
                users = sorted(self.users[block], key=lambda task: -self.result.use[task].get(block, 0.0))
                for task in users:
                    together |= self._accelerate(task, 1.0)
            elif self.kind[block] == "dram" and energy[block] * 10 > energy[hot[0]]:
                together |= self._set(f"{block}.kind", "sram")
        if together:
            yield together
        for block in hot:
            if self.kind[block] == "core":
                for task in sorted(self.users[block], key=lambda task: -self.result.use[task].get(block, 0.0)):
                    yield self._accelerate(task, 1.0)
            elif self.kind[block] == "dram":
                yield self._set(f"{block}.kind", "sram")
            elif self.kind[block] == "sram":
                yield from self._divide(block)
                yield self._set(f"{block}.kind", "dram")
        yield from self._slower()

    def _divide(self, memory: str) -> Iterator[Change]:
        """Move one writer's data to another memory: smaller memories spend less a byte."""
        writers = sorted(self.users[memory], key=lambda task: -self.result.use[task].get(memory, 0.0))
        for task in writers[:4]:
            for change in self._others(f"{task}.memory"):
                other = self.space[f"{task}.memory"].levels[change[f"{task}.memory"]]
                yield change | self._copy(memory, str(other))

    def _slower(self) -> Iterator[Change]:
        """Take the same energy over a longer time, as far as the latency budget allows."""
        slack = min((self.limits.get(m, v) / v for m, v in self.value.items() if m.startswith("latency")), default=1.0)
        if slack <= 1:
            return
        for task in sorted(self.working, key=lambda task: -self.result.tasks[task]["energy_J"]):
            block = self.result.tasks[task]["limiting_block"]
            owner = task if self.kind[block] == "accelerator" else block
            for name in (f"{owner}.clock_MHz", f"{owner}.width_bytes", f"{owner}.unroll"):
                yield self._step(name, -1)

    # Less area and effort ------------------------------------------------------------------------------------

    def smaller(self, where: str, ratio: float) -> Iterator[Change]:
        """Shrink what takes most room: less unrolling, the other memory technology, fewer cores."""
        kinds = ("dram",) if where == "dram" else ("core", "accelerator", "sram")
        areas = {name: v["area_m2"] for name, v in self.result.blocks.items() if self.kind[name] in kinds}
        for block in sorted(areas, key=lambda name: -areas[name]):
            if self.kind[block] == "accelerator":
                (task,) = self.users[block]
                yield self._lower(f"{task}.unroll", ratio * self.margin)
                yield self._step(f"{task}.unroll", -1)
                yield self._set(f"{task}.runs_on", "core_0")
            elif self.kind[block] == "core":
                for task in self.users[block]:
                    yield self._accelerate(task, 1.0)
            else:
                yield self._set(f"{block}.kind", "sram" if self.kind[block] == "dram" else "dram")

    def simpler(self) -> Iterator[Change]:
        """Fewer and plainer blocks: everything on one bus and in one memory, light tasks back on a core."""
        yield {name: 0 for name in self.space.names if name.endswith(".bus")}
        memories = [name for name in self.kind if self.kind[name] in ("sram", "dram")]
        for memory in memories[1:]:
            yield {name: self.space[name].index(memories[0]) for name in self._writers(memory)}
        work = {task.name: task.work for task in self.result.design.graph.tasks}
        for task in sorted(self.working, key=lambda task: -work[task]):
            if self.kind[self.pe[task]] == "accelerator":
                yield self._set(f"{task}.runs_on", "core_0")
        for task in self.working:
            yield self._set(f"{task}.memory", memories[0])

    def _writers(self, memory: str) -> list[str]:
        return [f"{task}.memory" for task in self.users[memory]]

    # Changes of single parameters ----------------------------------------------------------------------------

    def _level(self, name: str) -> int:
        return int(self.centre[self.column[name]])

    def _set(self, name: str, value: object) -> Change:
        """Give a parameter a value, if it exists, knows the value and has another one now."""
        if name not in self.column or value not in self.space[name].levels:
            return {}
        level = self.space[name].index(value)
        return {} if level == self._level(name) else {name: level}

    def _step(self, name: str, step: int) -> Change:
        if name not in self.column or not 0 <= self._level(name) + step < len(self.space[name].levels):
            return {}
        return {name: self._level(name) + step}

    def _raise(self, names: list[str], need: float, lowest: bool = False) -> Change:
        """Raise parameters in turn until their values' product has grown ``need`` times, or all are at the top.

        It grows from the values they have, or from the ``lowest`` ones.
        """
        change: Change = {}
        for name in names:
            if name not in self.column:
                continue
            levels: Any = self.space[name].levels
            level = start = 0 if lowest else self._level(name)
            while need > 1 and level + 1 < len(levels) and levels[level] < levels[start] * need:
                level += 1
            if level != self._level(name):
                change[name] = level
            if level > start:
                need *= levels[start] / levels[level]
        return change

    def _lower(self, name: str, need: float) -> Change:
        if name not in self.column:
            return {}
        levels: Any = self.space[name].levels
        level = start = self._level(name)
        while level > 0 and levels[level] * need > levels[start]:
            level -= 1
        return {name: level} if level < start else {}

    def _others(self, name: str) -> Iterator[Change]:
        """Each other value of a choice, in random order."""
        if name in self.column:
            for level in self.rng.permutation(len(self.space[name].levels)):
                if level != self._level(name):
                    yield {name: int(level)}

    def _copy(self, memory: str, other: str) -> Change:
        """Make another memory like this one, if nothing uses it yet."""
        if self.users.get(other):
            return {}
        parts = ("kind", "width_bytes", "clock_MHz", "bus")
        return {
            f"{other}.{part}": self._level(f"{memory}.{part}") for part in parts if f"{memory}.{part}" in self.column
        }


def _raised(first: Mapping[str, int], second: Mapping[str, int]) -> Change:
    """Both changes; where they differ, the higher level."""
    return {name: max(first.get(name, 0), second.get(name, 0)) for name in {**first, **second}}
