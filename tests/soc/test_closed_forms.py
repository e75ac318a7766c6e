"""Tiny designs whose numbers follow from a line of arithmetic, and the gates of each quirk."""

from __future__ import annotations

import pytest

from archgym.simulators.soc.design import read_design
from archgym.simulators.soc.library import hardware, memory_technology
from archgym.simulators.soc.result import simulate_designs
from archgym.simulators.soc.taskgraph import read_graph
from tests.soc.designs import small_design, small_graph

BOTH = pytest.mark.parametrize("fidelity", ["physical", "farsi"])
CORE_RATE, CORE_J = 2e9, 1 / 47019607843.0


def run(design, fidelity="physical"):
    (result,) = simulate_designs([design], fidelity)
    assert result.feasible, result.reason
    return result


@BOTH
def test_bound_by_the_core(fidelity):
    """2e6 instructions each at 2e9/s; 1 MB in 1 ms is far below 102.4 GB/s."""
    result = run(small_design(), fidelity)
    assert result.latency_s == pytest.approx(2e-3, rel=1e-12)
    assert result.tasks["a"]["limiting_block"] == "p0"
    assert result.total["core_energy_J"] == pytest.approx(4e6 * CORE_J, rel=1e-12)


@BOTH
@pytest.mark.parametrize(
    ("bus", "memory", "limiter"), [("LMEM_ic_0_1_ic", "LMEM_5_8_mem", "b0"), ("LMEM_ic_5_8_ic", "GMEM_0_1_mem", "m0")]
)
def test_bound_by_bandwidth(bus, memory, limiter, fidelity):
    """1 MB in and 1 MB out at 400 MB/s each way, at once: 2.5 ms a task."""
    result = run(small_design(bus=bus, memory=memory), fidelity)
    assert result.latency_s == pytest.approx(5e-3, rel=1e-12)
    assert result.tasks["a"]["limiting_block"] == limiter


@BOTH
def test_energy_of_the_memory(fidelity):
    """a and b read and write 1 MB each; the source's write and the sink's read are free."""
    result = run(small_design(), fidelity)
    technology = memory_technology()
    capacity = result.blocks["m0"]["capacity_bytes"]
    row = list(technology.capacity[0]).index(capacity)
    read, write, area = technology.cost[0][row]
    assert result.total["sram_energy_J"] == pytest.approx(2e6 * (read + write), rel=1e-12)
    assert result.total["sram_area_m2"] == pytest.approx(area, rel=1e-12)


def test_memory_holds_what_is_not_read_yet():
    """While a runs there are the source's and a's output. Then FARSI keeps the source's; the physical model does not."""
    assert run(small_design()).blocks["m0"]["peak_bytes"] == 2e6
    assert run(small_design(), "farsi").blocks["m0"]["peak_bytes"] == 3e6


@BOTH
def test_accelerator(fidelity):
    """1e4 cycles at 100 MHz; 8 copies at 800 MHz are 64 times as fast, and 8 times the energy and area."""
    slow, fast = (
        run(small_design(a=f"a_IP0_{kind}_pe", b=f"b_IP0_{kind}_pe", pes=("p0", "p1"), host="h"), fidelity)
        for kind in ("1_1", "8_8")
    )
    assert slow.latency_s == pytest.approx(2e-4, rel=1e-12)
    assert fast.latency_s == pytest.approx(2e6 / 102.4e9, rel=1e-12)  # the bus and memory are in the way
    assert fast.blocks["p0"]["energy_J"] == pytest.approx(8 * slow.blocks["p0"]["energy_J"], rel=1e-12)
    scaling = hardware()["accelerator"]
    assert slow.blocks["p0"]["energy_J"] == pytest.approx(100e-15 * scaling["energy_scaling"], rel=1e-12)
    assert slow.blocks["p0"]["area_m2"] == pytest.approx(1e5 * 1e-12 * scaling["area_scaling"], rel=1e-12)
    assert fast.blocks["p0"]["area_m2"] == pytest.approx(8 * slow.blocks["p0"]["area_m2"], rel=1e-12)


@BOTH
def test_development_cost(fidelity):
    """Two tasks of the simplest work on a core, one bus, MiB of memory started, 4 tasks times 3 blocks of route."""
    result = run(small_design(), fidelity)
    banks = 2 if fidelity == "physical" else 3
    assert result.total["development_cost"] == pytest.approx(2 + 0.1 + 0.1 * banks + 0.1 * 3 * 4, rel=1e-12)


