"""A memory device: geometry, timing and currents, read from a data file.

A file is either a DRAMSys memory specification (JSON, version 4: mA and ``clkMhz``; version 5: A and ``tCK``) or
one of our own in ``devices/``: the same content plus where its numbers come from.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.dram.timing import Timing, compile_timing

CURRENTS = ("idd0", "idd2n", "idd3n", "idd4r", "idd4w", "idd5", "idd6", "idd2p0", "idd3p0")
"""Currents the energy model needs on a rail: activate-precharge cycle, standby (precharged, active), read, write,
refresh, self refresh, slow-exit power-down (precharged, active)."""


@dataclass(frozen=True)
class Rail:
    """One supply: its voltage (V) and currents (mA by the names of `CURRENTS`, absent ones 0; ``idd5b`` if given)."""

    volts: float
    milliamps: Mapping[str, float]


@dataclass(frozen=True)
class Device:
    """One channel's worth of memory devices and how many such channels there are.

    Attributes:
        id: short name.
        standard: memory standard, such as ``DDR3``.
        ranks, channels: counts (a pseudo-channel is modelled as a rank).
        groups, banks: bank groups and banks of a rank.
        rows, columns: of a bank.
        bytes_per_column: width of the data bus in bytes.
        devices: chips that work in parallel on one rank; energy is multiplied by it.
        burst_length, data_rate: beats of a burst, beats a clock.
        clock_MHz: memory clock.
        tCK_ps: clock period, rounded to whole ps as DRAMSys does.
        timing: constraints in clock cycles.
        rails: supplies with currents; empty if the source gives none or the standard has no energy model here, and then
            there is no energy.
        address_maps: maps that come with the device, by name, as in DRAMSys's address-map files.
        notes: source, licence and remarks.
    """

    id: str
    standard: str
    ranks: int
    channels: int
    groups: int
    banks: int
    rows: int
    columns: int
    bytes_per_column: int
    devices: int
    burst_length: int
    data_rate: int
    clock_MHz: float
    tCK_ps: int
    timing: Timing
    rails: tuple[Rail, ...]
    address_maps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def banks_per_channel(self) -> int:
        return self.banks * self.ranks

    @property
    def bytes_per_burst(self) -> int:
        return self.burst_length * self.bytes_per_column

    @property
    def peak_bandwidth_B_per_s(self) -> float:
        """Of all channels together."""
        return self.bytes_per_column * self.data_rate * self.clock_MHz * 1e6 * self.channels

    @property
    def capacity_bytes(self) -> int:
        return self.channels * self.ranks * self.banks * self.rows * self.columns * self.bytes_per_column

    @property
    def has_energy(self) -> bool:
        return bool(self.rails)


@functools.cache
def device_names() -> tuple[str, ...]:
    """Ids of the devices that are shipped."""
    folder = resources.files("archgym.simulators.dram").joinpath("devices")
    return tuple(sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")))


def load_device(name_or_path: str, ranks: int | None = None, channels: int | None = None) -> Device:
    """A shipped device by id, or any memory specification file by path.

    Args:
        name_or_path: ``"ddr3-1600"``, … or a path to a JSON file.
        ranks, channels: counts to build the memory with instead of the file's own.

    Raises:
        UnknownNameError: if it is neither a shipped device nor an existing file.
        ConfigError: if the file cannot be read or lacks something.
    """
    return _load(str(name_or_path), ranks, channels)


@functools.lru_cache(maxsize=256)
def _load(name_or_path: str, ranks: int | None, channels: int | None) -> Device:
    if name_or_path in device_names():
        file = resources.files("archgym.simulators.dram").joinpath("devices", f"{name_or_path}.json")
        text, label, id = file.read_text(), f"device {name_or_path!r}", name_or_path
    else:
        path = Path(name_or_path)
        if not path.is_file():
            raise UnknownNameError("device", name_or_path, (*device_names(), "or the path of a memspec JSON file"))
        label, id = f"memory specification {path}", path.stem
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{label}: cannot be read: {error}") from error
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{label}: is not JSON ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("memspec"), dict):
        raise ConfigError(f"{label}: has no 'memspec' object; expected a DRAMSys memory specification")
    return _build(id, document, label, ranks, channels)


def _build(id: str, document: Mapping[str, Any], where: str, ranks: int | None, channels: int | None) -> Device:
    spec = document["memspec"]
    shape = _section(spec, "memarchitecturespec", where)
    # Version 5's HBM: pseudo-channels instead of ranks, the banks of all stacks in each, columns counted in bursts.
    stacked = "nbrOfPseudoChannels" in shape
    raw = _section(spec, "memtimingspec", where)
    clock_MHz, tCK_ps = _clock(raw, where)
    burst, rate = _count(shape, "burstLength", where), _count(shape, "dataRate", where)
    timings = {name.upper(): value for name, value in raw.items() if name not in ("clkMhz", "tCK")}
    not_whole = {name: value for name, value in timings.items() if not _is_whole(value)}
    if not_whole:
        raise ConfigError(f"{where}: timings must be whole clock cycles, not {not_whole}")
    timings = {name: int(value) for name, value in timings.items()} | {"BL": burst, "DR": rate}
    timings.setdefault("RFC", timings.get("RFC1", 0))
    timings.setdefault("REFM", int(shape.get("RefMode", 1)))
    groups, banks = _count(shape, "nbrOfBankGroups", where, 1), _count(shape, "nbrOfBanks", where)
    if banks % groups:
        raise ConfigError(f"{where}: nbrOfBanks = {banks} is not a multiple of nbrOfBankGroups = {groups}")
    devices = _count(shape, "nbrOfDevicesOnDIMM", where, _count(shape, "nbrOfDevices", where, 1))
    standard = str(spec.get("memoryType"))
    timing = compile_timing(standard, timings, where)
    return Device(
        id=id,
        standard=standard,
        ranks=ranks or _count(shape, "nbrOfPseudoChannels" if stacked else "nbrOfRanks", where, 1),
        channels=channels or _count(shape, "nbrOfChannels", where, 1),
        groups=groups,
        banks=banks,
        rows=_count(shape, "nbrOfRows", where),
        columns=_count(shape, "nbrOfColumns", where) * (burst if stacked else 1),
        bytes_per_column=max(1, _count(shape, "width", where) * devices // 8),
        devices=devices,
        burst_length=burst,
        data_rate=rate,
        clock_MHz=clock_MHz,
        tCK_ps=tCK_ps,
        timing=timing,
        rails=_rails(spec.get("mempowerspec", {}), "clkMhz" in raw) if timing.energy else (),
        address_maps=document.get("address_maps", {}),
        notes=document.get("notes", {}),
    )


def _section(spec: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    section = spec.get(name)
    if not isinstance(section, dict):
        raise ConfigError(f"{where}: lacks the section {name!r}")
    return section


def _count(section: Mapping[str, Any], name: str, where: str, default: int | None = None) -> int:
    value = section.get(name, default)
    if not _is_whole(value) or int(value) < 1:
        raise ConfigError(f"{where}: {name} = {value!r}; allowed: a whole number of at least 1")
    return int(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()


def _clock(timings: Mapping[str, Any], where: str) -> tuple[float, int]:
    """Clock in MHz and its period in whole ps."""
    if "clkMhz" in timings:
        clock_MHz = float(timings["clkMhz"])
    elif "tCK" in timings:
        clock_MHz = 1e-6 / float(timings["tCK"])
    else:
        raise ConfigError(f"{where}: memtimingspec has neither 'clkMhz' nor 'tCK'")
    if not 1 <= clock_MHz <= 100_000:
        raise ConfigError(f"{where}: a memory clock of {clock_MHz} MHz; allowed: 1 to 100000 MHz")
    return clock_MHz, round(1e6 / clock_MHz)


_VERSION_5 = {"idd6n": "idd6", "idd2p": "idd2p0", "idd3p": "idd3p0", "idd5b": "idd5"}


def _rails(power: Mapping[str, Any], milliamps: bool) -> tuple[Rail, ...]:
    """The supplies of a ``mempowerspec``: ``vdd`` with ``idd…`` and, if given, ``vdd2`` with ``idd…2``.

    Version 5 files count in amperes, call the second rail ``vpp`` with ``ipp…``, and have some other names.
    """
    if milliamps:
        main = {name: float(power.get(name, 0)) for name in (*CURRENTS, "idd5b")}
        second = {name: float(power.get(f"{name}2", 0)) for name in CURRENTS}
        volts = (float(power.get("vdd", 0)), float(power.get("vdd2", 0)))
    else:
        by_rail: dict[str, dict[str, float]] = {"idd": {}, "ipp": {}}
        for key, value in power.items():
            if key[:3] in by_rail:
                name = f"idd{key[3:].lower()}"
                by_rail[key[:3]][_VERSION_5.get(name, name) if "idd6n" in power else name] = 1e3 * float(value)
        main, second = ({name: rail.get(name, 0.0) for name in CURRENTS} for rail in by_rail.values())
        volts = (float(power.get("vdd", 0)), float(power.get("vpp", 0)))
    if volts[0] <= 0 or not any(main.values()):
        return ()
    rails = [Rail(volts[0], main)]
    if volts[1] > 0:
        rails.append(Rail(volts[1], second))
    return tuple(rails)
