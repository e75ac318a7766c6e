"""Seeded patterns of addresses, directions and arrival times, as whole arrays.

Equal settings give equal bits on every machine: only raw draws of PCG64 and exact float operations are used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Value = int | float | str
Knobs = Mapping[str, Value]
Integers = NDArray[np.int64]


class Draws:
    """Random numbers of one purpose: equal seed and purpose, equal numbers on every machine and numpy version.

    Purposes have streams of their own, so that asking for more writes leaves the addresses as they were.
    """

    def __init__(self, seed: int, purpose: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, purpose]))

    def uniform(self, count: int) -> NDArray[np.float64]:
        """(count,) numbers in [0, 1), multiples of 2^-53."""
        raw = np.asarray(self._bits.random_raw(count), np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, count: int, bound: int) -> Integers:
        """(count,) integers in [0, bound), bound at most 2^53."""
        return (self.uniform(count) * bound).astype(np.int64)

    def gaps(self, count: int, mean: int, arrival: str) -> Integers:
        """(count,) whole numbers with the given mean, at least 0."""
        if arrival == "fixed" or mean == 0:
            return np.full(count, mean, np.int64)
        if arrival == "uniform":
            return self.below(count, 2 * mean + 1)
        # Geometric, coarse part by table, fine part uniform: the quotient and (nearly) the remainder of a
        # geometric number by a small step are independent, so no logarithm is needed.
        step = max(1, mean // 64)
        coarse = (mean - (step - 1) / 2) / step
        stay = coarse / (1 + coarse)
        tail = np.cumprod(np.full(math.ceil(40 * (1 + coarse)), stay))
        quotient = np.searchsorted(1 - tail, self.uniform(count), side="right")
        return quotient.astype(np.int64) * step + self.below(count, step)


def _held(values: Integers, renew: NDArray[np.bool_]) -> Integers:
    """(N,) ``values`` where ``renew``, else the last renewed value; the first is always renewed."""
    position = np.where(renew, np.arange(renew.size), 0)
    return values[np.maximum.accumulate(position)]


def _lines(knobs: Knobs) -> int:
    return int(knobs["span"]) // int(knobs["line"])


def sequential(draws: Draws, count: int, knobs: Knobs) -> Integers:
    """Consecutive lines, from the first again after the last."""
    return np.arange(count, dtype=np.int64) % _lines(knobs)


def random(draws: Draws, count: int, knobs: Knobs) -> Integers:
    """Lines uniform over the range."""
    return draws.below(count, _lines(knobs))


def strided(draws: Draws, count: int, knobs: Knobs) -> Integers:
    """Sweeps over the range in steps of ``stride``; each sweep starts one line after the one before."""
    step = int(knobs["stride"]) // int(knobs["line"])
    lines = _lines(knobs)
    per_sweep = max(1, lines // step)
    number = np.arange(count, dtype=np.int64)
    return ((number % per_sweep) * step + number // per_sweep) % lines


def bursty(draws: Draws, count: int, knobs: Knobs) -> Integers:
    """Bursts of consecutive lines from a uniform first line."""
    burst = int(knobs["burst"])
    number = np.arange(count, dtype=np.int64)
    first = draws.below(math.ceil(count / burst), _lines(knobs))
    return (first[number // burst] + number % burst) % _lines(knobs)


def streams(draws: Draws, count: int, knobs: Knobs) -> Integers:
    """Sequential streams in turn, each in its own part of the range, from a uniform first line of it."""
    streams, lines = int(knobs["streams"]), _lines(knobs)
    region = max(1, lines // streams)
    number = np.arange(count, dtype=np.int64)
    offset = draws.below(streams, region)
    stream = number % streams
    return (stream * region + (offset[stream] + number // streams) % region) % lines


def _page_lines(knobs: Knobs) -> tuple[int, int]:
    """Lines in a page, pages in the range."""
    per_page = max(1, int(knobs["page"]) // int(knobs["line"]))
    return per_page, max(1, _lines(knobs) // per_page)


def local(draws: Draws, count: int, knobs: Knobs) -> Integers:
    """Uniform lines of a page that is kept with probability ``locality``, else drawn anew."""
    per_page, pages = _page_lines(knobs)
    renew = draws.uniform(count) >= float(knobs["locality"])
    page = _held(draws.below(count, pages), renew)
    return (page * per_page + draws.below(count, per_page)) % _lines(knobs)


def hotspot(draws: Draws, count: int, knobs: Knobs) -> Integers:
    """Uniform lines of one of ``hot_pages`` pages with probability ``hot_share``, else of any page."""
    per_page, pages = _page_lines(knobs)
    hot = draws.below(int(knobs["hot_pages"]), pages)
    chosen = hot[draws.below(count, hot.size)]
    cold = draws.below(count, pages)
    page = np.where(draws.uniform(count) < float(knobs["hot_share"]), chosen, cold)
    return (page * per_page + draws.below(count, per_page)) % _lines(knobs)


def times(draws: Draws, count: int, knobs: Knobs) -> Integers:
    """(count,) cycles, the first 0."""
    arrival = str(knobs["arrival"])
    gaps = draws.gaps(count, int(knobs["interval"]), arrival)
    begins_burst = np.arange(count) % int(knobs["burst"]) == 0
    gaps[begins_burst] += draws.gaps(int(begins_burst.sum()), int(knobs["idle"]), arrival)
    gaps[0] = 0
    return np.cumsum(gaps)


def directions(draws: Draws, count: int, knobs: Knobs) -> NDArray[np.bool_]:
    """(count,) True for a write."""
    fresh = (draws.uniform(count) < float(knobs["write_fraction"])).astype(np.int64)
    renew = draws.uniform(count) >= float(knobs["write_persistence"])
    return _held(fresh, renew).astype(np.bool_)
