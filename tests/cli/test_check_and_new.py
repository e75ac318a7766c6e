"""The skeleton of a user's package passes its own laws; a simulator that breaks one is named in words."""

import subprocess
import sys

import pytest

from archgym.cli import main

BROKEN = """
import itertools
from archgym import Family, Metric, Space, powers
from archgym.custom import FixedWorkloads, default_objectives
from archgym.simulators.function import FunctionSimulator

count = itertools.count(1)
METRICS = (Metric("time_s", "s", "min"),)
SIMULATOR = FunctionSimulator("drift", 1, Space("drift", (powers("size", 1, 8),)), METRICS, lambda size: {"time_s": float(next(count))})
FAMILY = Family("DriftEnv-v0", "depends on when it is called", lambda: SIMULATOR, FixedWorkloads("drift", {"one": None}),
                default_objectives(METRICS), "one")
"""


def python(*arguments, cwd):
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=300)


def test_the_skeleton_keeps_the_laws(tmp_path):
    assert main(["new", "simulator", "tiny_cache", "--out", str(tmp_path)]) == 0
    result = python("-m", "archgym", "check", "tiny_cache:FAMILY", "--workload", "small", cwd=tmp_path / "tiny_cache")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "all laws hold" in result.stdout


def test_a_broken_simulator_is_named_in_words(tmp_path):
    (tmp_path / "drifting.py").write_text(BROKEN)
    result = python("-m", "archgym", "check", "drifting:FAMILY", cwd=tmp_path)
    assert result.returncode == 1
    assert "FAILED" in result.stdout
    assert "drift:" in result.stdout


FUNCTION = """
from archgym import Metric, powers
from archgym.custom import simulator

@simulator("LoneEnv-v0", parameters=(powers("size", 1, 8),), metrics=(Metric("time_s", "s", "min"),))
def lone(size):
    return {"time_s": 1 / size}
"""
STUDY = """
name = "lone"
budget = 20
seeds = 2
problems = [{ id = "alone:LoneEnv-v0" }]
agents = [{ agent = "random" }]
"""


def test_a_function_in_a_file_is_checked_searched_studied_and_gathered_by_module_and_name(tmp_path):
    (tmp_path / "alone.py").write_text(FUNCTION)
    (tmp_path / "study.toml").write_text(STUDY)
    for arguments, words in (
        (("check", "alone:lone"), "all laws hold"),
        (("search", "alone:LoneEnv-v0", "--agent", "ga", "--budget", "20", "--out", "runs"), "run file: runs"),
        (
            ("study", "run", "study.toml", "--out", "s", "--executor", "processes", "--jobs", "2"),
            "2 done now, 0 failed",
        ),
        (("dataset", "build", "s", "runs", "--out", "data"), "60 rows"),
        (("dataset", "verify", "data"), "60 of 60 rows simulated again, 0 differ"),
    ):
        result = python("-m", "archgym", *arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert words in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["new", "simulator", "Bad-Name"], "lower-case"),
        (["check", "no_such_module:X"], "no_such_module"),
        (["check", "archgym:nothing"], "nothing"),
        (["check", "archgym:__version__"], "allowed: a Space"),
        (["check", "NoEnv-v0"], "unknown problem"),
        (["search", "no_such_module:NoEnv-v0"], "no_such_module"),
    ],
)
def test_bad_input_is_one_line(arguments, words, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
