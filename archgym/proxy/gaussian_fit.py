"""Fitting a Gaussian process over level numbers: which levels are alike, from the evidence of a sample of the rows.

The likeness of two levels is ``(1 + share * exp(-distance)) / (1 + share)``: a parameter with a small share does little,
and otherwise has an effect by itself as well as with others. The distance of an ordered parameter's levels is the sum of
the steps between them, that of a choice's levels the sum of their two arms; steps, arms and shares are learnt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.surrogate import climb_evidence
from archgym.errors import ConfigError
from archgym.proxy.gaussian import GaussianModel, workload_distance
from archgym.simulators.jit import jit
from archgym.space import Designs, Space

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
#: rows that likeness is learnt from, and rows that a process holds, at most; steps of the fit
SAMPLE, MOST_ROWS, ITERATIONS = 800, 5000, 60
#: an ordered parameter of more levels has equal steps
MOST_STEPS = 32
#: levels of a parameter at most: memory grows with their square, of a choice while it is fitted with their cube
MOST_LEVELS = 256
JITTER = 1e-8


@dataclass(frozen=True)
class _Lengths:
    """Where one parameter's steps or arms are among the hyperparameters, and which of them lie between two levels.

    Attributes:
        place: of the first.
        between: shape (count, size, size), how often each counts for a pair of levels.
    """

    place: int
    between: Floats

    @property
    def stop(self) -> int:
        return self.place + len(self.between)


def _lengths(space: Space) -> list[_Lengths]:
    found, place = [], 0
    for parameter in space.parameters:
        size = len(parameter.levels)
        levels = np.arange(size)
        if parameter.ordered and size > MOST_STEPS:
            between = np.abs(levels[:, None] - levels)[None] / (size - 1.0)
        elif parameter.ordered:
            below = levels[None] <= levels[: size - 1, None]
            between = (below[:, :, None] != below[:, None, :]).astype(np.float64)
        else:
            mine = levels[:, None] == levels
            between = (mine[:, :, None] ^ mine[:, None, :]).astype(np.float64)
        found.append(_Lengths(place, between))
        place += len(between)
    return found


class Likeness:
    """Tables of a space's levels as functions of hyperparameters: log lengths, log shares, log decay, variance, noise."""

    def __init__(self, space: Space, workload: Floats) -> None:
        self.lengths = _lengths(space)
        self.sizes = np.asarray(space.sizes, dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes**2)]).astype(np.int64)
        self.count = self.lengths[-1].stop
        width = len(space)
        # a parameter's levels lie about one unit apart from end to end, the more parameters the closer
        mean = [
            np.full(len(part.between), 1.0 - 0.5 * np.log(width) - np.log(max(1, len(part.between))))
            for part in self.lengths
        ]
        self.mean = np.concatenate([*mean, np.zeros(width), [0.0, 0.0, np.log(1e-4)]])
        self.spread = np.concatenate([np.full(self.count, 1.5), np.full(width, 2.0), [2.0, 2.0, 3.0]])
        self.apart = workload_distance(workload, workload)

    def tables(self, parameters: Floats) -> Floats:
        """All tables, row by row, one after the other."""
        return np.concatenate([self._table(parameters, number)[0].ravel() for number in range(len(self.sizes))])

    def _table(self, parameters: Floats, number: int) -> tuple[Floats, Floats, float]:
        """Likeness, its part that decays, and the share, of one parameter."""
        part, share = self.lengths[number], float(np.exp(parameters[self.count + number]))
        decayed = np.exp(-np.tensordot(np.exp(parameters[part.place : part.stop]), part.between, 1))
        return (1.0 + share * decayed) / (1.0 + share), decayed, share

    def evidence(self, parameters: Floats, codes: Integers, outputs: Floats) -> tuple[float, Floats, Floats]:
        """Log posterior density of the hyperparameters, its gradient, and the leave-one-out means."""
        from scipy.linalg.lapack import dpotrf, dpotri

        decay, variance, noise = np.exp(parameters[-3:])
        tables = self.tables(parameters)
        covariance = variance * likeness(codes, codes, tables, self.sizes) * np.exp(-decay * self.apart)
        gradient = np.zeros(len(parameters))
        factor, failed = dpotrf(covariance + (noise + JITTER) * np.eye(len(outputs)), lower=1)
        if failed:
            return -np.inf, gradient, outputs
        precision = np.tril(dpotri(factor, lower=1)[0])
        precision += np.tril(precision, -1).T
        pulls = precision @ outputs
        slopes = 0.5 * (np.outer(pulls, pulls) - precision)
        pulled = slopes * covariance
        sums = pair_sums(codes, pulled, self.sizes)
        for number, part in enumerate(self.lengths):
            table, decayed, share = self._table(parameters, number)
            here = slice(self.starts[number], self.starts[number + 1])
            weight = sums[here].reshape(table.shape) / table
            steps = np.exp(parameters[part.place : part.stop])
            gradient[part.place : part.stop] = -steps * np.tensordot(
                part.between, weight * share * decayed / (1.0 + share), 2
            )
            gradient[self.count + number] = (weight * share * (decayed - 1.0) / (1.0 + share) ** 2).sum()
        gradient[-3] = -decay * (pulled * self.apart).sum()
        gradient[-2] = pulled.sum()
        gradient[-1] = noise * np.trace(slopes)
        away = (parameters - self.mean) / self.spread
        value = -0.5 * outputs @ pulls - np.log(np.diag(factor)).sum() - 0.5 * away @ away
        return float(value), gradient - away / self.spread, outputs - pulls / np.diag(precision)


