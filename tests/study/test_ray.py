"""Studies on a Ray cluster of several processes on this machine."""

from __future__ import annotations

import numpy as np
import pytest

from archgym.rollout import run_search
from archgym.study import Agents, Options, Problems, Store, run_study
from archgym.study.ray_simulator import RaySimulator
from tests.study.test_execution import SERIAL, contents
from tests.study.toy import toy_study
from tests.toy import problem

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    """Two processors of a real cluster; every run is done in a process of its own."""
    from archgym.study.ray_executor import connect

    yield connect("", 2)
    ray.shutdown()


def test_ray_makes_the_same_data_as_one_process_though_a_worker_dies(tmp_path, cluster):
    options = {"trouble": "kill-once", "marker": str(tmp_path / "died")}
    study = toy_study(problems=(Problems("StudyToy-v0", ("light",), ("time",), options=options),))
    report = run_study(study, tmp_path / "ray", Options(executor="ray", bundle=2))
    assert (tmp_path / "died").exists()
    assert (report.ran, report.failed) == (4, 0)
    run_study(study, tmp_path / "one", SERIAL)
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")


def test_a_slow_simulator_is_spread_over_the_cluster_with_equal_results(cluster):
    plain = problem()
    spread = problem(simulator=RaySimulator(plain.simulator))
    assert spread.simulator.workers == 2
    one, many = run_search(plain, "random", 6, 0), run_search(spread, "random", 6, 0, ahead=4)
    np.testing.assert_array_equal(many.designs, one.designs)
    np.testing.assert_array_equal(many.reward, one.reward)


@pytest.mark.slow
def test_ray_records_failures_and_deadly_runs_and_goes_on(tmp_path, cluster):
    problems = (
        Problems("StudyToy-v0", ("light",), ("time",)),
        Problems("StudyToy-v0", ("light",), ("both",), options={"trouble": "fail"}),
        Problems("StudyToy-v0", ("heavy",), ("time",), options={"trouble": "kill"}),
    )
    study = toy_study(problems=problems, seeds=(0,), agents=(Agents("random"),))
    report = run_study(study, tmp_path / "s", Options(executor="ray", bundle=3))
    assert (report.ran, report.failed) == (1, 2)
    store = Store(tmp_path / "s")
    why = sorted(store.traceback(key).strip().splitlines()[-1] for key in store.failures)
    assert why == ["RuntimeError: the toy broke", "the worker process died during this run, 2 times"]


@pytest.mark.slow
def test_asha_stops_runs_early_and_keeps_what_they_had(tmp_path, cluster):
    from archgym.study import plan_study
    from archgym.study.ray_executor import rungs

    study = toy_study(
        problems=(Problems("StudyToy-v0", ("light",), ("time",)),),
        budget=270,
        seeds=tuple(range(8)),
        agents=(Agents("random", fixed={"batch_size": 5}),),
    )
    report = run_study(study, tmp_path / "s", Options(executor="ray", scheduler="asha"))
    assert report.failed == 0
    assert report.ran + report.stopped == 8
    assert report.stopped >= 1
    store = Store(tmp_path / "s")
    run_study(study, tmp_path / "whole", SERIAL)
    whole = Store(tmp_path / "whole")
    for key in store.stopped:
        part, full = store.run(key), whole.run(key)
        assert not part.complete
        assert len(part) in rungs(270)
        assert part.designs.tolist() == full.designs[: len(part)].tolist()
        assert part.reward.tobytes() == full.reward[: len(part)].tobytes()
    # Stopped runs are still to do: without a scheduler the same call completes them.
    again = run_study(study, tmp_path / "s", SERIAL)
    assert again.ran == report.stopped
    assert len(plan_study(study)) == len(Store(tmp_path / "s").runs) == 8


@pytest.mark.slow
@pytest.mark.parametrize(("searcher", "scheduler"), [("random", ""), ("optuna", "asha")])
def test_a_searcher_finds_a_setting_and_it_is_scored_on_fresh_seeds(tmp_path, cluster, searcher, scheduler):
    import json

    from archgym.registry import make_problem
    from archgym.rollout import run_search
    from archgym.study import Draw
    from archgym.study.tune import tune_agents

    if searcher == "optuna":
        pytest.importorskip("optuna")
    study = toy_study(
        problems=(Problems("StudyToy-v0", ("heavy",), ("both",)),),
        agents=(Agents("random", label="tuned", draw={"batch_size": Draw(1, 30, log=True)}, count=4),),
    )
    (tuning,) = tune_agents(study, "tuned", 4, tmp_path, searcher, scheduler, jobs=2)
    assert len(tuning.trials) == 4
    assert all(1 <= trial.setting["batch_size"] <= 30 for trial in tuning.trials)
    best = max((t for t in tuning.trials if t.complete), key=lambda t: t.score)
    assert tuning.best == best.setting
    assert json.loads(next(tmp_path.glob("tuning-*.json")).read_text())["score"] == tuning.score
    problem = make_problem("StudyToy-v0", "heavy", "both")
    rewards = [run_search(problem, "random", 40, seed, dict(tuning.best)).reward.max() for seed in (0, 1, 2, 3)]
    assert tuning.score == pytest.approx(sum(rewards[:2]) / 2)
    assert tuning.held_out == tuple(rewards[2:])
