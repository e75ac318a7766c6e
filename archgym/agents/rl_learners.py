"""Stable-Baselines3's algorithms as learners from designs and rewards: the agents of `rl` ask and tell, these learn.

Nothing global stays changed: each learner has its own random state and uses one thread, so that equal seeds give
equal learners whatever else runs in the process.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.distributions import MultiCategoricalDistribution
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.common.vec_env import VecEnv

from archgym.agents.rl_policy import DesignDistribution
from archgym.agents.rl_views import SequentialView, View
from archgym.agents.surrogate import squash
from archgym.space import Designs

Floats = NDArray[np.float64]


class Spaces(VecEnv):
    """All that an algorithm needs of environments here: their number and spaces. The stepping is ask and tell."""

    def __init__(self, count: int, view: View) -> None:
        self.render_mode = None
        super().__init__(count, view.observation_space, view.action_space)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name)] * self.num_envs

    def _not_here(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("designs are evaluated by ask and tell")

    reset = step_async = step_wait = set_attr = env_method = env_is_wrapped = _not_here

    def close(self) -> None:
        pass


class PrivateRandomness:
    """PyTorch's and NumPy's global generators, set to a learner's own state while it works."""

    def __init__(self, seed: int) -> None:
        self._torch = torch.Generator().manual_seed(seed).get_state()
        self._numpy: Any = np.random.RandomState(seed % 2**32).get_state()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        # Stable-Baselines3 draws from the global generators, so they are lent and given back.
        outer: Any = (torch.get_rng_state(), np.random.get_state(), torch.get_num_threads())  # noqa: NPY002
        torch.set_rng_state(self._torch)
        np.random.set_state(self._numpy)  # noqa: NPY002
        torch.set_num_threads(1)
        try:
            yield
        finally:
            self._torch, self._numpy = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
            torch.set_rng_state(outer[0])
            np.random.set_state(outer[1])  # noqa: NPY002
            torch.set_num_threads(outer[2])


