"""The kernel against its plain twin on random small designs and traces, and the twin against the reference itself."""

import dataclasses

import numpy as np
import pytest

from archgym.simulators.dram.address_map import load_address_map
from archgym.simulators.dram.device import device_names, load_device
from archgym.simulators.dram.settings import SETTINGS
from archgym.simulators.dram.system import prepare
from archgym.simulators.dram.traces import Trace
from archgym.simulators.dram.workloads import WORKLOADS
from benchmarks.dram_fidelity import LATENCY_DIGITS, errors, reference_runs
from tests.dram.twin_cases import Case, difference, random_case, run_twin


def check(seeds):
    found = [text for text in (difference(random_case(seed)) for seed in seeds) if text]
    assert not found, f"{len(found)} of {len(seeds)} cases differ, first: {found[0]}"


@pytest.mark.parametrize("block", range(4))
def test_the_kernel_equals_its_twin(block):
    check(range(60 * block, 60 * block + 60))


@pytest.mark.parametrize("block", range(2))
def test_one_channel_behind_the_simple_arbiter_equals_its_twin(block):
    """The case that the kernel takes a way of its own for, mostly without power-down."""
    found = []
    for seed in range(5000 + 60 * block, 5060 + 60 * block):
        case = random_case(seed, channels_from=(1,))
        values = {**case.values, "Arbiter": "Simple"}
        if seed % 4:
            values["PowerDownPolicy"] = "NoPowerDown"
        found.append(difference(dataclasses.replace(case, values=values)))
    assert not any(found), next(text for text in found if text)


def test_a_response_that_waits_for_the_next_clock_is_not_lost_when_a_request_is_accepted_just_then():
    """The arbiter must listen for the response although the next request comes later."""
    rng, device = np.random.default_rng(59), load_device("ddr3-1600")
    times = np.cumsum(rng.integers(0, 30, 40))
    addresses = rng.choice(rng.integers(0, 1 << 24, 12), 40) * 64
    trace = Trace(times, addresses, rng.random(40) < 0.5)
    values = {entry.name: entry.default for entry in SETTINGS} | {
        "Arbiter": "Simple", "RespQueue": "Reorder", "Scheduler": "FrFcfsGrp", "SchedulerBuffer": "Shared",
        "RequestBufferSize": 16, "PagePolicy": "ClosedAdaptive",
    }  # fmt: skip
    assert not difference(Case(prepare(trace, device, load_address_map("rbc", device)), values))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_the_kernel_equals_its_twin_in_many_cases(block):
    check(range(10_000 + 300 * block, 10_000 + 300 * block + 300))


def test_the_cases_cover_every_choice_and_device():
    cases = [random_case(seed) for seed in range(240)]
    for entry in SETTINGS:
        assert {case.values[entry.name] for case in cases} >= set(entry.choices), entry.name
    assert {case.work.device.id for case in cases} == set(device_names())
    assert {(case.work.device.ranks, case.work.device.channels) for case in cases} == {
        (ranks, channels) for ranks in (1, 2, 4) for channels in (1, 2)
    }


def reference_case(run):
    device = load_device(run["device"])
    work = prepare(WORKLOADS.load(run["trace"]).data, device, load_address_map(run["address_map"], device))
    return Case(work, {e.name: e.value(e.code(run.get(e.name, e.default))) for e in SETTINGS})


def twins_errors(run):
    result = run_twin(reference_case(run))
    latency_s = sum(result.latencies_ps) / len(result.latencies_ps) / 1e12
    return errors({**run, "energy_pJ": ""}, {"total_time_s": result.total_time_ps / 1e12, "mean_latency_s": latency_s})


def check_reference(runs):
    for run in runs:
        found = twins_errors(run)
        assert found["time"] == 0, (run["config"], run["trace"], found)
        assert found["latency"] <= LATENCY_DIGITS, (run["config"], run["trace"], found)


def test_the_twin_alone_equals_the_reference_on_short_traces():
    short = [run for run in reference_runs() if run["trace"] in ("ddr3_example", "chstone-jpeg_32")]
    check_reference(short[::35])


@pytest.mark.slow
def test_the_twin_alone_equals_the_reference_in_every_group():
    check_reference({(run["group"], run["PowerDownPolicy"]): run for run in reference_runs()}.values())
