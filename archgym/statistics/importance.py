"""Which parameters decide a reward, and which act together, from logged designs.

A model with one effect a level and one a pair of levels is fitted by ridge regression; its variance over
the whole space (every level equally likely) is then split exactly among parameters and pairs. What the
model explains of designs it was not fitted on is reported with it: where that is low, believe neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Importance:
    """Shares of variance, summing to 1 over parameters and pairs together.

    Attributes:
        main: share of each parameter alone, shape (D,).
        pairs: share of each modelled pair beyond its parameters alone.
        effects: for each parameter the mean reward of each level minus the overall mean.
        explained: R² on held-out designs, at most 1; negative if worse than the mean.
    """

    main: Values
    pairs: dict[tuple[int, int], float]
    effects: tuple[Values, ...]
    explained: float


def parameter_importance(
    designs: ArrayLike, rewards: ArrayLike, sizes: ArrayLike, ridge: float = 1.0, columns: int = 1200, seed: int = 0
) -> Importance:
    """Split the variance of rewards among parameters and pairs of parameters.

    Args:
        designs: level numbers, shape (N, D); repeated designs count once.
        rewards: shape (N,).
        sizes: number of levels of each parameter, shape (D,).
        ridge: weight of the penalty, in designs.
        columns: pairs are modelled, strongest parameters first, while the model has at most this many columns.
    """
    rows, first = np.unique(np.asarray(designs, dtype=np.int64), axis=0, return_index=True)
    values = np.asarray(rewards, dtype=np.float64)[first]
    counts = np.asarray(sizes, dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(rows))
    held, used = order[: len(rows) // 5], order[len(rows) // 5 :]
    singles: list[tuple[int, ...]] = [(column,) for column in range(len(counts))]
    mains, _ = _decompose(rows[used], values[used], counts, singles, ridge)
    terms = singles + _strongest_pairs(np.array([np.mean(m**2) for m in mains]), counts, columns)
    _, predict = _decompose(rows[used], values[used], counts, terms, ridge)
    explained = _explained(values[held], predict(rows[held])) if len(held) > 1 else float("nan")
    parts, _ = _decompose(rows, values, counts, terms, ridge)
    variances = np.array([float(np.mean(part**2)) for part in parts])
    total = variances.sum() or 1.0
    shares = variances / total
    dimensions = len(counts)
    pairs = {(t[0], t[1]): float(s) for t, s in zip(terms[dimensions:], shares[dimensions:], strict=True)}
    return Importance(shares[:dimensions], pairs, tuple(parts[:dimensions]), explained)


def _explained(truth: Values, predicted: Values) -> float:
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - predicted) ** 2).sum() / spread) if spread > 0 else float("nan")


def _strongest_pairs(strength: Values, counts: NDArray[np.int64], columns: int) -> list[tuple[int, ...]]:
    left = columns - int(counts.sum())
    pairs: list[tuple[int, ...]] = []
    ranked = sorted(combinations(range(len(counts)), 2), key=lambda pair: -min(strength[pair[0]], strength[pair[1]]))
    for one, other in ranked:
        cost = int(counts[one] * counts[other])
        if counts[one] > 1 and counts[other] > 1 and cost <= left:
            pairs.append((one, other))
            left -= cost
    return pairs


def _codes(rows: NDArray[np.int64], counts: NDArray[np.int64], term: tuple[int, ...]) -> NDArray[np.int64]:
    """The cell of each row in the table of a term."""
    cells: NDArray[np.int64] = rows[:, term[0]]
    return cells if len(term) == 1 else cells * counts[term[1]] + rows[:, term[1]]


def _decompose(
    rows: NDArray[np.int64], values: Values, counts: NDArray[np.int64], terms: list[tuple[int, ...]], ridge: float
) -> tuple[list[Values], Callable[[NDArray[np.int64]], Values]]:
    """Centred effect tables, one a term, and the fitted model's prediction."""
    widths = [int(np.prod(counts[list(term)])) for term in terms]
    offsets = np.concatenate([[0], np.cumsum(widths)])
    codes = np.stack(
        [_codes(rows, counts, term) + offset for term, offset in zip(terms, offsets, strict=False)], axis=1
    )
    mean = float(values.mean())
    cells = np.zeros((len(rows), offsets[-1]))
    np.put_along_axis(cells, codes, 1.0, axis=1)
    gram, target = cells.T @ cells, cells.T @ (values - mean)
    weights: Values = np.asarray(np.linalg.solve(gram + ridge * np.eye(len(gram)), target), dtype=np.float64)

    def predict(others: NDArray[np.int64]) -> Values:
        picked = [weights[_codes(others, counts, term) + o] for term, o in zip(terms, offsets, strict=False)]
        return np.asarray(mean + np.sum(picked, axis=0))

    tables: list[Values] = [
        weights[a:b].reshape(counts[list(t)]) for t, a, b in zip(terms, offsets, offsets[1:], strict=False)
    ]
    return _centred(tables, terms), predict


def _centred(tables: list[Values], terms: list[tuple[int, ...]]) -> list[Values]:
    """Effects with zero mean along every axis: what a pair says of one parameter goes to that parameter."""
    mains = {term[0]: table.copy() for term, table in zip(terms, tables, strict=True) if len(term) == 1}
    centred = []
    for term, table in zip(terms, tables, strict=True):
        if len(term) == 2:
            by_first, by_second, overall = table.mean(axis=1), table.mean(axis=0), table.mean()
            mains[term[0]] += by_first - overall
            mains[term[1]] += by_second - overall
            table = table - by_first[:, None] - by_second[None, :] + overall
        centred.append(table)
    return [
        mains[term[0]] - mains[term[0]].mean() if len(term) == 1 else table
        for term, table in zip(terms, centred, strict=True)
    ]
