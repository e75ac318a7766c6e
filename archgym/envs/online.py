"""Online control: a memory controller's settings are chosen anew for each window of a trace while it runs.

Unlike a design, which is chosen once, a window starts from the state that earlier windows left behind.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from archgym.envs.online_memory import ACTION_SPACE, OBSERVED, OnlineMemory
from archgym.envs.split import Split, split_parameters
from archgym.errors import ConfigError, DesignError
from archgym.workload import Workload

Observation = NDArray[np.float32]


class OnlineEnv(gymnasium.Env[Observation, NDArray[np.int64]]):
    """One agent sets all settings for the next window.

    Action: a level number for each parameter of `online_memory.ACTION_SPACE`. Observation: float32 in [0, 1], the
    statistics `online_memory.OBSERVED` of the window before (of an idle memory at first). Reward: latency, energy and
    bandwidth parts of the window, in ``info["reward_parts"]``; see `OnlineMemory.step`. An episode is truncated at the
    end of the trace; one in which the controller deadlocks is terminated.

    Args:
        workload: a DRAM workload, or its name.
        window: requests answered between two choices.
        device, address_map: the memory.

    Raises:
        ConfigError, UnknownNameError, WorkloadError: for settings that are not allowed.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (an instance variable of the base class)

    def __init__(
        self,
        workload: str | Workload = "mediabench-jpegdecode_32",
        window: int = 256,
        device: str = "ddr3-1600",
        address_map: str = "rbc",
        render_mode: None = None,
    ) -> None:
        if render_mode is not None:
            raise ConfigError(f"render_mode: {render_mode!r} is not allowed; allowed: None")
        self.render_mode = None
        self.memory = OnlineMemory(workload, window, device, address_map)
        self.action_space = MultiDiscrete(ACTION_SPACE.sizes)
        self.observation_space = Box(0.0, 1.0, (len(OBSERVED),), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start the trace anew; nothing is random, so ``seed`` changes nothing."""
        super().reset(seed=seed)
        self.memory.reset()
        return self.memory.observation(), self.memory.info()

    def step(self, action: NDArray[np.int64]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Run one window with these settings.

        Raises:
            ConfigError: if the episode is over.
            DesignError: if the action is not a legal choice.
        """
        reward = self.memory.step(np.asarray(action))
        return self.memory.observation(), reward, self.memory.stuck, self.memory.finished, self.memory.info()


class ParallelOnlineEnv(ParallelEnv[str, Observation, Any]):  # type: ignore[misc]
    """One agent a subsystem (or a parameter) sets its settings for the next window, all at once for one team reward.

    All agents see the same observation, that of `OnlineEnv`, which is also the `state` for a central critic.

    Args:
        split: ``"group"``, ``"parameter"`` or ``{agent: parameters}``; see `split_parameters`.
        others: as `OnlineEnv`.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": [],
        "name": "DRAMOnlineEnv-v0_parallel",
        "is_parallelizable": True,
    }

    def __init__(
        self,
        workload: str | Workload = "mediabench-jpegdecode_32",
        split: Split = "group",
        window: int = 256,
        device: str = "ddr3-1600",
        address_map: str = "rbc",
    ) -> None:
        self.memory = OnlineMemory(workload, window, device, address_map)
        self.render_mode = None
        names = ACTION_SPACE.names
        self.members = split_parameters(ACTION_SPACE, split)
        self.columns = {agent: np.array([names.index(name) for name in owned]) for agent, owned in self.members.items()}
        self.possible_agents = list(self.members)
        self.agents: list[str] = []
        box = Box(0.0, 1.0, (len(OBSERVED),), np.float32)
        self.state_space = box
        self.observation_spaces = {agent: Box(0.0, 1.0, (len(OBSERVED),), np.float32) for agent in self.possible_agents}
        sizes = ACTION_SPACE.sizes
        self.action_spaces: dict[str, Discrete | MultiDiscrete] = {
            agent: Discrete(int(sizes[own[0]])) if split == "parameter" else MultiDiscrete(sizes[own])
            for agent, own in self.columns.items()
        }

    def observation_space(self, agent: str) -> Box:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete | MultiDiscrete:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start the trace anew; nothing is random, so ``seed`` changes nothing."""
        self.memory.reset()
        self.agents = list(self.possible_agents)
        return self._observations(), {agent: self.memory.info() for agent in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Run one window with the joint settings.

        Raises:
            ConfigError: if an agent's action is missing, there is one too many, or the episode is over.
            DesignError: if an action is not a legal choice.
        """
        if set(actions) != set(self.agents):
            wrong = sorted(set(actions) ^ set(self.agents))
            raise ConfigError(f"actions: exactly one for each agent is needed; missing or unknown: {', '.join(wrong)}")
        reward = self.memory.step(self.joint(actions))
        agents, stuck, finished = self.agents, self.memory.stuck, self.memory.finished
        result = (
            self._observations(),
            dict.fromkeys(agents, reward),
            dict.fromkeys(agents, stuck),
            dict.fromkeys(agents, finished),
            {agent: self.memory.info() for agent in agents},
        )
        if stuck or finished:
            self.agents = []
        return result

    def joint(self, actions: dict[str, Any]) -> NDArray[np.int64]:
        """The joint action of shape (D,).

        Raises:
            DesignError: if an agent's action does not have one whole number for each of its parameters.
        """
        design = np.empty(len(ACTION_SPACE), dtype=np.int64)
        for agent, action in actions.items():
            levels = np.atleast_1d(np.asarray(action))
            if levels.shape != self.columns[agent].shape or levels.dtype.kind not in "iu":
                raise DesignError(
                    f"agent {agent!r}: action {action!r} must be {len(self.columns[agent])} level numbers, "
                    f"for {', '.join(self.members[agent])}"
                )
            design[self.columns[agent]] = levels
        return design

    def _observations(self) -> dict[str, Observation]:
        return {agent: self.memory.observation() for agent in self.agents}

    def state(self) -> Observation:
        return self.memory.observation()

    def render(self) -> None:
        """There is nothing to show."""

    def close(self) -> None:
        """Nothing is held open."""


def online_env(**settings: Any) -> OnlineEnv:
    """An `OnlineEnv`; what ``gymnasium.make("DRAMOnlineEnv-v0")`` calls."""
    return OnlineEnv(**settings)


def online_parallel_env(**settings: Any) -> ParallelOnlineEnv:
    """A `ParallelOnlineEnv`, the PettingZoo form of ``DRAMOnlineEnv-v0``."""
    return ParallelOnlineEnv(**settings)
