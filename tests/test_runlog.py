"""The run file: what is written is read to the last bit, and any damage is detected, kept and resumed from."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.errors import RunFileError
from archgym.metrics import Metrics
from archgym.problem import Evaluation
from archgym.rollout import make_spec, run_path, run_search
from archgym.runlog import RunWriter, partial_path, read_run
from archgym.space import Space, grid
from archgym.testing.law import same
from archgym.testing.separable import separable_problem

SPACE = Space("s", (grid("a", 0, 9), grid("b", 0, 9)))
HEADER = {"spec": {"agent": "x", "seed": 0}, "space": SPACE.to_json(), "metrics": [{"name": "m"}, {"name": "n"}]}
BUDGET = 12
PROBLEM = separable_problem(SPACE)


def search(directory):
    return run_search(PROBLEM, "random", BUDGET, 0, {"batch_size": 5}, directory=directory)


def data(run):
    return run.designs, run.metrics.columns, run.metrics.feasible, run.metrics.reasons, run.reward


@pytest.fixture
def written(tmp_path):
    """A complete run file and its content."""
    return tmp_path, run_path(make_spec(PROBLEM, "random", BUDGET, 0, {"batch_size": 5}), tmp_path), search(tmp_path)


rows = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.integers(0, 9),
        st.floats(allow_nan=False, allow_infinity=False),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(rows, min_size=1, max_size=4))
def test_every_number_and_reason_is_read_back_to_the_last_bit(tmp_path_factory, batches):
    path = tmp_path_factory.mktemp("runs") / "run.jsonl"
    writer = RunWriter(path, HEADER)
    written = []
    for batch in batches:
        feasible = np.array([not row[4] for row in batch])
        column = np.where(feasible, [row[2] for row in batch], np.nan)
        metrics = Metrics({"m": column, "n": np.full(len(batch), np.nan)}, feasible, tuple(row[4] for row in batch))
        designs = np.array([row[:2] for row in batch], dtype=np.int64)
        reward = np.array([row[3] for row in batch])
        written.append(Evaluation(SPACE.fingerprint, designs, metrics, reward, column[:, None], ("m",)))
        writer.append(written[-1])
    writer.finish()
    run = read_run(path)
    assert run.complete
    assert run.space == SPACE
    assert same(run.designs, np.concatenate([evaluation.designs for evaluation in written]))
    assert same(run.reward, np.concatenate([evaluation.reward for evaluation in written]))
    assert same(run.metrics["m"], np.concatenate([evaluation.metrics["m"] for evaluation in written]))
    assert run.metrics.reasons == tuple(reason for evaluation in written for reason in evaluation.metrics.reasons)


def test_a_file_cut_off_anywhere_is_detected_kept_and_resumed_to_the_same_bytes(written):
    directory, path, run = written
    whole = path.read_bytes()
    ends = [end for end in range(len(whole)) if whole[end - 1 : end + 1].count(b"\n")]  # before and after each line end
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RunFileError):
            read_run(path)
        if length % 29 and length not in ends:
            continue
        with pytest.warns(UserWarning, match="was damaged: kept as"):
            resumed = search(directory)
        assert same(data(resumed), data(run))
        assert path.read_bytes() == whole, f"cut off after {length} bytes"
        assert path.with_name(path.name + ".damaged").read_bytes() == whole[:length]
        assert not partial_path(path).exists()


def test_a_single_wrong_byte_is_detected_and_resumed_to_the_same_bytes(written):
    directory, path, _ = written
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in sorted(rng.choice(len(whole), 150, replace=False)):
        broken = bytearray(whole)
        broken[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        with pytest.raises(RunFileError, match=r"damaged|checksum|truncated|not an archgym run file"):
            read_run(path)
        with pytest.warns(UserWarning, match="was damaged"):
            search(directory)
        assert path.read_bytes() == whole, f"byte {place} was wrong"


def test_a_partial_file_cut_off_anywhere_is_resumed_to_the_same_bytes(written):
    directory, path, _ = written
    whole = path.read_bytes()
    path.unlink()
    for length in range(0, len(whole), 19):
        partial_path(path).write_bytes(whole[:length])
        search(directory)
        assert path.read_bytes() == whole
        path.unlink()


def test_lines_lost_from_the_middle_are_detected(written):
    _, path, run = written
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    with pytest.raises(RunFileError, match="checksum does not match"):
        read_run(path)
    assert len(read_run(path, salvage=True)) == len(run) - 5


def test_the_error_counts_what_can_be_saved(written):
    _, path, _ = written
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(RunFileError, match="12 intact evaluations can be resumed from"):
        read_run(path)
    assert len(read_run(path, salvage=True)) == 12


@pytest.mark.parametrize("content", [b"", b"{}\n", b"hello\n", b'{"archgym_run":1}\n', b"\xff\xfe\n", b"[]\n"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with pytest.raises(RunFileError, match=r"not an archgym run file|damaged"):
        read_run(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RunFileError, match=r"none\.jsonl: cannot be read"):
        read_run(tmp_path / "none.jsonl")


def test_another_format_is_refused(written):
    _, path, _ = written
    writer = RunWriter(path, {"archgym_run": 999, **HEADER})
    writer.finish()
    with pytest.raises(RunFileError, match="not an archgym run file"):
        read_run(path)


def test_lines_are_plain_json(written):
    _, path, run = written
    header, *batches, footer = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert header["spec"]["agent"] == "random"
    assert [len(batch["reward"]) for batch in batches] == [5, 5, 2]
    assert footer["rows"] == len(run) == BUDGET
