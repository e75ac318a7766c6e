"""What a proxy has seen, kept as it was: the metric of every canonical form among the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.dataset.coverage import design_hash
from archgym.errors import ModelFileError
from archgym.space import Designs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Memory:
    """Attributes: keys, shape (N,), ascending hashes of canonical designs; values, shape (N,), of the metric or its
    logarithm, as the model has it."""

    keys: NDArray[np.uint64]
    values: Floats

    @classmethod
    def none(cls) -> Memory:
        return cls(np.empty(0, dtype=np.uint64), np.empty(0))

    @classmethod
    def of(cls, designs: Designs, values: Floats) -> Memory:
        """Of canonical designs, shape (N, D); where several rows have one form, their mean."""
        keys, where, counts = np.unique(design_hash(designs), return_inverse=True, return_counts=True)
        first = np.full(len(keys), np.inf)
        np.minimum.at(first, where, values)  # equal values keep their bits; a mean may not
        sums = np.bincount(where, weights=values - first[where], minlength=len(keys))
        return cls(keys, first + sums / counts)

    @classmethod
    def from_arrays(cls, keys: NDArray[Any], values: NDArray[Any]) -> Memory:
        """From saved arrays.

        Raises:
            ModelFileError: if they do not belong together.
        """
        if keys.dtype != np.uint64 or keys.ndim != 1 or values.shape != keys.shape or values.dtype != np.float64:
            raise ModelFileError("remembered designs: the arrays are of the wrong kind")
        if not (keys[1:] > keys[:-1]).all() or not np.isfinite(values).all():
            raise ModelFileError("remembered designs: the keys are not ascending, or a value is not finite")
        return cls(np.ascontiguousarray(keys), np.ascontiguousarray(values))

    def __len__(self) -> int:
        return len(self.keys)

    def recall(self, designs: Designs) -> tuple[NDArray[np.bool_], Floats]:
        """Whether each canonical design is known, and its value (any number if not), each of shape (B,)."""
        if not len(self.keys):
            return np.zeros(len(designs), dtype=bool), np.zeros(len(designs))
        wanted = design_hash(designs)
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return self.keys[place] == wanted, self.values[place]
