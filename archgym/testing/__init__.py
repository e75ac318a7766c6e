"""The laws of archgym as checks to run on your own spaces, simulators, objectives, problems, environments and agents.

Each raises `LawViolation` with a message in words. A test file for a simulator of your own is one line a law:
``check_problem(make_problem("CacheEnv-v0"))`` and ``check_env("CacheEnv-v0")``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from archgym.testing.law import LawViolation
from archgym.testing.objective import check_objective
from archgym.testing.problem import check_evaluation, check_problem
from archgym.testing.simulator import check_simulator, check_workload, sample_designs
from archgym.testing.space import check_space

if TYPE_CHECKING:
    from archgym.testing.agent import check_agent, check_hyperparameters
    from archgym.testing.digest import behaviour_digest
    from archgym.testing.env import (
        check_design_env,
        check_env,
        check_parallel_env,
        check_sequential_env,
        check_turn_env,
        check_vector_env,
    )

__all__ = [
    "LawViolation",
    "behaviour_digest",
    "check_agent",
    "check_design_env",
    "check_env",
    "check_evaluation",
    "check_hyperparameters",
    "check_objective",
    "check_parallel_env",
    "check_problem",
    "check_sequential_env",
    "check_simulator",
    "check_space",
    "check_turn_env",
    "check_vector_env",
    "check_workload",
    "sample_designs",
]

_LATER = {
    "check_agent": "agent",
    "check_hyperparameters": "agent",
    "behaviour_digest": "digest",
    "check_design_env": "env",
    "check_env": "env",
    "check_parallel_env": "env",
    "check_sequential_env": "env",
    "check_turn_env": "env",
    "check_vector_env": "env",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
