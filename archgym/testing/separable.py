"""A problem over any space whose optimum is known: each parameter is off its own target by so many levels.

Used to try agents on spaces of every shape; a stripe of designs is infeasible, never the best one or the default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archgym.metrics import Metric, Metrics
from archgym.objective import Minimise
from archgym.problem import Problem
from archgym.space import Designs, Space, choice, grid, powers, real
from archgym.workload import Workload, content_fingerprint

WORKLOAD = Workload("separable", "targets", content_fingerprint("targets"), None)


@dataclass(frozen=True)
class SeparableSimulator:
    """``cost = 1 + Σ ((level - target) / size)²``, so the target design is best and costs 1."""

    searched: Space
    name: str = "separable"
    version: int = 1

    @property
    def space(self) -> Space:
        return self.searched

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (Metric("cost", "1", "min", "one and the squared distances from the targets"),)

    @property
    def best(self) -> Designs:
        """The design of cost 1, shape (D,)."""
        return (self.space.default + 1 + np.arange(len(self.space))) * 2 // 3 % self.space.sizes

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of designs, shape (B, D)."""
        cost = np.ones(len(designs))
        for column in range(designs.shape[1]):
            off = (designs[:, column] - self.best[column]) / self.space.sizes[column]
            cost = cost + off * off
        number = (designs - self.best).sum(axis=1)
        keep = (designs == self.best).all(axis=1) | (designs == self.space.default).all(axis=1)
        feasible = (number % 7 != 3) | keep
        reasons = tuple("" if ok else "the toy cannot build this one" for ok in feasible)
        return Metrics({"cost": np.where(feasible, cost, np.nan)}, feasible, reasons)


def separable_problem(space: Space) -> Problem:
    """The problem of finding the target design of ``space``."""
    return Problem("SeparableEnv-v0", SeparableSimulator(space), WORKLOAD, "cost", Minimise(("cost",)))


def awkward_spaces() -> tuple[Space, ...]:
    """Spaces that agents stumble over: one parameter, single levels, flags only, many, and very uneven ones."""
    return (
        Space("one parameter", (grid("only", 0, 9),)),
        Space("one design", (choice("fixed", "here"),)),
        Space("single levels", (choice("fixed", "here"), powers("free", 1, 16), grid("also fixed", 3, 3))),
        Space("flags", tuple(choice(f"flag_{n}", False, True) for n in range(6))),
        Space("uneven", (choice("two", "a", "b"), real("hundred", 0.1, 10.0, 100, log=True), choice("three", 1, 2, 3))),
        Space("many", tuple(grid(f"p{n}", 0, n % 7 + 1) if n % 2 else choice(f"p{n}", *"abcd") for n in range(40))),
    )
