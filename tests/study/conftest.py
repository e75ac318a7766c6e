"""Studies over the toy family."""

from __future__ import annotations

import pytest

from archgym.study import Agents, Problems, Study
from tests.study.toy import ensure_registered

ensure_registered()


def toy_study(name="toy", budget=40, seeds=(0, 1), log="compact", options=None, **changes) -> Study:
    problems = changes.pop("problems", None) or (
        Problems("StudyToy-v0", ("light", "heavy"), ("time", "both"), options=options or {}),
    )
    agents = changes.pop("agents", None) or (Agents("random", grid={"batch_size": (3, 8)}),)
    return Study(name, problems, agents, budget, seeds, log=log, **changes)


@pytest.fixture
def study() -> Study:
    return toy_study()
