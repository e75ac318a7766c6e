"""Active learning: simulate next what the proxy is least sure of, among many designs that could be next.

A proxy is unsure in two ways: what a design's metric is, and what a parameter does at all. The first is told by the
predicted deviation. The second is told by pairs of designs that differ in one parameter only, from which the proxy
learns which parameters do nothing and when (`archgym.proxy.structure`); among designs drawn at random such pairs are rare.
"""

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
from archgym.proxy.fit import Candidate
from archgym.proxy.samples import Samples, held_out
from archgym.proxy.simulator import FEASIBLE, Proxy
from archgym.proxy.train import train_on
from archgym.space import Designs

#: what decides the next designs; ``random`` is the baseline
RULES = ("uncertainty", "random")
#: share of the simulations that go to neighbours of simulated designs
NEIGHBOURS = 0.5


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
    neighbours: float = NEIGHBOURS,
    judge: Callable[[Proxy], dict[str, float]] | None = None,
) -> list[Round]:
    """Learn a proxy of a problem's simulator within a budget of simulations.

    Each round trains ``candidate`` on all rows so far and simulates ``batch`` designs that are new and not held out. With
    ``random`` they are drawn uniformly. With ``uncertainty`` a share of ``neighbours`` differ in one parameter from a
    design simulated before; the others are drawn from a pool of ``pool`` uniform ones with a probability that grows with
    their predicted relative deviation (largest over the targets), so that a batch is spread out. Designs that behave
    like a simulated one, or like another of the batch, are taken last. The last round's proxy is calibrated.

    Args:
        judge: called with each round's proxy; its answer is kept as the round's errors.

    Raises:
        ConfigError, UnknownNameError: for settings that are not allowed.
    """
    if rule not in RULES:
        raise UnknownNameError("rule", rule, RULES)
    if not 20 <= start <= budget or batch < 1:
        raise ConfigError(f"start={start}, batch={batch}, budget={budget}: needs 20 <= start <= budget and batch >= 1")
    if not 0.0 <= neighbours < 1.0:
        raise ConfigError(f"neighbours={neighbours} is not allowed; allowed: numbers from 0 to less than 1")
    share = neighbours if rule == "uncertainty" else 0.0
    rng = np.random.default_rng([seed, 17])
    manifest = problem_manifest(problem)
    known: set[int] = set()
    rows = simulate(problem, targets, _first(problem, rng, start, share, known))
    rounds: list[Round] = []
    while True:
        choices = dict.fromkeys(targets, candidate)
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
            near = _near(proxy, problem, rows.designs, round(share * count), rng, known)
            offered = _fresh(problem, rng, pool, set(known))
            chosen = np.concatenate([near, offered[_doubtful(proxy, problem, offered, count - len(near), rng)]])
            known.update(design_hash(chosen).tolist())
        more = simulate(problem, targets, chosen)
        rows = Samples(*(np.concatenate([getattr(rows, name), getattr(more, name)])
                         for name in ("designs", "workload", "targets", "feasible")))  # fmt: skip


def _first(problem: Problem, rng: np.random.Generator, count: int, share: float, known: set[int]) -> Designs:
    """Uniform designs, and ``share`` of them neighbours of those and of one another."""
    found = _fresh(problem, rng, count - int(share * count), known)
    while len(found) < count:
        near = _neighbours(problem, rng, found, min(len(found), count - len(found)), known)
        found = np.concatenate([found, near if len(near) else _fresh(problem, rng, count - len(found), known)])
    return found


def _near(
    proxy: Proxy, problem: Problem, designs: Designs, count: int, rng: np.random.Generator, known: set[int]
) -> Designs:
    """Neighbours of simulated designs that the proxy cannot recall, or any if those are too few."""
    offered = _neighbours(problem, rng, designs, 6 * count, set(known))
    chosen = offered[np.argsort(_recalled(proxy, problem, offered), kind="stable")[:count]]
    known.update(design_hash(chosen).tolist())
    return chosen


def _recalled(proxy: Proxy, problem: Problem, designs: Designs) -> NDArray[np.bool_]:
    """Which designs behave, in every target, as a training design does."""
    found = proxy(designs, problem.workload)
    known: NDArray[np.bool_] = np.all([found.extras[f"known.{metric.name}"] for metric in proxy.metrics], axis=0)
    return known


def _doubtful(
    proxy: Proxy, problem: Problem, offered: Designs, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Numbers of the designs to simulate next, without repetition."""
    found = proxy(offered, problem.workload)
    doubt = np.zeros(len(offered))
    for metric in proxy.metrics:
        deviation = found.extras[f"deviation.{metric.name}"] / np.nanmean(np.abs(found[metric.name]))
        doubt = np.maximum(doubt, np.where(found.feasible, deviation, 0.0))
    # Drawing by Gumbel noise on the logarithm gives a spread-out batch; squaring favours the least sure.
    score = 2.0 * np.log(np.maximum(doubt, 1e-300)) + rng.gumbel(size=len(offered))
    order = np.argsort(-score, kind="stable")
    forms = [part.model.structure.canonical(offered[order]) for part in proxy.parts if part.quantity != FEASIBLE]
    _, first = np.unique(np.concatenate(forms, axis=1), axis=0, return_index=True)
    repeats = np.ones(len(order), dtype=bool)
    repeats[first] = False
    last = repeats | _recalled(proxy, problem, offered[order])
    return order[np.argsort(last, kind="stable")[:count]]


def _neighbours(problem: Problem, rng: np.random.Generator, designs: Designs, count: int, known: set[int]) -> Designs:
    """At most ``count`` different designs, each a parameter away from one of ``designs``, that are neither held out nor
    known; adds them to ``known``."""
    sizes = problem.space.sizes
    several = np.flatnonzero(sizes > 1)
    found: list[Any] = []
    for _ in range(20):
        drawn = designs[rng.integers(len(designs), size=2 * count)].copy()
        rows, which = np.arange(len(drawn)), rng.choice(several, len(drawn))
        drawn[rows, which] = (drawn[rows, which] + rng.integers(1, sizes[which])) % sizes[which]
        _add(found, drawn, count, known)
        if len(found) == count:
            break
    return np.array(found, dtype=np.int64).reshape(-1, len(sizes))


def _fresh(problem: Problem, rng: np.random.Generator, count: int, known: set[int]) -> Designs:
    """Different designs that are neither held out nor known; adds them to ``known``."""
    found: list[Any] = []
    for _ in range(200):
        _add(found, problem.space.sample(rng, 2 * count), count, known)
        if len(found) == count:
            break
    if not found:
        raise ConfigError(f"space {problem.space.name!r} has no design left to simulate")
    return np.array(found, dtype=np.int64)


def _add(found: list[Any], drawn: Designs, count: int, known: set[int]) -> None:
    """Append drawn designs that are neither held out nor known, up to ``count``."""
    drawn = drawn[~held_out(drawn)]
    for design, key in zip(drawn, design_hash(drawn).tolist(), strict=True):
        if key not in known and len(found) < count:
            known.add(key)
            found.append(design)


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
