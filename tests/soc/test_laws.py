"""Laws of the model: rows are independent, parts add up, bounds hold, faster blocks on a chain never hurt."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from archgym.simulators.soc.arrays import Batch, graph_arrays
from archgym.simulators.soc.design import pack
from archgym.simulators.soc.generators import Knobs, generate
from archgym.simulators.soc.library import BUS, CORE, DRAM, SRAM, Library
from archgym.simulators.soc.model import simulate_batch
from archgym.simulators.soc.result import simulate_designs
from archgym.simulators.soc.simulator import make_limited, make_soc
from archgym.simulators.soc.workloads import SOURCE
from tests.soc.designs import generator, random_design
from tests.soc.twin import Twin

WORKLOADS = ("audio_decoder", "edge_detection", "hpvm_cava")


def random_batch(workload, count, seed=0):
    graph = SOURCE.load(workload).data
    library, rng = Library(graph), generator(seed)
    return graph, [random_design(graph, rng, library) for _ in range(count)]


@pytest.mark.parametrize("fidelity", ["physical", "farsi"])
def test_batch_is_one_by_one_is_permuted(fidelity):
    graph, designs = random_batch("audio_decoder", 300)
    arrays = graph_arrays(graph)
    kinds, batch = pack(designs)
    whole, _ = simulate_batch(arrays, kinds, batch, fidelity)
    rows = generator(1).permutation(len(designs))
    shuffled, _ = simulate_batch(arrays, kinds, Batch(*(part[rows] for part in batch)), fidelity, threads=2)
    for a, b in zip(whole, shuffled, strict=True):
        assert np.array_equal(a[rows], b)
    for row in range(0, 300, 17):
        alone, _ = simulate_batch(arrays, *pack([designs[row]]), fidelity)
        assert np.array_equal(alone.value[0], whole.value[row])
        assert np.array_equal(alone.latency[0], whole.latency[row])


@pytest.mark.parametrize("make", [make_soc, make_limited])
def test_simulators_are_pure(make):
    workload = SOURCE.load("edge_detection")
    simulator = make(workload)
    designs = simulator.space.sample(generator(2), 200)
    designs.setflags(write=False)
    metrics = simulator(designs, workload)
    again = pickle.loads(pickle.dumps(simulator))(designs[::-1], workload)
    for name, column in metrics.columns.items():
        assert np.array_equal(column, again[name][::-1], equal_nan=True), name
    assert metrics.reasons == again.reasons[::-1]
    for row in range(0, 200, 29):
        alone = simulator(designs[row : row + 1], workload)
        assert all(
            np.array_equal(alone[name], metrics[name][row : row + 1], equal_nan=True) for name in metrics.columns
        )


@pytest.mark.parametrize("make", [make_soc, make_limited])
def test_columns_are_the_declared_metrics_and_parts_add_up(make):
    workload = SOURCE.load("audio_decoder")
    simulator = make(workload)
    metrics = simulator(simulator.space.sample(generator(3), 3000), workload)
    assert tuple(metrics.columns) == tuple(metric.name for metric in simulator.metrics)
    assert metrics.feasible.any()
    for column in metrics.columns.values():
        assert np.isfinite(column[metrics.feasible]).all()
        assert np.isnan(column[~metrics.feasible]).all()
    assert all(bool(why) != good for why, good in zip(metrics.reasons, metrics.feasible, strict=True))
    totals = {metric.part_of for metric in simulator.metrics if metric.part_of}
    assert totals == {"energy_J", "on_chip_area_m2", "area_m2"}
    for total in totals:
        parts = sum(metrics[metric.name] for metric in simulator.metrics if metric.part_of == total)
        np.testing.assert_allclose(parts, metrics[total], rtol=1e-12)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_conservation(workload):
    """Energy by task, by block, by pair and by phase are the same energy; what is written is what is read."""
    _, designs = random_batch(workload, 40, seed=4)
    for result in simulate_designs(designs):
        energy = result.energy_J
        assert sum(values["energy_J"] for values in result.tasks.values()) == pytest.approx(energy, rel=1e-12)
        assert sum(values["energy_J"] for values in result.blocks.values()) == pytest.approx(energy, rel=1e-12)
        assert sum(part for use in result.use.values() for part in use.values()) == pytest.approx(energy, rel=1e-12)
        assert sum(joule for _, joule in result.phases) == pytest.approx(energy, rel=1e-12)
        assert sum(values["area_m2"] for values in result.blocks.values()) == pytest.approx(result.area_m2, rel=1e-12)
        assert sum(step for step, _ in result.phases) == pytest.approx(
            max(values["end_s"] for values in result.tasks.values()), rel=1e-12
        )
        graph = result.design.graph
        written = sum(values.get("written_bytes", 0.0) for values in result.blocks.values())
        read = sum(values.get("read_bytes", 0.0) for values in result.blocks.values())
        assert written == pytest.approx(sum(size for _, _, size in graph.edges), rel=1e-8)
        assert read == pytest.approx(written, rel=1e-8)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_lower_bounds(workload):
    """No task is faster than its processing element, nor a memory than its bandwidth; power is between mean and peak."""
    graph, designs = random_batch(workload, 40, seed=5)
    for result in simulate_designs(designs):
        rate = {name: block.rate for name, block in zip(result.design.names, result.design.blocks, strict=True)}
        for task, slot in zip(graph.tasks, result.design.pe, strict=True):
            least = task.work / rate[result.design.names[slot]]
            assert result.tasks[task.name]["active_s"] >= least * (1 - 1e-8)
        end = max(values["end_s"] for values in result.tasks.values())
        for name, values in result.blocks.items():
            moved = max(values.get("read_bytes", 0.0), values.get("written_bytes", 0.0))
            outside = sum(size for a, b, size in graph.edges if 0.0 in (graph.tasks[a].work, graph.tasks[b].work))
            assert moved - outside <= rate[name] * end * (1 + 1e-8)
        peaks = [joule / step for step, joule in result.phases if step > 0]
        assert result.energy_J / end * (1 - 1e-9) <= result.power_W <= max(peaks) * (1 + 1e-9)


def test_no_link_carries_more_than_its_bandwidth():
    """Phase by phase, rates times bytes an instruction on each way out of a bus and into a memory."""
    _, designs = random_batch("audio_decoder", 12, seed=6)
    for design in designs:
        twin = Twin(design)
        for _, rates in twin.phases:
            loads = {}
            for task, direction, _, size, _, _, pipes in twin.flows:
                if task in rates and twin.work[task]:
                    for pipe in pipes:
                        key = (direction, pipe)
                        loads[key] = loads.get(key, 0.0) + rates[task][0] * size / twin.work[task]
            for (_, (x, y)), load in loads.items():
                for block in (x, y):
                    if design.blocks[block].kind in ((BUS,) if block == x else (SRAM, DRAM)):
                        assert load <= design.blocks[block].rate * (1 + 1e-9)


def test_faster_blocks_never_slow_a_chain():
    """With one task at a time nothing competes, so more of anything is never worse (with several, scheduling may suffer)."""
    rng = generator(8)
    for seed in range(10):
        graph = generate("chain", Knobs(tasks=6, seed=seed))
        design = random_design(graph, rng)
        (before,) = simulate_designs([design])
        for slot, block in enumerate(design.blocks):
            blocks = list(design.blocks)
            blocks[slot] = block._replace(rate=block.rate * 4)
            faster = type(design)(
                graph, design.names, tuple(blocks), design.links, design.pe, design.memory, design.order
            )
            (after,) = simulate_designs([faster])
            assert after.latency_s <= before.latency_s * (1 + 1e-12)
            if before.blocks[design.names[slot]]["limiting_s"] > 0 and block.kind == CORE:
                assert after.latency_s < before.latency_s


def test_energy_does_not_depend_on_clocks():
    """Clocks of processing elements change when things happen, not what they cost."""
    workload = SOURCE.load("hpvm_cava")
    simulator = make_soc(workload)
    designs = simulator.space.sample(generator(9), 50)
    clocks = [n for n, name in enumerate(simulator.space.names) if name.endswith("cloned.clock_MHz")]
    faster = designs.copy()
    faster[:, clocks] = simulator.space.sizes[clocks] - 1
    before, after = simulator(designs, workload), simulator(faster, workload)
    assert (after["latency_s"] <= before["latency_s"] * (1 + 1e-12)).all()
    np.testing.assert_allclose(after["energy_J"], before["energy_J"], rtol=1e-9)
