"""``archgym simulate dram``: memory-controller designs from a CSV file on one trace, results to a CSV file."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archgym.errors import ConfigError
from archgym.metrics import Metrics
from archgym.simulators.dram.settings import NAMES, SETTINGS, codes, setting

EPILOG = """\
designs.csv has one column a parameter, named and valued as in DRAMSys; parameters that are missing take their
defaults. results.csv repeats the columns and adds one a metric, the unit in its name, then feasible and reason.

parameters:
"""


def _describe() -> str:
    lines = []
    for entry in SETTINGS:
        allowed = ", ".join(entry.choices) if entry.choices else f"{entry.low} to {entry.high}"
        lines.append(f"  {entry.name} (default {entry.default}): {allowed}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = EPILOG + _describe()
    parser.add_argument(
        "--device", default="ddr3-1600", help="a shipped device, or a DRAMSys memspec JSON file (default: ddr3-1600)"
    )
    parser.add_argument(
        "--address-map",
        default="rbc",
        help="a named map (rbc, brc, rcb, rbc-xor), or an address-map JSON file (default: rbc)",
    )
    parser.add_argument(
        "--trace", required=True, help="a trace file, a shipped workload, or synthetic:KIND?OPTION=VALUE&…"
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
    from archgym.simulators.dram.address_map import load_address_map
    from archgym.simulators.dram.device import load_device
    from archgym.simulators.dram.simulator import simulate_settings
    from archgym.simulators.dram.workloads import WORKLOADS

    for name in ("ranks", "channels"):
        value = getattr(options, name)
        if value is not None and (value < 1 or value & (value - 1)):
            raise ConfigError(f"--{name}: {value} is not allowed; allowed: powers of two from 1")
    if options.clock is not None and not 1 <= options.clock <= 100_000:
        raise ConfigError(f"--clock-MHz: {options.clock} is not allowed; allowed: 1 to 100000")
    device = load_device(options.device, options.ranks, options.channels)
    address_map = load_address_map(options.address_map, device, options.wrap_addresses)
    fixed = _fixed(options.set)
    given = [{}] if options.designs is None else read_designs(Path(options.designs))
    settings = np.array(
        [_codes({**fixed, **row}, f"{options.designs}, design {n}") for n, row in enumerate(given, start=1)]
    )
    trace = WORKLOADS.load(options.trace).data
    metrics = simulate_settings(device, address_map, trace, settings, options.clock)
    folded = int(address_map.beyond(trace.address).sum())
    if folded:
        print(
            f"archgym simulate: note: {folded} of {len(trace)} requests lie beyond the memory's "
            f"{device.capacity_bytes:,} bytes; the upper bits of their addresses are ignored",
            file=sys.stderr,
        )
    text = _as_json(settings, metrics) if options.json else _as_csv(settings, metrics)
    if options.out:
        _write_atomically(Path(options.out), text)
    else:
        sys.stdout.write(text)
    return 0


def _fixed(pairs: Sequence[str]) -> dict[str, str]:
    fixed = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError(f"--set: {pair!r} is not of the form NAME=VALUE")
        fixed[setting(name.strip()).name] = value
    return fixed


def _codes(row: Mapping[str, object], where: str) -> tuple[int, ...]:
    try:
        return codes(row)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def read_designs(path: Path) -> list[dict[str, str]]:
    """Rows of a designs file as ``{parameter: text}``; empty cells are left out.

    Raises:
        ConfigError: if the file cannot be read, has no rows, or a row has too few or too many cells.
        UnknownNameError: for a column that is not a parameter.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"designs file {str(path)!r} cannot be read: {error}") from error
    lines = [line for line in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in line)]
    if len(lines) < 2:
        raise ConfigError(f"designs file {str(path)!r} has no designs; expected a header and one line a design")
    columns = [setting(name.strip()).name for name in lines[0]]
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


def _rows(settings: np.ndarray[Any, Any], metrics: Metrics) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, codes_of_row in enumerate(settings.tolist()):
        row: dict[str, Any] = {
            entry.name: entry.value(code) for entry, code in zip(SETTINGS, codes_of_row, strict=True)
        }
        row |= metrics.row(number)
        rows.append(row | {"feasible": bool(metrics.feasible[number]), "reason": metrics.reasons[number]})
    return rows


def _as_csv(settings: np.ndarray[Any, Any], metrics: Metrics) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, [*NAMES, *metrics.columns, "feasible", "reason"], lineterminator="\n")
    writer.writeheader()
    for row in _rows(settings, metrics):
        empty = {name: "" for name, value in row.items() if isinstance(value, float) and not np.isfinite(value)}
        writer.writerow(row | empty | {"feasible": str(row["feasible"]).lower()})
    return out.getvalue()


def _as_json(settings: np.ndarray[Any, Any], metrics: Metrics) -> str:
    rows = _rows(settings, metrics)
    clean = [{n: None if isinstance(v, float) and not np.isfinite(v) else v for n, v in row.items()} for row in rows]
    return json.dumps(clean, indent=1) + "\n"


def _write_atomically(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
