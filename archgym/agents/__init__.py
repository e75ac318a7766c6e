"""Search agents by name; each lives in its own module and is imported when it is made.

Third parties add agents through the entry-point group ``archgym.agents`` (name = class).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from archgym.errors import MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from archgym.agents.base import Agent, Hyperparameters
    from archgym.space import Space

#: name -> (module, class, extra that brings its dependencies; "" if the base install has them)
BUILT_IN: dict[str, tuple[str, str, str]] = {
    "random": ("archgym.agents.random", "RandomSearch", ""),
    "walker": ("archgym.agents.walker", "RandomWalker", ""),
    "grid": ("archgym.agents.grid", "GridSearch", ""),
    "hillclimb": ("archgym.agents.hillclimb", "HillClimb", ""),
    "annealing": ("archgym.agents.annealing", "Annealing", ""),
    "ga": ("archgym.agents.genetic", "GeneticAlgorithm", ""),
    "gamma": ("archgym.agents.gamma", "GammaAlgorithm", ""),
    "mappo": ("archgym.agents.marl", "MultiAgentPPO", "rl"),
    "coma": ("archgym.agents.marl", "CounterfactualPPO", "rl"),
    "bandits": ("archgym.agents.marl", "BanditTeam", ""),
    "coordination": ("archgym.agents.coordination", "CoordinationGraph", ""),
    "bottleneck": ("archgym.agents.bottleneck", "BottleneckSearch", ""),
    "nsga2": ("archgym.agents.nsga2", "NSGA2", ""),
    "aco": ("archgym.agents.ant", "AntColony", ""),
    "sae": ("archgym.agents.evolution", "SurrogateEvolution", ""),
    "gp": ("archgym.agents.gp", "GaussianProcessSearch", ""),
    "bo": ("archgym.agents.bo", "BayesianSearch", "agents"),
    "ppo": ("archgym.agents.rl", "PPOAgent", "rl"),
    "maskable_ppo": ("archgym.agents.rl", "MaskablePPOAgent", "rl"),
    "a2c": ("archgym.agents.rl", "A2CAgent", "rl"),
    "dqn": ("archgym.agents.rl_replay", "DQNAgent", "rl"),
    "sac": ("archgym.agents.rl_replay", "SACAgent", "rl"),
    "td3": ("archgym.agents.rl_replay", "TD3Agent", "rl"),
    "optuna": ("archgym.agents.outside", "OptunaSearch", "peers"),
    "cmaes": ("archgym.agents.outside", "CatCMASearch", "peers"),
    "nevergrad": ("archgym.agents.outside", "NevergradSearch", "peers"),
}

#: What an extra brings; looked for, not imported, so that listing agents stays fast.
PACKAGES: dict[str, tuple[str, ...]] = {
    "agents": ("scipy", "sklearn", "skopt"),
    "peers": ("optuna", "cmaes", "nevergrad"),
    "rl": ("torch", "stable_baselines3", "sb3_contrib"),
}


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # a stand-in module without a spec
        return True


def agent_names() -> tuple[str, ...]:
    """Every agent's name: the built-in ones and those of installed packages."""
    return (*BUILT_IN, *sorted(entry.name for entry in entry_points(group="archgym.agents")))


def agent_class(name: str) -> type[Agent]:
    """The class of the agent called ``name``.

    Raises:
        UnknownNameError: with the nearest name.
        MissingExtraError: if its dependencies are not installed, naming the extra.
    """
    if name in BUILT_IN:
        module, attribute, extra = BUILT_IN[name]
        if not all(map(_installed, PACKAGES.get(extra, ()))):
            raise MissingExtraError(f"agent {name!r}", extra)
        return cast("type[Agent]", getattr(importlib.import_module(module), attribute))
    for entry in entry_points(group="archgym.agents"):
        if entry.name == name:
            return cast("type[Agent]", entry.load())
    raise UnknownNameError("agent", name, agent_names())


def make_agent(
    name: str, space: Space, seed: int = 0, hyperparameters: Mapping[str, Any] | Hyperparameters | None = None
) -> Agent:
    """An agent by name.

    Args:
        hyperparameters: values by name (missing ones take their defaults), or the agent's own dataclass.

    Raises:
        UnknownNameError, ConfigError: for an unknown agent or hyperparameter, or a value out of range.
    """
    chosen = agent_class(name)
    if hyperparameters is None or isinstance(hyperparameters, Mapping):
        hyperparameters = chosen.Hyperparameters.parse(hyperparameters or {})
    return chosen(space, seed, hyperparameters)
