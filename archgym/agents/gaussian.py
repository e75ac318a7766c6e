"""A Gaussian process over level numbers, as compiled kernels.

The covariance of two designs is ``variance * prod_i decay_i[|a_i - b_i|]``: one table a parameter, so every
kind of parameter costs one look-up, and all neighbours of a design are scored in one pass over the data.

Arrays: ``codes`` (D, N) int64 level numbers, one row a parameter; ``decay`` and ``slope`` (sum of sizes,)
with parameter i's table starting at ``offsets[i]``; ``factor`` (N, N) upper Cholesky factor, row by row.
Loops run along rows in a fixed order, so results do not depend on threads or on a BLAS.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archgym.simulators.jit import jit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Added to the diagonal, relative to unit output variance.
JITTER = 1e-6


@jit
def decay_tables(
    theta: Floats, ordered: Flags, sizes: Integers, offsets: Integers, power: float, decay: Floats, slope: Floats
) -> None:
    """Fill ``decay`` by level difference, and ``slope`` with its derivative of the logarithm by log theta.

    An ordered parameter decays with the distance as a fraction of its range, to the given power; an
    unordered one by the same factor for any two different levels.
    """
    for i in range(len(sizes)):
        for step in range(sizes[i]):
            if step == 0:
                distance = 0.0
            elif ordered[i]:
                distance = theta[i] * (step / (sizes[i] - 1.0)) ** power
            else:
                distance = theta[i]
            decay[offsets[i] + step] = math.exp(-distance)
            slope[offsets[i] + step] = -distance


@jit
def covariance_row(
    design: Integers, codes: Integers, count: int, offsets: Integers, decay: Floats, variance: float, row: Floats
) -> None:
    """Covariance of ``design`` (D,) with the first ``count`` points, into ``row``."""
    row[:count] = variance
    by_level = np.empty(len(decay))  # of one parameter; its table is turned round the design's level once
    for i in range(len(design)):
        here, start = design[i], offsets[i]
        size = (offsets[i + 1] if i + 1 < len(offsets) else len(decay)) - start
        for level in range(size):
            by_level[level] = decay[start + abs(here - level)]
        levels = codes[i]
        for n in range(count):
            row[n] *= by_level[levels[n]]


@jit
def factorise(matrix: Floats) -> bool:
    """Upper Cholesky factor of ``matrix`` in its own upper triangle; False if it is not positive definite."""
    count = matrix.shape[0]
    for k in range(count):
        if not matrix[k, k] > 0.0:
            return False
        pivot = math.sqrt(matrix[k, k])
        matrix[k, k] = pivot
        for j in range(k + 1, count):
            matrix[k, j] /= pivot
        for i in range(k + 1, count):
            scale = matrix[k, i]
            for j in range(i, count):
                matrix[i, j] -= scale * matrix[k, j]
    return True


@jit
def forward(factor: Floats, count: int, vector: Floats) -> None:
    """Solve ``factor.T x = vector`` in place over the first ``count`` points."""
    for j in range(count):
        value = vector[j] / factor[j, j]
        vector[j] = value
        for i in range(j + 1, count):
            vector[i] -= value * factor[j, i]


@jit
def backward(factor: Floats, count: int, vector: Floats) -> None:
    """Solve ``factor x = vector`` in place over the first ``count`` points."""
    for i in range(count - 1, -1, -1):
        even, odd = 0.0, 0.0  # two sums, because one would wait for itself
        for j in range(i + 1, count - 1, 2):
            even += factor[i, j] * vector[j]
            odd += factor[i, j + 1] * vector[j + 1]
        if (count - i) % 2 == 0:
            even += factor[i, count - 1] * vector[count - 1]
        vector[i] = (vector[i] - (even + odd)) / factor[i, i]


@jit
def forward_many(factor: Floats, count: int, columns: Floats) -> None:
    """Solve ``factor.T X = columns`` in place; ``columns`` (count, M)."""
    many = columns.shape[1]
    for j in range(count):
        pivot = factor[j, j]
        for m in range(many):
            columns[j, m] /= pivot
        for i in range(j + 1, count):
            scale = factor[j, i]
            for m in range(many):
                columns[i, m] -= scale * columns[j, m]


@jit
def covariance_matrix(
    codes: Integers, count: int, offsets: Integers, decay: Floats, variance: float, noise: float, matrix: Floats
) -> None:
    """Covariance of the first ``count`` points with each other, into the upper triangle."""
    by_level = np.empty(len(decay))
    for a in range(count):
        for b in range(a, count):
            matrix[a, b] = variance
        for i in range(codes.shape[0]):
            here, start, levels = codes[i, a], offsets[i], codes[i]
            size = (offsets[i + 1] if i + 1 < len(offsets) else len(decay)) - start
            for level in range(size):
                by_level[level] = decay[start + abs(here - level)]
            for b in range(a, count):
                matrix[a, b] *= by_level[levels[b]]
        matrix[a, a] += noise


@jit
def append(
    design: Integers,
    codes: Integers,
    count: int,
    offsets: Integers,
    decay: Floats,
    variance: float,
    noise: float,
    factor: Floats,
    row: Floats,
) -> None:
    """Extend the factor by one point; its codes go to column ``count``."""
    covariance_row(design, codes, count, offsets, decay, variance, row)
    forward(factor, count, row)
    left = variance + noise
    for n in range(count):
        factor[n, count] = row[n]
        left -= row[n] * row[n]
    factor[count, count] = math.sqrt(max(left, 0.1 * noise))
    for i in range(len(design)):
        codes[i, count] = design[i]


@jit
def inverse(factor: Floats) -> Floats:
    """The inverse of ``factor.T @ factor``, its lower triangle (it is symmetric)."""
    count = factor.shape[0]
    triangle = np.zeros((count, count))  # rows of (factor^-1), upper
    for i in range(count - 1, -1, -1):
        triangle[i, i] = 1.0
        for k in range(i + 1, count):
            scale = factor[i, k]
            for j in range(k, count):
                triangle[i, j] -= scale * triangle[k, j]
        for j in range(i, count):
            triangle[i, j] /= factor[i, i]
    transposed = triangle.T.copy()
    result = np.zeros((count, count))
    for a in range(count):
        for k in range(a, count):
            scale = triangle[a, k]
            for b in range(a + 1):
                result[a, b] += scale * transposed[k, b]
    return result


@jit
def explained(covariance: Floats, noise: float, outputs: Floats) -> tuple[bool, float, Floats, Floats]:
    """How well a covariance (N, N) with ``noise`` explains the outputs: whether it has a factor, the log density up to a
    constant, the weights of the outputs, and the precision, its lower triangle."""
    count = len(outputs)
    factor = covariance.copy()
    for n in range(count):
        factor[n, n] += noise
    weights = outputs.copy()
    if not factorise(factor):
        return False, -np.inf, weights, factor
    forward(factor, count, weights)
    backward(factor, count, weights)
    value = 0.0
    for n in range(count):
        value -= 0.5 * outputs[n] * weights[n] + math.log(factor[n, n])
    return True, value, weights, inverse(factor)


@jit
def add_prior(value: float, gradient: Floats, parameters: Floats, mean: Floats, spread: Floats) -> float:
    """The value with independent normal priors of the parameters; the gradient gets their part in place."""
    for p in range(len(parameters)):
        away = (parameters[p] - mean[p]) / spread[p]
        value -= 0.5 * away * away
        gradient[p] -= away / spread[p]
    return value


@jit
def left_out(outputs: Floats, weights: Floats, precision: Floats) -> Floats:
    """What the others say of each point, shape (N,)."""
    means = np.empty(len(outputs))
    for n in range(len(outputs)):
        means[n] = outputs[n] - weights[n] / precision[n, n]
    return means


@jit
def evidence(
    parameters: Floats,
    codes: Integers,
    outputs: Floats,
    ordered: Flags,
    sizes: Integers,
    offsets: Integers,
    power: float,
    mean: Floats,
    spread: Floats,
) -> tuple[float, Floats, Floats]:
    """Log posterior density of the hyperparameters and its gradient.

    ``parameters``: D log rates, log variance, log noise, with independent normal priors (``mean``,
    ``spread``). Returns (value, gradient, leave-one-out means); the value is -inf if the matrix is singular.
    """
    width, count = codes.shape
    decay, slope = np.empty(sizes.sum()), np.empty(sizes.sum())
    decay_tables(np.exp(parameters[:width]), ordered, sizes, offsets, power, decay, slope)
    variance, noise = math.exp(parameters[width]), math.exp(parameters[width + 1])
    covariance = np.zeros((count, count))
    covariance_matrix(codes, count, offsets, decay, variance, 0.0, covariance)
    gradient = np.zeros(len(parameters))
    sound, value, weights, precision = explained(covariance, noise + JITTER, outputs)
    if not sound:
        return -np.inf, gradient, outputs
    along = np.zeros(width)
    for a in range(count):
        gradient[width + 1] += 0.5 * noise * (weights[a] * weights[a] - precision[a, a])
        gradient[width] += 0.5 * variance * (weights[a] * weights[a] - precision[a, a])
    pulls, by_level = np.empty(count), np.empty(sizes.max())
    for a in range(1, count):
        for b in range(a):
            pulls[b] = (weights[a] * weights[b] - precision[a, b]) * covariance[b, a]
            gradient[width] += pulls[b]
        for i in range(width):
            here, start, levels = codes[i, a], offsets[i], codes[i]
            for level in range(sizes[i]):
                by_level[level] = slope[start + abs(here - level)]
            total = 0.0
            for b in range(a):
                total += pulls[b] * by_level[levels[b]]
            along[i] += total
    gradient[:width] = along
    value = add_prior(value, gradient, parameters, mean, spread)
    return value, gradient, left_out(outputs, weights, precision)
