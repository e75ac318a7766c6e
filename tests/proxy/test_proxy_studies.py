"""Studies of proxies: how errors are told apart, and that each runs and says something."""

import csv

import numpy as np
import pytest

from archgym import make_problem
from archgym.proxy.fit import Candidate, predict, relative_rmse
from archgym.proxy.studies import NAMES, Scale, run_proxy_study
from archgym.proxy.studies.active import needed
from archgym.proxy.studies.common import fit, new_and_recalled, simulated, table_of

RIDGE = Candidate("ridge", {"alpha": 0.01})


def test_errors_of_new_and_recalled_designs_make_up_the_whole():
    problem = make_problem("ToyMemoryEnv-v0", "mixed", "joint")
    some = simulated(problem, ("total_time_s",), 300, 0)
    judges = simulated(problem, ("total_time_s",), 200, 1, judging=True)
    model = fit(problem, some, 0, candidate=RIDGE)
    new, recalled = new_and_recalled(problem, model, judges, 0)
    assert min(new.designs, recalled.designs) > 0
    assert new.designs + recalled.designs == len(judges)
    seen = {form.tobytes() for form in model.structure.canonical(some.designs)}
    assert recalled.designs == sum(form.tobytes() in seen for form in model.structure.canonical(judges.designs))
    assert recalled.relative_rmse < 0.1 * new.relative_rmse
    whole = relative_rmse(predict(model, table_of(problem, judges, 0)), judges.targets[:, 0])
    parts = new.designs * new.relative_rmse**2 + recalled.designs * recalled.relative_rmse**2
    assert np.sqrt(parts / len(judges)) == pytest.approx(whole)


def test_no_new_design_has_no_error():
    problem = make_problem("ToyMemoryEnv-v0", "mixed", "joint")
    some = simulated(problem, ("total_time_s",), 300, 0)
    new, recalled = new_and_recalled(problem, fit(problem, some, 0, candidate=RIDGE), some, 0)
    assert (new.designs, recalled.designs) == (0, len(some))
    assert np.isnan(new.relative_rmse)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "proxy-active" else pytest.mark.slow) for name in NAMES]
)
def test_every_study_leaves_a_table_a_picture_and_findings(name, tmp_path):
    told = []
    outcome = run_proxy_study(name, Scale.small(), told.append)
    paths = {path.suffix: path for path in outcome.save(tmp_path)}
    with paths[".csv"].open() as file:
        assert len(list(csv.DictReader(file))) == len(outcome.rows) > 0
    assert paths[".png"].stat().st_size > 10_000
    assert told
    assert outcome.findings


def test_simulations_needed_are_counted_from_where_the_error_stays_low():
    def rows(rule, errors):
        return [{"rule": rule, "simulations": 100 * (n + 1), "e": error} for n, error in enumerate(errors)]

    drawn = rows("random", [8.0, 4.0, 2.0, 1.0])
    assert needed([*drawn, *rows("uncertainty", [4.0, 1.0, 0.5, 0.2])], "uncertainty", "e") == 200
    assert needed([*drawn, *rows("uncertainty", [0.5, 2.0, 1.0, 0.2])], "uncertainty", "e") == 300
    assert needed([*drawn, *rows("uncertainty", [4.0, 3.0, 2.0, 1.5])], "uncertainty", "e") is None
    assert needed(drawn, "random", "e") == 400
