"""What memories and multiply-accumulate units cost in a process of 45 or 22 nm: energies, leakage and area.

SRAM is interpolated in a table of CACTI runs, register files in a table of published designs; nothing is fitted by eye.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym import arithmetic
from archgym.errors import ConfigError, UnknownNameError

NODES = (45, 22)
KINDS = ("SRAM", "smartbuffer_SRAM", "regfile", "smartbuffer_RF", "register", "DRAM")
_COLUMNS = ("read_energy_pJ", "write_energy_pJ", "leakage_mW_per_bank", "area_mm2", "access_time_ns", "cycle_time_ns")
_BANKS = (1, 4, 16)


@dataclass(frozen=True)
class Component:
    """One instance: picojoules a read and a write of a whole row, leakage in milliwatts, square micrometres, seconds.

    The times are NaN where the source states none.
    """

    read_pJ: float
    write_pJ: float
    leakage_mW: float
    area_um2: float
    access_time_s: float = math.nan
    cycle_time_s: float = math.nan

    def plus(self, energy_pJ: float, area_um2: float) -> Component:
        """The component with an address generator in front."""
        return Component(
            self.read_pJ + energy_pJ, self.write_pJ + energy_pJ, self.leakage_mW, self.area_um2 + area_um2,
            self.access_time_s, self.cycle_time_s,
        )  # fmt: skip


def _check(technology_nm: int, rows: int, width: int, banks: int) -> None:
    if technology_nm not in NODES:
        raise ConfigError(
            f"technology_nm = {technology_nm!r}: component tables exist for {' and '.join(map(str, NODES))} nm"
        )
    for name, value in (("rows", rows), ("width in bits", width), ("banks", banks)):
        if value < 1:
            raise ConfigError(f"memory: {name} = {value} must be at least 1")


@cache
def _parameters() -> dict[str, Any]:
    text = (files(__package__) / "data" / "components.json").read_text()
    return dict(json.loads(text))


class SramTable:
    """CACTI's runs as logarithms over log2 of capacity and row width, for 1, 4 and 16 banks.

    ``without`` leaves rows out (technology, banks, width, bytes), to measure the error of interpolation on them.
    """

    def __init__(self, technology_nm: int, without: Sequence[tuple[int, int, int, int]] = ()) -> None:
        hidden = set(without)
        self._points: dict[tuple[int, int, int], NDArray[np.float64]] = {}
        with (files(__package__) / "data" / "cacti_sram.csv").open() as lines:
            for row in csv.DictReader(lines):
                node, banks = int(row["technology_nm"]), int(row["banks"])
                width, capacity = int(row["word_bits"]), int(row["capacity_bytes"])
                if node == technology_nm and (node, banks, width, capacity) not in hidden:
                    key = (banks, width.bit_length() - 1, capacity.bit_length() - 1)
                    self._points[key] = arithmetic.log([float(row[name]) for name in _COLUMNS])

    def _along(self, known: dict[int, NDArray[np.float64]], place: float) -> NDArray[np.float64]:
        """Interpolate between the neighbours of ``place``, or extend the line through the nearest two."""
        places = sorted(known)
        above = next((number for number in range(1, len(places)) if places[number] >= place), len(places) - 1)
        low, high = places[above - 1], places[above]
        share = (place - low) / (high - low)
        return np.asarray(known[low] * (1 - share) + known[high] * share)

    def _surface(self, banks: int, width: float, capacity: float) -> NDArray[np.float64]:
        by_width: dict[int, dict[int, NDArray[np.float64]]] = {}
        for (count, bits, size), values in self._points.items():
            if count == banks:
                by_width.setdefault(bits, {})[size] = values
        return self._along({bits: self._along(sizes, capacity) for bits, sizes in by_width.items()}, width)

    def look_up(self, capacity_bytes: float, width: int, banks: int) -> Component:
        """A memory of so many bytes and bits a row.

        Banks multiply the one-bank memory by the ratio found at the nearest capacity that was run with banks; more
        than 16 banks cost as 16.
        """
        bits, size = (float(value) for value in arithmetic.log2([width, capacity_bytes]))
        found = self._surface(1, bits, size)
        if banks > 1:
            tabled = min(max(size, 16.0), 22.0)  # 64 KB to 4 MB
            one = self._surface(1, bits, tabled)
            ratios = {round(math.log2(b)): self._surface(b, bits, tabled) - one for b in _BANKS}
            found = found + self._along(ratios, float(arithmetic.log2(min(banks, _BANKS[-1]))))
        read, write, leakage, area, access, cycle = (float(value) for value in arithmetic.exp(found))
        total = leakage * min(banks, _BANKS[-1])
        return Component(read, write, total, area * 1e6, access * 1e-9, cycle * 1e-9)


@cache
def _table(technology_nm: int) -> SramTable:
    return SramTable(technology_nm)


@cache
def sram(rows: int, width: int, banks: int = 1, technology_nm: int = 45) -> Component:
    """An SRAM of ``rows`` rows of ``width`` bits: CACTI 7, one read-write port, low-operating-power cells, 350 K."""
    _check(technology_nm, rows, width, banks)
    return _table(technology_nm).look_up(rows * width / 8, width, banks)


@cache
def register_file(rows: int, width: int, technology_nm: int = 45) -> Component:
    """A register file with its address generator, a smart buffer: read, write, leakage and area go with the width."""
    _check(technology_nm, rows, width, 1)
    data, scale = _parameters()["register_file"], _parameters()["scale"][str(technology_nm)]
    places = arithmetic.log(data["rows"])
    found = []
    for name in ("read_pJ_per_bit", "write_pJ_per_bit", "leakage_mW_per_bit", "area_um2_per_bit"):
        values, place = arithmetic.log(data[name]), float(arithmetic.log(rows))
        if place < places[0]:  # below the smallest design costs go with the rows
            found.append(width * arithmetic.exp(values[0] + place - places[0]))
        elif place > places[-1]:
            found.append(width * arithmetic.exp(values[-1] + place - places[-1]))
        else:
            found.append(width * arithmetic.exp(float(np.interp(place, places, values))))
    one = register(width, technology_nm)
    return Component(
        max(found[0] * scale["energy"], one.read_pJ), max(found[1] * scale["energy"], one.write_pJ),
        found[2] * scale["leakage"], found[3] * scale["area"],
    )  # fmt: skip


@cache
def register(width: int, technology_nm: int = 45) -> Component:
    """A single row of flip-flops."""
    _check(technology_nm, 1, width, 1)
    data, scale = _parameters()["register"], _parameters()["scale"][str(technology_nm)]
    return Component(
        width * data["read_pJ_per_bit"] * scale["energy"], width * data["write_pJ_per_bit"] * scale["energy"],
        width * data["leakage_mW_per_bit"] * scale["leakage"], width * data["area_um2_per_bit"] * scale["area"],
    )  # fmt: skip


def address_generator(rows: int, technology_nm: int = 45) -> tuple[float, float]:
    """An adder as wide as a row number: picojoules a use, square micrometres."""
    data, scale = _parameters()["adder"], _parameters()["scale"][str(technology_nm)]
    bits = max(1, math.ceil(math.log2(rows)))
    return bits * data["pJ_per_bit"] * scale["energy"], bits * data["area_um2_per_bit"] * scale["area"]


def memory(kind: str, rows: int, width: int, banks: int = 1, technology_nm: int = 45) -> Component:
    """A memory of one of `KINDS`: ``rows`` rows of ``width`` bits.

    ``SRAM`` and ``regfile`` are bare; ``smartbuffer_SRAM`` and ``smartbuffer_RF`` generate their own addresses.
    Raises ``UnknownNameError`` for another kind and ``ConfigError`` for sizes below 1 or a process without tables.
    """
    if kind == "DRAM":
        energy = width * float(_parameters()["dram"]["pJ_per_bit"])
        return Component(energy, energy, 0.0, 0.0)
    if kind == "register":
        return register(rows * width, technology_nm)
    if kind == "SRAM":
        return sram(rows, width, banks, technology_nm)
    if kind == "smartbuffer_SRAM":
        return sram(rows, width, banks, technology_nm).plus(*address_generator(rows, technology_nm))
    if kind == "smartbuffer_RF":
        return register_file(rows, width, technology_nm)
    if kind == "regfile":
        energy, area = address_generator(rows, technology_nm)
        smart, one = register_file(rows, width, technology_nm), register(width, technology_nm)
        return Component(
            max(smart.read_pJ - energy, one.read_pJ), max(smart.write_pJ - energy, one.write_pJ), smart.leakage_mW,
            max(smart.area_um2 - area, 0.5 * smart.area_um2),
        )  # fmt: skip
    raise UnknownNameError("memory class", kind, KINDS)


@cache
def multiply_accumulate(bits: int, technology_nm: int = 45) -> Component:
    """An integer multiplier of ``bits`` bits with its accumulator; energy, leakage and area go with the square.

    ``read_pJ`` is the energy of one operation.
    """
    _check(technology_nm, 1, bits, 1)
    data, scale = _parameters()["mac"], _parameters()["scale"][str(technology_nm)]
    size = (bits / data["bits"]) ** 2
    return Component(
        size * data["compute_pJ"] * scale["energy"], 0.0, size * data["leakage_mW"] * scale["leakage"],
        size * data["area_um2"] * scale["area"],
    )  # fmt: skip


def level_costs(
    level: Dictionary[str, Any], words: int | None, technology_nm: int, clock_GHz: float
) -> dict[str, float]:
    """Costs of a storage level of an architecture file: picojoules a vector access and a cycle, square micrometres."""
    bits, block = int(level.get("word_bits", 16)), int(level.get("block_size", 1))
    kind = str(level.get("class", "DRAM" if words is None or level.get("technology") == "DRAM" else "SRAM"))
    if kind not in KINDS:
        raise UnknownNameError(f"class of storage level {level.get('name')!r}", kind, KINDS)
    if words == 0:
        return dict.fromkeys(("read_pJ", "fill_pJ", "update_pJ", "leakage_pJ", "area_um2"), 0.0)
    rows = 1 if words is None else math.ceil(words / block)
    part = memory(kind, rows, bits * block, int(level.get("banks", 1)), technology_nm)
    return {
        "read_pJ": part.read_pJ,
        "fill_pJ": part.write_pJ,
        "update_pJ": part.write_pJ,
        "leakage_pJ": part.leakage_mW / clock_GHz,
        "area_um2": part.area_um2,
    }


def arithmetic_costs(bits: int, technology_nm: int, clock_GHz: float) -> dict[str, float]:
    """Costs of a multiply-accumulate unit of an architecture file."""
    part = multiply_accumulate(bits, technology_nm)
    return {"energy_pJ": part.read_pJ, "leakage_pJ": part.leakage_mW / clock_GHz, "area_um2": part.area_um2}
