"""Bayesian optimisation with our own mixed-space Gaussian process: few evaluations, each chosen with care.

The acquisition is climbed by one-parameter changes from the best designs, so every candidate is a legal
design and no continuous relaxation is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Hyperparameters, hyper
from archgym.agents.learner import Effort, Learner, LearningAgent
from archgym.agents.moves import every_neighbour
from archgym.agents.start import METHODS
from archgym.agents.surrogate import TRANSFORMS, Surrogate, log_expected_improvement
from archgym.space import Designs, Space

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianProcessHyperparameters(Hyperparameters):
    acquisition: str = hyper(
        "mixed",
        "what is maximised: expected improvement, upper confidence bound of random width, the mean, or a draw of these",
        choices=("ei", "ucb", "mean", "mixed"),
    )
    curiosity: float = hyper(
        3.0, "mean weight of the deviation in the confidence bound; drawn for each choice", 0.001, 100.0
    )
    transform: str = hyper(
        "auto",
        "output transform; auto takes what predicts best when a point is left out",
        choices=("auto", *TRANSFORMS),
    )
    power: float = hyper(1.0, "exponent of the distance along an ordered parameter: 1 rough, 2 smooth", 0.5, 2.0)
    climbs: int = hyper(6, "starts of the climb of the acquisition", 1, 100)
    steps: int = hyper(20, "one-parameter changes of a climb at most", 1, 1000)
    capacity: int = hyper(500, "designs the process holds at most: the best and a sample of the rest", 20, 2000)
    refit: float = hyper(0.08, "growth of the data between fits of the hyperparameters", 0.01, 10.0)
    iterations: int = hyper(20, "steps of each fit", 1, 1000)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(10, "first designs, before the process decides", 2, 10000)
    batch_size: int = hyper(1, "designs evaluated at a time; larger is faster and learns less from each", 1, 1024)


class GaussianProcessSearch(LearningAgent):
    """Gaussian process with one decay rate a parameter and a choice of output transform.

    Source: Jones, Schonlau and Welch, "Efficient global optimization", 1998; log expected improvement of
    Ament et al., 2023; a product of overlap and distance kernels with local search as in Wan et al.,
    "Think global and act local" (Casmopolitan), 2021.
    """

    name = "gp"
    summary = (
        "Fits a Gaussian process to everything told, with one relevance a parameter and outputs transformed as suits the "
        "data. Each design asked for climbs an acquisition by single changes from the best designs known: expected "
        "improvement, or a confidence bound whose width is drawn anew."
    )
    use_when = "an evaluation costs a tenth of a second or more and the budget is tens to hundreds."
    Hyperparameters = GaussianProcessHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        effort = Effort(chosen.capacity, min(chosen.capacity, 250), chosen.iterations, chosen.refit)
        transforms = tuple(TRANSFORMS) if chosen.transform == "auto" else (chosen.transform,)
        model = Surrogate(space, chosen.capacity, chosen.power)
        self._learner = Learner(model, self.archive, self.rng, effort, transforms)

    def ask(self, count: int) -> Designs:
        rows = list(self._start.take(count, self._told))
        if len(rows) < count and not self._learner.update():
            rows.extend(self.space.sample(self.rng, count - len(rows)))
        while len(rows) < count:
            design = self._choose()
            self._asked.add(design.tobytes())
            mean, _ = self._learner.surrogate.predict(design[None])
            if len(rows) + 1 < count:
                self._learner.believe(design, float(mean[0]))
            rows.append(design)
        return np.stack(rows)

    def _choose(self) -> NDArray[np.int64]:
        """The best untried design found by climbing the acquisition; any design if all found are tried."""
        kind = self.hyperparameters.acquisition
        width = 0.0
        if kind == "mixed":
            kind = ("ei", "ucb", "ucb", "ucb")[int(self.rng.integers(4))]
        if kind == "ucb":
            width = float(self.rng.exponential(self.hyperparameters.curiosity))
        best: NDArray[np.int64] = self.space.sample(self.rng, 1)[0]
        best_score = -np.inf
        for origin in self._origins(kind, width):
            design, score = self._climb(origin, kind, width)
            if score > best_score:
                best, best_score = design, score
        return best

    def _origins(self, kind: str, width: float) -> Designs:
        """Half the climbs begin at the best designs told, half at the best of their mutants and of random designs."""
        climbs = int(self.hyperparameters.climbs)
        best = self.archive.designs[self.archive.ranked(10)]
        mutants = self._moves.mutate(self.rng, np.repeat(best, 10, axis=0), 0.15)
        candidates = np.concatenate([mutants, self.space.sample(self.rng, 100)])
        order = np.argsort(-self._score(candidates, kind, width), kind="stable")
        untried = [number for number in order if self._untried(candidates[number])][: climbs - climbs // 2]
        return np.concatenate([best[: climbs // 2], candidates[untried]])

    def _climb(self, design: NDArray[np.int64], kind: str, width: float) -> tuple[NDArray[np.int64], float]:
        """Single changes to the best untried neighbour while that scores higher."""
        score = -np.inf
        for _ in range(self.hyperparameters.steps):
            around = every_neighbour(design, self.space.sizes)
            scores = self._score(around, kind, width)
            order = np.argsort(-scores, kind="stable")
            chosen = next((number for number in order if self._untried(around[number])), -1)
            if chosen < 0 or scores[chosen] <= score:
                break
            design, score = around[chosen], float(scores[chosen])
        return design, score

    def _score(self, designs: Designs, kind: str, width: float) -> Floats:
        """The acquisition, shape (M,)."""
        means, deviations = self._learner.surrogate.predict(designs)
        if kind == "ei":
            return log_expected_improvement(means, deviations, self._learner.best)
        scores: Floats = means + width * deviations
        return scores
