"""A batch of designs a step: the vector form of `DesignEnv`, with one simulator call for all its rows.

Autoreset mode SAME_STEP: the step that ends an episode also starts the next one, so every step is an evaluation
and none is spent on a reset; the last observation and info are in ``infos["final_obs"]``, ``infos["final_info"]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from archgym.envs.observation import Observation, Observer, as_problem, check_horizon, level_table
from archgym.envs.render import RENDER_MODES, check_render_mode, render
from archgym.errors import ConfigError
from archgym.objective import ObjectiveRecipe
from archgym.problem import Evaluation, Problem
from archgym.simulators.base import Simulator
from archgym.workload import Workload

Rows = NDArray[np.int64]


class VectorDesignEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """``num_envs`` copies of `DesignEnv` that equal Gymnasium's `SyncVectorEnv` of them row by row, bit for bit.

    Args: as `DesignEnv`. Gymnasium passes the limit of a spec as ``max_episode_steps``; the smaller one counts.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": list(RENDER_MODES),
        "render_fps": 1,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        problem: Problem | str,
        num_envs: int = 1,
        workload: str | Workload | None = None,
        objective: str | ObjectiveRecipe | None = None,
        simulator: Simulator | None = None,
        horizon: int = 1,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        if isinstance(num_envs, bool) or not isinstance(num_envs, int | np.integer) or num_envs < 1:
            raise ConfigError(f"num_envs: {num_envs!r} is not allowed; allowed: whole numbers from 1")
        self.problem = as_problem(problem, workload, objective, simulator, options)
        self.horizon = check_horizon(horizon)
        self._limit = min(self.horizon, max_episode_steps or self.horizon)
        self.render_mode = check_render_mode(render_mode)
        self.num_envs = int(num_envs)
        self._observer = Observer(self.problem)
        self._tables = {p.name: level_table(p.levels) for p in self.problem.space.parameters}
        self.single_action_space = self.problem.space.gym()
        self.single_observation_space = Box(0.0, 1.0, (self._observer.size,), np.float32)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._shown = self._starts()
        self._last: Evaluation | None = None

    def _starts(self) -> Observation:
        start: Observation = np.repeat(self._observer.rows(self._observer.default.metrics, 0.0), self.num_envs, axis=0)
        return start

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in every row, or in those that are true in ``options["reset_mask"]``, shape (num_envs,).

        Nothing is random, so ``seed`` only seeds `np_random`.
        """
        super().reset(seed=seed[0] if isinstance(seed, list) else seed)
        mask = np.ones(self.num_envs, dtype=bool)
        if options and "reset_mask" in options:
            mask = np.asarray(options["reset_mask"], dtype=bool)
            if mask.shape != (self.num_envs,) or not mask.any():
                raise ConfigError(f"reset_mask: needs shape ({self.num_envs},) with at least one true, not {mask!r}")
        self._steps[mask] = 0
        self._shown[mask] = self._starts()[mask]
        self._last = None
        return self._shown.copy(), self._infos(self._observer.default, np.zeros(self.num_envs, dtype=np.int64), mask)

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Observation, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Evaluate one design a row, shape (num_envs, D).

        Raises:
            DesignError: if a row is not a legal design; ConfigError: if there are too few or too many rows.
        """
        designs = self.problem.space.check(actions)
        if len(designs) != self.num_envs:
            raise ConfigError(f"actions: {len(designs)} rows; allowed: {self.num_envs}, one for each environment")
        self._last = self.problem.evaluate(designs)
        self._steps += 1
        truncated = self._steps >= self._limit
        finished = self._observer.rows(self._last.metrics, self._steps / self.horizon)
        if not truncated.any():
            self._shown = finished
            infos = self._infos(self._last, np.arange(self.num_envs), ~truncated)
        else:
            infos = self._restart(self._last, finished, truncated)
        reward = np.array(self._last.reward, dtype=np.float64)
        return self._shown.copy(), reward, np.zeros(self.num_envs, dtype=bool), truncated, infos

    def _restart(self, last: Evaluation, finished: Observation, truncated: NDArray[np.bool_]) -> dict[str, Any]:
        """Begin a new episode in the truncated rows; the infos of the others, of the ends, and of the starts."""
        rows = np.arange(self.num_envs)
        self._shown = np.where(truncated[:, None], self._starts(), finished)
        self._steps[truncated] = 0
        final = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(truncated):
            final[row] = finished[row]
        start = self._infos(self._observer.default, np.zeros_like(rows), truncated)
        infos = start if truncated.all() else _merged(self._infos(last, rows, ~truncated), start, truncated)
        infos["final_obs"], infos["_final_obs"] = final, truncated.copy()
        infos["final_info"], infos["_final_info"] = self._infos(last, rows, truncated), truncated.copy()
        return infos

    def _infos(self, evaluation: Evaluation, rows: Rows, present: NDArray[np.bool_]) -> dict[str, Any]:
        """`Observer.info` of the chosen rows as Gymnasium's columns; ``present`` says which environments have one."""
        metrics: dict[str, Any] = {}
        for name in self._observer.names:
            column = evaluation.metrics[name][rows]
            known = present & np.isfinite(column)
            if known.any():
                metrics[name], metrics[f"_{name}"] = np.where(known, column, 0.0), known
        design: dict[str, Any] = {}
        for place, (name, table) in enumerate(self._tables.items()):
            blank: Any = None if table.dtype == object else table.dtype.type(0)
            design[name] = np.where(present, table[evaluation.designs[rows, place]], blank)
            design[f"_{name}"] = present.copy()
        reasons = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(present):
            reasons[row] = evaluation.metrics.reasons[rows[row]]
        values = {
            "metrics": metrics,
            "design": design,
            "feasible": evaluation.metrics.feasible[rows] & present,
            "reason": reasons,
        }
        return {
            key: entry for name, value in values.items() for key, entry in ((name, value), (f"_{name}", present.copy()))
        }

    def render(self) -> tuple[Any, ...] | None:
        """The last design of each row: texts or pictures, by the render mode."""
        if self.render_mode is None:
            return None
        shown = self._observer.default if self._last is None else self._last
        rows = [0] * self.num_envs if self._last is None else range(self.num_envs)
        return tuple(render(self.render_mode, self._observer, shown, row) for row in rows)


def _merged(running: dict[str, Any], starting: dict[str, Any], started: NDArray[np.bool_]) -> dict[str, Any]:
    """The infos of two disjoint sets of rows as one; a key that is missing on one side is blank there."""
    merged: dict[str, Any] = {}
    for key in {**running, **starting}:
        left, right = running.get(key), starting.get(key)
        if isinstance(left, dict) or isinstance(right, dict):
            merged[key] = _merged(left or {}, right or {}, started)
        else:
            left = np.zeros_like(right) if left is None else left
            right = np.zeros_like(left) if right is None else right
            merged[key] = np.where(started, right, left)
    return merged
