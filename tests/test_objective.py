"""Objectives: bounded, finite, higher is better; and the published formula, which is kept as it was."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.errors import ConfigError, UnknownNameError
from archgym.metrics import Metric, Metrics
from archgym.objective import ArchGymTarget, Budgets, Constrained, MeetTargets, Minimise, PublishedTarget, RelativeCost
from archgym.testing import LawViolation, check_objective
from archgym.testing.toy import WORKLOADS

DESCRIBED = (Metric("t", "s", "min"), Metric("e", "J", "min"), Metric("b", "B/s", "max"))
WORKLOAD = WORKLOADS.load("light")
values = st.lists(st.tuples(*[st.floats(1e-12, 1e12)] * 3, st.booleans()), min_size=1, max_size=9)


def metrics_of(rows):
    feasible = np.array([row[3] for row in rows])
    columns = {name: np.where(feasible, [row[k] for row in rows], np.nan) for k, name in enumerate("teb")}
    return Metrics(columns, feasible, tuple("" if ok else "no" for ok in feasible))


def one(**columns):
    return Metrics({n: np.array([v]) for n, v in columns.items()}, np.array([True]), ("",))


@settings(max_examples=50, deadline=None)
@given(values, st.floats(1e-6, 1e6), st.floats(0.1, 3))
def test_random_objectives_keep_the_laws(rows, reference, weight):
    cost = RelativeCost(("t", "e", "b"), (reference, 1.0, 1 / reference), (weight, 0.5, -0.25))
    budgets = Budgets(("t", "e"), (reference, 2.0))
    for objective in (cost, budgets, Constrained(cost, budgets), ArchGymTarget(("t", "e"), (reference, 1.0))):
        check_objective(objective, metrics_of(rows), DESCRIBED)


def test_the_reference_design_gets_one_half_and_better_ones_more():
    objective = Minimise(("t", "e")).bind(lambda: {"t": 2.0, "e": 8.0}, WORKLOAD)
    assert objective(one(t=2.0, e=8.0)) == 0.5
    assert objective(one(t=1.0, e=8.0)) == pytest.approx(1 / (1 + 0.5**0.5))
    assert objective(one(t=1.0, e=16.0)) == 0.5
    delay_product = Minimise(("t", "e"), weights=(1.0, 1.0)).bind(lambda: {"t": 2.0, "e": 8.0}, WORKLOAD)
    assert delay_product(one(t=4.0, e=8.0)) == pytest.approx(1 / 3)
    faster = Minimise(("b",), weights=(-1.0,)).bind(lambda: {"b": 10.0}, WORKLOAD)
    assert faster(one(b=30.0)) == pytest.approx(0.75)
    assert faster(one(b=0.0)) == 0.0


def test_budgets_are_met_exactly_at_their_limits():
    objective = MeetTargets((("t", 1.0), ("e", 4.0))).bind(dict, WORKLOAD)
    assert objective(one(t=1.0, e=4.0)) == 1.0
    assert objective(one(t=0.1, e=0.1)) == 1.0
    assert objective(one(t=2.0, e=4.0)) == 0.5
    assert objective(one(t=2.0, e=8.0)) == pytest.approx(1 / 3)


def test_within_its_budgets_a_design_beats_all_that_exceed_them():
    objective = Constrained(RelativeCost(("e",), (1.0,), (1.0,)), Budgets(("t",), (1.0,)))
    assert objective.metrics == ("e", "t")
    expensive_within, cheap_beyond = objective(one(t=1.0, e=1e9)), objective(one(t=1.0001, e=1e-9))
    assert cheap_beyond < 0.5 <= expensive_within
    assert objective(one(t=1.0, e=0.5)) > objective(one(t=1.0, e=0.6))


def test_the_published_formula_is_capped_and_prefers_the_target():
    objective = PublishedTarget((("t", 2.0),)).bind(dict, WORKLOAD)
    assert objective(one(t=3.0)) == pytest.approx(2.0)
    assert objective(one(t=2.0)) == 1000.0
    assert objective(one(t=0.5)) < objective(one(t=1.9))
    assert objective.monotone is False
    both = PublishedTarget((("t", 2.0), ("e", 1.0))).bind(dict, WORKLOAD)
    assert both(one(t=3.0, e=3.0)) == pytest.approx(2.0 * 0.5)
    assert both(one(t=2.0, e=1.0)) == 1000.0


@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0, np.inf])
def test_nothing_is_relative_to_a_reference_that_is_no_amount(value):
    with pytest.raises(ConfigError, match=r"'t' needs it finite and above 0.*'light'"):
        Minimise(("t",)).bind(lambda: {"t": value}, WORKLOAD)


def test_a_metric_the_simulator_lacks_is_named():
    with pytest.raises(UnknownNameError, match="did you mean 'time_s'"):
        Minimise(("time",)).bind(lambda: {"time_s": 1.0}, WORKLOAD)


class Broken:
    metrics, range, infeasible = ("t",), (0.0, 1.0), 0.0

    def __call__(self, metrics):
        return np.nan_to_num(1.0 / (1.0 + metrics["t"]))


class InfinitePole(Broken):
    def __call__(self, metrics):
        with np.errstate(divide="ignore"):
            return np.nan_to_num(1e-3 / np.abs(metrics["t"]), posinf=np.inf)


class Normalised(Broken):
    def __call__(self, metrics):
        return np.nan_to_num(metrics["t"].max() / (metrics["t"].max() + metrics["t"]))


class Remembering(Broken):
    def __init__(self):
        self.calls = 0

    def __call__(self, metrics):
        self.calls += 1
        return super().__call__(metrics) / self.calls


class WrongWay(Broken):
    def __call__(self, metrics):
        return np.nan_to_num(metrics["t"] / (1.0 + metrics["t"]))


class RewardsFailure(Broken):
    def __call__(self, metrics):
        return np.nan_to_num(1.0 / (1.0 + metrics["t"]), nan=1.0)


class OutOfRange(Broken):
    range = (0.0, 0.25)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (InfinitePole(), "not finite|outside its range"),
        (Normalised(), "depends on the other rows"),
        (Remembering(), "another reward the second time"),
        (WrongWay(), "improving t .* lowers the reward"),
        (RewardsFailure(), "infeasible rows get"),
        (OutOfRange(), "outside its range"),
    ],
)
def test_broken_objectives_are_found_out(objective, words):
    rows = [(1.0, 1.0, 1.0, True), (2.0, 1.0, 1.0, True), (5.0, 1.0, 1.0, True), (1.0, 1.0, 1.0, False)]
    feasible_only = metrics_of(rows[:3] if isinstance(objective, Normalised) else rows)
    with pytest.raises(LawViolation, match=words):
        check_objective(objective, feasible_only, DESCRIBED)
