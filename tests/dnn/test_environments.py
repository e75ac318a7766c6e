"""The hardware environments: spaces as published, costs as the cost model gives them, infeasible designs with a reason."""

from __future__ import annotations

import dataclasses
import json
import re

import gymnasium
import numpy as np
import pytest

from archgym.cli import main
from archgym.errors import ConfigError, DesignError, UnknownNameError, WorkloadError
from archgym.metrics import all_feasible
from archgym.registry import make_problem
from archgym.simulators.dnn import components
from archgym.simulators.dnn.accelerator import AcceleratorSimulator, MapperSettings
from archgym.simulators.dnn.architecture import Architecture, Arithmetic, StorageLevel
from archgym.simulators.dnn.codesign import DATAFLOWS, make_codesign
from archgym.simulators.dnn.constraints import read_freedom
from archgym.simulators.dnn.eyeriss import SPACE, make_dnn
from archgym.simulators.dnn.layer import convolution, depthwise, gemm, matmul
from archgym.simulators.dnn.mapper import map_network
from archgym.simulators.dnn.network import make_network
from archgym.simulators.dnn.objectives import ArchGymCost
from archgym.simulators.dnn.systolic import systolic_cost
from archgym.simulators.dnn.systolic_simulator import SPACE as SYSTOLIC
from archgym.simulators.dnn.systolic_simulator import make_systolic
from archgym.simulators.dnn.templates import Template
from archgym.simulators.dnn.workloads import load_network, network_workload
from archgym.space import Space, powers

SMALL = network_workload(
    make_network("small", [convolution((14, 14), 32, 16, (3, 3)), depthwise((14, 14), 32), gemm(1, 10, 32)])
)


def designs(space, count, seed=0):
    return space.sample(np.random.default_rng(seed), count)


def test_the_space_is_archgyms():
    assert len(SPACE) == 26
    assert SPACE.size == 2_154_550_209_231_716_352
    assert [len(p.levels) for p in SPACE.parameters] == [
        24, 3, 4, 16, 3, 4, 4, 4, 16, 3, 4, 4, 4, 16, 3, 4, 4, 4, 16, 3, 4, 7, 4, 3, 4, 4
    ]  # fmt: skip
    assert set(SPACE.groups()) == {"array", "ifmap_spad", "psum_spad", "weights_spad", "dummy_buffer", "shared_glb"}


