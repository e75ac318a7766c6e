"""Address maps: which address bits select channel, rank, bank group, bank, row and column.

A map is a DRAMSys ``CONGEN`` file (bit positions, least significant first; ``XOR`` pairs) or a name such as ``rbc``.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError, UnknownNameError, WorkloadError
from archgym.simulators.dram.device import Device

FIELDS = ("CHANNEL", "RANK", "BANKGROUP", "BANK", "ROW", "COLUMN", "BYTE")

NAMED_MAPS: Mapping[str, str] = {
    "rbc": "row, bank, column: neighbouring rows' worth of data go to different banks",
    "brc": "bank, row, column: each bank is one contiguous region",
    "rcb": "row, column, bank: neighbouring bursts go to different banks",
    "rbc-xor": "as rbc, the bank bits exchanged by XOR with the lowest row bits",
}
"""Maps that exist for every device: fields from the most significant bit down, and what that does."""

PROGRAM_SPACE_BYTES = 1 << 31
"""User space of a 32-bit program, which has its stack at the top."""
PROGRAM_SHARE_BEYOND = 0.1
"""Most of a program's requests lie low, in code and heap: at most this share of them may lie beyond the memory."""

BANK_BITS = 16
WRITE_BIT = 1 << 16
ROW_SHIFT = 17
"""A decoded request is one int64: bank (counted over all channels and ranks), write flag, row."""


