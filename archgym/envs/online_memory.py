"""A memory system that is run window by window: what is measured of a window, and what it is worth.

The Gymnasium and the PettingZoo form of ``DRAMOnlineEnv-v0`` are both views of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archgym.errors import ConfigError
from archgym.simulators.dram import layout as l
from archgym.simulators.dram.address_map import load_address_map
from archgym.simulators.dram.device import Device, load_device
from archgym.simulators.dram.energy import PARTS, energy_parts_J
from archgym.simulators.dram.settings import BY_NAME
from archgym.simulators.dram.system import CHANGEABLE, MemorySystem, Work, prepare
from archgym.simulators.dram.workloads import WORKLOADS
from archgym.space import Parameter, Space, choice, ordinal
from archgym.workload import Workload

_LEVELS: dict[str, tuple[int, ...]] = {
    "HighWatermark": (0, 4, 8, 16, 32),
    "LowWatermark": (0, 2, 4, 8, 16),
    "RequestBufferSize": (1, 2, 4, 8, 16, 32, 64, 128),
    "RefreshMaxPostponed": (0, 1, 2, 4, 8),
    "RefreshMaxPulledin": (0, 1, 2, 4, 8),
    "MaxActiveTransactions": (1, 2, 4, 8, 16, 32, 64, 128),
}


def _parameter(name: str) -> Parameter:
    entry = BY_NAME[name]
    if entry.choices:
        return choice(name, *entry.choices, default=entry.default, help=entry.help, group=entry.group)
    return ordinal(name, _LEVELS[name], default=entry.default, unit=entry.unit, help=entry.help, group=entry.group)


ACTION_SPACE = Space("memory controller at run time", tuple(_parameter(name) for name in CHANGEABLE))
"""The settings that may change while the memory runs."""

FIXED = {"Arbiter": "Reorder"}
"""Settings that never change: an arbiter that heeds MaxActiveTransactions, so that this setting has a meaning."""

OBSERVED = (
    "row_hit_rate", "row_miss_rate", "row_conflict_rate", "bus_use", "read_share", "mean_latency",
    "in_flight", "waiting_reads", "waiting_writes",
    *(f"{part}_energy_share" for part in PARTS), "energy_per_request", "part_of_the_trace_done",
)  # fmt: skip
"""Names of the observation's numbers, in order."""

_SHARES = {"latency": 1 / 3, "energy": 1 / 3, "bandwidth": 1 / 3}


@dataclass(frozen=True)
class Readings:
    """Running totals of a memory system since the start of the trace."""

    responses: int
    time_ps: int
    latency_ps: int
    reads: int
    writes: int
    hits: tuple[int, int, int]
    energy_J: tuple[float, ...]

    def __sub__(self, other: Readings) -> Readings:
        return Readings(
            self.responses - other.responses,
            self.time_ps - other.time_ps,
            self.latency_ps - other.latency_ps,
            self.reads - other.reads,
            self.writes - other.writes,
            (self.hits[0] - other.hits[0], self.hits[1] - other.hits[1], self.hits[2] - other.hits[2]),
            tuple(after - before for after, before in zip(self.energy_J, other.energy_J, strict=True)),
        )


_START = Readings(0, 0, 0, 0, 0, (0, 0, 0), (0.0,) * len(PARTS))


def read_totals(system: MemorySystem, device: Device) -> Readings:
    """The running totals of ``system`` as it is now."""
    counters = system.energy_counters()
    parts = energy_parts_J(device, counters)
    counts = dict(zip(l.A_COUNTERS, counters.sum(axis=0).tolist(), strict=True))
    hits = system.channel_counters()[:, :3].sum(axis=0).tolist()
    return Readings(
        system.responses,
        system.now_ps,
        int(system.state[l.G_LATENCY_SUM]),
        counts[l.A_READS],
        counts[l.A_WRITES],
        (hits[0], hits[1], hits[2]),
        tuple(parts[name] for name in PARTS),
    )


