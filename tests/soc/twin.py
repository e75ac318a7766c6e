"""The SoC model written the obvious way: dictionaries, lists and searches, one design at a time.

It follows the description of the model (ASSUMPTIONS.md) and shares no code with the kernel.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

from archgym.simulators.soc.library import ACCELERATOR, BUS, CORE, DRAM, SRAM, hardware, memory_technology
from archgym.simulators.soc.taskgraph import COMPUTE, JOIN, SINK, SOURCE


class Twin:
    def __init__(self, design, fidelity="physical"):
        self.design, self.farsi = design, fidelity == "farsi"
        self.graph = design.graph
        self.tasks = range(len(self.graph))
        self.work = [task.work for task in self.graph.tasks]
        self.role = [self.graph.role(task) for task in self.tasks]
        self.kind = [block.kind for block in design.blocks]
        self.links = defaultdict(list)
        for a, b in design.links:
            self.links[a].append(b)
            self.links[b].append(a)
        self.lay_flows()
        self.run()
        self.account()

    # Routes -------------------------------------------------------------------------------------------------

    def route(self, a, b):
        found, queue = {a: None}, [a]
        for here in queue:
            for there in self.links[here]:
                if there not in found:
                    found[there] = here
                    queue.append(there)
        path = [b]
        while path[-1] != a:
            path.append(found[path[-1]])
        return path[::-1]

    def lay_flows(self):
        """A flow is one task writing or reading one edge's data along a path."""
        self.flows = []
        for edge, (source, target, size) in enumerate(self.graph.edges):
            for task, direction in ((source, "write"), (target, "read")):
                path = self.route(self.design.pe[task], self.design.memory[edge])
                units = int(size / self.graph.burst_counts[task])
                pipes = list(itertools.pairwise(path))
                self.flows.append((task, direction, edge, size, units, path, pipes))

    def units(self, task, direction, pipe):
        return sum(u for t, d, _, _, u, _, pipes in self.flows if t == task and d == direction and pipe in pipes)

    def units_turning(self, task, direction, pipe, onward):
        return sum(
            u
            for t, d, _, _, u, _, pipes in self.flows
            if t == task and d == direction and pipe in pipes and onward in pipes
        )

    def present(self, task, direction, pipe):
        return any(t == task and d == direction and pipe in pipes for t, d, _, _, _, _, pipes in self.flows)

    def ratio(self, task, direction, test):
        """Bytes per instruction of the task's flows that pass ``test(path, pipes)``."""
        total = 0.0
        for t, d, _, size, _, path, pipes in self.flows:
            if t == task and d == direction and test(path, pipes):
                total += size / self.work[task]
        return total

    # Rates --------------------------------------------------------------------------------------------------

    def rate(self, task, running):
        """Instructions per second, and the block that allows no more."""
        pe = self.design.pe[task]
        best = (self.design.blocks[pe].rate, pe)
        for direction in ("write", "read"):
            pipes = list(
                dict.fromkeys(p for t, d, _, _, _, _, ps in self.flows if (t, d) == (task, direction) for p in ps)
            )
            for pipe in pipes:
                x, y = pipe
                if self.kind[x] == BUS:
                    into = next(p for p in pipes if p[1] == x)
                    best = min(best, self.bus_rate(task, direction, into, pipe, running), key=lambda pair: pair[0])
                if self.kind[y] != BUS:
                    total = sum(self.units(s, direction, pipe) for s in running)
                    share = self.units(task, direction, pipe) / total if total else 0.0
                    if share > 0:
                        rho = self.ratio(task, direction, lambda path, _, y=y: y in path)
                        best = min(best, (self.design.blocks[y].rate * share / rho, y), key=lambda pair: pair[0])
        return best

    def bus_rate(self, task, direction, into, out, running):
        bus = out[0]
        inputs = {
            p
            for s in running
            if self.present(s, direction, out)
            for t, d, _, _, _, _, ps in self.flows
            if (t, d) == (s, direction)
            for p in ps
            if p[1] == bus
        }
        if self.farsi:
            own = self.units(task, direction, into)
            total = sum(self.units(s, direction, into) for s in running)
            rho = self.ratio(task, direction, lambda path, _: bus in path[1:])
        else:
            own = self.units_turning(task, direction, into, out)
            total = sum(self.units_turning(s, direction, into, out) for s in running)
            rho = self.ratio(task, direction, lambda _, pipes: out in pipes)
        if own == 0:
            return math.inf, bus
        return self.design.blocks[bus].rate * ((1 / len(inputs)) * (own / total)) / rho, bus

    # Schedule -----------------------------------------------------------------------------------------------

    def run(self):
        design, graph = self.design, self.graph
        left = list(self.work)
        now = 0.0
        running, waiting, done, launched = [], [], set(), set()
        completed = []  # FARSI's list, which forgets
        self.occupied = defaultdict(float)
        self.peak = defaultdict(float)
        self.ready, self.start, self.end, self.active = {}, {}, {}, defaultdict(float)
        self.phases = [(0.0, {})]
        while True:
            new = [t for t in design.order if t not in launched and all(p in done for p in graph.parents[t])]
            launched.update(new)
            for task in new:
                self.ready[task] = now
                if self.farsi:
                    self.start[task] = now
                    self.allocate(task)
            candidates = new + waiting if self.farsi else waiting + new
            waiting = []
            for task in candidates:
                if design.pe[task] in [design.pe[r] for r in running]:
                    waiting.append(task)
                else:
                    running.append(task)
                    if not self.farsi:
                        self.start[task] = now
                        self.allocate(task)
            if not running:
                return
            instant = any(self.work[t] == 0 for t in running)
            rates = {t: (0.0, design.pe[t]) if instant else self.rate(t, running) for t in running}
            step = 0.0 if instant else min(left[t] / rates[t][0] for t in running)
            later = step + now
            if self.farsi:
                step = later - now
            now = later
            self.phases.append((step, rates))
            for task in running:
                left[task] -= rates[task][0] * step
                self.active[task] += step
            for task in list(running):
                share = left[task] / self.work[task] if self.work[task] else 0.0
                if (1 - share >= 0.99) if self.farsi else (share <= 1e-9):
                    running.remove(task)
                    done.add(task)
                    completed.append(task)
                    self.end[task] = now
                    self.release(task, done, completed)

    def outputs(self, task):
        """Bytes of the task's outputs by memory."""
        sums = defaultdict(float)
        for edge, (source, _, size) in enumerate(self.graph.edges):
            if source == task:
                sums[self.design.memory[edge]] += size / self.work[task] if self.farsi and self.work[task] else size
        if self.farsi and self.work[task]:
            return {memory: total * self.work[task] for memory, total in sums.items()}
        return sums

    def allocate(self, task):
        if self.role[task] == SINK or (self.farsi and self.role[task] == JOIN):
            return
        for memory, size in self.outputs(task).items():
            self.occupied[memory] += size
            self.peak[memory] = max(self.peak[memory], self.occupied[memory])

    def release(self, task, done, completed):
        for parent in self.graph.parents[task]:
            children = self.graph.children[parent]
            if self.farsi:
                free = all(child in completed for child in children)
                if free:
                    for child in children:
                        completed.remove(child)
                free = free and self.role[parent] == COMPUTE
            else:
                free = all(child in done for child in children)
            if free:
                for memory, size in self.outputs(parent).items():
                    self.occupied[memory] -= size

    # Energy, power, area, cost ------------------------------------------------------------------------------

    def account(self):
        design, blocks = self.design, self.design.blocks
        self.block_energy, self.area, self.capacity, costs = defaultdict(float), {}, {}, {}
        self.task_energy = defaultdict(float)
        for slot, block in enumerate(blocks):
            if block.kind in (SRAM, DRAM):
                peak = math.ceil(self.peak[slot])
                self.capacity[slot] = math.ceil(max(peak, 2048) / 256000) * 256000
                costs[slot] = memory_costs(block.kind, self.capacity[slot])
                self.area[slot] = costs[slot][2]
            else:
                self.area[slot] = self.pe_area(slot) if block.kind in (CORE, ACCELERATOR) else 0.0
        phase_energy = []
        for step, rates in self.phases:
            total = 0.0
            for task, (rate, _) in rates.items():
                if self.role[task] in (SOURCE, SINK):
                    continue
                pe = design.pe[task]
                spent = {pe: rate * step / blocks[pe].work_per_J}
                for t, direction, _, size, _, path, _ in self.flows:
                    if t == task and self.work[task]:
                        byte = costs[path[-1]][0 if direction == "read" else 1]
                        spent[path[-1]] = spent.get(path[-1], 0.0) + rate * step * size / self.work[task] * byte
                for slot, energy in spent.items():
                    self.block_energy[slot] += energy
                    self.task_energy[task] += energy
                    total += energy
            phase_energy.append(total)
        self.energy = sum(phase_energy)
        self.power = self.window_power([step for step, _ in self.phases], phase_energy)
        self.cost = self.development_cost()
        self.latency = [self.end[last] for last in self.graph.last.values()]

    def pe_area(self, slot):
        hosted = [t for t in self.tasks if self.design.pe[t] == slot]
        sources = [t for t in hosted if self.role[t] == SOURCE]
        sinks = [t for t in hosted if self.role[t] == SINK]
        if self.farsi:
            outside = (len(hosted) == 1 and len(sources) + len(sinks) == 1) or (len(hosted) == 2 and sources and sinks)
        else:
            outside = all(self.work[t] == 0 for t in hosted)
        if outside or not hosted:
            return 0.0
        block = self.design.blocks[slot]
        return (1.0 if block.kind == CORE else max(self.work[t] for t in hosted)) / block.work_per_m2

    def window_power(self, steps, energies):
        bounds, first, count, budget = [], 0, 0, hardware()["power_window_s"]
        for step in steps:
            if self.farsi and step == 0:
                continue
            count += 1
            if step > budget:
                budget = hardware()["power_window_s"]
                bounds.append((first, count))
                first = count
            else:
                budget -= step
        if not bounds or bounds[-1][1] != len(steps):
            bounds.append((first if bounds else 0, len(steps)))
        return max(sum(energies[a:b]) / sum(steps[a:b]) if sum(steps[a:b]) > 0 else 0.0 for a, b in bounds)

    def development_cost(self):
        simplest = min(work for work in self.work if work > 0)
        cost = 0.0
        uses = defaultdict(set)
        for task, _, _, _, _, path, _ in self.flows:
            uses[task].add((path[0], path[-1], len(path)))
        for slot, block in enumerate(self.design.blocks):
            hosted = [self.work[t] for t in self.tasks if self.design.pe[t] == slot]
            if block.kind == CORE:
                cost += sum(hosted) / simplest
            elif block.kind == ACCELERATOR:
                cost += 100 * max(hosted, default=0.0) / simplest
            elif block.kind == BUS:
                cost += 0.1
            else:
                cost += 0.1 * math.ceil(math.ceil(self.peak[slot]) / 2**20)
        return cost + sum(0.1 * length for pairs in uses.values() for _, _, length in pairs)


def memory_costs(kind, capacity):
    technology = memory_technology()
    sizes, costs = technology.capacity[kind - SRAM].tolist(), technology.cost[kind - SRAM].tolist()
    if capacity in sizes:
        return costs[sizes.index(capacity)]
    high = min(max(sum(size < capacity for size in sizes), 1), len(sizes) - 1)
    part = (capacity - sizes[high - 1]) / (sizes[high] - sizes[high - 1])
    return [low + part * (up - low) for low, up in zip(costs[high - 1], costs[high], strict=True)]
