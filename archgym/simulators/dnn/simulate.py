"""``archgym simulate dnn-mapping``: the cost of given mappings, from case files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from archgym.errors import ArchGymError, WorkloadError
from archgym.simulators.dnn.architecture import Architecture, StorageLevel
from archgym.simulators.dnn.layer import TENSORS, Layer
from archgym.simulators.dnn.mapping import Mapping
from archgym.simulators.dnn.model import Cost, LevelCost, TensorCost, evaluate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "cases", nargs="+", metavar="CASE.json", help="file with 'arch', 'layer' and 'levels_inner_to_outer'"
    )
    parser.add_argument("--json", action="store_true", help="write JSON: an object, or a list for several cases")
    parser.add_argument("--out", metavar="FILE", help="write to FILE instead of the terminal")


def read_case(path: str | Path) -> tuple[Architecture, Layer, Mapping]:
    """Architecture, layer and mapping of a case file; errors name the file."""
    try:
        data = json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise WorkloadError(f"case file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise WorkloadError(
            f"case file {str(path)!r}: an object with arch, layer and levels_inner_to_outer is expected"
        )
    return parse_case(data)


def parse_case(data: dict[str, Any]) -> tuple[Architecture, Layer, Mapping]:
    """Architecture, layer and mapping of a case."""
    for key in ("arch", "layer", "levels_inner_to_outer"):
        if key not in data:
            raise WorkloadError(f"{key!r} is missing")
    architecture = Architecture.from_json(data["arch"], str(data.get("arch_name", "architecture")))
    layer = Layer.from_json(data["layer"], str(data.get("layer_name", "layer")))
    return architecture, layer, Mapping.from_json(data["levels_inner_to_outer"], architecture, layer)


def report(architecture: Architecture, layer: Layer, cost: Cost) -> dict[str, Any]:
    """The result as written to JSON; utilization in percent, as Timeloop prints it."""
    head = {"arch_name": architecture.name, "layer_name": layer.name, "macs": layer.macs, "feasible": cost.feasible}
    if not cost.feasible:
        return {**head, "reason": cost.reason, "cycles": None, "utilization": None, "energy_pJ": None, "energy_uJ": None,
                "levels": []}  # fmt: skip
    energy = {architecture.arithmetic.name: cost.mac_energy_pJ, **{v.name: v.energy_pJ for v in cost.levels}}
    energy["leakage"] = cost.leakage_energy_pJ
    per_compute = {name: 1000 * value / layer.macs for name, value in energy.items()}
    return {
        **head,
        "cycles": int(cost.cycles),
        "utilization": 100 * cost.utilization,
        "energy_pJ": cost.energy_pJ,
        "energy_uJ": cost.energy_pJ / 1e6,
        "edp_J_cycle": cost.energy_pJ * 1e-12 * cost.cycles,
        "energy_by_level_pJ": energy,
        "energy_fJ_per_compute": {**per_compute, "Total": 1000 * cost.energy_pJ / layer.macs},
        "levels": [
            {"name": architecture.arithmetic.name, "utilized_instances": cost.macs_used, "computes": layer.macs,
             "energy_pJ": cost.mac_energy_pJ},
            *(
                _level_report(storage, level, layer.macs / cost.macs_used)
                for storage, level in zip(architecture.levels, cost.levels, strict=True)
            ),
        ],
    }  # fmt: skip


def _level_report(storage: StorageLevel, level: LevelCost, compute_cycles: float) -> dict[str, Any]:
    return {
        "name": storage.name,
        "size_words": storage.words,
        "word_bits": storage.word_bits,
        "block_size": storage.block_size,
        "instances": storage.instances,
        "vector_access_energy_pJ": storage.read_pJ,
        "area_um2": storage.area_um2,
        "cycles": level.cycles,
        "bandwidth_throttling": compute_cycles / level.cycles,
        "energy_pJ": level.energy_pJ,
        "tensors": {tensor: _tensor_report(tensor, found) for tensor, found in level.tensors.items()},
    }


def _tensor_report(tensor: str, found: TensorCost) -> dict[str, Any]:
    accesses = found.reads_per_instance + found.fills_per_instance + found.updates_per_instance
    each = found.energy_pJ / found.utilized_instances
    return {
        "tile_size": found.tile_size,
        "partition_size": found.partition_size,
        "utilized_instances": found.utilized_instances,
        "reads_per_instance": found.reads_per_instance,
        "fills_per_instance": found.fills_per_instance,
        "updates_per_instance": found.updates_per_instance,
        # A partial sum that is read is read to be added to.
        "temporal_reductions_per_instance": found.reads_per_instance if tensor == "Outputs" else 0,
        "energy_per_scalar_access_pJ": each / accesses if accesses else 0.0,
        "energy_per_instance_pJ": each,
        "energy_total_pJ": found.energy_pJ,
    }


def table(architecture: Architecture, layer: Layer, mapping: Mapping, cost: Cost) -> str:
    """The result for a terminal: loop nest, counts by level and tensor, totals."""
    lines = [
        f"{layer.name} on {architecture.name}: {layer.macs} multiply-accumulates",
        "",
        mapping.text(architecture),
        "",
    ]
    if not cost.feasible:
        return "\n".join([*lines, f"infeasible: {cost.reason}"])
    head = f"{'level':<12} {'tensor':<8} {'tile':>12} {'reads':>15} {'fills':>15} {'updates':>15} {'energy nJ':>13}"
    lines += [head, "-" * len(head)]
    for level in cost.levels:
        for tensor in (t for t in TENSORS if t in level.tensors):
            found = level.tensors[tensor]
            lines.append(
                f"{level.name:<12} {tensor:<8} {found.tile_size:>12} {found.reads_per_instance:>15} "
                f"{found.fills_per_instance:>15} {found.updates_per_instance:>15} {found.energy_pJ / 1e3:>13.3f}"
            )
    lines += ["(words of one instance; energy of all instances)", ""]
    lines.append(
        f"cycles {cost.cycles:.0f}   utilization {100 * cost.utilization:.2f} %   energy {cost.energy_pJ / 1e6:.4g} uJ"
    )
    return "\n".join(lines)


def run(args: argparse.Namespace) -> int:
    """Evaluate the cases; infeasible mappings are results, unreadable or inconsistent cases raise ``ArchGymError``."""
    results, tables = [], []
    for path in args.cases:
        try:
            architecture, layer, mapping = read_case(path)
            cost = evaluate(architecture, layer, mapping)
        except ArchGymError as error:
            error.args = (str(error) if str(path) in str(error) else f"{path}: {error}",)
            raise
        results.append({"case": str(path), **report(architecture, layer, cost)})
        tables.append(table(architecture, layer, mapping, cost))
    text = json.dumps(results[0] if len(results) == 1 else results, indent=1) if args.json else "\n\n".join(tables)
    if args.out:
        Path(args.out).write_text(text + "\n")
    else:
        print(text)
    return 0
