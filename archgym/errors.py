"""Every error a user can cause, raised once at the boundary.

Each message is one line that names what was given, its value, and what is allowed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ArchGymError(ValueError):
    """Base of all errors about a user's input or files."""


class DesignError(ArchGymError):
    """A design that is not a row of legal level numbers, or a value that is not a level."""


class WorkloadError(ArchGymError):
    """A workload (trace, network, task graph) that cannot be read or does not fit the simulator."""


class ConfigError(ArchGymError):
    """A setting (hyperparameter, budget, option, study file) out of its allowed range."""


class RunFileError(ArchGymError):
    """A run file that is damaged or belongs to something else."""


class DatasetError(ArchGymError):
    """A dataset that is damaged, incomplete, or does not fit what it is combined with or used for."""


class ModelFileError(ArchGymError):
    """A saved proxy that is damaged, holds anything but plain arrays, or is asked for what it was not made for."""


class BudgetExhausted(ArchGymError):
    """More evaluations were asked for than the budget holds."""


class MissingExtraError(ArchGymError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the optional extra {extra!r}: pip install 'archgym[{extra}]'")
        self.what, self.extra = what, extra

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.what, self.extra)


class UnknownNameError(ArchGymError):
    """A name that is not registered; the message suggests the nearest one."""

    def __init__(self, kind: str, name: object, allowed: Iterable[str]) -> None:
        self.kind, self.name, self.allowed = kind, name, tuple(allowed)
        near = nearest(str(name), self.allowed)
        hint = f"did you mean {near!r}? " if near else ""
        super().__init__(f"unknown {kind} {name!r}; {hint}allowed: {', '.join(self.allowed)}")

    def __reduce__(self) -> tuple[type, tuple[str, object, tuple[str, ...]]]:
        return type(self), (self.kind, self.name, self.allowed)


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name closest to ``name``, ignoring case, or None if nothing is close."""
    by_lower = {candidate.lower(): candidate for candidate in allowed}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[close[0]] if close else None
