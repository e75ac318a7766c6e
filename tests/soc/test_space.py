"""The template space and ArchGym's: what they hold, that every design is a tree, and that names agree with arrays."""

from __future__ import annotations

import numpy as np
import pytest

from archgym.errors import ConfigError, UnknownNameError, WorkloadError
from archgym.simulators.soc.arrays import VALUES
from archgym.simulators.soc.library import BUS
from archgym.simulators.soc.simulator import budget_limits, make_limited, make_soc
from archgym.simulators.soc.workloads import SOURCE
from tests.soc.designs import generator

WORKLOADS = ("audio_decoder", "edge_detection", "hpvm_cava")
TOGETHER = "audio_decoder+hpvm_cava+edge_detection"


@pytest.mark.parametrize(
    "workload", [*WORKLOADS, TOGETHER, "SOC_example_8p", "synthetic:edge?tasks=30&accelerators=0.5"]
)
def test_every_template_design_is_feasible_and_has_no_idle_block(workload):
    work = SOURCE.load(workload)
    simulator = make_soc(work)
    designs = simulator.space.sample(generator(0), 10_000 if workload in WORKLOADS else 2000)
    metrics = simulator(designs, work)
    assert metrics.feasible.all()
    for row in range(50):
        design = simulator.design(designs[row])
        used = set(design.pe) | set(design.memory)
        for slot, block in enumerate(design.blocks):
            assert slot in used or block.kind == BUS
        linked = {end for link in design.links for end in link}
        assert linked == set(range(len(design.names)))


@pytest.mark.parametrize("make", [make_soc, make_limited])
def test_named_designs_give_the_same_numbers(make):
    """The breakdown is simulated from the design by name; its totals are the row's to the last bit."""
    work = SOURCE.load("audio_decoder")
    simulator = make(work)
    designs = simulator.space.sample(generator(1), 4000 if make is make_limited else 40)
    metrics = simulator(designs, work)
    rows = np.flatnonzero(metrics.feasible)[:40]
    assert len(rows) >= 5
    for row in rows:
        result = metrics.extras["breakdown"][int(row)].result
        assert result.latency_s == metrics["latency_s"][row]
        assert result.power_W == metrics["power_W"][row]
        for name in VALUES[1:10]:
            assert result.total[name] == metrics[name][row]
    assert len(metrics.extras["breakdown"]) == len(designs)
    assert len(metrics.extras["breakdown"][:3]) == 3


def test_infeasible_rows_explain_themselves():
    work = SOURCE.load("edge_detection")
    simulator = make_limited(work)
    designs = simulator.space.sample(generator(1), 300)
    metrics = simulator(designs, work)
    for row in np.flatnonzero(~metrics.feasible)[:50]:
        assert metrics.extras["breakdown"][int(row)].result.reason.split(":")[0] == metrics.reasons[row].split(":")[0]


def test_the_default_is_farsis_start():
    work = SOURCE.load("hpvm_cava")
    simulator = make_soc(work)
    design = simulator.design(simulator.space.default)
    assert sorted(block.name for block in design.blocks) == ["A53_pe", "GMEM_0_1_mem", "LMEM_ic_0_1_ic"]
    metrics = simulator(simulator.space.default[None], work)
    assert metrics["latency_s"][0] > 81.3  # gamut_map alone on a core


def test_the_whole_library_can_be_had():
    """Every block of the library is reached by some level of the template."""
    work = SOURCE.load("hpvm_cava")
    simulator = make_soc(work)
    seen = set()
    designs = simulator.space.sample(generator(2), 20_000)
    batch = simulator.decoder.batch(designs)
    for number in np.unique(batch.block[batch.block >= 0]):
        seen.add(simulator.decoder.blocks[int(number)].name)
    assert seen == {block.name for block in simulator.decoder.blocks}


def test_groups_are_the_subsystems():
    space = make_soc(SOURCE.load("audio_decoder")).space
    assert set(space.groups()) == {"processing elements", "mapping", "memories", "interconnect"}
    assert all(parameter.help for parameter in space.parameters)


