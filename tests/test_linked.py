"""Functions that are compiled to be linked only: the same results, errors included, and in a cached kernel too."""

import subprocess
import sys

KERNEL = """
import functools
import sys
import numpy as np
from archgym.simulators.jit import apart, inner, jit


@inner
def doubled(x):
    return 2 * x


@functools.partial(apart, raises=True)
def checked(x):
    if x < 0:
        raise ValueError("below zero")
    return doubled(x) + 1


@inner
def both(x):
    return checked(x) + doubled(x)


@jit
def entry(values):
    total = 0
    for value in values:
        total += both(value)
    return total


found = entry(np.arange(10))
try:
    entry(np.array([1, -1]))
except ValueError as error:
    sys.stdout.write(f"{found} {error} {sum(entry.stats.cache_hits.values())}")
"""


def test_linked_functions_compute_raise_and_are_cached(tmp_path):
    script = tmp_path / "kernel.py"
    script.write_text(KERNEL)
    expected = sum(4 * x + 1 for x in range(10))
    for hits in (0, 1):
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
        assert done.stdout == f"{expected} below zero {hits}"


CALLEE = """
from archgym.simulators.jit import inner


@inner
def step(x):
    return x + {step}
"""

CALLER = """
import sys
from archgym.simulators.jit import jit
from callee import step


@jit
def entry(x):
    return step(x)


sys.stdout.write(f"{entry(1)} {sum(entry.stats.cache_hits.values())}")
"""


def test_a_cached_kernel_is_compiled_anew_when_a_file_it_calls_changes(tmp_path):
    (tmp_path / "caller.py").write_text(CALLER)
    for step, hits in ((1, (0, 1)), (20, (0, 1))):
        (tmp_path / "callee.py").write_text(CALLEE.format(step=step))
        for hit in hits:
            done = subprocess.run(
                [sys.executable, "caller.py"], cwd=tmp_path, capture_output=True, text=True, check=True
            )
            assert done.stdout == f"{1 + step} {hit}"
