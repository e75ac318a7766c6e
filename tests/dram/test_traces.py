"""Trace files: the byte scanner equals a plain parser, keeps what it reads, and refuses what is malformed."""

from __future__ import annotations

import gzip
import pickle
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dram.traces import FORMATS, Trace, read_trace, write_trace

sys.path.insert(0, str(Path(__file__).parent))
import trace_twin

VECTOR_BITS = [[], [13, 14, 15], [16, 17, 18, 19], [3, 4, 5, 40]]


def request_line(draw: random.Random, form: str, time: int) -> str:
    """A well-formed line, in the freedom the format leaves."""
    blank = draw.choice([" ", "\t", "  \t"])
    writes = draw.random() < 0.4
    address = draw.getrandbits(draw.choice([4, 30, 63]))
    number = draw.choice([f"{address:#x}", f"0X{address:X}", f"0x000{address:x}"])
    comment = draw.choice(["", "", blank, f"{blank}# a remark"])
    if form in ("stl", "rstl"):
        length = draw.choice(["", "", f"(64){blank}"])
        data = draw.choice(["", "", f"{blank}0x{draw.getrandbits(512):0128x}"])
        return f"{time}:{blank}{length}{'write' if writes else 'read'}{blank}{number}{data}{comment}"
    if form == "dramsim3":
        word = draw.choice(["WRITE", "write"] if writes else ["READ", "read"])
        return f"{number}{blank}{word}{blank}{time}{comment}"
    if form == "ramulator-load-store":
        return f"{'ST' if writes else 'LD'}{blank}{draw.choice([number, str(address)])}{comment}"
    vector = ",".join(str(draw.getrandbits(len(bits)) if bits else 0) for bits in VECTOR_BITS)
    return f"{'W' if writes else 'R'}{blank}{vector}{comment}"


def random_text(draw: random.Random, form: str, requests: int) -> str:
    lines, time = [], 0
    while requests:
        if draw.random() < 0.15:
            lines.append(draw.choice(["", "# comment: 1: read 0x0", "  ", "\t# indented"]))
            continue
        time += draw.choice([0, 1, 7, 10**12])
        lines.append(draw.choice(["", " ", "\t"]) + request_line(draw, form, time))
        requests -= 1
    return draw.choice(["\n", "\r\n"]).join(lines) + draw.choice(["", "\n"])


def read_text(folder: Path, text: str, form: str, name: str = "some.trace") -> Trace:
    file = folder / name
    file.write_bytes(text.encode("latin-1"))
    return read_trace(file, format=form, vector_bits=VECTOR_BITS if form == "ramulator-read-write" else None)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("seed", range(8))
def test_reads_what_the_twin_reads(tmp_path: Path, form: str, seed: int) -> None:
    draw = random.Random(seed)
    text = random_text(draw, form, requests=draw.choice([1, 2, 60]))
    expected = trace_twin.parse(text, form, VECTOR_BITS)
    assert expected.refused == 0
    trace = read_text(tmp_path, text, form)
    assert trace.time.tolist() == expected.time
    assert trace.address.tolist() == expected.address
    assert trace.is_write.tolist() == expected.is_write
    assert trace.relative == (form == "rstl")


@pytest.mark.parametrize("form", FORMATS)
def test_refuses_the_line_the_twin_refuses(tmp_path: Path, form: str) -> None:
    """One byte of a good text replaced, added or removed: same verdict, same line, same arrays."""
    draw = random.Random(form)
    refusals = 0
    for _ in range(300):
        text = random_text(draw, form, requests=4)
        at = draw.randrange(len(text))
        byte = draw.choice("0123456789abxXrdwWRLDST:,()-# \t\n\r.\x00\xff")
        text = draw.choice(
            [text[:at] + byte + text[at + 1 :], text[:at] + byte + text[at:], text[:at] + text[at + 1 :]]
        )
        expected = trace_twin.parse(text, form, VECTOR_BITS)
        bad_line = expected.refused or expected.falls
        if bad_line or not expected.time:
            refusals += 1
            with pytest.raises(WorkloadError) as caught:
                read_text(tmp_path, text, form)
            assert (f"line {bad_line}:" if bad_line else "empty trace") in str(caught.value)
        else:
            trace = read_text(tmp_path, text, form)
            assert (trace.time.tolist(), trace.address.tolist()) == (expected.time, expected.address)
    assert 30 < refusals < 270


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("5: Read 0x40", "'read' or 'write' in lower case"),
        ("5: READ 0x40", "'read' or 'write' in lower case"),
        ("5 read 0x40", "a colon"),
        ("5:read 0x40", "a colon and a blank"),
        ("five: read 0x40", "whole clock cycles"),
        ("5.5: read 0x40", "whole clock cycles"),
        ("-5: read 0x40", "not negative"),
        ("9223372036854775808: read 0x40", "below 2^63"),
        ("5: read 64", "hexadecimal address 0x"),
        ("5: read 0x", "hexadecimal address 0x"),
        ("5: read 0x4g", "hexadecimal address 0x"),
        ("5: read", "hexadecimal address 0x"),
        ("5: read 0x8000000000000000", "below 2^63"),
        ("5: (64 read 0x40", "burst length"),
        ("5: read 0x40 0xzz", "hexadecimal data"),
        ("5: read 0x40 write", "nothing more"),
        ("5:", "'read' or 'write'"),
        ("0: read 0x40", "not before the previous line's"),
        ("version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        ("5: read 0x40 \x00", "nothing more"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_malformed_line_is_named(tmp_path: Path, line: str, expected: str, packed: bool) -> None:
    file = tmp_path / ("bad.stl.gz" if packed else "bad.stl")
    data = f"# heading\n1: read 0x0\n\n{line}\n6: read 0x80\n".encode("latin-1")
    file.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(WorkloadError) as caught:
        read_trace(file)
    message = str(caught.value)
    assert str(file) in message
    assert "line 4:" in message
    assert line.strip("\x00 ")[:20] in message
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", " \t\r\n"])
def test_an_empty_trace_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty.stl").write_text(text)
    with pytest.raises(WorkloadError, match="empty trace"):
        read_trace(tmp_path / "empty.stl")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"absent\.stl: cannot be read"):
        read_trace(tmp_path / "absent.stl")
    with pytest.raises(WorkloadError, match="cannot be read"):
        read_trace(tmp_path)
    cut = tmp_path / "cut.stl.gz"
    cut.write_bytes(gzip.compress(b"0: read 0x0\n" * 1000)[:-9])
    with pytest.raises(WorkloadError, match="gzip"):
        read_trace(cut)
    (tmp_path / "what.trace").write_bytes(b"hello world\n")
    with pytest.raises(WorkloadError, match=r"line 1: 'hello world': expected a request in one of the formats"):
        read_trace(tmp_path / "what.trace")
    (tmp_path / "good.stl").write_text("0: read 0x0\n")
    with pytest.raises(UnknownNameError, match="did you mean 'dramsim3'"):
        read_trace(tmp_path / "good.stl", format="dramsim2")


