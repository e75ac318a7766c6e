"""How a space is divided among agents: each parameter belongs to exactly one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archgym.errors import ConfigError, UnknownNameError
from archgym.space import Space

Split = str | Mapping[str, Iterable[str]]
SPLITS = ("parameter", "group")


def split_parameters(space: Space, split: Split) -> dict[str, tuple[str, ...]]:
    """Parameter names by agent.

    Args:
        split: ``"parameter"`` (one agent a parameter), ``"group"`` (one agent a named subsystem of the space), or
            your own ``{agent: parameters}``.

    Raises:
        UnknownNameError: for an unknown kind of split or parameter.
        ConfigError: if a parameter has no agent or several, or an agent has none.
    """
    if isinstance(split, str):
        if split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
        return {name: (name,) for name in space.names} if split == "parameter" else space.groups()
    agents = {str(agent): tuple(names) for agent, names in split.items()}
    owners: dict[str, str] = {}
    for agent, names in agents.items():
        if not names:
            raise ConfigError(f"split: agent {agent!r} has no parameter; each needs at least one")
        for name in names:
            if name not in space.names:
                raise UnknownNameError("parameter", name, space.names)
            if name in owners:
                raise ConfigError(
                    f"split: parameter {name!r} is given to {owners[name]!r} and {agent!r}; only one may have it"
                )
            owners[name] = agent
    missing = [name for name in space.names if name not in owners]
    if missing:
        raise ConfigError(f"split: no agent has {', '.join(missing)}; every parameter needs one")
    return agents
