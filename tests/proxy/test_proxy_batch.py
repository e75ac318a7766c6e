"""A batch of designs that tell a Gaussian process most, against conditioning anew after every choice."""

import numpy as np
import pytest

from archgym.proxy.batch import NOISE, Doubt, covariance_given, most_doubtful
from archgym.proxy.gaussian_fit import fit_gaussian, likeness
from tests.dataset.toy import SPACE


@pytest.fixture(scope="module")
def process():
    rng = np.random.default_rng(3)
    designs = SPACE.sample(rng, 60)
    return fit_gaussian(designs, np.empty((60, 0)), designs @ np.arange(1.0, len(SPACE) + 1), SPACE, 0, 1)


def given(process, known, asked):
    """Covariance of ``asked`` given ``known``, from the definition."""
    sizes = np.asarray(SPACE.sizes, dtype=np.int64)

    def alike(first, second):
        return likeness(
            *(np.ascontiguousarray(side.T, dtype=np.int64) for side in (first, second)), process.tables, sizes
        )

    inside = alike(known, known) + NOISE * np.eye(len(known))
    return alike(asked, asked) - alike(asked, known) @ np.linalg.solve(inside, alike(known, asked))


def test_covariance_given_the_training_rows(process):
    asked = SPACE.sample(np.random.default_rng(4), 25)
    found = covariance_given(process, SPACE, asked)
    np.testing.assert_allclose(found, given(process, process.codes.T, asked), atol=1e-8)
    at_known = covariance_given(process, SPACE, np.ascontiguousarray(process.codes.T, dtype=np.int64))
    assert np.diag(at_known).max() <= NOISE


def test_a_batch_is_what_conditioning_anew_after_every_choice_gives(process):
    rng = np.random.default_rng(5)
    asked = np.unique(SPACE.sample(rng, 40), axis=0)
    weights = [rng.random(len(asked)), rng.random(len(asked))]
    chosen = most_doubtful([Doubt(covariance_given(process, SPACE, asked), weight) for weight in weights], 6)
    taken: list[int] = []
    for number in chosen.tolist():
        known = np.concatenate([process.codes.T, asked[taken]])
        doubt = (weights[0] + weights[1]) * np.diag(given(process, known, asked))
        doubt[taken] = -1.0
        assert doubt[number] == pytest.approx(doubt.max(), abs=1e-6)
        taken.append(number)
    assert len(set(taken)) == 6
