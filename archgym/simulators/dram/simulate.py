"""``archgym simulate dram``: memory-controller designs from a CSV file on one trace, results to a CSV file."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archgym.errors import ArchGymError, ConfigError, UnknownNameError
from archgym.metrics import Metrics
from archgym.simulators.dram.address_map import NAMED_MAPS
from archgym.simulators.dram.device import device_names
from archgym.simulators.dram.settings import NAMES, SETTINGS, codes
from archgym.simulators.dram.traces import FORMATS

if TYPE_CHECKING:
    from archgym.simulators.dram.system import Work
    from archgym.simulators.dram.traces import Trace

EPILOG = """\
example:
  archgym simulate dram --device ddr3-1600 --address-map rbc --trace cloud-1 --designs designs.csv --out results.csv

designs.csv has one column a parameter, named and valued as `archgym show` prints them and as DRAMSys does; parameters
that are missing take their defaults. results.csv repeats them and adds one column a metric, the unit in its name, then
feasible and reason: a design that hardware cannot do is a row with a reason, not an error.

designs.csv:
  PagePolicy,Scheduler,RequestBufferSize
  Open,FrFcfs,8
  ClosedAdaptive,Fifo,16

"""
MEMORY = ("Device", "AddressMap", "Ranks", "Channels")
"""Columns of a designs file that change the memory itself, as in the space of ``DRAMFullEnv-v0``."""


def _describe() -> str:
    lines = ["parameters:"]
    for entry in SETTINGS:
        allowed = ", ".join(entry.choices) if entry.choices else f"{entry.low} to {entry.high}"
        lines.append(f"  {entry.name} (default {entry.default}): {allowed}\n      {entry.help}")
    lines.append(
        "  Device, AddressMap, Ranks, Channels (default: the options' or the device's)\n      the memory, a design"
    )
    lines += ["", "trace formats, plain or gzip, found by the file's ending or its first line:"]
    lines += [f"  {name}: {text}" for name, text in FORMATS.items()]
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = EPILOG + _describe()
    parser.add_argument(
        "--device",
        default="ddr3-1600",
        help=f"a shipped device ({', '.join(device_names())}), or a DRAMSys memspec JSON file (default: ddr3-1600)",
    )
    parser.add_argument(
        "--address-map",
        default="rbc",
        help=f"a named map ({', '.join(NAMED_MAPS)}; from the most significant bits: row, bank, column), or a DRAMSys "
        "address-map JSON file (default: rbc)",
    )
    parser.add_argument(
        "--trace",
        required=True,
        help="a trace file, a shipped workload (`archgym show DRAMEnv-v0` lists them), or synthetic:KIND?KNOB=VALUE&…",
    )
    parser.add_argument("--designs", metavar="CSV", help="the designs; without it, one design: the default controller")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a parameter for all designs; repeatable"
    )
    parser.add_argument(
        "--clock-MHz", dest="clock", type=float, help="clock of the trace's time stamps (default: the memory's own)"
    )
    parser.add_argument("--ranks", type=int, help="ranks to build the memory with (default: the device's own)")
    parser.add_argument("--channels", type=int, help="channels to build the memory with (default: the device's own)")
    parser.add_argument(
        "--wrap-addresses",
        action="store_true",
        help="ignore the upper bits of addresses beyond the memory, as DRAMSys does (default: refuse them, but for a "
        "program's few accesses to its stack)",
    )
    parser.add_argument("--out", metavar="CSV", help="where the results go (default: the terminal)")
    parser.add_argument("--json", action="store_true", help="write the results as JSON instead of CSV")


def run(options: argparse.Namespace) -> int:
    """Simulate the designs and write what they do; infeasible designs are rows with a reason."""
    from archgym.simulators.dram.simulator import simulate_jobs
    from archgym.simulators.dram.workloads import WORKLOADS

    if options.clock is not None and not 1 <= options.clock <= 100_000:
        raise ConfigError(f"--clock-MHz: {options.clock} is not allowed; allowed: 1 to 100000")
    if options.out and not Path(options.out).absolute().parent.is_dir():
        raise ConfigError(f"--out: {options.out} is not allowed; its folder does not exist")
    fixed = _fixed(options.set)
    given: list[dict[str, str]] = [{}] if options.designs is None else read_designs(Path(options.designs))
    designs = [{**fixed, **row} for row in given]
    source = options.designs or "--set"
    places = [f"{source}, design {number}" for number in range(1, len(designs) + 1)]
    settings = np.array([_codes(row, place) for row, place in zip(designs, places, strict=True)])
    trace = WORKLOADS.load(options.trace).data
    if options.clock is not None:
        trace = dataclasses.replace(trace, clock_MHz=options.clock)
    memories, works = [], {}
    for row, place in zip(designs, places, strict=True):
        with _at(place if any(name in row for name in MEMORY) else None):
            memory = _memory(row, options)
            if memory not in works:
                works[memory] = _work(trace, memory, options.wrap_addresses)
        memories.append(memory)
    metrics = simulate_jobs([(works[memory], row) for memory, row in zip(memories, settings.tolist(), strict=True)])
    rows = _rows(designs, settings, metrics)
    text = _as_json(rows) if options.json else _as_csv(rows)
    if options.out:
        _write_atomically(Path(options.out), text)
    else:
        sys.stdout.write(text)
    return 0


Memory = tuple[str, str, int | None, int | None]


def _memory(row: Mapping[str, str], options: argparse.Namespace) -> Memory:
    """The memory of one design: its own, or the command's."""
    counts = []
    for name, option in (("Ranks", options.ranks), ("Channels", options.channels)):
        text = row.get(name, "" if option is None else str(option))
        if text and not (text.isdecimal() and int(text).bit_count() == 1):
            label = f"parameter {name!r}" if name in row else f"--{name.lower()}"
            raise ConfigError(f"{label}: {text} is not allowed; allowed: powers of two from 1")
        counts.append(int(text) if text else None)
    return row.get("Device", options.device), row.get("AddressMap", options.address_map), counts[0], counts[1]


