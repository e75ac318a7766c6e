"""``archgym study`` as a person types it, and what watchers show meanwhile."""

from __future__ import annotations

import io
import json
import struct

import pytest

from archgym.cli import main
from archgym.errors import MissingExtraError
from archgym.study import Options, Problems, Store, plan_study, run_study
from archgym.study.progress import LiveTable, PlainLog, TensorBoard, duration
from tests.study.toy import toy_study

FILE = """
name = "typed"
question = "Does it work?"
budget = 30
seeds = 2
[[problems]]
id = "StudyToy-v0"
[[agents]]
agent = "random"
grid.batch_size = [2, 5]
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typed.toml").write_text(FILE)
    return tmp_path / "typed.toml"


def test_run_status_export_report(file, tmp_path, capsys):
    assert main(["study", "run", "typed.toml", "--executor", "serial"]) == 0
    said = capsys.readouterr().out
    assert "typed: 4 runs planned, 0 found, 4 done now, 0 failed now" in said
    assert (tmp_path / "runs" / "typed" / "runs.parquet").exists()
    assert main(["study", "run", "typed.toml", "--executor", "serial", "--no-tables"]) == 0
    assert "4 found, 0 done now" in capsys.readouterr().out
    assert main(["study", "status", "runs/typed"]) == 0
    assert "4 of 4 runs done" in capsys.readouterr().out
    assert main(["study", "status", "runs/typed", "--json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)["groups"]
    assert (group["done"], group["runs"]) == (4, 4)
    hash = next(iter(Store("runs/typed").runs))
    assert main(["study", "export", "runs/typed", "--run", hash, "--out", "one"]) == 0
    assert len(list((tmp_path / "one").glob(f"*{hash}.jsonl"))) == 1
    assert main(["study", "report", "runs/typed", "--no-pictures"]) == 0
    assert (tmp_path / "runs" / "typed" / "report" / "report.html").exists()
    assert main(["study", "list"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "typed.tom"], "no shipped study of that name"),
        (["run", "typed.toml", "--scale", "smal"], "unknown scale 'smal'"),
        (["run", "typed.toml", "--jobs", "-1"], "--jobs: -1 is not allowed"),
        (["run", "typed.toml", "--executor", "serial", "--scheduler", "asha"], "needs the executor 'ray'"),
        (["status", "nowhere"], "no study here"),
        (["report", "nowhere"], "no study here"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_1(file, capsys, arguments, message):
    assert main(["study", *arguments]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_failures_are_shown_with_their_tracebacks(file, tmp_path, capsys):
    study = toy_study(problems=(Problems("StudyToy-v0", ("light",), ("time",), options={"trouble": "fail"}),))
    run_study(study, tmp_path / "s", Options(executor="serial"))
    assert main(["study", "status", str(tmp_path / "s"), "--failures"]) == 0
    assert capsys.readouterr().out.count("RuntimeError: the toy broke") == 4


class _Clock:
    """One second a look."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_the_plain_log_says_how_far_it_is(tmp_path, study):
    stream = io.StringIO()
    run_study(study, tmp_path / "s", Options(executor="serial"), (PlainLog(stream, interval=5, clock=_Clock()),))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "toy: 16 runs planned, 16 to do"
    assert len(lines) > 3
    assert lines[-1].startswith("16/16 runs, 0 failed, ")


def test_the_live_table_counts_what_was_found_and_what_is_new(tmp_path, study):
    from rich.console import Console

    run_study(study, tmp_path / "s", Options(executor="serial"))
    more = toy_study(seeds=(0, 1, 2))
    watcher = LiveTable()
    run_study(more, tmp_path / "s", Options(executor="serial", extend=True), (watcher,))
    console = Console(file=io.StringIO(), width=100)
    console.print(watcher.table())
    text = console.file.getvalue()
    assert "8/8 runs" in text
    assert "random" in text
    assert "24" in text


def _events(folder):
    """The scalars of TensorBoard's event files (length, its checksum, event, its checksum), by tag."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += length + 16
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
        assert at == len(data)
    return found


def test_tensorboard_can_read_what_is_written(tmp_path, study):
    pytest.importorskip("tensorboardX")
    run_study(study, tmp_path / "s", Options(executor="serial"), (TensorBoard(tmp_path / "board"),))
    store, plan = Store(tmp_path / "s"), plan_study(study)
    events = _events(tmp_path / "board" / "random")
    assert len(events) == 4
    for key in plan.problems:
        (tag,) = [t for t in events if t.endswith(f"{key.workload}/{key.objective}")]
        best = [store.runs[r.hash].head["summary"]["best_reward"] for r in plan.runs if r.problem == key]
        assert events[tag] == [(step, pytest.approx(reward, rel=1e-6)) for step, reward in enumerate(best, 1)]
    progress = _events(tmp_path / "board" / "progress")
    assert [step for step, _ in progress["progress/runs_done"]] == list(range(1, 17))


def test_tensorboard_without_its_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(MissingExtraError, match="TensorBoard"):
        TensorBoard(tmp_path)


def test_durations_are_written_as_clocks_show_them():
    assert [duration(seconds) for seconds in (0, 61, 3725.4)] == ["0:00:00", "0:01:01", "1:02:05"]
