"""Each law finds the fault it is there for, and says so in words."""

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.random import RandomSearch
from archgym.metrics import Metric, Metrics
from archgym.testing import LawViolation, check_agent, check_hyperparameters, check_simulator, check_workload
from archgym.testing.toy import ToySimulator, toy_problem

WORKLOAD = toy_problem().workload


@dataclass(frozen=True)
class Changed(ToySimulator):
    """The toy with one column changed by a function of (designs, column)."""

    def change(self, designs, time):
        return time

    def __call__(self, designs, workload):
        metrics = super().__call__(designs, workload)
        time = np.where(metrics.feasible, self.change(designs, np.array(metrics["total_time_s"])), np.nan)
        columns = {**metrics.columns, "total_time_s": time, "busy_time_s": time * 0.25, "idle_time_s": time * 0.75}
        return Metrics(columns, metrics.feasible, metrics.reasons)


class NormalisedByBatch(Changed):
    def change(self, designs, time):
        return time / np.nanmax(time, initial=1e-30)


class UsesBlas(Changed):
    def change(self, designs, time):
        weights = np.random.default_rng(0).random((7, 33))
        return (designs.astype(float) @ weights @ weights.T).sum(axis=1) + 1e-3


class Random(Changed):
    def change(self, designs, time):
        return time * (1 + 1e-12 * np.random.default_rng().random(len(time)))


class HashOrdered(Changed):
    def change(self, designs, time):
        return time + hash("archgym") % 1000 * 1e-6


class Writes(Changed):
    def change(self, designs, time):
        designs[:, 0] += 0
        return time


class WritesToACopyIfItMust(Changed):
    def change(self, designs, time):
        if designs.flags.writeable:
            designs[:, 0] = 0
        return time


class ForgetsAPart(Changed):
    def __call__(self, designs, workload):
        metrics = super().__call__(designs, workload)
        return dataclasses.replace(metrics, columns={**metrics.columns, "idle_time_s": metrics["idle_time_s"] * 0.999})


class Negative(Changed):
    def change(self, designs, time):
        return -time


class Infinite(Changed):
    def change(self, designs, time):
        return np.full(len(time), np.inf)


class SilentGap(Changed):
    def change(self, designs, time):
        return np.where(designs[:, 2] == 3, np.nan, time)


class MissingReason(ToySimulator):
    def __call__(self, designs, workload):
        metrics = super().__call__(designs, workload)
        return dataclasses.replace(metrics, reasons=("",) * len(metrics))


class FilledInfeasible(ToySimulator):
    def __call__(self, designs, workload):
        metrics = super().__call__(designs, workload)
        return dataclasses.replace(
            metrics, columns={**metrics.columns, "energy_J": np.nan_to_num(metrics["energy_J"], nan=1.0)}
        )


class UndeclaredColumn(ToySimulator):
    def __call__(self, designs, workload):
        metrics = super().__call__(designs, workload)
        return dataclasses.replace(metrics, columns={**metrics.columns, "power_W": metrics["energy_J"]})


class PartOfNothing(ToySimulator):
    @property
    def metrics(self):
        return (*super().metrics[:-1], Metric("conflicts", "1", "none", "", part_of="everything"))


class NoUnit(ToySimulator):
    @property
    def metrics(self):
        return (*super().metrics[:-1], Metric("conflicts", "", "none"))


class Local(ToySimulator):
    def __reduce__(self):
        raise TypeError("holds an open file")


def counting():
    calls = itertools.count()

    class Counting(Changed):
        def change(self, designs, time):
            return time * (1 + next(calls))

    return Counting()


@pytest.mark.parametrize(
    ("simulator", "words"),
    [
        (NormalisedByBatch(), "depends on its batch"),
        (UsesBlas(), "depends on its batch"),
        (Random(), "the same batch again gives something else"),
        (counting(), "the same batch again gives something else"),
        (HashOrdered(), "another process gives something else"),
        (Writes(), "must accept read-only designs"),
        (WritesToACopyIfItMust(), "writes to the designs it is given"),
        (ForgetsAPart(), r"busy_time_s \+ idle_time_s must add up to total_time_s"),
        (Negative(), "total_time_s is negative"),
        (Infinite(), "total_time_s is infinite"),
        (SilentGap(), "NaN in some feasible rows"),
        (MissingReason(), "infeasible with reason ''"),
        (FilledInfeasible(), "has a energy_J; it must be NaN"),
        (UndeclaredColumn(), "are not the declared"),
        (PartOfNothing(), "part of 'everything', which is no metric"),
        (NoUnit(), "conflicts needs a unit"),
        (Local(), "must be picklable"),
        (ToySimulator(name=""), "needs a name"),
        (ToySimulator(version=0), "version must be a whole number from 1"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ToySimulator) else "",
)
def test_faulty_simulators_are_found_out(simulator, words):
    with pytest.raises(LawViolation, match=words):
        check_simulator(simulator, WORKLOAD)


def test_the_toy_itself_is_sound():
    check_simulator(ToySimulator(), WORKLOAD)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fingerprint": "light.trace"}, "SHA-256"),
        ({"features": {"requests": np.nan}}, "finite"),
        ({"facts": {"file": object()}}, "plain values"),
        ({"data": lambda: 1}, "picklable"),
    ],
)
def test_faulty_workloads_are_found_out(change, words):
    with pytest.raises(LawViolation, match=words):
        check_workload(dataclasses.replace(WORKLOAD, **change))


