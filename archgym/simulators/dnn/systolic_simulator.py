"""Networks on a systolic array: SCALE-Sim's closed form for cycles, traffic and energy by the models of `systolic`.

The array has three buffers, half of each filling while the other half is used. A layer takes as long as the slower of
its folds and its words to and from off-chip memory; layers, and the groups of one, run one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from archgym.errors import WorkloadError
from archgym.metrics import Metric, Metrics, all_feasible
from archgym.simulators.dnn import components
from archgym.simulators.dnn.accelerator import PICO, SQUARE_MICRO, network_of, simulator_name
from archgym.simulators.dnn.eyeriss import check_word_bits, positive_option
from archgym.simulators.dnn.layer import LARGEST_COUNT, Layer
from archgym.simulators.dnn.systolic import (
    DATAFLOWS,
    SystolicCost,
    SystolicTraffic,
    gemm_of,
    systolic_cost,
    systolic_traffic,
)
from archgym.space import Designs, Space, choice, powers
from archgym.workload import Workload

if TYPE_CHECKING:
    from archgym.simulators.dnn.render import View

Floats = NDArray[np.float64]
ROW_BITS = 64  # bits of a row of the buffers
BUFFERS = ("ifmap", "filter", "ofmap")
PARTS = ("mac", "register", *BUFFERS, "dram", "leakage")

_FLOWS = {"os": "output stationary", "ws": "weight stationary", "is": "input stationary"}

SPACE = Space(
    "systolic array",
    (
        powers("array_rows", 4, 256, default=32, group="array", help="rows of processing elements"),
        powers("array_columns", 4, 256, default=32, group="array", help="columns of processing elements"),
        choice("dataflow", "os", "ws", "is", group="dataflow",
               help=", ".join(f"{key}: {name}" for key, name in _FLOWS.items())),
        *(powers(f"{name}_sram.KiB", 8, 2048, default=64, unit="KiB", group=f"{name}_sram",
                 help=f"buffer of the {what}, half of it in use at a time")
          for name, what in (("ifmap", "inputs"), ("filter", "weights"), ("ofmap", "outputs"))),
        powers("dram.bandwidth", 1, 64, default=8, unit="words/cycle", group="dram",
               help="words a cycle to and from off-chip memory together"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class SystolicLayers:
    """One design's layers: cost and traffic of a single group of each, for reports."""

    simulator: SystolicSimulator
    levels: tuple[int, ...]
    workload: Workload

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """One row a distinct layer: name, count, and of one run cycles with and without the memory's limit."""
        return self.simulator.layer_rows(np.array(self.levels, dtype=np.int64), self.workload)


class SystolicBreakdowns(Sequence[SystolicLayers]):
    """One `SystolicLayers` a row, made when looked at."""

    def __init__(self, simulator: SystolicSimulator, designs: Designs, workload: Workload) -> None:
        self._simulator, self._designs, self._workload = simulator, designs, workload

    def __len__(self) -> int:
        return len(self._designs)

    @overload
    def __getitem__(self, row: int) -> SystolicLayers: ...
    @overload
    def __getitem__(self, row: slice) -> list[SystolicLayers]: ...
    def __getitem__(self, row: int | slice) -> SystolicLayers | list[SystolicLayers]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        return SystolicLayers(self._simulator, tuple(map(int, self._designs[row])), self._workload)


@dataclass(frozen=True)
class Run:
    """One layer on B arrays: all groups together. Cycles and words are whole numbers."""

    compute_cycles: NDArray[np.int64]
    cycles: NDArray[np.int64]
    words: dict[str, Floats]  # by `COUNTS`


COUNTS = ("ifmap_reads", "ifmap_fills", "filter_reads", "filter_fills", "ofmap_reads", "ofmap_writes", "dram")


