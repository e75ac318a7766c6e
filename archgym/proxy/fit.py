"""Fitting and choosing: candidates of each kind, cross-validated on different designs, the best one fitted on all.

Everything that is learnt from data (ranges, feature scales, calibration) is learnt inside the fold.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError, MissingExtraError, UnknownNameError
from archgym.proxy.features import FeatureMap
from archgym.proxy.gaussian_fit import check_levels, fit_gaussian
from archgym.proxy.linear import StackedModel, fit_linear, linear_values
from archgym.proxy.memory import Memory
from archgym.proxy.networks import fit_networks
from archgym.proxy.samples import folds_of
from archgym.proxy.structure import Structure
from archgym.proxy.target import BoundTarget, Model, Raw, TargetModel
from archgym.proxy.trees import TreeModel, from_boosters, from_forest
from archgym.space import Designs, Space

Floats = NDArray[np.float64]
#: a positive target that spans more than this ratio is learnt as its logarithm
SPAN = 2.0
KINDS = ("ridge", "forest", "boosting", "stacked", "gaussian", "networks")
AUTO = KINDS[:-1]
#: their first member learns from all rows, and is the prediction
LEADING = ("boosting", "stacked", "gaussian")


@dataclass(frozen=True)
class Table:
    """What a fit sees of N rows.

    Attributes:
        space: of the designs.
        designs: level numbers, shape (N, D).
        raw: raw workload features, shape (N, len(names)).
        names: of the workload features.
        target: shape (N,).
    """

    space: Space
    designs: Designs
    raw: Floats
    names: tuple[str, ...]
    target: Floats

    def take(self, chosen: NDArray[Any]) -> Table:
        return dataclasses.replace(self, designs=self.designs[chosen], raw=self.raw[chosen], target=self.target[chosen])

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Candidate:
    """A kind of model with its hyperparameters."""

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(f'{key}={value}' for key, value in self.settings.items())})"


def candidates(kinds: Sequence[str], space: Space, rows: int) -> list[Candidate]:
    """What is tried for ``rows`` training rows; Gaussian processes only if no parameter has too many levels for them.

    Raises:
        UnknownNameError: for an unknown kind.
        ConfigError: if Gaussian processes alone are asked for, and a parameter has too many levels.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownNameError("model", kind, (*KINDS, "auto", "all"))
    if "gaussian" in kinds:
        try:
            check_levels(space)
        except ConfigError:
            kinds = [kind for kind in kinds if kind != "gaussian"]
            if not kinds:
                raise
    leaf = 1 if rows < 20_000 else 5
    every = [
        *(Candidate("ridge", {"alpha": alpha}) for alpha in (0.01, 1.0)),
        Candidate("forest", {"trees": 200, "share": 1.0, "leaf": 1}),
        Candidate("boosting", {"leaves": 31, "rate": 0.1, "rounds": 300, "leaf": leaf}),
        Candidate("boosting", {"leaves": 256, "rate": 0.1, "rounds": 100, "leaf": leaf}),
        Candidate("stacked", {"alpha": 1.0, "leaves": 8, "rate": 0.1, "rounds": 400, "leaf": leaf}),
        Candidate("stacked", {"alpha": 1.0, "leaves": 31, "rate": 0.1, "rounds": 300, "leaf": leaf}),
        Candidate("gaussian"),
        Candidate("networks", {"hidden": 64, "steps": 4000}),
    ]
    return [candidate for candidate in every if candidate.kind in kinds]


