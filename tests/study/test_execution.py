"""Running studies: equal data whatever happens, and nothing lost but what was in flight."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from archgym.errors import ConfigError, RunFileError, UnknownNameError
from archgym.runlog import read_run
from archgym.study import Agents, Options, Problems, Store, parse_study, plan_study, run_study
from archgym.study.tables import verify, write_run_file, write_tables
from tests.study.toy import toy_study

SERIAL = Options(executor="serial")


def contents(directory) -> dict[str, bytes]:
    """Every finished run's data by hash."""
    store = Store(directory)
    return {key: record.body() for key, record in store.runs.items()}


def test_every_planned_run_is_done_once_and_again_is_nothing(tmp_path, study):
    first = run_study(study, tmp_path / "s", SERIAL)
    assert (first.planned, first.ran, first.failed) == (16, 16, 0)
    again = run_study(study, tmp_path / "s", SERIAL)
    assert (again.found, again.ran) == (16, 0)


def test_processes_make_the_same_data_as_one_process(tmp_path, study):
    run_study(study, tmp_path / "one", SERIAL)
    run_study(study, tmp_path / "many", Options(executor="processes", jobs=2))
    assert contents(tmp_path / "one") == contents(tmp_path / "many")
    plan = plan_study(study)
    tables = [write_tables(Store(tmp_path / name), plan, tmp_path / name) for name in ("one", "many")]
    for one, many in zip(*tables, strict=True):
        assert one.name == many.name
        if one.name != "timings.parquet":
            assert one.read_bytes() == many.read_bytes()


def test_logs_agree_with_the_simulator(tmp_path, study):
    run_study(study, tmp_path / "s", SERIAL)
    store, plan = Store(tmp_path / "s"), plan_study(study)
    runs = [(run, store.runs[run.hash]) for run in plan.runs]
    assert verify(store, plan, runs) == []


def test_a_run_is_readable_as_a_run_and_exported_as_a_run_file(tmp_path):
    from archgym.registry import make_problem
    from archgym.rollout import run_search

    study = toy_study()
    run_study(study, tmp_path / "s", SERIAL)
    store, plan = Store(tmp_path / "s"), plan_study(study)
    chosen = plan.runs[5]
    spec = chosen.spec
    problem = make_problem("StudyToy-v0", chosen.problem.workload, chosen.problem.objective)
    alone = run_search(problem, spec.agent, spec.budget, spec.seed, spec.hyperparameters, directory=tmp_path / "alone")
    kept = store.run(chosen.hash)
    np.testing.assert_array_equal(kept.designs, alone.designs)
    np.testing.assert_array_equal(kept.reward, alone.reward)
    assert np.isnan(kept.metrics["time_s"]).all()  # a compact log leaves metrics out
    path = write_run_file(store, plan, chosen.hash, tmp_path / "out")
    assert path.name == next((tmp_path / "alone").iterdir()).name
    exported = read_run(path)
    np.testing.assert_array_equal(exported.metrics["time_s"], alone.metrics["time_s"])
    assert exported.metrics.reasons == alone.metrics.reasons


def test_a_full_log_keeps_metrics_and_reasons(tmp_path):
    study = toy_study(log="full")
    run_study(study, tmp_path / "s", SERIAL)
    store, plan = Store(tmp_path / "s"), plan_study(study)
    run = store.run(plan.runs[0].hash)
    again = plan.problems[plan.runs[0].problem].evaluate(run.designs)
    np.testing.assert_array_equal(run.metrics["energy_J"], again.metrics["energy_J"])
    assert run.metrics.reasons == again.metrics.reasons
    assert any(run.metrics.reasons)


def test_tables_are_tidy(tmp_path, study):
    pandas = pytest.importorskip("pandas")
    run_study(study, tmp_path / "s", SERIAL)
    write_tables(Store(tmp_path / "s"), plan_study(study), tmp_path / "s")
    runs = pandas.read_parquet(tmp_path / "s" / "runs.parquet")
    rows = pandas.read_parquet(tmp_path / "s" / "evaluations-StudyToy-v0.parquet")
    assert len(runs) == 16
    assert set(runs.status) == {"done"}
    assert len(rows) == 16 * 40
    best = rows.groupby("run").reward.max()
    np.testing.assert_array_equal(best.to_numpy(), runs.set_index("run").best_reward.to_numpy())
    assert set(rows["policy"]) <= {"open", "closed", "adaptive"}
    assert rows["reorder"].dtype == bool
    assert set(rows["buffer"]) == {1, 2, 4, 8, 16, 32}


