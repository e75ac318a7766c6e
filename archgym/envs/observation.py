"""What environments show: numbers in [0, 1] made from an evaluation, a workload and the choices so far.

Every number is a function of its own row and of constants of the problem, never of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError
from archgym.metrics import Metrics
from archgym.objective import ObjectiveRecipe
from archgym.problem import Evaluation, Problem
from archgym.registry import make_problem
from archgym.simulators.base import Simulator
from archgym.space import Designs, Level, Space
from archgym.workload import Workload

Floats = NDArray[np.float64]
Observation = NDArray[np.float32]

NOT_CHOSEN = -1


def as_problem(
    problem: Problem | str,
    workload: str | Workload | None = None,
    objective: str | ObjectiveRecipe | None = None,
    simulator: Simulator | None = None,
    options: Mapping[str, Any] | None = None,
) -> Problem:
    """The problem an environment is made for, given as an object or by its id and settings.

    Raises:
        ConfigError: if settings come with a finished `Problem`, or are not known to the family.
        UnknownNameError, WorkloadError: for names and files that do not exist.
    """
    if isinstance(problem, str):
        return make_problem(problem, workload, objective, simulator, **(options or {}))
    given = {"workload": workload, "objective": objective, "simulator": simulator, **(options or {})}
    extra = [name for name, value in given.items() if value is not None]
    if extra:
        raise ConfigError(
            f"{', '.join(extra)}: not allowed beside a Problem, which has them already; pass its id instead"
        )
    return problem


def check_horizon(horizon: int) -> int:
    """``horizon`` as a positive whole number.

    Raises:
        ConfigError: otherwise.
    """
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or horizon < 1:
        raise ConfigError(f"horizon: {horizon!r} is not allowed; allowed: whole numbers from 1 (designs in an episode)")
    return int(horizon)


@dataclass(frozen=True)
class Observer:
    """Turns evaluations of one problem into observations.

    A metric is shown relative to the default design's: ``x / (x + reference)``, so 1/2 is "as good as the default"
    and ratios spread evenly. Where the default's value is not positive, the distance from it is squashed instead,
    with 1/2 again at the default. NaN (infeasible, or not modelled) is shown as 0.
    """

    problem: Problem
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(metric.name for metric in self.problem.metrics))

    @cached_property
    def reference(self) -> Floats:
        """The default design's metrics, shape (M,); 0 where not modelled."""
        return np.nan_to_num(np.array([self.problem.reference[name] for name in self.names], dtype=np.float64))

    @cached_property
    def features(self) -> Floats:
        """The workload's features by order of magnitude, shape (F,): ``(1 ± l / (1 + l)) / 2``, ``l = log(1 + |x|)``."""
        values = np.array(list(self.problem.workload.features.values()), dtype=np.float64)
        size = np.log1p(np.abs(values))
        return 0.5 + 0.5 * np.sign(values) * size / (1.0 + size)

    @cached_property
    def default(self) -> Evaluation:
        """The evaluation of the default design: what an episode starts from."""
        columns = {name: np.array([value]) for name, value in self.problem.reference.items()}
        metrics = Metrics(columns, np.ones(1, dtype=bool), ("",))
        return self.problem.score(self.problem.space.default[None].copy(), metrics)

    @property
    def size(self) -> int:
        """Length of `rows`: one a metric, the feasible flag, one a workload feature, the fraction of the episode."""
        return len(self.names) + 1 + len(self.features) + 1

    def relative(self, metrics: Metrics) -> Floats:
        """Metrics relative to the default design, shape (B, M), in [0, 1]."""
        values = np.stack([metrics[name] for name in self.names], axis=1)
        reference = self.reference
        positive = np.maximum(values, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = positive / (positive + reference)
            distance = values - reference
            signed = 0.5 + 0.5 * distance / (np.abs(distance) + np.where(reference == 0, 1.0, np.abs(reference)))
        shown = np.where(reference > 0, ratio, signed)
        return np.where(np.isfinite(values), shown, 0.0)

    def rows(self, metrics: Metrics, fraction: Floats | float) -> Observation:
        """Observations of B evaluated designs, shape (B, size); ``fraction`` is how much of the episode is over."""
        shown = np.empty((len(metrics), self.size), dtype=np.float32)
        count = len(self.names)
        shown[:, :count] = self.relative(metrics)
        shown[:, count] = metrics.feasible
        shown[:, count + 1 : -1] = self.features
        shown[:, -1] = np.minimum(fraction, 1.0)
        return shown

    def row(self, metrics: Metrics, fraction: float) -> Observation:
        """The observation of one evaluated design, shape (size,)."""
        shown: Observation = self.rows(metrics, fraction)[0]
        return shown

    def info(self, evaluation: Evaluation, row: int = 0) -> dict[str, Any]:
        """One evaluated design in words and numbers.

        ``metrics`` holds those that have a value: none if the design is infeasible.
        """
        values = {name: value for name, value in evaluation.metrics.row(row).items() if np.isfinite(value)}
        return {
            "metrics": values,
            "design": self.problem.space.row(evaluation.designs[row]),
            "feasible": bool(evaluation.metrics.feasible[row]),
            "reason": evaluation.metrics.reasons[row],
        }


@dataclass(frozen=True)
class ChoiceEncoder:
    """Choices as numbers in [0, 1]: an ordered parameter is one number, a choice among alternatives is one-hot.

    A parameter that is `NOT_CHOSEN` yet is all zeros; level k of n ordered ones is (k + 1) / n.
    """

    space: Space

    @cached_property
    def widths(self) -> NDArray[np.int64]:
        """How many numbers each parameter takes, shape (D,)."""
        return np.where(self.space.ordered, 1, self.space.sizes)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each parameter's numbers begin, shape (D,)."""
        starts: NDArray[np.int64] = np.cumsum(self.widths) - self.widths
        return starts

    @property
    def size(self) -> int:
        return int(self.widths.sum())

    def __call__(self, designs: Designs) -> Observation:
        """Designs, shape (B, D), possibly with `NOT_CHOSEN`, as shape (B, size)."""
        encoded = np.zeros((len(designs), self.size), dtype=np.float32)
        ordered = self.space.ordered
        encoded[:, self.starts[ordered]] = (designs[:, ordered] + 1) / self.space.sizes[ordered]
        row, column = np.nonzero((designs != NOT_CHOSEN) & ~ordered)
        encoded[row, self.starts[column] + designs[row, column]] = 1.0
        return encoded


def level_table(levels: tuple[Level, ...]) -> NDArray[Any]:
    """The values of a parameter's levels as an array that level numbers index: of one type, or of objects."""
    if len({type(level) for level in levels}) == 1 and not isinstance(levels[0], str):
        return np.array(levels)
    table = np.empty(len(levels), dtype=object)
    table[:] = levels
    return table
