"""A fast stand-in for a simulator inside an agent: a Gaussian process on what the agent was told.

It holds a bounded number of points, takes new ones one at a time, and fits its hyperparameters only when
asked, so that its cost an evaluation is bounded too.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from archgym.agents import gaussian, gaussian_search
from archgym.space import Designs, Space

Floats = NDArray[np.float64]


def standardise(values: Floats) -> Floats:
    """Zero mean, unit deviation."""
    centred = values - values.sum() / len(values)
    scaled: Floats = centred / max(math.sqrt(float(centred @ centred) / len(values)), 1e-12)
    return scaled


def squash(values: Floats) -> Floats:
    """Standardised after pulling in the bad tail: values below the median are replaced by a logarithm."""
    ordered = np.sort(values)
    centre = _quantile(ordered, 0.5)
    scale = max(_quantile(ordered, 0.9) - centre, 1e-3 * float(ordered[-1] - ordered[0]), 1e-12)
    shifted = (values - centre) / scale
    return standardise(np.where(shifted < 0, -np.log1p(np.maximum(-shifted, 0.0)), shifted))


def _quantile(ordered: Floats, share: float) -> float:
    """Linearly interpolated quantile of sorted values; `numpy.quantile` takes a tenth of a millisecond."""
    place, below = math.modf(share * (len(ordered) - 1))
    low = float(ordered[int(below)])
    return low + place * (float(ordered[min(int(below) + 1, len(ordered) - 1)]) - low)


def rank(values: Floats) -> Floats:
    """Normal scores of the ranks; equal values share one."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - 0.5 * counts)[group] / len(values)
    return standardise(_normal_quantile(middle))


def _normal_quantile(probability: Floats) -> Floats:
    """Inverse of the normal distribution to 5e-4 (Abramowitz and Stegun, 26.2.23)."""
    tail = np.minimum(probability, 1.0 - probability)
    t = np.sqrt(-2.0 * np.log(tail))
    ratio = (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3)
    return np.where(probability < 0.5, ratio - t, t - ratio)


TRANSFORMS = {"none": standardise, "squash": squash, "rank": rank}


