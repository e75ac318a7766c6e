"""Gymnasium ids for every family, by strings alone: nothing heavy is imported before an environment is made.

``<Name>Env-v0`` is the whole-design environment with its vector form, ``<Name>SequentialEnv-v0`` the sequential one.
"""

from __future__ import annotations

import re
import warnings

from archgym.registry import Family, families

ONLINE_ID = "DRAMOnlineEnv-v0"


def sequential_id(id: str) -> str:
    """The id of a family's sequential environment: ``DRAMEnv-v0`` gives ``DRAMSequentialEnv-v0``."""
    name, version = re.fullmatch(r"(.*?)(-v\d+)?", id, re.DOTALL).groups(default="")  # type: ignore[union-attr]
    return f"{name.removesuffix('Env')}SequentialEnv{version}"


def register_family(family: Family) -> None:
    """Register a family's ids with Gymnasium; again is harmless."""
    import gymnasium

    entries = {
        family.id: ("archgym.envs.design:design_env", "archgym.envs.vector:VectorDesignEnv"),
        sequential_id(family.id): ("archgym.envs.sequential:sequential_env", None),
    }
    for id, (entry_point, vector_entry_point) in entries.items():
        if id not in gymnasium.registry:
            gymnasium.register(id, entry_point, vector_entry_point=vector_entry_point, kwargs={"problem": family.id})


def register_envs() -> None:
    """Register every family's ids with Gymnasium; called when both packages have been imported."""
    import gymnasium

    if ONLINE_ID not in gymnasium.registry:
        gymnasium.register(ONLINE_ID, "archgym.envs.online:online_env")
    for family in families().values():
        try:
            register_family(family)
        except Exception as error:  # one bad id must not take Gymnasium's import down
            warnings.warn(f"{family.id} cannot be registered with Gymnasium: {error}", stacklevel=2)
