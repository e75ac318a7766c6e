"""Building, running, pausing and copying a simulated memory system.

A `MemorySystem` holds the state vector and the vectors of parameters and constraints; it can stop after any response
and go on, with the same settings or with others. Unchanged, it ends exactly as an uninterrupted run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archgym.errors import ConfigError, WorkloadError
from archgym.simulators.dram import commands as c
from archgym.simulators.dram import layout as l
from archgym.simulators.dram import settings
from archgym.simulators.dram.address_map import AddressMap
from archgym.simulators.dram.device import Device
from archgym.simulators.dram.layout import Layout, Sizes
from archgym.simulators.dram.state import (
    Vector,
    add_nodes,
    initial_state,
    move_rings,
    point_banks,
    view,
    wake_controllers,
)
from archgym.simulators.dram.timing import NO_LIMIT
from archgym.simulators.dram.traces import Trace

CHANGEABLE = (
    "PagePolicy", "Scheduler", "HighWatermark", "LowWatermark", "SchedulerBuffer", "RequestBufferSize",
    "RefreshMaxPostponed", "RefreshMaxPulledin", "MaxActiveTransactions",
)  # fmt: skip
"""Settings that may change while a system runs; the others shape its queues."""

_PLACE = {
    "PagePolicy": l.P_PAGE,
    "Scheduler": l.P_SCHEDULER,
    "HighWatermark": l.P_HIGH,
    "LowWatermark": l.P_LOW,
    "SchedulerBuffer": l.P_BUFFER,
    "RequestBufferSize": l.P_BUFFER_SIZE,
    "CmdMux": l.P_STRICT,
    "RespQueue": l.P_RESPONSE_REORDER,
    "RefreshPolicy": l.P_REFRESH,
    "RefreshMaxPostponed": l.P_POSTPONED,
    "RefreshMaxPulledin": l.P_PULLED_IN,
    "PowerDownPolicy": l.P_POWER_DOWN,
    "Arbiter": l.P_ARBITER,
    "MaxActiveTransactions": l.P_MOST_ACTIVE,
}
_REFRESH_NAMES = ("no", "all-bank", "per-bank", "same-bank")
_MOST_BANKS = 62
_MOST_PS = 1 << 56  # so that a time with any delay added stays below `layout.NEVER`


@dataclass(frozen=True)
class Work:
    """A trace prepared for one device and address map; arrays of shape (N,), shared by all designs."""

    device: Device
    where: Vector
    times: Vector
    addresses: Vector
    relative: bool
    player_clock_ps: int

    def __len__(self) -> int:
        return len(self.where)


def prepare(trace: Trace, device: Device, address_map: AddressMap) -> Work:
    """Locate every request of ``trace`` in ``device``.

    Raises:
        WorkloadError: for an address beyond the device, or a trace that lasts longer than 20 hours.
    """
    clock = device.tCK_ps if trace.clock_MHz is None else round(1e6 / trace.clock_MHz)
    last_ps = clock * (int(trace.time.sum(dtype=object)) if trace.relative else int(trace.time[-1]))
    if last_ps >= _MOST_PS:
        raise WorkloadError(
            f"trace {trace.name!r} lasts {last_ps / 1e12:.4g} s; allowed: less than {_MOST_PS / 1e12:.4g} s"
        )
    where = address_map.locate(trace.address, trace.is_write, device)
    return Work(device, where, trace.time, trace.address, trace.relative, clock)


def why_infeasible(device: Device, values: Mapping[str, object]) -> str:
    """The reason why hardware cannot be built with these settings, empty if it can."""
    code = {entry.name: entry.code(values.get(entry.name, entry.default)) for entry in settings.SETTINGS}
    refresh = code["RefreshPolicy"]
    if refresh != l.NO_REFRESH and device.timing.refresh_interval[refresh - 1] == 0:
        return f"{device.standard} has no {_REFRESH_NAMES[refresh]} refresh"
    if code["PowerDownPolicy"] and not device.timing.power_down:
        return f"power-down of {device.standard} is not described"
    if code["LowWatermark"] > code["HighWatermark"] and code["Scheduler"] == l.GRP_FR_FCFS_WM:
        return "LowWatermark is above HighWatermark"
    if device.banks > _MOST_BANKS or device.channels > l.MOST_CHANNELS:
        return f"more than {_MOST_BANKS} banks a rank or {l.MOST_CHANNELS} channels"
    return ""


def timing_vector(device: Device) -> Vector:
    """The constraint tables in ps, see `layout.T_BANK` and following."""
    t, tCK = device.timing, device.tCK_ps
    vector = np.zeros(l.T_SIZE, dtype=np.int64)
    squares = (t.after_bank, t.after_group, t.after_rank, t.after_other_rank)
    for place, table in zip((l.T_BANK, l.T_GROUP, l.T_RANK, l.T_OTHER), squares, strict=True):
        vector[place : place + l.SQUARE] = table.ravel() * tCK
    vector[l.T_LENGTH : l.T_LENGTH + c.COUNT] = t.bus_cycles * tCK
    vector[l.T_COUNTED : l.T_COUNTED + c.COUNT] = t.window_counts
    vector[l.T_WINDOW : l.T_WINDOW + c.COUNT] = t.window * tCK
    vector[l.T_CLASS : l.T_CLASS + c.BANK_COMMANDS] = _classes(device)
    vector[l.T_DATA_END : l.T_DATA_END + 2] = t.data_end * tCK
    vector[l.T_ROUND : l.T_ROUND + 2] = np.array(t.round_delay) * tCK
    return vector


def _classes(device: Device) -> list[int]:
    """Commands that share their group and rank constraints (a read with and without auto-precharge, …)."""
    t = device.timing
    tables = (t.after_group, t.after_rank, t.after_other_rank)
    classes = list(range(c.BANK_COMMANDS))
    for plain, closing in ((c.RD, c.RDA), (c.WR, c.WRA)):
        if all(np.array_equal(table[:, plain], table[:, closing]) for table in tables):
            classes[closing] = plain
    return classes


def _buffer_capacity(parameters: Vector, device: Device, requests: int) -> int:
    """Requests one channel's buffer can hold at most (a bank may exceed its share by one)."""
    size = int(parameters[l.P_BUFFER_SIZE])
    most = {l.BANKWISE: device.banks_per_channel * (size + 1), l.READ_WRITE: 2 * size, l.SHARED: size}
    return min(most[int(parameters[l.P_BUFFER])], requests) + 1