class PolicyLearner(ABC):
    """A policy over designs and how it learns.

    Args:
        view: how a design is made of actions.
        settings: of the algorithm, in its own names.
    """

    def __init__(self, algorithm: type[Any], view: View, count: int, settings: Mapping[str, Any], seed: int) -> None:
        self.view = view
        self._own = PrivateRandomness(seed)
        with self._own():
            self.model = algorithm(env=Spaces(count, view), device="cpu", **settings)
        self.model.set_logger(Logger(None, []))

    def act(self, count: int, greedy: bool = False) -> Designs:
        """Designs drawn from the policy, or its most likely one ``count`` times, shape (count, D)."""
        designs = self.view.blank(count)
        self.model.policy.set_training_mode(False)
        with self._own(), torch.no_grad():
            for step in range(self.view.steps):
                shown = torch.from_numpy(self.view.observe(designs, step))
                self.view.place(designs, step, np.asarray(self._act(shown, step, greedy)))
        return designs

    @abstractmethod
    def _act(self, shown: torch.Tensor, step: int, greedy: bool) -> Any: ...

    @abstractmethod
    def learn(self, designs: Designs, rewards: Floats) -> None:
        """Learn from designs, shape (B, D), and their rewards, shape (B,)."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned, as plain arrays."""
        return {name: value.numpy().copy() for name, value in self.model.policy.state_dict().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """The inverse of `arrays`.

        Raises:
            ValueError: if shapes or names differ.
        """
        try:
            self.model.policy.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
        except (RuntimeError, TypeError) as error:
            raise ValueError(" ".join(str(error).split())) from error


class OnPolicyLearner(PolicyLearner):
    """PPO, A2C and maskable PPO: one update a batch of exactly ``count`` designs."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        policy = self.model.policy
        if type(policy.action_dist) is MultiCategoricalDistribution:
            policy.action_dist = DesignDistribution(list(policy.action_dist.action_dims))
        for parameter in policy.parameters():
            parameter.register_hook(_finite)

    def _masks(self, step: int, count: int) -> dict[str, Any]:
        if not self.view.masked:
            return {}
        return {"action_masks": np.repeat(self.view.mask(step)[None], count, axis=0)}

    def _act(self, shown: torch.Tensor, step: int, greedy: bool) -> Any:
        actions, _, _ = self.model.policy(shown, deterministic=greedy, **self._masks(step, len(shown)))
        return actions.numpy()

    def learn(self, designs: Designs, rewards: Floats) -> None:
        count, steps, policy, buffer = len(designs), self.view.steps, self.model.policy, self.model.rollout_buffer
        buffer.reset()
        policy.set_training_mode(False)
        with self._own():
            for step in range(steps):
                shown, actions = self.view.observe(designs, step), self.view.actions(designs, step)
                masks = self._masks(step, count)
                with torch.no_grad():
                    values, chances, _ = policy.evaluate_actions(
                        torch.from_numpy(shown), torch.from_numpy(actions), **masks
                    )
                gained = rewards if step == steps - 1 else np.zeros(count)
                starts = np.full(count, step == 0)
                buffer.add(shown, actions.reshape(count, -1), gained, starts, values, chances, **masks)
            buffer.compute_returns_and_advantage(last_values=torch.zeros(count), dones=np.ones(count))
            self.model.train()


def _finite(slope: torch.Tensor) -> torch.Tensor:
    """No slope where it overflowed: a design that was most unlikely may become likelier by more than floats can say."""
    return torch.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0)


class ReplayLearner(PolicyLearner):
    """What DQN, SAC and TD3 share: every design told is kept and learned from again and again.

    Args:
        updates: gradient steps for each design told.
        batch: transitions in a gradient step.
    """

    def __init__(
        self,
        algorithm: type[Any],
        view: View,
        settings: Mapping[str, Any],
        seed: int,
        updates: float,
        batch: int,
    ) -> None:
        super().__init__(algorithm, view, 1, settings, seed)
        self._updates, self._batch, self._due = updates, batch, 0.0
        self._raw = np.zeros(self.model.replay_buffer.buffer_size)

    def learn(self, designs: Designs, rewards: Floats) -> None:
        for design, reward in zip(designs, rewards.tolist(), strict=True):
            self._keep(design[None], reward)
        self._due += self._updates * len(designs)
        whole = int(self._due)
        if whole and self.model.replay_buffer.size() >= 2:
            self._due -= whole
            self._rescale()
            with self._own():
                self._train(whole)

    @abstractmethod
    def _keep(self, design: Designs, reward: float) -> None: ...

    def _train(self, count: int) -> None:
        self.model.train(gradient_steps=count, batch_size=self._batch)

    def _add(self, shown: Any, following: Any, action: Any, reward: float, end: bool) -> None:
        buffer = self.model.replay_buffer
        self._raw[buffer.pos] = reward if end else np.nan
        buffer.add(shown, following, action, np.array([0.0]), np.array([end]), [{}])

    def _rescale(self) -> None:
        """Rewards of the whole memory on one scale, because the scale of the told ones moves as better are found."""
        buffer = self.model.replay_buffer
        raw = self._raw[: buffer.size()]
        ends = np.flatnonzero(np.isfinite(raw))
        if len(ends) and float(np.ptp(raw[ends])) > 0.0:
            buffer.rewards[ends, 0] = squash(raw[ends])


class ContinuousLearner(ReplayLearner):
    """SAC and TD3 over the unit cube; an episode is one design.

    Args:
        noise: deviation of what is added to the actions of a policy that does not draw itself.
    """

    def __init__(self, *args: Any, noise: float, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._noise = noise

    def _act(self, shown: torch.Tensor, step: int, greedy: bool) -> Any:
        if isinstance(self.model, SAC):
            return self.model.actor(shown, deterministic=greedy).numpy()
        actions = self.model.actor(shown)
        if not greedy:
            actions = actions + self._noise * torch.randn(actions.shape)
        return actions.clamp(-1.0, 1.0).numpy()

    def _keep(self, design: Designs, reward: float) -> None:
        shown = self.view.observe(design, 0)
        self._add(shown, shown, self.view.actions(design, 0), reward, True)


class QLearner(ReplayLearner):
    """DQN over the sequential form; ``exploration`` is the share of random choices.

    Args:
        lookahead: choices between a state and the one whose value it is learned from.
        follow: share by which the target network follows after each gradient step.
    """

    view: SequentialView

    def __init__(self, *args: Any, lookahead: int, follow: float, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._lookahead, self._follow = lookahead, follow
        self.exploration = 1.0

    def _act(self, shown: torch.Tensor, step: int, greedy: bool) -> Any:
        best = self.model.q_net(shown).argmax(dim=1)
        if greedy:
            return best.numpy()
        drawn = torch.randint(int(self.view.action_space.n), best.shape)
        return torch.where(torch.rand(best.shape) < self.exploration, drawn, best).numpy()

    def _keep(self, design: Designs, reward: float) -> None:
        steps = self.view.steps
        for step in range(steps):
            ahead = step + self._lookahead
            following = self.view.observe(design, min(ahead, steps - 1))
            self._add(
                self.view.observe(design, step), following, self.view.actions(design, step), reward, ahead >= steps
            )

    def _train(self, count: int) -> None:
        for _ in range(count):
            super()._train(1)
            polyak_update(self.model.q_net.parameters(), self.model.q_net_target.parameters(), self._follow)


ALGORITHMS: dict[str, type[Any]] = {"ppo": PPO, "a2c": A2C, "dqn": DQN, "sac": SAC, "td3": TD3}
