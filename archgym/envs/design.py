"""A whole design a step: the plainest form of a problem, and the one ``gym.make("DRAMEnv-v0")`` gives.

An evaluation does not depend on the ones before it. The environment itself never ends an episode; `design_env`
(and so `gymnasium.make`) limits it to ``horizon`` designs with Gymnasium's `TimeLimit`, which truncates.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from archgym.envs.observation import Observation, Observer, as_problem, check_horizon
from archgym.envs.render import RENDER_MODES, check_render_mode, render
from archgym.errors import DesignError
from archgym.objective import ObjectiveRecipe
from archgym.problem import Problem
from archgym.simulators.base import Simulator
from archgym.workload import Workload


class DesignEnv(gymnasium.Env[Observation, NDArray[np.int64]]):
    """One design a step.

    Action: ``MultiDiscrete``, the level number of every parameter. Observation: float32 in [0, 1]: the metrics of
    the last design relative to the default design's (1/2 is equal; see `Observer`), whether it was feasible, the
    workload's features, and the fraction of the episode that is over. An episode starts at the default design.
    Reward: the objective's. ``info``: ``metrics`` in SI units, ``design`` as values, ``feasible``, ``reason``.

    Args:
        problem: a problem, or the id of a family; then the next four describe it as for `archgym.make_problem`.
        workload, objective, simulator, options: see `archgym.make_problem`.
        horizon: designs in an episode, for the fraction shown.
        render_mode: ``"ansi"`` (a text table) or ``"rgb_array"`` (a picture; needs matplotlib).

    Raises:
        ConfigError, UnknownNameError, WorkloadError: for settings that are not allowed.
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
        self._steps = 0
        self._last = self._observer.default
        self.action_space = self.problem.space.gym()
        self.observation_space = Box(0.0, 1.0, (self._observer.size,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; nothing is random, so ``seed`` only seeds `np_random`, and ``options`` are ignored."""
        super().reset(seed=seed)
        self._steps, self._last = 0, self._observer.default
        return self._observe(), self._observer.info(self._last)

    def step(self, action: NDArray[np.int64]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Evaluate one design, shape (D,).

        Raises:
            DesignError: if it is not a legal design.
        """
        design = np.asarray(action)
        if design.ndim != 1:
            raise DesignError(f"an action is one design of shape ({len(self.problem.space)},), not {design.shape}")
        self._last = self.problem.evaluate(design)
        self._steps += 1
        return self._observe(), float(self._last.reward[0]), False, False, self._observer.info(self._last)

    def _observe(self) -> Observation:
        return self._observer.row(self._last.metrics, self._steps / self.horizon)

    def render(self) -> Any:
        """The last design and its metrics: text, or an array of shape (height, width, 3), by the render mode."""
        return render(self.render_mode, self._observer, self._last)


def design_env(problem: Problem | str, horizon: int = 1, **settings: Any) -> gymnasium.Env[Any, Any]:
    """A `DesignEnv` whose episodes are truncated after ``horizon`` designs."""
    return TimeLimit(DesignEnv(problem, horizon=horizon, **settings), check_horizon(horizon))


# Gymnasium reads the render modes of an entry point from this attribute.
design_env.metadata = DesignEnv.metadata  # type: ignore[attr-defined]
