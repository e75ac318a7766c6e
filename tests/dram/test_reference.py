"""Equality with DRAMSys 4.0: total time to the printed value, mean latency and energy to the printed digits."""

import pytest

from benchmarks.dram_fidelity import LATENCY_DIGITS, errors, reference_runs, simulate

EVERY = 19  # the quick test's share; groups are interleaved by trace and configuration, so all are in it


def check(runs, share, share_near, near):
    found = [(run, errors(run, ours)) for run, ours in simulate(runs)]
    exact = [e["time"] == 0 and e["latency"] <= LATENCY_DIGITS and e.get("energy", 0.0) <= 1e-6 for _, e in found]
    off = [(run["config"], run["trace"], e) for (run, e), ok in zip(found, exact, strict=True) if not ok]
    assert sum(exact) >= share * len(found), off
    assert sum(max(e.values()) <= near for _, e in found) >= share_near * len(found), off


def test_a_sample_of_all_groups_is_equal():
    runs = reference_runs()[::EVERY]
    assert {run["group"] for run in runs} == {run["group"] for run in reference_runs()}
    check(runs, share=1.0, share_near=1.0, near=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("energy", [True, False], ids=["DDR3 and DDR4", "LPDDR4 and HBM2"])
def test_all_runs(energy):
    runs = [run for run in reference_runs() if run["group"].startswith("ddr") == energy]
    check(runs, share=0.995 if energy else 0.95, share_near=1.0, near=0.005 if energy else 0.01)
