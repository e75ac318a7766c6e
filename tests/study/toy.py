"""A tiny family of problems for the tests of studies: 360 designs, some infeasible, two workloads, three metrics."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archgym.errors import UnknownNameError
from archgym.metrics import Metric, Metrics
from archgym.objective import Minimise
from archgym.registry import Family, families, register
from archgym.space import Space, choice, grid, powers
from archgym.study import Agents, Problems, Study
from archgym.workload import Workload, content_fingerprint

SPACE = Space(
    "study-toy",
    (
        choice("policy", "open", "closed", "adaptive"),
        powers("buffer", 1, 32),
        grid("ways", 1, 5),
        choice("reorder", False, True),
        grid("unused", 0, 1),
    ),
)


@dataclass(frozen=True)
class ToySimulator:
    """Time and energy of a made-up machine; ``trouble`` makes it misbehave on purpose."""

    version: int = 1
    trouble: str = ""
    marker: str = ""

    @property
    def name(self) -> str:
        return f"study-toy{self.trouble}"

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric("time_s", "s", "min", "how long"),
            Metric("energy_J", "J", "min", "how much"),
            Metric("hits", "1", "none", "how many"),
        )

    def __call__(self, designs, workload: Workload) -> Metrics:
        self._misbehave(len(designs))
        policy, buffer, ways, reorder = (designs[:, k].astype(float) for k in range(4))
        weight = float(workload.data)
        time_s = 1e-3 * (
            1 + weight * np.abs(policy - 1) + (buffer - 3) ** 2 / 4 + 0.3 * np.abs(ways - 2) - 0.2 * reorder
        )
        energy = 1e-6 * (2 + buffer * 0.5 + ways * policy * 0.25 + reorder * 0.4)
        feasible = (buffer > 0) | (ways < 4)
        reasons = tuple("" if ok else "buffer too small for the ways" for ok in feasible)
        columns = {"time_s": time_s, "energy_J": energy, "hits": policy + ways}
        return Metrics({n: np.where(feasible, c, np.nan) for n, c in columns.items()}, feasible, reasons)

    def _misbehave(self, rows: int) -> None:
        if self.trouble == "fail" and rows > 1:  # the single row is the reference design
            raise RuntimeError("the toy broke")
        if self.trouble == "slow":
            time.sleep(0.02)
        if self.trouble in ("kill", "kill-once") and rows > 1:
            if self.trouble == "kill-once":
                if Path(self.marker).exists():
                    return
                Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)


def make(version: int = 1, trouble: str = "", marker: str = "") -> ToySimulator:
    return ToySimulator(version, trouble, marker)


class Workloads:
    def names(self) -> tuple[str, ...]:
        return ("light", "heavy")

    def load(self, name: str) -> Workload:
        if name not in self.names():
            raise UnknownNameError("workload", name, self.names())
        weight = {"light": 0.5, "heavy": 2.0}[name]
        return Workload("toy", name, content_fingerprint(str(weight)), weight)


WORKLOADS = Workloads()

FAMILY = Family(
    id="StudyToy-v0",
    summary="a toy for tests of studies",
    simulator="tests.study.toy:make",
    workloads="tests.study.toy:WORKLOADS",
    objectives={
        "time": Minimise(("time_s",), "short time"),
        "energy": Minimise(("energy_J",), "little energy"),
        "both": Minimise(("time_s", "energy_J"), "both"),
    },
    workload="light",
    plane=("time_s", "energy_J"),
)


def _register() -> None:
    if FAMILY.id not in families():
        register(FAMILY)


_register()


def toy_study(name="toy", budget=40, seeds=(0, 1), log="compact", options=None, **changes) -> Study:
    problems = changes.pop("problems", None) or (
        Problems("StudyToy-v0", ("light", "heavy"), ("time", "both"), options=options or {}),
    )
    agents = changes.pop("agents", None) or (Agents("random", grid={"batch_size": (3, 8)}),)
    return Study(name, problems, agents, budget, seeds, log=log, **changes)
