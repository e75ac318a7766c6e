"""What cannot be simulated is refused at once with a reason, and never walks in circles."""

from __future__ import annotations

import pytest

from archgym.simulators.soc.design import Design, read_design
from archgym.simulators.soc.library import Library
from archgym.simulators.soc.result import simulate_designs
from archgym.simulators.soc.simulator import make_limited
from archgym.simulators.soc.workloads import SOURCE
from tests.soc.designs import generator, random_design, small_design, small_graph


def why(document, graph=None):
    (result,) = simulate_designs([read_design(document, graph or small_graph())])
    assert not result.feasible
    shown = result.to_json()
    assert shown["reason"] == result.reason
    assert shown["latency_s"] is None
    return result.reason


@pytest.fixture
def document():
    return small_design(pes=("p0", "p1")).to_json()


def test_cycle_of_buses(document):
    document["blocks"] |= {"b1": {"lib": "LMEM_ic_0_1_ic"}, "b2": {"lib": "LMEM_ic_0_1_ic"}}
    document["edges"] += [["b0", "b1"], ["b1", "b2"], ["b2", "b0"]]
    assert "cycle" in why(document)


def test_disconnected(document):
    document["blocks"] |= {"b1": {"lib": "LMEM_ic_0_1_ic"}}
    document["edges"] = [["b1" if "p1" in edge and end == "b0" else end for end in edge] for edge in document["edges"]]
    reason = why(document)
    assert "disconnected" in reason
    assert "p1" in reason or "b1" in reason


def test_linked_to_itself(document):
    document["edges"].append(["b0", "b0"])
    assert why(document) == "b0 is linked to itself"


def test_memory_on_two_buses(document):
    document["blocks"] |= {"b1": {"lib": "LMEM_ic_0_1_ic"}}
    document["edges"] += [["b0", "b1"], ["b1", "m0"]]
    assert "m0 has 2 links" in why(document)


def test_without_a_bus(document):
    document["edges"] = [edge for edge in document["edges"] if "p1" not in edge]
    assert "p1 has 0 links" in why(document)
    document["edges"].append(["p1", "p0"])
    assert "links" in why(document)


def test_a_link_named_from_both_ends_is_one_link(document):
    document["edges"].append(document["edges"][0][::-1])
    (result,) = simulate_designs([read_design(document, small_graph())])
    assert result.feasible


def test_wrong_accelerator(document):
    document["blocks"]["p0"] = {"lib": "b_IP0_1_1_pe"}
    assert "accelerator of another task" in why(document)


def test_mapped_to_the_wrong_kind(document):
    document["task_to_pe"]["a"] = "m0"
    assert "no processing element" in why(document)
    document["task_to_pe"]["a"] = "p0"
    document["data_to_mem"][0][2] = "b0"
    assert "no memory" in why(document)


def test_any_graph_of_links_ends():
    """Random links among random blocks: every design comes back, and trees are the ones that are feasible."""
    graph = SOURCE.load("edge_detection").data
    rng, library = generator(3), Library(graph)
    designs = []
    for _ in range(200):
        base = random_design(graph, rng, library)
        links = list(base.links)
        for _ in range(int(rng.integers(0, 4))):
            if rng.random() < 0.5 and len(links) > 1:
                links.pop(int(rng.integers(len(links))))
            else:
                links.append((int(rng.integers(len(base.names))), int(rng.integers(len(base.names)))))
        designs.append(Design(graph, base.names, base.blocks, tuple(links), base.pe, base.memory, base.order))
    results = simulate_designs(designs)
    assert {result.feasible for result in results} == {True, False}
    for result in results:
        if result.feasible:
            assert len(result.design.links) == len(result.design.names) - 1


def test_a_large_ring_of_buses():
    graph = small_graph()
    document = small_design(graph).to_json()
    ring = [f"r{n}" for n in range(200)]
    document["blocks"] |= {name: {"lib": "LMEM_ic_0_1_ic"} for name in ring}
    document["edges"] += [["b0", ring[0]], *([a, b] for a, b in zip(ring, ring[1:] + ring[:1], strict=True))]
    assert "cycle" in why(document, graph)


@pytest.mark.parametrize("workload", ["audio_decoder", "hpvm_cava", "edge_detection"])
def test_archgyms_space_gives_reasons(workload):
    """Most uniform designs link a bus to itself (1 - (3/4)^3 = 58 %), and less than 1 % are feasible."""
    work = SOURCE.load(workload)
    simulator = make_limited(work)
    metrics = simulator(simulator.space.sample(generator(0), 20_000), work)
    itself = sum("itself" in reason for reason in metrics.reasons) / 20_000
    assert itself == pytest.approx(1 - 0.75**3, abs=0.015)
    assert 0.001 < metrics.feasible.mean() < 0.01
    assert any("2 links" in reason for reason in metrics.reasons)
    assert any("accelerator of another task" in reason for reason in metrics.reasons)
    assert any("cycle" in reason for reason in metrics.reasons)
