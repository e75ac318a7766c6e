"""All agents act at once, each on its own parameters: a problem as a PettingZoo `ParallelEnv` with a team reward.

A step evaluates exactly the joint design, so it equals a step of `DesignEnv` with the same design.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Space
from pettingzoo import ParallelEnv

from archgym.envs.observation import Observation, as_problem, check_horizon
from archgym.envs.render import RENDER_MODES, check_render_mode, render
from archgym.envs.split import Split
from archgym.envs.team import Team
from archgym.errors import ConfigError
from archgym.objective import ObjectiveRecipe
from archgym.problem import Problem
from archgym.simulators.base import Simulator
from archgym.workload import Workload


class ParallelDesignEnv(ParallelEnv[str, Observation, Any]):  # type: ignore[misc]
    """One agent a parameter, a subsystem, or a group of your own; all choose at once.

    Action: the level number of the agent's parameter (``split="parameter"``), else one level number for each of its
    parameters. Observation: float32 in [0, 1], of one shape for all agents: what `DesignEnv` shows of the last joint
    design, the agent's own last choices, and with ``observe_others`` everyone's last choices. `state` shows all of
    it to a central critic. Every agent gets the objective's reward. An episode is truncated after ``horizon`` steps.

    Args:
        split: ``"parameter"``, ``"group"`` or ``{agent: parameters}``; see `split_parameters`.
        observe_others: whether agents see each other's last choices.
        others: as `DesignEnv`.

    Raises:
        ConfigError, UnknownNameError, WorkloadError: for settings that are not allowed.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": list(RENDER_MODES),
        "render_fps": 1,
        "name": "archgym_parallel",
        "is_parallelizable": True,
    }

    def __init__(
        self,
        problem: Problem | str,
        split: Split = "parameter",
        workload: str | Workload | None = None,
        objective: str | ObjectiveRecipe | None = None,
        simulator: Simulator | None = None,
        horizon: int = 1,
        observe_others: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self.problem = as_problem(problem, workload, objective, simulator, options)
        self.horizon = check_horizon(horizon)
        self.render_mode = check_render_mode(render_mode)
        self.observe_others = observe_others
        self.team = Team(self.problem, split)
        self.metadata = {**type(self).metadata, "name": f"{self.problem.id}_parallel"}  # type: ignore[misc]
        self.possible_agents = list(self.team.members)
        self.agents: list[str] = []
        self.observation_spaces = self.team.observation_spaces(observe_others)
        self.action_spaces = self.team.action_spaces()
        self.state_space: Box = self.team.state_space()
        self._steps = 0
        self._last = self.team.observer.default

    def observation_space(self, agent: str) -> Space[Any]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Any]:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start an episode from the default design; nothing is random, so ``seed`` changes nothing."""
        self.agents = list(self.possible_agents)
        self._steps, self._last = 0, self.team.observer.default
        return self._observe(), self._infos()

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Evaluate the joint design.

        Raises:
            ConfigError: if an agent's action is missing, there is one too many, or the episode is over.
            DesignError: if an action is not a legal choice.
        """
        if not self.agents:
            raise ConfigError("step: the episode is over; call reset first")
        if set(actions) != set(self.agents):
            wrong = sorted(set(actions) ^ set(self.agents))
            raise ConfigError(f"actions: exactly one for each agent is needed; missing or unknown: {', '.join(wrong)}")
        design = self.team.nothing_chosen()
        for agent, action in actions.items():
            self.team.write(design, agent, action)
        self._last = self.problem.evaluate(design)
        self._steps += 1
        reward, over = float(self._last.reward[0]), self._steps >= self.horizon
        result = (
            self._observe(),
            dict.fromkeys(self.agents, reward),
            dict.fromkeys(self.agents, False),
            dict.fromkeys(self.agents, over),
            self._infos(),
        )
        if over:
            self.agents = []
        return result

    def _shown(self) -> Observation:
        return self.team.observer.row(self._last.metrics, self._steps / self.horizon)

    def _observe(self) -> dict[str, Observation]:
        shown, own = self._shown(), self.team.encoder(self._last.designs)[0]
        others = own if self.observe_others else None
        return {agent: self.team.observe(agent, shown, own, others) for agent in self.agents}

    def _infos(self) -> dict[str, dict[str, Any]]:
        return self.team.infos(self.agents, self._last)

    def state(self) -> Observation:
        """All there is to see, for a central critic: `DesignEnv`'s observation and everyone's last choices."""
        return np.concatenate([self._shown(), self.team.encoder(self._last.designs)[0]])

    def render(self) -> Any:
        """The last joint design and its metrics: text, or an array of shape (height, width, 3)."""
        return render(self.render_mode, self.team.observer, self._last)

    def close(self) -> None:
        """Nothing is held open."""


def parallel_env(problem: Problem | str, split: Split = "parameter", **settings: Any) -> ParallelDesignEnv:
    """A `ParallelDesignEnv`; ``settings`` are its other arguments."""
    return ParallelDesignEnv(problem, split, **settings)
