"""Utilities of agents and payoffs of pairs of agents, as compiled kernels.

The reward of a joint choice is modelled as ``sum_i u_i(x_i) + sum_{i<j} p_ij(x_i, x_j)`` with a normal prior on every
entry: a Gaussian process whose covariance is ``sum_i t_i + ratio * sum_{i<j} t_i t_j``, where ``t_i`` is agent i's weight
times the likeness of its two levels. The pairs cost no more than the agents, since twice their sum is
``(sum t)^2 - sum t^2``. Pairs are formed within a neighbourhood: all agents, or the agents of one subsystem.

Arrays: ``places`` (D, N) int64, each level's number among all M levels, a row an agent; ``likeness`` (M, S) the likeness of
a level to its agent's levels; ``hoods`` (D,) the neighbourhood of an agent. ``utilities`` (M,) and ``payoffs`` (M, M), which is
symmetric and zero between agents that are no pair. Loops run in a fixed order, so results do not depend on threads or on
a BLAS.
"""

from __future__ import annotations

import math

import numpy as np

from archgym.agents.gaussian import JITTER, Floats, Integers, add_prior, explained, forward, left_out
from archgym.simulators.jit import jit


@jit
def covariance_row(
    design: Integers,
    places: Integers,
    count: int,
    weights: Floats,
    ratio: float,
    likeness: Floats,
    offsets: Integers,
    hoods: Integers,
    row: Floats,
) -> None:
    """Covariance of ``design`` (D,), in places, with the first ``count`` points, into ``row``."""
    sums, squares = np.zeros((hoods.max() + 1, count)), np.zeros((hoods.max() + 1, count))
    for i in range(len(design)):
        alike, others, hood = likeness[design[i]], places[i], hoods[i]
        for n in range(count):
            term = weights[i] * alike[others[n] - offsets[i]]
            sums[hood, n] += term
            squares[hood, n] += term * term
    row[:count] = 0.0
    for hood in range(len(sums)):
        for n in range(count):
            row[n] += sums[hood, n] + 0.5 * ratio * (sums[hood, n] * sums[hood, n] - squares[hood, n])


@jit
def append(
    design: Integers,
    places: Integers,
    count: int,
    weights: Floats,
    ratio: float,
    noise: float,
    likeness: Floats,
    offsets: Integers,
    hoods: Integers,
    factor: Floats,
    row: Floats,
) -> None:
    """Extend the upper Cholesky factor by one point, which goes to column ``count`` of ``places``."""
    for i in range(len(design)):
        places[i, count] = design[i]
    covariance_row(design, places, count + 1, weights, ratio, likeness, offsets, hoods, row)
    left = row[count] + noise
    forward(factor, count, row)
    for n in range(count):
        factor[n, count] = row[n]
        left -= row[n] * row[n]
    factor[count, count] = math.sqrt(max(left, 0.1 * noise))


@jit
def evidence(
    parameters: Floats,
    places: Integers,
    outputs: Floats,
    likeness: Floats,
    offsets: Integers,
    hoods: Integers,
    paired: bool,
    mean: Floats,
    spread: Floats,
) -> tuple[float, Floats, Floats]:
    """Log posterior density of the hyperparameters and its gradient.

    ``parameters``: D log weights, log ratio, log noise, with independent normal priors (``mean``, ``spread``).
    Returns (value, gradient, leave-one-out means); the value is -inf if the matrix is singular.
    """
    width, count = places.shape
    weights, noise = np.exp(parameters[:width]), math.exp(parameters[width + 1])
    ratio = math.exp(parameters[width]) if paired else 0.0
    covariance = np.empty((count, count))
    for a in range(count):
        covariance_row(places[:, a].copy(), places, count, weights, ratio, likeness, offsets, hoods, covariance[a])
    gradient = np.zeros(len(parameters))
    sound, value, pulls, precision = explained(covariance, noise + JITTER, outputs)
    if not sound:
        return -np.inf, gradient, outputs
    sums, terms = np.empty((hoods.max() + 1, count)), np.empty((width, count))
    slopes = np.empty(count)
    for a in range(count):
        sums[:] = 0.0
        for i in range(width):
            alike, others, hood = likeness[places[i, a]], places[i], hoods[i]
            for b in range(a + 1):
                terms[i, b] = weights[i] * alike[others[b] - offsets[i]]
                sums[hood, b] += terms[i, b]
        for b in range(a + 1):  # of the density, by the covariance of a and b
            slopes[b] = pulls[a] * pulls[b] - precision[a, b]
        slopes[a] *= 0.5
        gradient[width + 1] += noise * slopes[a]
        for i in range(width):
            hood, along, pairs = hoods[i], 0.0, 0.0
            for b in range(a + 1):
                through = terms[i, b] * (sums[hood, b] - terms[i, b])
                along += slopes[b] * (terms[i, b] + ratio * through)
                pairs += slopes[b] * through
            gradient[i] += along
            gradient[width] += 0.5 * ratio * pairs
    value = add_prior(value, gradient, parameters, mean, spread)
    return value, gradient, left_out(outputs, pulls, precision)


