"""The parameters of the full space are not flat: most of them move what an objective reads."""

from archgym import make_problem
from benchmarks.dram_sensitivity import BASES, changes


def test_at_least_twelve_parameters_move_an_objective_metric_by_more_than_a_hundredth():
    moving = set()
    for workload in ("synthetic:bursty?requests=1500&write_fraction=0.4", "mediabench-jpegdecode_32?requests=1500"):
        problem = make_problem("DRAMFullEnv-v0", workload)
        assert len(problem.space) >= 16
        for base in BASES:
            moving |= {change.parameter for change in changes(problem, workload, base) if abs(change.size) > 0.01}
    assert len(moving) >= 12, f"flat: {sorted(set(problem.space.names) - moving)}"


def test_the_default_workload_writes_bursts_and_idles():
    trace = make_problem("DRAMFullEnv-v0").workload.data
    gaps = trace.gaps[1:]
    assert 0.2 < trace.is_write.mean() < 0.6
    assert (gaps < 10).mean() > 0.9
    assert gaps.max() > 1000