class MemorySystem:
    """One memory system serving one trace.

    Args:
        work: the prepared trace.
        values: settings by name; missing ones take their defaults.

    Raises:
        UnknownNameError, ConfigError: for an unknown setting or a value that is not allowed.
    """

    def __init__(self, work: Work, values: Mapping[str, object], sizes: Sizes = Sizes()) -> None:  # noqa: B008 - frozen, so sharing it is safe
        self.work = work
        device = work.device
        parameters = np.zeros(l.P_COUNT, dtype=np.int64)
        for entry, code in zip(settings.SETTINGS, settings.codes(values), strict=True):
            parameters[_PLACE[entry.name]] = code
        _describe_device(parameters, work)
        self.parameters = parameters
        self.timing = timing_vector(device)
        self.layout = Layout(
            device.channels,
            device.ranks,
            device.groups,
            device.banks,
            _buffer_capacity(parameters, device, len(work)),
            sizes,
        )
        self.state = initial_state(self.layout, parameters, device)
        self.latencies_ps = np.empty(len(work), dtype=np.int64)

    def copy(self) -> MemorySystem:
        """An independent copy of the system as it is now."""
        other = object.__new__(MemorySystem)
        other.__dict__.update(self.__dict__)
        other.parameters, other.state = self.parameters.copy(), self.state.copy()
        other.latencies_ps = self.latencies_ps.copy()
        return other

    @property
    def responses(self) -> int:
        """Requests answered so far."""
        return int(self.state[l.G_RESPONSES])

    @property
    def now_ps(self) -> int:
        return int(self.state[l.G_NOW])

    def advance(self, stop_after: int | None = None) -> int:
        """Run until ``stop_after`` requests are answered, or all; returns `layout.FINISHED`, `PAUSED`, `DEADLOCK` …"""
        from archgym.simulators.dram.model import advance_system

        self.parameters[l.P_STOP_AFTER] = len(self.work) if stop_after is None else stop_after
        if self.responses >= self.parameters[l.P_STOP_AFTER]:
            return l.FINISHED if self.responses == len(self.work) else l.PAUSED
        work = self.work
        while True:
            end = advance_system(
                self.parameters, self.timing, self.state, work.where, work.times, work.addresses, self.latencies_ps
            )
            if end != l.GROW:
                return int(end)
            sizes = self.layout.sizes
            self._move(dataclasses.replace(self.layout, sizes=Sizes(4 * sizes.heap, 4 * sizes.ring)))

    def energy_counters(self) -> Vector:
        """Counts and durations (ps) of each rank up to the completion of the last command, see `layout.A_COUNTERS`."""
        from archgym.simulators.dram.model import close_accounts

        state, ranks = self.state.copy(), self.layout.channels * self.layout.ranks
        if self.parameters[l.P_ENERGY]:
            close_accounts(self.parameters, state, _completion(self.work.device))
        blocks = view(state, self.parameters, l.P_RANK, ranks, l.R_SIZE)
        return blocks[:, l.A_COUNTERS.start : l.A_COUNTERS.stop]

    def channel_counters(self) -> Vector:
        """Row hits, misses, conflicts, then issued commands by number, of each channel."""
        blocks = view(self.state, self.parameters, l.P_CHANNEL, self.layout.channels, l.C_SIZE)
        return blocks[:, l.C_HITS :]

    def change(self, values: Mapping[str, object]) -> None:
        """Give a running system other settings (those of `CHANGEABLE`).

        Raises:
            UnknownNameError, ConfigError: for an unknown setting, one that cannot change, or a value not allowed.
        """
        changed = False
        for name, value in values.items():
            code = settings.setting(name).code(value)
            if code == self.parameters[_PLACE[name]]:
                continue
            if name not in CHANGEABLE:
                raise ConfigError(f"parameter {name!r} cannot change while running; allowed: {', '.join(CHANGEABLE)}")
            self.parameters[_PLACE[name]] = code
            changed = True
        if not changed:
            return
        _describe_device(self.parameters, self.work)
        nodes = _buffer_capacity(self.parameters, self.work.device, len(self.work))
        if nodes > self.layout.nodes:
            self._move(dataclasses.replace(self.layout, nodes=nodes))
        wake_controllers(self.parameters, self.state)

    def _move(self, target: Layout) -> None:
        """Rebuild the state with more room."""
        old_parameters, old_state = self.parameters.copy(), self.state
        length = target.fill(self.parameters)
        state = np.zeros(length, dtype=np.int64)
        for block, size in self.layout.blocks().items():
            start = old_parameters[block]
            state[self.parameters[block] : self.parameters[block] + size] = old_state[start : start + size]
        state[: l.G_COUNT] = old_state[: l.G_COUNT]
        move_rings(old_parameters, old_state, self.parameters, state)
        add_nodes(self.layout, target, self.parameters, state)
        point_banks(target, self.parameters, state)
        self.layout, self.state = target, state


