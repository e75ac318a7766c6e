"""How a policy makes a design: all levels at once, a point of the unit cube, or one parameter after another."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import NDArray

from archgym.envs.observation import NOT_CHOSEN, ChoiceEncoder
from archgym.space import Designs, Space

Observation = NDArray[np.float32]


class View(Protocol):
    """Designs as episodes of ``steps`` steps; designs of shape (B, D) are filled from left to right."""

    steps: int
    masked: bool
    observation_space: Any
    action_space: Any

    def blank(self, count: int) -> Designs:
        """Designs in which nothing is chosen."""
        ...

    def observe(self, designs: Designs, step: int) -> Observation:
        """What is seen before ``step``: nothing of what is chosen at or after it."""
        ...

    def actions(self, designs: Designs, step: int) -> NDArray[Any]:
        """The actions at ``step`` that make these designs."""
        ...

    def place(self, designs: Designs, step: int, actions: NDArray[Any]) -> None:
        """Write into ``designs`` what ``actions`` choose at ``step``."""
        ...

    def mask(self, step: int) -> NDArray[np.bool_]:
        """Which actions are allowed at ``step``."""
        ...


class _OneStep:
    """One step a design; there is nothing to see, so every observation is the same."""

    steps = 1
    masked = False

    def __init__(self, space: Space) -> None:
        self.space = space
        self.observation_space: Any = Box(0.0, 1.0, (1,), np.float32)

    def blank(self, count: int) -> Designs:
        return np.zeros((count, len(self.space)), dtype=np.int64)

    def observe(self, designs: Designs, step: int) -> Observation:
        return np.ones((len(designs), 1), dtype=np.float32)

    def mask(self, step: int) -> NDArray[np.bool_]:
        raise NotImplementedError("nothing is masked")


class WholeView(_OneStep):
    """``MultiDiscrete``: a level of every parameter at once."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.action_space: Any = MultiDiscrete(space.sizes)

    def actions(self, designs: Designs, step: int) -> NDArray[Any]:
        return designs

    def place(self, designs: Designs, step: int, actions: NDArray[Any]) -> None:
        designs[:] = actions


class ContinuousView(_OneStep):
    """``Box(-1, 1)``: the side of each parameter is cut into equal bins, one a level."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.action_space: Any = Box(-1.0, 1.0, (len(space),), np.float32)

    def actions(self, designs: Designs, step: int) -> NDArray[Any]:
        return (2.0 * self.space.to_unit(designs) - 1.0).astype(np.float32)

    def place(self, designs: Designs, step: int, actions: NDArray[Any]) -> None:
        designs[:] = self.space.from_unit(np.clip(0.5 * (actions.astype(np.float64) + 1.0), 0.0, 1.0))


class SequentialView:
    """``Discrete``: one parameter a step, in the order of the space, knowing the choices made so far.

    Args:
        masked: action k is level k, and other actions are masked. Otherwise the actions are cut into equal bins,
            one a level, so that every action is legal; of the actions that mean a level, ``rng`` draws one.
    """

    def __init__(self, space: Space, masked: bool, rng: np.random.Generator) -> None:
        self.space, self.masked, self.steps, self._rng = space, masked, len(space), rng
        self._encoder = ChoiceEncoder(space)
        self._most = int(space.sizes.max())
        self.action_space: Any = Discrete(self._most)
        self.observation_space: Any = Box(0.0, 1.0, (len(space) + self._encoder.size,), np.float32)

    def blank(self, count: int) -> Designs:
        return np.full((count, self.steps), NOT_CHOSEN, dtype=np.int64)

    def observe(self, designs: Designs, step: int) -> Observation:
        known = designs.copy()
        known[:, step:] = NOT_CHOSEN
        turn = np.zeros((len(designs), self.steps), dtype=np.float32)
        turn[:, step] = 1.0
        return np.concatenate([turn, self._encoder(known)], axis=1)

    def actions(self, designs: Designs, step: int) -> NDArray[Any]:
        levels = designs[:, step]
        if self.masked:
            return levels
        size = int(self.space.sizes[step])
        first, last = -(-levels * self._most // size), -(-(levels + 1) * self._most // size)
        return self._rng.integers(first, last)

    def place(self, designs: Designs, step: int, actions: NDArray[Any]) -> None:
        designs[:, step] = actions if self.masked else actions * int(self.space.sizes[step]) // self._most

    def mask(self, step: int) -> NDArray[np.bool_]:
        allowed: NDArray[np.bool_] = np.arange(self._most) < self.space.sizes[step]
        return allowed
