"""Training a team of agents to control a memory controller while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archgym.envs.online import ParallelOnlineEnv
from archgym.envs.online_memory import ACTION_SPACE
from archgym.errors import ConfigError

if TYPE_CHECKING:
    from archgym.agents.team_learner import Steps, TeamLearner, TeamSettings


@dataclass(frozen=True)
class Episode:
    """One trace served: the joint action of each window, shape (T, D), and its rewards, shape (T,)."""

    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]

    @property
    def total(self) -> float:
        return float(self.rewards.sum())


def train_online(
    env: ParallelOnlineEnv, episodes: int, settings: TeamSettings | None = None, seed: int = 0
) -> tuple[TeamLearner, list[float]]:
    """A team trained on ``episodes`` episodes, one update each, and the episodes' rewards.

    Args:
        env: each of its agents gets one policy head over the joint choices of its parameters.
        settings: how the team learns; by default MAPPO with one hidden layer.

    Raises:
        ConfigError: if ``episodes`` is below 1.
    """
    from archgym.agents.team_learner import TeamLearner, TeamSettings

    if episodes < 1:
        raise ConfigError(f"episodes: {episodes} is not allowed; allowed: whole numbers from 1")
    chosen = settings or TeamSettings(hidden=32, learning_rate=0.02, critic_rate=0.01, entropy=0.003, discount=0.9)
    size = env.state_space.shape[0]
    learner = TeamLearner(_choices(env), size, size, chosen, seed)
    totals = []
    for _ in range(episodes):
        steps, episode = _collect(env, learner)
        learner.update(steps)
        totals.append(episode.total)
    return learner, totals


def control(env: ParallelOnlineEnv, learner: TeamLearner) -> Episode:
    """Serve the trace once, every agent choosing what it thinks best."""
    return _collect(env, learner, greedy=True)[1]


def _choices(env: ParallelOnlineEnv) -> NDArray[np.int64]:
    """Number of joint choices of each agent, shape (n,)."""
    sizes = ACTION_SPACE.sizes
    return np.array([int(np.prod(sizes[own])) for own in env.columns.values()], dtype=np.int64)


def _collect(env: ParallelOnlineEnv, learner: TeamLearner, greedy: bool = False) -> tuple[Steps, Episode]:
    """One episode, as experience of shape (T, 1, …) and as designs."""
    from archgym.agents.team_learner import Steps

    env.reset()
    agents, sizes = len(env.columns), ACTION_SPACE.sizes
    states, chosen, rewards, designs = [env.state()], [], [], []
    while env.agents:
        seen = np.repeat(states[-1][None, None], agents, axis=1)
        actions = learner.act(seen, greedy)[0]
        joint = {
            agent: np.array(np.unravel_index(int(action), tuple(sizes[own])))
            for (agent, own), action in zip(env.columns.items(), actions, strict=True)
        }
        designs.append(env.joint(joint))
        result = env.step(joint)
        chosen.append(actions)
        rewards.append(next(iter(result[1].values())))
        states.append(env.state())
    shown = np.array(states, dtype=np.float32)[:, None]
    observed = np.repeat(shown[:, :, None], agents, axis=2)
    ends = np.zeros((len(rewards), 1), dtype=bool)
    ends[-1] = True
    steps = Steps(
        observed[:-1], shown[:-1], np.array(chosen)[:, None], np.array(rewards)[:, None], ends, observed[-1], shown[-1]
    )
    return steps, Episode(np.array(designs), np.array(rewards))