def test_long_text_in_an_error_is_cut(tmp_path: Path) -> None:
    (tmp_path / "long.stl").write_bytes(b"0: " + b"x" * 100_000)
    with pytest.raises(WorkloadError) as caught:
        read_trace(tmp_path / "long.stl")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("a.stl", "0: read 0x40\n", "stl"),
        ("a.rstl", "0: read 0x40\n", "rstl"),
        ("a.trace", "\n# x\n0: read 0x40\n", "stl"),
        ("a.txt", "LD 0x40\n", "ramulator-load-store"),
        ("a.trace", "# ST\nST 64\n", "ramulator-load-store"),
        ("a.trc", "0x40 WRITE 0\n", "dramsim3"),
    ],
)
def test_the_format_is_found(tmp_path: Path, name: str, text: str, form: str) -> None:
    for file, data in ((name, text.encode()), (name + ".gz", gzip.compress(text.encode()))):
        (tmp_path / file).write_bytes(data)
        trace = read_trace(tmp_path / file)
        assert trace.address.tolist() == [64]
        assert trace.relative == (form == "rstl")
        assert trace.name == "a"
        assert trace.fingerprint == read_trace(tmp_path / file, format=form).fingerprint


def test_address_vectors_need_their_bits(tmp_path: Path) -> None:
    file = tmp_path / "v.trace"
    file.write_text("R 0,5,9\nW 0,1,2\n")
    with pytest.raises(WorkloadError, match="needs vector_bits"):
        read_trace(file)
    trace = read_trace(file, vector_bits=[[], [13, 14, 15], [3, 4, 5, 6]])
    assert trace.address.tolist() == [5 << 13 | 9 << 3, 1 << 13 | 2 << 3]
    assert trace.is_write.tolist() == [False, True]
    with pytest.raises(WorkloadError, match=r"line 1: .*one number for each address level"):
        read_trace(file, vector_bits=[[], [13, 14, 15]])
    with pytest.raises(WorkloadError, match=r"line 1: .*fit the address bits"):
        read_trace(file, vector_bits=[[], [13], [3, 4, 5, 6]])
    with pytest.raises(WorkloadError, match="at most once"):
        read_trace(file, vector_bits=[[], [13], [13]])
    (tmp_path / "b.stl").write_text("0: read 0x0\n")
    with pytest.raises(WorkloadError, match="vector_bits is given for format 'stl'"):
        read_trace(tmp_path / "b.stl", vector_bits=[[1]])


def test_a_block_written_several_times_is_played_again_at_once(tmp_path: Path) -> None:
    block = ["0: write 0x0", "3: read 0x40", "8: read 0x80"]
    (tmp_path / "twice.stl").write_text("\n".join(block * 3))
    trace = read_trace(tmp_path / "twice.stl")
    assert trace.time.tolist() == [0, 3, 8, 8, 8, 8, 8, 8, 8]
    assert trace.address.tolist() == [0, 0x40, 0x80] * 3
    for other in (
        block * 2 + block[:1],
        [*block, "0: read 0x0", "4: read 0x0", "8: read 0x0"],
        ["5: read 0x0", *block],
    ):
        (tmp_path / "other.stl").write_text("\n".join(other))
        with pytest.raises(WorkloadError, match="not before the previous line's"):
            read_trace(tmp_path / "other.stl")


