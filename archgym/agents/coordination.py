"""A team that coordinates: one agent a parameter, utilities of agents and payoffs of pairs learned as one model.

A design is one step of a cooperative game: each agent chooses a level, and all get the same reward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents import payoffs
from archgym.agents.base import Hyperparameters, hyper
from archgym.agents.learner import Effort, Learner, LearningAgent
from archgym.agents.start import METHODS
from archgym.agents.surrogate import TRANSFORMS
from archgym.agents.team_model import EDGES, TeamModel
from archgym.errors import ConfigError
from archgym.space import Designs, Space

Floats = NDArray[np.float64]

_MOST_LEVELS = 4096


@dataclass(frozen=True)
class CoordinationHyperparameters(Hyperparameters):
    edges: str = hyper(
        "all", "which agents have payoffs as pairs: all, those of one subsystem (group), or none", choices=EDGES
    )
    width: float = hyper(0.5, "how far drawn utilities and payoffs stray from what is expected of them", 0.0, 10.0)
    smoothness: float = hyper(
        2.0, "decay of the likeness of an ordered parameter's levels, over its range", 0.01, 100.0
    )
    transform: str = hyper(
        "squash",
        "transform of the rewards; auto takes what predicts best when a point is left out",
        choices=("auto", *TRANSFORMS),
    )
    beginnings: int = hyper(6, "best designs from which the agents settle, beside two random ones", 1, 100)
    capacity: int = hyper(500, "designs the model holds at most: the best and a sample of the rest", 20, 2000)
    refit: float = hyper(0.1, "growth of the data between fits of the agents' weights", 0.01, 10.0)
    iterations: int = hyper(20, "steps of each fit", 1, 1000)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(10, "first designs, before the agents decide", 2, 10000)
    batch_size: int = hyper(1, "designs evaluated at a time; larger is faster and learns less from each", 1, 1024)


class CoordinationGraph(LearningAgent):
    """Thompson sampling on a coordination graph: the agents settle on a joint choice that is best for drawn payoffs.

    Source: Kok and Vlassis, "Collaborative multiagent reinforcement learning by payoff propagation", 2006; a sum of
    agents' values as in Sunehag et al., "Value-decomposition networks for cooperative multi-agent learning", 2018;
    Verstraeten et al., "Multi-agent Thompson sampling for bandit applications with sparse neighbourhood structures",
    2020; a second-order Bayesian model of discrete choices as in Baptista and Poloczek, "Bayesian optimization of
    combinatorial structures", 2018.
    """

    name = "coordination"
    summary = (
        "A team of one agent a parameter. A Bayesian model splits the team's reward into utilities of agents and payoffs of "
        "pairs; for each design these are drawn from what is believed, and the agents take best responses to each other "
        "until none gains."
    )
    use_when = (
        "you have ten parameters or many more, a few hundred evaluations, and want to know which choices earned it."
    )
    Hyperparameters = CoordinationHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        levels = int(np.sum(space.sizes))
        if levels > _MOST_LEVELS:
            raise ConfigError(
                f"agent 'coordination' keeps a payoff for every pair of levels: the {levels} levels of space "
                f"{space.name!r} are too many; allowed: {_MOST_LEVELS} in all"
            )
        chosen = self.hyperparameters
        self._model = TeamModel(space, chosen.capacity, chosen.edges, chosen.smoothness)
        effort = Effort(chosen.capacity, min(chosen.capacity, 250), chosen.iterations, chosen.refit)
        transforms = tuple(TRANSFORMS) if chosen.transform == "auto" else (chosen.transform,)
        self._learner = Learner(self._model, self.archive, self.rng, effort, transforms)

    def ask(self, count: int) -> Designs:
        rows = list(self._start.take(count, self._told))
        if len(rows) < count and not self._learner.update():
            rows.extend(self.space.sample(self.rng, count - len(rows)))
        while len(rows) < count:
            rows.append(self._choose(*self._model.draw(self.rng, self.hyperparameters.width)))
            self._asked.add(rows[-1].tobytes())
        return np.stack(rows)

    def _choose(self, utilities: Floats, pairs: Floats) -> NDArray[np.int64]:
        """The untried design of most worth on which the agents settle from several beginnings."""
        model = self._model
        best = self.archive.designs[self.archive.ranked(self.hyperparameters.beginnings)]
        beginnings = np.concatenate([best, self.space.sample(self.rng, 2)])
        settled = beginnings + model.offsets
        payoffs.settle(settled, utilities, pairs, model.owner, 4 * len(self.space))
        found = [self._near_by(places, utilities, pairs) for places in settled]
        new = [places for places in found if places is not None]
        if not new:
            return np.asarray(self._moves.step(self.rng, best[:1])[0])
        chosen = int(np.argmax(payoffs.worth(np.stack(new), utilities, pairs)))
        return np.asarray(new[chosen] - model.offsets)

    def _near_by(self, places: NDArray[np.int64], utilities: Floats, pairs: Floats) -> NDArray[np.int64] | None:
        """``places``, or what one agent changes at the least cost for it to be new; None if all those were tried."""
        model = self._model
        if self._untried(places - model.offsets):
            return places
        values = payoffs.responses(places, utilities, pairs)
        cost = values[places][model.owner] - values
        cost[places] = np.inf
        for level in np.argsort(cost, kind="stable"):
            moved = places.copy()
            moved[model.owner[level]] = level
            if self._untried(moved - model.offsets):
                return moved
        return None

    def credits(self, design: Designs) -> dict[str, float]:
        """What each parameter's choice is expected to earn, in deviations of the transformed reward from its mean.

        A pair's payoff is halved between its two agents, so the credits add up to what the model expects of ``design``
        (D,). Zero before there are two different rewards to learn from.
        """
        if not self._learner.update():
            return dict.fromkeys(self.space.names, 0.0)
        utilities, pairs = self._model.expected()
        places = self.space.check(np.asarray(design)[None])[0] + self._model.offsets
        shared = 0.5 * (payoffs.responses(places, utilities, pairs) - utilities)
        earned = utilities[places] + shared[places]
        return dict(zip(self.space.names, earned.tolist(), strict=True))
