"""Logarithm, exponential and power: right to a few units in the last place, and equal to fixed bits."""

import math
from fractions import Fraction

import numpy as np
import pytest

from archgym import arithmetic

SPREAD = np.exp(np.random.default_rng(0).uniform(-300, 300, 5000))


def units(found, wanted):
    return np.max(np.abs(found - wanted) / np.spacing(np.abs(wanted)))


def test_logarithms_are_right():
    near = 1 + np.random.default_rng(1).uniform(-1e-3, 1e-3, 2000)
    for values in (SPREAD, near, np.array([1.0, 2.0, 5e-324, 1.7e308])):
        assert units(arithmetic.log(values), np.array([math.log(v) for v in values])) <= 3
        assert units(arithmetic.log2(values), np.array([math.log2(v) for v in values])) <= 4
    assert arithmetic.log2(np.array([0.125, 1.0, 1024.0])).tolist() == [-3, 0, 10]


def test_exponentials_are_right():
    values = np.random.default_rng(2).uniform(-700, 700, 5000)
    assert units(arithmetic.exp(values), np.array([math.exp(v) for v in values])) <= 3
    assert arithmetic.exp(np.array([0.0, -np.inf, np.inf, -800, 800])).tolist() == [1, 0, np.inf, 0, np.inf]
    assert np.isnan(arithmetic.exp(np.nan))


def test_powers_are_right_and_one_stays_one():
    values = np.random.default_rng(3).uniform(1e-3, 1e3, 5000)
    for exponent in (0.25, 1 / 3, 0.5, -0.5, 2.0):
        assert units(arithmetic.power(values, exponent), np.array([math.pow(v, exponent) for v in values])) <= 20
    assert arithmetic.power(values, 1.0).tolist() == values.tolist()
    assert arithmetic.power(np.ones(3), 0.3).tolist() == [1, 1, 1]
    assert arithmetic.power(np.array([0.0, np.inf]), 0.5).tolist() == [0, np.inf]


def test_what_has_no_logarithm():
    assert arithmetic.log(np.array([0.0, np.inf])).tolist() == [-np.inf, np.inf]
    assert np.isnan(arithmetic.log(np.array([-1.0, np.nan]))).all()


@pytest.mark.parametrize("value", [0.7, 1.9, 3.3e-5])
def test_bits_are_those_of_the_same_steps_in_exact_arithmetic_rounded_each_time(value):
    """The logarithm, one rounding at a time: what any processor must give."""
    share, exponent = math.frexp(value)
    if share < math.sqrt(0.5):
        share, exponent = 2 * share, exponent - 1

    def rounded(fraction):
        return fraction.numerator / fraction.denominator

    def add(a, b):
        return rounded(Fraction(a) + Fraction(b))

    def multiply(a, b):
        return rounded(Fraction(a) * Fraction(b))

    s = rounded(Fraction(add(share, -1.0)) / Fraction(add(share, 1.0)))
    z, total = multiply(s, s), arithmetic._ATANH[0]
    for each in arithmetic._ATANH[1:]:
        total = add(multiply(total, z), each)
    high, low = arithmetic._LN2
    rest = add(multiply(multiply(2.0, s), total), multiply(float(exponent), low))
    assert float(arithmetic.log(value)) == add(multiply(float(exponent), high), rest)