def fit_model(candidate: Candidate, table: Table, features: FeatureMap, seed: int, members: int) -> Model:
    """One model of ``table.target`` on all rows; the same arguments give the same model.

    Raises:
        MissingExtraError: if scikit-learn (or PyTorch, for networks) is not installed.
    """
    s = candidate.settings
    columns, workload = features.integers(table.designs), features.scaled(table.raw, table.names)
    if candidate.kind == "networks":
        return fit_networks(columns, workload, features.scale, table.target, seed, members=max(2, members),
                            hidden=s["hidden"], steps=s["steps"])  # fmt: skip
    learn = _sklearn()
    with one_thread():
        if candidate.kind == "ridge":
            return fit_linear(table.designs, workload, table.target, features.space, s["alpha"])
        if candidate.kind == "gaussian":
            return fit_gaussian(table.designs, workload, table.target, features.space, seed, members)
        inputs = np.concatenate([columns, workload], axis=1).astype(np.float64)
        if candidate.kind == "forest":
            forest = learn.RandomForestRegressor(
                s["trees"], max_features=s["share"], min_samples_leaf=s["leaf"], random_state=seed, n_jobs=1
            )
            return from_forest(forest.fit(inputs, table.target), groups=20)
        if candidate.kind == "boosting":
            return _fit_boosting(learn, s, inputs, table.target, seed, members)
        # The trees learn what a linear model leaves of rows it has not seen: of its own rows it leaves too little.
        left = np.empty(len(table))
        fold = folds_of(table.designs, 5)
        for held in range(5):
            rows, rest = fold == held, fold != held
            part = fit_linear(table.designs[rest], workload[rest], table.target[rest], features.space, s["alpha"])
            left[rows] = table.target[rows] - linear_values(part, table.designs[rows], workload[rows], features.space)
        linear = fit_linear(table.designs, workload, table.target, features.space, s["alpha"])
        return StackedModel(linear, _fit_boosting(learn, s, inputs, left, seed, members))


def _fit_boosting(
    learn: Any, s: Mapping[str, Any], inputs: Floats, target: Floats, seed: int, members: int
) -> TreeModel:
    """The first member learns from all rows; the others each leave out a different tenth of them."""
    rng = np.random.default_rng(seed)
    boosters = []
    for member in range(members):
        rows = rng.permutation(len(target))[: int(np.ceil(0.9 * len(target)))] if member else np.arange(len(target))
        booster = learn.HistGradientBoostingRegressor(
            learning_rate=s["rate"], max_iter=s["rounds"], max_leaf_nodes=s["leaves"], min_samples_leaf=s["leaf"],
            early_stopping=False, random_state=seed * 1000 + member,
        )  # fmt: skip
        boosters.append(booster.fit(inputs[rows], target[rows]))
    return from_boosters(boosters)


def _sklearn() -> Any:
    try:
        return importlib.import_module("sklearn.ensemble")
    except ModuleNotFoundError as error:
        raise MissingExtraError("training a proxy", "proxy") from error


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra and OpenMP on one thread, so that sums do not depend on the number of cores."""
    limits = importlib.import_module("threadpoolctl").threadpool_limits
    with limits(limits=1):
        yield


def wants_logarithm(target: Floats) -> bool:
    """Whether a target is positive and spans more than a factor of `SPAN`."""
    return bool(len(target) and target.min() > 0 and target.max() > SPAN * target.min())


def fit_target(candidate: Candidate, table: Table, seed: int, members: int, logarithm: bool) -> TargetModel:
    """A model of the metric in ``table.target``; rules, feature scales and memory are learnt from the same rows."""
    values = np.log(table.target) if logarithm else table.target
    works, group = np.unique(table.raw, axis=0, return_inverse=True)
    structure = Structure.learn(table.space, table.designs, table.target, group.ravel())
    forms = structure.canonical(table.designs)
    features = FeatureMap.of(table.space, table.names, table.raw)
    model = fit_model(candidate, dataclasses.replace(table, designs=forms, target=values), features, seed, members)
    memory = Memory.of(forms, values) if len(works) == 1 else Memory.none()
    lead = candidate.kind in LEADING
    return TargetModel(model, features, structure, memory, logarithm, float(values.min()), float(values.max()), lead)


def predict(model: TargetModel, table: Table) -> Floats:
    """The metric of every row of ``table``, workload by workload, shape (N,)."""
    value = np.empty(len(table))
    for mine, bound in _by_workload(model, table):
        value[mine] = bound(table.designs[mine]).value
    return value


def predict_raw(model: TargetModel, table: Table) -> Raw:
    """The same in the model's terms."""
    whole = Raw(np.empty(len(table)), np.empty(len(table)), np.empty(len(table), dtype=bool))
    for mine, bound in _by_workload(model, table):
        found = bound.raw(table.designs[mine])
        whole.value[mine], whole.spread[mine], whole.known[mine] = found.value, found.spread, found.known
    return whole


