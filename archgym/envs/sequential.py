"""One parameter a step: a design is built choice by choice, and evaluated at the last one.

The action space has as many actions as the largest parameter has levels; those the parameter in turn lacks are masked.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from archgym.envs.observation import NOT_CHOSEN, ChoiceEncoder, Observation, Observer, as_problem, check_horizon
from archgym.envs.render import RENDER_MODES, check_render_mode, render
from archgym.errors import DesignError
from archgym.objective import ObjectiveRecipe
from archgym.problem import Problem
from archgym.simulators.base import Simulator
from archgym.workload import Workload


class LevelChoice(Discrete):
    """A ``Discrete`` that samples only the first ``legal`` numbers unless it is given a mask."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.legal = n

    def sample(self, mask: Any = None, probability: Any = None) -> np.int64:
        if mask is None and probability is None:
            mask = (np.arange(self.n) < self.legal).astype(np.int8)
        return super().sample(mask, probability)


class SequentialEnv(gymnasium.Env[Observation, np.int64]):
    """One parameter a step, in the order of the space.

    Action: ``Discrete(largest number of levels)``. `action_masks` (as sb3-contrib's MaskablePPO asks for it) and
    ``info["action_mask"]`` say which numbers are levels of the parameter in turn; ``action_space.sample()`` keeps to
    them, and any other number raises `DesignError`. Observation: float32 in [0, 1]: what `DesignEnv` shows of the
    last design, then which parameter is in turn (one-hot), then the choices made so far (`ChoiceEncoder`).
    Reward: 0 until the last parameter is chosen, then the objective's. ``info["parameter"]`` names the parameter in
    turn; the step that completes a design adds what `DesignEnv` tells of it.

    Args: as `DesignEnv`; ``horizon`` counts designs, so an episode of `sequential_env` has ``horizon * D`` steps.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 1}  # noqa: RUF012

    def __init__(
        self,
        problem: Problem | str,
        workload: str | Workload | None = None,
        objective: str | ObjectiveRecipe | None = None,
        simulator: Simulator | None = None,
        horizon: int = 1,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self.problem = as_problem(problem, workload, objective, simulator, options)
        self.horizon = check_horizon(horizon)
        self.render_mode = check_render_mode(render_mode)
        self._observer = Observer(self.problem)
        self._encoder = ChoiceEncoder(self.problem.space)
        self._choice = LevelChoice(int(self.problem.space.sizes.max()))
        self.action_space = self._choice
        size = self._observer.size + len(self.problem.space) + self._encoder.size
        self.observation_space = Box(0.0, 1.0, (size,), np.float32)
        self._start_episode()

    def _start_episode(self) -> None:
        self._designs, self._last = 0, self._observer.default
        self._start_design()

    def _start_design(self) -> None:
        self._design = np.full(len(self.problem.space), NOT_CHOSEN, dtype=np.int64)
        self._turn_to(0)

    def _turn_to(self, column: int) -> None:
        self._turn = column
        self._choice.legal = int(self.problem.space.sizes[column])

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are levels of the parameter in turn, shape (n,)."""
        return np.arange(self._choice.n) < self._choice.legal

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; nothing is random, so ``seed`` only seeds `np_random`, and ``options`` are ignored."""
        super().reset(seed=seed)
        self._start_episode()
        return self._observe(), self._turn_info()

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Choose the level number of the parameter in turn.

        Raises:
            DesignError: if the parameter has no such level.
        """
        parameter = self.problem.space.parameters[self._turn]
        level = np.asarray(action)
        if level.size != 1 or level.dtype.kind not in "iu" or not 0 <= int(level.item()) < len(parameter.levels):
            raise DesignError(
                f"parameter {parameter.name!r}: action {action!r} is masked; allowed: 0 to {len(parameter.levels) - 1}"
            )
        self._design[self._turn] = int(level.item())
        if self._turn + 1 < len(self.problem.space):
            self._turn_to(self._turn + 1)
            return self._observe(), 0.0, False, False, self._turn_info()
        self._last = self.problem.evaluate(self._design)
        self._designs += 1
        self._start_design()
        info = self._turn_info() | self._observer.info(self._last)
        return self._observe(), float(self._last.reward[0]), False, False, info

    def _turn_info(self) -> dict[str, Any]:
        return {
            "action_mask": self.action_masks().astype(np.int8),
            "parameter": self.problem.space.names[self._turn],
        }

    def _observe(self) -> Observation:
        shown = self._observer.row(self._last.metrics, self._designs / self.horizon)
        turn = np.zeros(len(self.problem.space), dtype=np.float32)
        turn[self._turn] = 1.0
        return np.concatenate([shown, turn, self._encoder(self._design[None])[0]])

    def render(self) -> Any:
        """The last complete design and its metrics: text, or an array of shape (height, width, 3)."""
        return render(self.render_mode, self._observer, self._last)


def sequential_env(problem: Problem | str, horizon: int = 1, **settings: Any) -> gymnasium.Env[Any, Any]:
    """A `SequentialEnv` whose episodes are truncated after ``horizon`` designs."""
    env = SequentialEnv(problem, horizon=horizon, **settings)
    return TimeLimit(env, env.horizon * len(env.problem.space))


# Gymnasium reads the render modes of an entry point from this attribute.
sequential_env.metadata = SequentialEnv.metadata  # type: ignore[attr-defined]
