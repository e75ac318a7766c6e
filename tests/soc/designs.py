"""Random SoC designs for the tests: any tree of buses, any blocks, data of a task in one memory or spread by edge."""

from __future__ import annotations

import numpy as np

from archgym.simulators.soc.design import Design
from archgym.simulators.soc.library import BUS, DRAM, SRAM, Library


def random_design(graph, rng, library=None, spread=0.5, accelerated=0.6):
    library = library or Library(graph)
    by_kind = {kind: [block for block in library.blocks if block.kind == kind] for kind in (SRAM, DRAM, BUS)}
    own = {}
    for block in library.blocks:
        if block.task >= 0:
            own.setdefault(block.task, []).append(block)
    names, blocks, links = [], [], []

    def add(name, block, bus):
        names.append(name)
        blocks.append(block)
        if bus is not None:
            pair = (len(names) - 1, bus)
            links.append(pair if rng.random() < 0.5 else pair[::-1])
        return len(names) - 1

    def draw(options):
        return options[int(rng.integers(len(options)))]

    buses = []
    for number in range(int(rng.integers(1, 5))):
        buses.append(add(f"b{number}", draw(by_kind[BUS]), draw(buses) if buses else None))
    cores = [add(f"p{n}", library.blocks[0], draw(buses)) for n in range(int(rng.integers(1, 4)))]
    pe = []
    for task in range(len(graph)):
        if task in own and rng.random() < accelerated:
            pe.append(add(f"a{task}", draw(own[task]), draw(buses)))
        else:
            pe.append(draw(cores))
    kinds = [SRAM, DRAM] if rng.random() < 0.5 else [DRAM]
    memories = [add(f"m{n}", draw(by_kind[draw(kinds)]), draw(buses)) for n in range(int(rng.integers(1, 6)))]
    by_task = [draw(memories) for _ in range(len(graph))]
    apart = rng.random() < spread
    memory = [draw(memories) if apart else by_task[source] for source, _, _ in graph.edges]
    order = [int(task) for task in rng.permutation(len(graph))]
    return Design(graph, tuple(names), tuple(blocks), tuple(links), tuple(pe), tuple(memory), tuple(order))


def random_graph(rng):
    """Any graph free of cycles: joins without work, several parents, inputs smaller than a burst, odd numbers of bytes."""
    from archgym.simulators.soc.taskgraph import read_graph

    count = int(rng.integers(2, 12))
    work = [float(rng.choice([3, 50, 999, 2e4, 1e6, 3.3e7]) * rng.uniform(0.5, 1.5)) for _ in range(count)]
    for number in range(1, count - 1):
        work[number] *= rng.random() > 0.15
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count) if rng.random() < 0.3]
    ends = [f"t{number}" for number in range(count)]
    named = [(ends[a], ends[b]) for a, b in pairs]
    named += [("source", name) for number, name in enumerate(ends) if number not in {b for _, b in pairs}]
    named += [(name, "sink") for number, name in enumerate(ends) if number not in {a for a, _ in pairs}]
    size = [1, 10, 700, 1023, 1024, 1500, 5000, 66000, 1e6]
    edges = [[a, b, float(rng.choice(size)) * float(rng.choice([1.0, 1.0, rng.uniform(0.9, 1.1)]))] for a, b in named]
    made = [{"name": name, "work": done, "iterations": int(rng.choice([1, 8, 151]))} for name, done in zip(ends, work, strict=True)]  # fmt: skip
    for task in made:
        if task["work"] and rng.random() < 0.7:
            cycles = max(1.0, task["work"] / float(rng.uniform(3, 60)))
            task["accelerators"] = {"IP0": {"cycles": cycles, "energy_fJ": 500.0, "area_um2": 5e4}}
    order = [int(n) for n in rng.permutation(len(edges))]
    return read_graph(
        {
            "workload": "random",
            "tasks": [{"name": "source", "work": 0}, *made, {"name": "sink", "work": 0}],
            "edges": [edges[n] for n in order],
            "last_task": "sink",
        }
    )


def small_graph(**changes):
    """Source -> a -> b -> sink with round numbers: 2e6 instructions and 1 MB on every edge."""
    from archgym.simulators.soc.taskgraph import read_graph

    accelerators = {"IP0": {"cycles": 1e4, "energy_fJ": 100.0, "area_um2": 1e5}}
    document = {
        "workload": "small",
        "tasks": [
            {"name": "source", "work": 0},
            {"name": "a", "work": 2e6, "iterations": 8, "accelerators": accelerators},
            {"name": "b", "work": 2e6, "iterations": 8, "accelerators": accelerators},
            {"name": "sink", "work": 0},
        ],
        "edges": [["source", "a", 1e6], ["a", "b", 1e6], ["b", "sink", 1e6]],
        "last_task": "sink",
        "budget": {"latency_s": 1e-2, "power_W": 1e-2, "area_m2": 1e-5},
    }
    return read_graph(document | changes)


def small_design(
    graph=None, bus="LMEM_ic_5_8_ic", memory="LMEM_5_8_mem", a="A53_pe", b="A53_pe", pes=("p0", "p0"), host="p0"
):
    """One bus, one memory, one or two processing elements; ``pes`` says where a and b run, ``host`` the source and sink."""
    from archgym.simulators.soc.design import read_design

    graph = graph or small_graph()
    blocks = {"p0": a, "b0": bus, "m0": memory}
    blocks |= {"p1": b} if "p1" in (*pes, host) else {}
    blocks |= {"h": "A53_pe"} if host == "h" else {}
    document = {
        "blocks": blocks,
        "edges": [["b0", name] for name in blocks if name != "b0"],
        "task_to_pe": {"source": host, "a": pes[0], "b": pes[1], "sink": host},
        "data_to_mem": [["source", "a", "m0"], ["a", "b", "m0"], ["b", "sink", "m0"]],
    }
    return read_design(document, graph)


def generator(seed):
    return np.random.default_rng(seed)
