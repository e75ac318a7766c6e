"""Against FARSI: every number of 145 random designs that it simulated, through the reader of design files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from archgym.simulators.soc.design import read_design
from archgym.simulators.soc.result import simulate_designs
from archgym.simulators.soc.workloads import SOURCE

GOLDEN = Path(__file__).parent.parent / "golden" / "soc"
WORKLOADS = {"audio_decoder": 50, "edge_detection": 53, "hpvm_cava": 42}
TOLERANCE = 1e-12


def golden(name):
    with gzip.open(GOLDEN / f"reference_{name}.json.gz") as file:
        return json.load(file)["designs"]


@pytest.fixture(scope="module", params=WORKLOADS)
def case(request):
    documents = golden(request.param)
    graph = SOURCE.load(request.param).data
    results = simulate_designs([read_design(document, graph) for document in documents], "farsi")
    assert len(documents) == WORKLOADS[request.param]
    return [(document["result"], result) for document, result in zip(documents, results, strict=True)]


def test_latency_is_equal_to_the_last_bit(case):
    for expected, result in case:
        assert result.latency_s == expected["latency_s"]


def test_the_schedule_is_equal_to_the_last_bit(case):
    for expected, result in case:
        for task, times in expected["per_task"].items():
            found = result.tasks[task]
            assert [found["start_s"], found["end_s"], found["active_s"]] == times
        assert [step for step, _ in result.phases] == [step for step, _ in expected["phases"]]


def test_power_energy_area_and_cost(case):
    for expected, result in case:
        assert result.power_W == pytest.approx(expected["power_w"], rel=TOLERANCE)
        assert result.energy_J == pytest.approx(expected["energy_j"], rel=TOLERANCE)
        assert result.area_m2 == pytest.approx(expected["area_m2"], rel=TOLERANCE)
        assert result.total["dram_area_m2"] == pytest.approx(expected["area_by_subtype_m2"]["dram"], rel=TOLERANCE)
        assert result.total["development_cost"] == pytest.approx(expected["cost"], rel=TOLERANCE)


def test_every_block_and_phase(case):
    for expected, result in case:
        for name, (energy, area, peak) in expected["per_block"].items():
            found = result.blocks[name]
            assert found["energy_J"] == pytest.approx(energy, rel=TOLERANCE, abs=0)
            assert found["area_m2"] == pytest.approx(area, rel=TOLERANCE, abs=0)
            if peak is not None:
                assert found["peak_bytes"] == peak
        for (_, energy), (_, known) in zip(result.phases, expected["phases"], strict=True):
            assert energy == pytest.approx(known, rel=TOLERANCE, abs=0)


def test_budget_distance(case):
    """FARSI's sum of relative excesses over the budgets; a metric within 0.1 % of its budget counts 1e-9."""
    for expected, result in case:
        (name,) = result.latency
        budget = result.design.graph.budgets[name]
        pairs = [
            (result.latency_s, budget.latency_s),
            (result.power_W, budget.power_W),
            (result.on_chip_area_m2, budget.area_m2),
            (result.total["dram_area_m2"], budget.area_m2),
        ]
        excess = [(value - limit) / limit for value, limit in pairs]
        distance = sum(1e-9 if q < 0.001 else q for q in excess)
        assert distance == pytest.approx(expected["distance_to_budget_total"], rel=1e-11)