def _work(trace: Trace, memory: Memory, wrap: bool) -> Work:
    """The trace located in a memory; says on standard error if addresses were folded."""
    from archgym.simulators.dram.address_map import load_address_map
    from archgym.simulators.dram.device import load_device
    from archgym.simulators.dram.system import prepare

    name, map_name, ranks, channels = memory
    device = load_device(name, ranks, channels)
    address_map = load_address_map(map_name, device, wrap)
    work = prepare(trace, device, address_map)
    folded = int(address_map.beyond(trace.address).sum())
    if folded:
        print(
            f"archgym simulate: note: {folded} of {len(trace)} requests lie beyond the memory's "
            f"{device.capacity_bytes:,} bytes; the upper bits of their addresses are ignored",
            file=sys.stderr,
        )
    return work


def _known(name: str) -> str:
    """``name`` if it is a parameter.

    Raises:
        UnknownNameError: otherwise, with the nearest.
    """
    if name not in NAMES and name not in MEMORY:
        raise UnknownNameError("parameter", name, (*NAMES, *MEMORY))
    return name


def _fixed(pairs: Sequence[str]) -> dict[str, str]:
    fixed = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError(f"--set: {pair!r} is not of the form NAME=VALUE")
        fixed[_known(name.strip())] = value.strip()
    return fixed


def _codes(row: Mapping[str, object], where: str) -> tuple[int, ...]:
    with _at(where):
        return codes({name: value for name, value in row.items() if name not in MEMORY})


@contextmanager
def _at(place: str | None) -> Iterator[None]:
    """Says in an error where the user wrote what is wrong; None if that is the command line itself."""
    try:
        yield
    except ArchGymError as error:
        if place is None:
            raise
        raise ConfigError(f"{place}: {error}") from error


def read_designs(path: Path) -> list[dict[str, str]]:
    """Rows of a designs file as ``{parameter: text}``; empty cells are left out.

    Raises:
        ConfigError: if the file cannot be read, has no rows, a column is not a parameter, or a row has too few or too
            many cells.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"designs file {str(path)!r} cannot be read: {error}") from error
    lines = [line for line in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in line)]
    if len(lines) < 2:
        raise ConfigError(f"designs file {str(path)!r} has no designs; expected a header and one line a design")
    with _at(f"designs file {str(path)!r}"):
        columns = [_known(name.strip()) for name in lines[0]]
    if len(set(columns)) != len(columns):
        raise ConfigError(f"designs file {str(path)!r} repeats a column in {', '.join(columns)}")
    rows = []
    for number, line in enumerate(lines[1:], start=1):
        if len(line) != len(columns):
            raise ConfigError(
                f"designs file {str(path)!r}, design {number}: {len(line)} cells, but {len(columns)} columns"
            )
        rows.append({name: cell.strip() for name, cell in zip(columns, line, strict=True) if cell.strip()})
    return rows


def _rows(
    designs: Sequence[Mapping[str, str]], settings: np.ndarray[Any, Any], metrics: Metrics
) -> list[dict[str, Any]]:
    """The results' rows: memory columns if given, all settings, all metrics (None if there is no value)."""
    memory = [name for name in MEMORY if any(name in design for design in designs)]
    rows: list[dict[str, Any]] = []
    for number, (design, codes_of_row) in enumerate(zip(designs, settings.tolist(), strict=True)):
        row: dict[str, Any] = {name: design.get(name) for name in memory}
        row |= {entry.name: entry.value(code) for entry, code in zip(SETTINGS, codes_of_row, strict=True)}
        row |= {name: value if np.isfinite(value) else None for name, value in metrics.row(number).items()}
        rows.append(row | {"feasible": bool(metrics.feasible[number]), "reason": metrics.reasons[number]})
    return rows


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "feasible": str(row["feasible"]).lower()})
    return out.getvalue()


def _as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(list(rows), indent=1) + "\n"


def _write_atomically(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
