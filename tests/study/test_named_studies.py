"""The shipped studies at their small scale, run and reported for real."""

from __future__ import annotations

import pytest

from archgym.report.study import write_report
from archgym.study import Options, Store, named_studies, open_study, run_study


@pytest.mark.parametrize("name", sorted(named_studies()))
def test_a_shipped_study_runs_and_is_reported_at_its_small_scale(tmp_path, name):
    study = open_study(name, "small")
    report = run_study(study, tmp_path / "s", Options(executor="processes", jobs=2))
    assert (report.ran, report.failed) == (study.run_count, 0)
    page, *_ = write_report(Store(tmp_path / "s"), tmp_path / "report", pictures=False)
    assert 1_000_000 < page.stat().st_size < 8_000_000
