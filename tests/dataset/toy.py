"""A tiny memory-controller-like family: few decisive parameters, plateaus, decades, infeasible designs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archgym.metrics import Metric, Metrics
from archgym.objective import Minimise
from archgym.registry import Family, register
from archgym.space import Space, choice, grid, powers
from archgym.workload import Workload, content_fingerprint

SPACE = Space(
    "toy",
    (
        choice("page_policy", "open", "adaptive", "closed", help="when a row is closed"),
        powers("in_flight", 1, 64, unit="requests", help="requests in flight"),
        choice("arbiter", "simple", "fifo", help="simple ignores in_flight"),
        grid("queue", 1, 8, unit="entries", help="queue depth"),
        choice("refresh", False, True, help="whether rows are refreshed"),
        grid("postponed", 1, 6, help="refreshes that may wait; nothing without refresh"),
    ),
)


@dataclass(frozen=True)
class ToySimulator:
    name: str = "toy-memory"
    version: int = 1

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric("total_time_s", "s", "min", "until the last request is answered"),
            Metric("energy_J", "J", "min", "all energy"),
            Metric("dynamic_energy_J", "J", "min", "of the commands", part_of="energy_J"),
            Metric("static_energy_J", "J", "min", "of standing by", part_of="energy_J"),
        )

    def __call__(self, designs, workload):
        page, in_flight, arbiter, queue, refresh, postponed = np.asarray(designs).T
        locality = float(workload.data)
        time = np.full(len(page), 1e-4)
        time = time * np.where(page == 2, 1.0 + 8.0 * locality, np.where(page == 1, 1.1, 1.0))
        window = np.where(arbiter == 1, 2.0**in_flight, 64.0)
        time = time * (1.0 + 6.0 * (1 - locality) / np.minimum(window, 16.0)) * (1.0 + 2.0 / np.minimum(queue + 1, 5))
        time = time * np.where(refresh == 1, 1.02 - 0.002 * np.minimum(postponed, 3), 1.0)
        dynamic = 1e-6 * (1.0 + np.where(page == 2, 3.0, 1.0 - locality)) * (1 + 0.01 * refresh)
        static = 0.05 * time
        columns = {
            "total_time_s": time,
            "energy_J": dynamic + static,
            "dynamic_energy_J": dynamic,
            "static_energy_J": static,
        }
        feasible = ~((arbiter == 1) & (in_flight == 6) & (queue == 0))
        columns = {name: np.where(feasible, values, np.nan) for name, values in columns.items()}
        return Metrics(
            columns, feasible, tuple("" if ok else "the queue cannot hold what is in flight" for ok in feasible)
        )


class ToyWorkloads:
    LOCALITY = {"stream": 0.95, "mixed": 0.5, "random": 0.05}  # noqa: RUF012

    def names(self):
        return tuple(self.LOCALITY)

    def load(self, name):
        from archgym.errors import UnknownNameError

        if name not in self.LOCALITY:
            raise UnknownNameError("workload", name, self.LOCALITY)
        locality = self.LOCALITY[name]
        return Workload(
            "toy",
            name,
            content_fingerprint(str(locality)),
            locality,
            {"locality": locality},
            {"locality": locality, "requests": 1e4},
        )


FAMILY = Family(
    id="ToyMemoryEnv-v0",
    summary="a made-up memory controller",
    simulator=ToySimulator,
    workloads=ToyWorkloads(),
    objectives={"low_latency": Minimise(("total_time_s",)), "joint": Minimise(("total_time_s", "energy_J"))},
    workload="stream",
)


def register_toy() -> Family:
    return register(FAMILY)
