"""The controller's state is a value: a run can stop after any request, be copied or kept, and go on."""

import pickle

import numpy as np
import pytest

from archgym.errors import ConfigError
from archgym.simulators.dram import layout as l
from archgym.simulators.dram.simulator import METRICS, row_of_metrics
from archgym.simulators.dram.system import CHANGEABLE, MemorySystem
from tests.dram.twin_cases import random_case, run_kernel


def cases(count, first=0):
    """Random cases that finish, with their uninterrupted runs."""
    for seed in range(first, first + count):
        case = random_case(seed)
        end, whole = run_kernel(case)
        if end == l.FINISHED:
            yield case, whole


def assert_same_end(system, whole):
    assert np.array_equal(system.latencies_ps, whole.latencies_ps)
    ours, expected = (dict(zip(METRICS, row_of_metrics(s), strict=True)) for s in (system, whole))
    for metric in METRICS:
        assert ours[metric] == expected[metric] or np.isnan(expected[metric]), metric.name


def test_stopping_after_every_request_changes_nothing():
    for case, whole in cases(60):
        system = MemorySystem(case.work, case.values)
        for served in range(1, len(case.work) + 1):
            end = system.advance(served)
            assert system.responses >= served
            assert end == (l.FINISHED if system.responses == len(case.work) else l.PAUSED)
        assert_same_end(system, whole)


@pytest.mark.parametrize("keep", [MemorySystem.copy, lambda s: pickle.loads(pickle.dumps(s))], ids=["copy", "pickle"])
def test_a_kept_state_goes_on_by_itself(keep):
    for case, whole in cases(40, first=100):
        system = MemorySystem(case.work, case.values)
        system.advance(len(case.work) // 2)
        kept, state = keep(system), system.state.copy()
        assert kept.advance() == l.FINISHED
        assert_same_end(kept, whole)
        assert np.array_equal(system.state, state), "going on with the copy has moved the original"
        assert system.advance() == l.FINISHED
        assert_same_end(system, whole)


def test_setting_what_is_set_already_changes_nothing():
    for case, whole in cases(20, first=200):
        system = MemorySystem(case.work, case.values)
        system.advance(len(case.work) // 3)
        system.change({name: case.values[name] for name in CHANGEABLE})
        assert system.advance() == l.FINISHED
        assert_same_end(system, whole)


def test_other_settings_before_the_start_are_that_design():
    for (case, _), (other, _) in zip(cases(40, first=300), cases(40, first=400), strict=False):
        values = {**case.values, **{name: other.values[name] for name in CHANGEABLE}}
        system = MemorySystem(case.work, case.values)
        system.change({name: values[name] for name in CHANGEABLE})
        whole = MemorySystem(case.work, values)
        if whole.advance() == l.FINISHED:
            assert system.advance() == l.FINISHED
            assert_same_end(system, whole)


def test_other_settings_on_the_way_serve_all_requests():
    for (case, _), (other, _) in zip(cases(40, first=500), cases(40, first=600), strict=False):
        system = MemorySystem(case.work, {**case.values, "CmdMux": "Oldest"})
        system.advance(len(case.work) // 2)
        system.change({name: other.values[name] for name in CHANGEABLE})
        assert system.advance() == l.FINISHED
        counters = system.channel_counters().sum(axis=0)
        assert counters[:3].sum() == len(case.work)
        assert system.latencies_ps.min() > 0


def test_what_shapes_the_hardware_cannot_change():
    case = random_case(0)
    system = MemorySystem(case.work, {**case.values, "Arbiter": "Simple"})
    with pytest.raises(ConfigError, match="'Arbiter' cannot change while running"):
        system.change({"Arbiter": "Fifo"})
