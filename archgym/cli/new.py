"""``archgym new simulator NAME``: a package of your own that registers a problem and passes its own tests."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from archgym.errors import ConfigError

HELP = "make the skeleton of a package with your own simulator"

_PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["archgym"]

[project.entry-points."archgym.families"]
{name} = "{name}:FAMILY"
"""

_MODULE = '''\
"""A problem family for archgym: replace the space, the metrics and `model` by your own."""

from archgym import Family, Metric, Space, choice, powers
from archgym.custom import FixedWorkloads, default_objectives
from archgym.simulators.function import FunctionSimulator, Infeasible

SPACE = Space(
    "{id}",
    (
        powers("size_KiB", 1, 256, default=32, unit="KiB", help="capacity of the cache", group="array"),
        powers("ways", 1, 16, default=4, help="associativity", group="array"),
        choice("replacement", "lru", "random", help="which line is evicted", group="policy"),
    ),
)
METRICS = (
    Metric("latency_s", "s", "min", "mean access time"),
    Metric("area_m2", "m2", "min", "silicon area"),
)


def model(size_KiB, ways, replacement, workload):
    """One design's metrics by name; must be a pure function of its arguments."""
    if ways > size_KiB:
        raise Infeasible(f"{{ways}} ways do not fit into {{size_KiB}} KiB")
    miss_rate = workload["footprint_KiB"] / (workload["footprint_KiB"] + size_KiB * (1 + ways / 16))
    if replacement == "random":
        miss_rate *= 1.1
    hit_s = 1e-9 * (1 + 0.05 * ways)
    return {{"latency_s": hit_s + miss_rate * 50e-9, "area_m2": 1e-9 * size_KiB * (1 + 0.02 * ways)}}


WORKLOADS = FixedWorkloads("{name}", {{"small": {{"footprint_KiB": 16}}, "large": {{"footprint_KiB": 512}}}})


def make_simulator() -> FunctionSimulator:
    return FunctionSimulator("{name}", 1, SPACE, METRICS, model, takes_workload=True)


FAMILY = Family(
    id="{id}",
    summary="A cache: replace me.",
    simulator="{name}:make_simulator",
    workloads="{name}:WORKLOADS",
    objectives=default_objectives(METRICS),
    workload="small",
    plane=("latency_s", "area_m2"),
)
'''

_TESTS = '''\
"""The laws that every simulator keeps, run on this one."""

import gymnasium as gym
import pytest

import archgym
from archgym.testing import check_simulator, check_space
from {name} import FAMILY, SPACE, WORKLOADS, make_simulator


def test_space():
    check_space(SPACE)


@pytest.mark.parametrize("workload", WORKLOADS.names())
def test_simulator(workload):
    check_simulator(make_simulator(), WORKLOADS.load(workload))


def test_is_registered_and_can_be_searched():
    assert FAMILY.id in archgym.families()
    environment = gym.make(FAMILY.id)
    environment.reset(seed=0)
    _, reward, *_ = environment.step(environment.action_space.sample())
    assert 0 <= reward <= 1
'''

_README = """\
# {name}

A problem family for archgym.

    pip install -e .          # registers {id}
    archgym show {id}
    archgym search {id} --budget 200
    python -m pytest
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("simulator",), help="what to make")
    parser.add_argument("name", metavar="NAME", help="the package's name, in lower case, such as my_cache")
    parser.add_argument("--out", default=".", metavar="DIR", help="where to make the folder NAME (default: here)")


def run(options: argparse.Namespace) -> int:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", options.name):
        raise ConfigError(
            f"name: {options.name!r} is not allowed; allowed: lower-case letters, digits and _, a letter first"
        )
    root = Path(options.out) / options.name
    if root.exists():
        raise ConfigError(f"{root} exists already; choose another name or --out")
    identity = "".join(part.capitalize() for part in options.name.split("_")) + "Env-v0"
    for path, template in (
        ("pyproject.toml", _PYPROJECT),
        ("README.md", _README),
        (f"{options.name}/__init__.py", _MODULE),
        ("tests/test_laws.py", _TESTS),
    ):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(template.format(name=options.name, id=identity), encoding="utf-8")
    print(f"made {root}: a working example to change\n  cd {root} && pip install -e . && python -m pytest")
    return 0