@jit
def likeness(first: Integers, second: Integers, tables: Floats, sizes: Integers) -> Floats:
    """How alike designs are, shape (N, K), of level numbers (D, N) and (D, K)."""
    found = np.ones((first.shape[1], second.shape[1]))
    for n in range(first.shape[1]):
        start, line = 0, found[n]
        for i in range(len(sizes)):
            row = tables[start + first[i, n] * sizes[i] : start + (first[i, n] + 1) * sizes[i]]
            levels = second[i]
            for k in range(len(line)):
                line[k] *= row[levels[k]]
            start += sizes[i] * sizes[i]
    return found


@jit
def pair_sums(codes: Integers, values: Floats, sizes: Integers) -> Floats:
    """Sums of symmetric ``values`` (N, N) by parameter and pair of levels of two different rows, as `Likeness.tables`."""
    sums = np.zeros((sizes * sizes).sum())
    for n in range(codes.shape[1]):
        start = 0
        for i in range(len(sizes)):
            line, levels = sums[start + codes[i, n] * sizes[i] :], codes[i]
            for k in range(n):
                line[levels[k]] += 2.0 * values[n, k]
            start += sizes[i] * sizes[i]
    return sums


def check_levels(space: Space) -> None:
    """Refuse a space whose tables of likeness could outgrow memory.

    Raises:
        ConfigError: if a parameter has more than `MOST_LEVELS` levels.
    """
    for parameter in space.parameters:
        if len(parameter.levels) > MOST_LEVELS:
            raise ConfigError(
                f"model gaussian: parameter {parameter.name} has {len(parameter.levels):,} levels; "
                f"allowed: at most {MOST_LEVELS}, or another kind of model"
            )


def fit_gaussian(
    designs: Designs, workload: Floats, target: Floats, space: Space, seed: int, members: int
) -> GaussianModel:
    """A Gaussian process of ``target`` (N,), on at most `MOST_ROWS` of the rows; equal rows count once.

    The first member learns from all rows held, each other one leaves out a different tenth of them.

    Args:
        workload: scaled workload columns, shape (N, W).

    Raises:
        ConfigError: if a parameter has more than `MOST_LEVELS` levels.
    """
    check_levels(space)
    whole = np.concatenate([designs, workload], axis=1)
    kept = np.sort(np.unique(whole, axis=0, return_index=True)[1])[:MOST_ROWS]
    designs, workload, target = designs[kept], workload[kept], target[kept]
    codes = np.ascontiguousarray(designs.T, dtype=np.int64)
    mean, spread = float(target.mean()), max(float(target.std()), 1e-300)
    outputs = (target - mean) / spread
    few = slice(0, SAMPLE)
    known = Likeness(space, workload[few])
    sample, told = np.ascontiguousarray(codes[:, few]), outputs[few]
    parameters, _ = climb_evidence(
        lambda trial: known.evidence(trial, sample, told), known.mean, known.mean, known.spread, ITERATIONS
    )
    tables, (decay, variance, noise) = known.tables(parameters), np.exp(parameters[-3:])
    covariance = variance * likeness(codes, codes, tables, known.sizes)
    if workload.shape[1]:
        covariance *= np.exp(-decay * workload_distance(workload, workload))
    rng = np.random.default_rng(seed)
    weights = np.zeros((len(outputs), members))
    for member in range(members):
        rows = np.arange(len(outputs))
        if member:
            rows = np.sort(rng.permutation(rows)[: int(np.ceil(0.9 * len(rows)))])
        part = covariance if member == 0 else covariance[np.ix_(rows, rows)]
        weights[rows, member] = spread * variance * _solved(part, outputs[rows], float(noise))
    return GaussianModel(codes.astype(np.int32), workload, tables, float(decay), weights, mean)


def _solved(covariance: Floats, outputs: Floats, noise: float) -> Floats:
    """``(covariance + noise)^-1 outputs``, with more noise where rounding leaves the matrix without a factor."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    extra = noise + JITTER
    while True:
        matrix = covariance.copy()
        matrix[np.diag_indices(len(matrix))] += extra
        try:
            found: Floats = cho_solve(cho_factor(matrix, overwrite_a=True, check_finite=False), outputs)
            return found
        except LinAlgError:
            extra *= 100.0