class AsksForTooFew(RandomSearch):
    def ask(self, count):
        return super().ask(max(1, count - 1))


class AsksForMore(RandomSearch):
    def ask(self, count):
        return super().ask(count + count // 8)


class Illegal(RandomSearch):
    def ask(self, count):
        return super().ask(count) + 1


class GlobalRandom(RandomSearch):
    def ask(self, count):
        return np.random.randint(0, self.space.sizes, size=(count, len(self.space)))  # noqa: NPY002


class HashSeeded(RandomSearch):
    def __init__(self, space, seed=0, hyperparameters=None):
        super().__init__(space, hash(f"seed {seed}") % 2**32, hyperparameters)


class IgnoresItsSeed(RandomSearch):
    def __init__(self, space, seed=0, hyperparameters=None):
        super().__init__(space, 0, hyperparameters)


class TakesAnything(RandomSearch):
    def tell(self, evaluation):
        pass


class Overwrites(RandomSearch):
    def tell(self, evaluation):
        super().tell(evaluation)
        evaluation.reward[:] = 0


class NeedsToAskFirst(RandomSearch):
    asked = 0

    def ask(self, count):
        self.asked += count
        return super().ask(count)

    def tell(self, evaluation):
        super().tell(evaluation)
        if len(evaluation) > self.asked:
            self.space.check([[-1] * len(self.space)])


class StopsEarly(RandomSearch):
    def run(self, evaluate, batch_size=None):
        self.tell(evaluate(self.ask(min(8, evaluate.remaining))))


class LearnsInSecret(RandomSearch):
    learns = False

    def tell(self, evaluation):
        super().tell(evaluation)
        self.rng.random(int(100 * evaluation.reward.max()))


class WorseThanRandom(RandomSearch):
    learns = True

    def ask(self, count):
        return np.tile(self.rng.integers(0, self.space.sizes), (count, 1))


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (AsksForTooFew, r"ask\(3\) .* gave shape \(2, "),
        (AsksForMore, r"ask\(8\) .* gave shape \(9, "),
        (Illegal, "illegal design: row 0"),
        (GlobalRandom, "the same seed gives another trajectory the second time"),
        (HashSeeded, "another trajectory in another process"),
        (IgnoresItsSeed, "another seed gives the same trajectory"),
        (TakesAnything, "told of another space: must raise DesignError"),
        (Overwrites, "writes to the evaluation"),
        (NeedsToAskFirst, "told of a warm start before asking, it fails"),
        (StopsEarly, "run used 8 of 24 evaluations"),
        (WorseThanRandom, "not above random search's"),
        (LearnsInSecret, "says `learns = False`, but"),
    ],
)
def test_faulty_agents_are_found_out(agent, words):
    with pytest.raises(LawViolation, match=words):
        check_agent(agent, budget=60, seeds=3)


@dataclass(frozen=True)
class NoHelp(Hyperparameters):
    size: int = 3


@dataclass(frozen=True)
class NoRange(Hyperparameters):
    size: int = hyper(3, "how many")


@dataclass(frozen=True)
class FreeText(Hyperparameters):
    kind: str = hyper("a", "which")


@pytest.mark.parametrize(
    ("declared", "words"),
    [(NoHelp, "'size' needs a help text"), (NoRange, "must declare its range"), (FreeText, "must list its choices")],
)
def test_undeclared_hyperparameters_are_found_out(declared, words):
    class Careless(RandomSearch):
        Hyperparameters = declared

    with pytest.raises(LawViolation, match=words):
        check_hyperparameters(Careless)


def test_an_agent_without_a_summary_is_found_out():
    class Silent(RandomSearch):
        summary = ""

    assert issubclass(Silent, Agent)
    with pytest.raises(LawViolation, match="summary"):
        check_hyperparameters(Silent)
