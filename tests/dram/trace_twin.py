"""The slow, obvious twin of the byte scanner: one regular expression for a line of each format."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LIMIT = 2**63 - 1
BLANK = r"[ \t\r]"
DATA = rf"(?:{BLANK}+0[xX][0-9a-fA-F]+)?"
END = rf"{BLANK}*(?:#.*)?"
TAIL = rf"(?:{BLANK}+(?:#.*)?)?"  # a comment after a number needs a blank before it
LINE = {
    "stl": re.compile(
        rf"(?P<time>\d+):{BLANK}+(?:\(\d+\){BLANK}+)?(?P<word>read|write){BLANK}+0[xX](?P<hex>[0-9a-fA-F]+){DATA}{TAIL}",
        re.ASCII | re.DOTALL,
    ),
    "ramulator-load-store": re.compile(
        rf"(?P<word>LD|ST){BLANK}+(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<decimal>\d+)){TAIL}", re.ASCII | re.DOTALL
    ),
    "ramulator-read-write": re.compile(rf"(?P<word>R|W){BLANK}+(?P<vector>\d+(?:,\d+)*){TAIL}", re.ASCII | re.DOTALL),
    "dramsim3": re.compile(
        rf"0[xX](?P<hex>[0-9a-fA-F]+){BLANK}+(?P<word>READ|WRITE|read|write){BLANK}+(?P<time>\d+){TAIL}",
        re.ASCII | re.DOTALL,
    ),
}
LINE["rstl"] = LINE["stl"]


@dataclass
class Parsed:
    """Requests up to the first refused line (0: none), and the first line whose time falls."""

    time: list[int] = field(default_factory=list)
    address: list[int] = field(default_factory=list)
    is_write: list[bool] = field(default_factory=list)
    refused: int = 0
    falls: int = 0


def parse(text: str, form: str, vector_bits: list[list[int]] | None = None) -> Parsed:
    """Every line of ``text`` (one character a byte) in turn."""
    parsed = Parsed()
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip(" \t\r")
        if not stripped or stripped.startswith("#"):
            continue
        match = LINE[form].fullmatch(stripped)
        request = None if match is None else _request(match, len(parsed.time), vector_bits)
        if request is None:
            parsed.refused = number
            return parsed
        time, address, is_write = request
        if form != "rstl" and parsed.time and time < parsed.time[-1] and not parsed.falls:
            parsed.falls = number
        parsed.time.append(time)
        parsed.address.append(address)
        parsed.is_write.append(is_write)
    return parsed


def _request(match: re.Match[str], count: int, vector_bits: list[list[int]] | None) -> tuple[int, int, bool] | None:
    found = match.groupdict()
    time = int(found["time"]) if found.get("time") else count
    if found.get("vector"):
        address = _address_of_vector([int(level) for level in found["vector"].split(",")], vector_bits or [])
    else:
        address = int(found["hex"], 16) if found.get("hex") else int(found["decimal"])
    if address is None or time > LIMIT or address > LIMIT:
        return None
    return time, address, found["word"] in ("write", "WRITE", "ST", "W")


def _address_of_vector(numbers: list[int], vector_bits: list[list[int]]) -> int | None:
    if len(numbers) != len(vector_bits):
        return None
    address = 0
    for number, bits in zip(numbers, vector_bits, strict=True):
        if number >= 2 ** len(bits):
            return None
        address += sum(((number >> low) & 1) << bit for low, bit in enumerate(bits))
    return address