def parallel(work_a, work_b, last="b", size=1.0, **places):
    """Two independent tasks on two cores of one bus, with one memory."""
    graph = read_graph(
        {
            "workload": "parallel",
            "tasks": [
                {"name": "source", "work": 0},
                {"name": "a", "work": work_a},
                {"name": "b", "work": work_b},
                {"name": "sink", "work": 0},
            ],
            "edges": [["source", "a", size], ["source", "b", size], ["a", "sink", size], ["b", "sink", size]],
            "last_task": last,
        }
    )
    blocks = {"p0": "A53_pe", "p1": "A53_pe", "b0": "LMEM_ic_0_1_ic", "m0": "LMEM_0_1_mem"}
    document = {
        "blocks": blocks,
        "edges": [["b0", name] for name in ("p0", "p1", "m0")],
        "task_to_pe": {"source": "p0", "a": "p0", "b": "p1", "sink": "p0"} | places,
        "data_to_mem": [["source", "a", "m0"], ["source", "b", "m0"], ["a", "sink", "m0"], ["b", "sink", "m0"]],
    }
    return read_design(document, graph)


@pytest.mark.parametrize(("share", "early"), [(0.9899, False), (0.9901, True)])
def test_farsi_ends_a_task_at_99_percent(share, early):
    """a ends when b has done ``share`` of its work; from 0.99 on FARSI lets b end then."""
    design = parallel(share * 2e9, 2e9)
    assert run(design).latency_s == pytest.approx(1.0, rel=1e-12)
    assert run(design, "farsi").latency_s == pytest.approx(share if early else 1.0, rel=1e-12)


@BOTH
def test_a_bus_is_shared_equally_by_its_ways_in(fidelity):
    """Both tasks want 4 MB at once over 400 MB/s: 20 ms each, read and write at the same time."""
    result = run(parallel(2e6, 2e6, size=4e6), fidelity)
    assert result.tasks["a"]["end_s"] == pytest.approx(0.02, rel=1e-12)
    assert result.tasks["b"]["end_s"] == pytest.approx(0.02, rel=1e-12)


def test_windows_of_power():
    """Both cores for 15 ms, then a alone for 30 ms: two windows. FARSI sums up the two empty phases at the start instead.

    What is left for its last window is everything.
    """
    design = parallel(2e6 * 45, 2e6 * 15, last="a")
    core_W = CORE_RATE * CORE_J
    assert run(design).power_W == pytest.approx(core_W * 2, rel=1e-3)
    assert run(design, "farsi").power_W == pytest.approx(core_W * 60 / 45, rel=1e-3)


def waiting(fidelity):
    """One core: x and y are ready at 0, x runs first and makes z ready, while y still waits."""
    graph = read_graph(
        {
            "workload": "waiting",
            "tasks": [
                {"name": "s", "work": 0},
                *({"name": name, "work": 2e6} for name in "xyz"),
                {"name": "t", "work": 0},
            ],
            "edges": [["s", "x", 1], ["s", "y", 1], ["x", "z", 1], ["y", "t", 1], ["z", "t", 1]],
            "last_task": "t",
        }
    )
    document = {
        "blocks": {"p": "A53_pe", "q": "A53_pe", "b": "LMEM_ic_5_8_ic", "m": "LMEM_5_8_mem"},
        "edges": [["b", "p"], ["b", "q"], ["b", "m"]],
        "task_to_pe": {"s": "q", "x": "p", "y": "p", "z": "p", "t": "q"},
        "data_to_mem": [["s", "x", "m"], ["s", "y", "m"], ["x", "z", "m"], ["y", "t", "m"], ["z", "t", "m"]],
        "kernel_order": ["s", "x", "y", "z", "t"],
    }
    return run(read_design(document, graph), fidelity)


def test_first_come_first_served_except_in_farsi():
    assert waiting("physical").tasks["y"]["start_s"] == pytest.approx(1e-3)
    assert waiting("physical").tasks["z"]["start_s"] == pytest.approx(2e-3)
    assert waiting("farsi").tasks["z"]["end_s"] == pytest.approx(2e-3)
    assert waiting("farsi").tasks["y"]["end_s"] == pytest.approx(3e-3)


