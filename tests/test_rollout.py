"""Runs: the same whatever interrupts them, within the budget to the last evaluation, refused if foreign."""

import dataclasses
import json

import numpy as np
import pytest

from archgym.agents.random import RandomSearch
from archgym.errors import BudgetExhausted, ConfigError, RunFileError, UnknownNameError
from archgym.metrics import Metrics
from archgym.rollout import Evaluator, make_spec, run_path, run_search
from archgym.runlog import RunWriter, partial_path, read_run
from archgym.testing.law import in_another_process, same
from archgym.testing.toy import ToySimulator, toy_problem
from tests import toy

BUDGET = 23
HYPER = {"batch_size": 5}


def search(directory=None, problem=None, seed=0, progress=None, agent="random"):
    chosen = problem or toy_problem()
    return run_search(chosen, agent, BUDGET, seed, HYPER, directory=directory, progress=progress)


def data(run):
    return run.designs, run.metrics.columns, run.metrics.feasible, run.metrics.reasons, run.reward


class Stop:
    """Raises after so many batches, as Ctrl-C or a fault would."""

    def __init__(self, batches, error=KeyboardInterrupt):
        self.left, self.error = batches, error

    def __call__(self, used, best, evaluation):
        self.left -= 1
        if self.left < 0:
            raise self.error("stopped")


def test_in_memory_and_in_a_file_are_the_same(tmp_path):
    kept = search(tmp_path)
    assert same(data(kept), data(search()))
    assert kept.complete
    assert len(kept) == BUDGET


def test_a_finished_run_is_read_not_run_again(tmp_path):
    first = search(tmp_path)
    again = search(tmp_path, progress=Stop(0, AssertionError))
    assert same(data(again), data(first))


@pytest.mark.parametrize("batches", range(5))
def test_interrupted_and_resumed_is_the_same_file(tmp_path, batches):
    search(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", progress=Stop(batches))
    (partial,) = (tmp_path / "cut").iterdir()
    assert len(read_run(partial)) == 5 * (batches + 1) if batches < 4 else BUDGET
    search(tmp_path / "cut")
    (whole,), (resumed,) = (tmp_path / "whole").iterdir(), (tmp_path / "cut").iterdir()
    assert whole.name == resumed.name
    assert whole.read_bytes() == resumed.read_bytes()


def test_interrupted_again_and_again(tmp_path):
    for batches in (2, 0, 1, 3):
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path, progress=Stop(batches))
    assert same(data(search(tmp_path)), data(search()))