def test_slots_are_options():
    work = SOURCE.load("edge_detection")
    space = make_soc(work, cores=1, memories=1, buses=1).space
    assert "core_1" not in space["gaussianSmoothing.runs_on"].levels
    assert not any(name.endswith((".bus", ".parent")) for name in space.names)
    for bad in (0, 17, "3"):
        with pytest.raises(ConfigError, match="cores"):
            make_soc(work, cores=bad)
    with pytest.raises(UnknownNameError, match="fidelity"):
        make_soc(work, fidelity="physcial")


@pytest.mark.parametrize(("workload", "length", "size"), [("audio_decoder", 54, 5.44e26), ("hpvm_cava", 36, 1.40e18), ("edge_detection", 34, 1.56e17)])  # fmt: skip
def test_archgyms_space_has_its_published_size(workload, length, size):
    space = make_limited(SOURCE.load(workload)).space
    assert len(space) == length
    assert space.size == pytest.approx(size, rel=0.01)


def test_archgyms_integers_mean_what_they_meant():
    """A design written out: two cores on buses 0 and 1, linked; memory 2 at 800 MHz on bus 1."""
    work = SOURCE.load("edge_detection")
    simulator = make_limited(work)
    tasks = [task.name for task in work.data.tasks]
    row = {"memory_allocation_2": 3, "bus_allocation_1": 2, "pe_to_bus_1": 1, "bus_to_bus_0": 1, "bus_to_memory_0": -1}
    row |= (
        {"bus_to_memory_1": 2} | {f"task_to_memory_{task}": 2 for task in tasks} | {"task_to_pe_gaussianSmoothing": 1}
    )
    design = simulator.design(simulator.space.encode(row)[0])
    kinds = dict(zip(design.names, [block.name for block in design.blocks], strict=True))
    assert kinds == {
        "pe_0": "A53_pe",
        "pe_1": "A53_pe",
        "memory_2": "GMEM_0_8_mem",
        "bus_0": "LMEM_ic_0_1_ic",
        "bus_1": "LMEM_ic_0_6_ic",
    }
    pairs = {frozenset((design.names[a], design.names[b])) for a, b in design.links}
    assert pairs == {
        frozenset(pair) for pair in (("pe_0", "bus_0"), ("pe_1", "bus_1"), ("bus_0", "bus_1"), ("bus_1", "memory_2"))
    }
    accelerator = simulator.design(simulator.space.encode(row | {"pe_allocation_1": 1})[0])
    assert accelerator.blocks[accelerator.names.index("pe_1")].name == "gaussianSmoothing_IP0_1_1_pe"


def test_another_workload_is_refused():
    simulator = make_soc(SOURCE.load("hpvm_cava"))
    with pytest.raises(WorkloadError, match="hpvm_cava"):
        simulator(simulator.space.default[None], SOURCE.load("edge_detection"))


def test_budgets_of_several_applications_add_up():
    """FARSI: each its latency; power and area k times."""
    alone = {name: budget_limits(SOURCE.load(name).data) for name in WORKLOADS}
    together = budget_limits(SOURCE.load(TOGETHER).data)
    for name in WORKLOADS:
        assert together[f"latency_{name}_s"] == alone[name]["latency_s"]
    assert together["power_W"] == pytest.approx(3 * 0.008737)
    assert together["on_chip_area_m2"] == together["dram_area_m2"] == pytest.approx(3 * 1.7475e-5)


def test_several_applications_share_one_soc():
    """Each application has its latency, the SoC the slowest one's."""
    work = SOURCE.load(TOGETHER)
    simulator = make_soc(work)
    designs = simulator.space.sample(generator(5), 20)
    metrics = simulator(designs, work)
    each = [metrics[f"latency_{name}_s"] for name in WORKLOADS]
    assert np.array_equal(metrics["latency_s"], np.max(each, axis=0))
    assert (np.min(each, axis=0) > 0).all()