def _describe_device(parameters: Vector, work: Work) -> None:
    """Everything of ``P`` that follows from the device and the trace."""
    device = work.device
    t, tCK = device.timing, device.tCK_ps
    refresh = int(parameters[l.P_REFRESH])
    interval = int(t.refresh_interval[refresh - 1]) if refresh else 0
    per_group = device.banks // device.groups
    equal = t.buses == 1 and len(set(t.bus_cycles.tolist())) == 1 and not parameters[l.P_STRICT]
    sets = {l.PER_BANK: device.banks, l.SAME_BANK: per_group}.get(refresh, 1)
    longest_refresh = max((t.named.get(name, 0) for name in ("RFC", "RFCAB", "REFRESH_CYCLES")), default=0)
    put_off = int(parameters[l.P_POSTPONED] + parameters[l.P_PULLED_IN])  # a forced refresh may end a standstill
    known = {
        l.P_TCK: tCK,
        l.P_PLAYER_CLOCK: work.player_clock_ps,
        l.P_RELATIVE: work.relative,
        l.P_REQUESTS: len(work),
        l.P_STOP_AFTER: len(work),
        l.P_CHANNELS: device.channels,
        l.P_RANKS: device.ranks,
        l.P_GROUPS: device.groups,
        l.P_BANKS: device.banks,
        l.P_BANKS_PER_GROUP: per_group,
        l.P_BUSES: t.buses,
        l.P_EQUAL_LENGTHS: equal,
        l.P_INTERVAL: interval * tCK,
        l.P_SETS: sets,
        l.P_STALL: (64 + 2 * put_off) * (interval + longest_refresh + 10_000) * tCK,
        l.P_ENERGY: device.has_energy,
        l.P_GROUP_LIMITS: bool((t.after_group > NO_LIMIT).any()),
        l.P_ALIGNED: t.first_command_ps_before_edge == 0,  # the controllers run at clock edges only
    }
    if device.has_energy and t.energy is not None:
        known |= {
            l.P_READ_PRECHARGE: t.energy["read_to_precharge"] * tCK,
            l.P_WRITE_PRECHARGE: t.energy["write_to_precharge"] * tCK,
            l.P_RAS: t.energy["activate"] * tCK,
            l.P_REFRESH_CYCLES: t.energy["refresh"] * tCK,
            l.P_REFRESH_ACTIVE: (t.energy["refresh"] - t.energy["refresh_precharged"]) * tCK,
        }
    for place, value in known.items():
        parameters[place] = value


def _completion(device: Device) -> Vector:
    """How long a command goes on after it was issued, for the end of the energy account, in ps."""
    durations = device.timing.energy or {}
    completion = np.zeros(c.COUNT, dtype=np.int64)
    completion[c.RD] = durations["read_completion"]
    completion[c.WR] = durations["write_completion"]
    completion[c.ACT] = durations["activate_completion"]
    completion[c.PRE] = completion[c.PREA] = durations["precharge_completion"]
    return completion * device.tCK_ps
