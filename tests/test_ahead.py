"""Searching with designs in flight: any agent with the common loop, the same run whichever evaluation ends first."""

import sys
import threading
import time

import numpy as np
import pytest

from archgym import Metric, powers
from archgym.agents import agent_class, agent_names
from archgym.agents.base import Agent
from archgym.ahead import check_can_ask_ahead, run_ahead
from archgym.custom import register_simulator
from archgym.errors import ConfigError
from archgym.registry import make_problem
from archgym.rollout import Evaluator, make_spec, run_path, run_search
from archgym.simulators.external import ExternalSimulator, Reading
from archgym.simulators.function import FunctionSimulator
from archgym.space import Space
from tests.toy import problem

COMMON = [name for name in agent_names() if agent_class(name).run is Agent.run]


@pytest.mark.parametrize("agent", COMMON)
def test_agents_are_asked_ahead_and_the_run_is_the_same_again(agent):
    first, again = (run_search(problem(), agent, 30, 3, ahead=6) for _ in range(2))
    assert len(first) == 30
    np.testing.assert_array_equal(first.designs, again.designs)


class Meeting:
    """A simulator of which, once ``closed``, the first three evaluations begin before any ends, and the first ends last."""

    workers, name, version = 3, "meeting", 1
    space = Space("meeting", (powers("size", 1, 128),))
    metrics = (Metric("time_s", "s", "min"),)

    def __init__(self):
        self.closed, self.count = False, 0
        self.lock, self.barrier, self.later = threading.Lock(), threading.Barrier(3), threading.Event()

    def __call__(self, designs, workload):
        return FunctionSimulator(self.name, 1, self.space, self.metrics, self.evaluate)(designs, workload)

    def evaluate(self, size):
        with self.lock:
            self.count += self.closed
            number = self.count
        if self.closed and number <= 3:
            self.barrier.wait(60)
            if number == 1:
                assert self.later.wait(60)
            else:
                self.later.set()
        return {"time_s": 1 / size}


def test_evaluations_overlap_and_are_told_in_the_order_asked():
    meeting = Meeting()
    register_simulator("MeetingEnv-v0", meeting)
    target = make_problem("MeetingEnv-v0")
    plain = run_search(target, "random", 9, 5)
    meeting.closed = True
    run = run_search(target, "random", 9, 5, ahead=3)
    assert meeting.count == 9
    np.testing.assert_array_equal(run.designs, plain.designs)
    np.testing.assert_array_equal(run.metrics["time_s"], plain.metrics["time_s"])


def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path):
    whole = run_search(problem(), "ga", 40, 1, ahead=5, directory=tmp_path / "whole")

    def interrupt(used, best, evaluation):
        if used == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_search(problem(), "ga", 40, 1, ahead=5, directory=tmp_path / "cut", progress=interrupt)
    resumed = run_search(problem(), "ga", 40, 1, ahead=5, directory=tmp_path / "cut")
    np.testing.assert_array_equal(resumed.reward, whole.reward)
    spec = make_spec(problem(), "ga", 40, 1, ahead=5)
    assert run_path(spec, tmp_path / "cut").read_bytes() == run_path(spec, tmp_path / "whole").read_bytes()


def test_asking_ahead_is_part_of_what_a_run_is():
    assert make_spec(problem(), "ga", 40, ahead=5).hash != make_spec(problem(), "ga", 40).hash
    assert "ahead" not in make_spec(problem(), "ga", 40).to_json()
    for settings, words in (({"ahead": -1}, "ahead: -1"), ({"ahead": 2, "batch_size": 8}, "batch_size: 8")):
        with pytest.raises(ConfigError, match=words):
            make_spec(problem(), "ga", 40, **settings)


def test_an_agent_that_plans_for_its_budget_is_told_it_when_asked_ahead_too():
    plain = run_search(problem(), "annealing", 60, 1, batch_size=1)
    np.testing.assert_array_equal(run_search(problem(), "annealing", 60, 1, ahead=1).designs, plain.designs)
    more = run_search(problem(), "annealing", 60, 1, ahead=4)
    assert len(more) == 60


class Listed(Agent):
    """Asks for designs of a list."""

    name = "listed"
    levels = iter(())

    def ask(self, count):
        return np.array([[next(self.levels)]])

    def tell(self, evaluation):
        self.check(evaluation)


def test_an_agent_with_a_loop_of_its_own_cannot_be_asked_ahead():
    class Own(Listed):
        def run(self, evaluate, batch_size=None):
            super().run(evaluate, batch_size)

    check_can_ask_ahead(Listed)
    with pytest.raises(ConfigError, match="'listed' runs a loop of its own"):
        check_can_ask_ahead(Own)


def test_an_interrupt_kills_what_runs_and_caches_none_of_it(tmp_path):
    program = "import time; time.sleep(600 if {{size}} == 1 else 0); print({{size}})"
    sleeper = ExternalSimulator(
        "sleeper", 1, Space("sleeper", (powers("size", 1, 8, default=8),)), (sys.executable, "-c", program),
        (Reading(Metric("time_s", "s", "min"), "regex", r"(\d+)"),), workers=2, cache=tmp_path,
    )  # fmt: skip
    register_simulator("SleeperEnv-v0", sleeper)
    target = make_problem("SleeperEnv-v0")
    target.evaluate(np.array([[3]]))

    def interrupt(used, best, evaluation):
        raise KeyboardInterrupt

    agent = Listed(target.space)
    agent.levels = iter((3, 0, 0, 0))
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_ahead(agent, Evaluator(target, 4, progress=interrupt), 2, 2)
    assert time.monotonic() - began < 300  # not the ten minutes that the program would sleep
    assert len(list(tmp_path.rglob("*.json"))) == 1