def test_relative_times_may_fall_and_are_kept(tmp_path: Path) -> None:
    (tmp_path / "r.rstl").write_text("9: read 0x0\n0: write 0x40\n3: read 0x80\n")
    trace = read_trace(tmp_path / "r.rstl")
    assert trace.relative
    assert trace.time.tolist() == trace.gaps.tolist() == [9, 0, 3]


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    count = draw(st.integers(1, 20))
    numbers = st.lists(st.integers(0, 2**62), min_size=count, max_size=count)
    relative = draw(st.booleans())
    times = draw(numbers)
    directions = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return Trace(
        np.array(times if relative else sorted(times)), np.array(draw(numbers)), np.array(directions), relative=relative
    )


@given(traces(), st.sampled_from(["", ".gz"]))
@settings(max_examples=40, deadline=None)
def test_writing_and_reading_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, trace: Trace, packed: str
) -> None:
    folder = tmp_path_factory.mktemp("traces")
    file = folder / ("t.rstl" + packed if trace.relative else "t.stl" + packed)
    write_trace(trace, file)
    assert read_trace(file).fingerprint == trace.fingerprint
    first = file.read_bytes()
    write_trace(trace, file)
    assert file.read_bytes() == first
    if not trace.relative:
        write_trace(trace, folder / "t.trc", format="dramsim3")
        assert read_trace(folder / "t.trc").fingerprint == trace.fingerprint
        every_cycle = Trace(np.arange(len(trace)), trace.address, trace.is_write)
        write_trace(every_cycle, folder / "t.ls", format="ramulator-load-store")
        assert read_trace(folder / "t.ls").fingerprint == every_cycle.fingerprint


def test_a_format_that_cannot_hold_the_trace_is_refused(tmp_path: Path) -> None:
    absolute = Trace(np.array([0, 5]), np.array([0, 64]), np.array([True, False]))
    relative = Trace(np.array([5, 0]), np.array([0, 64]), np.array([True, False]), relative=True)
    for trace, form in (
        (absolute, "rstl"),
        (relative, "stl"),
        (relative, "dramsim3"),
        (absolute, "ramulator-load-store"),
    ):
        with pytest.raises(WorkloadError, match="cannot hold"):
            write_trace(trace, tmp_path / "t", format=form)
    with pytest.raises(UnknownNameError, match="did you mean 'stl'"):
        write_trace(absolute, tmp_path / "t.stll")
    with pytest.raises(WorkloadError, match="cannot be written"):
        write_trace(absolute, tmp_path / "no" / "t.stl")


def test_a_trace_cannot_be_changed() -> None:
    times = np.array([0, 1])
    trace = Trace(times, np.array([0, 64], np.uint64), np.array([False, True]))
    times[0] = 7
    assert trace.time.tolist() == [0, 1]
    for copy in (trace, pickle.loads(pickle.dumps(trace)), trace.head(1)):
        for array in (copy.time, copy.address, copy.is_write):
            assert not array.flags.writeable
    assert pickle.loads(pickle.dumps(trace)).fingerprint == trace.fingerprint
    assert (trace.time.dtype, trace.address.dtype, trace.is_write.dtype) == (np.int64, np.int64, np.bool_)


def test_identity_is_the_content() -> None:
    def made(time=(0, 1), address=(0, 64), is_write=(False, True), **options) -> str:  # type: ignore[no-untyped-def]
        return Trace(np.array(time), np.array(address), np.array(is_write), **options).fingerprint

    assert made(name="a") == made(name="b")
    others = [
        made(time=(0, 2)),
        made(address=(0, 0)),
        made(is_write=(True, True)),
        made(relative=True),
        made(clock_MHz=800.0),
        made(clock_MHz=1200.0),
    ]
    assert len({made(), *others}) == 7


@pytest.mark.parametrize(
    ("time", "address", "is_write", "message"),
    [
        ([], [], [], "at least one request"),
        ([0, 1], [0], [True], "shapes"),
        ([[0]], [[0]], [[True]], "shapes"),
        ([1, 0], [0, 0], [True, True], "request 1 has time 0 after 1"),
        ([-1, 0], [0, 0], [True, True], "request 0 has time -1"),
        ([0, 1], [0, -64], [True, True], "request 1 has address -64"),
        ([0.5], [0], [True], "allowed: integers"),
        ([0], [2**63], [True], "below 2"),
        ([0], [0], [1], "allowed: bool"),
    ],
)
def test_arrays_that_are_no_trace(time: list, address: list, is_write: list, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        Trace(np.array(time), np.array(address), np.array(is_write))


@pytest.mark.parametrize("clock", [0, -1, float("nan"), 1e7])
def test_a_clock_out_of_range(clock: float) -> None:
    with pytest.raises(WorkloadError, match="clock_MHz"):
        Trace(np.array([0]), np.array([0]), np.array([True]), clock_MHz=clock)
    with pytest.raises(WorkloadError, match="requests = 0"):
        Trace(np.array([0]), np.array([0]), np.array([True])).head(0)
