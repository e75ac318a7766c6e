"""Which designs to simulate together: those whose results would tell a Gaussian process most, given each other.

A design's doubt is the process's variance there, in the scale of the metric. Once a design is chosen, the doubt of those
alike falls as if it were known (the result does not matter), so that a batch does not ask the same thing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.proxy.gaussian import GaussianModel
from archgym.proxy.gaussian_fit import likeness
from archgym.space import Designs, Space

Floats = NDArray[np.float64]
#: variance of a known result, relative to that of a design like no other
NOISE = 1e-5


@dataclass(frozen=True)
class Doubt:
    """Of one metric: covariance of P designs given the training rows, shape (P, P), and what a unit of each design's
    variance counts, shape (P,)."""

    covariance: Floats
    weight: Floats


def covariance_given(model: GaussianModel, space: Space, forms: Designs) -> Floats:
    """Covariance of designs in canonical form given the model's training rows, relative to that of a design like no other,
    shape (P, P). The model must be of one workload."""
    from scipy.linalg import cholesky, solve_triangular

    sizes = np.asarray(space.sizes, dtype=np.int64)
    known, asked = np.ascontiguousarray(model.codes, dtype=np.int64), np.ascontiguousarray(forms.T, dtype=np.int64)
    matrix = likeness(known, known, model.tables, sizes)
    matrix[np.diag_indices(len(matrix))] += NOISE
    factor = cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
    told = solve_triangular(factor, likeness(known, asked, model.tables, sizes), lower=True, check_finite=False)
    found: Floats = likeness(asked, asked, model.tables, sizes) - told.T @ told
    return found


def most_doubtful(doubts: Sequence[Doubt], count: int) -> NDArray[np.int64]:
    """Numbers of ``count`` designs, each the one of most weighted variance, summed over the metrics, given those before."""
    variances = [np.diag(doubt.covariance).copy() for doubt in doubts]
    told = [np.empty((count, len(variance))) for variance in variances]
    free, chosen = np.ones(len(variances[0]), dtype=bool), np.empty(count, dtype=np.int64)
    for number in range(count):
        score = np.zeros(len(free))
        for doubt, variance in zip(doubts, variances, strict=True):
            score += doubt.weight * np.maximum(variance, 0.0)
        best = int(np.argmax(np.where(free, score, -1.0)))
        chosen[number], free[best] = best, False
        for doubt, variance, rows in zip(doubts, variances, told, strict=True):
            shared = doubt.covariance[best] - rows[:number, best] @ rows[:number]
            rows[number] = shared / np.sqrt(max(variance[best], 0.0) + NOISE)
            variance -= rows[number] ** 2
    return chosen
