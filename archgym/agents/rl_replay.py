"""Reinforcement learning with Stable-Baselines3 from a memory of every design told: DQN, SAC and TD3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from archgym.agents import base
from archgym.agents.base import Hyperparameters, hyper
from archgym.agents.rl import PolicyAgent
from archgym.agents.start import METHODS
from archgym.space import Designs, Space

if TYPE_CHECKING:
    from archgym.agents.rl_learners import QLearner, ReplayLearner


class ReplayAgent(PolicyAgent):
    """DQN, SAC and TD3: they keep every design told and learn from all of them again and again."""

    learner: ReplayLearner

    def _take(self, designs: Designs, rewards: NDArray[np.float64]) -> None:
        self.learner.learn(designs, rewards)


@dataclass(frozen=True)
class DQNHyperparameters(Hyperparameters):
    batch_size: int = hyper(8, "designs evaluated before the values are learned", 1, 4096)
    learning_rate: float = hyper(0.003, "step size", 1e-6, 1.0)
    updates: float = hyper(4.0, "gradient steps for each design", 0.01, 100.0)
    replayed: int = hyper(64, "choices learned from in a gradient step", 2, 4096)
    lookahead: int = hyper(100, "choices between one and that whose value it is learned from", 1, 10000)
    follow: float = hyper(0.05, "share by which the target network follows at a gradient step", 1e-4, 1.0)
    explore_first: float = hyper(0.5, "share of random choices after the start", 0.0, 1.0)
    explore_last: float = hyper(0.02, "share of random choices at the end of the budget", 0.0, 1.0)
    horizon: int = hyper(500, "evaluations over which exploration falls where the budget is not known", 1, 10000000)
    memory: int = hyper(50000, "choices kept at most", 100, 10000000)
    hidden: int = hyper(64, "width of the two hidden layers", 1, 1024)
    fresh: bool = hyper(True, "change one parameter of a design that was evaluated before", choices=(False, True))
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(20, "first designs, before values decide", 1, 10000)


class DQNAgent(ReplayAgent):
    """Deep Q-learning on the sequential form; every action of the common size is a level, by equal bins.

    Source: Mnih et al., "Human-level control through deep reinforcement learning", 2015; Stable-Baselines3; learning
    over several steps as in Hessel et al., "Rainbow", 2018.
    """

    name = "dqn"
    summary = (
        "Chooses one parameter after another by a learned value of each level given the choices before it, or at random, "
        "ever less often. It learns from all designs told, whoever asked for them."
    )
    use_when = "you compare with reinforcement learning, or have many logged evaluations to start from."
    Hyperparameters = DQNHyperparameters
    learner: QLearner

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        from archgym.agents.rl_learners import ALGORITHMS, QLearner
        from archgym.agents.rl_views import SequentialView

        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._horizon = int(chosen.horizon)
        self.learner = QLearner(
            ALGORITHMS["dqn"],
            SequentialView(space, False, self.rng),
            _replay_settings(chosen),
            seed,
            chosen.updates,
            chosen.replayed,
            lookahead=int(chosen.lookahead),
            follow=chosen.follow,
        )

    def begin(self, budget: int) -> None:
        self._horizon = max(1, budget)

    def ask(self, count: int) -> Designs:
        chosen = self.hyperparameters
        left = max(0.0, 1.0 - len(self._rewards) / self._horizon)
        self.learner.exploration = chosen.explore_last + (chosen.explore_first - chosen.explore_last) * left
        return super().ask(count)


def _replay_settings(chosen: Any) -> dict[str, Any]:
    return {
        "policy": "MlpPolicy",
        "learning_rate": chosen.learning_rate,
        "buffer_size": int(chosen.memory),
        "gamma": 1.0,
        "replay_buffer_kwargs": {"handle_timeout_termination": False},
        "policy_kwargs": {"net_arch": [int(chosen.hidden)] * 2},
    }


@dataclass(frozen=True)
class SACHyperparameters(Hyperparameters):
    batch_size: int = hyper(4, "designs evaluated before the policy learns", 1, 4096)
    learning_rate: float = hyper(0.003, "step size", 1e-6, 1.0)
    updates: float = hyper(2.0, "gradient steps for each design", 0.01, 100.0)
    replayed: int = hyper(64, "designs learned from in a gradient step", 2, 4096)
    entropy: float = hyper(0.05, "reward for staying undecided", 1e-6, 10.0)
    memory: int = hyper(10000, "designs kept at most", 100, 10000000)
    hidden: int = hyper(64, "width of the two hidden layers", 1, 1024)
    fresh: bool = hyper(True, "change one parameter of a design that was evaluated before", choices=(False, True))
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(20, "first designs, before the policy decides", 1, 10000)


class SACAgent(ReplayAgent):
    """Soft actor-critic over the unit cube, each side cut into equal bins, one a level.

    Source: Haarnoja et al., "Soft actor-critic", 2018; Stable-Baselines3.
    """

    name = "sac"
    summary = (
        "Draws a point of the unit cube from a policy that climbs a learned value of designs and is rewarded for staying "
        "undecided. It learns from all designs told, whoever asked for them."
    )
    use_when = "you compare with reinforcement learning for continuous control; unordered parameters do not suit it."
    Hyperparameters: ClassVar[type[base.Hyperparameters]] = SACHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        from archgym.agents.rl_learners import ALGORITHMS, ContinuousLearner
        from archgym.agents.rl_views import ContinuousView

        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self.learner = ContinuousLearner(
            ALGORITHMS[self.name],
            ContinuousView(space),
            _replay_settings(chosen) | self._more_settings(),
            seed,
            chosen.updates,
            chosen.replayed,
            noise=self._noise(),
        )

    def _more_settings(self) -> dict[str, Any]:
        return {"ent_coef": self.hyperparameters.entropy}

    def _noise(self) -> float:
        return 0.0


@dataclass(frozen=True)
class TD3Hyperparameters(Hyperparameters):
    batch_size: int = hyper(4, "designs evaluated before the policy learns", 1, 4096)
    learning_rate: float = hyper(0.001, "step size", 1e-6, 1.0)
    updates: float = hyper(2.0, "gradient steps for each design", 0.01, 100.0)
    replayed: int = hyper(64, "designs learned from in a gradient step", 2, 4096)
    noise: float = hyper(0.3, "deviation of what is added to the policy's point, in half sides of the cube", 0.0, 10.0)
    delay: int = hyper(2, "gradient steps of the value for each of the policy", 1, 100)
    memory: int = hyper(10000, "designs kept at most", 100, 10000000)
    hidden: int = hyper(64, "width of the two hidden layers", 1, 1024)
    fresh: bool = hyper(True, "change one parameter of a design that was evaluated before", choices=(False, True))
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(20, "first designs, before the policy decides", 1, 10000)


class TD3Agent(SACAgent):
    """Twin delayed deep deterministic policy gradient over the unit cube, each side cut into equal bins, one a level.

    Source: Fujimoto et al., "Addressing function approximation error in actor-critic methods", 2018; Stable-Baselines3.
    """

    name = "td3"
    summary = (
        "Moves one point of the unit cube up the lower of two learned values of designs, and tries designs around it. "
        "It learns from all designs told, whoever asked for them."
    )
    use_when = "you compare with reinforcement learning for continuous control; unordered parameters do not suit it."
    Hyperparameters = TD3Hyperparameters

    def _more_settings(self) -> dict[str, Any]:
        return {"policy_delay": int(self.hyperparameters.delay)}

    def _noise(self) -> float:
        return float(self.hyperparameters.noise)