def _by_workload(model: TargetModel, table: Table) -> Iterator[tuple[NDArray[np.bool_], BoundTarget]]:
    kinds, which = np.unique(model.features.scaled(table.raw, table.names), axis=0, return_inverse=True)
    for number, workload in enumerate(kinds):
        yield which.ravel() == number, model.bind(workload)


def relative_rmse(predicted: Floats, true: Floats) -> float:
    """Root mean square error over the mean of the true values' magnitude."""
    return float(np.sqrt(np.mean((predicted - true) ** 2)) / np.mean(np.abs(true)))


@dataclass(frozen=True)
class Choice:
    """The outcome of cross-validation: the best candidate and every candidate's mean error over the folds."""

    best: Candidate
    scores: tuple[tuple[str, float], ...]


def choose(options: Sequence[Candidate], table: Table, fold: NDArray[np.int64], seed: int, logarithm: bool) -> Choice:
    """Cross-validate every candidate; the one with the least relative error is best (the first of equals)."""
    scores = []
    for candidate in options:
        errors = []
        for held in np.unique(fold).tolist():
            model = fit_target(candidate, table.take(fold != held), seed, 1, logarithm)
            test = table.take(fold == held)
            errors.append(relative_rmse(predict(model, test), test.target))
        scores.append(float(np.mean(errors)))
    best = int(np.argmin(scores))
    told = tuple((str(candidate), score) for candidate, score in zip(options, scores, strict=True))
    return Choice(options[best], told)


def calibrate(
    candidate: Candidate, table: Table, fold: NDArray[np.int64], seed: int, members: int, logarithm: bool
) -> tuple[float, float, float]:
    """Floor and factor under which the folds' held-out errors are likeliest, and the deviation of what is remembered.

    If m remembered rows had no error, up to 3 / m of all might have one yet (with 95 % confidence); their deviation is
    that of so many errors among new forms.
    """
    errors, spreads, known = [], [], []
    for held in np.unique(fold).tolist():
        model = fit_target(candidate, table.take(fold != held), seed, members, logarithm)
        test = table.take(fold == held)
        found = predict_raw(model, test)
        errors.append(found.value - (np.log(test.target) if logarithm else test.target))
        spreads.append(found.spread)
        known.append(found.known)
    error, spread, seen = np.concatenate(errors), np.concatenate(spreads), np.concatenate(known)
    floor, factor = likeliest_deviation(error[~seen], spread[~seen]) if not seen.all() else (0.0, 1.0)
    if not seen.any():
        return floor, factor, floor
    unseen = float(np.sqrt(np.mean(error[~seen] ** 2))) if not seen.all() else 0.0
    measured = float(np.sqrt(np.mean(error[seen] ** 2)))
    return floor, factor, max(measured, unseen * float(np.sqrt(min(1.0, 3.0 / seen.sum()))))


def likeliest_deviation(errors: Floats, spreads: Floats) -> tuple[float, float]:
    """Floor and factor that maximise the Gaussian likelihood of ``errors``, on a grid around their root mean squares."""
    scale = float(np.sqrt(np.mean(errors**2)))
    if scale == 0.0:
        return 0.0, 1.0
    mean_spread = float(np.sqrt(np.mean(spreads**2)))
    factors = np.concatenate([[0.0], np.geomspace(0.05, 20.0, 40)]) * (scale / mean_spread if mean_spread > 0 else 0.0)
    best = (np.inf, scale, 0.0)
    for floor in np.geomspace(0.01, 1.5, 25) * scale:
        for factor in factors:
            variance = floor**2 + (factor * spreads) ** 2
            cost = float(np.mean(np.log(variance) + errors**2 / variance))
            if cost < best[0]:
                best = (cost, float(floor), float(factor))
    return best[1], best[2]