@jit
def gathered(places: Integers, values: Floats, hoods: Integers, levels: int) -> tuple[Floats, Floats]:
    """Sum ``values`` (N,) by level (M,) and by pair of levels (M, M), upper half, of the first N points."""
    utilities, payoffs = np.zeros(levels), np.zeros((levels, levels))
    for n in range(len(values)):
        for i in range(len(places)):
            utilities[places[i, n]] += values[n]
            line = payoffs[places[i, n]]
            for j in range(i + 1, len(places)):
                if hoods[j] == hoods[i]:
                    line[places[j, n]] += values[n]
    return utilities, payoffs


@jit
def spread_along(
    utilities: Floats,
    payoffs: Floats,
    scales: Floats,
    pair_scale: float,
    tables: Floats,
    mixed: np.ndarray,
    sizes: Integers,
    offsets: Integers,
    hoods: Integers,
) -> None:
    """Multiply each agent's utilities, and both sides of each pair's payoffs, by its table and scale, in place.

    ``tables`` (M, S) is a matrix an agent; where ``mixed`` (D,) is False it is the identity. Reads the upper half of
    ``payoffs`` and fills both.
    """
    kept, half = np.empty(sizes.max()), np.empty((sizes.max(), sizes.max()))
    for i in range(len(sizes)):
        first, size = offsets[i], sizes[i]
        for a in range(size):
            kept[a] = utilities[first + a]
        for a in range(size):
            total = kept[a]
            if mixed[i]:
                total = 0.0
                for b in range(size):
                    total += tables[first + a, b] * kept[b]
            utilities[first + a] = scales[i] * total
    for i in range(len(sizes)):
        for j in range(i + 1, len(sizes)):
            if hoods[i] != hoods[j]:
                continue
            scale = pair_scale * scales[i] * scales[j]
            for a in range(sizes[i]):
                for b in range(sizes[j]):
                    total = payoffs[offsets[i] + a, offsets[j] + b]
                    if mixed[i]:
                        total = 0.0
                        for c in range(sizes[i]):
                            total += tables[offsets[i] + a, c] * payoffs[offsets[i] + c, offsets[j] + b]
                    half[a, b] = scale * total
            for a in range(sizes[i]):
                for b in range(sizes[j]):
                    total = half[a, b]
                    if mixed[j]:
                        total = 0.0
                        for c in range(sizes[j]):
                            total += half[a, c] * tables[offsets[j] + b, c]
                    payoffs[offsets[i] + a, offsets[j] + b] = total
                    payoffs[offsets[j] + b, offsets[i] + a] = total


@jit
def worth(designs: Integers, utilities: Floats, payoffs: Floats) -> Floats:
    """Utilities and payoffs of each of ``designs`` (K, D), in places, shape (K,)."""
    total = np.zeros(len(designs))
    for k in range(len(designs)):
        for i in range(designs.shape[1]):
            total[k] += utilities[designs[k, i]]
            line = payoffs[designs[k, i]]
            for j in range(i):
                total[k] += line[designs[k, j]]
    return total


@jit
def responses(design: Integers, utilities: Floats, payoffs: Floats) -> Floats:
    """What every level would be worth to its agent while all others stay, shape (M,)."""
    field = utilities.copy()
    for place in design:
        line = payoffs[place]
        for m in range(len(field)):
            field[m] += line[m]
    return field


@jit
def settle(designs: Integers, utilities: Floats, payoffs: Floats, owner: Integers, most: int) -> None:
    """Let the agents of each of ``designs`` (K, D), in places, respond until none gains, in place.

    In each of at most ``most`` rounds the agent that gains most takes its best response.
    """
    for design in designs:
        field = responses(design, utilities, payoffs)
        for _ in range(most):
            best, gain = -1, 1e-9
            for m in range(len(field)):
                more = field[m] - field[design[owner[m]]]
                if more > gain:
                    best, gain = m, more
            if best < 0:
                break
            left = design[owner[best]]
            for m in range(len(field)):
                field[m] += payoffs[best, m] - payoffs[left, m]
            design[owner[best]] = best
