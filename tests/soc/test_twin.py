"""The kernel against the plain-Python twin, on random designs and graphs, in both fidelities."""

from __future__ import annotations

import pytest

from archgym.simulators.soc.generators import Knobs, generate
from archgym.simulators.soc.library import Library
from archgym.simulators.soc.result import simulate_designs
from archgym.simulators.soc.workloads import SOURCE
from tests.soc.designs import generator, random_design, random_graph
from tests.soc.twin import Twin

WORKLOADS = ("audio_decoder", "edge_detection", "hpvm_cava", "audio_decoder+hpvm_cava+edge_detection")


def compare(design, fidelity):
    (result,) = simulate_designs([design], fidelity)
    twin = Twin(design, fidelity)
    assert result.feasible
    assert list(result.latency.values()) == twin.latency
    names = [task.name for task in design.graph.tasks]
    for task, name in enumerate(names):
        found = result.tasks[name]
        expected = (twin.ready[task], twin.start[task], twin.end[task], twin.active[task])
        assert (found["ready_s"], found["start_s"], found["end_s"], found["active_s"]) == expected
        assert found["energy_J"] == pytest.approx(twin.task_energy[task], rel=1e-12)
    assert result.energy_J == pytest.approx(twin.energy, rel=1e-12)
    assert result.power_W == pytest.approx(twin.power, rel=1e-12)
    assert result.area_m2 == pytest.approx(sum(twin.area.values()), rel=1e-12)
    assert result.total["development_cost"] == pytest.approx(twin.cost, rel=1e-12)
    for slot, name in enumerate(design.names):
        assert result.blocks[name]["area_m2"] == pytest.approx(twin.area[slot], rel=1e-12)
        assert result.blocks[name]["energy_J"] == pytest.approx(twin.block_energy[slot], rel=1e-12)
        if slot in twin.capacity:
            assert result.blocks[name]["capacity_bytes"] == twin.capacity[slot]


@pytest.mark.parametrize("fidelity", ["physical", "farsi"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_shipped_workloads(workload, fidelity):
    graph = SOURCE.load(workload).data
    library = Library(graph)
    rng = generator(len(workload))
    for _ in range(4 if "+" in workload else 12):
        compare(random_design(graph, rng, library), fidelity)


@pytest.mark.parametrize("fidelity", ["physical", "farsi"])
@pytest.mark.parametrize("kind", ["chain", "fanout", "audio", "edge"])
def test_synthetic_graphs(kind, fidelity):
    rng = generator(7)
    for seed in range(4):
        graph = generate(kind, Knobs(tasks=int(rng.integers(1, 24)), width=3, seed=seed))
        compare(random_design(graph, rng), fidelity)


@pytest.mark.parametrize("fidelity", ["physical", "farsi"])
def test_any_graph(fidelity):
    rng = generator(11)
    for _ in range(30):
        graph = random_graph(rng)
        for _ in range(2):
            compare(random_design(graph, rng), fidelity)


@pytest.mark.slow
@pytest.mark.parametrize("fidelity", ["physical", "farsi"])
@pytest.mark.parametrize("workload", [*WORKLOADS[:3], "SOC_example_8p", None])
def test_many_designs(workload, fidelity):
    rng = generator(12)
    graph = SOURCE.load(workload).data if workload else None
    for _ in range(500):
        compare(random_design(graph or random_graph(rng), rng), fidelity)
