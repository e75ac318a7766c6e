"""What the multi-agent forms share: who owns which columns, and what each agent sees.

Every agent's observation has the same shape, so one policy can serve all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray

from archgym.envs.observation import NOT_CHOSEN, ChoiceEncoder, Observation, Observer
from archgym.envs.split import Split, split_parameters
from archgym.errors import DesignError
from archgym.problem import Evaluation, Problem


@dataclass(frozen=True)
class Team:
    """The agents of one problem under one split."""

    problem: Problem
    split: Split

    @cached_property
    def members(self) -> dict[str, tuple[str, ...]]:
        """Parameter names by agent."""
        return split_parameters(self.problem.space, self.split)

    @cached_property
    def columns(self) -> dict[str, NDArray[np.int64]]:
        """Column numbers by agent."""
        names = self.problem.space.names
        return {agent: np.array([names.index(name) for name in owned]) for agent, owned in self.members.items()}

    @cached_property
    def observer(self) -> Observer:
        return Observer(self.problem)

    @cached_property
    def encoder(self) -> ChoiceEncoder:
        return ChoiceEncoder(self.problem.space)

    @cached_property
    def _blocks(self) -> dict[str, NDArray[np.int64]]:
        """Positions of each agent's own choices within an encoded design."""
        starts, widths = self.encoder.starts, self.encoder.widths
        return {
            agent: np.concatenate([starts[column] + np.arange(widths[column]) for column in columns])
            for agent, columns in self.columns.items()
        }

    @cached_property
    def own_size(self) -> int:
        """Length of the longest agent's own choices; shorter ones are padded with zeros."""
        return max(len(block) for block in self._blocks.values())

    def action_spaces(self) -> dict[str, Discrete | MultiDiscrete]:
        """A ``Discrete`` for each parameter's agent; a ``MultiDiscrete`` for each group's, even of one parameter."""
        sizes = self.problem.space.sizes
        if self.split == "parameter":
            return {agent: Discrete(int(sizes[columns[0]])) for agent, columns in self.columns.items()}
        return {agent: MultiDiscrete(sizes[columns]) for agent, columns in self.columns.items()}

    def observation_spaces(self, others: bool) -> dict[str, Box]:
        size = self.observer.size + self.own_size + (self.encoder.size if others else 0)
        return {agent: Box(0.0, 1.0, (size,), np.float32) for agent in self.members}

    def state_space(self) -> Box:
        return Box(0.0, 1.0, (self.observer.size + self.encoder.size,), np.float32)

    def write(self, design: NDArray[np.int64], agent: str, action: Any) -> None:
        """Enter an agent's action into its columns of ``design``, shape (D,).

        Raises:
            DesignError: if it is not one legal level number for each of the agent's parameters.
        """
        columns = self.columns[agent]
        levels = np.atleast_1d(np.asarray(action))
        if levels.shape != columns.shape or levels.dtype.kind not in "iu":
            raise DesignError(
                f"agent {agent!r}: action {action!r} must be {len(columns)} level numbers, for {', '.join(self.members[agent])}"
            )
        for column, level in zip(columns, levels, strict=True):
            parameter = self.problem.space.parameters[column]
            if not 0 <= level < len(parameter.levels):
                raise DesignError(
                    f"agent {agent!r}: parameter {parameter.name!r} has level number {level}; allowed: "
                    f"0 to {len(parameter.levels) - 1}"
                )
        design[columns] = levels

    def nothing_chosen(self) -> NDArray[np.int64]:
        return np.full(len(self.problem.space), NOT_CHOSEN, dtype=np.int64)

    def observe(self, agent: str, shown: Observation, own: Observation, others: Observation | None) -> Observation:
        """What one agent sees.

        Args:
            shown: the observer's row.
            own: an encoded design, from which the agent sees its own choices.
            others: an encoded design, of which it sees everything, if given.
        """
        block = self._blocks[agent]
        start = len(shown)
        size = start + self.own_size + (0 if others is None else len(others))
        seen = np.zeros(size, dtype=np.float32)
        seen[:start] = shown
        seen[start : start + len(block)] = own[block]
        if others is not None:
            seen[start + self.own_size :] = others
        return seen

    def infos(self, agents: list[str], evaluation: Evaluation) -> dict[str, dict[str, Any]]:
        """What every agent is told of an evaluation: the same, in dictionaries of their own."""
        info = self.observer.info(evaluation)
        return {agent: info | {key: dict(info[key]) for key in ("metrics", "design")} for agent in agents}
