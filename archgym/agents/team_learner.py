"""Cooperative PPO for a team of agents with discrete actions: independent or central critic, shared or own credit.

One set of tensors holds all agents (leading axis), so a team of any size learns in a few matrix products.
Nothing global is seeded or set: equal seeds give equal learners on one machine.

Sources: PPO (Schulman et al. 2017), IPPO (de Witt et al. 2020), MAPPO (Yu et al. 2022), counterfactual
baseline (COMA, Foerster et al. 2018).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archgym.agents.credit import CreditModel

Floats = NDArray[np.float32]
Memory = tuple[Tensor, Tensor, Tensor]  # states (N, s), actions (N, n), returns (N,)
Actions = NDArray[np.int64]


@dataclass(frozen=True)
class TeamSettings:
    """How a team learns.

    Attributes:
        shared: one policy for all agents, told which agent it is by a one-hot; else one policy an agent.
        central: the critic sees the state instead of the agent's own observation.
        own_credit: how much of an agent's advantage is what its own action changed, by a learned model of the
            return under joint actions; the rest is the advantage that all share.
        hidden: width of the hidden layer; 0 for a linear policy (a table where observations are constant).
        memory: how many of the latest steps the model of the return is fitted to.
    """

    shared: bool = False
    central: bool = True
    own_credit: float = 0.0
    hidden: int = 0
    learning_rate: float = 0.1
    critic_rate: float = 0.01
    model_rate: float = 0.01
    clip: float = 0.2
    epochs: int = 4
    entropy: float = 0.01
    discount: float = 0.99
    trace: float = 0.95
    memory: int = 4096


@dataclass
class Steps:
    """A batch of experience: T steps of B environments with n agents.

    Shapes: observations (T, B, n, d), states (T, B, s), actions (T, B, n), rewards (T, B), ends (T, B) is True where
    the episode ended after the step; ``last_observations`` (B, n, d) and ``last_states`` (B, s) follow the last step.
    """

    observations: Floats
    states: Floats
    actions: Actions
    rewards: NDArray[np.float64]
    ends: NDArray[np.bool_]
    last_observations: Floats
    last_states: Floats


class Layers:
    """n two-layer perceptrons (or linear maps) side by side, applied to inputs of shape (..., n, inputs)."""

    def __init__(self, count: int, inputs: int, hidden: int, outputs: int, generator: torch.Generator) -> None:
        widths = [inputs, hidden, outputs] if hidden else [inputs, outputs]
        self.weights, self.biases = [], []
        for number, (rows, columns) in enumerate(itertools.pairwise(widths)):
            last = number == len(widths) - 2
            scale = 0.0 if last else rows**-0.5  # a zero last layer: policies start uniform, values at zero
            weight = torch.randn(count, rows, columns, generator=generator) * scale
            self.weights.append(weight.requires_grad_())
            self.biases.append(torch.zeros(count, columns, requires_grad=True))

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def __call__(self, inputs: Tensor) -> Tensor:
        shown = inputs
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if number:
                shown = torch.tanh(shown)
            shown = torch.einsum("...ni,nio->...no", shown, weight) + bias
        return shown


class TeamLearner:
    """Policies, critics and their updates.

    Args:
        sizes: number of actions of each agent, shape (n,).
        observation_size, state_size: lengths d and s.
        seed: of initial weights, sampled actions and shuffling.
        features: what the model of the return knows of each action; by default only which it is.
    """

    def __init__(
        self,
        sizes: NDArray[np.int64],
        observation_size: int,
        state_size: int,
        settings: TeamSettings,
        seed: int,
        features: Floats | None = None,
    ) -> None:
        self.settings, self.sizes = settings, np.asarray(sizes, dtype=np.int64)
        self.generator = torch.Generator().manual_seed(seed)
        count, most = len(self.sizes), int(self.sizes.max())
        self.legal = torch.arange(most)[None] < torch.from_numpy(self.sizes)[:, None]
        own = observation_size + (count if settings.shared else 0)
        policies = 1 if settings.shared else count
        self.policy = Layers(policies, own, settings.hidden, most, self.generator)
        hidden = settings.hidden or 32
        if settings.central:
            self.critic = Layers(1, state_size, hidden, 1, self.generator)
        else:
            self.critic = Layers(policies, own, hidden, 1, self.generator)
        self.policy_optimiser = torch.optim.Adam(self.policy.parameters, settings.learning_rate)
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters, settings.critic_rate)
        known = np.eye(int(self.sizes.sum()), dtype=np.float32) if features is None else features
        self.model = CreditModel(self.sizes, known, state_size, 24, settings.model_rate, self.generator)
        self._memory: list[Memory] = []

    def logits(self, observations: Tensor) -> Tensor:
        """Log-probabilities of every action, shape (..., n, most); -inf where an agent has fewer actions."""
        scores = self.policy(self._with_identity(observations))
        return torch.log_softmax(scores.masked_fill(~self.legal, -torch.inf), dim=-1)

    def _with_identity(self, observations: Tensor) -> Tensor:
        if not self.settings.shared:
            return observations
        count = len(self.sizes)
        identity = torch.eye(count).expand(*observations.shape[:-2], count, count)
        return torch.cat([observations, identity], dim=-1)

    def act(self, observations: Floats, greedy: bool = False) -> Actions:
        """Actions of shape (B, n) for observations of shape (B, n, d)."""
        with _single_thread(), torch.no_grad():
            logits = self.logits(torch.from_numpy(observations))
            if greedy:
                return np.asarray(logits.argmax(dim=-1).numpy(), dtype=np.int64)
            flat = logits.exp().reshape(-1, logits.shape[-1])
            drawn = torch.multinomial(flat, 1, generator=self.generator)
            return np.asarray(drawn.reshape(logits.shape[:-1]).numpy(), dtype=np.int64)

    def lean(self, actions: Actions, strength: float) -> None:
        """Make ``actions`` (n,) more likely than others wherever the agents are, by ``strength`` in log-probability."""
        with torch.no_grad():
            bias = self.policy.biases[-1]
            for agent, action in enumerate(actions.tolist()):
                bias[0 if self.settings.shared else agent, action] += strength

    def update(self, steps: Steps, memory: Memory | None = None) -> None:
        """Learn from one batch of experience.

        Args:
            memory: what the model of the return is fitted to; by default the latest steps given here.
        """
        with _single_thread():
            observations, states = torch.from_numpy(steps.observations), torch.from_numpy(steps.states)
            rounding = 1e-6 * float(np.abs(steps.rewards).max()) + 1e-30  # equal rewards must not teach rounding errors
            advantages = _standardised(self._generalised(steps, observations, states), rounding)
            share = self.settings.own_credit
            if share:
                own = _standardised(self._own_credit(steps, observations, memory), rounding / self.model.unit)
                advantages = (1.0 - share) * advantages + share * own
            self._improve(observations, torch.from_numpy(steps.actions), advantages)

    def _improve(self, observations: Tensor, actions: Tensor, advantages: Tensor) -> None:
        chosen = actions[..., None]
        with torch.no_grad():
            before = self.logits(observations).gather(-1, chosen)[..., 0]
        clip = self.settings.clip
        for _ in range(self.settings.epochs):
            logits = self.logits(observations)
            ratio = (logits.gather(-1, chosen)[..., 0] - before).exp()
            gain = torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
            surprise = torch.where(self.legal, logits, 0.0)
            entropy = -(surprise.exp() * self.legal * surprise).sum(dim=-1)
            loss = -(gain + self.settings.entropy * entropy).sum(dim=-1).mean()
            self.policy_optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.policy_optimiser.step()

    def _values(self, observations: Tensor, states: Tensor) -> Tensor:
        """Predicted returns, shape (..., n); equal for all agents with a central critic."""
        if self.settings.central:
            return self.critic(states[..., None, :])[..., 0].expand(*states.shape[:-1], len(self.sizes))
        return self.critic(self._with_identity(observations))[..., 0]

    def _generalised(self, steps: Steps, observations: Tensor, states: Tensor) -> Tensor:
        """Generalised advantage estimates, shape (T, B, n), and a fit of the critic to the returns."""
        with torch.no_grad():
            values = self._values(observations, states)
            following = self._values(torch.from_numpy(steps.last_observations), torch.from_numpy(steps.last_states))
            returns = self._returns(steps, values, following)
        for _ in range(self.settings.epochs):
            error = (self._values(observations, states) - returns).square().mean()
            self.critic_optimiser.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            self.critic_optimiser.step()
        return returns - values

    def _returns(self, steps: Steps, values: Tensor, following: Tensor) -> Tensor:
        rewards = torch.from_numpy(steps.rewards.astype(np.float32))[..., None]
        going_on = torch.from_numpy(~steps.ends).float()[..., None]
        advantage, discount, trace = torch.zeros_like(following), self.settings.discount, self.settings.trace
        returns = torch.empty_like(values)
        for step in range(len(values) - 1, -1, -1):
            surprise = rewards[step] + discount * going_on[step] * following - values[step]
            advantage = surprise + discount * trace * going_on[step] * advantage
            returns[step] = advantage + values[step]
            following = values[step]
        return returns

    def _own_credit(self, steps: Steps, observations: Tensor, memory: Memory | None) -> Tensor:
        """What each agent's action changed: return minus the model's mean over the agent's own policy, (T, B, n)."""
        returns, states, actions = (
            self._discounted(steps),
            torch.from_numpy(steps.states),
            torch.from_numpy(steps.actions),
        )
        if memory is None:
            memory = self._remember(states.flatten(0, 1), actions.flatten(0, 1), returns.flatten())
        seen, taken, gained = memory
        if float(gained.max() - gained.min()) <= 1e-6 * float(gained.abs().max()):
            return torch.zeros(*actions.shape)
        self.model.fit(seen, taken, gained, self.settings.epochs)
        with torch.no_grad():
            worth = self.model.alternatives(states.flatten(0, 1), actions.flatten(0, 1))
            worth = worth.reshape(*returns.shape, *worth.shape[1:])
            expected = (self.logits(observations).exp() * worth).sum(dim=-1)
        advantages: Tensor = ((returns - self.model.centre) / self.model.unit)[..., None] - expected
        return advantages

    def _discounted(self, steps: Steps) -> Tensor:
        """Discounted sums of rewards to the end of the episode or of the batch, shape (T, B)."""
        rewards, going_on = torch.from_numpy(steps.rewards.astype(np.float32)), torch.from_numpy(~steps.ends).float()
        total, returns = torch.zeros(rewards.shape[1]), torch.empty_like(rewards)
        for step in range(len(rewards) - 1, -1, -1):
            total = rewards[step] + self.settings.discount * going_on[step] * total
            returns[step] = total
        return returns

    def _remember(self, states: Tensor, actions: Tensor, returns: Tensor) -> Memory:
        self._memory.append((states, actions, returns))
        while len(self._memory) > 1 and sum(len(known[2]) for known in self._memory[1:]) >= self.settings.memory:
            self._memory.pop(0)
        seen, taken, gained = (torch.cat(parts) for parts in zip(*self._memory, strict=True))
        return seen, taken, gained

    def _layers(self) -> dict[str, Tensor]:
        parts = {"policy": self.policy.parameters, "critic": self.critic.parameters}
        if self.settings.own_credit:
            parts["model"] = self.model.parameters
        return {f"{part}.{number}": tensor for part, layers in parts.items() for number, tensor in enumerate(layers)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, as plain arrays."""
        learned: dict[str, NDArray[Any]] = {n: t.detach().numpy().copy() for n, t in self._layers().items()}
        return learned | {"scale": np.array([self.model.centre, self.model.unit])}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """The inverse of `arrays`.

        Raises:
            ValueError: if they are another learner's; nothing has changed then.
        """
        layers = self._layers()
        expected = {name: tuple(tensor.shape) for name, tensor in layers.items()} | {"scale": (2,)}
        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != expected:
            raise ValueError(f"arrays of shapes {shapes}, expected {expected}")
        for name, tensor in layers.items():
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(arrays[name]))
        self.model.centre, self.model.unit = map(float, arrays["scale"])


def _standardised(advantages: Tensor, rounding: float) -> Tensor:
    """Centred for each agent, with a spread of 1 over all of them."""
    centred = advantages - advantages.mean(dim=(0, 1))
    return centred / (centred.std() + rounding)


@contextlib.contextmanager
def _single_thread() -> Iterator[None]:
    """Small tensors are slower, and sums less reproducible, on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
