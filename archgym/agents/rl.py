"""Reinforcement learning with Stable-Baselines3: a policy over designs that learns from every evaluation; PPO and its kin.

An episode makes one design. A batch of episodes is one evaluation call, through the same ask and tell as every
other agent, so budget, log, resumption and warm start are the same too.
"""

from __future__ import annotations

import zipfile
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.moves import Moves
from archgym.agents.start import METHODS, Start
from archgym.agents.surrogate import squash
from archgym.errors import ConfigError
from archgym.problem import Evaluation
from archgym.space import Designs, Space

if TYPE_CHECKING:
    from archgym.agents.rl_learners import OnPolicyLearner, PolicyLearner


class PolicyAgent(Agent):
    """What all agents here share: a spread start, the policy's memory of what was told, and its file."""

    learner: PolicyLearner

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._start = Start(space, self.rng, chosen.start_size, chosen.start)
        self._moves = Moves(space)
        self._known: set[bytes] = set()
        self._rewards: list[float] = []
        self._learnable = bool((space.sizes > 1).any())

    @property
    def batch_size(self) -> int:
        return int(self.hyperparameters.batch_size)

    def ask(self, count: int) -> Designs:
        first = self._start.take(count, len(self._rewards))
        if len(first) == count:
            return first
        return np.concatenate([first, self._fresh(self._draw(count - len(first)))])

    def _draw(self, count: int) -> Designs:
        """Designs drawn from the policy, shape (count, D)."""
        return np.ascontiguousarray(self.learner.act(count))

    def _fresh(self, designs: Designs) -> Designs:
        """With ``fresh``, a design evaluated before, or drawn twice, has one parameter changed."""
        if not self.hyperparameters.fresh:
            return designs
        met: set[bytes] = set()
        repeated = []
        for number, design in enumerate(designs):
            key = design.tobytes()
            if key in met or key in self._known:
                repeated.append(number)
            met.add(key)
        designs[repeated] = self._moves.step(self.rng, designs[repeated])
        return designs

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        designs = np.ascontiguousarray(evaluation.designs, dtype=np.int64)
        self._known.update(design.tobytes() for design in designs)
        self._rewards.extend(evaluation.reward.tolist())
        if self._learnable:
            self._take(designs, evaluation.reward)

    @abstractmethod
    def _take(self, designs: Designs, rewards: NDArray[np.float64]) -> None:
        """Learn from what was told."""

    def decide(self) -> Designs:
        """The policy's most likely design, shape (D,)."""
        design: Designs = self.learner.act(1, greedy=True)[0]
        return design

    def save(self, path: Path | str) -> None:
        """Keep the policy, as plain arrays with the space's fingerprint, in exactly the file named ``path``."""
        header = {"fingerprint": np.array(self.space.fingerprint), "agent": np.array(self.name)}
        with open(path, "wb") as file:  # given a name, NumPy would append a suffix to it
            np.savez(file, **header, **self.learner.arrays())  # type: ignore[arg-type]

    def load(self, path: Path | str) -> None:
        """Go on with a policy learned on this or another workload of the same space.

        Raises:
            ConfigError: if it cannot be read, or was learned by another agent, on another space or with other settings.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
            raise ConfigError(f"{path}: no file of a policy ({error})") from error
        name, fingerprint = str(arrays.pop("agent", "")), str(arrays.pop("fingerprint", ""))
        if name != self.name:
            raise ConfigError(f"{path}: a policy of agent {name!r}, not of {self.name!r}")
        if fingerprint != self.space.fingerprint:
            raise ConfigError(f"{path}: learned on space {fingerprint!r}, not on {self.space.fingerprint!r}")
        try:
            self.learner.restore(arrays)
        except ValueError as error:
            raise ConfigError(f"{path}: learned with other settings ({error})") from error


class OnPolicyAgent(PolicyAgent):
    """PPO and its kin: they learn from each batch once, and from the best designs of the search with it."""

    learner: OnPolicyLearner

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._recalled = int(chosen.recall * chosen.batch_size)
        self.learner = self._make(chosen.batch_size + self._recalled)
        self._waiting: list[tuple[NDArray[np.int64], float]] = []
        self._best: dict[bytes, float] = {}

    def _draw(self, count: int) -> Designs:
        drawn = super()._draw(count)
        explore = self.hyperparameters.explore
        return self._moves.wander(self.rng, drawn, explore) if explore else drawn

    @abstractmethod
    def _make(self, count: int) -> OnPolicyLearner:
        """A learner whose batches are of ``count`` designs."""

    def _take(self, designs: Designs, rewards: NDArray[np.float64]) -> None:
        self._waiting.extend(zip(designs, rewards.tolist(), strict=True))
        size = self.batch_size
        while len(self._waiting) >= size:
            batch, self._waiting = self._waiting[:size], self._waiting[size:]
            self._learn(batch)

    def _learn(self, batch: list[tuple[NDArray[np.int64], float]]) -> None:
        for design, reward in batch:
            self._best[design.tobytes()] = reward
        self._best = dict(sorted(self._best.items(), key=lambda entry: -entry[1])[: max(1, 2 * self._recalled)])
        kept = list(self._best.items())
        drawn = self.rng.integers(len(kept), size=self._recalled)
        recalled = [(np.frombuffer(kept[n][0], dtype=np.int64), kept[n][1]) for n in drawn]
        designs, rewards = zip(*batch, *recalled, strict=True)
        history = np.array([*self._rewards[-2000:], *rewards])
        if float(np.ptp(history)) > 0.0:
            self.learner.learn(np.stack(designs), squash(history)[-len(rewards) :])


@dataclass(frozen=True)
class PPOHyperparameters(Hyperparameters):
    batch_size: int = hyper(16, "designs evaluated before the policy learns", 2, 4096)
    learning_rate: float = hyper(0.01, "step size", 1e-6, 1.0)
    epochs: int = hyper(8, "passes over a batch", 1, 100)
    clip: float = hyper(0.2, "how far the policy may move in one update", 0.01, 1.0)
    entropy: float = hyper(0.01, "reward for staying undecided", 0.0, 1.0)
    hidden: int = hyper(32, "width of the hidden layer", 1, 1024)
    recall: float = hyper(0.5, "best designs learned from again with each batch, as a share of it", 0.0, 4.0)
    fresh: bool = hyper(True, "change one parameter of a design that was evaluated before", choices=(False, True))
    explore: float = hyper(0.0, "parameters of a design that try another level, on average", 0.0, 100.0)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(0, "first designs, before the policy decides", 0, 10000)


class PPOAgent(OnPolicyAgent):
    """Proximal policy optimisation with one categorical distribution a parameter.

    Source: Schulman et al., "Proximal policy optimization algorithms", 2017; Stable-Baselines3 (Raffin et al., 2021);
    learning from the best designs again as in Oh et al., "Self-imitation learning", 2018.
    """

    name = "ppo"
    summary = (
        "Draws a level of every parameter at once from a policy, and makes what scored above average likelier, a bounded "
        "step at a time. The best designs found are learned from again with each batch."
    )
    use_when = "you compare with reinforcement learning, or want a policy that carries over to other workloads."
    Hyperparameters = PPOHyperparameters

    def _settings(self, count: int, steps: int) -> dict[str, Any]:
        chosen = self.hyperparameters
        return {
            "policy": "MlpPolicy",
            "learning_rate": chosen.learning_rate,
            "n_steps": steps,
            "batch_size": max(2, count * steps // 2),
            "n_epochs": chosen.epochs,
            "clip_range": chosen.clip,
            "ent_coef": chosen.entropy,
            "gamma": 1.0,
            "gae_lambda": 1.0,
            "policy_kwargs": {"net_arch": [chosen.hidden]},
        }

    def _make(self, count: int) -> OnPolicyLearner:
        from archgym.agents.rl_learners import ALGORITHMS, OnPolicyLearner
        from archgym.agents.rl_views import WholeView

        return OnPolicyLearner(ALGORITHMS["ppo"], WholeView(self.space), count, self._settings(count, 1), self.seed)


class MaskablePPOAgent(PPOAgent):
    """PPO on the sequential form with illegal levels masked.

    Source: Huang and Ontañón, "A closer look at invalid action masking in policy gradient algorithms", 2020;
    sb3-contrib.
    """

    name = "maskable_ppo"
    summary = (
        "Chooses one parameter after another, each knowing the choices before it, so that the policy can learn which "
        "levels go together. Levels that a parameter does not have are masked; the reward comes with the last choice."
    )
    use_when = (
        "parameters interact and thousands of evaluations are cheap, or a policy is to carry over to other workloads."
    )

    def _make(self, count: int) -> OnPolicyLearner:
        from sb3_contrib import MaskablePPO

        from archgym.agents.rl_learners import OnPolicyLearner
        from archgym.agents.rl_views import SequentialView

        view = SequentialView(self.space, True, self.rng)
        return OnPolicyLearner(MaskablePPO, view, count, self._settings(count, view.steps), self.seed)


@dataclass(frozen=True)
class A2CHyperparameters(Hyperparameters):
    batch_size: int = hyper(16, "designs evaluated before the policy learns", 2, 4096)
    learning_rate: float = hyper(0.03, "step size", 1e-6, 1.0)
    entropy: float = hyper(0.01, "reward for staying undecided", 0.0, 1.0)
    hidden: int = hyper(32, "width of the hidden layer", 1, 1024)
    recall: float = hyper(0.5, "best designs learned from again with each batch, as a share of it", 0.0, 4.0)
    fresh: bool = hyper(True, "change one parameter of a design that was evaluated before", choices=(False, True))
    explore: float = hyper(0.0, "parameters of a design that try another level, on average", 0.0, 100.0)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(0, "first designs, before the policy decides", 0, 10000)


class A2CAgent(OnPolicyAgent):
    """Advantage actor-critic with one categorical distribution a parameter.

    Source: Mnih et al., "Asynchronous methods for deep reinforcement learning", 2016; Stable-Baselines3.
    """

    name = "a2c"
    summary = "As ppo, but each batch moves the policy by one plain gradient step."
    use_when = "you compare with reinforcement learning at its simplest."
    Hyperparameters = A2CHyperparameters

    def _make(self, count: int) -> OnPolicyLearner:
        from archgym.agents.rl_learners import ALGORITHMS, OnPolicyLearner
        from archgym.agents.rl_views import WholeView

        chosen = self.hyperparameters
        settings = {
            "policy": "MlpPolicy",
            "learning_rate": chosen.learning_rate,
            "n_steps": 1,
            "ent_coef": chosen.entropy,
            "gamma": 1.0,
            "gae_lambda": 1.0,
            "use_rms_prop": False,
            "normalize_advantage": True,
            "policy_kwargs": {"net_arch": [chosen.hidden]},
        }
        return OnPolicyLearner(ALGORITHMS["a2c"], WholeView(self.space), count, settings, self.seed)
