"""Your own simulator as a registered problem, in a few lines.

The decorator makes a family like the built-in ones: it can be made by ``gym.make``, searched and studied.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archgym.errors import ConfigError, UnknownNameError
from archgym.metrics import Metric
from archgym.objective import Minimise, ObjectiveRecipe
from archgym.registry import Family, families, register
from archgym.simulators.base import Simulator
from archgym.simulators.function import FunctionSimulator
from archgym.space import Parameter, Space
from archgym.workload import Workload, content_fingerprint

Function = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class FixedWorkloads:
    """Workloads given as a mapping from name to data (anything JSON can say, or a path to a file)."""

    domain: str
    data: Mapping[str, Any]

    def names(self) -> tuple[str, ...]:
        return tuple(self.data)

    def load(self, name: str) -> Workload:
        if name not in self.data:
            raise UnknownNameError("workload", name, self.data)
        data = self.data[name]
        content = data.read_bytes() if isinstance(data, Path) else json.dumps(data, sort_keys=True).encode()
        return Workload(self.domain, name, content_fingerprint(content), data)


def simulator(
    id: str,
    parameters: Iterable[Parameter],
    metrics: Iterable[Metric],
    objectives: Mapping[str, ObjectiveRecipe] | None = None,
    workloads: Mapping[str, Any] | None = None,
    version: int = 1,
    vectorised: bool = False,
    summary: str = "",
) -> Callable[[Function], Function]:
    """Decorator: register a Python function as the problem family ``id``.

    Args:
        id: a gymnasium id such as ``"CacheEnv-v0"``.
        parameters: the space; the function's arguments have these names.
        metrics: what the function returns, by name.
        objectives: by name, the first is the default; if omitted, one for each metric with a direction.
        workloads: by name; a function that has an argument ``workload`` is given the chosen one's data.
        version: to be raised when the function's results change.
        vectorised: the function takes and returns arrays instead of single values.

    Raises:
        ConfigError: if the function's arguments are not the parameters.
    """
    space, columns = Space(id, tuple(parameters)), tuple(metrics)

    def declare(function: Function) -> Function:
        arguments = set(inspect.signature(function).parameters)
        if arguments - {"workload"} != set(space.names):
            raise ConfigError(
                f"{function.__name__} takes {sorted(arguments)}; its parameters are {sorted(space.names)}"
            )
        made = FunctionSimulator(
            function.__name__, version, space, columns, function, vectorised, takes_workload="workload" in arguments
        )
        text = summary or (inspect.getdoc(function) or id).splitlines()[0]
        register_simulator(id, made, objectives, workloads, text)
        return function

    return declare


@dataclass(frozen=True)
class _Ready:
    """What a family calls for its simulator, where that is there already."""

    simulator: Simulator

    def __call__(self) -> Simulator:
        return self.simulator


def declared_family(function: object) -> Family | None:
    """The family that `simulator` made of a function, or None."""
    for known in families().values():
        made = known.simulator
        if (
            isinstance(made, _Ready)
            and isinstance(made.simulator, FunctionSimulator)
            and made.simulator.function == function
        ):
            return known
    return None


def register_simulator(
    id: str,
    simulator: Simulator,
    objectives: Mapping[str, ObjectiveRecipe] | None = None,
    workloads: Mapping[str, Any] | None = None,
    summary: str = "",
) -> Family:
    """Register a simulator object as a problem family, known to ``gym.make`` at once; see `simulator`.

    Raises:
        ConfigError: if the id is taken, or no metric has a direction and no objective is given.
    """
    from archgym.envs.registration import register_family

    chosen = dict(objectives or default_objectives(simulator.metrics))
    if not chosen:
        raise ConfigError(f"{id}: no metric has a direction; give at least one objective")
    source = FixedWorkloads(id, workloads or {"default": None})
    family = Family(id, summary or id, _Ready(simulator), source, chosen, source.names()[0])
    register(family)
    register_family(family)
    return family


def default_objectives(metrics: Iterable[Metric]) -> dict[str, ObjectiveRecipe]:
    """One objective for each metric with a direction: improve it relative to the default design."""
    return {
        metric.name: Minimise((metric.name,), f"improve {metric.name}", (-1.0 if metric.direction == "max" else 1.0,))
        for metric in metrics
        if metric.direction != "none"
    }
