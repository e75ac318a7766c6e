"""A slow simulator's designs spread over a Ray cluster, one task a design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym.metrics import Metric, Metrics, joined
from archgym.simulators.base import Simulator
from archgym.space import Designs, Space
from archgym.study.ray_executor import connect
from archgym.workload import Workload


@dataclass(frozen=True)
class RaySimulator:
    """Evaluates with another simulator on a Ray cluster; the same results, under the same name and version.

    Args:
        simulator: evaluates one design in each task.
        address: of the cluster; empty for one that is started here.
        processors: that a task takes.
        attempts: how often a task is tried again if its worker dies.
    """

    simulator: Simulator
    address: str = ""
    processors: float = 1.0
    attempts: int = 3

    @property
    def name(self) -> str:
        return self.simulator.name

    @property
    def version(self) -> int:
        return self.simulator.version

    @property
    def space(self) -> Space:
        return self.simulator.space

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return self.simulator.metrics

    @property
    def workers(self) -> int:
        """Tasks that the cluster can run at the same time."""
        return max(1, int(connect(self.address, 0).cluster_resources().get("CPU", 1) / self.processors))

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of B designs, shape (B, D), without breakdowns.

        Raises:
            MissingExtraError: if Ray is not installed.
            ConfigError: if the cluster cannot be reached.
        """
        ray = connect(self.address, 0)
        task: Any = ray.remote(num_cpus=self.processors, max_retries=self.attempts)(_evaluate)
        shared = ray.put((self.simulator, workload))
        pending = [task.remote(shared, design[np.newaxis]) for design in designs]
        try:
            return joined(ray.get(pending))
        except BaseException:
            for reference in pending:
                ray.cancel(reference, force=True)
            raise


def _evaluate(shared: tuple[Simulator, Workload], design: Designs) -> Metrics:
    simulator, workload = shared
    return simulator(design, workload)
