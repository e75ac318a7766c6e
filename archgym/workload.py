"""What a simulator runs: a trace, a network, a task graph.

The fingerprint is a hash of the content, never of a name or path, so equal work has equal identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Workload:
    """One piece of work for the simulators of a domain.

    Attributes:
        domain: the simulators it is for (``"dram"``, ``"dnn"``, ``"soc"``, …).
        name: for people.
        fingerprint: SHA-256 of the content, hexadecimal.
        data: the domain's own immutable object.
        facts: what a person wants to know of it.
        features: numbers a model can learn from; the same keys for every workload of a domain.
    """

    domain: str
    name: str
    fingerprint: str
    data: Any
    facts: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)


class WorkloadSource(Protocol):
    """Where a family's workloads come from."""

    def names(self) -> tuple[str, ...]:
        """The workloads that are shipped."""
        ...

    def load(self, name: str) -> Workload:
        """A shipped workload by name, or a user's own by path.

        Raises:
            WorkloadError, UnknownNameError: if there is no such workload, or it cannot be read.
        """
        ...


def content_fingerprint(*parts: bytes | str | np.ndarray[Any, Any]) -> str:
    """SHA-256 over the parts, each preceded by its kind and length so that they cannot run together."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            head, body = f"{part.dtype.str}{part.shape}", np.ascontiguousarray(part).tobytes()
        else:
            head, body = type(part).__name__, part.encode() if isinstance(part, str) else part
        digest.update(f"{head}:{len(body)};".encode())
        digest.update(body)
    return digest.hexdigest()
