"""Mappings as designs: every legal tiling and order is reached, and a design costs what its mapping costs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from archgym.errors import ConfigError, UnknownNameError, WorkloadError
from archgym.registry import make_problem
from archgym.simulators.dnn.architecture import Architecture, Arithmetic, StorageLevel
from archgym.simulators.dnn.constraints import read_freedom, satisfies
from archgym.simulators.dnn.exhaustive import every_mapping
from archgym.simulators.dnn.layer import Layer, convolution, gemm
from archgym.simulators.dnn.mapper import random_mappings
from archgym.simulators.dnn.mapping import pack, unpack
from archgym.simulators.dnn.mapping_simulator import MappingSimulator, make_mapping
from archgym.simulators.dnn.mapping_space import MappingCode
from archgym.simulators.dnn.model import evaluate, evaluate_batch
from archgym.simulators.dnn.network import make_network
from archgym.simulators.dnn.templates import Template, template_names
from archgym.simulators.dnn.workloads import LAYER_SOURCE, network_workload


def small(words=8, fanout=(2, 1)):
    levels = (
        StorageLevel("RF", words, *fanout, read_pJ=1, fill_pJ=1, update_pJ=1),
        StorageLevel("DRAM", None, read_pJ=50, fill_pJ=50, update_pJ=50),
    )
    return Architecture("small", Arithmetic("MAC", *fanout), levels)


def simulator(architecture, layer, rules=(), overflow="outwards"):
    return MappingSimulator("test", MappingCode(Template(architecture, tuple(rules), ""), layer, overflow))


def signature(arrays, row):
    """What of a mapping can matter: factors, kept tensors, and the order of the loops that run more than once."""
    orders = [
        tuple(int(d) for d in order if factors[d] > 1)
        for order, factors in zip(arrays.order[row], arrays.temporal[row], strict=True)
    ]
    return arrays.temporal[row].tobytes(), arrays.spatial[row].tobytes(), arrays.keep[row].tobytes(), tuple(orders)


@pytest.mark.parametrize("overflow", ["outwards", "infeasible"])
@pytest.mark.parametrize(
    ("layer", "words"),
    [(gemm(4, 2, 3), 8), (convolution((2, 1), 2, 2, (3, 1)), 9), (Layer((1, 1, 1, 1, 6, 4, 1, 1)), 5)],
)
def test_every_mapping_that_fits_is_reached(layer, words, overflow):
    """All designs of a small space against all mappings, tried one by one by another program."""
    architecture, rules = (
        small(words),
        [{"target": "RF", "type": "datatype", "keep": ["Outputs"], "bypass": ["Weights"]}],
    )
    sim = simulator(architecture, layer, rules, overflow)
    designs = sim.space.enumerate()
    arrays = sim.arrays(designs)
    feasible = sim(designs, network_workload(make_network("test", [layer]))).feasible
    reached = {signature(arrays, row) for row in np.flatnonzero(feasible)}
    expected = set()
    for block in every_mapping(architecture, layer, rules):
        fits = evaluate_batch(architecture, layer, block).feasible
        expected |= {signature(block, row) for row in np.flatnonzero(fits)}
    assert len(expected) > 20
    assert reached == expected
    assert feasible.all() == (overflow == "outwards")


@pytest.mark.parametrize("overflow", ["outwards", "infeasible"])
@pytest.mark.parametrize("name", template_names())
def test_a_design_costs_what_its_mapping_costs(name, overflow):
    workload = LAYER_SOURCE.load("mobilenetv2/b2_dw" if name == "unified" else "resnet18/conv3_1a")
    sim = make_mapping(workload, name, overflow)
    layer, architecture = sim.layer, sim.code.architecture
    designs = sim.space.sample(np.random.default_rng(1), 300)
    metrics, arrays = sim(designs, workload), sim.arrays(designs)
    costs = evaluate_batch(architecture, layer, arrays)
    freedom = read_freedom(architecture, layer, sim.code.template.rules)
    for row in range(len(designs)):
        if metrics.feasible[row]:
            assert metrics["energy_J"][row] == costs.energy_pJ[row] * 1e-12
            assert metrics["cycles"][row] == costs.cycles[row]
            assert satisfies(arrays, row, freedom)
        elif "rules do not allow" not in metrics.reasons[row]:
            assert metrics.reasons[row] == costs.reason(row)
    if overflow == "outwards":
        assert metrics.feasible.all()
    else:
        assert 0 < metrics.feasible.mean() < 1
        assert any("bytes) exceeds" in reason for reason in metrics.reasons)


def test_parts_are_those_of_the_cost_model():
    workload = LAYER_SOURCE.load("resnet18/conv2_1a")
    sim = make_mapping(workload, "eyeriss_like")
    designs = sim.space.sample(np.random.default_rng(2), 5)
    metrics = sim(designs, workload)
    for row, design in enumerate(designs):
        cost = evaluate(sim.code.architecture, sim.layer, sim.mapping(design))
        for level in cost.levels:
            assert metrics[f"{level.name}_energy_J"][row] == pytest.approx(level.energy_pJ * 1e-12, rel=1e-12)
        assert metrics.extras["breakdown"][row].result.energy_J == pytest.approx(metrics["energy_J"][row], rel=1e-12)


@pytest.mark.parametrize("overflow", ["outwards", "infeasible"])
@pytest.mark.parametrize("name", ["unified", "eyeriss_like"])
def test_encoding_a_mapping_that_fits_and_decoding_it_gives_it_back(name, overflow):
    workload = LAYER_SOURCE.load("resnet18/conv3_1a")
    sim = make_mapping(workload, name, overflow)
    architecture, layer, rules = sim.code.architecture, sim.layer, sim.code.template.rules
    given = random_mappings(architecture, layer, rules, 60, seed=3)
    for row in np.flatnonzero(evaluate_batch(architecture, layer, given).feasible):
        back = sim.arrays(sim.code.encode(unpack(given, row)))
        assert signature(back, 0) == signature(pack([unpack(given, row)]), 0)


def test_the_order_code_has_each_order_once():
    layer = gemm(2, 2, 2)
    sim = simulator(small(words=1000), layer)
    order = [name for name in sim.space.names if name.startswith("DRAM.order")]
    seen = []
    for values in itertools.product(*(sim.space[name].levels for name in order)):
        choices = dict(zip(order, values, strict=True)) | {
            name: "DRAM" for name in sim.space.names if "." + "0" in name[-2:]
        }
        seen.append(tuple(d for d, _ in sim.mapping(sim.space.encode(choices)).blocks[1].temporal))
    assert sorted(seen) == sorted(itertools.permutations(("P", "C", "K")))


def test_the_default_is_the_mappers():
    problem = make_problem("DNNMappingEnv-v0")
    random = problem.evaluate(problem.space.sample(np.random.default_rng(0), 500))
    assert problem.evaluate(problem.space.default).reward[0] == 0.5
    assert random.reward.max() < 0.5


def test_what_cannot_be_done_is_refused():
    workload = LAYER_SOURCE.load("resnet18/conv2_1a")
    with pytest.raises(UnknownNameError, match="did you mean 'unified'"):
        make_mapping(workload, "unifed")
    with pytest.raises(UnknownNameError, match="overflow"):
        make_mapping(workload, overflow="inwards")
    with pytest.raises(WorkloadError, match="made for 'conv2_1a'"):
        make_mapping(workload)(np.zeros((1, 1)), LAYER_SOURCE.load("resnet18/conv1"))
    with pytest.raises(WorkloadError, match="several layers"):
        make_problem("DNNMappingEnv-v0", network_workload(make_network("two", [gemm(2, 3, 4), gemm(2, 3, 5)])))
    with pytest.raises(ConfigError, match="nothing to choose"):
        _ = simulator(small(fanout=(1, 1)), Layer((1,) * 8), [
            {"target": "RF", "type": "datatype", "keep": ["Weights", "Inputs", "Outputs"]},
        ]).space  # fmt: skip
