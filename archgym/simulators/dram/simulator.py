"""DRAM controllers as simulators: rows of settings in, times, latencies, energy and command counts out.

Each design is simulated on its own by the same serial code, so neither batch nor threads change a result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archgym.metrics import Metric, Metrics
from archgym.simulators.batch import for_row_blocks
from archgym.simulators.dram import commands as c
from archgym.simulators.dram import layout as l
from archgym.simulators.dram.address_map import AddressMap, load_address_map
from archgym.simulators.dram.alike import representatives
from archgym.simulators.dram.device import Device, load_device
from archgym.simulators.dram.energy import PARTS, energy_parts_J
from archgym.simulators.dram.settings import SETTINGS
from archgym.simulators.dram.space import FULL_SPACE, SPACE
from archgym.simulators.dram.system import MemorySystem, Work, prepare, why_infeasible
from archgym.simulators.dram.traces import Trace
from archgym.space import Designs, Level, Space
from archgym.workload import Workload, content_fingerprint

_PART_HELP = {
    "activate": "opening rows",
    "precharge": "closing rows",
    "read": "read bursts",
    "write": "write bursts",
    "refresh": "refresh commands",
    "background": "standby with and without open rows",
    "power_down": "power-down and self refresh",
}

METRICS = (
    Metric("total_time_s", "s", "min", "from time zero to the last response"),
    Metric("mean_latency_s", "s", "min", "mean time from sending a request to its response"),
    *(Metric(f"p{p}_latency_s", "s", "min", f"latency that {p} % of the requests do not exceed") for p in (50, 95, 99)),
    Metric("max_latency_s", "s", "min", "longest latency of a request"),
    Metric("bandwidth_B_per_s", "B/s", "max", "bytes moved over the total time"),
    Metric("energy_J", "J", "min", "energy of all devices, without input/output and termination"),
    *(Metric(f"{part}_energy_J", "J", "none", f"energy of {_PART_HELP[part]}", "energy_J") for part in PARTS),
    Metric("average_power_W", "W", "min", "energy over total time"),
    Metric("row_hit_rate", "1", "none", "share of requests that found their row open"),
    Metric("row_hits", "1", "none", "requests that found their row open"),
    Metric("row_misses", "1", "none", "requests that found their bank precharged"),
    Metric("row_conflicts", "1", "none", "requests that found another row open"),
    *(Metric(f"{name}_commands", "1", "none", f"number of {name} commands") for name in c.NAMES),
)

#: device, address map, ranks and channels (None: the device's own), whether addresses wrap
Memory = tuple[str, str, int | None, int | None, bool]

_STUCK = {
    l.DEADLOCK: "the controller deadlocks: no command can ever be issued again",
    l.STALLED: "the controller makes no progress: a request waits without end",
}


def simulate_settings(
    device: Device,
    address_map: AddressMap,
    trace: Trace,
    settings: NDArray[np.int64],
    clock_MHz: float | None = None,
) -> Metrics:
    """Metrics of B controllers on one trace.

    Args:
        settings: (B, 14) codes in the order of `settings.SETTINGS`.
        clock_MHz: clock of the trace's time stamps; the trace's own, or else the memory's, if omitted.

    Raises:
        WorkloadError: for an address beyond the device.
    """
    if clock_MHz is not None:
        trace = dataclasses.replace(trace, clock_MHz=clock_MHz)
    work = prepare(trace, device, address_map)
    return simulate_jobs([(work, row) for row in settings.tolist()])


def simulate_jobs(jobs: Sequence[tuple[Work, Sequence[int]]]) -> Metrics:
    """Metrics of independent pairs of a prepared trace and a controller (codes as in `simulate_settings`), in order."""
    table = np.full((len(jobs), len(METRICS)), np.nan)
    reasons = [""] * len(jobs)

    def work_on(start: int, stop: int) -> None:
        for number in range(start, stop):
            row, reasons[number] = _one(*jobs[number])
            table[number] = row

    for_row_blocks(work_on, len(jobs))
    feasible = np.array([not reason for reason in reasons], dtype=bool)
    columns = {metric.name: table[:, number].copy() for number, metric in enumerate(METRICS)}
    return Metrics(columns, feasible, tuple(reasons))


def _one(work: Work, codes: Sequence[int]) -> tuple[list[float], str]:
    """One row of `METRICS`, or NaN and the reason why there is none."""
    nothing = [np.nan] * len(METRICS)
    values = {entry.name: entry.value(code) for entry, code in zip(SETTINGS, codes, strict=True)}
    reason = why_infeasible(work.device, values)
    if reason:
        return nothing, reason
    system = MemorySystem(work, values)
    end = system.advance()
    if end != l.FINISHED:
        return nothing, _STUCK.get(end, "the controller stops before the trace ends")
    return row_of_metrics(system), ""


def row_of_metrics(system: MemorySystem) -> list[float]:
    """The values of `METRICS` after a run that has finished."""
    work, device = system.work, system.work.device
    total_s = int(system.state[l.G_END]) / 1e12
    latencies = system.latencies_ps
    ranked = np.partition(latencies, [_rank(latencies, p) for p in (50, 95, 99)])
    percentiles = [int(ranked[_rank(latencies, p)]) / 1e12 for p in (50, 95, 99)]
    parts = energy_parts_J(device, system.energy_counters())
    energy_J = sum(parts.values())
    counters = system.channel_counters().sum(axis=0)
    hits, misses, conflicts = (float(count) for count in counters[:3])
    requests = len(work)
    return [
        total_s,
        int(latencies.sum()) / requests / 1e12,
        *percentiles,
        int(latencies.max()) / 1e12,
        requests * device.bytes_per_burst / total_s,
        energy_J,
        *parts.values(),
        energy_J / total_s,
        hits / requests,
        hits,
        misses,
        conflicts,
        *(float(count) for count in counters[3:]),
    ]


def _rank(latencies: NDArray[np.int64], percent: int) -> int:
    """Nearest-rank percentile: the smallest latency that at least ``percent`` of the requests do not exceed."""
    return -(-percent * len(latencies) // 100) - 1


@dataclass(frozen=True)
class DRAMSimulator:
    """A space of memory controllers; `Device`, `AddressMap`, `Ranks` and `Channels` are fixed unless in the space."""

    name: str
    space: Space
    device: str = "ddr3-1600"
    address_map: str = "rbc"
    version: int = 1
    wrap_addresses: bool = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return METRICS

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of B designs, shape (B, D).

        Raises:
            WorkloadError: for an address beyond the device.
        """
        prepared: dict[Memory, Work] = {}
        jobs = []
        for values in map(self.space.row, designs):
            memory = self._memory(values)
            if memory not in prepared:
                prepared[memory] = _prepared(workload.data, memory)
            codes = [entry.code(values.get(entry.name, entry.default)) for entry in SETTINGS]
            jobs.append((prepared[memory], codes))
        return simulate_jobs(jobs)

    def representatives(self, designs: Designs, workload: Workload) -> Designs:
        """For each design, shape (B, D), one whose metrics are the same to the last bit, see `alike`."""
        channels = load_device(self.device).channels
        return representatives(self.space, designs, channels, not workload.data.is_write.any())

    def _memory(self, values: Mapping[str, Level]) -> Memory:
        ranks, channels = (int(values[name]) if name in values else None for name in ("Ranks", "Channels"))
        device, address_map = values.get("Device", self.device), values.get("AddressMap", self.address_map)
        return str(device), str(address_map), ranks, channels, self.wrap_addresses