@pytest.mark.parametrize("seed", range(4))
def test_hardware_is_the_template_with_other_sizes(seed):
    """A design against the same hardware written as an architecture file."""
    value = SPACE.row(SPACE.default if seed == 0 else designs(SPACE, 1, seed)[0])
    across = value["mac_mesh_x"]

    def level(name, key, x, y):
        of = {part.split(".")[1]: v for part, v in value.items() if part.startswith(key + ".")}
        found = {"name": name, "class": of["class"], "depth": of["memory_depth"], "block_size": of["block_size"],
                 "mesh_x": x, "mesh_y": y, "word_bits": 16, "banks": of.get("n_banks", 1)}  # fmt: skip
        return found | {k: of[k] for k in ("read_bandwidth", "write_bandwidth") if k in of}

    pes = (across, value["num_pes"] // across)
    file = {
        "technology_nm": 45, "arithmetic": {"name": "MAC", "mesh_x": pes[0], "mesh_y": pes[1], "word_bits": 16},
        "storage": [
            level("PsumSpad", "psum_spad", *pes), level("WeightSpad", "weights_spad", *pes),
            level("IfmapSpad", "ifmap_spad", *pes), level("Column", "dummy_buffer", across, 1),
            level("GLB", "shared_glb", 1, 1),
            {"name": "DRAM", "class": "DRAM", "technology": "DRAM", "word_bits": 16, "block_size": 4, "bandwidth": 8},
        ],
    }  # fmt: skip
    expected = Architecture.from_json(file, "Eyeriss-like array")
    made = make_dnn().accelerator(SPACE.encode(value)[0]).architecture
    column, each = expected.level("Column"), 14 // across
    expected = expected.with_level(
        "Column", words=0, area_um2=each * column.area_um2, leakage_pJ=each * column.leakage_pJ
    )
    assert made == expected
    assert made.arithmetic.instances == value["num_pes"]


def test_metrics_are_those_of_the_mapped_layers():
    simulator, network = make_dnn(mapper_budget=300), SMALL.data
    network = make_network("small", [*network.layers, network.layers[0]])
    work = network_workload(network)
    rows = designs(SPACE, 3)
    metrics = simulator(rows, work)
    for row, design in enumerate(rows):
        template = simulator.accelerator(design)
        mapped = map_network(template.architecture, network.layers, template.rules, budget=300)
        cycles = sum(n * m.cost.cycles for n, m in zip(network.counts, mapped, strict=True))
        energy = sum(n * m.cost.energy_pJ for n, m in zip(network.counts, mapped, strict=True)) * 1e-12
        assert network.counts == (2, 1, 1)
        assert metrics["cycles"][row] == cycles
        assert metrics["latency_s"][row] == pytest.approx(cycles * 1e-9)
        assert metrics["energy_J"][row] == pytest.approx(energy, rel=1e-12)
        assert metrics["area_m2"][row] == pytest.approx(template.architecture.area_um2 * 1e-12, rel=1e-12)
        assert metrics["utilization"][row] == pytest.approx(
            network.macs / cycles / template.architecture.arithmetic.instances
        )
        result = metrics.extras["breakdown"][row].result
        assert [layer["count"] for layer in result.layer_rows()] == [2, 1, 1]
        assert sum(r["count"] * r["energy_J"] for r in result.layer_rows()) == pytest.approx(energy, rel=1e-12)
        dram = sum(
            n * t.energy_pJ * 1e-12
            for n, m in zip(network.counts, mapped, strict=True)
            for t in m.cost.levels[-1].tensors.values()
        )
        assert metrics["dram_energy_J"][row] == pytest.approx(dram, rel=1e-12)


def test_the_dummy_buffer_takes_area_and_leaks_and_nothing_else():
    simulator = make_dnn(mapper_budget=200)
    small, large = (SPACE.encode({"dummy_buffer.memory_depth": depth})[0] for depth in (16, 65536))
    before, after = simulator(np.stack([small, large]), SMALL).row(0), simulator(np.stack([small, large]), SMALL).row(1)
    assert after["dummy_buffer_area_m2"] > 100 * before["dummy_buffer_area_m2"]
    assert after["leakage_energy_J"] > before["leakage_energy_J"]
    assert after["dummy_buffer_energy_J"] == before["dummy_buffer_energy_J"] == 0


@pytest.mark.parametrize("make", [make_dnn, make_codesign])
def test_threads_do_not_change_results(make):
    one, several = make(mapper_budget=200, threads=1), make(mapper_budget=200, threads=4)
    rows = designs(one.space, 6)
    for name, column in one(rows, SMALL).columns.items():
        assert np.array_equal(column, several(rows, SMALL)[name], equal_nan=True)


@pytest.mark.parametrize("objective", ["energy", "latency"])
def test_mapping_for_a_quantity_gives_less_of_it(objective):
    metric = {"energy": "energy_J", "latency": "cycles"}[objective]
    default = SPACE.default[None]
    for_both, for_one = (make_dnn(mapper_objective=name)(default, SMALL)[metric][0] for name in ("edp", objective))
    assert for_one <= 1.001 * for_both


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mapper_budget": 0}, "mapper_budget = 0"),
        ({"mapper_seed": -1}, "mapper_seed = -1"),
        ({"mapper_objective": "speed"}, "unknown mapper_objective 'speed'"),
        ({"technology_nm": 28}, "technology_nm = 28"),
        ({"clock_GHz": 0}, "clock_GHz = 0"),
        ({"dram_words_per_cycle": -1}, "dram_words_per_cycle = -1"),
        ({"no_such": 1}, "no_such"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises((ConfigError, UnknownNameError), match=words):
        make_problem("DNNEnv-v0", SMALL, **options)


@pytest.mark.parametrize("id", ["DNNCoDesignEnv-v0", "SystolicEnv-v0"])
def test_narrow_words_cost_less(id):
    wide, narrow = (make_problem(id, SMALL, word_bits=bits).reference for bits in (16, 8))
    assert narrow["energy_J"] < 0.7 * wide["energy_J"]
    with pytest.raises(ConfigError, match="word_bits = 12 must be one of 8, 16, 32"):
        make_problem(id, SMALL, word_bits=12)


def test_options_are_part_of_the_identity():
    plain, other = make_problem("DNNEnv-v0", SMALL), make_problem("DNNEnv-v0", SMALL, mapper_budget=100)
    assert plain.identity() != other.identity()
    assert "mapper_budget=100" in other.simulator.name


@dataclasses.dataclass(frozen=True)
class OneBuffer:
    """A buffer that must hold a word of each tensor, of one to eight words; the eighth size cannot be built."""

    space = Space("one buffer", (powers("words", 1, 8, default=4),))
    parts = {"GLB": "buffer", "DRAM": "dram"}  # noqa: RUF012

    def accelerator(self, design):
        if design["words"] == 8:
            return "eight words are too many"
        levels = (StorageLevel("GLB", design["words"]), StorageLevel("DRAM", None))
        keep = {"target": "GLB", "type": "datatype", "keep": ["Weights", "Inputs", "Outputs"]}
        return Template(Architecture("one", Arithmetic(), levels), (keep,), "")


def test_infeasible_designs_are_rows_with_a_reason():
    simulator = AcceleratorSimulator("test", OneBuffer(), MapperSettings(budget=50))
    metrics = simulator(np.arange(4)[:, None], SMALL)
    assert list(metrics.feasible) == [False, False, True, False]
    assert metrics.reasons[0].endswith("GLB: tile of 3 words (6 bytes) exceeds 1 words (2 bytes)")
    assert "layer convolution: no mapping found in 50 evaluations" in metrics.reasons[1]
    assert metrics.reasons[3] == "eight words are too many"
    with pytest.raises(DesignError, match="no hardware: eight words"):
        simulator.accelerator(np.array([3]))
    with pytest.raises(DesignError, match="infeasible design"):
        _ = simulator.explain(np.array([0]), SMALL).energy_J


def test_rules_that_a_layer_cannot_meet_are_a_reason():
    class Fixed(OneBuffer):
        def accelerator(self, design):
            template = super().accelerator({"words": 4})
            rule = {"target": "GLB", "type": "temporal", "factors": "R=2"}
            return Template(template.architecture, (*template.rules, rule), "")

    metrics = AcceleratorSimulator("test", Fixed())(np.zeros((1, 1), np.int64), SMALL)
    assert "no mapping: mapping constraints fix R to 2 in all, which does not divide 3" in metrics.reasons[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shared_buffer.bandwidth": 32, "shared_buffer.banks": 1}, "32 words a cycle asked of 1 banks with rows of 4"),
        ({"clock_MHz": 1000, "shared_buffer.KiB": 2048, "shared_buffer.banks": 1, "shared_buffer.bandwidth": 4},
         "an access takes .* ns, a clock cycle is 1 ns"),
    ],
)  # fmt: skip
def test_buffers_that_are_too_narrow_or_too_slow(changes, words):
    simulator = make_codesign()
    metrics = simulator(simulator.space.encode(changes), SMALL)
    assert not metrics.feasible[0]
    assert re.search(words, metrics.reasons[0])


@pytest.mark.parametrize("layer", [*SMALL.data.layers, matmul(32, 32, 16, 4)], ids=lambda layer: layer.name)
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_every_dataflow_maps_every_kind_of_layer(dataflow, layer):
    simulator = make_codesign(mapper_budget=200)
    template = simulator.accelerator(simulator.space.encode({"dataflow": dataflow})[0])
    read_freedom(template.architecture, layer, template.rules)
    (mapped,) = map_network(template.architecture, [layer], template.rules, budget=200)
    assert mapped.cost.feasible
    spread = {d for block in mapped.mapping.blocks for d, n in (*block.x, *block.y) if n > 1}
    allowed = {"row_stationary": "QKSCG", "weight_stationary": "KGC", "output_stationary": "KGPQN",
               "input_stationary": "PQGC", "flexible": "RSPQCKNG"}[dataflow]  # fmt: skip
    assert spread <= set(allowed)


def test_systolic_cycles_are_the_closed_form():
    simulator, network = make_systolic(), load_network("resnet18")
    rows = designs(SYSTOLIC, 12)
    metrics = simulator(rows, network_workload(network))
    for row, design in enumerate(rows):
        value, cycles = SYSTOLIC.row(design), 0
        for layer, count in zip(network.layers, network.counts, strict=True):
            r, s, p, q, c, k, _, _ = layer.bounds
            cost = systolic_cost(p * q, k, r * s * c, value["array_rows"], value["array_columns"], value["dataflow"])
            cycles += count * int(cost.cycles)
        assert metrics["compute_cycles"][row] == cycles
        assert metrics["cycles"][row] >= cycles
        assert sum(n["count"] * n["cycles"] for n in metrics.extras["breakdown"][row].layers) == metrics["cycles"][row]


def test_systolic_energy_of_one_product_by_hand():
    """4 x 4 outputs of 8 products on a 4 x 4 output-stationary array: one fold, everything moved once."""
    work = network_workload(make_network("one", [gemm(4, 4, 8)]))
    design = SYSTOLIC.encode({"array_rows": 4, "array_columns": 4, "dataflow": "os", "dram.bandwidth": 64})
    found = make_systolic()(design, work).row(0)
    part = components.memory("smartbuffer_SRAM", 64 * 128, 64, 1, 45)
    assert found["cycles"] == 8 + 4 + 4 - 2
    assert found["dram_energy_J"] == pytest.approx((32 + 32 + 16) * 16 * 8e-12)
    assert found["ifmap_energy_J"] == pytest.approx(32 * (part.read_pJ + part.write_pJ) / 4 * 1e-12)
    assert found["ofmap_energy_J"] == pytest.approx(16 * (part.read_pJ + part.write_pJ) / 4 * 1e-12)
    assert found["utilization"] == pytest.approx(128 / (14 * 16))


def test_more_bandwidth_and_larger_buffers_never_cost_time_on_a_systolic_array():
    simulator, work = make_systolic(), network_workload(load_network("mobilenetv2"))
    rows = designs(SYSTOLIC, 40)
    for name in ("dram.bandwidth", "ifmap_sram.KiB", "filter_sram.KiB", "ofmap_sram.KiB"):
        column = SYSTOLIC.names.index(name)
        more = rows.copy()
        more[:, column] = np.minimum(rows[:, column] + 1, SYSTOLIC.sizes[column] - 1)
        assert (simulator(more, work)["cycles"] <= simulator(rows, work)["cycles"]).all()


def test_systolic_counts_do_not_overflow():
    work = network_workload(make_network("huge", [gemm(2**31, 2**31, 1)]))
    with pytest.raises(WorkloadError, match="2\\^63"):
        make_systolic()(SYSTOLIC.default[None], work)


def test_archgyms_formula():
    """Sum of relative excesses; 1e-5 for nothing, 1e-3 added to the joint cost, 1500 at most and for a failure."""
    columns = {"energy_J": np.array([2.0, 5.0, 1.0, 1e9]), "cycles": np.array([10.0, 30.0, 10.0, 10.0])}
    metrics = all_feasible(columns)
    alone, joint = ArchGymCost(("energy_J",), (2.0,)), ArchGymCost(("energy_J", "cycles"), (2.0, 10.0), 1e-3)
    assert alone(metrics) == pytest.approx([-1e-5, -1.5, -1e-5, -1500])
    assert joint(metrics) == pytest.approx([-1e-3, -3.501, -1e-3, -1500])
    failed = dataclasses.replace(metrics, feasible=np.array([False, True, True, True]))
    assert joint(failed)[0] == -1500


def test_targets_are_archgyms_improvements_on_its_baseline():
    objective = make_problem("DNNEnv-v0", SMALL, "joint").objective
    limits = dict(zip(objective.metrics, objective.limits, strict=True))
    assert limits["energy_J"] == pytest.approx(0.7 * 29206e-6)
    assert limits["area_m2"] == pytest.approx(0.85 * 2.03e-6)
    assert limits["cycles"] == pytest.approx(0.8 * 7_885_704)
    improve = make_problem("DNNEnv-v0", SMALL, "improve")
    assert improve.objective.limits[0] == pytest.approx(0.7 * improve.reference["energy_J"])


@pytest.mark.parametrize("id", ["DNNEnv-v0", "DNNCoDesignEnv-v0", "DNNMappingEnv-v0", "SystolicEnv-v0"])
def test_results_are_shown(id, tmp_path):
    layer = network_workload(make_network("one", [convolution((14, 14), 32, 16, (3, 3), name="middle")]))
    text = gymnasium.make(id, workload=layer, render_mode="ansi")
    text.reset()
    shown = text.unwrapped.render()
    if id == "SystolicEnv-v0":
        assert "words off chip" in shown
    else:
        assert "mapping of middle:" in shown
        assert "multiply-accumulate" in shown
        assert "leakage" in shown
    picture = gymnasium.make(id, workload=layer, render_mode="rgb_array")
    picture.reset()
    pixels = picture.unwrapped.render()
    assert pixels.shape[2] == 3
    assert pixels.std() > 20


def test_show_prints_hardware_and_draws_a_design(tmp_path, capsys):
    network = tmp_path / "mine.json"
    network.write_text(json.dumps({"layers": [{"name": "only", "gemm": {"M": 8, "N": 16, "K": 32}}]}))
    assert main(["show", "DNNEnv-v0", "--workload", str(network)]) == 0
    out = capsys.readouterr().out
    for words in ("IfmapSpad", "128 KiB", "words/cycle", "pJ/word", ".onnx"):
        assert words in out
    picture = tmp_path / "design.png"
    command = [
        "show",
        "DNNEnv-v0",
        "--workload",
        str(network),
        "--set",
        "num_pes=14",
        "--picture",
        str(picture),
        "--result",
    ]
    assert main(command) == 0
    assert "mapping of only:" in capsys.readouterr().out
    assert picture.stat().st_size > 10_000
    assert main(["show", "DNNEnv-v0", "--set", "num_pes=15"]) == 1
    assert main(["show", "DNNEnv-v0", "--set", "num_pes"]) == 1