@dataclass(frozen=True)
class AddressMap:
    """Which address bits select what.

    Attributes:
        name: for messages.
        bits: bit positions of each of `FIELDS`, least significant first.
        xor: (target, source) pairs: target ^= source, before the fields are read.
        wraps: whether every address beyond the memory is folded onto it, as DRAMSys does, instead of refused.
    """

    name: str
    bits: Mapping[str, tuple[int, ...]]
    xor: tuple[tuple[int, int], ...] = ()
    wraps: bool = False

    @property
    def capacity_bytes(self) -> int:
        """One more than the highest address that has its own place."""
        return 1 << (1 + max(bit for positions in self.bits.values() for bit in positions))

    def check_fits(self, device: Device) -> None:
        """Refuse a map whose fields do not have exactly the device's sizes.

        Raises:
            ConfigError: naming the field.
        """
        counts = {
            "CHANNEL": device.channels,
            "RANK": device.ranks,
            "BANKGROUP": device.groups,
            "BANK": device.banks // device.groups,
            "ROW": device.rows,
            "COLUMN": device.columns,
            "BYTE": device.bytes_per_column,
        }
        for field, count in counts.items():
            reached = 1 << len(self.bits.get(field, ()))
            if reached != count:
                raise ConfigError(
                    f"address map {self.name!r} gives {field} {reached} values, device {device.id!r} has {count}"
                )

    def beyond(self, addresses: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which addresses, shape (N,), have a bit above those the map names; that bit would be ignored."""
        outside: NDArray[np.bool_] = addresses >= self.capacity_bytes
        return outside

    def check_addresses(self, addresses: NDArray[np.int64], device: Device) -> None:
        """Refuse addresses beyond the memory, unless the map wraps or they are the stack of a 32-bit program.

        DRAMSys ignores the upper bits of any address. That is right for a program's trace on a memory smaller than its
        address space, where a few accesses go to the stack at the top, and hides a mistake everywhere else.

        Raises:
            WorkloadError: naming the request and where the memory ends.
        """
        outside = self.beyond(addresses)
        count = int(outside.sum())
        if count == 0 or self.wraps:
            return
        if count > PROGRAM_SHARE_BEYOND * len(addresses) or addresses.max() >= PROGRAM_SPACE_BYTES:
            wrong = outside if count > PROGRAM_SHARE_BEYOND * len(addresses) else addresses >= PROGRAM_SPACE_BYTES
            first = int(np.argmax(wrong))
            raise WorkloadError(
                f"request {first} has address {int(addresses[first]):#x}, beyond the device: {device.id!r} with address "
                f"map {self.name!r} ends at {self.capacity_bytes - 1:#x} ({count} of {len(addresses)} requests lie beyond); "
                "--wrap-addresses (wrap_addresses=True) ignores the upper bits"
            )

    def locate(self, addresses: NDArray[np.int64], is_write: NDArray[np.bool_], device: Device) -> NDArray[np.int64]:
        """Pack bank, direction and row of each request, shape (N,); see `ROW_SHIFT`.

        Raises:
            WorkloadError: for an address beyond the memory, see `check_addresses`.
        """
        self.check_addresses(addresses, device)
        groups_per_channel = device.ranks * device.groups
        for target, source in self.xor:
            addresses = addresses ^ (((addresses >> source) & 1) << target)
        packed = is_write * np.int64(WRITE_BIT)
        for shift, mask, weight in _segments(
            self.bits, device.banks // device.groups, device.groups, groups_per_channel
        ):
            packed += ((addresses >> shift) & mask) * weight
        return packed

    def column_bits(self) -> tuple[int, ...]:
        return self.bits["COLUMN"]


def _segments(
    bits: Mapping[str, tuple[int, ...]], banks_per_group: int, groups: int, groups_per_channel: int
) -> list[tuple[int, int, int]]:
    """(shift, mask, multiplier) of each run of neighbouring bits; their sum is the packed place."""
    weights = {
        "BANK": 1,
        "BANKGROUP": banks_per_group,
        "RANK": banks_per_group * groups,
        "CHANNEL": banks_per_group * groups_per_channel,
        "ROW": 1 << ROW_SHIFT,
    }
    runs = []
    for field, weight in weights.items():
        positions = bits.get(field, ())
        start = 0
        for end in range(1, len(positions) + 1):
            if end == len(positions) or positions[end] != positions[end - 1] + 1:
                runs.append((positions[start], (1 << (end - start)) - 1, weight << start))
                start = end
    return runs


def load_address_map(name_or_path: str, device: Device, wrap: bool = False) -> AddressMap:
    """A named map built for ``device``, or a DRAMSys address-map file.

    Args:
        name_or_path: one of `NAMED_MAPS`, a map that comes with the device, or the path of a file.
        device: the memory, whose sizes the map must have.
        wrap: whether the map folds every address beyond the memory onto it.

    Raises:
        UnknownNameError: if it is neither a name nor an existing file.
        ConfigError: if the file cannot be read or does not fit the device.
    """
    name_or_path = str(name_or_path)
    if name_or_path in device.address_maps and _sizes_of(device.address_maps[name_or_path], device):
        mapping = _read_congen(name_or_path, device.address_maps[name_or_path])
    elif name_or_path in NAMED_MAPS:
        mapping = named_map(name_or_path, device)
    else:
        mapping = _from_file(name_or_path, device)
    mapping.check_fits(device)
    return dataclasses.replace(mapping, wraps=wrap)


def _sizes_of(congen: Mapping[str, Any], device: Device) -> bool:
    """Whether a map that came with the device file still fits (ranks or channels may have been changed)."""
    ranks, channels = 1 << len(congen.get("RANK_BIT", ())), 1 << len(congen.get("CHANNEL_BIT", ()))
    return (ranks, channels) == (device.ranks, device.channels)


def _from_file(name: str, device: Device) -> AddressMap:
    path = Path(name)
    if not path.is_file():
        known = tuple(dict.fromkeys((*NAMED_MAPS, *device.address_maps)))
        raise UnknownNameError("address map", name, (*known, "or the path of an address-map JSON file"))
    return _read_file(path)


@functools.lru_cache(maxsize=64)
def _read_file(path: Path) -> AddressMap:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"address map {path}: cannot be read: {error}") from error
    except ValueError as error:
        raise ConfigError(f"address map {path}: is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise ConfigError(f"address map {path}: expected an object with 'CONGEN'")
    congen = document.get("CONGEN", document.get("addressmapping", document))
    if not isinstance(congen, dict):
        raise ConfigError(f"address map {path}: 'CONGEN' is {congen!r}; expected an object with BANK_BIT, ROW_BIT, …")
    return _read_congen(str(path), congen)


def _read_congen(name: str, congen: Mapping[str, Any]) -> AddressMap:
    bits: dict[str, tuple[int, ...]] = {}
    for field in FIELDS:
        positions = congen.get(f"{field}_BIT", ())
        positions = positions if isinstance(positions, Sequence) else (positions,)
        if not all(isinstance(bit, int) and 0 <= bit < 63 for bit in positions):
            raise ConfigError(f"address map {name}: {field}_BIT = {positions}; allowed: bit numbers 0 to 62")
        bits[field] = tuple(positions)
    used = [bit for positions in bits.values() for bit in positions]
    if not used or len(set(used)) != len(used):
        raise ConfigError(f"address map {name}: every address bit may belong to one field only, and some must be given")
    try:
        pairs = tuple((int(pair["FIRST"]), int(pair["SECOND"])) for pair in congen.get("XOR", ()))
        good = all(0 <= bit < 63 for pair in pairs for bit in pair)
    except (TypeError, KeyError, ValueError):
        good = False
    if not good:
        raise ConfigError(
            f"address map {name}: XOR = {congen['XOR']}; allowed: pairs {{FIRST, SECOND}} of bit numbers 0 to 62"
        )
    return AddressMap(name, bits, pairs)


def named_map(name: str, device: Device) -> AddressMap:
    """One of `NAMED_MAPS` for ``device``: channels change with every burst, then the order the name spells.

    Raises:
        ConfigError: if a size of the device is not a power of two.
    """
    widths = {
        "BYTE": _width(device.bytes_per_column, "bytes per column", device),
        "BURST": _width(device.burst_length, "burst length", device),
        "CHANNEL": _width(device.channels, "channels", device),
        "COLUMN": _width(device.columns, "columns", device),
        "BANKGROUP": _width(device.groups, "bank groups", device),
        "BANK": _width(device.banks // device.groups, "banks per group", device),
        "RANK": _width(device.ranks, "ranks", device),
        "ROW": _width(device.rows, "rows", device),
    }
    widths["BURST"] = min(widths["BURST"], widths["COLUMN"])
    widths["COLUMN"] -= widths["BURST"]
    banks = ("BANKGROUP", "BANK", "RANK")
    upwards = {
        "rbc": ("COLUMN", *banks, "ROW"),
        "rbc-xor": ("COLUMN", *banks, "ROW"),
        "brc": ("COLUMN", "ROW", *banks),
        "rcb": (*banks, "COLUMN", "ROW"),
    }[name]
    bits: dict[str, tuple[int, ...]] = dict.fromkeys(FIELDS, ())
    start = 0
    for field in ("BYTE", "BURST", "CHANNEL", *upwards):
        target = "COLUMN" if field == "BURST" else field
        bits[target] += tuple(range(start, start + widths[field]))
        start += widths[field]
    pairs: tuple[tuple[int, int], ...] = ()
    if name == "rbc-xor":
        pairs = tuple(zip(bits["BANKGROUP"] + bits["BANK"], bits["ROW"], strict=False))
    return AddressMap(name, bits, pairs)


def _width(count: int, what: str, device: Device) -> int:
    width = count.bit_length() - 1
    if count != 1 << width:
        raise ConfigError(f"device {device.id!r}: {count} {what} is not a power of two, which a named map needs")
    return width
