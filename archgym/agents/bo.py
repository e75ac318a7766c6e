"""Bayesian optimisation with scikit-optimize's surrogates and acquisition functions, at a bounded cost an ask.

The model sees a bounded subset of what was told, its hyperparameters are searched anew only after the data have grown
by a share, and a batch is chosen from one model. Candidates are designs, never points between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Hyperparameters, hyper
from archgym.agents.learner import LearningAgent
from archgym.agents.moves import every_neighbour
from archgym.agents.start import METHODS
from archgym.agents.surrogate import TRANSFORMS
from archgym.space import Designs, Space

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BayesianHyperparameters(Hyperparameters):
    surrogate: str = hyper(
        "gp",
        "Gaussian process, random forest, extremely randomised trees, or gradient-boosted quantiles",
        choices=("gp", "rf", "et", "gbrt"),
    )
    acquisition: str = hyper(
        "hedge",
        "expected improvement, lower confidence bound, probability of improvement, or a gamble among them by their gains",
        choices=("hedge", "ei", "lcb", "pi"),
    )
    kappa: float = hyper(1.96, "deviations below the mean in the lower confidence bound", 0.0, 100.0)
    xi: float = hyper(0.01, "improvement that ei and pi ask for at least, in deviations of the cost", 0.0, 10.0)
    transform: str = hyper(
        "squash", "output transform; none suits rewards without a heavy tail", choices=tuple(TRANSFORMS)
    )
    candidates: int = hyper(400, "designs scored for each batch, half of them near the best", 10, 100000)
    climbs: int = hyper(3, "best candidates that climb the acquisition by single changes", 0, 100)
    steps: int = hyper(3, "changes of a climb at most", 1, 1000)
    capacity: int = hyper(350, "designs the model sees at most: the best and a sample of the rest", 20, 5000)
    fit_points: int = hyper(100, "designs the process's hyperparameters are searched on at most", 10, 5000)
    refit: float = hyper(0.25, "growth of the data between searches of the process's hyperparameters", 0.0, 10.0)
    trees: int = hyper(50, "trees of a forest, or of each boosted quantile", 1, 2000)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(10, "first designs, before the model decides", 2, 10000)
    batch_size: int = hyper(2, "designs evaluated at a time; larger is faster and learns less from each", 1, 1024)


class BayesianSearch(LearningAgent):
    """Surrogates and acquisition functions of scikit-optimize over designs.

    Source: Mockus, "Bayesian approach to global optimization", 1989; hedging of Brochu, Hoffman and de Freitas,
    "Portfolio allocation for Bayesian optimization", 2011; scikit-optimize.
    """

    name = "bo"
    summary = (
        "Fits scikit-optimize's Gaussian process, forest or boosted trees to what was told, and asks for the design that "
        "its expected improvement, confidence bound or probability of improvement likes best. By default the three "
        "compete, and the one whose advice has been better is followed more often."
    )
    use_when = "you want Bayesian optimisation as the literature has it, or another surrogate; else gp and sae find more, faster."
    Hyperparameters = BayesianHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        from archgym.agents.bo_models import make_model

        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._model = make_model(chosen.surrogate, space, seed % 2**32, int(chosen.trees), int(chosen.fit_points))
        self._names = ("ei", "lcb", "pi") if chosen.acquisition == "hedge" else (chosen.acquisition,)
        self._gains = np.zeros(len(self._names))
        self._advised: Designs | None = None
        self._seen = self._next_search = 0
        self._best = 0.0

    def ask(self, count: int) -> Designs:
        from threadpoolctl import threadpool_limits

        first = self._start.take(count, self._told)
        missing = count - len(first)
        if missing == 0:
            return first
        if len(self.archive) < 2 or float(np.ptp(self.archive.rewards)) == 0.0:
            return np.concatenate([first, self.space.sample(self.rng, missing)])
        with threadpool_limits(1):  # so that rounding does not depend on the number of processors
            self._learn()
            return np.concatenate([first, self._choose(missing)])

    def _learn(self) -> None:
        """Fit the model to the best designs and a sample of the rest, shuffled, once for whatever was told since."""
        count = len(self.archive)
        if count == self._seen:
            return
        capacity = int(self.hyperparameters.capacity)
        order = self.archive.ranked(count)
        if count > capacity:
            best, rest = order[: capacity // 2], order[capacity // 2 :]
            order = np.concatenate([best, self.rng.choice(rest, capacity - len(best), replace=False)])
        order = self.rng.permutation(order)
        rewards, feasible = self.archive.rewards[order], self.archive.feasible[order]
        if feasible.any():  # the worst feasible reward stands for an infeasible design's, which may be far below
            rewards = np.where(feasible, rewards, rewards[feasible].min())
        costs = -TRANSFORMS[self.hyperparameters.transform](rewards)
        search = count >= self._next_search
        if search:
            self._next_search = count + max(2, int(self.hyperparameters.refit * count))
        self._model.fit(self.archive.designs[order], costs, search)
        self._best, self._seen = float(costs.min()), count
        if self._advised is not None and len(self._names) > 1:
            self._gains -= self._model.predict(self._advised)[0]
            self._advised = None

    def _choose(self, count: int) -> Designs:
        candidates = self._candidates()
        scores = self._scores(candidates)
        for number in range(len(self._names) if self.hyperparameters.climbs else 0):
            starts = np.argsort(-scores[number], kind="stable")[: int(self.hyperparameters.climbs)]
            found = [self._climb(candidates[start], float(scores[number, start]), number) for start in starts]
            candidates = np.concatenate([candidates, np.stack(found)])
            scores = np.concatenate([scores, self._scores(candidates[-len(found) :])], axis=1)
        self._advised = candidates[scores.argmax(axis=1)]
        chances = np.exp(self._gains - self._gains.max())
        chosen: list[NDArray[np.int64]] = []
        for advisor in self.rng.choice(len(self._names), size=count, p=chances / chances.sum()):
            best = int(np.argmax(scores[advisor]))
            if not np.isfinite(scores[advisor, best]):
                chosen.append(self.space.sample(self.rng, 1)[0])
                continue
            chosen.append(candidates[best])
            near = (candidates != candidates[best]).sum(axis=1) <= 1  # a batch spreads: no neighbours of what is in it
            scores[:, near] = -np.inf
        return np.stack(chosen)

    def _candidates(self) -> Designs:
        """Untried designs: mutants of the best, and any."""
        count = int(self.hyperparameters.candidates)
        best = self.archive.designs[self.archive.ranked(10)]
        parents = best[self.rng.integers(len(best), size=count // 2)]
        mutants = self._moves.mutate(self.rng, parents, min(1.0, 2.0 / len(self.space)))
        return np.unique(np.concatenate([mutants, self.space.sample(self.rng, count - len(parents))]), axis=0)

    def _climb(self, design: NDArray[np.int64], score: float, number: int) -> NDArray[np.int64]:
        for _ in range(int(self.hyperparameters.steps)):
            around = every_neighbour(design, self.space.sizes) if self._moves.movable.size else design[None]
            if len(around) > 200:
                around = around[self.rng.choice(len(around), 200, replace=False)]
            scores = self._scores(around)[number]
            best = int(np.argmax(scores))
            if not scores[best] > score:
                break
            design, score = around[best], float(scores[best])
        return design

    def _scores(self, designs: Designs) -> Floats:
        """Every acquisition, higher is better, -inf for what was told, shape (A, B)."""
        from skopt.acquisition import gaussian_ei, gaussian_lcb, gaussian_pi

        known = _Known(*self._model.predict(designs))
        chosen = self.hyperparameters
        values: dict[str, Any] = {
            "ei": lambda: gaussian_ei(designs, known, self._best, chosen.xi),
            "lcb": lambda: -gaussian_lcb(designs, known, chosen.kappa),
            "pi": lambda: gaussian_pi(designs, known, self._best, chosen.xi),
        }
        told = np.array([design in self.archive for design in np.ascontiguousarray(designs)])
        return np.stack([np.where(told, -np.inf, values[name]()) for name in self._names])


class _Known:
    """What scikit-optimize's acquisition functions take for a model: predictions made already."""

    def __init__(self, means: Floats, deviations: Floats) -> None:
        self._predicted = means, deviations

    def predict(self, designs: Designs, return_std: bool = True) -> tuple[Floats, Floats]:
        return self._predicted
