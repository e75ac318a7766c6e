"""DRAM workloads: what is shipped, how a workload is named, and the numbers that describe it."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dram.generators import ALL_KINDS
from archgym.simulators.dram.trace_features import FEATURES, trace_features
from archgym.simulators.dram.traces import Trace, write_trace
from archgym.simulators.dram.workloads import FOLDER, WORKLOADS, pack, trace_workload, unpack
from archgym.workload import Workload

# Requests and SHA-256 of the lines "<cycle> read|write <address>" of the original .stl files, decimal numbers; a
# cycle below its predecessor's is written as its predecessor's.
ORIGINALS = json.loads((Path(__file__).parents[1] / "golden" / "dram_workloads.json").read_text())


def test_the_shipped_workloads_are_the_originals() -> None:
    assert WORKLOADS.names() == tuple(sorted(ORIGINALS))
    for name, original in ORIGINALS.items():
        workload = WORKLOADS.load(name)
        trace = workload.data
        rows = zip(trace.time.tolist(), trace.is_write.tolist(), trace.address.tolist(), strict=True)
        text = "".join(f"{time} {'write' if writes else 'read'} {address}\n" for time, writes, address in rows)
        assert hashlib.sha256(text.encode()).hexdigest() == original["sha256"], name
        assert len(trace) == original["requests"] == workload.facts["requests"]
        assert (workload.domain, workload.name, trace.name) == ("dram", name, name)
        assert workload.fingerprint == trace.fingerprint


def test_shipped_data_are_small_and_say_where_they_are_from() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 300_000
    for name, (source, licence) in WORKLOADS.origins().items():
        assert source, name
        assert licence.startswith(("BSD-3-Clause", "Apache-2.0")), name
    stresses = WORKLOADS.stresses()
    assert set(stresses) == {*WORKLOADS.names(), *(f"synthetic:{kind}" for kind in ALL_KINDS)}
    assert all(len(text) > 40 for text in stresses.values())


def test_archgym_workloads_are_saturating_reads() -> None:
    for name in ("stream", "random", "cloud-1", "cloud-2"):
        workload = WORKLOADS.load(name)
        assert workload.facts["writes"] == 0
        assert np.array_equal(workload.data.time, np.arange(10_000))


def test_identity_is_the_content_not_the_name(tmp_path: Path) -> None:
    shipped = WORKLOADS.load("ddr3_example")
    write_trace(shipped.data, tmp_path / "mine.stl.gz")
    mine = WORKLOADS.load(tmp_path / "mine.stl.gz")
    assert mine.name == "mine"
    assert mine.fingerprint == shipped.fingerprint
    assert mine.features == shipped.features
    assert WORKLOADS.load("stream").fingerprint == WORKLOADS.load("syn-seqread").fingerprint
    assert WORKLOADS.load("stream").fingerprint != WORKLOADS.load("stream", clock_MHz=800).fingerprint


def test_settings_of_shipped_workloads_and_files(tmp_path: Path) -> None:
    first = WORKLOADS.load("cloud-1?requests=500")
    assert first.name == "cloud-1?requests=500"
    assert len(first.data) == 500
    assert first.fingerprint == WORKLOADS.load("cloud-1", requests=500).fingerprint
    assert WORKLOADS.load("cloud-1.stl").fingerprint == WORKLOADS.load("cloud-1").fingerprint
    assert WORKLOADS.load("cloud-1", requests=10**6).name == "cloud-1"
    (tmp_path / "odd.data").write_bytes(gzip.compress(b"R 1,2\nW 0,1\nR 1,1\n"))
    odd = WORKLOADS.load(tmp_path / "odd.data", vector_bits=[[10], [6, 7]], requests=2, clock_MHz=1600)
    assert odd.data.address.tolist() == [1024 + 128, 64]
    assert odd.data.clock_MHz == odd.facts["clock_MHz"] == 1600.0


def test_a_file_comes_before_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stream.stl").write_text("0: write 0x40\n")
    monkeypatch.chdir(tmp_path)
    assert len(WORKLOADS.load("stream.stl").data) == 1
    assert len(WORKLOADS.load("stream").data) == 10_000


def test_generators_by_text() -> None:
    workload = WORKLOADS.load("synthetic:random?requests=1000&write_fraction=0.3&seed=1")
    assert workload.name == "synthetic:random?requests=1000&seed=1&write_fraction=0.3"
    assert workload.facts["write_fraction"] == pytest.approx(0.3, abs=0.05)
    assert (
        workload.fingerprint
        == WORKLOADS.load("synthetic:random", requests=1000, write_fraction=0.3, seed=1).fingerprint
    )


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("cloud-3", {}, UnknownNameError, "did you mean 'cloud-"),
        ("strem?requests=5", {}, UnknownNameError, "did you mean 'stream'"),
        ("synthetic:rand", {}, UnknownNameError, "did you mean 'random'"),
        ("no/such.stl", {}, WorkloadError, "cannot be read"),
        ("nosuch.stl", {}, WorkloadError, "cannot be read"),
        ("stream", {"request": 5}, UnknownNameError, "did you mean 'requests'"),
        ("stream", {"requests": 0}, WorkloadError, "requests = 0; allowed"),
        ("stream?requests=many", {}, WorkloadError, "requests = many; allowed"),
        ("stream", {"clock_MHz": "fast"}, WorkloadError, "clock_MHz = 'fast'"),
        ("stream", {"clock_MHz": -1}, WorkloadError, "clock_MHz = -1"),
        ("stream", {"format": "stl"}, UnknownNameError, "unknown option of workload 'stream' 'format'"),
    ],
)
def test_bad_names_and_settings(name: str, options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        WORKLOADS.load(name, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_packing_changes_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for case in range(20):
        count = int(rng.integers(1, 50))
        relative = bool(case % 2)
        time = rng.integers(0, 2 ** int(rng.integers(1, 62)), count)
        address = rng.integers(0, 2 ** int(rng.integers(1, 62)), count) << int(rng.integers(0, 2))
        trace = Trace(time if relative else np.sort(time), address, rng.random(count) < 0.5, relative=relative)
        pack(trace, tmp_path / f"{case}.npz", "nothing", "here", "Apache-2.0")
        back, about = unpack(tmp_path / f"{case}.npz")
        assert back.fingerprint == trace.fingerprint
        assert about == {"stresses": "nothing", "source": "here", "licence": "Apache-2.0"}
    zero = Trace(np.array([0]), np.array([0]), np.array([False]))
    pack(zero, tmp_path / "zero.npz", "", "", "")
    assert unpack(tmp_path / "zero.npz")[0].fingerprint == zero.fingerprint
    (tmp_path / "bad.npz").write_bytes((tmp_path / "zero.npz").read_bytes()[:100])
    with pytest.raises(WorkloadError, match="not a packed workload"):
        unpack(tmp_path / "bad.npz")
    clocked = Trace(np.array([0]), np.array([0]), np.array([False]), clock_MHz=800.0)
    with pytest.raises(WorkloadError, match="clock_MHz"):
        pack(clocked, tmp_path / "c.npz", "", "", "")


def slow_features(time: list[int], address: list[int], is_write: list[bool], relative: bool) -> dict[str, float]:
    """Every feature by its description, one request at a time."""
    n, steps = len(time), len(time) - 1
    line, block, page = [a // 64 for a in address], [a // 1024 for a in address], [a // 8192 for a in address]
    gaps = list(time) if relative else [time[i] - time[i - 1] for i in range(1, n)]

    def follows(test) -> float:  # type: ignore[no-untyped-def]
        return sum(test(i) for i in range(1, n)) / steps if steps else 0.0

    in_bank: dict[int, int] = {}
    conflicts = 0
    for p in page:
        conflicts += p % 8 in in_bank and in_bank[p % 8] != p
        in_bank[p % 8] = p
    banks = [sum(p % 8 == bank for p in page) / n for bank in range(8)]
    mean = sum(gaps) / len(gaps) if gaps else 0.0
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) if gaps else 0.0
    return {
        "log2_requests": math.log2(n),
        "write_fraction": sum(is_write) / n,
        "turnaround_fraction": follows(lambda i: is_write[i] != is_write[i - 1]),
        "sequential_fraction": follows(lambda i: line[i] == line[i - 1] + 1),
        "same_line_fraction": follows(lambda i: line[i] == line[i - 1]),
        "row_locality_1KiB": follows(lambda i: block[i] == block[i - 1]),
        "row_locality_8KiB": follows(lambda i: page[i] == page[i - 1]),
        "recent_page_fraction": sum(page[i] in page[max(0, i - 16) : i] for i in range(n)) / n,
        "page_conflict_fraction": conflicts / n,
        "bank_entropy": sum(-share * math.log2(share) for share in banks if share) / 3,
        "reuse_fraction": sum(line[i] in line[:i] for i in range(n)) / n,
        "log2_footprint": math.log2(64 * len(set(line))),
        "log2_span": math.log2(64 * (max(line) - min(line) + 1)),
        "log2_mean_gap": math.log2(1 + mean),
        "gap_variation": deviation / (mean + deviation) if deviation else 0.0,
        "burstiness": (deviation - mean) / (deviation + mean) if deviation + mean else 0.0,
        "saturated_fraction": sum(gap <= 1 for gap in gaps) / len(gaps) if gaps else 0.0,
        "idle_fraction": sum(gap for gap in gaps if gap > 100) / sum(gaps) if sum(gaps) else 0.0,
    }


@pytest.mark.parametrize("seed", range(25))
def test_features_equal_their_slow_twin(seed: int) -> None:
    draw = random.Random(seed)
    n = draw.choice([1, 2, 3, 30, 200])
    time, now = [], 0
    for _ in range(n):
        now += draw.choice([0, 1, 1, 5, 90, 5000])
        time.append(now)
    address = [draw.choice([64 * i, draw.randrange(2**16), draw.randrange(2**34)]) for i in range(n)]
    is_write = [draw.random() < 0.3 for _ in range(n)]
    relative = seed % 3 == 0
    trace = Trace(np.array(time), np.array(address), np.array(is_write), relative=relative)
    found = trace_features(trace)
    assert tuple(found) == tuple(FEATURES)
    assert found == pytest.approx(slow_features(time, address, is_write, relative), rel=1e-12, abs=1e-12)


def test_features_do_not_depend_on_the_name_and_stay_finite() -> None:
    huge = Trace(np.array([0, 2**62]), np.array([0, 2**63 - 1]), np.array([False, True]), name="huge")
    assert all(math.isfinite(value) for value in trace_features(huge).values())
    assert trace_features(huge)["log2_span"] == 63
    for workload in (WORKLOADS.load("stream"), trace_workload(huge)):
        assert isinstance(workload, Workload)
        assert tuple(workload.features) == tuple(FEATURES)
        assert all(isinstance(value, float) for value in workload.features.values())


def test_facts_of_a_tiny_trace() -> None:
    trace = Trace(np.array([3, 4, 10]), np.array([64, 128, 8192 + 64]), np.array([False, True, True]))
    facts = trace_workload(trace).facts
    assert facts == {
        "requests": 3,
        "reads": 1,
        "writes": 2,
        "write_fraction": pytest.approx(2 / 3),
        "times": "absolute",
        "last_time_cycles": 10,
        "mean_gap_cycles": 3.5,
        "clock_MHz": "memory clock",
        "lowest_address": 64,
        "highest_address": 8256,
        "span_bytes": 8192 + 64,
        "unique_lines_64B": 3,
        "unique_pages_8KiB": 2,
        "sequential_fraction": 0.5,
    }
