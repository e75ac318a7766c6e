"""Logarithm, exponential and power with the same bits on every machine.

numpy's own choose among implementations by the processor and differ in the last digit, which is enough to turn a search.
These use nothing but operations whose rounding IEEE 754 fixes. Errors are a few units in the last place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_LN2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
"""ln 2 in two parts: the first times an exponent is exact."""
_ATANH = tuple(1.0 / (2 * k + 1) for k in range(12, -1, -1))
_FACTORIALS = tuple(1.0 / float(np.prod(np.arange(1.0, k + 1))) for k in range(14, -1, -1))
_LEAST, _MOST = -746.0, 710.0
"""What an exponential turns into 0 and into infinity."""


def log(x: ArrayLike) -> Floats:
    """Natural logarithm of each element; ``-inf`` of 0, NaN below."""
    values = np.asarray(x, dtype=np.float64)
    share, exponent = np.frexp(values)
    small = share < np.sqrt(0.5)
    share = np.where(small, 2.0 * share, share)
    power = exponent - small
    with np.errstate(invalid="ignore", divide="ignore"):
        s = (share - 1.0) / (share + 1.0)
        found = power * _LN2[0] + (2.0 * s * _polynomial(s * s, _ATANH) + power * _LN2[1])
    found = np.where(values > 0, found, np.where(values == 0, -np.inf, np.nan))
    return np.where(values == np.inf, np.inf, found)


def exp(x: ArrayLike) -> Floats:
    """Exponential of each element."""
    values = np.asarray(x, dtype=np.float64)
    inside = np.where(np.isnan(values), 0.0, np.clip(values, _LEAST, _MOST))
    power = np.rint(inside / (_LN2[0] + _LN2[1]))
    rest = (inside - power * _LN2[0]) - power * _LN2[1]
    with np.errstate(over="ignore", under="ignore"):
        found = np.ldexp(_polynomial(rest, _FACTORIALS), power.astype(np.int32))
    return np.where(np.isnan(values), np.nan, found)


def power(x: ArrayLike, exponent: float) -> Floats:
    """``x ** exponent`` of elements that are not negative."""
    values = np.asarray(x, dtype=np.float64)
    if exponent == 1:
        return values
    if exponent in (0.5, 0.25):  # square roots are exact to half a unit everywhere
        root = np.sqrt(values)
        return root if exponent == 0.5 else np.sqrt(root)
    return exp(exponent * log(values))


def log2(x: ArrayLike) -> Floats:
    """Logarithm to base 2, exact for powers of 2."""
    share, exponent = np.frexp(np.asarray(x, dtype=np.float64))
    exact = share == 0.5
    return np.where(exact, exponent - 1.0, log(x) / (_LN2[0] + _LN2[1]))


def _polynomial(x: Floats, coefficients: tuple[float, ...]) -> Floats:
    total = np.full_like(x, coefficients[0])
    for each in coefficients[1:]:
        total = total * x + each
    return total
