"""A real program as a simulator, and programs that hang, crash or print garbage."""

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from archgym import Metric, Space, choice, powers
from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.external import ExternalSimulator, Reading
from archgym.workload import Workload

WORKLOAD = Workload("external", "one", "f" * 64, "unused")
SPACE = Space("test", (powers("size", 1, 8), choice("mode", "good", "hang", "crash", "garbage")))
SCRIPT = """
import json, subprocess, sys, time
mode, size = "{{mode}}", {{size}}
if mode == "hang":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # orphan {{directory}}"])
    time.sleep(600)
if mode == "crash":
    sys.exit("the model diverged")
print("banana" if mode == "garbage" else json.dumps({"result": [{"time_ns": 100 / size}]}))
"""
TIME = Metric("time_s", "s", "min")


def script(tmp_path, **details):
    reading = Reading(TIME, "json", "result.0.time_ns", scale=1e-9)
    options = {"timeout_s": 20.0, "workers": 4, "logs": tmp_path / "logs", **details}
    return ExternalSimulator("script", 1, SPACE, (sys.executable, "run.py"), (reading,), {"run.py": SCRIPT}, **options)


def running_with(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if text in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_metrics_are_read_and_scaled_and_equal_designs_run_once(tmp_path):
    result = script(tmp_path)(np.array([[0, 0], [2, 0], [0, 0]]), WORKLOAD)
    np.testing.assert_array_equal(result["time_s"], np.array([100.0, 25.0, 100.0]) * 1e-9)
    assert result.feasible.all()


def test_crash_and_garbage_are_infeasible_rows_with_their_log_kept(tmp_path):
    result = script(tmp_path)(np.array([[0, 2], [0, 3], [1, 0]]), WORKLOAD)
    assert result.feasible.tolist() == [False, False, True]
    assert "the model diverged" in result.reasons[0]
    assert "cannot be read" in result.reasons[1]
    assert np.isnan(result["time_s"][:2]).all()
    logs = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert len(logs) == 2
    assert "banana" in [(tmp_path / "logs" / name / "stdout").read_text().strip() for name in logs]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for left-over processes in /proc")
def test_a_hanging_program_is_killed_with_its_children(tmp_path):
    started = time.monotonic()
    result = script(tmp_path, timeout_s=1.5)(np.array([[0, 1]]), WORKLOAD)
    assert result.reasons[0].startswith("timed out after 1.5 s")
    assert time.monotonic() - started < 60  # not the ten minutes that the program would sleep
    assert not running_with("# orphan")


def test_finished_work_is_cached_and_a_damaged_entry_is_computed_again(tmp_path):
    counted = tmp_path / "count"
    program = f"import pathlib; p = pathlib.Path({str(counted)!r}); p.write_text(p.read_text() + 'x' if p.exists() else 'x'); print(4)"
    reading = Reading(TIME, "regex", r"^(\d+)$")
    simulator = ExternalSimulator(
        "counted", 1, SPACE, (sys.executable, "-c", program), (reading,), cache=tmp_path / "cache", workers=1
    )
    designs = np.array([[1, 0]])
    assert [simulator(designs, WORKLOAD)["time_s"][0] for _ in range(3)] == [4.0] * 3
    assert counted.read_text() == "x"
    (entry,) = (tmp_path / "cache").rglob("*.json")
    entry.write_text("{cut off")
    assert simulator(designs, WORKLOAD)["time_s"][0] == 4.0
    assert counted.read_text() == "xx"
    assert not list((tmp_path / "cache").rglob("*.json?*")), "temporary files are left over"


def test_retries_run_again_and_a_new_program_version_is_another_key(tmp_path):
    flag = tmp_path / "flag"
    program = f"import pathlib, sys; p = pathlib.Path({str(flag)!r}); ok = p.exists(); p.touch(); sys.exit(0 if ok else 3) if not ok else print(1)"
    make = lambda **more: ExternalSimulator(  # noqa: E731 - three short uses
        "flaky",
        1,
        SPACE,
        (sys.executable, "-c", program),
        (Reading(TIME, "regex", r"(\d+)"),),
        cache=tmp_path / "cache",
        **more,
    )
    assert make(retries=1)(np.array([[0, 0]]), WORKLOAD).feasible.all()
    flag.unlink()
    assert "exit code 3" in make(program_version="2")(np.array([[0, 0]]), WORKLOAD).reasons[0]


def test_csv_readings(tmp_path):
    reading = Reading(TIME, "csv", "t", file="out/result.csv", scale=1e-6)
    simulator = ExternalSimulator("csv", 1, SPACE, ("true",), (reading,), {"out/result.csv": "t,u\n1,2\n{{size}},3\n"})
    np.testing.assert_array_equal(simulator(np.array([[3, 0]]), WORKLOAD)["time_s"], [8.0 * 1e-6])


def test_bad_descriptions_are_refused():
    reading = Reading(TIME, "regex", r"(\d+)")
    with pytest.raises(UnknownNameError, match="did you mean 'size'"):
        ExternalSimulator("x", 1, SPACE, ("run", "{{sise}}"), (reading,))
    with pytest.raises(ConfigError, match="timeout_s"):
        ExternalSimulator("x", 1, SPACE, ("run",), (reading,), timeout_s=0)
    with pytest.raises(ConfigError, match="one group"):
        Reading(TIME, "regex", r"\d+")
    with pytest.raises(ConfigError, match="cannot run 'no-such-program'"):
        ExternalSimulator("x", 1, SPACE, ("no-such-program",), (reading,))(np.array([[0, 0]]), WORKLOAD)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind (Debian package valgrind)")
def test_cachegrind_as_a_cache_simulator(tmp_path):
    """A larger data cache never misses more on the same program (LRU caches of equal sets and line size)."""
    space = Space("cache", (powers("size_B", 4096, 65536, base=4), powers("ways", 2, 8, base=4)))
    misses = Reading(Metric("D1_misses", "1", "min"), "regex", r"D1  misses:\s+([\d]+)", file="numbers")
    command = (
        "sh",
        "-c",
        "valgrind --tool=cachegrind --cache-sim=yes --cachegrind-out-file=cg.out --D1={{size_B}},{{ways}},64 "
        "gzip -c input 2>report >/dev/null && tr -d , <report >numbers",
    )
    text = "\n".join(f"line {number} of some text to compress" for number in range(300))
    simulator = ExternalSimulator(
        "cachegrind", 1, space, command, (misses,), {"input": text}, timeout_s=120, workers=os.cpu_count() or 1
    )
    designs = space.encode([{"size_B": size, "ways": 2} for size in (4096, 16384, 65536)])
    found = simulator(designs, WORKLOAD)
    assert found.feasible.all(), found.reasons
    assert (np.diff(found["D1_misses"]) < 0).all()