@pytest.mark.parametrize("log", ["compact", "full"])
def test_tables_hold_problems_whose_spaces_differ(tmp_path, monkeypatch, log):
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr("archgym.study.tables._GROUP", 10)  # every run is a part of its own
    systems = Problems("SoCEnv-v0", ("audio_decoder", "SOC_example_1p"), ("latency-power-area",))
    study = toy_study(problems=(systems,), agents=(Agents("random"),), budget=10, seeds=(0,), log=log)
    run_study(study, tmp_path / "s", SERIAL)
    plan = plan_study(study)
    write_tables(Store(tmp_path / "s"), plan, tmp_path / "s")
    rows = pandas.read_parquet(tmp_path / "s" / "evaluations-SoCEnv-v0.parquet")
    assert len(rows) == 20
    assert ("latency_s" in rows) == (log == "full")
    for run in plan.runs:
        space = plan.problems[run.problem].space
        own = rows[rows.run == run.number]
        assert {name for name in own if own[name].notna().all()} >= set(space.names)
        others = {name for problem in plan.problems.values() for name in problem.space.names} - set(space.names)
        assert others
        assert own[sorted(others)].isna().all().all()


def test_a_failing_run_is_recorded_and_does_not_stop_the_others(tmp_path):
    good = Problems("StudyToy-v0", ("light",), ("time",))
    bad = Problems("StudyToy-v0", ("heavy",), ("time",), options={"trouble": "fail"})
    study = toy_study(problems=(bad, good))
    report = run_study(study, tmp_path / "s", SERIAL)
    assert (report.ran, report.failed) == (4, 4)
    store = Store(tmp_path / "s")
    assert all("RuntimeError: the toy broke" in store.traceback(key) for key in store.failures)
    again = run_study(study, tmp_path / "s", SERIAL)
    assert (again.ran, again.failed) == (0, 0)  # failed runs are left alone …
    retried = run_study(study, tmp_path / "s", Options(executor="serial", retry_failed=True))
    assert (retried.ran, retried.failed) == (0, 4)  # … unless asked for


def test_a_worker_that_dies_costs_nothing_if_the_run_works_the_second_time(tmp_path):
    options = {"trouble": "kill-once", "marker": str(tmp_path / "died")}
    study = toy_study(problems=(Problems("StudyToy-v0", ("light",), ("time",), options=options),))
    report = run_study(study, tmp_path / "s", Options(executor="processes", jobs=2))
    assert (tmp_path / "died").exists()
    assert (report.ran, report.failed) == (4, 0)


