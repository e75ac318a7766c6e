"""The simulator protocol: designs and a workload in, metrics out.

A simulator is a pure function of its arguments: a row's result does not depend on the batch it came in.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from archgym.metrics import Metric, Metrics
from archgym.space import Designs, Space
from archgym.workload import Workload


@runtime_checkable
class Simulator(Protocol):
    """What a problem needs of a simulator. A change in behaviour is a change of ``version``."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def space(self) -> Space: ...
    @property
    def metrics(self) -> tuple[Metric, ...]: ...

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of B designs, shape (B, D) of level numbers; infeasible designs are rows, never exceptions."""
        ...
