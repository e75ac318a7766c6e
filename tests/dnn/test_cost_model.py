"""The cost model: equal to Timeloop on its own runs, to a step-by-step twin on random cases, to the truth on tiny ones."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest

from archgym.errors import DesignError
from archgym.simulators.dnn.layer import TENSORS, Layer, convolution, depthwise
from archgym.simulators.dnn.mapping import Block, Mapping, pack, unpack
from archgym.simulators.dnn.model import evaluate, evaluate_batch
from archgym.simulators.dnn.simulate import parse_case, report
from tests.dnn.brute_force import execute
from tests.dnn.emulation import costs, counts, transfers
from tests.dnn.random_cases import WINDOWLESS, random_case

GOLDEN = Path(__file__).parents[1] / "golden" / "dnn"
CASES = json.loads(gzip.decompress((GOLDEN / "timeloop_cases.json.gz").read_bytes()))["cases"]
COUNTED = (
    "reads_per_instance", "fills_per_instance", "updates_per_instance", "tile_size", "partition_size", "utilized_instances",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']:03d}-{case['arch_name']}-{case['layer_name']}")
def test_equals_timeloop(case):
    architecture, layer, mapping = parse_case(case)
    found, expected = report(architecture, layer, evaluate(architecture, layer, mapping)), case["result"]
    assert found["cycles"] == expected["cycles"]
    assert found["utilization"] == pytest.approx(expected["utilization"], abs=0.00501)
    for line in expected["pJ_per_compute_breakdown"][1:]:
        name, value = line.split("=")
        assert found["energy_fJ_per_compute"][name.strip()] == pytest.approx(float(value), abs=0.00501)
    levels = {level["name"]: level for level in found["levels"]}
    for level in expected["levels"][1:]:
        mine = levels[level["name"]]
        assert mine["cycles"] == level["cycles"]
        assert set(mine["tensors"]) == set(level["tensors"])
        for tensor, row in level["tensors"].items():
            assert {key: mine["tensors"][tensor][key] for key in COUNTED} == {key: row[key] for key in COUNTED}
            assert mine["tensors"][tensor]["energy_total_pJ"] == pytest.approx(row["energy_total_pJ"], abs=0.00501)


def rows_of(cost):
    return {
        (number, tensor): (
            row.reads_per_instance, row.fills_per_instance, row.updates_per_instance, row.tile_size, row.partition_size
        )
        for number, level in enumerate(cost.levels)
        for tensor, row in level.tensors.items()
    }  # fmt: skip


def check_against_twin(seed):
    architecture, layer, mapping = random_case(np.random.default_rng(seed))
    cost = evaluate(architecture, layer, mapping)
    rows = counts(layer, architecture, mapping)
    assert rows_of(cost) == rows
    cycles, slowest, energy, utilization = costs(architecture, mapping, rows)
    assert [level.cycles for level in cost.levels] == cycles
    assert cost.cycles == slowest
    assert cost.energy_pJ == pytest.approx(energy, rel=1e-12)
    assert cost.utilization == pytest.approx(utilization, rel=1e-12)


@pytest.mark.parametrize("seed", range(300))
def test_equals_the_step_by_step_twin(seed):
    check_against_twin(seed)


@pytest.mark.slow
def test_equals_the_step_by_step_twin_on_thousands_of_cases():
    for seed in range(1000, 6000):
        check_against_twin(seed)


def test_random_cases_exercise_links_halos_and_bypassing():
    linked = sliding = bypassed = wide = outermost = 0
    for seed in range(300):
        architecture, layer, mapping = random_case(np.random.default_rng(seed))
        found, _ = transfers(layer, architecture, mapping)
        linked += any(links for (level, _), (_, links) in found.items() if level > 0)
        sliding += layer.bound("R") > 1 and layer.bound("P") > 1
        bypassed += any(len(block.keep) < 3 for block in mapping.blocks)
        outermost += len(mapping.blocks[-1].keep) < 3
        wide += any(block.x and block.y and architecture.fanout(n)[0] > math.prod(f for _, f in block.x)
                    for n, block in enumerate(mapping.blocks))  # fmt: skip
    assert linked >= 5
    assert sliding >= 100
    assert bypassed >= 100
    assert outermost >= 20
    assert wide >= 20


def small_case(rng, **settings):
    """A random case small enough to be executed."""
    while True:
        architecture, layer, mapping = random_case(rng, most_loops=5, most_levels=4, **settings)
        if layer.macs <= 6000:
            return architecture, layer, mapping


@pytest.mark.parametrize("seed", range(80))
def test_equals_the_truth_without_windows(seed):
    """No filter window, no stride: every element is its own box, and the model counts exactly what execution moves,
    whatever levels are bypassed. Cases in which units serve each other are left out: links are not executed."""
    rng, linked = np.random.default_rng(seed), True
    while linked:
        architecture, layer, mapping = small_case(rng, layers=WINDOWLESS)
        layer = Layer(layer.bounds)
        linked = any(links for _, links in transfers(layer, architecture, mapping)[0].values())
    truth, cost = execute(layer, mapping), evaluate(architecture, layer, mapping)
    for tensor in TENSORS:
        kept = [level for level, block in enumerate(mapping.blocks) if tensor in block.keep]
        for level, outer in zip(kept, [*kept[1:], None], strict=True):
            own, fills = truth[level, tensor], 0
            if outer is not None:
                fills = truth[outer, tensor].received / truth[outer, tensor].receivers
            expected = (own.read, fills, 0)
            if tensor == "Outputs":  # the first partial sum of each output is neither read nor filled
                expected = (own.read - own.distinct, fills - own.distinct if outer is not None else 0, own.read)
            row = cost.levels[level].tensors[tensor]
            assert (row.reads_per_instance, row.fills_per_instance, row.updates_per_instance) == expected


def unlinked_reads(layer, architecture, mapping):
    """What a level reads and what its receivers get according to the model, links counted as reads."""
    found, _ = transfers(layer, architecture, mapping)
    return {
        key: (sum(traffic.values()) + links, sum(m * words for (m, _), words in traffic.items()) + links)
        for key, (traffic, links) in found.items()
    }


def moving_loops(mapping, dimensions):
    return sum(d in dimensions for block in mapping.blocks for d, _ in block.temporal)


@pytest.mark.parametrize("seed", range(120))
def test_never_below_the_truth_with_windows(seed):
    """Sliding windows: the model may move whole boxes where hardware could move less, never the other way.

    Where two loops move the same axis, the method's second step stands for all later ones, which it need not resemble;
    only layers in which at most one temporal loop moves each axis are compared.
    """
    architecture, layer, mapping = small_case(np.random.default_rng(1000 + seed), bypass=False)
    layer = Layer(layer.bounds)
    truth, found = execute(layer, mapping), unlinked_reads(layer, architecture, mapping)
    comparable = max(moving_loops(mapping, "RP"), moving_loops(mapping, "SQ")) <= 1
    for (level, tensor), moved in truth.items():
        if level == 0:
            continue
        if tensor != "Inputs":
            assert found[level, tensor] == (moved.read, moved.received)
        elif comparable:
            assert found[level, tensor][1] >= moved.received


def test_one_sliding_window_moves_exactly_the_new_rows():
    layer = convolution((8, 4), filters=2, channels=3, window=(3, 3))
    mapping = Mapping(
        (
            Block((("R", 3), ("S", 3), ("Q", 4), ("C", 3))),
            Block((("P", 8), ("K", 2))),
        )
    )
    architecture, _, _ = random_case(np.random.default_rng(0))
    architecture = type(architecture)("two", architecture.arithmetic, architecture.levels[:2])
    found = evaluate(architecture, layer, mapping).levels[1].tensors["Inputs"].reads_per_instance
    assert found == execute(layer, mapping)[1, "Inputs"].read
    assert found == 2 * (3 * 6 * 3 + 7 * 6 * 3)


def test_depthwise_moves_each_channel_once():
    layer = depthwise((4, 4), channels=6)
    assert layer.macs == 4 * 4 * 9 * 6
    assert layer.tensor_words() == {"Weights": 54, "Inputs": 6 * 36, "Outputs": 96}
    mapping = Mapping((Block(tuple((d, layer.bound(d)) for d in "RSPQ")), Block((("G", 6),))))
    architecture, _, _ = random_case(np.random.default_rng(0))
    cost = evaluate(type(architecture)("two", architecture.arithmetic, architecture.levels[:2]), layer, mapping)
    outer = cost.levels[1].tensors
    assert outer["Weights"].reads_per_instance == 54
    assert outer["Inputs"].reads_per_instance == 6 * 36
    assert (outer["Outputs"].updates_per_instance, outer["Outputs"].reads_per_instance) == (96, 0)


def test_batch_rows_equal_single_evaluations_in_any_order():
    case = next(case for case in CASES if case["id"] == 204)
    architecture, layer, mapping = parse_case(case)
    other = Mapping(tuple(Block(tuple(reversed(b.temporal)), b.x, b.y, b.keep) for b in mapping.blocks))
    arrays = pack([mapping, other] * 3000)
    batch = evaluate_batch(architecture, layer, arrays, threads=2)
    one, two = evaluate(architecture, layer, mapping), evaluate(architecture, layer, other)
    assert set(batch.energy_pJ[::2]) == {one.energy_pJ}
    assert set(batch.energy_pJ[1::2]) == {two.energy_pJ}
    assert set(batch.cycles[::2]) == {one.cycles}
    assert unpack(arrays, 0).factors() == mapping.factors()
    assert batch.reason(0) == ""


def test_arrays_that_are_no_mappings_are_refused():
    architecture, layer, mapping = parse_case(CASES[0])
    arrays = pack([mapping] * 5000)
    wrong = arrays._replace(temporal=arrays.temporal.copy())
    wrong.temporal[4321, 0, 5] += 1
    with pytest.raises(DesignError, match="mapping 4321: the factors of K"):
        evaluate_batch(architecture, layer, wrong, threads=2)
    wrong = arrays._replace(order=arrays.order.copy())
    wrong.order[7, 1, 2] = wrong.order[7, 1, 3]
    with pytest.raises(DesignError, match="mapping 7: an order at level 1"):
        evaluate_batch(architecture, layer, wrong)
    with pytest.raises(DesignError, match="mapping 0: Weights is kept at no level"):
        evaluate_batch(architecture, layer, arrays._replace(keep=np.zeros_like(arrays.keep)))
    with pytest.raises(DesignError, match="temporal has values of type float64"):
        evaluate_batch(architecture, layer, arrays._replace(temporal=arrays.temporal.astype(float)))
    with pytest.raises(DesignError, match="order has shape"):
        evaluate_batch(architecture, layer, arrays._replace(order=arrays.order[:, :2]))


def test_energy_parts_add_up():
    for case in CASES[::7]:
        architecture, layer, mapping = parse_case(case)
        cost = evaluate(architecture, layer, mapping)
        assert math.fsum(cost.energy_by_part().values()) == pytest.approx(cost.energy_pJ, rel=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_more_bandwidth_is_never_slower(seed):
    architecture, layer, mapping = random_case(np.random.default_rng(seed))
    slow = evaluate(architecture, layer, mapping)
    for level in architecture.levels:
        rates = {key: getattr(level, key) for key in ("read_bandwidth", "write_bandwidth", "shared_bandwidth")}
        faster = {key: None if rate is None else 2.0 * rate for key, rate in rates.items()}
        architecture = architecture.with_level(level.name, **faster)
    fast = evaluate(architecture, layer, mapping)
    assert fast.cycles <= slow.cycles
    assert fast.cycles >= layer.macs / fast.macs_used
    assert fast.energy_pJ == slow.energy_pJ


def test_a_mapping_survives_json():
    for case in CASES[::5]:
        architecture, layer, mapping = parse_case(case)
        again = Mapping.from_json(mapping.to_json(architecture), architecture, layer)
        assert evaluate(architecture, layer, again) == evaluate(architecture, layer, mapping)
        assert Layer.from_json(layer.to_json()) == layer
