"""What a mapping runs on: multiply-accumulate units under a hierarchy of storage levels, innermost first.

Sizes and bandwidths are in words, energies in picojoules a vector access, areas in square micrometres: one instance each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.errors import ConfigError, UnknownNameError
from archgym.simulators.dnn import components, normalised

UNLIMITED = -1
TECHNOLOGIES = ("SRAM", "DRAM")
# Far above any real design: what arrays and doubles still count exactly or without overflow.
MOST_WORDS, MOST_INSTANCES, LARGEST_COST = 2**60, 2**20, 1e18
_SPELLINGS = {
    "word-bits": "word_bits", "datawidth": "word_bits", "block-size": "block_size", "cluster-size": "cluster_size",
    "multiple-buffering": "multiple_buffering", "min-utilization": "min_utilization", "meshX": "mesh_x", "meshY": "mesh_y",
    "vector-access-energy": "vector_access_energy", "vector_access_energy_pJ": "vector_access_energy",
    "memory_depth": "depth", "mesh-x": "mesh_x", "mesh-y": "mesh_y",
}  # fmt: skip


@dataclass(frozen=True)
class Arithmetic:
    """The multiply-accumulate units, laid out as ``mesh_x`` columns by ``mesh_y`` rows."""

    name: str = "MAC"
    mesh_x: int = 1
    mesh_y: int = 1
    word_bits: int = 16
    energy_pJ: float = 1.0
    leakage_pJ: float = 0.0
    area_um2: float = 0.0

    @property
    def instances(self) -> int:
        return self.mesh_x * self.mesh_y


@dataclass(frozen=True)
class StorageLevel:
    """One level: ``mesh_x * mesh_y`` equal memories of ``words`` words (None: unlimited).

    A vector access moves ``block_size`` words. Bandwidths are words a cycle of one instance (None: unlimited).
    ``multiple_buffering`` 2 leaves half of the words for a tile. Leakage is picojoules a cycle of one instance.
    """

    name: str
    words: int | None
    mesh_x: int = 1
    mesh_y: int = 1
    word_bits: int = 16
    block_size: int = 1
    cluster_size: int = 1
    read_bandwidth: float | None = None
    write_bandwidth: float | None = None
    shared_bandwidth: float | None = None
    multiple_buffering: float = 1.0
    min_utilization: float = 0.0
    technology: str = "SRAM"
    read_pJ: float = 0.0
    fill_pJ: float = 0.0
    update_pJ: float = 0.0
    leakage_pJ: float = 0.0
    area_um2: float = 0.0

    @property
    def instances(self) -> int:
        return self.mesh_x * self.mesh_y

    @property
    def tile_words(self) -> int | None:
        """Words that the tiles of one instance may take."""
        return None if self.words is None else math.floor(self.words / self.multiple_buffering)


class Machine(NamedTuple):
    """An architecture as arrays, for kernels; axis 0 is the storage level, innermost first, then the arithmetic.

    ``whole``: words for tiles (UNLIMITED: no limit), mesh x and y, fan-out x and y of one instance towards the next
    level inwards, memories that share a vector access. ``real``: least words, read, write and shared bandwidth
    (infinite: no limit), words a vector access, picojoules a read, fill and update, leakage a cycle. The arithmetic's
    energy a MAC stands for a read; its leakage is that of the whole architecture.
    """

    whole: NDArray[np.int64]  # (levels + 1, 6)
    real: NDArray[np.float64]  # (levels + 1, 9)


@dataclass(frozen=True)
class Architecture:
    """Multiply-accumulate units and storage levels, innermost first; the last level holds whole tensors.

    Raises ``ConfigError`` where meshes do not divide into each other or a size is not positive.
    """

    name: str
    arithmetic: Arithmetic
    levels: tuple[StorageLevel, ...]
    clock_GHz: float = 1.0
    technology_nm: int | None = None

    def __post_init__(self) -> None:
        if not self.levels:
            raise ConfigError(f"architecture {self.name!r}: at least one storage level is needed")
        names = [level.name for level in self.levels]
        if len(set(names)) != len(names):
            raise ConfigError(f"architecture {self.name!r}: level names {names} must differ")
        if self.arithmetic.instances > MOST_INSTANCES:
            raise ConfigError(
                f"{self.arithmetic.name}: {self.arithmetic.instances} instances, at most {MOST_INSTANCES} are modelled"
            )
        inner: Arithmetic | StorageLevel = self.arithmetic
        for level in self.levels:
            if inner.mesh_x % level.mesh_x or inner.mesh_y % level.mesh_y:
                raise ConfigError(
                    f"architecture {self.name!r}: {inner.name} mesh {inner.mesh_x}x{inner.mesh_y} is not a whole multiple "
                    f"of {level.name} mesh {level.mesh_x}x{level.mesh_y}"
                )
            inner = level

    def level(self, name: str) -> StorageLevel:
        """The storage level called ``name``."""
        for level in self.levels:
            if level.name == name:
                return level
        raise UnknownNameError("storage level", name, [level.name for level in self.levels])

    def fanout(self, number: int) -> tuple[int, int]:
        """Physical fan-out (x, y) from one instance of level ``number`` to the next level inwards."""
        inner: Arithmetic | StorageLevel = self.levels[number - 1] if number else self.arithmetic
        outer = self.levels[number]
        return inner.mesh_x // outer.mesh_x, inner.mesh_y // outer.mesh_y

    @property
    def area_um2(self) -> float:
        """Area of all instances."""
        own = self.arithmetic.instances * self.arithmetic.area_um2
        return own + sum(level.instances * level.area_um2 for level in self.levels)

    def machine(self) -> Machine:
        """The arrays that kernels read."""
        levels, own = self.levels, self.arithmetic

        def limit(value: float | None) -> float:
            return math.inf if value is None else float(value)

        whole = [
            (UNLIMITED if v.tile_words is None else v.tile_words, v.mesh_x, v.mesh_y, *self.fanout(number),
             max(1, v.instances // v.cluster_size))
            for number, v in enumerate(levels)
        ]  # fmt: skip
        real = [
            ((v.tile_words or 0) * v.min_utilization, limit(v.read_bandwidth), limit(v.write_bandwidth),
             limit(v.shared_bandwidth), v.block_size, v.read_pJ, v.fill_pJ, v.update_pJ, v.instances * v.leakage_pJ)
            for v in levels
        ]  # fmt: skip
        leakage = own.instances * own.leakage_pJ + sum(row[-1] for row in real)
        whole.append((UNLIMITED, own.mesh_x, own.mesh_y, 1, 1, own.instances))
        real.append((0.0, math.inf, math.inf, math.inf, 1, own.energy_pJ, 0.0, 0.0, leakage))
        return Machine(np.array(whole, np.int64), np.array(real, np.float64))

    def with_level(self, name: str, **changes: Any) -> Architecture:
        """A copy in which the level called ``name`` has other values."""
        self.level(name)
        levels = tuple(replace(level, **changes) if level.name == name else level for level in self.levels)
        return replace(self, levels=levels)

    @classmethod
    def from_json(cls, data: Dictionary[str, Any], name: str = "architecture") -> Architecture:
        """An architecture from ``{"arithmetic": {...}, "storage": [{...}, …]}``, storage innermost first.

        A level gives ``entries``, ``sizeKB`` or ``depth`` (rows of ``block_size`` words; none of them: unlimited),
        ``instances`` or a mesh, ``word_bits``, ``block_size``, bandwidths, and energies: ``vector_access_energy`` or
        ``read_pJ``/``fill_pJ``/``update_pJ``. What is not given comes from `components` if the architecture has a
        ``technology_nm`` (a level's ``class`` and ``banks`` then count), otherwise from `normalised`.
        """
        owner = f"architecture {name!r}"
        data = _known(owner, data, _ARCHITECTURE_KEYS)
        for key in ("arithmetic", "storage"):
            if key not in data:
                raise ConfigError(f"{owner}: {key!r} is missing")
        if not isinstance(data["storage"], list) or not data["storage"]:
            raise ConfigError(f"{owner}: 'storage' must be a list of levels, innermost first")
        clock = _positive(owner, "clock_GHz", data.get("clock_GHz", 1.0), whole=False)
        node = (
            None if data.get("technology_nm") is None else int(_positive(owner, "technology_nm", data["technology_nm"]))
        )
        arithmetic = _read_arithmetic(data["arithmetic"], node, clock)
        levels = tuple(_read_level(level, node, clock) for level in data["storage"])
        return cls(str(data.get("name", name)), arithmetic, levels, clock, node)

    @classmethod
    def read(cls, path: str | Path) -> Architecture:
        """An architecture from a JSON file."""
        try:
            data = json.loads(Path(path).read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise ConfigError(f"architecture file {str(path)!r}: {error}") from error
        return cls.from_json(data, Path(path).stem)


def _positive(owner: str, key: str, value: object, whole: bool = True) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{owner}: {key} = {value!r} must be a positive number")
    if whole and value != int(value):
        raise ConfigError(f"{owner}: {key} = {value!r} must be a whole number")
    return float(value)


def _mesh(owner: str, data: dict[str, Any]) -> tuple[int, int]:
    given = {k: int(_positive(owner, k, data.pop(k))) for k in ("instances", "mesh_x", "mesh_y") if k in data}
    if not given:
        return 1, 1
    if "instances" not in given:
        return given.get("mesh_x", 1), given.get("mesh_y", 1)
    count = given["instances"]
    x = given.get("mesh_x") or (count // given["mesh_y"] if "mesh_y" in given else count)
    y = given.get("mesh_y") or count // x
    if x * y != count:
        raise ConfigError(f"{owner}: instances = {count} is not mesh_x = {x} times mesh_y = {y}")
    return x, y


def _known(owner: str, data: object, allowed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(data, Dictionary):
        raise ConfigError(f"{owner}: an object with its values by name is expected, got {data!r}")
    spelled = {_SPELLINGS.get(str(key), str(key)): value for key, value in data.items()}
    for key in spelled:
        if key not in allowed:
            raise UnknownNameError(f"key of {owner}:", key, allowed)
    return spelled


def _energy(owner: str, data: dict[str, Any], key: str, default: float) -> float:
    value = data.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST_COST:
        raise ConfigError(f"{owner}: {key} = {value!r} must be a number from 0 to {LARGEST_COST:g}")
    return float(value)


def _read_arithmetic(entry: object, node: int | None, clock: float) -> Arithmetic:
    sizes = ("instances", "mesh_x", "mesh_y", "word_bits")
    data = _known("arithmetic", entry, ("name", *sizes, "energy", "energy_pJ", "leakage_pJ", "area_um2"))
    owner = f"arithmetic {data.get('name', 'MAC')!r}"
    x, y = _mesh(owner, data)
    bits = int(_positive(owner, "word_bits", data.get("word_bits", 16)))
    costs = {"energy_pJ": normalised.multiplier_pJ(bits), "leakage_pJ": 0.0, "area_um2": 0.0}
    if node is not None:
        costs = components.arithmetic_costs(bits, node, clock)
    energy = _energy(owner, data, "energy", costs["energy_pJ"])
    return Arithmetic(
        str(data.get("name", "MAC")), x, y, bits, _energy(owner, data, "energy_pJ", energy),
        _energy(owner, data, "leakage_pJ", costs["leakage_pJ"]), _energy(owner, data, "area_um2", costs["area_um2"]),
    )  # fmt: skip


_ENERGIES = ("read_pJ", "fill_pJ", "update_pJ")
_LEVEL_KEYS = (
    "name", "entries", "sizeKB", "depth", "instances", "mesh_x", "mesh_y", "word_bits", "block_size", "cluster_size",
    "bandwidth", "read_bandwidth", "write_bandwidth", "shared_bandwidth", "multiple_buffering", "min_utilization",
    "technology", "class", "banks", "vector_access_energy", "read_pJ", "fill_pJ", "update_pJ", "leakage_pJ", "area_um2",
)  # fmt: skip
_ARCHITECTURE_KEYS = (
    "name", "description", "source", "arithmetic", "storage", "technology_nm", "clock_GHz", "constraints",
)  # fmt: skip


def _read_level(entry: object, node: int | None, clock: float) -> StorageLevel:
    name = entry.get("name") if isinstance(entry, Dictionary) else None
    owner = "storage level" if name is None else f"storage level {name!r}"
    data = _known(owner, entry, _LEVEL_KEYS)
    if name is None:
        raise ConfigError(f"storage level {data}: 'name' is missing")
    x, y = _mesh(owner, data)
    bits, block, cluster = (
        int(_positive(owner, key, data.get(key, default)))
        for key, default in (("word_bits", 16), ("block_size", 1), ("cluster_size", 1))
    )
    words = _words(owner, data, bits, block)
    technology = data.get("technology", "SRAM")
    if technology not in TECHNOLOGIES:
        raise UnknownNameError(f"technology of {owner}:", technology, TECHNOLOGIES)
    _positive(owner, "banks", data.get("banks", 1))
    vector = normalised.vector_access_pJ(technology, words, bits, block, cluster)
    costs = {"read_pJ": vector, "fill_pJ": vector, "update_pJ": vector, "leakage_pJ": 0.0, "area_um2": 0.0}
    if node is not None:
        costs = components.level_costs(data, words, node, clock)
    if "vector_access_energy" in data:
        costs.update(dict.fromkeys(_ENERGIES, _energy(owner, data, "vector_access_energy", 0.0)))
    costs = {key: _energy(owner, data, key, value) for key, value in costs.items()}
    least, buffering = data.get("min_utilization", 0.0), data.get("multiple_buffering", 1.0)
    if _positive(owner, "multiple_buffering", buffering, whole=False) < 1:
        raise ConfigError(f"{owner}: multiple_buffering = {buffering!r} must be at least 1")
    if _energy(owner, {"min_utilization": least}, "min_utilization", 0.0) > 1:
        raise ConfigError(f"{owner}: min_utilization = {least!r} must lie in 0..1")
    return StorageLevel(
        str(name), words, x, y, bits, block, cluster, _bandwidth(owner, data, "read_bandwidth"),
        _bandwidth(owner, data, "write_bandwidth"), _bandwidth(owner, data, "shared_bandwidth"),
        multiple_buffering=float(buffering), min_utilization=float(least), technology=technology, **costs,
    )  # fmt: skip


def _bandwidth(owner: str, data: dict[str, Any], key: str) -> float | None:
    if data.get(key) is not None:
        return _positive(owner, key, data[key], whole=False)
    if "bandwidth" in data and key != "shared_bandwidth":
        return _positive(owner, "bandwidth", data["bandwidth"], whole=False) / 2
    return None


def _words(owner: str, data: dict[str, Any], bits: int, block: int) -> int | None:
    given = [key for key in ("entries", "sizeKB", "depth") if data.get(key) is not None]
    if len(given) > 1:
        raise ConfigError(f"{owner}: give one of entries, sizeKB and depth, not {' and '.join(given)}")
    if not given:
        return None
    value = data[given[0]]
    if value == 0 and given[0] == "entries":
        return 0
    number = _positive(owner, given[0], value, whole=given[0] != "sizeKB")
    words = number * {"entries": 1.0, "sizeKB": 8192 / bits, "depth": float(block)}[given[0]]
    if words > MOST_WORDS:
        raise ConfigError(f"{owner}: {given[0]} = {value!r} makes more than 2^60 words")
    return int(words)
