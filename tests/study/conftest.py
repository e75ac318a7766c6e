"""Studies over the toy family."""

from __future__ import annotations

import pytest

from archgym.study import Study
from tests.study.toy import toy_study


@pytest.fixture
def study() -> Study:
    return toy_study()
