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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["new", "simulator", "Bad-Name"], "lower-case"),
        (["check", "no_such_module:X"], "no_such_module"),
        (["check", "archgym:nothing"], "nothing"),
        (["check", "archgym:__version__"], "allowed: a Space"),
        (["check", "NoEnv-v0"], "unknown problem"),
    ],
)
def test_bad_input_is_one_line(arguments, words, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
