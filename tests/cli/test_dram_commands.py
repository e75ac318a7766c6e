"""The command line on memory controllers: what it shows, resumes, explains and refuses."""

import functools
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from archgym import make_problem
from archgym.agents import agent_class
from archgym.cli import main
from archgym.runlog import read_run
from archgym.simulators.dram.workloads import WORKLOADS

TRACE = "chstone-mips_32"
SEARCH = ["search", "DRAMEnv-v0", "--workload", TRACE, "--quiet", "--no-plots"]


def test_show_names_everything_a_designer_asks_for(capsys):
    assert main(["show", "DRAMEnv-v0", "--workload", TRACE]) == 0
    text = capsys.readouterr().out
    problem = make_problem("DRAMEnv-v0", TRACE)
    assert "442,368 designs" in text
    for parameter in problem.space.parameters:
        assert parameter.name in text
        assert all(str(level) in text for level in parameter.levels)
    for name in (*(metric.name for metric in problem.metrics), "low_power", "energy_delay_product", "archgym_joint"):
        assert name in text
    for name in (*problem.workload.facts, *WORKLOADS.names()):
        assert name in text
    assert main(["show", "DRAMEnv-v0", "--assumptions"]) == 0
    assert "DRAMSys" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["ga", "random"])
def test_show_explains_an_agents_hyperparameters(name, capsys):
    assert main(["show", name, "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    defaults = agent_class(name).Hyperparameters().to_json()
    assert {field["name"]: field["default"] for field in page["hyperparameters"]} == defaults
    assert main(["show", name]) == 0
    assert all(field["help"] for field in page["hyperparameters"])


def test_help_of_simulate_says_what_every_column_may_be(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["simulate", "dram", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in (
        "ddr4-3200",
        "rbc-xor",
        "ClosedAdaptive",
        "FrFcfsGrp",
        "RefreshMaxPulledin",
        "designs.csv",
        "dramsim3",
    ):
        assert word in text


def test_what_a_search_calls_without_effect_has_none(tmp_path, capsys):
    problem = make_problem("DRAMEnv-v0", TRACE, "low_latency")
    found = 0
    for seed in range(4):
        more = ["--objective", "low_latency", "--agent", "random", "--budget", "8", "--seed", str(seed)]
        assert main([*SEARCH, *more, "--out", str(tmp_path / str(seed))]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        idle = [words[0] for words in lines if words[-3:] == ["no", "effect", "here"]]
        (path,) = (tmp_path / str(seed)).glob("*.jsonl")
        run = read_run(path)
        best = run.designs[run.best]
        for name in idle:
            undone = best.copy()
            undone[problem.space.names.index(name)] = problem.space.default[problem.space.names.index(name)]
            assert problem.simulator(undone[None], problem.workload).row(0) == run.metrics.row(run.best)
            found += 1
    assert found


@pytest.mark.skipif(sys.platform == "win32", reason="sends an interrupt signal")
def test_the_same_command_finishes_an_interrupted_search_with_the_same_bytes(tmp_path):
    command = [*SEARCH, "--agent", "ga", "--budget", "1500", "--batch", "10"]
    # a shell lets what it starts in the background ignore interrupts; this process is to be interrupted all the same
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-m", "archgym", *command, "--out", str(tmp_path / "a")],
        stderr=subprocess.PIPE, text=True, preexec_fn=heed,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not any(file.stat().st_size > 20_000 for file in tmp_path.glob("a/*.partial")):
        assert time.monotonic() < deadline, "the search did not start"
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in errors
    assert not list(tmp_path.glob("a/*.jsonl"))
    for folder in ("a", "b"):
        assert main([*command, "--out", str(tmp_path / folder)]) == 0
    (resumed,), (straight,) = tmp_path.glob("a/*.jsonl"), tmp_path.glob("b/*.jsonl")
    assert resumed.read_bytes() == straight.read_bytes()


def test_a_run_file_of_another_space_is_refused(tmp_path, capsys):
    short = ["--budget", "5", "--agent", "random", "--no-plots", "--quiet", "--workload", TRACE, "--out", str(tmp_path)]
    assert main(["search", "DRAMEnv-v0", *short]) == 0
    (own,) = tmp_path.glob("*.jsonl")
    assert main(["search", "DRAMFullEnv-v0", *short]) == 0
    (other,) = set(tmp_path.glob("*.jsonl")) - {own}
    own.write_bytes(other.read_bytes())
    capsys.readouterr()
    assert main(["search", "DRAMEnv-v0", *short]) == 1
    error = capsys.readouterr().err
    assert "does not match" in error
    assert error.count("\n") == 1


def test_a_damaged_run_file_is_a_warning_in_one_line(tmp_path, capsys):
    command = [*SEARCH, "--agent", "random", "--budget", "20", "--batch", "5", "--out", str(tmp_path)]
    assert main(command) == 0
    (path,) = tmp_path.glob("*.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    capsys.readouterr()
    assert main(command) == 0
    error = capsys.readouterr().err
    assert error.startswith("archgym search: warning:")
    assert error.count("\n") == 1
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "DRAMEnv-v1"], "did you mean 'DRAMEnv-v0'"),
        (["search", "DRAMEnv-v0", "--agent", "genetic"], "unknown agent 'genetic'"),
        (["search", "DRAMEnv-v0", "--objective", "lowpower"], "did you mean 'low_power'"),
        (["search", "DRAMEnv-v0", "--workload", "strem"], "did you mean 'stream'"),
        (["search", "DRAMEnv-v0", "--workload", "synthetic:burst"], "did you mean 'bursty'"),
        (["show", "DRAMEnv-v0", "--workload", "no/such.stl"], "no/such.stl"),
        (["simulate", "dram", "--trace", "stream", "--out", "no/such/results.csv"], "folder does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(arguments, words, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main([*SEARCH, "--budget", "2", "--out", str(tmp_path / "file")]) == 1
    error = capsys.readouterr().err
    assert "file" in error
    assert error.count("\n") == 1


def test_json_of_search_is_the_run_file(tmp_path, capsys):
    assert main([*SEARCH, "--budget", "12", "--agent", "random", "--json", "--out", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out)
    run = read_run(result["run_file"])
    assert result["metrics"]["energy_J"] == run.metrics["energy_J"][run.best]
    assert result["reward"] == np.max(run.reward)
    assert set(result["design"]) == set(run.space.names)
