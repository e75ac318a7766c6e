"""Records of runs: exact, compact, and whole or absent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.metrics import Metrics
from archgym.registry import make_problem
from archgym.rollout import run_search
from archgym.runlog import Run
from archgym.study.records import frame, pack_run, scan, unpack_run


def random_run(rng, rows, dimensions, levels, function_of_design):
    designs = rng.integers(0, levels, size=(rows, dimensions))
    values = designs.astype(float) @ np.pi ** np.arange(dimensions) if function_of_design else rng.normal(size=rows)
    feasible = values > np.quantile(values, 0.2)
    columns = {"a_s": np.where(feasible, values, np.nan), "b": np.where(feasible, -values, np.nan)}
    reasons = tuple("" if ok else "too small" for ok in feasible)
    return Run({}, designs, Metrics(columns, feasible, reasons), np.where(feasible, values, -1.0), True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 5), st.sampled_from([2, 5, 700]), st.booleans())
def test_a_record_gives_back_the_same_bits(seed, rows, dimensions, levels, function_of_design):
    run = random_run(np.random.default_rng(seed), rows, dimensions, levels, function_of_design)
    log = unpack_run(pack_run(run, "full"))
    np.testing.assert_array_equal(log.designs, run.designs)
    assert log.reward.tobytes() == run.reward.tobytes()
    np.testing.assert_array_equal(log.feasible, run.metrics.feasible)
    assert log.reasons == run.metrics.reasons
    for name, column in run.metrics.columns.items():
        np.testing.assert_array_equal(log.metrics[name], column)
    compact = unpack_run(pack_run(run, "compact"))
    assert compact.reward.tobytes() == run.reward.tobytes()
    assert not compact.metrics


def test_a_real_run_of_a_thousand_evaluations_is_a_few_kilobytes():
    run = run_search(make_problem("StudyToy-v0"), "random", 1000)
    assert len(pack_run(run, "compact")) < 4000


def test_scanning_skips_what_is_cut_off_or_damaged_and_finds_the_rest(tmp_path):
    path = tmp_path / "segment-0001.runs"
    records = [frame({"kind": "run", "hash": str(k)}, bytes([k]) * 50) for k in range(5)]
    path.write_bytes(b"".join(records))
    assert [record.head["hash"] for record in scan(path)] == list("01234")
    assert [record.body() for record in scan(path)] == [bytes([k]) * 50 for k in range(5)]
    whole = path.read_bytes()
    for cut in range(len(b"".join(records[:4])) + 1, len(whole)):
        path.write_bytes(whole[:cut])
        found = list(scan(path))
        assert [record.head["hash"] for record in found[:4]] == list("0123")
        assert found[4:] == [None]


@pytest.mark.parametrize("position", range(0, 90, 5))
def test_a_flipped_byte_costs_one_record(tmp_path, position):
    records = [frame({"kind": "run", "hash": str(k)}, b"x" * 50) for k in range(3)]
    data = bytearray(b"".join(records))
    data[len(records[0]) + position] ^= 0xFF
    path = tmp_path / "segment-0001.runs"
    path.write_bytes(bytes(data))
    found = [record.head["hash"] for record in scan(path) if record is not None]
    assert found == ["0", "2"]
    assert None in list(scan(path))
