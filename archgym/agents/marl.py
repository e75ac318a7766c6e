"""Multi-agent reinforcement learning: one agent a parameter (or subsystem), all acting at once for one team reward.

A design is one step: the agents' joint action is evaluated, and each agent learns from the same evaluation.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from archgym.agents import base
from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.moves import Moves
from archgym.agents.start import METHODS, Start
from archgym.agents.surrogate import squash
from archgym.errors import ConfigError
from archgym.problem import Evaluation
from archgym.space import Designs, Space

if TYPE_CHECKING:
    from archgym.agents.team_learner import TeamSettings

_MOST_JOINT_ACTIONS = 512
_REMEMBERED = 4000
_CHANGES = 6


@dataclass(frozen=True)
class MultiAgentHyperparameters(Hyperparameters):
    split: str = hyper(
        "parameter", "who decides what: one agent a parameter, or a named subsystem", choices=("parameter", "group")
    )
    shared: bool = hyper(False, "one policy for all agents, told which agent it is, instead of one each")
    critic: str = hyper(
        "central", "what the critic sees: the team's state, or each agent its own", choices=("central", "own")
    )
    batch_size: int = hyper(8, "designs evaluated before the agents learn", 2, 4096)
    learning_rate: float = hyper(0.1, "step size of the policies", 1e-5, 1.0)
    critic_rate: float = hyper(0.02, "step size of the critic", 1e-5, 1.0)
    clip: float = hyper(0.3, "how far a policy may move in one update", 0.01, 1.0)
    epochs: int = hyper(4, "passes over a batch", 1, 64)
    entropy: float = hyper(0.003, "reward for staying undecided", 0.0, 1.0)
    explore: float = hyper(1.5, "parameters of a design that try another level, on average", 0.0, 100.0)
    recall: float = hyper(1.0, "best designs learned from again with each batch, as a share of it", 0.0, 4.0)
    fresh: bool = hyper(True, "change a parameter of a design that was evaluated before", choices=(False, True))
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(16, "first designs, before the policies decide", 0, 10000)
    hidden: int = hyper(0, "width of the policies' hidden layer; 0 is a table", 0, 512)


class MultiAgentPPO(Agent):
    """PPO by a team: MAPPO with the central critic, IPPO with ``critic="own"``.

    Each agent's step is clipped on its own, so a team of sixty moves as freely as one of ten; in a design now and then
    an agent tries another level, and the best designs are learned from again with each batch.

    Sources: Yu et al., "The surprising effectiveness of PPO in cooperative multi-agent games", 2022; de Witt et al.,
    "Is independent learning all you need in the StarCraft multi-agent challenge?", 2020; one agent a parameter as in
    Krishnan et al., "Multi-agent reinforcement learning for microprocessor design space exploration", 2022; learning
    from the best again as in Oh et al., "Self-imitation learning", 2018.
    """

    name = "mappo"
    summary = "One learning agent a parameter or subsystem, PPO with one team reward and a central critic."
    use_when = "You compare teams with single-agent learning; on ten parameters all tie, on many it is behind ppo, sac and coma."
    Hyperparameters: ClassVar[type[base.Hyperparameters]] = MultiAgentHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        from archgym.agents.credit import action_features
        from archgym.agents.team_learner import TeamLearner

        super().__init__(space, seed, hyperparameters)
        self.heads = joint_heads(space, self.hyperparameters.split)
        self.sizes = np.array([int(np.prod(space.sizes[head])) for head in self.heads], dtype=np.int64)
        self.learner = TeamLearner(self.sizes, 1, 1, self._settings(), seed, action_features(space, self.heads))
        self._moves = Moves(space)
        self._start = Start(space, self.rng, self.hyperparameters.start_size, self.hyperparameters.start)
        self._told: set[bytes] = set()
        self._actions = np.empty((0, len(self.heads)), dtype=np.int64)
        self._rewards: NDArray[np.float64] = np.empty(0)
        self._waiting = 0

    def _settings(self) -> TeamSettings:
        from archgym.agents.team_learner import TeamSettings

        chosen = self.hyperparameters
        return TeamSettings(
            shared=chosen.shared, central=chosen.critic == "central", own_credit=self._own_credit, hidden=chosen.hidden,
            learning_rate=chosen.learning_rate, critic_rate=chosen.critic_rate, clip=chosen.clip, epochs=chosen.epochs,
            entropy=chosen.entropy,
        )  # fmt: skip

    @property
    def _own_credit(self) -> float:
        return 0.0

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    def ask(self, count: int) -> Designs:
        first = self._start.take(count, len(self._rewards))
        drawn = self._moves.wander(self.rng, self._draw(count - len(first)), self.hyperparameters.explore)
        return np.concatenate([first, self._fresh(drawn)])

    def _draw(self, count: int, greedy: bool = False) -> Designs:
        if not count:
            return np.empty((0, len(self.space)), dtype=np.int64)
        return self._designs(self.learner.act(np.ones((count, len(self.heads), 1), dtype=np.float32), greedy))

    def decide(self) -> Designs:
        """The team's most likely design, shape (D,)."""
        design: Designs = self._draw(1, greedy=True)[0]
        return design

    def _fresh(self, designs: Designs) -> Designs:
        """With ``fresh``, one parameter after another is changed of designs that are not new, a few times at most."""
        for _ in range(_CHANGES if self.hyperparameters.fresh else 0):
            keys = [design.tobytes() for design in designs]
            repeated = [number for number, key in enumerate(keys) if key in self._told or key in keys[:number]]
            if not repeated:
                break
            designs[repeated] = self._moves.step(self.rng, designs[repeated])
        return designs

    def _designs(self, actions: NDArray[np.int64]) -> Designs:
        designs = np.empty((len(actions), len(self.space)), dtype=np.int64)
        for number, head in enumerate(self.heads):
            designs[:, head] = np.stack(np.unravel_index(actions[:, number], tuple(self.space.sizes[head])), axis=1)
        return designs

    def _joint_actions(self, designs: Designs) -> NDArray[np.int64]:
        sizes = self.space.sizes
        return np.stack([np.ravel_multi_index(tuple(designs[:, h].T), tuple(sizes[h])) for h in self.heads], axis=1)

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        designs = np.ascontiguousarray(evaluation.designs, dtype=np.int64)
        self._told.update(design.tobytes() for design in designs)
        self._actions = np.concatenate([self._actions, self._joint_actions(designs)])
        self._rewards = np.concatenate([self._rewards, evaluation.reward])
        self._waiting += len(designs)
        if self._waiting >= self.batch_size and len(self._rewards) >= self.hyperparameters.start_size:
            if float(np.ptp(self._rewards[-_REMEMBERED:])) > 0.0:
                self._learn(self._waiting)
            self._waiting = 0

    def _learn(self, count: int) -> None:
        """Learn from the last ``count`` designs and some of the best."""
        import torch

        from archgym.agents.team_learner import Steps

        latest = slice(max(0, len(self._rewards) - max(_REMEMBERED, count)), None)
        known = self._actions[latest]
        recalled = int(self.hyperparameters.recall * self.batch_size)
        best = np.argsort(self._rewards, kind="stable")[::-1][: max(1, 2 * recalled)]  # of equals, the latest
        drawn = best[self.rng.integers(len(best), size=recalled)]
        rewards = squash(np.concatenate([self._rewards[latest], self._rewards[drawn]]))
        rows = np.concatenate([known[-count:], self._actions[drawn]])
        ones = np.ones((1, len(rows), len(self.heads), 1), dtype=np.float32)
        states, ends = np.ones((1, len(rows), 1), dtype=np.float32), np.ones((1, len(rows)), dtype=bool)
        steps = Steps(ones, states, rows[None], rewards[None, -len(rows) :], ends, ones[0], states[0])
        worth = torch.from_numpy(rewards[: len(known)].astype(np.float32))
        self.learner.update(steps, (torch.ones(len(known), 1), torch.from_numpy(known), worth))

    def save(self, path: Path | str) -> None:
        """Keep what was learned, as plain arrays with the space's fingerprint, in exactly the file named ``path``."""
        arrays: dict[str, Any] = {"fingerprint": np.array(self.space.fingerprint), **self.learner.arrays()}
        with open(path, "wb") as file:  # given a name, NumPy would append a suffix to it
            np.savez(file, **arrays)

    def load(self, path: Path | str) -> None:
        """Go on from what was learned, on this or another workload.

        Raises:
            ConfigError: if it cannot be read, or was learned on another space or with other settings.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
            raise ConfigError(f"{path}: no file of what a team learned ({error})") from error
        fingerprint = str(arrays.pop("fingerprint", ""))
        if fingerprint != self.space.fingerprint:
            raise ConfigError(f"{path}: learned on space {fingerprint!r}, not on {self.space.fingerprint!r}")
        try:
            self.learner.restore(arrays)
        except ValueError as error:
            raise ConfigError(f"{path}: learned with other settings ({error})") from error


@dataclass(frozen=True)
class CounterfactualHyperparameters(MultiAgentHyperparameters):
    learning_rate: float = hyper(0.15, "step size of the policies", 1e-5, 1.0)
    explore: float = hyper(1.0, "parameters of a design that try another level, on average", 0.0, 100.0)
    own_credit: float = hyper(0.5, "how much of an agent's advantage is what its own choice changed", 0.01, 1.0)


class CounterfactualPPO(MultiAgentPPO):
    """As `MultiAgentPPO`, but each agent is credited with what its own choice changed.

    A model of the reward under joint actions, fitted to the run's own evaluations, stands in for the
    evaluations that a difference reward would cost. Source: Foerster et al., "Counterfactual multi-agent policy
    gradients", 2018.
    """

    name = "coma"
    summary = "As mappo, but each agent is credited with what its own choice changed, by a learned model of the reward."
    use_when = "You want a team of learning policies: with own credit it is ahead of mappo on most problems, and level with ppo."
    Hyperparameters = CounterfactualHyperparameters

    @property
    def _own_credit(self) -> float:
        return float(self.hyperparameters.own_credit)


@dataclass(frozen=True)
class BanditHyperparameters(Hyperparameters):
    split: str = hyper(
        "parameter", "who decides what: one agent a parameter, or a named subsystem", choices=("parameter", "group")
    )
    batch_size: int = hyper(16, "designs evaluated at a time", 1, 4096)
    temperature: float = hyper(0.3, "Boltzmann temperature, in standard deviations of the reward", 0.01, 10.0)
    rate: float = hyper(0.15, "how fast a level's value follows new rewards", 0.001, 1.0)


class BanditTeam(Agent):
    """Independent Boltzmann bandits, one an agent, each with a running value of every level it may choose.

    Source: Claus and Boutilier, "The dynamics of reinforcement learning in cooperative multiagent systems", 1998.
    """

    name = "bandits"
    summary = "Independent Boltzmann bandits, one a parameter: each keeps a running value of every level it may choose."
    use_when = (
        "You need a light multi-agent baseline without PyTorch; with temperature 0.5 it is above random search on 18 "
        "parameters and more."
    )
    Hyperparameters = BanditHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        self.heads = joint_heads(space, self.hyperparameters.split)
        self.values = [np.zeros(int(np.prod(space.sizes[head]))) for head in self.heads]
        self.tried = [np.zeros(len(values), dtype=bool) for values in self.values]
        self._count, self._mean, self._square = 0, 0.0, 0.0

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    @property
    def _spread(self) -> float:
        return float(np.sqrt(max(self._square / max(1, self._count), 1e-24)))

    def ask(self, count: int) -> Designs:
        designs = np.empty((count, len(self.space)), dtype=np.int64)
        for head, values, tried in zip(self.heads, self.values, self.tried, strict=True):
            hopeful = np.where(tried, values, values[tried].max(initial=0.0))  # untried levels look as good as the best
            weights = np.exp((hopeful - hopeful.max()) / (self.hyperparameters.temperature * self._spread))
            bounds = np.cumsum(weights)
            drawn = np.searchsorted(bounds, self.rng.random(count) * bounds[-1], side="right")
            actions = np.minimum(drawn, len(values) - 1)
            designs[:, head] = np.stack(np.unravel_index(actions, tuple(self.space.sizes[head])), axis=1)
        return designs

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        for reward in evaluation.reward.tolist():  # Welford's running mean and spread
            self._count += 1
            step = reward - self._mean
            self._mean += step / self._count
            self._square += step * (reward - self._mean)
        for head, values, tried in zip(self.heads, self.values, self.tried, strict=True):
            actions = np.ravel_multi_index(tuple(evaluation.designs[:, head].T), tuple(self.space.sizes[head]))
            for action, reward in zip(actions.tolist(), evaluation.reward.tolist(), strict=True):
                rate = self.hyperparameters.rate if tried[action] else 1.0
                values[action] += rate * (reward - values[action])
                tried[action] = True


def joint_heads(space: Space, split: str) -> list[NDArray[np.int64]]:
    """Columns that one policy decides jointly.

    A subsystem's parameters are decided together as long as their joint choices stay below 512; a larger
    subsystem is cut into consecutive parts.
    """
    if split == "parameter":
        return [np.array([column]) for column in range(len(space))]
    heads = []
    for names in space.groups().values():
        current: list[int] = []
        for column in (space.names.index(name) for name in names):
            if current and int(np.prod(space.sizes[[*current, column]])) > _MOST_JOINT_ACTIONS:
                heads.append(np.array(current))
                current = []
            current.append(column)
        heads.append(np.array(current))
    return heads
