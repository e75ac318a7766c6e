"""Which designs are far from a proxy's data: those with a pair of levels that never occurred together in it.

Long ordered parameters are taken in at most eight equal bins, so that neighbours count as met.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ModelFileError
from archgym.space import Designs, Space

BINS = 8


@dataclass(frozen=True)
class Reach:
    """``seen``: bool of shape (pairs,), whether each pair of bins of two parameters occurred."""

    space: Space
    seen: NDArray[np.bool_]

    @cached_property
    def _bins(self) -> NDArray[np.int64]:
        ordered = self.space.ordered
        return np.where(ordered, np.minimum(self.space.sizes, BINS), self.space.sizes)

    def _binned(self, designs: Designs) -> Designs:
        return designs * self._bins // self.space.sizes

    def _places(self, designs: Designs) -> list[NDArray[np.int64]]:
        """For each pair of parameters, where each design's pair of bins is in ``seen``."""
        binned, bins = self._binned(designs), self._bins
        if len(bins) == 1:
            return [binned[:, 0]]
        places, start = [], 0
        for a, b in itertools.combinations(range(len(bins)), 2):
            places.append(start + binned[:, a] * bins[b] + binned[:, b])
            start += int(bins[a] * bins[b])
        return places

    @classmethod
    def of(cls, space: Space, designs: Designs) -> Reach:
        """What the designs, shape (N, D), reach."""
        blank = cls(space, np.zeros(cls.length(space), dtype=bool))
        for place in blank._places(designs):
            blank.seen[place] = True
        return blank

    @staticmethod
    def length(space: Space) -> int:
        """Number of pairs of bins."""
        bins = np.where(space.ordered, np.minimum(space.sizes, BINS), space.sizes)
        return int(bins[0]) if len(bins) == 1 else (int(bins.sum()) ** 2 - int((bins**2).sum())) // 2

    @classmethod
    def from_array(cls, space: Space, packed: NDArray[np.uint8]) -> Reach:
        """From the packed bits that `packed` gives.

        Raises:
            ModelFileError: if they are of another length.
        """
        length = cls.length(space)
        if packed.dtype != np.uint8 or packed.shape != ((length + 7) // 8,):
            raise ModelFileError("the table of pairs of levels seen in training is of another space")
        return cls(space, np.unpackbits(packed, count=length).astype(bool))

    def packed(self) -> NDArray[np.uint8]:
        return np.packbits(self.seen)

    def unseen(self, designs: Designs) -> NDArray[np.int64]:
        """Number of pairs of levels of each design that never occurred together, shape (B,)."""
        count = np.zeros(len(designs), dtype=np.int64)
        for place in self._places(designs):
            count += ~self.seen[place]
        return count
