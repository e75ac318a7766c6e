"""A small made-up memory system whose optimum is known: what agents and interfaces are tried on.

Time and energy are products of one factor a parameter, so the best design is found parameter by parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from archgym.errors import UnknownNameError
from archgym.metrics import Metric, Metrics
from archgym.objective import Minimise
from archgym.problem import Problem
from archgym.space import Designs, Space, choice, grid, powers, real
from archgym.workload import Workload, content_fingerprint

Factor = Callable[[Any], float]

_POLICY_TIME = {"closed": 1.3, "open": 0.9, "adaptive": 1.1, "timed": 1.0, "eager": 1.6, "lazy": 1.2}
_POLICY_ENERGY = {"closed": 0.8, "open": 1.2, "adaptive": 0.85, "timed": 1.05, "eager": 0.9, "lazy": 1.0}
_MAPPING_TIME = {"row": 1.0, "bank": 0.7, "column": 1.5, "hashed": 0.75, "flat": 2.0}

SPACE = Space(
    "toy memory system",
    (
        choice("policy", *_POLICY_TIME, help="when a row is closed", group="scheduling"),
        powers("buffer", 1, 128, default=8, unit="entries", help="depth of the queue", group="buffers"),
        grid("depth", 1, 8, default=2, help="requests in flight", group="scheduling"),
        choice("prefetch", False, True, help="whether neighbours are fetched too", group="buffers"),
        choice("mapping", *_MAPPING_TIME, help="how addresses are spread", group="layout"),
        real("voltage", 0.6, 1.3, 8, default=1.3, unit="V", help="supply"),
        powers("width", 1, 128, default=16, unit="B", help="of the bus", group="layout"),
    ),
)

TIME: dict[str, Factor] = {
    "policy": lambda level: _POLICY_TIME[str(level)],
    "buffer": lambda entries: 1 + 4 / entries,
    "depth": lambda requests: 0.5 + 2 / requests,
    "prefetch": lambda on: 0.8 if on else 1.0,
    "mapping": lambda level: _MAPPING_TIME[str(level)],
    "voltage": lambda volts: 1 / volts,
    "width": lambda nbytes: 1 + 8 / nbytes,
}
ENERGY: dict[str, Factor] = {
    "policy": lambda level: _POLICY_ENERGY[str(level)],
    "buffer": lambda entries: 1 + entries / 64,
    "depth": lambda requests: 1 + requests / 10,
    "prefetch": lambda on: 1.15 if on else 1.0,
    "mapping": lambda level: 1.2 if level == "hashed" else 1.0,
    "voltage": lambda volts: volts * volts,
    "width": lambda nbytes: 1 + nbytes / 40,
}
MOST_WIRES = 4096


def _table(factors: dict[str, Factor]) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.array([factors[p.name](level) for level in p.levels]) for p in SPACE.parameters)


@lru_cache(maxsize=1)
def _tables() -> tuple[tuple[NDArray[np.float64], ...], tuple[NDArray[np.float64], ...]]:
    return _table(TIME), _table(ENERGY)


@dataclass(frozen=True)
class ToySimulator:
    """Time and energy of the toy memory system; a wide bus with a deep buffer does not fit and is infeasible."""

    name: str = "toy"
    version: int = 1

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric("total_time_s", "s", "min", "time to serve all requests"),
            Metric("busy_time_s", "s", "none", "while data move", part_of="total_time_s"),
            Metric("idle_time_s", "s", "none", "while they do not", part_of="total_time_s"),
            Metric("energy_J", "J", "min", "energy for all requests"),
            Metric("bandwidth_B_per_s", "B/s", "max", "bytes moved a second"),
            Metric("conflicts", "1", "none", "requests that met a busy bank"),
        )

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of designs, shape (B, D)."""
        requests, nbytes = workload.data
        time, energy = np.full(len(designs), requests * 1e-8), np.full(len(designs), requests * 1e-9)
        for column, (slower, hungrier) in enumerate(zip(*_tables(), strict=True)):
            time = time * slower[designs[:, column]]
            energy = energy * hungrier[designs[:, column]]
        wires = np.left_shift(1, designs[:, 1] + designs[:, 6])
        feasible = wires <= MOST_WIRES
        busy = time * (1 / (2 + designs[:, 2]))
        columns = {
            "total_time_s": time,
            "busy_time_s": busy,
            "idle_time_s": time - busy,
            "energy_J": energy,
            "bandwidth_B_per_s": nbytes / time,
            "conflicts": np.floor(requests / (1.0 + designs[:, 1])) * (designs[:, 4] != 1),
        }
        reasons = tuple(
            "" if ok else f"{count} wires do not fit; at most {MOST_WIRES} do"
            for ok, count in zip(feasible, wires, strict=True)
        )
        return Metrics(
            {name: np.where(feasible, column, np.nan) for name, column in columns.items()}, feasible, reasons
        )


class ToyWorkloads:
    """Two streams of requests: (number of requests, bytes)."""

    data: ClassVar = {"light": (1000, 64000), "heavy": (250000, 16000000)}

    def names(self) -> tuple[str, ...]:
        return tuple(self.data)

    def load(self, name: str) -> Workload:
        if name not in self.data:
            raise UnknownNameError("workload", name, self.data)
        requests, nbytes = self.data[name]
        facts = {"requests": requests, "bytes": nbytes}
        return Workload("toy", name, content_fingerprint(str(facts)), (requests, nbytes), facts, {"requests": requests})


WORKLOADS = ToyWorkloads()
OBJECTIVES = {
    "efficient": Minimise(("total_time_s", "energy_J"), "low time and energy"),
    "fast": Minimise(("total_time_s",), "low time"),
}


def toy_problem(objective: str = "efficient", workload: str = "light") -> Problem:
    """The toy as a problem."""
    return Problem("ToyEnv-v0", ToySimulator(), WORKLOADS.load(workload), objective, OBJECTIVES[objective])


def best_design() -> Designs:
    """The design with the highest reward of the objective ``efficient``, shape (D,)."""
    return np.array([np.argmin(time * energy) for time, energy in zip(*_tables(), strict=True)], dtype=np.int64)
