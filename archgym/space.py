"""A design space: an ordered tuple of parameters, each with a finite list of levels.

A design is a row of level numbers (int64). Position is identity: levels are never sorted, and every
other form (values, unit cube, one-hot, gymnasium space, JSON) is a view derived here and nowhere else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archgym.errors import DesignError, UnknownNameError, nearest

if TYPE_CHECKING:
    from gymnasium.spaces import MultiDiscrete

Level = bool | int | float | str
Designs = NDArray[np.int64]


def _same(level: Level, value: object) -> bool:
    """Whether ``value`` names ``level``: numbers by value, words by spelling, a flag only as a flag."""
    if isinstance(level, bool) or isinstance(value, bool | np.bool_):
        return isinstance(level, bool) and isinstance(value, bool | np.bool_) and level == bool(value)
    if isinstance(level, str) != isinstance(value, str):
        return False
    return bool(level == value)


@dataclass(frozen=True)
class Parameter:
    """One dimension of a space.

    ``ordered`` says whether neighbouring levels are alike (sizes, counts) or not (policies, names).
    ``group`` names the hardware subsystem the parameter belongs to. ``aliases`` maps other accepted
    spellings of a value to the level they mean.
    """

    name: str
    levels: tuple[Level, ...]
    ordered: bool
    default: Level
    unit: str = ""
    help: str = ""
    group: str = ""
    aliases: Mapping[str, Level] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(map(_plain, self.levels)))
        object.__setattr__(self, "default", _plain(self.default))
        if not self.levels:
            raise DesignError(f"parameter {self.name!r} has no levels; at least one is needed")
        infinite = [level for level in self.levels if isinstance(level, float) and not math.isfinite(level)]
        if infinite:
            raise DesignError(f"parameter {self.name!r}: level {infinite[0]!r} is not a finite number")
        if len(set(map(_meaning, self.levels))) != len(self.levels) or len(set(map(_text, self.levels))) != len(
            self.levels
        ):
            raise DesignError(f"parameter {self.name!r} repeats a level in {list(self.levels)}")
        for level in (self.default, *self.aliases.values()):
            if not any(_same(known, level) for known in self.levels):
                raise DesignError(f"parameter {self.name!r}: {level!r} is not one of its levels {list(self.levels)}")

    def index(self, value: object) -> int:
        """The level number of ``value`` (a level, an alias, or the text of either).

        Raises:
            DesignError: naming the parameter, the value and the allowed levels.
        """
        for number, level in enumerate(self.levels):
            if _same(level, value):
                return number
        if isinstance(value, str):
            text = value.strip()
            if text in self.aliases:
                return self.index(self.aliases[text])
            for number, level in enumerate(self.levels):
                spelled = text.lower() if isinstance(level, bool) else text
                if _text(level) == spelled or (not isinstance(level, bool | str) and _parse(text) == level):
                    return number
        near = nearest(str(value), map(_text, self.levels)) if isinstance(value, str) else None
        hint = f" (did you mean {near!r}?)" if near else ""
        shown = ", ".join(map(_text, self.levels))
        raise DesignError(f"parameter {self.name!r}: value {value!r} is not allowed{hint}; allowed: {shown}")


def _plain(value: Any) -> Level:
    """NumPy's scalars as Python's, so that levels are the same in files and on every machine."""
    return cast(Level, value.item() if isinstance(value, np.generic) else value)


def _meaning(level: Level) -> tuple[str, Level]:
    """Equal for levels that the same value would name: 1 and 1.0, but not 1 and True."""
    kind = "flag" if isinstance(level, bool) else "word" if isinstance(level, str) else "number"
    return kind, level


def _text(level: Level) -> str:
    return str(level).lower() if isinstance(level, bool) else str(level)


def _parse(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def choice(
    name: str,
    *levels: Level,
    default: Level | None = None,
    help: str = "",
    group: str = "",
    aliases: Mapping[str, Level] | None = None,
) -> Parameter:
    """An unordered choice among named alternatives (the first is the default unless given)."""
    chosen = levels[0] if default is None and levels else cast(Level, default)
    return Parameter(name, levels, False, chosen, "", help, group, dict(aliases or {}))


def ordinal(
    name: str, values: Iterable[Level], default: Level | None = None, unit: str = "", help: str = "", group: str = ""
) -> Parameter:
    """An ordered parameter with an explicit list of levels (the first is the default unless given)."""
    levels = tuple(values)
    chosen = levels[0] if default is None and levels else cast(Level, default)
    return Parameter(name, levels, True, chosen, unit, help, group)


def grid(name: str, low: int, high: int, step: int = 1, **details: Any) -> Parameter:
    """Whole numbers ``low, low + step, … ≤ high``."""
    return ordinal(name, range(low, high + 1, step), **details)


def powers(name: str, low: int, high: int, base: int = 2, **details: Any) -> Parameter:
    """Whole numbers ``low, low·base, low·base², … ≤ high``."""
    if low < 1 or base < 2:
        raise DesignError(f"parameter {name!r}: low={low} must be at least 1 and base={base} at least 2")
    values = [low]
    while values[-1] * base <= high:
        values.append(values[-1] * base)
    return ordinal(name, values, **details)


def real(name: str, low: float, high: float, count: int, log: bool = False, **details: Any) -> Parameter:
    """A real range quantised to ``count`` levels, evenly spaced (``log=True``: evenly in the logarithm)."""
    if count < 2 or not low < high or (log and low <= 0):
        raise DesignError(
            f"parameter {name!r}: needs low < high (both > 0 if log) and count >= 2, not {low}, {high}, {count}"
        )
    values = np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    return ordinal(name, [float(value) for value in values], **details)


@dataclass(frozen=True)
class Space:
    """An ordered tuple of parameters; ``name`` is for people and not part of the fingerprint."""

    name: str
    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(self.parameters))
        if not self.parameters:
            raise DesignError(f"space {self.name!r} has no parameters; at least one is needed")
        if len(set(self.names)) != len(self.names):
            raise DesignError(f"space {self.name!r} repeats a parameter name in {list(self.names)}")

    def __len__(self) -> int:
        return len(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        if name not in self._position:
            raise UnknownNameError("parameter", name, self.names)
        return self.parameters[self._position[name]]

    def __getstate__(self) -> dict[str, Any]:
        """Only what the space is made of: views are derived anew, read-only, in every process."""
        return {"name": self.name, "parameters": self.parameters}

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def _position(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.names)}

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Number of levels of each parameter, shape (D,)."""
        sizes = np.array([len(parameter.levels) for parameter in self.parameters], dtype=np.int64)
        sizes.setflags(write=False)
        return sizes

    @cached_property
    def ordered(self) -> NDArray[np.bool_]:
        """Which parameters are ordered, shape (D,)."""
        return np.array([parameter.ordered for parameter in self.parameters], dtype=bool)

    @property
    def size(self) -> int:
        """Number of designs, as an unbounded Python integer."""
        return math.prod(len(parameter.levels) for parameter in self.parameters)

    @cached_property
    def default(self) -> Designs:
        """The default design, shape (D,)."""
        row = np.array([parameter.index(parameter.default) for parameter in self.parameters], dtype=np.int64)
        row.setflags(write=False)
        return row

    @cached_property
    def fingerprint(self) -> str:
        """Identity of names, levels, order and kinds: 16 hexadecimal digits, equal on every machine."""
        identity = [[p.name, [[type(v).__name__, v] for v in p.levels], p.ordered] for p in self.parameters]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]

    def check(self, designs: ArrayLike) -> Designs:
        """``designs`` as a (B, D) int64 array of legal level numbers.

        Raises:
            DesignError: naming the first row and parameter that is illegal, and its allowed levels.
        """
        try:
            rows = np.asarray(designs)
        except ValueError as error:
            raise DesignError(f"designs must have shape (B, {len(self)}) for space {self.name!r}: {error}") from error
        if rows.ndim == 1 and rows.shape == (len(self),):
            rows = rows[None]
        if rows.ndim != 2 or rows.shape[1] != len(self):
            raise DesignError(f"designs must have shape (B, {len(self)}) for space {self.name!r}, not {rows.shape}")
        whole = rows.dtype.kind in "iu" or (rows.dtype.kind == "f" and np.array_equal(rows, np.round(rows)))
        if rows.size and not whole:
            raise DesignError(f"designs must be whole level numbers, not {rows.dtype} values such as {rows.flat[0]!r}")
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        bad = (rows < 0) | (rows >= self.sizes)
        if bad.any():
            row, column = map(int, np.argwhere(bad)[0])
            parameter = self.parameters[column]
            raise DesignError(
                f"row {row}: parameter {parameter.name!r} has level number {int(rows[row, column])}; allowed: "
                f"0 to {len(parameter.levels) - 1} ({', '.join(map(_text, parameter.levels))})"
            )
        return rows

    def sample(self, rng: np.random.Generator, count: int) -> Designs:
        """``count`` designs drawn uniformly and independently, shape (count, D)."""
        return rng.integers(0, self.sizes, size=(count, len(self)), dtype=np.int64)

    def enumerate(self, start: int = 0, stop: int | None = None) -> Designs:
        """Designs number ``start`` to ``stop`` in mixed-radix order (the last parameter moves fastest)."""
        self._check_numbered()
        stop = self.size if stop is None else min(stop, self.size)
        numbers = np.arange(start, stop, dtype=np.int64)
        designs: Designs = np.stack(np.unravel_index(numbers, tuple(self.sizes)), axis=1).astype(np.int64)
        return designs

    def number(self, designs: ArrayLike) -> NDArray[np.int64]:
        """Position of each design in the order of `enumerate`, shape (B,); for spaces below 2^63 designs."""
        self._check_numbered()
        numbers: NDArray[np.int64] = np.ravel_multi_index(tuple(self.check(designs).T), tuple(self.sizes)).astype(
            np.int64
        )
        return numbers

    def _check_numbered(self) -> None:
        if self.size >= 2**63:
            raise DesignError(f"space {self.name!r} has {self.size} designs; only spaces below 2^63 can be numbered")

    def row(self, design: ArrayLike) -> dict[str, Level]:
        """One design as ``{parameter name: value}``."""
        levels = self.check(design)[0]
        return {p.name: p.levels[number] for p, number in zip(self.parameters, levels, strict=True)}

    def values(self, designs: ArrayLike) -> dict[str, list[Level]]:
        """Designs as columns of values: ``{parameter name: B values}``."""
        rows = self.check(designs)
        return {p.name: [p.levels[n] for n in rows[:, column]] for column, p in enumerate(self.parameters)}

    def encode(self, rows: Mapping[str, object] | Sequence[Mapping[str, object]]) -> Designs:
        """Level numbers, shape (B, D), of one or several ``{parameter name: value}``; missing ones take the default."""
        rows = [rows] if isinstance(rows, Mapping) else rows
        designs = np.tile(self.default, (len(rows), 1))
        for number, row in enumerate(rows):
            for name, value in row.items():
                designs[number, self._column(name)] = self[name].index(value)
        return designs

    def _column(self, name: str) -> int:
        if name not in self._position:
            raise UnknownNameError("parameter", name, self.names)
        return self._position[name]

    def to_unit(self, designs: ArrayLike) -> NDArray[np.float64]:
        """Bin centres in (0, 1), shape (B, D): level k of n is at (k + 1/2) / n."""
        return (self.check(designs) + 0.5) / self.sizes

    def from_unit(self, points: ArrayLike) -> Designs:
        """Designs of points in the unit cube by equal bins, so that every level is reachable; 1.0 is the last bin."""
        cube = np.asarray(points, dtype=np.float64)
        cube = cube[None] if cube.ndim == 1 else cube
        if cube.ndim != 2 or cube.shape[1] != len(self) or not np.isfinite(cube).all():
            raise DesignError(f"unit-cube points must be finite, of shape (B, {len(self)}), not {cube.shape}")
        bins: Designs = np.clip(np.floor(cube * self.sizes).astype(np.int64), 0, self.sizes - 1)
        return bins

    def one_hot(self, designs: ArrayLike) -> NDArray[np.float64]:
        """One column a level, shape (B, sum of sizes)."""
        rows = self.check(designs)
        offsets = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        encoded = np.zeros((len(rows), int(self.sizes.sum())))
        encoded[np.arange(len(rows))[:, None], rows + offsets] = 1.0
        return encoded

    def from_one_hot(self, encoded: ArrayLike) -> Designs:
        """The design whose level has the largest entry in each parameter's block."""
        columns = np.split(np.asarray(encoded), np.cumsum(self.sizes)[:-1], axis=1)
        return np.stack([block.argmax(axis=1) for block in columns], axis=1).astype(np.int64)

    def neighbours(self, design: ArrayLike) -> Designs:
        """All designs one move away: ±1 level where ordered, any other level where not; shape (K, D)."""
        centre = self.check(design)[0]
        moves: list[Designs] = []
        for column, parameter in enumerate(self.parameters):
            here = int(centre[column])
            near = (here - 1, here + 1) if parameter.ordered else range(len(parameter.levels))
            for level in near:
                if 0 <= level < len(parameter.levels) and level != here:
                    moved = centre.copy()
                    moved[column] = level
                    moves.append(moved)
        return np.stack(moves) if moves else np.empty((0, len(self)), dtype=np.int64)

    def gym(self) -> MultiDiscrete:
        """The space of level numbers as a gymnasium ``MultiDiscrete``."""
        from gymnasium.spaces import MultiDiscrete

        return MultiDiscrete(self.sizes)

    def only(self, names: Iterable[str]) -> Space:
        """The sub-space of the named parameters, in the order given."""
        return Space(self.name, tuple(self[name] for name in names))

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Parameter names by subsystem, in order of appearance; a parameter without a group is one of its own."""
        members: dict[str, list[str]] = {}
        for parameter in self.parameters:
            members.setdefault(parameter.group or parameter.name, []).append(parameter.name)
        return {group: tuple(names) for group, names in members.items()}

    def table(self) -> list[dict[str, str]]:
        """One row a parameter for people: name, kind, levels, default, unit, group, help."""
        return [
            {
                "parameter": p.name,
                "kind": "ordered" if p.ordered else "choice",
                "levels": _shorten([_text(level) for level in p.levels]),
                "default": _text(p.default),
                "unit": p.unit,
                "group": p.group,
                "help": p.help,
            }
            for p in self.parameters
        ]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready description from which `from_json` makes an equal space."""
        parameters = [dataclasses.asdict(p) | {"levels": list(p.levels)} for p in self.parameters]
        return {"name": self.name, "parameters": parameters}

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Space:
        """The inverse of `to_json`."""
        entries = description["parameters"]
        return cls(description["name"], tuple(Parameter(**{**e, "levels": tuple(e["levels"])}) for e in entries))


def _shorten(levels: list[str], most: int = 10) -> str:
    if len(levels) <= most:
        return ", ".join(levels)
    return f"{', '.join(levels[:4])}, … {', '.join(levels[-2:])} ({len(levels)})"
