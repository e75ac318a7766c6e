"""Designs of memory controllers that are said to be alike have the same results, to the last bit, in every metric."""

from __future__ import annotations

import numpy as np
import pytest

from archgym.registry import make_problem

FULL = "synthetic:bursty?requests=300&write_fraction=0.4&seed=1"
CASES = [
    ("DRAMEnv-v0", "stream?requests=400"),
    ("DRAMEnv-v0", "random?requests=400"),
    ("DRAMEnv-v0", "cloud-1?requests=400"),
    ("DRAMEnv-v0", FULL),
    ("DRAMFullEnv-v0", FULL),
    ("DRAMFullEnv-v0", "synthetic:random?requests=300&write_fraction=0&seed=2"),
]


@pytest.mark.parametrize(("id", "workload"), CASES)
def test_a_design_and_its_representative_have_the_same_metrics(id, workload):
    problem = make_problem(id, workload)
    designs = problem.space.sample(np.random.default_rng(7), 250)
    stand_ins = problem.simulator.representatives(designs, problem.workload)
    np.testing.assert_array_equal(stand_ins, problem.simulator.representatives(stand_ins, problem.workload))
    changed = (stand_ins != designs).any(axis=1)
    assert changed.sum() > 100
    one = problem.simulator(designs[changed], problem.workload)
    other = problem.simulator(stand_ins[changed], problem.workload)
    assert one.reasons == other.reasons
    for name in one.columns:
        np.testing.assert_array_equal(one[name].view(np.int64), other[name].view(np.int64), err_msg=name)


def test_each_rule_changes_what_it_says_and_no_more():
    problem = make_problem("DRAMEnv-v0", "stream")
    space = problem.space

    def stand_in(workload="stream", **settings):
        design = space.encode({"RefreshPolicy": "AllBank", "Arbiter": "Fifo", "MaxActiveTransactions": 128, **settings})
        found = problem.simulator.representatives(design, make_problem("DRAMEnv-v0", workload).workload)
        before, after = space.row(design[0]), space.row(found[0])
        return {name: after[name] for name in after if after[name] != before[name]}

    assert stand_in(Scheduler="FrFcfs") == {"Scheduler": "FrFcfsGrp"}
    assert stand_in(FULL, Scheduler="FrFcfs") == {}
    plain = {"Scheduler": "Fifo", "RefreshMaxPostponed": 8, "RequestBufferSize": 4}
    assert stand_in(**plain, RefreshMaxPulledin=4) == {}
    assert stand_in(**plain, RefreshPolicy="NoRefresh", RefreshMaxPulledin=4) == {
        "RefreshMaxPostponed": 1,
        "RefreshMaxPulledin": 1,
    }
    assert stand_in(**plain, Arbiter="Simple") == {"MaxActiveTransactions": 1}
    assert stand_in(**plain, SchedulerBuffer="Shared") == {"SchedulerBuffer": "ReadWrite"}
    assert stand_in(FULL, **plain, SchedulerBuffer="Shared") == {}
    assert stand_in(**plain, Arbiter="Reorder", RespQueue="Reorder") == {"Arbiter": "Fifo"}
    assert stand_in(**plain, Arbiter="Reorder", RespQueue="Fifo") == {}
    roomy = {**plain, "MaxActiveTransactions": 2, "SchedulerBuffer": "Shared"}
    assert stand_in(FULL, **roomy) == {"RequestBufferSize": 2, "SchedulerBuffer": "Bankwise"}
    assert stand_in(FULL, **{**roomy, "MaxActiveTransactions": 8}) == {}


def test_another_memory_is_another_simulator():
    names = {
        make_problem("DRAMEnv-v0", "stream", device=device, address_map=address_map).simulator.name
        for device, address_map in (("ddr3-1600", "rbc"), ("ddr3-1600", "brc"), ("ddr4-2400", "rbc"))
    }
    assert len(names) == 3


def test_a_memory_from_a_file_is_known_by_its_content(tmp_path):
    from importlib.resources import files

    text = files("archgym.simulators.dram").joinpath("devices/ddr3-1600.json").read_text()
    names = []
    for change in (text, text.replace("  ", " ")):
        (tmp_path / "mine.json").write_text(change)
        names.append(make_problem("DRAMEnv-v0", "stream", device=str(tmp_path / "mine.json")).simulator.name)
    assert names[0] != names[1]
    assert all(str(tmp_path) not in name for name in names)
