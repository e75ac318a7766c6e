"""The command line: what it prints for people and machines, how it resumes, and what it refuses in one line."""

import functools
import json
import signal
import subprocess
import sys
import time

import pytest

from archgym.cli import main
from archgym.runlog import read_run

SEARCH = ["search", "SoCEnv-v0", "--workload", "edge_detection", "--agent", "random", "--budget", "60", "--quiet"]


def search(out, *more):
    return main([*SEARCH, "--out", str(out), *more])


def run_file(out):
    (path,) = out.glob("*.jsonl")
    return path


def test_list_and_show_for_machines(capsys):
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"SoCEnv-v0"} <= {problem["id"] for problem in listed["problems"]}
    assert {"random", "ga"} <= {agent["name"] for agent in listed["agents"]}
    assert main(["show", "SoCEnv-v0", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["size"] > 1
    assert {metric["name"] for metric in shown["metrics"]} >= {"latency_s", "power_W"}


def test_show_for_people_names_every_parameter_and_objective(capsys):
    from archgym import families, make_problem

    assert main(["show", "SoCEnv-v0", "--workload", "edge_detection"]) == 0
    text = capsys.readouterr().out
    for name in (*make_problem("SoCEnv-v0", "edge_detection").space.names, *families()["SoCEnv-v0"].objectives):
        assert name in text


def test_search_logs_reports_and_draws(tmp_path, capsys):
    assert search(tmp_path, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    run = read_run(result["run_file"])
    assert run.complete
    assert len(run) == result["evaluations"] == 60
    assert result["reward"] == run.reward.max()
    assert result["design"] == run.space.row(run.designs[run.best])
    assert all((tmp_path / name).stat().st_size > 1000 for name in result["pictures"])
    assert search(tmp_path) == 0
    assert "Compared with the default design" in capsys.readouterr().out


def test_the_same_command_again_changes_nothing_and_another_seed_is_another_run(tmp_path):
    assert search(tmp_path, "--no-plots") == 0
    before = run_file(tmp_path).read_bytes()
    assert search(tmp_path, "--no-plots") == 0
    assert run_file(tmp_path).read_bytes() == before
    assert search(tmp_path, "--no-plots", "--seed", "1") == 0
    assert len(list(tmp_path.glob("*.jsonl"))) == 2


def test_a_truncated_run_file_is_kept_and_resumed_to_the_same_data(tmp_path, recwarn):
    assert search(tmp_path, "--no-plots", "--batch", "10") == 0
    path = run_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert search(tmp_path, "--no-plots", "--batch", "10") == 0
    assert path.read_bytes() == whole
    assert any("damaged" in file.name for file in tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="sends an interrupt signal")
def test_an_interrupted_search_goes_on_where_it_stopped(tmp_path):
    command = [
        sys.executable,
        "-m",
        "archgym",
        *SEARCH[:-3],
        "--budget",
        "200000",
        "--batch",
        "50",
        "--no-plots",
        "--quiet",
    ]
    # a shell lets what it starts in the background ignore interrupts; this process is to be interrupted all the same
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([*command, "--out", str(tmp_path)], stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    deadline = time.monotonic() + 120
    while not any(file.stat().st_size > 200_000 for file in tmp_path.glob("*.partial")):
        assert time.monotonic() < deadline, "the search did not start"
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in errors
    (partial,) = tmp_path.glob("*.partial")
    assert len(read_run(partial, salvage=True)) >= 50


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "SoCEnv-v9"], "did you mean 'SoCEnv-v0'"),
        (["search", "SoCEnv-v0", "--agent", "gaa"], "did you mean 'ga'"),
        (["search", "SoCEnv-v0", "--objective", "speed"], "allowed: budgets"),
        (["search", "SoCEnv-v0", "--workload", "no_such"], "no_such"),
        (["search", "SoCEnv-v0", "--budget", "0"], "budget: 0 is not allowed"),
        (["search", "SoCEnv-v0", "--seed", "-1"], "seed: -1 is not allowed"),
        (["search", "SoCEnv-v0", "--agent", "random", "--set", "batch_size=0"], "batch_size"),
        (["search", "SoCEnv-v0", "--agent", "random", "--set", "batchsize=8"], "did you mean 'batch_size'"),
        (["search", "SoCEnv-v0", "--set", "nonsense"], "NAME=VALUE"),
        (["show", "Nothing-v0"], "unknown problem"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(arguments, words, tmp_path, capsys):
    more = ["--out", str(tmp_path)] if arguments[0] == "search" else []
    assert main([*arguments, *more]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_wrong_usage_is_exit_code_2():
    with pytest.raises(SystemExit) as stop:
        main(["search"])
    assert stop.value.code == 2