def test_farsi_forgets_to_release():
    """c reads a's and b's outputs. When it ends, a's are released and c is forgotten, so b's stay for ever."""
    names = "abcd"
    graph = read_graph(
        {
            "workload": "join",
            "tasks": [
                {"name": "s", "work": 0},
                *({"name": name, "work": 2e6} for name in names),
                {"name": "t", "work": 0},
            ],
            "edges": [
                ["s", "a", 1e6],
                ["s", "b", 1e6],
                ["a", "c", 1e6],
                ["b", "c", 1e6],
                ["c", "d", 4e6],
                ["d", "t", 8e6],
            ],
            "last_task": "t",
        }
    )
    document = {
        "blocks": {"p": "A53_pe", "k": "LMEM_ic_5_8_ic", "m": "LMEM_5_8_mem"},
        "edges": [["k", "p"], ["k", "m"]],
        "task_to_pe": dict.fromkeys(["s", *names, "t"], "p"),
        "data_to_mem": [[source, target, "m"] for source, target, _ in (("s", "a", 0), ("s", "b", 0), ("a", "c", 0), ("b", "c", 0), ("c", "d", 0), ("d", "t", 0))],
    }  # fmt: skip
    design = read_design(document, graph)
    assert run(design).blocks["m"]["peak_bytes"] == 12e6  # while d runs: c's 4 MB and d's 8 MB
    assert run(design, "farsi").blocks["m"]["peak_bytes"] == 15e6  # and the source's 2 MB and b's 1 MB


@BOTH
def test_a_task_that_writes_by_two_ways(fidelity):
    """a writes 1 MB to each of two buses' memories through its own bus: FARSI charges 2 MB on each way out."""
    graph = read_graph(
        {
            "workload": "fork",
            "tasks": [
                {"name": "s", "work": 0},
                {"name": "a", "work": 2},
                {"name": "t", "work": 0},
                {"name": "u", "work": 0},
            ],
            "edges": [["s", "a", 1], ["a", "t", 1e6], ["a", "u", 1e6]],
            "last_task": "a",
        }
    )
    document = {
        "blocks": {
            "p": "A53_pe", "b0": "LMEM_ic_0_1_ic", "b1": "LMEM_ic_5_8_ic", "b2": "LMEM_ic_5_8_ic",
            "m1": "LMEM_5_8_mem", "m2": "LMEM_5_8_mem",
        },
        "edges": [["p", "b0"], ["b0", "b1"], ["b0", "b2"], ["b1", "m1"], ["b2", "m2"]],
        "task_to_pe": dict.fromkeys("satu", "p"),
        "data_to_mem": [["s", "a", "m1"], ["a", "t", "m1"], ["a", "u", "m2"]],
    }  # fmt: skip
    expected = 2e6 / 400e6 if fidelity == "farsi" else 1e6 / 400e6
    assert run(read_design(document, graph), fidelity).latency_s == pytest.approx(expected, rel=1e-9)


def test_memory_cost_between_and_beyond_the_table():
    """Linear between two capacities of the table and beyond its last; its own rows are kept."""
    technology = memory_technology()
    sizes = technology.capacity[0]
    graph = small_graph(edges=[["source", "a", 16.7e6], ["a", "b", 1], ["b", "sink", 1]])
    result = run(small_design(graph))
    capacity = result.blocks["m0"]["capacity_bytes"]
    assert capacity == 66 * 256000
    assert capacity not in sizes
    below = max(n for n, size in enumerate(sizes) if size < capacity)
    part = (capacity - sizes[below]) / (sizes[below + 1] - sizes[below])
    low, high = technology.cost[0][below][2], technology.cost[0][below + 1][2]
    assert result.blocks["m0"]["area_m2"] == pytest.approx(low + part * (high - low), rel=1e-12)
    huge = run(small_design(small_graph(edges=[["source", "a", 2e8], ["a", "b", 1], ["b", "sink", 1]])))
    assert huge.blocks["m0"]["area_m2"] > technology.cost[0][-1][2]


@BOTH
def test_a_core_for_the_outside_is_not_built(fidelity):
    graph = small_graph()
    document = small_design(graph, b="A53_pe", pes=("p0", "p1")).to_json()
    document["task_to_pe"] = {"source": "p1", "a": "p0", "b": "p0", "sink": "p1"}
    result = run(read_design(document, graph), fidelity)
    assert result.blocks["p1"]["area_m2"] == 0
    assert result.total["core_area_m2"] == pytest.approx(6.5e-7, rel=1e-12)
