"""Random small traces and designs for comparing the kernel with its twin: every setting, device, shape and load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archgym.simulators.dram import layout as l
from archgym.simulators.dram.address_map import ROW_SHIFT, WRITE_BIT
from archgym.simulators.dram.device import Device, device_names, load_device
from archgym.simulators.dram.settings import SETTINGS
from archgym.simulators.dram.system import MemorySystem, Work, why_infeasible
from tests.dram import energy_twin, twin

SIZES = {
    "RequestBufferSize": (1, 2, 3, 4, 8, 64),
    "HighWatermark": (0, 1, 2, 4, 8),
    "LowWatermark": (0, 0, 1, 2),
    "RefreshMaxPostponed": (0, 1, 2, 8),
    "RefreshMaxPulledin": (0, 1, 2, 8),
    "MaxActiveTransactions": (1, 2, 3, 8, 128),
}


@dataclass(frozen=True)
class Case:
    """A design and a trace in both models' terms."""

    work: Work
    values: dict[str, str | int]

    def __str__(self) -> str:
        d = self.work.device
        return f"{d.id}, {d.channels} channels, {d.ranks} ranks, {len(self.work)} requests, {self.values}"


def random_values(rng: np.random.Generator, device: Device) -> dict[str, str | int]:
    """A design that hardware can have, uniform over the choices of each setting."""
    while True:
        values: dict[str, str | int] = {}
        for entry in SETTINGS:
            levels = entry.choices or SIZES[entry.name]
            values[entry.name] = levels[int(rng.integers(len(levels)))]
        if not why_infeasible(device, values):
            return values


def random_times(rng: np.random.Generator, requests: int, interval: int) -> np.ndarray:
    """Time stamps in clocks: saturating, moderate, in bursts, or with idle stretches of several refresh intervals."""
    kind = rng.integers(5)
    gaps = rng.integers(0, (2, 40, 2, 300, 4)[kind], requests)
    if kind == 2:
        gaps[rng.random(requests) < 0.1] += rng.integers(50, 2000)
    if kind >= 3:
        idle = rng.random(requests) < 0.1
        gaps[idle] += rng.integers(0, 4 * interval, idle.sum())
    return np.cumsum(gaps).astype(np.int64)


def random_case(
    seed: int, devices: tuple[str, ...] = device_names(), channels_from: tuple[int, ...] = (1, 1, 2)
) -> Case:
    """The case of a seed."""
    rng = np.random.default_rng(seed)
    ranks, channels = int(rng.choice([1, 1, 2, 4])), int(rng.choice(channels_from))
    device = load_device(str(rng.choice(devices)), ranks, channels)
    values = random_values(rng, device)
    requests = int(rng.integers(1, 120))
    places = rng.integers(0, channels * device.banks_per_channel, int(rng.integers(1, 9)))
    bank = rng.choice(places, requests)
    row = rng.integers(0, rng.choice([1, 2, 4]), requests)
    write = rng.random(requests) < rng.choice([0.0, 0.3, 0.5, 1.0])
    column = rng.integers(0, rng.choice([1, 2, 16]), requests)
    intervals = device.timing.refresh_interval
    times = random_times(rng, requests, int(intervals[intervals > 0].min()))
    work = Work(
        device=device,
        where=bank | write * WRITE_BIT | row << ROW_SHIFT,
        times=times,
        addresses=(row * device.banks_per_channel * channels + bank) * 1024 + column * 8,
        relative=False,
        player_clock_ps=device.tCK_ps if rng.random() < 0.7 else int(rng.integers(400, 3000)),
    )
    if rng.random() < 0.2:
        work = Work(device, work.where, np.diff(times, prepend=0), work.addresses, True, work.player_clock_ps)
    return Case(work, values)


def run_twin(case: Case) -> twin.Result:
    """The plain model's answer."""
    work, device = case.work, case.work.device
    bank, row = work.where & (WRITE_BIT - 1), work.where >> ROW_SHIFT
    within = bank % device.banks_per_channel
    longest = work.times if work.relative else np.diff(work.times, prepend=0)
    places = list(zip(bank // device.banks_per_channel, within // device.banks, within, row, strict=True))
    return twin.simulate(
        device,
        [tuple(map(int, place)) for place in places],
        work.addresses,
        work.times,
        work.where & WRITE_BIT,
        case.values,
        work.player_clock_ps,
        work.relative,
        patience=int(longest.max()) * work.player_clock_ps
        + (30_000 + 12 * int(max(device.timing.refresh_interval))) * device.tCK_ps,
    )


def run_kernel(case: Case) -> tuple[int, MemorySystem]:
    """How the kernel's run ends, and its system."""
    system = MemorySystem(case.work, case.values)
    return system.advance(), system


def difference(case: Case) -> str:
    """What differs between the two models on a case, in words; empty if nothing does."""
    plain, (end, system) = run_twin(case), run_kernel(case)
    if (end == l.FINISHED) != plain.finished:
        return f"kernel ends with {end}, the twin finishes: {plain.finished}; {case}"
    if not plain.finished:
        return ""
    if system.latencies_ps.tolist() != plain.latencies_ps:
        first = int(np.flatnonzero(system.latencies_ps != plain.latencies_ps)[0])
        pair = f"{system.latencies_ps[first]} against {plain.latencies_ps[first]}"
        return f"latency of request {first}: {pair} ps; {case}"
    if int(system.state[l.G_END]) != plain.total_time_ps:
        return f"total time {system.state[l.G_END]} against {plain.total_time_ps} ps; {case}"
    counts = np.zeros(system.channel_counters()[0, 3:].shape, dtype=int)
    for command in (entry[1] for channel in plain.commands for entry in channel):
        counts[command] += 1
    ours = system.channel_counters().sum(axis=0)
    if ours[3:].tolist() != counts.tolist():
        return f"commands {ours[3:].tolist()} against {counts.tolist()}; {case}"
    if ours[:3].tolist() != [plain.hits, plain.misses, plain.conflicts]:
        return f"row outcomes {ours[:3].tolist()} against {[plain.hits, plain.misses, plain.conflicts]}; {case}"
    return energy_difference(case, plain, system)


def energy_difference(case: Case, plain: twin.Result, system: MemorySystem) -> str:
    """What differs between the energy account kept while running and the analysis of the command lists."""
    device = case.work.device
    if not device.has_energy:
        return ""
    kept = system.energy_counters()
    for channel, commands in enumerate(plain.commands):
        for rank in range(device.ranks):
            ours = dict(zip(l.A_COUNTERS, kept[channel * device.ranks + rank].tolist(), strict=True))
            listed = energy_twin.counters(device.timing.energy, commands, rank) if commands else [0] * len(ours)
            for name, count in zip(l.A_COUNTERS, listed, strict=True):
                expected = count if name < l.A_ACTIVE_TIME else count * device.tCK_ps
                if ours[name] != expected:
                    return f"energy counter {name - l.A_ACTS} of rank {rank}: {ours[name]} against {expected}; {case}"
    return ""
