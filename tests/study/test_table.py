"""Tables: the same bits as the simulator, found, verified and rebuilt."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from archgym.errors import ConfigError, WorkloadError
from archgym.registry import make_problem
from archgym.simulators import table as tables
from archgym.study import Options, Store, plan_study, run_study, tabulate
from tests.study.toy import SPACE, ToySimulator, toy_study


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHGYM_TABLES", str(tmp_path / "tables"))
    return tmp_path / "tables"


def test_a_table_gives_the_simulators_bits_for_every_design(folder):
    problem = make_problem("StudyToy-v0", "heavy")
    _, table = tabulate.tabulate("StudyToy-v0", "heavy", folder)
    everything = SPACE.enumerate()
    found, truth = table(everything, problem.workload), problem.simulator(everything, problem.workload)
    for name, column in truth.columns.items():
        assert found[name].tobytes() == column.tobytes()
    assert found.reasons == truth.reasons
    np.testing.assert_array_equal(found.feasible, truth.feasible)
    assert len(table.results) < SPACE.size  # a parameter that does nothing costs nothing


def test_a_table_survives_its_file_and_pickling_to_the_last_bit(folder):
    path, table = tabulate.tabulate("StudyToy-v0", "light", folder)
    again = tables.read_table(path)
    for name in ("index", "results", "feasible"):
        assert getattr(again, name).tobytes() == getattr(table, name).tobytes()
    assert again.reasons == table.reasons
    assert again.space.fingerprint == table.space.fingerprint
    tables.write_table(pickle.loads(pickle.dumps(again)), folder / "again.table")
    assert (folder / "again.table").read_bytes() == path.read_bytes()


def test_the_standing_agrees_with_brute_force(folder):
    _, table = tabulate.tabulate("StudyToy-v0", "light", folder)
    problem = make_problem("StudyToy-v0", "light", "both", table)
    rewards = make_problem("StudyToy-v0", "light", "both").evaluate(SPACE.enumerate()).reward
    standing = table.standing(problem.objective)
    assert standing.optimum == rewards.max()
    assert standing.best_count == (rewards == rewards.max()).sum()
    assert standing.mean == pytest.approx(rewards.mean())
    np.testing.assert_array_equal(standing.expanded(), rewards)
    np.testing.assert_array_equal(SPACE.number(standing.best_designs()), np.flatnonzero(rewards == rewards.max()))
    probe = np.array([rewards.min() - 1, *rewards[::7], rewards.max()])
    expected = [100 * (rewards <= value).mean() for value in probe]
    np.testing.assert_allclose(standing.percentile(probe), expected)
    assert (rewards <= standing.quantile(90)).mean() >= 0.9


def test_a_table_is_found_and_stands_in_for_its_simulator(folder):
    problem = make_problem("StudyToy-v0", "light")
    assert tables.find_table(problem.simulator, problem.workload) is None
    tabulate.tabulate("StudyToy-v0", "light", folder)
    table = tables.find_table(problem.simulator, problem.workload)
    assert (table.name, table.version) == (problem.simulator.name, problem.simulator.version)
    heavy = make_problem("StudyToy-v0", "heavy")
    assert tables.find_table(heavy.simulator, heavy.workload) is None
    assert tables.find_table(ToySimulator(version=2), problem.workload) is None
    with pytest.raises(WorkloadError, match="table is of workload 'light'"):
        table(SPACE.default[None], heavy.workload)


def test_a_study_by_table_has_the_same_runs_as_by_simulator(folder, tmp_path):
    from dataclasses import replace

    study = toy_study()
    by_table = replace(study, problems=tuple(replace(p, simulator="table") for p in study.problems))
    run_study(study, tmp_path / "simulated", Options(executor="serial"))
    for workload in ("light", "heavy"):
        tabulate.tabulate("StudyToy-v0", workload, folder)
    plan = plan_study(by_table)
    assert all(isinstance(p.simulator, tables.TableSimulator) for p in plan.problems.values())
    run_study(by_table, tmp_path / "looked up", Options(executor="serial"))
    one, other = Store(tmp_path / "simulated"), Store(tmp_path / "looked up")
    assert {k: r.body() for k, r in one.runs.items()} == {k: r.body() for k, r in other.runs.items()}


def test_an_interrupted_tabulation_goes_on_from_its_parts(folder, monkeypatch):
    monkeypatch.setattr(tabulate, "PART", 50)
    whole, _ = tabulate.tabulate("StudyToy-v0", "light", folder / "whole")
    calls = []

    def stop_after_three(done, total):
        calls.append(done)
        if len(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tabulate.tabulate("StudyToy-v0", "light", folder, progress=stop_after_three)
    assert calls == [0, 50, 100, 150]
    part = next(folder.glob("*.parts/*.npz"))
    part.write_bytes(part.read_bytes()[:100])  # one part is damaged meanwhile
    seen = []
    path, _ = tabulate.tabulate("StudyToy-v0", "light", folder, progress=lambda done, total: seen.append(done))
    assert seen[0] == 100
    assert seen[-1] == 360
    assert path.read_bytes() == whole.read_bytes()
    assert not list(folder.glob("*.parts"))


def test_processes_build_the_same_file(folder, monkeypatch):
    one, _ = tabulate.tabulate("StudyToy-v0", "light", folder / "one")
    monkeypatch.setattr(tabulate, "PART", 100)
    many, _ = tabulate.tabulate("StudyToy-v0", "light", folder / "many", jobs=2)
    assert one.read_bytes() == many.read_bytes()


def _knowing(change):
    """``representatives`` of the toy: the parameter called "unused" never matters, and what ``change`` does."""

    def representatives(self, designs, workload):
        found = designs.copy()
        found[:, 4] = 0
        change(found)
        found[(found[:, 1] == 0) & (found[:, 2] >= 4), 0] = 0  # infeasible whatever the policy
        return found

    return representatives


def test_designs_known_to_be_alike_are_simulated_once_and_the_table_is_the_same(folder, monkeypatch):
    whole, _ = tabulate.tabulate("StudyToy-v0", "light", folder / "whole")
    counts = []
    simulate = ToySimulator.__call__
    monkeypatch.setattr(ToySimulator, "__call__", lambda self, d, w: (counts.append(len(d)), simulate(self, d, w))[1])
    monkeypatch.setattr(ToySimulator, "representatives", _knowing(lambda found: None), raising=False)
    known = []
    path, _ = tabulate.tabulate("StudyToy-v0", "light", folder, check=0, progress=lambda done, _: known.append(done))
    # Of 180 designs that differ in more than "unused", one (with or without reorder) is infeasible under 3 policies.
    assert max(counts) == 180 - 2 * 2
    assert known[-1] == 360
    assert path.read_bytes() == whole.read_bytes()


def test_a_wrong_claim_of_being_alike_is_found_out(folder, monkeypatch):
    def wrong(found):
        found[:, 1] = 0

    monkeypatch.setattr(ToySimulator, "representatives", _knowing(wrong), raising=False)
    with pytest.raises(tables.TableError, match="differ when simulated again"):
        tabulate.tabulate("StudyToy-v0", "light", folder / "wrong")

    def turning(found):
        found[:, 3] = 1 - found[:, 3]

    monkeypatch.setattr(ToySimulator, "representatives", _knowing(turning), raising=False)
    with pytest.raises(tables.TableError, match="stood for by another"):
        tabulate.tabulate("StudyToy-v0", "light", folder / "turning")


def test_a_damaged_table_is_refused(folder):
    path, _ = tabulate.tabulate("StudyToy-v0", "light", folder)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(tables.TableError, match="checksum"):
        tables.read_table(path)
    path.write_bytes(b"something else")
    with pytest.raises(tables.TableError, match="not a table"):
        tables.read_table(path)


def test_a_space_too_large_to_enumerate_is_refused(folder, monkeypatch):
    monkeypatch.setattr(tabulate, "MOST_DESIGNS", 100)
    with pytest.raises(ConfigError, match="360 designs"):
        tabulate.tabulate("StudyToy-v0", "light", folder)


def test_the_command_builds_then_verifies(folder, capsys):
    from argparse import ArgumentParser

    from archgym.cli import tabulate as command

    parser = ArgumentParser()
    command.add_arguments(parser)
    options = parser.parse_args(["StudyToy-v0", "--workload", "light", "--quiet", "--json"])
    import json

    assert command.run(options) == 0
    (built,) = json.loads(capsys.readouterr().out)
    assert built["what"] == "built"
    assert command.run(options) == 0
    (verified,) = json.loads(capsys.readouterr().out)
    assert verified["what"] == "verified"
    assert verified["optima"] == built["optima"]
