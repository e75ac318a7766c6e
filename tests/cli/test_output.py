"""How numbers are shown to people."""

import math

import pytest

from archgym.cli.output import quantity


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (5.0731e-8, "s", "50.73 ns"),
        (1e-6, "s", "1 µs"),
        (999.9e-9, "s", "999.9 ns"),
        (1000e-9, "J", "1 µJ"),
        (1.123e8, "B/s", "112.3 MB/s"),
        (0.5748, "W", "574.8 mW"),
        (1.0, "W", "1 W"),
        (3e-20, "J", "3e-05 fJ"),
        (5e16, "B/s", "5e+04 TB/s"),
        (0.0, "s", "0"),
        (math.nan, "J", "nan"),
        (0.9921, "1", "0.9921"),
        (1.25e-6, "m2", "1.25e-06"),
    ],
)
def test_units_get_the_prefix_that_leaves_up_to_three_digits(value, unit, text):
    assert quantity(value, unit) == text
