"""Accelerators and what networks do on them, as text."""

from __future__ import annotations

from collections.abc import Sequence

from archgym.simulators.dnn.accelerator import NetworkResult
from archgym.simulators.dnn.architecture import Architecture, StorageLevel
from archgym.simulators.dnn.layer import TENSORS

COLUMNS = (
    "level", "instances", "capacity", "row", "read, write bandwidth", "read, write energy", "leakage", "area",
)  # fmt: skip


def capacity_text(level: StorageLevel) -> str:
    """Bytes of one instance, in the unit that reads best."""
    if level.words is None:
        return "unlimited"
    if level.words == 0:
        return "holds nothing"
    size = level.words * level.word_bits / 8
    return f"{size / 1024:.4g} KiB" if size >= 1024 else f"{size:.4g} B"


def bandwidth_text(level: StorageLevel) -> str:
    """Words a cycle of one instance, both ways."""

    def shown(value: float | None) -> str:
        return "any" if value is None else f"{value:g}"

    read, write = shown(level.read_bandwidth), shown(level.write_bandwidth)
    both = read if read == write else f"{read}, {write}"
    shared = f", {shown(level.shared_bandwidth)} in all" if level.shared_bandwidth is not None else ""
    return f"{both} words/cycle{shared}" if level.words != 0 else "-"


def energy_text(level: StorageLevel) -> str:
    """Picojoules a word read and written."""
    if level.words == 0:
        return "-"
    read, write = level.read_pJ / level.block_size, level.update_pJ / level.block_size
    return f"{read:.3g}, {write:.3g} pJ/word"


def area_text(square_micrometres: float) -> str:
    """An area in the unit that reads best."""
    if square_micrometres >= 1e4:
        return f"{square_micrometres / 1e6:.3g} mm²"
    return f"{square_micrometres:,.0f} µm²"


def architecture_rows(architecture: Architecture) -> list[list[str]]:
    """One row a level, outermost first, then the arithmetic; columns as in `COLUMNS`."""
    own = architecture.arithmetic
    rows = [
        [
            level.name, f"{level.instances} ({level.mesh_x} x {level.mesh_y})", capacity_text(level),
            f"{level.block_size} x {level.word_bits} bit", bandwidth_text(level), energy_text(level),
            f"{level.leakage_pJ:.3g} pJ/cycle", area_text(level.area_um2) if level.area_um2 else "-",
        ]
        for level in reversed(architecture.levels)
    ]  # fmt: skip
    rows.append([
        own.name, f"{own.instances} ({own.mesh_x} x {own.mesh_y})", "-", f"{own.word_bits} bit", "-",
        f"{own.energy_pJ:.3g} pJ/operation", f"{own.leakage_pJ:.3g} pJ/cycle",
        area_text(own.area_um2) if own.area_um2 else "-",
    ])  # fmt: skip
    return rows


def architecture_title(architecture: Architecture) -> str:
    """Name, process, clock and area."""
    node = "normalised energies" if architecture.technology_nm is None else f"{architecture.technology_nm} nm"
    return (
        f"{architecture.name}: {node}, {architecture.clock_GHz:g} GHz, chip {area_text(architecture.area_um2)} "
        "(sizes, bandwidths, energies of one instance)"
    )


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows of cells as lines, the first ``left`` columns to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def energy_matrix(result: NetworkResult) -> list[tuple[str, dict[str, float]]]:
    """Joules by level (outermost first, then the arithmetic and leakage) and by tensor that it keeps, or ``"all"``."""
    parts, architecture = result.energy_by_part(), result.template.architecture
    rows = []
    for level in reversed(architecture.levels):
        kept = [tensor for tensor in TENSORS if f"{level.name}/{tensor}" in parts]
        if kept:
            rows.append((level.name, {tensor: parts[f"{level.name}/{tensor}"] for tensor in kept}))
    return [*rows, (architecture.arithmetic.name, {"all": parts["MAC"]}), ("leakage", {"all": parts["leakage"]})]


def energy_lines(result: NetworkResult) -> list[str]:
    """Where the energy goes: a table by level and tensor with a bar for each level's share."""
    total = result.energy_J
    rows = [["energy, uJ", *TENSORS, "all", "share"]]
    bars = [""]
    for name, values in energy_matrix(result):
        each = [f"{values[tensor] * 1e6:.4g}" if tensor in values else "" for tensor in TENSORS]
        share = sum(values.values()) / total
        rows.append([name, *each, f"{sum(values.values()) * 1e6:.4g}", f"{100 * share:.1f} %"])
        bars.append("#" * round(40 * share))
    rows.append(["total", "", "", "", f"{total * 1e6:.4g}", "100.0 %"])
    return [f"{line}  {bar}".rstrip() for line, bar in zip(columns(rows), [*bars, ""], strict=True)]


def layer_lines(result: NetworkResult) -> list[str]:
    """One line a distinct layer, with what all of its runs take."""
    rows = [["layer", "runs", "MACs of one", "cycles", "utilization", "energy, uJ"]]
    for row in result.layer_rows():
        rows.append([
            row["layer"], str(row["count"]), f"{row['macs']:,}", f"{row['cycles'] * row['count']:,.0f}",
            f"{100 * row['utilization']:.1f} %", f"{row['energy_J'] * row['count'] * 1e6:.4g}",
        ])  # fmt: skip
    return columns(rows)


def costliest(result: NetworkResult) -> int:
    """Number of the distinct layer whose runs take most energy."""
    energy = [row["energy_J"] * row["count"] for row in result.layer_rows()]
    return energy.index(max(energy))


def describe(result: NetworkResult) -> str:
    """Hardware, layers, where the energy goes, and the mapping of the layer that takes most of it."""
    architecture = result.template.architecture
    row = result.layer_rows()[costliest(result)]
    lines = [architecture_title(architecture), *columns([list(COLUMNS), *architecture_rows(architecture)]), ""]
    if len(result.network.layers) > 1:
        lines += [*layer_lines(result), ""]
    lines += [*energy_lines(result), "", f"mapping of {row['layer']}:", row["mapping"]]
    return "\n".join(lines)
