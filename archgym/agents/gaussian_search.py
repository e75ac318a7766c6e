"""Searching with a Gaussian process over level numbers, as compiled kernels: prediction, climbing, acquisition.

Arrays as in `archgym.agents.gaussian`.
"""

from __future__ import annotations

import math

import numpy as np

from archgym.agents.gaussian import Floats, Integers, covariance_row, forward, forward_many
from archgym.simulators.jit import jit


@jit
def predict_means(
    designs: Integers,
    codes: Integers,
    count: int,
    offsets: Integers,
    decay: Floats,
    variance: float,
    weights: Floats,
    means: Floats,
) -> None:
    """Posterior mean of ``designs`` (M, D)."""
    row = np.empty(count)
    for m in range(len(designs)):
        covariance_row(designs[m], codes, count, offsets, decay, variance, row)
        total = 0.0
        for n in range(count):
            total += row[n] * weights[n]
        means[m] = total


@jit
def predict(
    designs: Integers,
    codes: Integers,
    count: int,
    offsets: Integers,
    decay: Floats,
    variance: float,
    factor: Floats,
    weights: Floats,
    means: Floats,
    deviations: Floats,
) -> None:
    """Posterior mean and deviation of ``designs`` (M, D)."""
    row = np.empty(count)
    for m in range(len(designs)):
        covariance_row(designs[m], codes, count, offsets, decay, variance, row)
        total = 0.0
        for n in range(count):
            total += row[n] * weights[n]
        means[m] = total
        forward(factor, count, row)
        left = variance
        for n in range(count):
            left -= row[n] * row[n]
        deviations[m] = math.sqrt(max(left, 1e-12 * variance))


@jit
def predict_many(
    designs: Integers,
    codes: Integers,
    count: int,
    offsets: Integers,
    decay: Floats,
    variance: float,
    factor: Floats,
    weights: Floats,
    means: Floats,
    deviations: Floats,
) -> None:
    """As `predict`, for many designs at once: the solve runs along the designs."""
    many = len(designs)
    columns = np.empty((count, many))
    row = np.empty(count)
    for m in range(many):
        covariance_row(designs[m], codes, count, offsets, decay, variance, row)
        total = 0.0
        for n in range(count):
            total += row[n] * weights[n]
            columns[n, m] = row[n]
        means[m] = total
    forward_many(factor, count, columns)
    left = np.full(many, variance)
    for n in range(count):
        for m in range(many):
            left[m] -= columns[n, m] * columns[n, m]
    for m in range(many):
        deviations[m] = math.sqrt(max(left[m], 1e-12 * variance))


@jit
def neighbour_means(
    design: Integers,
    codes: Integers,
    sizes: Integers,
    offsets: Integers,
    decay: Floats,
    growth: Floats,
    row: Floats,
    sums: Floats,
    means: Floats,
) -> None:
    """Posterior means of every one-parameter change of ``design``: ``means[offsets[i] + level]``.

    ``row`` (N,) holds its covariance times the weights, ``growth`` is ``1 / decay``, ``sums`` (2, largest size)
    is scratch. Cost: one pass over the data a parameter.
    """
    count = len(row)
    for i in range(len(design)):
        here, start, size = design[i], offsets[i], sizes[i]
        sums[:, :size] = 0.0
        levels = codes[i]
        for n in range(0, count - 1, 2):  # two sums, because one would wait for itself
            sums[0, levels[n]] += row[n]
            sums[1, levels[n + 1]] += row[n + 1]
        if count % 2:
            sums[0, levels[count - 1]] += row[count - 1]
        for level in range(size):
            sums[0, level] = (sums[0, level] + sums[1, level]) * growth[start + abs(here - level)]
        for level in range(size):
            total = 0.0
            for other in range(size):
                total += decay[start + abs(level - other)] * sums[0, other]
            means[start + level] = total


@jit
def climb(
    designs: Integers,
    codes: Integers,
    count: int,
    sizes: Integers,
    offsets: Integers,
    decay: Floats,
    variance: float,
    weights: Floats,
    most: int,
) -> None:
    """Move each of ``designs`` (M, D) up the posterior mean by at most ``most`` one-parameter changes, in place."""
    row, sums, means, growth = np.empty(count), np.empty((2, sizes.max())), np.empty(sizes.sum()), 1.0 / decay
    for design in designs:
        for _ in range(most):
            covariance_row(design, codes, count, offsets, decay, variance, row)
            for n in range(count):
                row[n] *= weights[n]
            neighbour_means(design, codes, sizes, offsets, decay, growth, row, sums, means)
            best_parameter, best_level = -1, -1
            best = means[offsets[0] + design[0]] + 1e-9
            for i in range(len(design)):
                for level in range(sizes[i]):
                    if level != design[i] and means[offsets[i] + level] > best:
                        best, best_parameter, best_level = means[offsets[i] + level], i, level
            if best_parameter < 0:
                break
            design[best_parameter] = best_level


@jit
def log_expected_improvement(means: Floats, deviations: Floats, best: float, scores: Floats) -> None:
    """Logarithm of the expected improvement over ``best``, without underflow far below it.

    Source: Ament et al., "Unexpected improvements to expected improvement", 2023.
    """
    for m in range(len(means)):
        u = (means[m] - best) / deviations[m]
        if u > -6.0:
            density = math.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi)
            value = math.log(density + u * 0.5 * math.erfc(-u / math.sqrt(2.0)))
        else:
            value = -0.5 * u * u - 0.5 * math.log(2.0 * math.pi) - 2.0 * math.log(-u) + math.log1p(-3.0 / (u * u))
        scores[m] = value + math.log(deviations[m])
