"""Active learning: simulate next what the proxy is least sure of, among many designs that could be next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.dataset.coverage import design_hash
from archgym.dataset.logs import describe
from archgym.dataset.manifest import Manifest
from archgym.errors import ConfigError, UnknownNameError
from archgym.problem import Problem
from archgym.proxy.batch import Doubt, covariance_given, most_doubtful
from archgym.proxy.fit import Candidate
from archgym.proxy.gaussian import GaussianModel
from archgym.proxy.samples import Samples, held_out
from archgym.proxy.simulator import FEASIBLE, Proxy
from archgym.proxy.target import TargetModel
from archgym.proxy.train import train_on
from archgym.space import Designs, Space

#: what decides the next designs; ``random`` is the baseline
RULES = ("uncertainty", "random")
#: designs among which a Gaussian process chooses, at most: it compares every two
MOST_COMPARED = 2500


@dataclass(frozen=True)
class Round:
    """After ``rows`` simulations: the proxy trained on them, and its error on the judging designs, by metric."""

    rows: int
    proxy: Proxy
    errors: dict[str, float]


def active_learning(
    problem: Problem,
    targets: Sequence[str],
    candidate: Candidate,
    start: int = 200,
    batch: int = 100,
    budget: int = 1000,
    rule: str = "uncertainty",
    pool: int = 4000,
    seed: int = 0,
    members: int = 5,
    judge: Callable[[Proxy], dict[str, float]] | None = None,
) -> list[Round]:
    """Learn a proxy of a problem's simulator within a budget of simulations.

    Each round trains ``candidate`` on all rows so far, draws ``pool`` designs that are new and not held out, and
    simulates ``batch`` of them. With ``random`` these are any. With ``uncertainty`` a Gaussian process asks for the designs
    of most variance given each other (`archgym.proxy.batch`); other kinds draw with a probability that grows with the
    predicted deviation, so that a batch is spread out. Deviations are relative to the metric's mean, and add up over the
    targets. Designs that behave like a simulated one, or like another of the batch, teach nothing and are taken last.
    The last round's proxy is calibrated.

    Args:
        judge: called with each round's proxy; its answer is kept as the round's errors.

    Raises:
        ConfigError, UnknownNameError: for settings that are not allowed.
    """
    if rule not in RULES:
        raise UnknownNameError("rule", rule, RULES)
    if not 20 <= start <= budget or batch < 1:
        raise ConfigError(f"start={start}, batch={batch}, budget={budget}: needs 20 <= start <= budget and batch >= 1")
    rng = np.random.default_rng([seed, 17])
    manifest = problem_manifest(problem)
    known: set[int] = set()
    rows = simulate(problem, targets, _fresh(problem, rng, start, known))
    rounds: list[Round] = []
    choices = dict.fromkeys(targets, candidate)
    while True:
        left = budget - len(rows)
        proxy = train_on(
            rows, manifest, targets, seed=seed, members=members, choices=choices, calibrated=left <= 0
        )  # fmt: skip
        rounds.append(Round(len(rows), proxy, judge(proxy) if judge else {}))
        if left <= 0:
            return rounds
        count = min(batch, left)
        if rule == "random":
            chosen = _fresh(problem, rng, count, known)
        else:
            offered = _fresh(problem, rng, pool, set(known))
            chosen = offered[_doubtful(proxy, problem, offered, count, rng)]
            known.update(design_hash(chosen).tolist())
        more = simulate(problem, targets, chosen)
        rows = Samples(*(np.concatenate([getattr(rows, name), getattr(more, name)])
                         for name in ("designs", "workload", "targets", "feasible")))  # fmt: skip


def _doubtful(
    proxy: Proxy, problem: Problem, offered: Designs, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Numbers of the designs to simulate next, without repetition."""
    found = proxy(offered, problem.workload)
    models = {part.quantity: part.model for part in proxy.parts
              if part.quantity != FEASIBLE and part.workload == problem.workload.fingerprint}  # fmt: skip
    forms = {name: model.structure.canonical(offered) for name, model in models.items()}
    _, first = np.unique(np.concatenate(list(forms.values()), axis=1), axis=0, return_index=True)
    worth = np.zeros(len(offered), dtype=bool)
    worth[first] = True
    worth &= ~np.all([found.extras[f"known.{name}"] for name in models], axis=0)
    asked = np.flatnonzero(worth)
    if all(isinstance(model.model, GaussianModel) for model in models.values()):
        asked = asked[found.feasible[asked]][:MOST_COMPARED]
        doubts = [
            _doubt(model, problem.space, forms[name][asked], found[name][asked]) for name, model in models.items()
        ]
        order = asked[most_doubtful(doubts, min(count, len(asked)))]
    else:
        doubt = np.zeros(len(offered))
        for name in models:
            doubt += np.where(found.feasible, found.extras[f"deviation.{name}"] / np.nanmean(np.abs(found[name])), 0.0)
        # Drawing by Gumbel noise on the logarithm gives a spread-out batch; squaring favours the least sure.
        score = 2.0 * np.log(np.maximum(doubt[asked], 1e-300)) + rng.gumbel(size=len(asked))
        order = asked[np.argsort(-score, kind="stable")]
    rest = np.setdiff1d(np.arange(len(offered)), order)
    return np.concatenate([order, rest[np.argsort(~worth[rest], kind="stable")]])[:count]


def _doubt(model: TargetModel, space: Space, forms: Designs, values: NDArray[np.float64]) -> Doubt:
    """Of one metric, relative to the mean of its predicted ``values``."""
    assert isinstance(model.model, GaussianModel)
    unit = float(np.std(model.memory.values)) / float(np.mean(np.abs(values)) if len(values) else 1.0)
    weight = (unit * (values if model.logarithm else np.ones(len(values)))) ** 2
    return Doubt(covariance_given(model.model, space, forms), weight)


def _fresh(problem: Problem, rng: np.random.Generator, count: int, known: set[int]) -> Designs:
    """Different designs that are neither held out nor known; adds them to ``known``."""
    found: list[Any] = []
    for _ in range(200):
        drawn = problem.space.sample(rng, 2 * count)
        drawn = drawn[~held_out(drawn)]
        for design, key in zip(drawn, design_hash(drawn).tolist(), strict=True):
            if key not in known and len(found) < count:
                known.add(key)
                found.append(design)
        if len(found) == count:
            break
    if not found:
        raise ConfigError(f"space {problem.space.name!r} has no design left to simulate")
    return np.array(found, dtype=np.int64)


def simulate(problem: Problem, targets: Sequence[str], designs: Designs) -> Samples:
    """Training rows of designs simulated now, on workload number 0."""
    found = problem.simulator(designs, problem.workload)
    values = np.stack([found[name] for name in targets], axis=1)
    return Samples(designs, np.zeros(len(designs), dtype=np.int64), values, np.array(found.feasible))


def problem_manifest(problem: Problem) -> Manifest:
    """The manifest that rows simulated now would have."""
    simulator = {"name": problem.simulator.name, "version": problem.simulator.version}
    metrics = tuple(vars(metric) for metric in problem.metrics)
    task = {"problem": problem.id, "objective": problem.objective_name, "workload": 0}
    return Manifest(
        f"{problem.id} on {problem.workload.name}", "", "not stated", simulator, problem.space.to_json(), metrics,
        (describe(problem.workload),), (task,), ({"agent": "active learning", "hyperparameters": {}},),
    )  # fmt: skip
