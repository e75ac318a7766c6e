"""ArchGym's Timeloop space (Krishnan et al., ISCA 2023): an Eyeriss-like array with row-stationary dataflow, 26 parameters.

The space is theirs to the level. The hardware is the ``eyeriss_like`` template with its sizes, classes and bandwidths
replaced; a memory's row holds ``block_size`` words. The array has ``mac_mesh_x`` columns, all of whose elements can be
used. The 14 column ("dummy") buffers hold nothing, as in the reference constraints, but take area and leak.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from archgym.errors import ConfigError
from archgym.simulators.dnn import components
from archgym.simulators.dnn.accelerator import AcceleratorSimulator, MapperSettings, simulator_name
from archgym.simulators.dnn.architecture import Architecture, Arithmetic, StorageLevel
from archgym.simulators.dnn.constraints import Rule
from archgym.simulators.dnn.templates import Template, load_template
from archgym.space import Level, Parameter, Space, choice, grid, ordinal, powers

CLASSES = ("regfile", "smartbuffer_SRAM", "smartbuffer_RF", "SRAM")
DUMMY_BUFFERS = 14  # whatever the mesh (ArchGym: DummyBuffer[0..13])
WORD_BITS = 16
WORD_WIDTHS = (8, 16, 32)
PARTS = {
    "PsumSpad": "psum_spad", "WeightSpad": "weights_spad", "IfmapSpad": "ifmap_spad", "Column": "dummy_buffer",
    "GLB": "shared_glb", "DRAM": "dram",
}  # fmt: skip
_SPADS = {"ifmap_spad": "IfmapSpad", "psum_spad": "PsumSpad", "weights_spad": "WeightSpad"}
_WHAT = {"ifmap_spad": "inputs", "psum_spad": "partial sums", "weights_spad": "weights"}


def _memory(name: str, kind: str, depths: tuple[int, int], depth: int, block: int, group: str) -> list[Parameter]:
    low, high = depths
    return [
        choice(f"{name}.class", *CLASSES, default=kind, group=group, help="kind of memory"),
        powers(f"{name}.memory_depth", low, high, default=depth, group=group, help="rows"),
        ordinal(f"{name}.block_size", (1, 2, 4), default=block, unit="words", group=group, help="words of a row"),
    ]


def _bandwidths(name: str, words: int, group: str) -> list[Parameter]:
    return [
        ordinal(f"{name}.{way}_bandwidth", (2, 4, 8, 16), default=words, unit="words/cycle", group=group, help=help)
        for way, help in (("read", "words read a cycle"), ("write", "words written a cycle"))
    ]


def _space() -> Space:
    parameters: list[Parameter] = [
        grid("num_pes", 14, 336, 14, default=168, group="array", help="processing elements"),
        ordinal("mac_mesh_x", (2, 7, 14), default=14, group="array", help="columns that the shared buffer feeds"),
    ]
    for name, depth in (("ifmap_spad", 16), ("psum_spad", 16), ("weights_spad", 256)):
        parameters += _memory(name, "smartbuffer_SRAM", (2, 65536), depth, 1, name)
        parameters += _bandwidths(name, 2, name)
    parameters += _memory("dummy_buffer", "SRAM", (2, 65536), 16, 1, "dummy_buffer")
    shared = _memory("shared_glb", "smartbuffer_SRAM", (1024, 65536), 16384, 4, "shared_glb")
    banks = ordinal("shared_glb.n_banks", (16, 32, 64, 128), default=32, group="shared_glb", help="banks")
    parameters += [*shared[:2], banks, shared[2], *_bandwidths("shared_glb", 16, "shared_glb")]
    return Space("ArchGym's Timeloop accelerator", tuple(parameters))


SPACE = _space()


@cache
def _rules() -> tuple[Rule, ...]:
    return load_template("eyeriss_like").rules


@dataclass(frozen=True)
class EyerissDecoder:
    """Designs of `SPACE` as hardware in a process, at a clock, behind a DRAM of so many words a cycle (None: any)."""

    technology_nm: int = 45
    clock_GHz: float = 1.0
    dram_words_per_cycle: float | None = 4.0

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def parts(self) -> Mapping[str, str]:
        return PARTS

    def accelerator(self, design: Mapping[str, Level]) -> Template | str:
        """The hardware; every mesh of the space divides every number of processing elements."""
        value: dict[str, Any] = dict(design)
        pes, across = value["num_pes"], value["mac_mesh_x"]
        if pes % across or DUMMY_BUFFERS % across:
            return f"num_pes = {pes} and {DUMMY_BUFFERS} dummy buffers must be whole multiples of mac_mesh_x = {across}"
        mesh = (across, pes // across)
        mac: dict[str, Any] = components.arithmetic_costs(WORD_BITS, self.technology_nm, self.clock_GHz)
        levels = {level: self._level(level, name, value, mesh) for name, level in _SPADS.items()}
        column, each = self._level("Column", "dummy_buffer", value, (across, 1)), DUMMY_BUFFERS // across
        levels["Column"] = replace(
            column, words=0, area_um2=each * column.area_um2, leakage_pJ=each * column.leakage_pJ
        )
        levels["GLB"] = self._level("GLB", "shared_glb", value, (1, 1))
        levels["DRAM"] = dram_level(self.technology_nm, self.clock_GHz, self.dram_words_per_cycle, 4, WORD_BITS)
        architecture = Architecture(
            "Eyeriss-like array", Arithmetic("MAC", *mesh, WORD_BITS, **mac), tuple(levels[name] for name in PARTS),
            self.clock_GHz, self.technology_nm,
        )  # fmt: skip
        return Template(architecture, _rules(), "after ArchGym's Timeloop environment")

    def _level(self, level: str, name: str, value: Mapping[str, Any], mesh: tuple[int, int]) -> StorageLevel:
        kind, depth, block = (value[f"{name}.{key}"] for key in ("class", "memory_depth", "block_size"))
        banks = int(value.get(f"{name}.n_banks", 1))
        read, write = (value.get(f"{name}.{way}_bandwidth") for way in ("read", "write"))
        return memory_level(level, kind, depth, block, mesh, read, write, banks, self.technology_nm, self.clock_GHz)


def memory_level(
    name: str, kind: str, depth: int, block: int, mesh: tuple[int, int], read: float | None, write: float | None, banks: int,
    technology_nm: int, clock_GHz: float, word_bits: int = WORD_BITS,
) -> StorageLevel:  # fmt: skip
    """A storage level of ``depth`` rows of ``block`` words, priced by `components`."""
    description = {"class": kind, "word_bits": word_bits, "block_size": block, "banks": banks, "name": name}
    costs: dict[str, Any] = components.level_costs(description, depth * block, technology_nm, clock_GHz)
    return StorageLevel(
        name, depth * block, *mesh, word_bits=word_bits, block_size=block, read_bandwidth=read, write_bandwidth=write, **costs
    )  # fmt: skip


def dram_level(technology_nm: int, clock_GHz: float, words: float | None, block: int, word_bits: int) -> StorageLevel:
    """Off-chip memory: a row of ``block`` words, ``words`` a cycle each way (None: unlimited)."""
    description = {"class": "DRAM", "word_bits": word_bits, "block_size": block, "name": "DRAM"}
    costs: dict[str, Any] = components.level_costs(description, None, technology_nm, clock_GHz)
    return StorageLevel(
        "DRAM", None, word_bits=word_bits, block_size=block, read_bandwidth=words, write_bandwidth=words, technology="DRAM",
        **costs,
    )  # fmt: skip


_DEFAULTS = {
    "technology_nm": 45, "clock_GHz": 1.0, "dram_words_per_cycle": 4.0, "mapper_objective": "edp", "mapper_budget": 2000,
    "mapper_seed": 0,
}  # fmt: skip


def make_dnn(
    technology_nm: int = 45,
    clock_GHz: float = 1.0,
    dram_words_per_cycle: float | None = 4.0,
    mapper_objective: str = "edp",
    mapper_budget: int = 2000,
    mapper_seed: int = 0,
    threads: int | None = None,
) -> AcceleratorSimulator:
    """The simulator of ``DNNEnv-v0``.

    Args:
        technology_nm: 45 or 22.
        clock_GHz: of the whole chip.
        dram_words_per_cycle: 16-bit words that off-chip memory reads and writes a cycle; None for no limit, as in ArchGym.
        mapper_objective: what layers are mapped for: ``"edp"``, ``"energy"`` or ``"latency"``.
        mapper_budget: evaluations of the cost model a layer.
        mapper_seed: of every layer's search.
        threads: all cores if omitted; no result depends on it.

    Raises:
        ConfigError, UnknownNameError: for an option out of range.
    """
    for name, value in (("clock_GHz", clock_GHz), ("dram_words_per_cycle", dram_words_per_cycle)):
        positive_option(name, value, optional=name == "dram_words_per_cycle")
    decoder = EyerissDecoder(technology_nm, clock_GHz, dram_words_per_cycle)
    components.multiply_accumulate(WORD_BITS, technology_nm)  # refuses a process without tables
    mapper = MapperSettings(mapper_objective, mapper_budget, mapper_seed)
    options = {
        "technology_nm": technology_nm, "clock_GHz": clock_GHz, "dram_words_per_cycle": dram_words_per_cycle,
        "mapper_objective": mapper_objective, "mapper_budget": mapper_budget, "mapper_seed": mapper_seed,
    }  # fmt: skip
    return AcceleratorSimulator(simulator_name("dnn-eyeriss", _DEFAULTS, options), decoder, mapper, threads)


def positive_option(name: str, value: object, optional: bool = False) -> None:
    """Raise ``ConfigError`` unless ``value`` is a number above 0 (or None, where that is allowed)."""
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigError(f"{name} = {value!r} must be a number above 0{' or None' if optional else ''}")


def check_word_bits(bits: int) -> int:
    """``bits`` if it is one of `WORD_WIDTHS`.

    Raises:
        ConfigError: otherwise.
    """
    if isinstance(bits, bool) or bits not in WORD_WIDTHS:
        raise ConfigError(f"word_bits = {bits!r} must be one of {', '.join(map(str, WORD_WIDTHS))}")
    return int(bits)
