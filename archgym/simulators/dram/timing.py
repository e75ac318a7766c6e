"""Timing constraints of a standard, compiled into tables of clock cycles.

A standard is a data file (``standards/*.json``): which command must wait how long after which, within the same
bank, bank group, rank, the other ranks, or the whole channel. `compile_timing` inserts one device's numbers.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.dram import commands as c
from archgym.simulators.dram.expression import evaluate

NO_LIMIT = -(1 << 40)
"""Stands for "no constraint" in the tables: so long ago that it never matters."""

SCOPES = ("bank", "group", "rank", "other ranks", "channel")
REFRESH_KINDS = ("AllBank", "PerBank", "SameBank")


@dataclass(frozen=True)
class Timing:
    """Constraints of one device; C is the number of commands, all times in clock cycles.

    Attributes:
        after_bank, after_group, after_rank, after_other_rank: (C, C) int64, ``[previous, next]``: the least distance
            between two commands that share the scope, `NO_LIMIT` where there is none.
        window: (C,) the least distance from the fourth last counted command of the rank.
        window_counts: (C,) bool, the commands that are counted.
        bus_cycles: (C,) how long a command occupies the command bus.
        buses: 1, or 2 where row and column commands have a bus each.
        round_delay: refresh of a bank after one of another bank: (within a round over all banks, starting a new one).
        data_end: (2,) from a read, a write to the end of its data.
        first_command_ps_before_edge: how much earlier than a clock edge the very first command of a bus comes; all
            later ones keep that phase. (DRAMSys's HBM2 checker adds a clock to a "never" that wraps around, 1 ps.)
        power_down: whether power-down commands are described.
        energy: durations in clock cycles for the energy model; None where the standard has no energy model here.
        refresh_interval: (3,) for `REFRESH_KINDS`; 0 where the standard does not have that refresh.
        named: every timing and derived timing by name.
    """

    after_bank: NDArray[np.int64]
    after_group: NDArray[np.int64]
    after_rank: NDArray[np.int64]
    after_other_rank: NDArray[np.int64]
    window: NDArray[np.int64]
    window_counts: NDArray[np.bool_]
    bus_cycles: NDArray[np.int64]
    buses: int
    round_delay: tuple[int, int]
    data_end: NDArray[np.int64]
    first_command_ps_before_edge: int
    power_down: bool
    energy: Mapping[str, int] | None
    refresh_interval: NDArray[np.int64]
    named: Mapping[str, int]


@functools.cache
def standards() -> tuple[str, ...]:
    """The standards that have a file, as a memory specification names them (``DDR3``, …)."""
    files = resources.files("archgym.simulators.dram").joinpath("standards").iterdir()
    return tuple(sorted(json.loads(file.read_text())["standard"] for file in files if file.name.endswith(".json")))


@functools.cache
def read_standard(name: str) -> dict[str, Any]:
    """The standard's file.

    Raises:
        UnknownNameError: if there is none.
    """
    if name not in standards():
        raise UnknownNameError("memory standard", name, standards())
    file = resources.files("archgym.simulators.dram").joinpath("standards", f"{name.lower()}.json")
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def compile_timing(standard: str, timings: Mapping[str, int], where: str) -> Timing:
    """The tables of ``standard`` with a device's ``timings`` (whole clock cycles) inserted.

    Raises:
        UnknownNameError: for an unknown standard.
        ConfigError: naming ``where``, if a timing is missing.
    """
    document = read_standard(standard)
    names = dict(timings)
    for name, formula in document["derived"].items():
        names[name] = evaluate(formula, names, where)
    scopes = {scope: np.full((c.COUNT, c.COUNT), NO_LIMIT, dtype=np.int64) for scope in SCOPES}
    rounds = {"same round": NO_LIMIT, "new round": NO_LIMIT}
    for following, rows in document["constraints"].items():
        for previous, scope, formula, *condition in rows:
            delay = evaluate(formula, names, where)
            if condition:
                rounds[condition[0]] = delay
                continue
            for next_command in following.split():
                place = (_number(previous, where), _number(next_command, where))
                scopes[scope][place] = max(int(scopes[scope][place]), delay)
    window = document["four_activate_window"]
    limits = np.full(c.COUNT, NO_LIMIT, dtype=np.int64)
    for next_command, formula in window["limits"].items():
        limits[_number(next_command, where)] = evaluate(formula, names, where)
    cycles = np.ones(c.COUNT, dtype=np.int64)
    for command, length in document["command_cycles"].items():
        cycles[_number(command, where)] = length
    intervals = document["refresh_interval"]
    return Timing(
        after_bank=scopes["bank"],
        after_group=scopes["group"],
        after_rank=np.maximum(scopes["rank"], scopes["channel"]),
        after_other_rank=np.maximum(scopes["other ranks"], scopes["channel"]),
        window=limits,
        window_counts=np.array([name in window["counts"] for name in c.NAMES]),
        bus_cycles=cycles,
        buses=document["buses"],
        round_delay=(rounds["same round"], rounds["new round"]),
        data_end=np.array([evaluate(document["data_end"][way], names, where) for way in ("read", "write")]),
        first_command_ps_before_edge=document.get("first_command_ps_before_edge", 0),
        power_down=document.get("power_down", True),
        energy=_durations(document["energy"], names, where),
        refresh_interval=np.array(
            [evaluate(intervals[kind], names, where) if intervals.get(kind) else 0 for kind in REFRESH_KINDS]
        ),
        named=names,
    )


def _number(name: str, where: str) -> int:
    if name not in c.NUMBER:
        raise ConfigError(f"{where}: the standard names an unknown command {name!r}; allowed: {', '.join(c.NAMES)}")
    return c.NUMBER[name]


def _durations(formulas: Mapping[str, str] | None, names: Mapping[str, int], where: str) -> dict[str, int] | None:
    if not formulas:
        return None
    return {name: evaluate(formula, names, where) for name, formula in formulas.items()}
