"""The toy family, registered for tests as a third party's package would be, and problems made from it."""

from __future__ import annotations

from typing import Any

from archgym.envs.registration import register_family
from archgym.problem import Problem
from archgym.registry import Family, families, make_problem, register
from archgym.testing.toy import OBJECTIVES, SPACE

ID = "ToyEnv-v0"
TOY = Family(
    ID,
    "A small made-up memory system whose optimum is known.",
    "archgym.testing.toy:ToySimulator",
    "archgym.testing.toy:WORKLOADS",
    OBJECTIVES,
    "light",
    plane=("total_time_s", "energy_J"),
)
families()
register(TOY)
register_family(TOY)


def problem(**settings: Any) -> Problem:
    return make_problem(ID, **settings)


__all__ = ["ID", "SPACE", "TOY", "problem"]
