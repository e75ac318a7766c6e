"""Judging a proxy: measures of known cases, regret on the true simulator, active learning, the command line."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from archgym import make_problem
from archgym.cli import main
from archgym.dataset import build_dataset
from archgym.errors import ConfigError, DatasetError, ModelFileError, UnknownNameError
from archgym.metrics import Metrics
from archgym.proxy import active_learning, evaluate_proxy, save_proxy
from archgym.proxy.active import _doubtful
from archgym.proxy.evaluate import (
    Truth,
    errors,
    gaussian_width,
    held_out_truth,
    rank_correlation,
    simulated_truth,
    top_regret,
)
from archgym.proxy.fit import Candidate
from archgym.proxy.pictures import save_predicted_against_true
from archgym.proxy.samples import held_out
from archgym.rollout import run_search
from tests.dataset.toy import SPACE, ToySimulator, register_toy
from tests.proxy.conftest import CANDIDATES, TARGETS

register_toy()


def test_measures_of_a_case_worked_out_by_hand():
    true, predicted = np.array([1.0, 2.0, 4.0, 5.0]), np.array([1.1, 2.0, 3.0, 5.0])
    found = errors(true, predicted, np.full(4, 0.5), np.array([False, False, True, False]))
    assert found["relative_rmse"] == pytest.approx(np.sqrt(1.01 / 4) / 3)
    assert found["mape"] == pytest.approx((0.1 + 0.25) / 4)
    assert found["worst"] == pytest.approx(0.25)
    assert found["r2"] == pytest.approx(1 - 1.01 / 10)
    assert found["rank"] == pytest.approx(1.0)
    assert found["within"]["0.6827"] == 0.75
    assert found["far"] == pytest.approx(1.0 / 3)
    assert found["near"] == pytest.approx(np.sqrt(0.01 / 3) / 3)
    assert errors(np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=bool)) == {"rows": 0}


def test_recalled_designs_do_not_improve_the_error_of_new_ones():
    """Ten designs, nine of them recalled without error: the error is that of the tenth."""
    designs, known = np.zeros((10, len(SPACE)), dtype=np.int64), np.arange(10) < 9
    true = Metrics({"x": np.full(10, 2.0)}, np.ones(10, dtype=bool), ("",) * 10)
    extras = {"deviation.x": np.ones(10), "known.x": known, "is_far": np.zeros(10, dtype=bool)}
    predicted = Metrics({"x": np.where(known, 2.0, 3.0)}, true.feasible, true.reasons, extras)
    proxy = SimpleNamespace(name="p", metrics=(SimpleNamespace(name="x"),))
    found = evaluate_proxy(proxy, [Truth("w", designs, true, predicted)])["metrics"]["x"]["overall"]
    assert (found["new"]["rows"], found["new"]["relative_rmse"]) == (1, 0.5)
    assert (found["recalled"]["rows"], found["recalled"]["relative_rmse"]) == (9, 0.0)


def test_rank_correlation_shares_ranks_between_ties():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 100).astype(float), rng.integers(0, 9, 100).astype(float)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(np.ones(5), np.arange(5.0)) is None
    assert gaussian_width(0.9545) == pytest.approx(2.0, abs=1e-3)


def test_held_out_designs_judge_a_proxy_on_each_workload(make, data):
    proxy = make("stacked")
    truths = held_out_truth(proxy, data)
    assert sorted(truth.workload for truth in truths) == ["mixed", "random", "stream"]
    assert all(held_out(truth.designs).all() for truth in truths)
    report = evaluate_proxy(proxy, truths)
    found = report["metrics"]["energy_J"]
    for part in ("new", "recalled"):
        assert found["overall"][part]["rows"] == sum(place[part]["rows"] for place in found["workloads"].values())
    assert all(found["overall"][part]["rows"] > 0 for part in ("new", "recalled"))
    overall = found["overall"]["new"]
    assert found["overall"]["recalled"]["relative_rmse"] < 0.1 * overall["relative_rmse"]
    assert 0 < overall["relative_rmse"] < 0.1
    assert overall["r2"] > 0.98
    assert overall["rank"] > 0.98
    assert 0.02 < overall["scaled_rms"] < 2.0  # learnt on fewer rows than the proxy: rather too wide than too narrow
    fresh = simulated_truth(proxy, make_problem("ToyMemoryEnv-v0", "mixed"), 300)
    assert held_out(fresh.designs).all()
    assert evaluate_proxy(proxy, [fresh])["metrics"]["energy_J"]["overall"]["new"]["relative_rmse"] < 0.1
    json.dumps(report, allow_nan=False)


def test_regret_is_zero_for_the_simulator_itself_and_small_for_a_good_proxy(make):
    problem = make_problem("ToyMemoryEnv-v0", "mixed", "joint")
    found = top_regret(make("ridge"), problem, pool=600, top=(1, 10))
    assert found["top"]["10"]["share"] < 0.05
    assert found["top"]["10"]["hits"] >= 5
    designs = SPACE.enumerate()
    designs = designs[held_out(designs)]
    assert found["pool"] == 600 <= len(designs)
    assert found["best"] <= problem.evaluate(designs).reward.max()
    with pytest.raises(ConfigError, match="fewer than the largest top"):
        top_regret(make("stacked"), problem, pool=50)


def test_judging_by_what_does_not_fit_is_refused(make, data, tmp_path):
    newer = make_problem("ToyMemoryEnv-v0", simulator=ToySimulator(version=2))
    run_search(newer, "random", 30, directory=tmp_path / "logs")
    other = build_dataset([tmp_path / "logs"], tmp_path / "other")
    with pytest.raises(DatasetError, match="made by toy-memory version 2, but proxy:toy-memory"):
        held_out_truth(make("ridge"), other)
    import dataclasses

    whole = dataclasses.replace(make("ridge"), data={**make("ridge").data, "held_out_share": 0.0})
    with pytest.raises(ModelFileError, match="nothing is held out"):
        held_out_truth(whole, data)


def test_active_learning_counts_simulations_and_learns(tmp_path):
    problem = make_problem("ToyMemoryEnv-v0", "random")
    designs = SPACE.enumerate()
    designs = designs[held_out(designs)]
    true = ToySimulator()(designs, problem.workload)

    def judge(proxy):
        found = proxy(designs, problem.workload)
        ok = true.feasible & found.feasible
        gap = found["total_time_s"][ok] - true["total_time_s"][ok]
        return {"total_time_s": float(np.sqrt(np.mean(gap**2)) / true["total_time_s"][ok].mean())}

    candidate = Candidate("boosting", {"leaves": 8, "rate": 0.2, "rounds": 60, "leaf": 1})
    rounds = active_learning(problem, ("total_time_s",), candidate, 100, 50, 250, pool=400, members=3, judge=judge)
    assert [entry.rows for entry in rounds] == [100, 150, 200, 250]
    assert rounds[-1].errors["total_time_s"] < 0.6 * rounds[0].errors["total_time_s"]
    again = active_learning(problem, ("total_time_s",), candidate, 100, 50, 150, pool=400, members=3, judge=judge)
    assert again[1].errors == rounds[1].errors
    with pytest.raises(UnknownNameError):
        active_learning(problem, ("total_time_s",), candidate, rule="doubt")
    with pytest.raises(ConfigError):
        active_learning(problem, ("total_time_s",), candidate, start=300, budget=200)


def test_designs_that_teach_nothing_are_simulated_last(make, rng):
    proxy, problem = make("boosting"), make_problem("ToyMemoryEnv-v0", "mixed")
    offered = SPACE.enumerate()
    recalled = np.all([proxy(offered, problem.workload).extras[f"known.{name}"] for name in TARGETS], axis=0)
    models = [part.model for part in proxy.parts
              if part.quantity in TARGETS and part.workload == problem.workload.fingerprint]  # fmt: skip
    forms = [b"".join(row.tobytes() for row in rows)
             for rows in zip(*(model.structure.canonical(offered) for model in models), strict=True)]  # fmt: skip
    worth = len({form for form, known in zip(forms, recalled, strict=True) if not known})
    assert 0 < worth < (~recalled).sum()
    chosen = _doubtful(proxy, problem, offered, len(offered), rng)
    assert sorted(chosen) == list(range(len(offered)))
    first = chosen[:worth]
    assert not recalled[first].any()
    assert len({forms[number] for number in first}) == worth


def test_the_picture_is_drawn(make, data, tmp_path):
    proxy = make("stacked")
    paths = save_predicted_against_true(proxy, held_out_truth(proxy, data), tmp_path / "picture")
    assert [path.suffix for path in paths] == [".png", ".svg"]
    assert paths[0].stat().st_size > 20_000


def test_the_command_line_from_logs_to_a_judged_proxy(data, tmp_path, capsys):
    logs = data.directory.parent / "logs"

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, capsys.readouterr()

    code, out = run(
        "dataset", "build", logs, "--out", tmp_path / "d", "--workload", "mixed", "--steps", 300, "--licence", "MIT"
    )
    assert (code, "300 rows" in out.out) == (0, True)
    assert run("dataset", "verify", tmp_path / "d", "--rows", 50)[0] == 0
    assert "toy-memory version 1" in run("dataset", "info", tmp_path / "d")[1].out
    assert run("dataset", "export", tmp_path / "d", "--format", "csv", "--out", tmp_path / "d.csv")[0] == 0
    assert run("dataset", "merge", tmp_path / "d", "--out", tmp_path / "m")[0] == 0
    train = ("proxy", "train", tmp_path / "d", "--target", "total_time_s", "--target", "energy_J", "--model", "ridge")
    code, out = run(*train, "--out", tmp_path / "p")
    assert (code, "proxy:toy-memory:" in out.out) == (0, True)
    assert "ridge(alpha=" in run("proxy", "info", tmp_path / "p")[1].out
    code, out = run(
        "proxy", "evaluate", tmp_path / "p", tmp_path / "d", "--json", "--pool", 200, "--plot", tmp_path / "x"
    )
    report = json.loads(out.out)
    assert report["metrics"]["total_time_s"]["overall"]["new"]["relative_rmse"] < 0.1
    assert report["regret"][0]["objective"] == "joint"
    code, out = run("proxy", "evaluate", tmp_path / "p", tmp_path / "d", "--pool", 0)
    assert (code, "relative RMSE" in out.out) == (0, True)
    code, out = run(*train, "--out", tmp_path / "p")
    assert (code, "exists already" in out.err) == (1, True)
    assert run("proxy", "info", tmp_path / "nothing")[0] == 1


def test_kinds_of_models_are_all_tried(make, data, tmp_path):
    assert set(CANDIDATES) == {"ridge", "forest", "boosting", "stacked", "gaussian", "networks"}
    path = save_proxy(make("networks"), tmp_path / "n")
    assert {
        part["kind"] for part in json.loads((path / "proxy.json").read_text())["parts"] if part["quantity"] in TARGETS
    } == {"networks"}