def agreement(left_out: Floats, values: Floats) -> float:
    """How well predictions order the better half: the share of pairs put right, one of them in that half."""
    order = np.argsort(-values, kind="stable")
    top = order[: max(2, len(values) // 2)]
    truth = np.sign(np.subtract.outer(values[top], values))
    guess = np.sign(np.subtract.outer(left_out[top], left_out))
    return float((truth * guess).sum() / max(1.0, np.abs(truth).sum()))


Evidence = Callable[[Floats], tuple[float, Floats, Floats]]


def climb_evidence(
    evidence: Evidence, start: Floats, mean: Floats, spread: Floats, iterations: int
) -> tuple[Floats, Floats]:
    """Climb by sign-based steps from ``start``, within four ``spread`` of ``mean``: the best parameters met, and what
    ``evidence``, which gives (value, gradient, leave-one-out means), says of leaving points out there.

    Source: Igel and Huesken, "Improving the Rprop learning algorithm", 2000.
    """
    here, best = start.copy(), start.copy()
    best_value, gradient, best_left_out = evidence(here)
    steps = np.full(len(start), 0.3)
    for _ in range(iterations):
        previous = gradient
        here = np.clip(here + steps * np.sign(previous), mean - 4.0 * spread, mean + 4.0 * spread)
        value, gradient, left_out = evidence(here)
        if value > best_value:
            best_value, best, best_left_out = value, here, left_out
        agreed = gradient * previous
        steps = np.where(agreed > 0.0, np.minimum(1.2 * steps, 1.0), steps)
        steps = np.where(agreed < 0.0, np.maximum(0.5 * steps, 1e-3), steps)
    return best, best_left_out


class Surrogate:
    """Gaussian process over a space's level numbers with at most ``capacity`` points.

    Args:
        power: exponent of the distance along an ordered parameter.
    """

    def __init__(self, space: Space, capacity: int, power: float = 1.0) -> None:
        self.sizes = np.asarray(space.sizes, dtype=np.int64)
        self._ordered = np.asarray(space.ordered, dtype=np.bool_)
        self._offsets = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)
        self._width, self.capacity, self._power = len(space), capacity, power
        self._mean = np.concatenate([np.full(self._width, -0.5 * np.log(self._width)), [0.0, np.log(1e-3)]])
        self._spread = np.concatenate([np.full(self._width, 1.2), [1.5, 2.0]])
        self._codes = np.empty((self._width, capacity), dtype=np.int64)
        self._factor = np.zeros((capacity, capacity))
        self._row = np.empty(capacity)
        self._weights = np.empty(0)
        self.count = 0
        self.parameters = self._mean.copy()

    @property
    def parameters(self) -> Floats:
        """Log rates, log variance and log noise, shape (D + 2,); setting them forgets all points."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: Floats) -> None:
        self._parameters, self.count = values, 0
        self._decay, slope = np.empty(int(self.sizes.sum())), np.empty(int(self.sizes.sum()))
        rates = np.exp(self._parameters[: self._width])
        gaussian.decay_tables(rates, self._ordered, self.sizes, self._offsets, self._power, self._decay, slope)
        self._variance = float(np.exp(self._parameters[self._width]))
        self._noise = float(np.exp(self._parameters[self._width + 1])) + gaussian.JITTER

    def fit(self, designs: Designs, outputs: Floats, iterations: int) -> Floats:
        """Fit the hyperparameters by ``iterations`` steps; the leave-one-out means. Forgets all points."""
        codes = np.ascontiguousarray(designs.T)

        def evidence(parameters: Floats) -> tuple[float, Floats, Floats]:
            return gaussian.evidence(
                parameters, codes, outputs, self._ordered, self.sizes, self._offsets, self._power, self._mean,
                self._spread,
            )  # fmt: skip

        self.parameters, left_out = climb_evidence(evidence, self._parameters, self._mean, self._spread, iterations)
        return left_out

    def add(self, designs: Designs) -> None:
        """Take further points, whose outputs `learn` will be given."""
        for design in designs:
            gaussian.append(
                design,
                self._codes,
                self.count,
                self._offsets,
                self._decay,
                self._variance,
                self._noise,
                self._factor,
                self._row,
            )
            self.count += 1

    def drop(self, count: int) -> None:
        """Forget all points beyond the first ``count``."""
        self.count = count

    def learn(self, outputs: Floats) -> None:
        """Set the outputs of the points held, shape (count,)."""
        self._weights = np.array(outputs, dtype=np.float64)
        gaussian.forward(self._factor, self.count, self._weights)
        gaussian.backward(self._factor, self.count, self._weights)

    def predict(self, designs: Designs) -> tuple[Floats, Floats]:
        """Posterior mean and deviation, shape (M,) each."""
        means, deviations = np.empty(len(designs)), np.empty(len(designs))
        kernel = gaussian_search.predict if len(designs) < 4 else gaussian_search.predict_many
        kernel(
            np.ascontiguousarray(designs),
            self._codes,
            self.count,
            self._offsets,
            self._decay,
            self._variance,
            self._factor,
            self._weights,
            means,
            deviations,
        )
        return means, deviations

    def means(self, designs: Designs) -> Floats:
        """Posterior mean alone, shape (M,)."""
        means = np.empty(len(designs))
        gaussian_search.predict_means(
            np.ascontiguousarray(designs),
            self._codes,
            self.count,
            self._offsets,
            self._decay,
            self._variance,
            self._weights,
            means,
        )
        return means

    def climb(self, designs: Designs, most: int) -> Designs:
        """``designs`` (M, D) moved uphill in the posterior mean by at most ``most`` one-parameter changes each."""
        moved = designs.copy()
        gaussian_search.climb(
            moved,
            self._codes,
            self.count,
            self.sizes,
            self._offsets,
            self._decay,
            self._variance,
            self._weights,
            most,
        )
        return moved


def log_expected_improvement(means: Floats, deviations: Floats, best: float) -> Floats:
    """Shape (M,)."""
    scores = np.empty(len(means))
    gaussian_search.log_expected_improvement(means, deviations, best, scores)
    return scores
