"""Hardware and dataflow together: an array of processing elements, their registers, a shared buffer, a process, a clock.

The array is ``array_x`` columns by ``array_y`` rows. Each element has a register file for each operand; the shared buffer
feeds the array along both sides. The dataflow is a set of mapping rules; within them the mapper is free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archgym.simulators.dnn import components
from archgym.simulators.dnn.accelerator import AcceleratorSimulator, MapperSettings, simulator_name
from archgym.simulators.dnn.architecture import Architecture, Arithmetic
from archgym.simulators.dnn.constraints import Rule
from archgym.simulators.dnn.eyeriss import check_word_bits, dram_level, memory_level
from archgym.simulators.dnn.templates import Template
from archgym.space import Level, Space, choice, ordinal, powers

PARTS = {
    "OutputRF": "output_rf", "InputRF": "input_rf", "WeightRF": "weight_rf", "GLB": "shared_buffer", "DRAM": "dram",
}  # fmt: skip
_REGISTERS = {"output_rf": "OutputRF", "input_rf": "InputRF", "weight_rf": "WeightRF"}
_OPERAND = {"OutputRF": "Outputs", "InputRF": "Inputs", "WeightRF": "Weights"}
_SIDES = (4, 6, 8, 12, 14, 16, 24, 28, 32)
_NO_LOOPS = "R=1 S=1 P=1 Q=1 C=1 K=1 N=1 G=1"


def _keeps() -> list[Rule]:
    others = {name: [t for t in _OPERAND.values() if t != tensor] for name, tensor in _OPERAND.items()}
    return [
        {"target": name, "type": "datatype", "keep": [tensor], "bypass": others[name]}
        for name, tensor in _OPERAND.items()
    ]


def _spatial(x: str, y: str) -> Rule:
    """Only dimensions ``x`` along the columns and ``y`` along the rows of the array."""
    none = [d for d in "RSPQCKNG" if d not in x + y]
    return {
        "target": "GLB", "type": "spatial", "factors": " ".join(f"{d}=1" for d in none),
        "permutation": "".join([*x, *y, *none]), "split": len(x),
    }  # fmt: skip


def _innermost(target: str, dimensions: str) -> Rule:
    return {"target": target, "type": "temporal", "permutation": dimensions}


#: Rules by dataflow. What is stationary stays in its registers while the loops that do not touch it run innermost.
DATAFLOWS: Mapping[str, tuple[Rule, ...]] = {
    # Filter rows and channels down, output rows and filters across; an element slides one filter row over one input row.
    "row_stationary": (
        *_keeps(), _spatial("QK", "SCG"),
        {"target": "OutputRF", "type": "temporal", "factors": "N=1 C=1 R=1 S=1 P=1 Q=1 G=1"},
        {"target": "InputRF", "type": "temporal", "factors": "N=1 K=1 P=1 Q=1 S=1 G=1", "permutation": "CR"},
        {"target": "WeightRF", "type": "temporal", "factors": _NO_LOOPS},
    ),
    # Input channels down, filters across; outputs stream past weights that stay.
    "weight_stationary": (*_keeps(), _spatial("KG", "C"), _innermost("GLB", "PQN")),
    # Output positions down, filters across; each element sums up its own output.
    "output_stationary": (*_keeps(), _spatial("KG", "PQN"), _innermost("GLB", "RSC")),
    # Input channels down, input positions across; filters stream past inputs that stay.
    "input_stationary": (*_keeps(), _spatial("PQG", "C"), _innermost("GLB", "K")),
    # Any loop along either side, in any order.
    "flexible": (*_keeps(),),
}  # fmt: skip


def _registers(operand: str, group: str, default: int) -> Any:
    return powers(f"{group}.words", 1, 512, default=default, unit="words", group=group,
                  help=f"register file of each element for {operand}")  # fmt: skip


SPACE = Space(
    "accelerator and dataflow",
    (
        ordinal("array_x", _SIDES, default=16, group="array", help="columns of processing elements"),
        ordinal("array_y", _SIDES, default=16, group="array", help="rows of processing elements"),
        ordinal("technology_nm", (22, 45), default=45, unit="nm", group="array", help="process"),
        ordinal("clock_MHz", (200, 400, 600, 800, 1000), default=400, unit="MHz", group="array", help="clock of the chip"),
        choice("dataflow", *DATAFLOWS, group="dataflow", help="rules that mappings keep to"),
        _registers("weights", "weight_rf", 32),
        _registers("inputs", "input_rf", 16),
        _registers("partial sums", "output_rf", 16),
        powers("shared_buffer.KiB", 16, 2048, default=128, unit="KiB", group="shared_buffer", help="capacity"),
        ordinal("shared_buffer.row_words", (2, 4, 8, 16), default=4, unit="words", group="shared_buffer",
                help="words of an access"),
        ordinal("shared_buffer.banks", (1, 4, 16), default=4, group="shared_buffer", help="banks"),
        powers("shared_buffer.bandwidth", 1, 32, default=16, unit="words/cycle", group="shared_buffer",
               help="words read and words written a cycle; at most a row of each bank"),
        powers("dram.bandwidth", 1, 32, default=8, unit="words/cycle", group="dram",
               help="words read and words written a cycle"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class CoDesignDecoder:
    """Designs of `SPACE` as hardware with the rules of its dataflow; operands and sums have ``word_bits`` bits."""

    word_bits: int = 16

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def parts(self) -> Mapping[str, str]:
        return PARTS

    def accelerator(self, design: Mapping[str, Level]) -> Template | str:
        """The hardware, or why it cannot be built: too narrow or too slow a buffer."""
        value: dict[str, Any] = dict(design)
        bits, node, clock = self.word_bits, value["technology_nm"], value["clock_MHz"] / 1000.0
        row, banks, rate = (value[f"shared_buffer.{key}"] for key in ("row_words", "banks", "bandwidth"))
        if rate > row * banks:
            return f"shared buffer: {rate} words a cycle asked of {banks} banks with rows of {row} words"
        depth = value["shared_buffer.KiB"] * 8192 // (bits * row)
        cycle = components.sram(depth, bits * row, banks, node).cycle_time_s
        if cycle > 1e-9 / clock:
            return f"shared buffer: an access takes {cycle * 1e9:.3g} ns, a clock cycle is {1 / clock:.3g} ns"
        mesh = (value["array_x"], value["array_y"])
        levels = [
            memory_level(
                level, "smartbuffer_RF", value[f"{name}.words"], 1, mesh, None, None, 1, node, clock, word_bits=bits
            )
            for name, level in _REGISTERS.items()
        ]
        levels.append(
            memory_level("GLB", "smartbuffer_SRAM", depth, row, (1, 1), rate, rate, banks, node, clock, word_bits=bits)
        )
        levels.append(dram_level(node, clock, value["dram.bandwidth"], max(1, 64 // bits), bits))
        mac: dict[str, Any] = components.arithmetic_costs(bits, node, clock)
        name = f"{value['dataflow'].replace('_', '-')} array"
        architecture = Architecture(name, Arithmetic("MAC", *mesh, bits, **mac), tuple(levels), clock, node)
        return Template(architecture, DATAFLOWS[value["dataflow"]], "")


_DEFAULTS = {"word_bits": 16, "mapper_objective": "edp", "mapper_budget": 2000, "mapper_seed": 0}


def make_codesign(
    word_bits: int = 16, mapper_objective: str = "edp", mapper_budget: int = 2000, mapper_seed: int = 0,
    threads: int | None = None,
) -> AcceleratorSimulator:  # fmt: skip
    """The simulator of ``DNNCoDesignEnv-v0``.

    Args:
        word_bits: width of operands and sums, one of `WORD_WIDTHS`; no parameter, since accuracy is not modelled.
        mapper_objective, mapper_budget, mapper_seed: how each layer is mapped, see `eyeriss.make_dnn`.
        threads: all cores if omitted; no result depends on it.

    Raises:
        ConfigError, UnknownNameError: for an option out of range.
    """
    mapper = MapperSettings(mapper_objective, mapper_budget, mapper_seed)
    decoder = CoDesignDecoder(check_word_bits(word_bits))
    options = {
        "word_bits": word_bits, "mapper_objective": mapper_objective, "mapper_budget": mapper_budget,
        "mapper_seed": mapper_seed,
    }  # fmt: skip
    return AcceleratorSimulator(simulator_name("dnn-codesign", _DEFAULTS, options), decoder, mapper, threads)