def test_killed_while_replaying_loses_nothing(tmp_path):
    """A replay writes beside the partial file until it holds as much, so that a kill in between keeps the longer one."""
    path = run_path(make_spec(toy_problem(), "random", BUDGET, 0, HYPER), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, progress=Stop(3))
    before = partial_path(path).read_bytes()
    for batches in (0, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path, progress=Stop(batches))
        assert partial_path(path).read_bytes() == before
    assert same(data(search(tmp_path)), data(search()))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_killed_while_replaying_a_damaged_file_loses_nothing(tmp_path):
    search(tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.warns(UserWarning, match="23 intact"), pytest.raises(KeyboardInterrupt):
        search(tmp_path, progress=Stop(1))
    assert len(read_run(partial_path(path), salvage=True)) == BUDGET
    search(tmp_path)
    assert path.read_bytes() == whole


def test_replay_does_not_simulate_again(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Counting(ToySimulator):
        rows: list = dataclasses.field(default_factory=list, compare=False)

        def __call__(self, designs, workload):
            self.rows.append(len(designs))
            return super().__call__(designs, workload)

    counting = Counting()
    problem = dataclasses.replace(toy_problem(), simulator=counting)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, problem, progress=Stop(2))
    counting.rows.clear()
    search(tmp_path, dataclasses.replace(toy_problem(), simulator=counting))
    reference_and_probe = 2  # the default design, and one row to see whether the simulator gives extras
    assert sum(counting.rows) == BUDGET - 15 + reference_and_probe


def test_a_foreign_log_is_refused(tmp_path):
    search(tmp_path, seed=1)
    (foreign,) = tmp_path.iterdir()
    path = run_path(make_spec(toy_problem(), "random", BUDGET, 0, HYPER), tmp_path)
    foreign.rename(path)
    with pytest.raises(RunFileError, match=r"made by another run \(random, seed 1\)"):
        search(tmp_path)
    path.rename(partial_path(path))
    with pytest.raises(RunFileError, match="made by another run"):
        search(tmp_path)


def test_a_log_of_another_space_is_refused(tmp_path):
    search(tmp_path)
    (path,) = tmp_path.iterdir()
    lines = path.read_text().splitlines()
    header = json.loads(lines[0])
    header.pop("crc32")
    header["space"]["parameters"][0]["levels"].reverse()
    header.pop("archgym_run")
    RunWriter(path, header).finish()
    with pytest.raises(RunFileError, match=r"its space .* does not match"):
        search(tmp_path)


def test_a_log_the_agent_would_not_have_made_is_refused(tmp_path):
    """The header may lie; the designs cannot: the agent is asked again and must ask for the same."""
    problem = toy_problem()
    spec = make_spec(problem, "random", BUDGET, 0, HYPER)
    other = search(tmp_path, seed=1)
    evaluator = Evaluator(problem, BUDGET, logged=other)
    agent = RandomSearch(problem.space, spec.seed, RandomSearch.Hyperparameters(**HYPER))
    with pytest.raises(RunFileError, match="differs from what the agent asks from evaluation 0"):
        agent.run(evaluator)


def test_a_log_with_other_rewards_is_refused():
    problem, run = toy_problem(), search()
    wrong = run.reward.copy()
    wrong[7] += 1e-12
    agent = RandomSearch(problem.space, 0, RandomSearch.Hyperparameters(**HYPER))
    with pytest.raises(RunFileError, match=r"rewards differ .* from evaluation 5"):
        agent.run(Evaluator(problem, BUDGET, logged=dataclasses.replace(run, reward=wrong)))


def test_a_new_simulator_version_is_another_run(tmp_path):
    search(tmp_path)
    search(tmp_path, dataclasses.replace(toy_problem(), simulator=ToySimulator(version=2)))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_failed_run_says_why_and_can_be_resumed(tmp_path):
    with pytest.raises(RuntimeError):
        search(tmp_path, progress=Stop(1, RuntimeError))
    assert "RuntimeError: stopped" in next(tmp_path.glob("*.failed")).read_text()
    search(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_extras_are_there_when_replaying():
    """Breakdowns are not logged, so an agent that reads them is given them anew."""

    @dataclasses.dataclass(frozen=True)
    class Explaining(ToySimulator):
        def __call__(self, designs, workload):
            metrics = super().__call__(designs, workload)
            return Metrics(metrics.columns, metrics.feasible, metrics.reasons, {"row": designs.copy()})

    problem = dataclasses.replace(toy_problem(), simulator=Explaining())
    run = search(problem=problem)
    seen = []
    evaluator = Evaluator(problem, BUDGET, logged=run, progress=lambda used, best, e: seen.append(e))
    RandomSearch(problem.space, 0, RandomSearch.Hyperparameters(**HYPER)).run(evaluator)
    assert all(same(e.metrics.extras["row"], e.designs) for e in seen)


def test_the_budget_is_kept_to_the_last_evaluation():
    problem = toy_problem()
    evaluator = Evaluator(problem, 7)
    assert len(evaluator(problem.space.sample(np.random.default_rng(0), 5))) == 5
    with pytest.raises(BudgetExhausted, match="3 evaluations asked for, 2 were left of the budget of 7"):
        evaluator(problem.space.sample(np.random.default_rng(0), 3))
    assert (evaluator.used, evaluator.remaining) == (7, 0)
    with pytest.raises(BudgetExhausted, match="1 evaluations asked for, 0 were left"):
        evaluator(problem.space.default)
    assert len(evaluator(problem.space.sample(np.random.default_rng(0), 0))) == 0


def test_progress_tells_the_best_so_far():
    told = []
    run = search(progress=lambda used, best, evaluation: told.append((used, best)))
    assert [used for used, _ in told] == [5, 10, 15, 20, 23]
    assert [best for _, best in told] == [run.reward[:used].max() for used, _ in told]


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"budget": 0}, ConfigError, "budget: 0 is not allowed; allowed: whole numbers from 1"),
        ({"budget": 2.5}, ConfigError, "budget: 2.5"),
        ({"budget": True}, ConfigError, "budget: True"),
        ({"seed": -1}, ConfigError, "seed: -1"),
        ({"batch_size": -3}, ConfigError, "batch_size: -3"),
        ({"agent": "rando"}, UnknownNameError, "did you mean 'random'"),
        ({"hyperparameters": {"batchsize": 3}}, UnknownNameError, "did you mean 'batch_size'"),
        ({"hyperparameters": {"batch_size": 0}}, ConfigError, "allowed: 1 to 65536"),
        ({"hyperparameters": {"batch_size": "few"}}, ConfigError, "'few' is not of type int"),
    ],
)
def test_bad_settings_are_named(settings, kind, words):
    with pytest.raises(kind, match=words):
        make_spec(toy_problem(), **{"agent": "random", "budget": 10, **settings})


def test_a_spec_is_the_same_everywhere():
    spec = make_spec(toy_problem(), "random", 10, np.int64(3), {"batch_size": np.int64(8)})
    assert spec == make_spec(toy_problem(), "random", 10, 3, {"batch_size": "8"})
    assert in_another_process("a spec", make_spec, toy_problem(), "random", 10, 3, {"batch_size": 8}).hash == spec.hash
    for other in ({"seed": 4}, {"budget": 11}, {"batch_size": 9}, {"hyperparameters": {"batch_size": 9}}):
        settings = {"agent": "random", "budget": 10, "seed": 3, "hyperparameters": {"batch_size": 8}, **other}
        assert make_spec(toy_problem(), **settings).hash != spec.hash


def test_the_toy_family_runs_through_its_id():
    assert same(data(search(problem=toy.problem())), data(search()))
