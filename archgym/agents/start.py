"""How a search begins: designs spread over the space, the same way for every agent that needs a start.

Designs told before the first ask (a warm start) count towards the start.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archgym.errors import MissingExtraError, UnknownNameError
from archgym.space import Designs, Space

METHODS = ("latin", "sobol", "random")


def spread(space: Space, rng: np.random.Generator, count: int, method: str = "latin") -> Designs:
    """``count`` designs spread over ``space``, shape (count, D).

    Args:
        method: ``latin`` (each parameter's levels equally often, McKay 1979), ``sobol`` (scrambled Sobol'
            sequence, needs scipy) or ``random``.

    Raises:
        MissingExtraError: for ``sobol`` without scipy.
        UnknownNameError: for another method.
    """
    if method == "latin":
        return space.from_unit(_latin(rng, count, len(space))) if count else space.sample(rng, 0)
    if method == "random":
        return space.sample(rng, count)
    if method == "sobol":
        return space.from_unit(_sobol(rng, count, len(space))) if count else space.sample(rng, 0)
    raise UnknownNameError("start", method, METHODS)


def _latin(rng: np.random.Generator, count: int, width: int) -> NDArray[np.float64]:
    strata = rng.permuted(np.tile(np.arange(count), (width, 1)), axis=1).T
    return (strata + rng.random((count, width))) / count


def _sobol(rng: np.random.Generator, count: int, width: int) -> NDArray[np.float64]:
    try:
        from scipy.stats import qmc
    except ModuleNotFoundError as error:
        raise MissingExtraError("start 'sobol'", "agents") from error
    engine = qmc.Sobol(width, scramble=True, rng=rng)
    points: NDArray[np.float64] = engine.random_base2(max(1, int(np.ceil(np.log2(max(2, count))))))[:count]
    return points


class Start:
    """Hands out the first designs of a search, fewer if evaluations were told before."""

    def __init__(self, space: Space, rng: np.random.Generator, count: int, method: str) -> None:
        self._space, self._rng, self._count, self._method = space, rng, count, method
        self._waiting: Designs | None = None

    def take(self, count: int, told: int) -> Designs:
        """At most ``count`` of the designs still due, shape (k, D); ``told`` designs are known already."""
        if self._waiting is None:
            self._waiting = spread(self._space, self._rng, max(0, self._count - told), self._method)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken
