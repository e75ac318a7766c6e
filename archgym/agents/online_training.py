"""Training a team of agents to control a memory controller while it runs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archgym.envs.online import ParallelOnlineEnv
from archgym.envs.online_memory import ACTION_SPACE
from archgym.errors import ConfigError
from archgym.space import Designs

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


#: how much likelier than others, in log-probability, a design that training starts from is to each agent
LEAN = 3.0


def train_online(
    env: ParallelOnlineEnv,
    episodes: int,
    settings: TeamSettings | None = None,
    seed: int = 0,
    static: Designs | None = None,
) -> tuple[TeamLearner, list[float]]:
    """A team trained on ``episodes`` episodes, one update each, and the episodes' rewards.

    Args:
        env: each of its agents gets one policy head over the joint choices of its parameters.
        settings: how the team learns; by default MAPPO with one hidden layer.
        static: settings of the controller, shape (D,), for the agents to start from; each window's reward then counts
            by what it is above that of the same window under these settings, which takes most of the noise out.

    Raises:
        ConfigError: if ``episodes`` is below 1.
    """
    from archgym.agents.team_learner import TeamLearner, TeamSettings

    if episodes < 1:
        raise ConfigError(f"episodes: {episodes} is not allowed; allowed: whole numbers from 1")
    chosen = settings or TeamSettings(hidden=32, learning_rate=0.02, critic_rate=0.01, entropy=0.003, discount=0.9)
    size = env.state_space.shape[0]
    learner = TeamLearner(_choices(env), size, size, chosen, seed)
    usual = np.zeros(1)
    if static is not None:
        usual = serve(env, static).rewards
        learner.lean(_actions(env, static), LEAN)
    totals = []
    for _ in range(episodes):
        steps, episode = _collect(env, learner)
        if static is not None:
            above = steps.rewards.copy()
            both = min(len(above), len(usual))  # an episode ends early where the memory gets stuck
            above[:both, 0] -= usual[:both]
            steps = dataclasses.replace(steps, rewards=above)
        learner.update(steps)
        totals.append(episode.total)
    return learner, totals


def control(env: ParallelOnlineEnv, learner: TeamLearner) -> Episode:
    """Serve the trace once, every agent choosing what it thinks best."""
    return _collect(env, learner, greedy=True)[1]


def serve(env: ParallelOnlineEnv, static: Designs) -> Episode:
    """Serve the trace once under one setting of the controller, shape (D,)."""
    env.reset()
    joint = {agent: static[own] for agent, own in env.columns.items()}
    rewards = []
    while env.agents:
        rewards.append(next(iter(env.step(joint)[1].values())))
    return Episode(np.repeat(static[None], len(rewards), axis=0), np.array(rewards))


def _actions(env: ParallelOnlineEnv, design: Designs) -> NDArray[np.int64]:
    """The joint choice of each agent that makes ``design``, shape (n,)."""
    sizes = ACTION_SPACE.sizes
    places = [np.ravel_multi_index(tuple(design[own]), tuple(sizes[own])) for own in env.columns.values()]
    return np.array(places, dtype=np.int64)


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