def test_a_script_that_does_not_guard_its_main_part_is_told_so(tmp_path):
    script = tmp_path / "sweep.py"
    script.write_text(
        "from archgym.study import Options, run_study\n"
        "from tests.study.toy import toy_study\n"
        f"run_study(toy_study('s', seeds=(0, 1)), {str(tmp_path / 's')!r}, Options(executor='processes', jobs=2))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "ConfigError" in last
    assert "while it started" in last
    assert "if __name__ == '__main__'" in last


def test_a_run_that_kills_every_worker_is_recorded_as_failed(tmp_path):
    good = Problems("StudyToy-v0", ("light",), ("time",))
    deadly = Problems("StudyToy-v0", ("heavy",), ("time",), options={"trouble": "kill"})
    study = toy_study(problems=(deadly, good), seeds=(0,), agents=(Agents("random"),))
    report = run_study(study, tmp_path / "s", Options(executor="processes", jobs=2))
    assert (report.ran, report.failed) == (1, 1)
    store = Store(tmp_path / "s")
    assert "SIGKILL" in store.traceback(next(iter(store.failures)))


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from archgym.study import Options, run_study
from tests.study.toy import toy_study

if __name__ == "__main__":
    study = toy_study(options={{"trouble": "slow"}})
    run_study(study, {directory!r}, Options(executor={executor!r}, jobs=2))
"""


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_kill_minus_nine_loses_at_most_the_runs_in_flight(tmp_path, executor):
    study = toy_study(options={"trouble": "slow"})
    script = tmp_path / "script.py"
    root = str(Path(__file__).parents[2])
    script.write_text(SCRIPT.format(root=root, directory=str(tmp_path / "s"), executor=executor))
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / "s" / "study.json").exists():
        time.sleep(0.02)
    while time.monotonic() < deadline and len(Store(tmp_path / "s").runs) < 4:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = contents(tmp_path / "s")
    assert 4 <= len(before) < 16
    report = run_study(study, tmp_path / "s", SERIAL)
    assert report.found >= len(before)
    assert report.found + report.ran == 16
    after = contents(tmp_path / "s")
    assert {key: after[key] for key in before} == before
    run_study(study, tmp_path / "whole", SERIAL)
    assert after == contents(tmp_path / "whole")


LIMITED = """
import resource, signal, sys
sys.path.insert(0, {root!r})
from archgym.errors import RunFileError
from archgym.study import Options, run_study
from tests.study.toy import toy_study

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
try:
    run_study(toy_study(), {directory!r}, Options(executor="serial"))
except RunFileError as error:
    print(error)
"""


def test_a_write_that_the_system_refuses_keeps_what_was_finished(tmp_path, study):
    """A full disk, played by a limit on the size of files, which fails a write in its middle just so."""
    script = tmp_path / "script.py"
    root = str(Path(__file__).parents[2])
    script.write_text(LIMITED.format(root=root, directory=str(tmp_path / "s"), size=9000))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    store = Store(tmp_path / "s")
    assert store.damaged == 0
    kept = contents(tmp_path / "s")
    assert 2 <= len(kept) < 16
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    report = run_study(study, tmp_path / "s", SERIAL)
    assert report.found == len(kept)
    assert len(contents(tmp_path / "s")) == 16


REFUSED = """
import resource, signal, sys
sys.path.insert(0, {root!r})
from archgym.errors import RunFileError
from archgym.study import Store, plan_study
from archgym.study.tables import write_tables
from tests.study.toy import toy_study

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    write_tables(Store({directory!r}), plan_study(toy_study()), Store({directory!r}).directory)
except RunFileError as error:
    print(error)
"""


def test_tables_that_cannot_be_written_leave_the_earlier_ones(tmp_path, study):
    run_study(study, tmp_path / "s", SERIAL)
    paths = write_tables(Store(tmp_path / "s"), plan_study(study), tmp_path / "s")
    before = [path.read_bytes() for path in paths]
    root = str(Path(__file__).parents[2])
    (tmp_path / "script.py").write_text(REFUSED.format(root=root, directory=str(tmp_path / "s")))
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "runs.parquet: cannot be written" in done.stdout
    assert [path.read_bytes() for path in paths] == before
    assert not list((tmp_path / "s").glob("*.new"))


def test_a_damaged_segment_costs_the_damaged_runs_only(tmp_path, study):
    run_study(study, tmp_path / "s", SERIAL)
    whole = contents(tmp_path / "s")
    segment = next((tmp_path / "s" / "runs").glob("*.runs"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0x55
    segment.write_bytes(bytes(data))
    report = run_study(study, tmp_path / "s", SERIAL)
    assert report.damaged == 1
    assert report.ran == 1
    assert contents(tmp_path / "s") == whole


def test_a_directory_with_another_study_is_refused(tmp_path, study):
    run_study(study, tmp_path / "s", SERIAL)
    with pytest.raises(ConfigError, match="holds another study, 'toy'"):
        run_study(toy_study("other"), tmp_path / "s", SERIAL)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(ConfigError, match="not empty and holds no study"):
        run_study(study, tmp_path / "photos", SERIAL)
    with pytest.raises(RunFileError, match="no study here"):
        Store(tmp_path / "photos").study()


def test_a_changed_definition_goes_on_only_when_asked_to(tmp_path, study):
    run_study(study, tmp_path / "s", SERIAL)
    more = toy_study(seeds=(0, 1, 2))
    with pytest.raises(ConfigError, match=r"seeds differs.*--extend"):
        run_study(more, tmp_path / "s", SERIAL)
    report = run_study(more, tmp_path / "s", Options(executor="serial", extend=True))
    assert (report.found, report.ran) == (16, 8)
    assert Store(tmp_path / "s").study() == more


def test_runs_by_another_simulator_version_are_named_and_kept_apart(tmp_path, monkeypatch, study):
    run_study(study, tmp_path / "s", SERIAL)
    old = contents(tmp_path / "s")
    monkeypatch.setattr("tests.study.toy.make.__defaults__", (2, "", ""))
    report = run_study(study, tmp_path / "s", SERIAL)
    assert report.apart == {"made by simulator study-toy version 1 (now 2)": 16}
    assert (report.found, report.ran) == (0, 16)
    both = contents(tmp_path / "s")
    assert len(both) == 32
    assert old.items() <= both.items()
    pandas = pytest.importorskip("pandas")
    write_tables(Store(tmp_path / "s"), plan_study(study), tmp_path / "s")
    assert set(pandas.read_parquet(tmp_path / "s" / "runs.parquet").simulator_version) == {2}


def test_two_processes_cannot_run_one_study_at_a_time(tmp_path, study):
    run_study(study, tmp_path / "s", SERIAL)
    with Store(tmp_path / "s").open_writer(), pytest.raises(ConfigError, match="another process"):
        run_study(study, tmp_path / "s", SERIAL)
    run_study(study, tmp_path / "s", SERIAL)


def test_an_unknown_executor_is_refused(tmp_path, study):
    with pytest.raises(UnknownNameError, match="did you mean 'serial'"):
        run_study(study, tmp_path / "s", Options(executor="serail"))


def test_a_study_is_read_back_from_its_directory(tmp_path, study):
    run_study(study, tmp_path / "s", SERIAL)
    held = Store(tmp_path / "s").study()
    assert held == study
    assert parse_study(held.to_json()) == study