@dataclass(frozen=True)
class SystolicSimulator:
    """Networks on systolic arrays. ``extras["breakdown"]`` of its metrics holds a `SystolicLayers` a row."""

    name: str
    word_bits: int = 16
    technology_nm: int = 45
    clock_GHz: float = 1.0
    version: int = 1

    @property
    def space(self) -> Space:
        return SPACE

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        what = {
            "mac": "multiply-accumulates", "register": "operand and sum registers", "ifmap": "the input buffer",
            "filter": "the weight buffer", "ofmap": "the output buffer", "dram": "off-chip memory", "leakage": "leakage",
        }  # fmt: skip
        return (
            Metric("latency_s", "s", "min", "time of one run of all layers, one after the other"),
            Metric("cycles", "1", "min", "clock cycles of one run"),
            Metric("compute_cycles", "1", "min", "clock cycles if memory were never the limit (closed form)"),
            Metric("energy_J", "J", "min", "energy of one run"),
            *(Metric(f"{part}_energy_J", "J", "min", f"energy of {what[part]}", "energy_J") for part in PARTS),
            Metric("average_power_W", "W", "min", "energy over latency"),
            Metric("area_m2", "m2", "min", "area of the array and its buffers"),
            Metric("array_area_m2", "m2", "min", "area of the array", "area_m2"),
            *(Metric(f"{name}_area_m2", "m2", "min", f"area of {what[name]}", "area_m2") for name in BUFFERS),
            Metric("utilization", "1", "max", "share of all multiply-accumulate slots that did work"),
            Metric("mapping_efficiency", "1", "max", "mean share of the array that a fold uses, weighted by cycles"),
            Metric("dram_accesses_per_mac", "1", "min", "words to and from off-chip memory a multiply-accumulate"),
        )  # fmt: skip

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of B designs, shape (B, D) of level numbers; every design is feasible.

        Raises:
            WorkloadError: if a count could pass 2^63 - 1.
        """
        network, rows = network_of(workload), np.array(designs, dtype=np.int64)
        at = {name: np.array(values) for name, values in SPACE.values(rows).items()}
        zero = np.zeros(len(rows))
        total = {name: zero.copy() for name in ("cycles", "compute_cycles", "used", *COUNTS)}
        for layer, count in zip(network.layers, network.counts, strict=True):
            run, efficiency = self._run(layer, at)
            total["cycles"] += count * run.cycles.astype(np.float64)
            total["compute_cycles"] += count * run.compute_cycles.astype(np.float64)
            total["used"] += count * run.compute_cycles * efficiency
            for name in COUNTS:
                total[name] += count * run.words[name]
        return self._metrics(at, total, network.macs, SystolicBreakdowns(self, rows, workload))

    def _run(self, layer: Layer, at: dict[str, NDArray[Any]]) -> tuple[Run, Floats]:
        """One layer on every array, and the share of the array that its folds use."""
        m, n, k, groups = gemm_of(layer)
        check_counts(layer)
        count = len(at["array_rows"])
        compute, cycles = np.zeros(count, np.int64), np.zeros(count, np.int64)
        words, efficiency = {name: np.zeros(count) for name in COUNTS}, np.zeros(count)
        for dataflow in DATAFLOWS:
            rows = np.flatnonzero(at["dataflow"] == dataflow)
            if not len(rows):
                continue
            shape = (at["array_rows"][rows], at["array_columns"][rows])
            capacity = [at[f"{name}_sram.KiB"][rows] * 8192 // self.word_bits for name in BUFFERS]
            cost = systolic_cost(m, n, k, *shape, dataflow)
            traffic = systolic_traffic(m, n, k, *shape, dataflow, capacity[0], capacity[1], capacity[2])
            waits = traffic.bandwidth_cycles(at["dram.bandwidth"][rows].astype(np.float64))
            compute[rows], cycles[rows] = groups * cost.cycles, groups * np.maximum(cost.cycles, waits)
            efficiency[rows] = cost.mapping_efficiency
            for name, values in _words(cost, traffic, m * n).items():
                words[name][rows] = groups * values
        return Run(compute, cycles, words), efficiency

    def _metrics(
        self, at: dict[str, NDArray[Any]], total: dict[str, Floats], macs: int, breakdown: SystolicBreakdowns
    ) -> Metrics:
        prices = [
            self._prices(tuple(int(at[f"{name}_sram.KiB"][row]) for name in BUFFERS))
            for row in range(len(at["array_rows"]))
        ]
        price = {key: np.array([p[key] for p in prices]) for key in self._prices((8, 8, 8))}
        elements = (at["array_rows"] * at["array_columns"]).astype(np.float64)
        latency = total["cycles"] * 1e-9 / self.clock_GHz
        energy = {
            "mac": macs * price["mac_pJ"],
            "register": macs * price["register_pJ"],
            "ifmap": total["ifmap_reads"] * price["ifmap_read_pJ"] + total["ifmap_fills"] * price["ifmap_write_pJ"],
            "filter": total["filter_reads"] * price["filter_read_pJ"]
            + total["filter_fills"] * price["filter_write_pJ"],
            "ofmap": total["ofmap_reads"] * price["ofmap_read_pJ"] + total["ofmap_writes"] * price["ofmap_write_pJ"],
            "dram": total["dram"] * price["dram_pJ"],
            "leakage": latency * 1e9 * (elements * price["element_mW"] + price["buffer_mW"]),
        }
        area = {"array": elements * price["element_um2"], **{name: price[f"{name}_um2"] for name in BUFFERS}}
        joules = {part: energy[part] * PICO for part in PARTS}
        sum_energy, sum_area = np.zeros(len(elements)), np.zeros(len(elements))
        for value in joules.values():
            sum_energy = sum_energy + value
        for value in area.values():
            sum_area = sum_area + value * SQUARE_MICRO
        found = {
            "latency_s": latency, "cycles": total["cycles"], "compute_cycles": total["compute_cycles"],
            "energy_J": sum_energy, **{f"{part}_energy_J": value for part, value in joules.items()},
            "average_power_W": sum_energy / latency, "area_m2": sum_area,
            **{f"{part}_area_m2": value * SQUARE_MICRO for part, value in area.items()},
            "utilization": macs / (total["cycles"] * elements),
            "mapping_efficiency": total["used"] / total["compute_cycles"],
            "dram_accesses_per_mac": total["dram"] / macs,
        }  # fmt: skip
        done = all_feasible({metric.name: found[metric.name] for metric in self.metrics})
        return Metrics(done.columns, done.feasible, done.reasons, {"breakdown": breakdown})

    def _prices(self, kibibytes: tuple[int, ...]) -> dict[str, float]:
        """Picojoules a word, milliwatts and square micrometres of the parts."""
        node, bits = self.technology_nm, self.word_bits
        words = ROW_BITS // bits
        mac, one = components.multiply_accumulate(bits, node), components.register(bits, node)
        price = {
            "mac_pJ": mac.read_pJ, "register_pJ": 3 * (one.read_pJ + one.write_pJ),
            "element_mW": mac.leakage_mW + 3 * one.leakage_mW, "element_um2": mac.area_um2 + 3 * one.area_um2,
            "dram_pJ": components.memory("DRAM", 1, bits, 1, node).read_pJ, "buffer_mW": 0.0,
        }  # fmt: skip
        for name, size in zip(BUFFERS, kibibytes, strict=True):
            part = components.memory("smartbuffer_SRAM", size * 8192 // ROW_BITS, ROW_BITS, 1, node)
            price[f"{name}_read_pJ"], price[f"{name}_write_pJ"] = part.read_pJ / words, part.write_pJ / words
            price[f"{name}_um2"] = part.area_um2
            price["buffer_mW"] += part.leakage_mW
        return price

    def _view(self, levels: Designs, workload: Workload) -> View:
        """One design's picture: array and buffers, energy by part, layers under the roof."""
        from archgym.simulators.dnn.render import Box, Point, View
        from archgym.simulators.dnn.text import area_text

        value: dict[str, Any] = self.space.row(levels)
        metrics = self(self.space.check(levels), workload).row(0)
        bits, shape = self.word_bits, (value["array_columns"], value["array_rows"])
        price = self._prices(tuple(value[f"{name}_sram.KiB"] for name in BUFFERS))
        rate = f"{value['dram.bandwidth']}\nwords/\ncycle"
        off_chip = Box("DRAM", ("unlimited", f"{price['dram_pJ']:.3g} pJ/word"), "one", "off-chip", None)
        boxes = [
            Box(f"{name} SRAM", (
                f"{value[f'{name}_sram.KiB']} KiB", f"read {price[f'{name}_read_pJ']:.3g} pJ/word",
                f"write {price[f'{name}_write_pJ']:.3g} pJ/word", area_text(price[f"{name}_um2"]),
            ), "one", "memory", 1024.0 * value[f"{name}_sram.KiB"])
            for name in BUFFERS
        ]  # fmt: skip
        element = (_FLOWS[value["dataflow"]].replace(" ", "\n"), f"{bits} bit", f"{price['mac_pJ']:.3g} pJ/op",
                   area_text(price["element_um2"]))  # fmt: skip
        array = Box("array", element, f"{shape[0]} x {shape[1]}", "arithmetic", 0.0)
        clock, points = self.clock_GHz * 1e9, []
        for row in self.layer_rows(levels, workload):
            intensity = row["macs"] / (row["dram_words"] * bits / 8)
            share = row["count"] * row["cycles"] / metrics["cycles"]
            points.append(Point(row["layer"], intensity, row["macs"] / row["cycles"] * clock, share))
        energy = (
            ("dram", self._off_chip(levels, workload, price["dram_pJ"])), ("ofmap", {"Outputs": metrics["ofmap_energy_J"]}),
            ("filter", {"Weights": metrics["filter_energy_J"]}), ("ifmap", {"Inputs": metrics["ifmap_energy_J"]}),
            *((part, {"all": metrics[f"{part}_energy_J"]}) for part in ("register", "mac", "leakage")),
        )  # fmt: skip
        title = (
            f"{workload.name} on a systolic array: {1e3 * metrics['latency_s']:.4g} ms, {1e3 * metrics['energy_J']:.4g} mJ, "
            f"{1e6 * metrics['area_m2']:.3g} mm² in {self.technology_nm} nm at {self.clock_GHz:g} GHz"
        )
        return View(
            title, (off_chip, *boxes, array), (rate, "", "", ""), energy, shape[0] * shape[1] * clock,
            value["dram.bandwidth"] * bits / 8 * clock, tuple(points), parallel=True,
        )  # fmt: skip

    def _off_chip(self, levels: Designs, workload: Workload, picojoules: float) -> dict[str, float]:
        """Joules of off-chip memory by tensor."""
        total = {"Weights": 0.0, "Inputs": 0.0, "Outputs": 0.0}
        for row in self.layer_rows(levels, workload):
            for tensor in total:
                total[tensor] += row["count"] * row["off_chip_words"][tensor] * picojoules * PICO
        return total

    def picture(self, levels: Designs, workload: Workload) -> NDArray[np.uint8]:
        """Array, energy and roofline of one design, shape (D,), as an array of shape (height, width, 3).

        Raises:
            MissingExtraError: if matplotlib is not installed.
        """
        from archgym.simulators.dnn.render import as_pixels

        return as_pixels(self._view(levels, workload))

    def hardware(self, levels: Designs) -> tuple[str, list[str], list[list[str]]]:
        """Title, columns and rows of a table of one design's hardware."""
        from archgym.simulators.dnn.text import area_text

        value: dict[str, Any] = self.space.row(levels)
        bits = self.word_bits
        price = self._prices(tuple(value[f"{name}_sram.KiB"] for name in BUFFERS))
        rows = [
            ["DRAM", "1", "unlimited", f"{value['dram.bandwidth']} words/cycle", f"{price['dram_pJ']:.3g} pJ/word", "-"]
        ]
        for name in BUFFERS:
            energy = f"{price[f'{name}_read_pJ']:.3g}, {price[f'{name}_write_pJ']:.3g} pJ/word"
            size, area = f"{value[f'{name}_sram.KiB']} KiB", area_text(price[f"{name}_um2"])
            rows.append([f"{name} SRAM", "1", size, "as the array needs", energy, area])
        count = f"{value['array_rows'] * value['array_columns']} ({value['array_columns']} x {value['array_rows']})"
        element = f"{price['mac_pJ']:.3g} pJ/operation"
        rows.append(["element", count, f"3 x {bits} bit", "-", element, area_text(price["element_um2"])])
        title = f"systolic array, {_FLOWS[value['dataflow']]}: {self.technology_nm} nm, {self.clock_GHz:g} GHz"
        return title, ["part", "instances", "capacity", "bandwidth", "read, write energy", "area of one"], rows

    def describe(self, levels: Designs, workload: Workload) -> str:
        """Cycles of each layer of one design, shape (D,), as text."""
        from archgym.simulators.dnn.text import columns

        rows = [["layer", "runs", "MACs of one", "cycles", "by folds", "array used by a fold", "words off chip"]]
        for row in self.layer_rows(levels, workload):
            count = row["count"]
            rows.append([
                row["layer"], str(count), f"{row['macs']:,}", f"{row['cycles'] * count:,}",
                f"{row['compute_cycles'] * count:,}", f"{100 * row['mapping_efficiency']:.1f} %",
                f"{row['dram_words'] * count:,.0f}",
            ])  # fmt: skip
        return "\n".join(columns(rows))

    def layer_rows(self, levels: Designs, workload: Workload) -> list[dict[str, Any]]:
        """One design, shape (D,), layer by layer."""
        network = network_of(workload)
        at = {name: np.array(values) for name, values in SPACE.values(levels).items()}
        rows = []
        for layer, count in zip(network.layers, network.counts, strict=True):
            run, efficiency = self._run(layer, at)
            rows.append({
                "layer": layer.name, "count": count, "macs": layer.macs, "cycles": int(run.cycles[0]),
                "compute_cycles": int(run.compute_cycles[0]), "mapping_efficiency": float(efficiency[0]),
                "dram_words": float(run.words["dram"][0]),
                "off_chip_words": {
                    "Weights": float(run.words["filter_fills"][0]), "Inputs": float(run.words["ifmap_fills"][0]),
                    "Outputs": float((run.words["dram"] - run.words["ifmap_fills"] - run.words["filter_fills"])[0]),
                },
            })  # fmt: skip
        return rows


