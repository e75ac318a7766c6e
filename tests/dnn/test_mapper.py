"""The mapper: better than timeloop-mapper's answers, next to the exhaustive optimum, obedient, deterministic."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.dnn.architecture import Architecture, Arithmetic, StorageLevel
from archgym.simulators.dnn.constraints import read_freedom, satisfies
from archgym.simulators.dnn.exhaustive import best_mapping, every_mapping
from archgym.simulators.dnn.layer import Layer, depthwise, gemm
from archgym.simulators.dnn.mapper import find_mapping, map_network
from archgym.simulators.dnn.mapping import pack, unpack
from archgym.simulators.dnn.model import evaluate

QUALITY = json.loads(
    gzip.decompress((Path(__file__).parents[1] / "golden" / "dnn" / "mapper_quality.json.gz").read_bytes())
)


@pytest.mark.parametrize("row", QUALITY["results"], ids=lambda row: f"{row['arch']}-{row['layer']}")
def test_beats_timeloop_mapper(row):
    """Same architecture, constraints and objective; 20,000 evaluations take a hundredth of its CPU time or less."""
    architecture = Architecture.from_json(QUALITY["architectures"][row["arch"]], row["arch"])
    layer, rules = Layer.from_json(row["shape"], row["layer"]), QUALITY["constraints"][row["arch"]]
    reference = float(row["energy_fJ_per_compute"]) / 1e3 * layer.macs * row["cycles"]
    for seed in range(3):
        found = find_mapping(architecture, layer, rules, seed=seed)
        assert found.cost.energy_pJ * found.cost.cycles < 0.9 * reference
        assert satisfies(pack([found.mapping]), 0, read_freedom(architecture, layer, rules))
        assert evaluate(architecture, layer, found.mapping) == found.cost


OTHER_LAYERS = {
    "large stride": {"R": 11, "S": 11, "P": 55, "Q": 55, "C": 3, "K": 96, "Wstride": 4, "Hstride": 4},
    "first of a network": {"R": 7, "S": 7, "P": 112, "Q": 112, "C": 3, "K": 64, "Wstride": 2, "Hstride": 2},
    "groups": {"R": 5, "S": 5, "P": 27, "Q": 27, "C": 48, "K": 128, "G": 2},
    "depthwise": {"R": 3, "S": 3, "P": 56, "Q": 56, "G": 96, "Wstride": 2, "Hstride": 2},
    "dilated": {"R": 3, "S": 3, "P": 28, "Q": 28, "C": 64, "K": 64, "Wdilation": 2, "Hdilation": 2},
    "product": {"P": 128, "C": 768, "K": 3072},
    "batched products": {"P": 384, "C": 64, "K": 384, "G": 12},
    "vector by matrix": {"C": 9216, "K": 4096},
    "primes": {"R": 13, "S": 7, "P": 53, "Q": 47, "C": 19, "K": 23, "N": 3},
}


@pytest.mark.parametrize("name", QUALITY["architectures"])
@pytest.mark.parametrize("kind", OTHER_LAYERS)
def test_finds_a_mapping_for_every_kind_of_layer(name, kind):
    architecture, rules = Architecture.from_json(QUALITY["architectures"][name], name), QUALITY["constraints"][name]
    layer = Layer.from_json(OTHER_LAYERS[kind], kind)
    short, long = (find_mapping(architecture, layer, rules, budget=budget, seed=3).cost for budget in (200, 4000))
    assert short.feasible
    assert long.energy_pJ * long.cycles <= short.energy_pJ * short.cycles


def small_architecture(words=12, fanout=(2, 2), energies=(1.0, 4.0, 50.0)):
    register, buffer, memory = energies
    return Architecture(
        "small",
        Arithmetic(mesh_x=fanout[0], mesh_y=fanout[1]),
        (
            StorageLevel("RF", words, *fanout, read_bandwidth=2, write_bandwidth=2,
                         read_pJ=register, fill_pJ=register, update_pJ=register),
            StorageLevel("GLB", 60, read_bandwidth=6, write_bandwidth=4, read_pJ=buffer, fill_pJ=buffer, update_pJ=buffer),
            StorageLevel("DRAM", None, read_bandwidth=2, write_bandwidth=2, technology="DRAM",
                         read_pJ=memory, fill_pJ=memory, update_pJ=memory),
        ),
    )  # fmt: skip


SMALL = {
    "gemm": gemm(4, 6, 2),
    "convolution": Layer.from_json({"R": 3, "P": 4, "K": 2, "C": 2}),
    "strided": Layer.from_json({"R": 3, "P": 4, "S": 2, "Wstride": 2}),
    "depthwise": depthwise((4, 1), 4, (3, 1)),
}


def score(cost, objective):
    return {"edp": cost.energy_pJ * cost.cycles, "energy": cost.energy_pJ, "latency": cost.cycles}[objective]


@pytest.mark.parametrize("objective", ["edp", "energy", "latency"])
@pytest.mark.parametrize("name", SMALL)
def test_reaches_the_exhaustive_optimum_on_small_layers(name, objective):
    layer, architecture = SMALL[name], small_architecture()
    rules = [{"target": "GLB", "type": "datatype", "keep": ["Weights", "Inputs", "Outputs"]}]
    optimum = score(best_mapping(architecture, layer, rules, objective).cost, objective)
    for seed in range(3):
        reached = score(find_mapping(architecture, layer, rules, objective, 6000, seed).cost, objective)
        assert optimum * (1 - 1e-12) <= reached <= 1.005 * optimum


def test_every_mapping_is_there_once_and_keeps_to_the_rules():
    layer, architecture = gemm(2, 1, 4), small_architecture()
    rules = [
        {"target": "GLB", "type": "spatial", "factors": "P=1", "split": 8},
        {"target": "DRAM", "type": "temporal", "factors": "C=1", "permutation": "C"},
        *({"target": name, "type": "datatype", "keep": ["Weights", "Inputs", "Outputs"]} for name in ("RF", "GLB")),
    ]
    blocks = list(every_mapping(architecture, layer, rules))
    freedom = read_freedom(architecture, layer, rules)
    texts = []
    for arrays in blocks:
        assert all(satisfies(arrays, row, freedom) for row in range(arrays.rows))
        texts += [unpack(arrays, row).text(architecture) for row in range(arrays.rows)]
    # P in RF, GLB or DRAM; C in (RF, GLB, x of GLB) as 4 or 2 x 2, one along x at most; two loops of a level swap.
    places = {("P", where): 1 for where in ("RF", "GLB", "DRAM")}
    splits_of_c = [(4, 1, 1), (1, 4, 1), (2, 2, 1), (2, 1, 2), (1, 2, 2)]
    expected = sum(
        1 + (c[0] > 1 and where == "RF") + (c[1] > 1 and where == "GLB") for _, where in places for c in splits_of_c
    )
    assert len(texts) == len(set(texts)) == expected
    with pytest.raises(ConfigError, match="more than 100 mappings"):
        list(every_mapping(architecture, gemm(8, 8, 8), (), limit=100))


def test_equal_seeds_give_equal_mappings_and_more_budget_is_no_worse():
    layer, architecture = Layer.from_json({"R": 3, "S": 3, "P": 14, "Q": 14, "C": 32, "K": 64}), small_architecture()
    one, two = (find_mapping(architecture, layer, budget=1500, seed=7) for _ in range(2))
    assert one == two
    small = min(find_mapping(architecture, layer, budget=300, seed=s).cost.energy_pJ for s in range(3))
    large = max(
        find_mapping(architecture, layer, objective="energy", budget=30000, seed=s).cost.energy_pJ for s in range(3)
    )
    assert large <= small


def test_objectives_are_what_is_minimised():
    layer, architecture = gemm(64, 48, 32), small_architecture()
    fast = find_mapping(architecture, layer, objective="latency").cost
    frugal = find_mapping(architecture, layer, objective="energy").cost
    both = find_mapping(architecture, layer, objective="edp").cost
    assert fast.cycles <= both.cycles
    assert frugal.energy_pJ <= both.energy_pJ
    assert both.energy_pJ * both.cycles <= min(c.energy_pJ * c.cycles for c in (fast, frugal))


def test_network_is_mapped_the_same_on_any_number_of_threads():
    layers = [gemm(16, 8, 4), gemm(8, 8, 8), gemm(16, 8, 4)]
    one = map_network(small_architecture(), layers, budget=400, threads=1)
    two = map_network(small_architecture(), layers, budget=400, threads=2)
    assert one == two
    assert one[0] == one[2]


def test_where_nothing_fits_the_result_is_infeasible_and_says_why():
    rules = [{"target": "RF", "type": "datatype", "keep": ["Weights", "Inputs", "Outputs"]}]
    found = find_mapping(small_architecture(words=2), gemm(4, 4, 4), rules, budget=500)
    assert not found.cost.feasible
    assert found.cost.reason.startswith("RF: tile of 3 words")


def test_constraints_are_read_and_kept():
    layer, architecture = gemm(8, 12, 16), small_architecture()
    rules = [
        {"target": "GLB", "type": "spatial", "factors": "K=1", "permutation": "PC", "split": 1},
        {"target": "RF", "type": "temporal", "factors": "C=4 P<=2", "permutation": "CP"},
        {"target": "RF", "type": "datatype", "keep": ["Outputs"], "bypass": ["Inputs"]},
        {"target": "DRAM", "type": "temporal", "factors": "K=1"},
    ]
    freedom = read_freedom(architecture, layer, rules)
    for seed in range(4):
        found = find_mapping(architecture, layer, rules, budget=800, seed=seed)
        assert satisfies(pack([found.mapping]), 0, freedom)
        inner, glb, outer = found.mapping.blocks
        assert dict(inner.temporal)["C"] == 4
        assert dict(inner.temporal).get("P", 1) <= 2
        assert next(d for d, _ in inner.temporal) == "C"
        assert "Outputs" in inner.keep
        assert "Inputs" not in inner.keep
        assert {d for d, _ in glb.x} <= {"P"}
        assert {d for d, _ in glb.y} <= {"C"}
        assert "K" not in dict(outer.temporal)


@pytest.mark.parametrize(
    ("rule", "error", "part"),
    [
        ({"target": "L2", "type": "temporal"}, UnknownNameError, "'L2'"),
        ({"target": "RF", "type": "temporale"}, UnknownNameError, "'temporale'"),
        ({"target": "RF", "type": "temporal", "factors": "Z=1"}, UnknownNameError, "'Z'"),
        ({"target": "RF", "type": "temporal", "factors": "C~1"}, ConfigError, "C~1"),
        ({"target": "RF", "type": "temporal", "factors": "C=5"}, ConfigError, "does not divide 16"),
        ({"target": "RF", "type": "temporal", "permutation": "CC"}, ConfigError, "twice"),
        ({"target": "GLB", "type": "spatial", "split": 9}, ConfigError, "split = 9"),
        ({"target": "RF", "type": "datatype", "keep": ["Input"]}, UnknownNameError, "Inputs"),
    ],
)
def test_wrong_constraints_are_refused(rule, error, part):
    with pytest.raises(error) as caught:
        find_mapping(small_architecture(), gemm(8, 12, 16), [rule], budget=10)
    assert part in str(caught.value)


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="budget = 0"):
        find_mapping(small_architecture(), gemm(2, 2, 2), budget=0)
    with pytest.raises(UnknownNameError, match="did you mean 'energy'"):
        find_mapping(small_architecture(), gemm(2, 2, 2), objective="enrgy")
    one_word = find_mapping(small_architecture(), gemm(1, 1, 1), budget=5)
    assert one_word.cost.macs_used == 1
