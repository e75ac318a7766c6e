"""Agents act in turn and see the choices made before theirs: a problem as a PettingZoo `AECEnv`.

The design is evaluated when the last agent of a round has chosen; until then all rewards are 0.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Space
from pettingzoo import AECEnv

from archgym.envs.observation import Observation, as_problem, check_horizon
from archgym.envs.render import RENDER_MODES, check_render_mode, render
from archgym.envs.split import Split
from archgym.envs.team import Team
from archgym.objective import ObjectiveRecipe
from archgym.problem import Problem
from archgym.simulators.base import Simulator
from archgym.workload import Workload


class TurnDesignEnv(AECEnv[str, Observation, Any]):  # type: ignore[misc]
    """One agent a parameter, a subsystem, or a group of your own; they choose one after the other.

    Actions, rewards and arguments are as in `ParallelDesignEnv`. Observation: float32 in [0, 1], of one shape for all
    agents: what `DesignEnv` shows of the last joint design, the agent's own choices in it, and the choices of this
    round so far (zeros where nobody has chosen yet). An episode is truncated after ``horizon`` rounds.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": list(RENDER_MODES),
        "render_fps": 1,
        "name": "archgym_turn",
        "is_parallelizable": False,
    }

    def __init__(
        self,
        problem: Problem | str,
        split: Split = "parameter",
        workload: str | Workload | None = None,
        objective: str | ObjectiveRecipe | None = None,
        simulator: Simulator | None = None,
        horizon: int = 1,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.problem = as_problem(problem, workload, objective, simulator, options)
        self.horizon = check_horizon(horizon)
        self.render_mode = check_render_mode(render_mode)
        self.team = Team(self.problem, split)
        self.metadata = {**type(self).metadata, "name": f"{self.problem.id}_turn"}  # type: ignore[misc]
        self.possible_agents = list(self.team.members)
        self.agents: list[str] = []
        self.observation_spaces = dict(self.team.observation_spaces(others=True))
        self.action_spaces = dict(self.team.action_spaces())
        self.state_space: Box = self.team.state_space()
        self._rounds = 0
        self._last = self.team.observer.default
        self._design = self.team.nothing_chosen()

    def observation_space(self, agent: str) -> Space[Any]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Any]:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start an episode from the default design; nothing is random, so ``seed`` changes nothing."""
        self.agents = list(self.possible_agents)
        self.agent_selection = self.agents[0]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self._rounds, self._last = 0, self.team.observer.default
        self._design = self.team.nothing_chosen()
        self._tell()

    def _tell(self) -> None:
        """Work out what agents see of the last design, once a round."""
        self._shown = self.team.observer.row(self._last.metrics, self._rounds / self.horizon)
        self._own = self.team.encoder(self._last.designs)[0]
        self.infos = self.team.infos(self.agents, self._last)

    def step(self, action: Any) -> None:
        """Take the action of the agent in turn; at the end of a round, evaluate the joint design.

        Raises:
            DesignError: if the action is not a legal choice.
        """
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self.team.write(self._design, agent, action)
        self._cumulative_rewards[agent] = 0.0
        place = self.agents.index(agent) + 1
        if place == len(self.agents):
            self._finish_round()
        else:
            self.rewards = dict.fromkeys(self.agents, 0.0)
        self.agent_selection = self.agents[place % len(self.agents)]
        self._accumulate_rewards()

    def _finish_round(self) -> None:
        self._last = self.problem.evaluate(self._design)
        self._rounds += 1
        self._design = self.team.nothing_chosen()
        self.rewards = dict.fromkeys(self.agents, float(self._last.reward[0]))
        self.truncations = dict.fromkeys(self.agents, self._rounds >= self.horizon)
        self._tell()

    def observe(self, agent: str) -> Observation:
        """What ``agent`` sees now."""
        return self.team.observe(agent, self._shown, self._own, self.team.encoder(self._design[None])[0])

    def state(self) -> Observation:
        """All there is to see, for a central critic: `DesignEnv`'s observation and this round's choices so far."""
        return np.concatenate([self._shown, self.team.encoder(self._design[None])[0]])

    def render(self) -> Any:
        """The last complete design and its metrics: text, or an array of shape (height, width, 3)."""
        return render(self.render_mode, self.team.observer, self._last)

    def close(self) -> None:
        """Nothing is held open."""


def turn_env(problem: Problem | str, split: Split = "parameter", **settings: Any) -> TurnDesignEnv:
    """A `TurnDesignEnv`; ``settings`` are its other arguments."""
    return TurnDesignEnv(problem, split, **settings)
