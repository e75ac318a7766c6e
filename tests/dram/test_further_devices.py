"""DDR4-3200, DDR5-4800 and LPDDR5-6400: their numbers, and that commands come neither too early nor too late.

The rules below are written out from the sources' numbers (clock cycles between the first cycles of two commands) and
share nothing with the devices' files.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from archgym.metrics import Metrics
from archgym.simulators.dram import commands as c
from archgym.simulators.dram.address_map import load_address_map
from archgym.simulators.dram.device import Device, load_device
from archgym.simulators.dram.settings import codes
from archgym.simulators.dram.simulator import simulate_settings
from archgym.simulators.dram.timing import NO_LIMIT
from archgym.simulators.dram.workloads import WORKLOADS

sys.path.insert(0, str(Path(__file__).parent))
import twin

Rules = dict[str, dict[tuple[str, str], int]]

# CL 22, CWL 16, BL/2 4, tRP 22; one-cycle commands.
DDR4_3200: Rules = {
    "bank": {
        ("ACT", "ACT"): 74,
        ("ACT", "RD"): 22,
        ("ACT", "WR"): 22,
        ("ACT", "PRE"): 52,
        ("RD", "PRE"): 12,
        ("WR", "PRE"): 16 + 4 + 24,
        ("PRE", "ACT"): 22,
        ("RDA", "ACT"): 12 + 22,
        ("WRA", "ACT"): 16 + 4 + 24 + 22,
    },
    "group": {
        ("ACT", "ACT"): 8,
        ("RD", "RD"): 8,
        ("WR", "WR"): 8,
        ("WR", "RD"): 16 + 4 + 12,
    },
    "rank": {
        ("ACT", "ACT"): 4,
        ("RD", "RD"): 4,
        ("WR", "WR"): 4,
        ("WR", "RD"): 16 + 4 + 4,
        ("RD", "WR"): 22 + 4 + 1 - 16 + 1,
        ("REFA", "ACT"): 560,
        ("REFA", "REFA"): 560,
        ("PREA", "REFA"): 22,
    },
}

# CL 36, CWL 34, BL/2 8, tRP 36; ACT, RD, WR act at their second cycle.
DDR5_4800: Rules = {
    "bank": {
        ("ACT", "ACT"): 113,
        ("ACT", "RD"): 36,
        ("ACT", "WR"): 36,
        ("ACT", "PRE"): 77 + 1,
        ("RD", "PRE"): 18 + 1,
        ("WR", "PRE"): 34 + 8 + 72 + 1,
        ("PRE", "ACT"): 36 - 1,
        ("RDA", "ACT"): 18 + 36,
        ("WRA", "ACT"): 34 + 8 + 72 + 36,
        ("REFSB", "ACT"): 312 - 1,
        ("PRESB", "REFSB"): 36,
        ("ACT", "PRESB"): 77 + 1,
    },
    "group": {
        ("ACT", "ACT"): 12,
        ("RD", "RD"): 12,
        ("WR", "WR"): 48,
        ("WR", "RD"): 34 + 8 + 24,
    },
    "rank": {
        ("ACT", "ACT"): 8,
        ("RD", "RD"): 8,
        ("WR", "WR"): 8,
        ("WR", "RD"): 34 + 8 + 6,
        ("RD", "WR"): 36 + 8 + 2 - 34 + 2,
        ("PRE", "PRE"): 2,
        ("REFA", "ACT"): 708 - 1,
        ("REFA", "REFA"): 708,
        ("PREA", "REFA"): 36,
        ("REFSB", "ACT"): 72 - 1,
        ("REFSB", "REFSB"): 312,
    },
}

# RL 17, WL 9, BL/n 2 (4 within a bank group), tRPpb 15, tRPab 17; ACT is two commands and acts at the second.
LPDDR5_6400: Rules = {
    "bank": {
        ("ACT", "ACT"): 49,
        ("ACT", "RD"): 15 + 1,
        ("ACT", "WR"): 15 + 1,
        ("ACT", "PRE"): 34 + 1,
        ("RD", "PRE"): 8,
        ("WR", "PRE"): 9 + 2 + 1 + 28,
        ("PRE", "ACT"): 15 - 1,
        ("RDA", "ACT"): 8 + 15 - 1,
        ("WRA", "ACT"): 9 + 2 + 1 + 28 + 15 - 1,
        ("REFB", "ACT"): 112 - 1,
        ("PRE", "REFB"): 15,
    },
    "group": {
        ("RD", "RD"): 4,
        ("WR", "WR"): 4,
        ("WR", "RD"): 9 + 4 + 10,
        ("RD", "WR"): 17 + 4 + 2 - 9,
    },
    "rank": {
        ("ACT", "ACT"): 4,
        ("RD", "RD"): 2,
        ("WR", "WR"): 2,
        ("WR", "RD"): 9 + 2 + 5,
        ("RD", "WR"): 17 + 2 + 2 - 9,
        ("PRE", "PRE"): 2,
        ("REFA", "ACT"): 224 - 1,
        ("REFA", "REFA"): 224,
        ("PREA", "REFA"): 17,
        ("REFB", "ACT"): 6 - 1,
        ("REFB", "REFB"): 72,
    },
}

RULES = {"ddr4-3200": DDR4_3200, "ddr5-4800": DDR5_4800, "lpddr5-6400": LPDDR5_6400}
FOUR_ACTIVATES = {"ddr4-3200": 34, "ddr5-4800": 32, "lpddr5-6400": 16}

BASE = {
    "PagePolicy": "Open",
    "Scheduler": "FrFcfs",
    "SchedulerBuffer": "Shared",
    "RequestBufferSize": 32,
    "RespQueue": "Fifo",
    "RefreshPolicy": "NoRefresh",
    "RefreshMaxPostponed": 0,
    "RefreshMaxPulledin": 0,
    "PowerDownPolicy": "NoPowerDown",
    "CmdMux": "Oldest",
    "Arbiter": "Simple",
    "MaxActiveTransactions": 64,
    "HighWatermark": 0,
    "LowWatermark": 0,
}


def commands_of(
    device: Device, requests: list[tuple[int, int, int, bool]], **design: object
) -> tuple[list[tuple[int, str, int, int]], int]:
    """(cycle, command, rank, bank in the channel) of each command, and the total time in cycles.

    ``requests`` holds (earliest cycle, bank in the channel, row, write).
    """
    places = [(0, bank // device.banks, bank, row) for _, bank, row, _ in requests]
    times, writes = [request[0] for request in requests], [request[3] for request in requests]
    result = twin.simulate(device, places, list(range(len(requests))), times, writes, {**BASE, **design})
    assert result.finished
    found = [(cycle, c.NAMES[command], rank, bank) for cycle, command, rank, bank in result.commands[0]]
    return found, result.total_time_ps // device.tCK_ps


def gaps_of(device: Device, commands: list[tuple[int, str, int, int]]) -> Iterator[tuple[str, str, str, int, int]]:
    """(scope, previous, next, distance, cycle) of each command and the last earlier one of every kind in the scope."""
    per_group = device.banks // device.groups
    last: dict[tuple[str, int, str], int] = {}
    for cycle, command, rank, bank in commands:
        all_banks = command in ("PREA", "REFA")
        same_bank = command in ("PRESB", "REFSB")
        banks = [
            b
            for b in range(device.banks)
            if all_banks or (b % per_group == bank % per_group if same_bank else b == bank)
        ]
        touched = [("bank", b) for b in banks] + [("rank", rank)]
        touched += [] if all_banks or same_bank else [("group", bank // per_group)]
        for scope, place in touched:
            for (seen_scope, seen_place, previous), when in last.items():
                if (seen_scope, seen_place) == (scope, place):
                    yield scope, previous, command, cycle - when, cycle
        last.update({(scope, place, command): cycle for scope, place in touched})


def traffic(device: Device) -> Iterator[list[tuple[int, str, int, int]]]:
    """Command lists of runs that press every limit."""
    rng = np.random.default_rng(11)
    kinds = [
        kind for kind, at in (("AllBank", 0), ("PerBank", 1), ("SameBank", 2)) if device.timing.refresh_interval[at]
    ]
    for page in ("Open", "Closed"):
        for banks, rows, writes in (
            (1, 2, 0.5),
            (2, 1, 0.5),
            (device.banks, 2, 0.3),
            (device.banks, 50, 0.0),
            (device.banks, 1, 1.0),
        ):
            requests = [
                (0, int(rng.integers(banks)), int(rng.integers(rows)), bool(rng.random() < writes)) for _ in range(120)
            ]
            yield commands_of(device, requests, PagePolicy=page)[0]
    spread = [bank % device.groups * (device.banks // device.groups) + 1 + bank // device.groups for bank in range(6)]
    yield commands_of(device, [(0, bank, 0, False) for bank in spread])[0]
    for wait in range(8):  # activates one after another while a turnaround holds back the reads
        reads = [(device.timing.named["RCD"] + wait, bank, 0, False) for bank in spread]
        yield commands_of(device, [(0, 0, 0, True)] * 8 + reads)[0]
    for kind in kinds:
        for pulled_in in (0, 4):
            requests = [(90 * i, int(rng.integers(device.banks)), int(rng.integers(3)), i % 3 == 0) for i in range(300)]
            requests += [(requests[-1][0] + 20_000, 0, 0, False), (requests[-1][0] + 60_000, 0, 1, False)]
            yield commands_of(device, requests, RefreshPolicy=kind, RefreshMaxPulledin=pulled_in)[0]


@pytest.mark.parametrize("name", RULES)
def test_no_command_is_early_and_none_is_held_back(name: str) -> None:
    """Every rule is kept in every run, and met exactly in some: illegal a cycle before, legal at the limit."""
    device = load_device(name)
    least: dict[tuple[str, str, str], int] = {}
    for commands in traffic(device):
        activates: list[int] = []
        for scope, previous, following, distance, cycle in gaps_of(device, commands):
            limit = RULES[name][scope].get((previous, following))
            if limit is not None:
                assert distance >= limit, (scope, previous, following, cycle)
                key = (scope, previous, following)
                least[key] = min(distance, least.get(key, distance))
        activates = [cycle for cycle, command, _, _ in commands if command == "ACT"]
        for first, fifth in zip(activates, activates[4:], strict=False):
            assert fifth - first >= FOUR_ACTIVATES[name]
            least[("window", "", "")] = min(fifth - first, least.get(("window", "", ""), fifth - first))
    assert least.pop(("window", "", "")) == FOUR_ACTIVATES[name]
    expected = {(scope, *pair): limit for scope, rules in RULES[name].items() for pair, limit in rules.items()}
    assert {key: least.get(key) for key in expected} == expected


@pytest.mark.parametrize("name", RULES)
def test_the_tables_hold_the_rules(name: str) -> None:
    timing = load_device(name).timing
    tables = {"bank": timing.after_bank, "group": timing.after_group, "rank": timing.after_rank}
    for scope, rules in RULES[name].items():
        for (previous, following), limit in rules.items():
            assert tables[scope][c.NUMBER[previous], c.NUMBER[following]] == limit, (scope, previous, following)
            if following in ("RD", "WR"):
                auto = c.NUMBER[following + "A"]
                assert tables[scope][c.NUMBER[previous], auto] == limit, (scope, previous, following)
    # The window is counted from the last cycle of the earlier command.
    assert timing.window[c.ACT] + timing.bus_cycles[c.ACT] - 1 == FOUR_ACTIVATES[name]
    power_down = [c.PDEA, c.PDXA, c.PDEP, c.PDXP, c.SREFEN, c.SREFEX]
    if name != "ddr4-3200":
        assert np.all(timing.after_rank[:, power_down] == NO_LIMIT)


# Clocks from the first cycle of a read or write to its first data, and clocks of data.
DATA = {"ddr4-3200": (22, 16, 4), "ddr5-4800": (1 + 36, 1 + 34, 8), "lpddr5-6400": (17, 9, 2)}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("ranks", [1, 2])
def test_the_data_bus_carries_one_burst_at_a_time(name: str, ranks: int) -> None:
    """Bursts never overlap, and the bus rests between bursts of different ranks."""
    device = load_device(name, ranks=ranks)
    rng = np.random.default_rng(ranks)
    read_start, write_start, length = DATA[name]
    rest = {"ddr4-3200": 1, "ddr5-4800": 2, "lpddr5-6400": 2}[name]
    for writes in (0.0, 0.2, 0.5, 1.0):
        banks = ranks * device.banks
        requests = [
            (0, int(rng.integers(banks)), int(rng.integers(2)), bool(rng.random() < writes)) for _ in range(150)
        ]
        commands, total = commands_of(device, requests)
        starts = {"RD": read_start, "WR": write_start}
        columns = sorted((cycle + starts[command], rank) for cycle, command, rank, _ in commands if command in starts)
        assert len(columns) == 150
        for (start, rank), (following, next_rank) in itertools.pairwise(columns):
            assert following - start >= length + (rest if rank != next_rank else 0)
        assert total >= columns[-1][0] + length


@pytest.mark.parametrize("name", RULES)
def test_one_access_takes_what_the_data_sheet_says(name: str) -> None:
    device = load_device(name)
    read_start, write_start, length = DATA[name]
    activate = RULES[name]["bank"]["ACT", "RD"]
    assert commands_of(device, [(0, 3, 5, False)])[1] == activate + read_start + length
    assert commands_of(device, [(0, 3, 5, True)])[1] == activate + write_start + length
    conflict = RULES[name]["bank"]["ACT", "PRE"] + RULES[name]["bank"]["PRE", "ACT"]
    conflict = max(conflict, RULES[name]["bank"]["ACT", "ACT"])
    assert commands_of(device, [(0, 3, 5, False), (0, 3, 6, False)])[1] == conflict + activate + read_start + length


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("writes", [False, True])
def test_a_stream_over_bank_groups_reaches_the_peak(name: str, writes: bool) -> None:
    """Row hits in turn over all bank groups: a burst every burst length; in one group: one every tCCD_L."""
    device = load_device(name)
    per_group = device.banks // device.groups
    length = DATA[name][2]
    over_groups = [(0, i % device.groups * per_group, 0, writes) for i in range(600)]
    in_one_group = [(0, i % 2, 0, writes) for i in range(600)]
    column = "WR" if writes else "RD"
    for requests, spacing in ((over_groups, length), (in_one_group, RULES[name]["group"][column, column])):
        times = [cycle for cycle, command, _, _ in commands_of(device, requests)[0] if command in ("RD", "WR")]
        steady = times[100:]
        assert steady[-1] - steady[0] == spacing * (len(steady) - 1)
    peak = device.bytes_per_burst / (length * device.tCK_ps * 1e-12)
    assert peak == pytest.approx(device.peak_bandwidth_B_per_s, rel=1e-3)


def test_sizes_and_rates() -> None:
    expected = {
        "ddr4-3200": (25.6e9, 8 << 30, 64, 16, 4),
        "ddr5-4800": (19.2e9, 8 << 30, 64, 32, 8),
        "lpddr5-6400": (12.8e9, 2 << 30, 32, 16, 4),
    }
    for name, numbers in expected.items():
        device = load_device(name)
        found = (
            device.peak_bandwidth_B_per_s,
            device.capacity_bytes,
            device.bytes_per_burst,
            device.banks,
            device.groups,
        )
        assert found == numbers
        assert {"description", "source", "licence", "energy"} <= set(device.notes)


def test_refresh_reaches_every_bank_often_enough() -> None:
    """Each bank is refreshed once a 32 ms / 8192 (64 ms for DDR4), whatever the kind of refresh."""
    for name, window_ms in (("ddr4-3200", 64), ("ddr5-4800", 32), ("lpddr5-6400", 32)):
        device = load_device(name)
        all_bank, per_bank, same_bank = (
            int(cycles) * device.tCK_ps * 1e-12 for cycles in device.timing.refresh_interval
        )
        due = window_ms * 1e-3 / 8192
        assert all_bank == pytest.approx(due, rel=2e-3)
        if per_bank:
            assert per_bank * device.banks == pytest.approx(due, rel=2e-3)
        if same_bank:  # at the fine granularity: half the rows of a set of banks each time
            assert same_bank * (device.banks // device.groups) * 2 == pytest.approx(due, rel=2e-3)


def simulated(name: str, workload: str, address_map: str = "rcb", **design: object) -> Metrics:
    device = load_device(name)
    settings = np.array([codes({"RefreshPolicy": "NoRefresh", "RequestBufferSize": 32, **design})])
    return simulate_settings(device, load_address_map(address_map, device), WORKLOADS.load(workload).data, settings)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("writes", [0, 1])
def test_the_simulator_streams_at_the_peak(name: str, writes: int) -> None:
    """Consecutive lines over all bank groups use the data bus but when all banks change rows; in one bank they cannot."""
    workload = f"synthetic:sequential?requests=20000&write_fraction={writes}&span=16MiB"
    peak = load_device(name).peak_bandwidth_B_per_s
    spread = simulated(name, workload, "rcb").columns["bandwidth_B_per_s"][0]
    device, rules, column = load_device(name), RULES[name]["bank"], "WR" if writes else "RD"
    row_change = (
        rules[column, "PRE"] + rules["PRE", "ACT"] + rules["ACT", column] + device.banks * FOUR_ACTIVATES[name] // 4
    )
    between = device.banks * device.columns // device.burst_length * DATA[name][2]
    assert 0.995 * peak * between / (between + row_change) < spread <= peak
    one_bank = simulated(name, workload, "brc").columns["bandwidth_B_per_s"][0]
    assert one_bank <= peak * DATA[name][2] / RULES[name]["group"][column, column]


def test_energy_of_ddr4_3200_is_that_of_its_currents() -> None:
    """Parts by their formulas: 8 chips, 0.625 ns, Vdd 1.2 V and Vpp 2.5 V, currents in mA."""
    result = simulated("ddr4-3200", "synthetic:local?requests=20000&interval=60", RefreshPolicy="AllBank").columns
    count = {command: result[f"{command}_commands"][0] for command in ("ACT", "PRE", "PREA", "RD", "WR", "REFA")}
    scale = 8 * 0.625e-9 * 1e-3
    assert count["REFA"] > 50
    expected = {
        "activate_energy_J": count["ACT"] * 52 * (1.2 * (57 - 52) + 2.5 * 3) * scale,
        "read_energy_J": count["RD"] * 4 * 1.2 * (168 - 52) * scale,
        "write_energy_J": count["WR"] * 4 * 1.2 * (150 - 52) * scale,
        "refresh_energy_J": count["REFA"] * 560 * 1.2 * (250 - 52) * scale,
        "power_down_energy_J": 0.0,
    }
    for part, value in expected.items():
        assert result[part][0] == pytest.approx(value, rel=1e-12), part
    closed = count["ACT"]  # each activation is closed once, up to the sixteen that may stay open at the end
    one = 22 * (1.2 * (57 - 37) + 2.5 * 3) * scale
    assert closed - 16.001 < result["precharge_energy_J"][0] / one < closed + 0.001
    cycles = result["total_time_s"][0] / 0.625e-9
    assert 1.2 * 37 * scale * cycles < result["background_energy_J"][0] < 1.2 * 52 * scale * cycles * 1.01
    parts = sum(result[part][0] for part in result if part.endswith("_energy_J"))
    assert result["energy_J"][0] == pytest.approx(parts, rel=1e-12)


@pytest.mark.parametrize("name", ["ddr5-4800", "lpddr5-6400"])
def test_what_the_sources_do_not_give_is_absent_not_guessed(name: str) -> None:
    assert not load_device(name).has_energy
    result = simulated(name, "stream?requests=500")
    assert result.feasible.all()
    assert np.isnan(result.columns["energy_J"][0])
    assert result.columns["total_time_s"][0] > 0
    powered_down = simulated(name, "stream?requests=500", PowerDownPolicy="Staggered")
    assert not powered_down.feasible[0]
    assert "power-down" in powered_down.reasons[0]
    other = {"ddr5-4800": "PerBank", "lpddr5-6400": "SameBank"}[name]
    refreshed = simulated(name, "stream?requests=500", RefreshPolicy=other)
    assert not refreshed.feasible[0]
    assert "refresh" in refreshed.reasons[0]
