"""What a coordination graph is known to be worth: a Bayesian model of the agents' utilities and the pairs' payoffs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archgym.agents import payoffs
from archgym.agents.gaussian import JITTER, backward, forward
from archgym.agents.surrogate import climb_evidence
from archgym.space import Designs, Space

Floats = NDArray[np.float64]

EDGES = ("all", "group", "none")


class TeamModel:
    """Normal beliefs about utilities and payoffs, given at most ``capacity`` joint choices and their rewards.

    Args:
        edges: which agents form pairs: ``all``, those of one subsystem (``group``), or ``none``.
        smoothness: how fast the likeness of an ordered parameter's levels decays over its range.
    """

    def __init__(self, space: Space, capacity: int, edges: str, smoothness: float) -> None:
        self.sizes = np.asarray(space.sizes, dtype=np.int64)
        self.capacity, self._width, self._levels = capacity, len(space), int(self.sizes.sum())
        self.offsets = (np.cumsum(self.sizes) - self.sizes).astype(np.int64)
        self.owner = np.repeat(np.arange(self._width), self.sizes)
        self._mixed = np.asarray(space.ordered, dtype=np.bool_) & (self.sizes > 1)
        self._paired = edges != "none"
        self._hoods = np.zeros(self._width, dtype=np.int64)
        if edges == "group":
            for number, names in enumerate(space.groups().values()):
                self._hoods[[space.names.index(name) for name in names]] = number
        elif edges == "none":
            self._hoods = np.arange(self._width)
        hoods = self._hoods[self.owner]
        self._pairs = (hoods[:, None] == hoods) & (self.owner[:, None] != self.owner)
        self._likeness, self._roots = self._tables(smoothness)
        self._mean = np.concatenate([np.full(self._width, -np.log(self._width)), [0.0, np.log(1e-2)]])
        self._spread = np.concatenate([np.full(self._width, 1.2), [1.5, 2.0]])
        self._places = np.empty((self._width, capacity), dtype=np.int64)
        self._factor, self._row = np.zeros((capacity, capacity)), np.empty(capacity)
        self._outputs = np.empty(0)
        self.count = 0
        self.parameters = self._mean.copy()

    def _tables(self, smoothness: float) -> tuple[Floats, Floats]:
        """Likeness of levels and its Cholesky factors, shape (M, largest size) each."""
        likeness = np.zeros((self._levels, int(self.sizes.max())))
        roots = np.zeros_like(likeness)
        for first, size, mixed in zip(self.offsets, self.sizes, self._mixed, strict=True):
            levels = np.arange(size)
            apart = np.abs(levels[:, None] - levels) / max(1, size - 1)
            table = np.exp(-smoothness * apart) if mixed else np.eye(size)
            likeness[first : first + size, :size] = table
            roots[first : first + size, :size] = np.linalg.cholesky(table + 1e-9 * np.eye(size))
        return likeness, roots

    @property
    def parameters(self) -> Floats:
        """Log weights of the agents, log ratio of pairs to agents and log noise, shape (D + 2,); setting forgets all points."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: Floats) -> None:
        self._parameters, self.count = values, 0
        self._weights = np.exp(values[: self._width])
        self._ratio = float(np.exp(values[self._width])) if self._paired else 0.0
        self._noise = float(np.exp(values[self._width + 1])) + JITTER

    def fit(self, designs: Designs, outputs: Floats, iterations: int) -> Floats:
        """Fit the hyperparameters by ``iterations`` steps; the leave-one-out means. Forgets all points."""
        places = np.ascontiguousarray((designs + self.offsets).T)

        def evidence(parameters: Floats) -> tuple[float, Floats, Floats]:
            return payoffs.evidence(
                parameters, places, outputs, self._likeness, self.offsets, self._hoods, self._paired, self._mean,
                self._spread,
            )  # fmt: skip

        self.parameters, left_out = climb_evidence(evidence, self._parameters, self._mean, self._spread, iterations)
        return left_out

    def add(self, designs: Designs) -> None:
        """Take further points, whose outputs `learn` will be given."""
        for design in designs:
            payoffs.append(
                design + self.offsets, self._places, self.count, self._weights, self._ratio, self._noise, self._likeness,
                self.offsets, self._hoods, self._factor, self._row,
            )  # fmt: skip
            self.count += 1

    def drop(self, count: int) -> None:
        """Forget all points beyond the first ``count``."""
        self.count = count

    def learn(self, outputs: Floats) -> None:
        """Set the outputs of the points held, shape (count,)."""
        self._outputs = np.array(outputs, dtype=np.float64)

    def expected(self) -> tuple[Floats, Floats]:
        """Expected utilities (M,) and payoffs (M, M)."""
        return self._posterior(self._outputs)

    def draw(self, rng: np.random.Generator, width: float) -> tuple[Floats, Floats]:
        """Utilities and payoffs drawn from what is believed, their distance from the expected times ``width``.

        A draw from the prior is corrected by what it gets wrong at the points (Matheron's rule).
        """
        utilities = rng.standard_normal(self._levels)
        shape = (self._levels, self._levels)
        pairs = rng.standard_normal(shape) if self._paired else np.zeros(shape)
        scales = np.sqrt(self._weights)
        self._spread_along(utilities, pairs, scales, float(np.sqrt(self._ratio)), self._roots)
        pairs *= self._pairs
        held = np.ascontiguousarray(self._places[:, : self.count].T)
        noise = np.sqrt(self._noise) * rng.standard_normal(self.count)
        mistaken = payoffs.worth(held, utilities, pairs) + noise
        more = self._posterior(self._outputs - width * mistaken)
        return width * utilities + more[0], width * pairs + more[1]

    def _posterior(self, outputs: Floats) -> tuple[Floats, Floats]:
        pulls = outputs.copy()
        forward(self._factor, self.count, pulls)
        backward(self._factor, self.count, pulls)
        utilities, pairs = payoffs.gathered(self._places, pulls, self._hoods, self._levels)
        self._spread_along(utilities, pairs, self._weights, self._ratio, self._likeness)
        return utilities, pairs

    def _spread_along(self, utilities: Floats, pairs: Floats, scales: Floats, ratio: float, tables: Floats) -> None:
        payoffs.spread_along(
            utilities, pairs, scales, ratio, tables, self._mixed, self.sizes, self.offsets, self._hoods
        )