def check_counts(layer: Layer) -> None:
    """Raise ``WorkloadError`` where cycles or words of a layer on the largest array could pass 2^63 - 1."""
    m, n, k, groups = gemm_of(layer)
    most = groups * (m + 256) * (n + 256) * (k + 3 * 256)
    if most > LARGEST_COUNT:
        raise WorkloadError(f"layer {layer.name!r}: counts on a systolic array could pass 2^63 - 1")


def _words(cost: SystolicCost, traffic: SystolicTraffic, outputs: int) -> dict[str, Floats]:
    """Words into and out of each buffer and to and from memory, of one group.

    Sums that are added to in the output buffer are read back from it; results leave it once.
    """
    again = cost.ofmap_sram_writes - outputs
    counts = {
        "ifmap_reads": cost.ifmap_sram_reads, "ifmap_fills": traffic.ifmap_reads,
        "filter_reads": cost.filter_sram_reads, "filter_fills": traffic.filter_reads,
        "ofmap_reads": again + traffic.ofmap_writes, "ofmap_writes": cost.ofmap_sram_writes + traffic.ofmap_reads,
        "dram": traffic.words,
    }  # fmt: skip
    return {name: np.asarray(value, dtype=np.float64) for name, value in counts.items()}


_DEFAULTS = {"word_bits": 16, "technology_nm": 45, "clock_GHz": 1.0}


def make_systolic(word_bits: int = 16, technology_nm: int = 45, clock_GHz: float = 1.0) -> SystolicSimulator:
    """The simulator of ``SystolicEnv-v0``, in a process of 45 or 22 nm; operands and sums have ``word_bits`` bits.

    Raises:
        ConfigError: for another width or process, and a clock that is not above 0.
    """
    check_word_bits(word_bits)
    positive_option("clock_GHz", clock_GHz)
    components.multiply_accumulate(word_bits, technology_nm)
    options = {"word_bits": word_bits, "technology_nm": technology_nm, "clock_GHz": clock_GHz}
    return SystolicSimulator(simulator_name("dnn-systolic", _DEFAULTS, options), word_bits, technology_nm, clock_GHz)
