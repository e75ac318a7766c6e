"""Environments: one problem as Gymnasium and PettingZoo interfaces, all of them views of the same evaluation.

Importing this package is light; the modules behind the names are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archgym.envs.design import DesignEnv, design_env
    from archgym.envs.parallel import ParallelDesignEnv, parallel_env
    from archgym.envs.sequential import SequentialEnv, sequential_env
    from archgym.envs.turn import TurnDesignEnv, turn_env
    from archgym.envs.vector import VectorDesignEnv

__all__ = [
    "DesignEnv",
    "ParallelDesignEnv",
    "SequentialEnv",
    "TurnDesignEnv",
    "VectorDesignEnv",
    "design_env",
    "parallel_env",
    "sequential_env",
    "turn_env",
]

_MODULES = {
    "DesignEnv": "design",
    "design_env": "design",
    "SequentialEnv": "sequential",
    "sequential_env": "sequential",
    "VectorDesignEnv": "vector",
    "ParallelDesignEnv": "parallel",
    "parallel_env": "parallel",
    "TurnDesignEnv": "turn",
    "turn_env": "turn",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