class OnlineMemory:
    """A memory system that serves a trace in windows of ``window`` requests.

    Args:
        workload: a DRAM workload, or its name.
        window: requests answered in a step; the last step may have fewer.

    Raises:
        ConfigError: if the window is not a positive whole number, or the device has no energy data.
        UnknownNameError, WorkloadError: for names and files that do not exist.
    """

    def __init__(self, workload: str | Workload, window: int, device: str, address_map: str) -> None:
        if isinstance(window, bool) or not isinstance(window, int | np.integer) or window < 1:
            raise ConfigError(f"window: {window!r} is not allowed; allowed: whole numbers from 1")
        self.window = int(window)
        self.workload = WORKLOADS.load(workload) if isinstance(workload, str) else workload
        self.device = load_device(device)
        if not self.device.has_energy:
            raise ConfigError(f"device: {device!r} has no currents, which the energy part of the reward needs")
        self.work: Work = prepare(self.workload.data, self.device, load_address_map(address_map, self.device))
        self.default = self._default()
        self.reset()

    def _default(self) -> Readings:
        """Totals of the whole trace under the default settings."""
        system = MemorySystem(self.work, FIXED)
        if system.advance() != l.FINISHED:
            raise ConfigError(f"workload {self.workload.name!r} does not end under the default settings")
        return read_totals(system, self.device)

    @property
    def windows(self) -> int:
        """Steps of an episode."""
        return -(-len(self.work) // self.window)

    @property
    def finished(self) -> bool:
        return self.totals.responses == len(self.work)

    def reset(self) -> None:
        """Back to the start of the trace, with the default settings."""
        self.system = MemorySystem(self.work, FIXED)
        self.totals, self.last = _START, _START
        self.parts = dict.fromkeys(_SHARES, 0.0)
        self.action = ACTION_SPACE.default.copy()
        self.stuck = False

    def copy(self) -> OnlineMemory:
        """An independent copy as it is now, to try settings on."""
        other = object.__new__(OnlineMemory)
        other.__dict__.update(self.__dict__)
        other.system = self.system.copy()
        return other

    def settings(self) -> dict[str, Any]:
        """The settings now in force; a low watermark above the high one acts as if it were equal to it."""
        chosen: dict[str, Any] = dict(ACTION_SPACE.row(self.action))
        chosen["LowWatermark"] = min(chosen["LowWatermark"], chosen["HighWatermark"])
        return chosen

    def step(self, action: ArrayLike) -> float:
        """Run one window; returns its reward.

        Each part of the reward is a share of the default settings' total for the whole trace, so that the default
        settings earn 0 over an episode and half the latency earns a sixth: ``share * (n / N - x / X)`` for summed
        latency x and energy x of the window's n of N requests, ``share * (n / N - t / T)`` with the window's time
        for bandwidth (a trace of N requests in less time moves more bytes a second). A window in which the
        controller gets stuck, and all that would follow, earns -1.

        Args:
            action: level numbers of `ACTION_SPACE`, shape (D,).

        Raises:
            ConfigError: if the episode is over.
            DesignError: if it is not a legal choice.
        """
        if self.finished or self.stuck:
            raise ConfigError("step: the episode is over; call reset first")
        self.action = ACTION_SPACE.check(np.asarray(action)[None])[0]
        self.system.change(self.settings())
        end = self.system.advance(min(self.totals.responses + self.window, len(self.work)))
        if end not in (l.FINISHED, l.PAUSED):
            self.stuck = True
            self.parts = {name: -share for name, share in _SHARES.items()}
            return sum(self.parts.values())
        before, self.totals = self.totals, read_totals(self.system, self.device)
        self.last = self.totals - before
        done = self.last.responses / len(self.work)
        used = {
            "latency": self.last.latency_ps / max(1, self.default.latency_ps),
            "energy": sum(self.last.energy_J) / sum(self.default.energy_J),
            "bandwidth": self.last.time_ps / max(1, self.default.time_ps),
        }
        self.parts = {name: share * (done - used[name]) for name, share in _SHARES.items()}
        return sum(self.parts.values())

    def observation(self) -> NDArray[np.float32]:
        """The last window's statistics in [0, 1], in the order of `OBSERVED`.

        Latency and energy of a request are shown against the default settings' mean over the trace, as
        ``x / (x + mean)``; queues as ``n / (n + 8)``.
        """
        last, default = self.last, self.default
        accesses, columns = max(1, sum(last.hits)), max(1, last.reads + last.writes)
        energy, requests = sum(last.energy_J), max(1, last.responses)
        burst_ps = self.device.burst_length // self.device.data_rate * self.device.tCK_ps
        channels = self.system.parameters[l.P_CHANNEL]
        waiting = [
            int(self.system.state[channels + number * l.C_SIZE + place])
            for place in (l.C_READS, l.C_WRITES)
            for number in range(self.device.channels)
        ]
        half = self.device.channels
        in_flight = int(self.system.state[l.G_NEXT_SEND]) - self.totals.responses
        seen = [
            *(count / accesses for count in last.hits),
            columns * burst_ps / (self.device.channels * max(1, last.time_ps)) if last.responses else 0.0,
            last.reads / columns,
            _against(last.latency_ps / requests, default.latency_ps / len(self.work)),
            *(_against(count, 8.0) for count in (in_flight, sum(waiting[:half]), sum(waiting[half:]))),
            *(part / energy if energy > 0 else 0.0 for part in last.energy_J),
            _against(energy / requests, sum(default.energy_J) / len(self.work)),
            self.totals.responses / len(self.work),
        ]
        return np.clip(np.array(seen, dtype=np.float32), 0.0, 1.0)

    def info(self) -> dict[str, Any]:
        """The reward's parts, the settings, and the totals since the start of the trace."""
        return {
            "reward_parts": dict(self.parts),
            "settings": self.settings(),
            "responses": self.totals.responses,
            "total_time_s": self.totals.time_ps / 1e12,
            "latency_sum_s": self.totals.latency_ps / 1e12,
            "energy_J": sum(self.totals.energy_J),
        }


def _against(value: float, usual: float) -> float:
    """0 for nothing, 1/2 for what is usual."""
    return value / (value + usual) if value > 0 else 0.0