_latest: dict[tuple[str, Memory], Work] = {}
_MOST_PREPARED = 64


def _prepared(trace: Trace, memory: Memory) -> Work:
    """The located trace, kept for the next call: environments ask for the same one again and again."""
    key = (trace.fingerprint, memory)
    found = _latest.get(key)
    if found is None:
        device_name, map_name, ranks, channels, wrap = memory
        device = load_device(device_name, ranks, channels)
        found = prepare(trace, device, load_address_map(map_name, device, wrap))
        while len(_latest) >= _MOST_PREPARED:
            _latest.pop(next(iter(_latest)), None)
        _latest[key] = found
    return found


def make_archgym(device: str = "ddr3-1600", address_map: str = "rbc", wrap_addresses: bool = False) -> DRAMSimulator:
    """The simulator of ``DRAMEnv-v0``: ArchGym's ten parameters on a fixed memory.

    Args:
        device: a shipped device or the path of a memory specification.
        address_map: a named map or the path of an address-map file.
        wrap_addresses: ignore the upper bits of addresses beyond the memory instead of refusing the trace.
    """
    load_address_map(address_map, load_device(device))
    name = "dram-controller"
    if (device, address_map) != ("ddr3-1600", "rbc"):
        name += f" {_labelled(device)} {_labelled(address_map)}"
    return DRAMSimulator(_wrapping(name, wrap_addresses), SPACE, device, address_map, wrap_addresses=wrap_addresses)


def _wrapping(name: str, wrap_addresses: bool) -> str:
    return f"{name} wrapping" if wrap_addresses else name


def _labelled(name_or_path: str) -> str:
    """What tells a device or an address map apart: its name, for a file also its content."""
    path = Path(name_or_path)
    if not path.is_file():
        return name_or_path
    return f"{path.stem}-{content_fingerprint(path.read_bytes())[:12]}"


def make_full(wrap_addresses: bool = False) -> DRAMSimulator:
    """The simulator of ``DRAMFullEnv-v0``: memory, address map and controller.

    Args:
        wrap_addresses: as for `make_archgym`.
    """
    name = _wrapping("dram-memory-system", wrap_addresses)
    return DRAMSimulator(name, FULL_SPACE, version=2, wrap_addresses=wrap_addresses)
