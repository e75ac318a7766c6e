"""Synthetic traces: reproducible to the bit, as their knobs say, and readable back from their names."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dram.generators import ALL_KINDS, COMMON_KNOBS, KINDS, generate, parse, split_query
from archgym.simulators.dram.trace_features import trace_features
from archgym.simulators.dram.trace_patterns import Draws

# SHA-256 prefixes of the traces of seed 7 with 300 requests; they move only if a generator changes its meaning.
DIGESTS = {
    "sequential": "2d00406ac8eb",
    "random": "3d66f114b168",
    "strided": "000e5379a154",
    "bursty": "f1323d744c2e",
    "sparse": "4242e84e2261",
    "local": "5f160e338ed5",
    "hotspot": "c3821ea9981a",
    "streams": "d648f63f9f9d",
    "phases": "2d00406ac8eb",
}


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_equal_text_gives_equal_bits(kind: str) -> None:
    text = f"synthetic:{kind}?requests=300&seed=7"
    program = f"from archgym.simulators.dram.generators import parse; print(parse({text!r}).fingerprint)"
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    other = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert parse(text).fingerprint == other.strip()
    assert parse(text).fingerprint[:12] == DIGESTS[kind]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_trace_is_named_by_text_that_gives_it_again(kind: str) -> None:
    knobs = {"requests": 500, "seed": 3}
    if kind in KINDS:
        knobs |= {"write_fraction": 0.25, "interval": 17, "span": 2**20, "arrival": "uniform"}  # type: ignore[dict-item]
    trace = generate(kind, **knobs)
    assert parse(trace.name).fingerprint == trace.fingerprint
    assert parse(trace.name).name == trace.name
    assert generate(kind).name == f"synthetic:{kind}"


@given(
    kind=st.sampled_from(sorted(KINDS)),
    requests=st.integers(1, 200),
    seed=st.integers(0, 2**63 - 1),
    line=st.sampled_from([1, 32, 64, 96]),
    lines=st.integers(64, 5000),
    start=st.integers(0, 1000),
    interval=st.integers(0, 10**8),
    burst=st.integers(1, 300),
    idle=st.integers(0, 10**8),
    arrival=st.sampled_from(["fixed", "uniform", "memoryless"]),
    persistence=st.floats(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_every_setting_gives_a_trace_within_its_range(
    kind: str, requests: int, seed: int, line: int, lines: int, start: int, persistence: float, **timing: object
) -> None:
    own = {"stride": line * 3} if kind == "strided" else {}
    span = line * lines
    trace = generate(
        kind, requests=requests, seed=seed, line=line, span=span, start=start * line, **own, **timing,
        write_persistence=persistence,
    )  # fmt: skip
    assert len(trace) == requests
    assert trace.time[0] == 0
    assert np.all(trace.address % line == 0)
    assert trace.address.min() >= start * line
    assert trace.address.max() < start * line + span


def test_sequential_lines_follow_one_another_and_wrap() -> None:
    trace = generate("sequential", requests=10, span=256, start=1024)
    assert trace.address.tolist() == [1024 + 64 * (i % 4) for i in range(10)]
    assert trace.time.tolist() == list(range(10))


def test_strided_sweeps_visit_every_line_once() -> None:
    trace = generate("strided", requests=64, span="4KiB", stride=512)
    assert trace.address[:9].tolist() == [0, 512, 1024, 1536, 2048, 2560, 3072, 3584, 64]
    assert sorted(trace.address.tolist()) == [64 * i for i in range(64)]


def test_bursts_are_consecutive_lines_with_idle_time_between() -> None:
    trace = generate("bursty", requests=1000, burst=10, idle=5000, interval=2, arrival="fixed")
    gaps = trace.gaps.reshape(-1, 10)
    assert np.all(gaps[1:, 0] == 5002)
    assert np.all(gaps[:, 1:] == 2)
    assert np.all(np.diff(trace.address.reshape(-1, 10), axis=1) % 2**30 == 64)


def test_streams_are_sequential_each() -> None:
    trace = generate("streams", requests=400, streams=4, span="1MiB")
    for stream in range(4):
        own = trace.address[stream::4]
        assert np.all(np.isin(np.diff(own), [64, 64 - 2**18]))
        assert np.all(own // 2**18 == stream)


def test_locality_is_the_probability_of_staying() -> None:
    for locality in (0.0, 0.5, 0.9, 1.0):
        page = generate("local", requests=20_000, locality=locality).address // 8192
        assert np.mean(page[1:] == page[:-1]) == pytest.approx(locality, abs=0.01)


def test_hot_pages_get_their_share() -> None:
    trace = generate("hotspot", requests=20_000, hot_share=0.7, hot_pages=4)
    _, counts = np.unique(trace.address // 8192, return_counts=True)
    assert np.sort(counts)[-4:].sum() / 20_000 == pytest.approx(0.7, abs=0.01)
    assert np.sort(counts)[-4:].min() / 20_000 == pytest.approx(0.175, abs=0.01)


@pytest.mark.parametrize("persistence", [0.0, 0.9])
def test_directions(persistence: float) -> None:
    """Persistence lengthens runs without changing the share: P(turn) = (1 - p) 2 f (1 - f)."""
    writes = generate("random", requests=100_000, write_fraction=0.3, write_persistence=persistence).is_write
    assert writes.mean() == pytest.approx(0.3, abs=0.01)
    assert np.mean(writes[1:] != writes[:-1]) == pytest.approx((1 - persistence) * 2 * 0.3 * 0.7, abs=0.005)


def test_directions_leave_addresses_and_times_as_they_are() -> None:
    first = generate("local", seed=5, write_fraction=0.1)
    second = generate("local", seed=5, write_fraction=0.9)
    assert np.array_equal(first.address, second.address)
    assert np.array_equal(first.time, second.time)
    assert not np.array_equal(first.is_write, second.is_write)
    assert not np.array_equal(first.address, generate("local", seed=6).address)


@pytest.mark.parametrize("mean", [1, 7, 100, 12_345])
def test_gaps_have_the_mean_and_spread_of_their_arrival(mean: int) -> None:
    count = 200_000
    assert set(Draws(1, 0).gaps(count, mean, "fixed").tolist()) == {mean}
    uniform = Draws(1, 0).gaps(count, mean, "uniform")
    assert (uniform.min(), uniform.max()) == (0, 2 * mean)
    assert uniform.mean() == pytest.approx(mean, rel=0.01)
    geometric = Draws(1, 0).gaps(count, mean, "memoryless")
    assert geometric.mean() == pytest.approx(mean, rel=0.01)
    assert geometric.std() == pytest.approx((mean * (mean + 1)) ** 0.5, rel=0.01)
    assert np.mean(geometric > 2 * mean) == pytest.approx((mean / (mean + 1)) ** (2 * mean + 1), abs=0.005)


def test_phases_take_turns() -> None:
    trace = generate("phases", requests=5000, period=2000, parts="sequential,sparse", seed=4)
    assert len(trace) == 5000
    parts = [trace.time[:2000], trace.time[2000:4000], trace.time[4000:]]
    assert [np.diff(part).mean() > 100 for part in parts] == [False, True, False]
    assert parts[1][0] == parts[0][-1] + 1


def test_joined_parts_follow_one_another() -> None:
    joined = parse("synthetic:sequential?requests=5&interval=10+random?requests=3&span=1MiB")
    first, second = parse("synthetic:sequential?requests=5&interval=10"), parse("synthetic:random?requests=3&span=1MiB")
    assert joined.time.tolist() == [*first.time.tolist(), *(second.time + 41).tolist()]
    assert joined.address.tolist() == [*first.address.tolist(), *second.address.tolist()]
    assert parse(joined.name).fingerprint == joined.fingerprint


def test_each_kind_stresses_what_it_says() -> None:
    looks = {kind: trace_features(generate(kind, requests=4000, seed=2)) for kind in ALL_KINDS}
    assert looks["sequential"]["sequential_fraction"] == 1
    assert looks["random"]["page_conflict_fraction"] > 0.99
    assert looks["strided"]["bank_entropy"] == 0
    assert looks["strided"]["page_conflict_fraction"] > 0.99
    assert looks["bursty"]["burstiness"] > 0.5
    assert looks["sparse"]["idle_fraction"] > 0.9
    assert looks["local"]["row_locality_8KiB"] == pytest.approx(0.6, abs=0.05)
    assert looks["hotspot"]["recent_page_fraction"] > 0.4
    assert looks["streams"]["turnaround_fraction"] == pytest.approx(0.5, abs=0.05)
    assert looks["streams"]["recent_page_fraction"] > 0.9
    for kind, chosen in ALL_KINDS.items():
        assert len(chosen.stresses) > 40, kind
        assert all(knob.help for knob in chosen.knobs)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("synthetic:randon", UnknownNameError, "did you mean 'random'"),
        ("synthetic:", WorkloadError, "kinds sequential"),
        ("random", WorkloadError, "allowed: synthetic:<kind>"),
        ("synthetic:random?request=5", UnknownNameError, "did you mean 'requests'"),
        ("synthetic:random?requests", WorkloadError, "name=value"),
        ("synthetic:random?requests=", WorkloadError, "name=value"),
        ("synthetic:random?requests=5&requests=6", WorkloadError, "given twice"),
        ("synthetic:random?requests=0", WorkloadError, "requests = 0; allowed: a whole number from 1"),
        ("synthetic:random?requests=2.5", WorkloadError, "requests = 2.5"),
        ("synthetic:random?write_fraction=1.5", WorkloadError, "from 0 to 1"),
        ("synthetic:random?write_fraction=nan", WorkloadError, "from 0 to 1"),
        ("synthetic:random?seed=-1", WorkloadError, "seed = -1"),
        ("synthetic:random?arrival=poisson", UnknownNameError, "value of arrival"),
        ("synthetic:random?span=32", WorkloadError, "span = 32"),
        ("synthetic:random?requests=1KiB", WorkloadError, "requests = 1KiB"),
        ("synthetic:random?line=1MiB&span=1KiB", WorkloadError, "at least one line"),
        ("synthetic:random?start=65", WorkloadError, "a multiple of line"),
        ("synthetic:strided?stride=65", WorkloadError, "a multiple of line"),
        ("synthetic:phases?parts=random,phases", UnknownNameError, "part of synthetic:phases 'phases'"),
        ("synthetic:random+nothing", UnknownNameError, "unknown synthetic kind 'nothing'"),
    ],
)
def test_bad_text_is_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message.replace("?", r"\?").replace("(", r"\(")) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_knobs_in_python() -> None:
    assert generate("random", requests=np.int64(5), span="64KiB").name == "synthetic:random?requests=5&span=64KiB"
    assert parse("synthetic:random?requests=5", seed=2).name == "synthetic:random?requests=5&seed=2"
    for bad in (True, 5.0, None, [5]):
        with pytest.raises(WorkloadError, match="requests = "):
            generate("random", requests=bad)
    with pytest.raises(WorkloadError, match="several parts"):
        parse("synthetic:random+random", seed=2)
    assert split_query("name?a=1&b=x=y") == ("name", {"a": "1", "b": "x=y"})
    assert COMMON_KNOBS["span"].text(COMMON_KNOBS["span"].read("3MiB")) == "3MiB"
