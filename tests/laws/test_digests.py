"""A family's behaviour moves only with its simulator's version."""

import copy

import pytest

from archgym.registry import make_problem
from archgym.testing import behaviour_digest
from archgym.testing.toy import toy_problem
from tests.laws.digests import built_in, fault, stored

DIGESTS = stored()


@pytest.mark.parametrize("id", built_in())
def test_behaviour_is_that_of_the_version(id):
    wrong = fault(id, DIGESTS.get(id), behaviour_digest(make_problem(id)))
    assert not wrong, wrong


def test_no_digest_outlives_its_family():
    assert set(DIGESTS) <= set(built_in())


def test_a_digest_is_the_same_twice_and_moves_with_the_smallest_change():
    digest = behaviour_digest(toy_problem())
    assert fault("toy", digest, behaviour_digest(toy_problem())) == ""
    assert "workload: light is now heavy" in fault("toy", digest, behaviour_digest(toy_problem(workload="heavy")))
    moved = copy.deepcopy(digest)
    moved["metrics"]["energy_J"] = "0"
    assert "same version 1: metric energy_J" in fault("toy", digest, moved)
    moved["version"] = 2
    assert "has version 2, its digest is of 1" in fault("toy", digest, moved)
    assert "no digest yet" in fault("toy", None, digest)
