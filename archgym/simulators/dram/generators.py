"""Seeded synthetic traces: one pattern of addresses, one of directions, one of arrival times.

A generator is written as ``synthetic:<kind>?<knob>=<value>&…``, several joined by ``+`` follow one another in time.
Equal text gives equal traces, bit for bit, on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from archgym.errors import UnknownNameError, WorkloadError
from archgym.simulators.dram import trace_patterns as patterns
from archgym.simulators.dram.trace_patterns import Draws, Integers, Knobs, Value
from archgym.simulators.dram.traces import Trace

PREFIX = "synthetic:"
MAX_REQUESTS = 100_000_000

_UNITS = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}


@dataclass(frozen=True)
class Knob:
    """One setting of a generator.

    Attributes:
        name: as written in the text of a generator.
        default: its value if not given; its type is the knob's type.
        low, high: the allowed range of a number.
        choices: the allowed words, for a word.
        size: whether the number is in bytes and may be written with KiB, MiB or GiB.
        help: what it sets, with the unit.
    """

    name: str
    default: Value
    low: float = 0
    high: float = math.inf
    choices: tuple[str, ...] = ()
    size: bool = False
    help: str = ""

    def read(self, value: object) -> Value:
        """The value, checked, from text or a Python number.

        Raises:
            WorkloadError: if it is not a number of this knob's type and range, or not one of its words.
        """
        if self.choices:
            if value not in self.choices:
                raise UnknownNameError(f"value of {self.name}", value, self.choices)
            return str(value)
        if isinstance(self.default, str):
            return str(value)
        whole = isinstance(self.default, int)
        number = _number(value, whole, self.size)
        if number is None or not self.low <= number <= self.high:
            kind = "a whole number" if whole else "a number"
            unit = ", with KiB, MiB or GiB if wanted" if self.size else ""
            raise WorkloadError(f"{self.name} = {value}; allowed: {kind} from {self.low:g} to {self.high:g}{unit}")
        return number

    def text(self, value: Value) -> str:
        """The value as written in a generator's text."""
        if self.size and isinstance(value, int):
            for unit, factor in _UNITS.items():
                if value % factor == 0 and value > 0 and factor > 1:
                    return f"{value // factor}{unit}"
        return str(value)


def _number(value: object, whole: bool, size: bool) -> int | float | None:
    """The number meant by ``value``, or None."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, np.integer | np.floating):
        value = value.item()
    factor = 1
    if isinstance(value, str):
        text = value.strip()
        for unit, bytes_each in _UNITS.items():
            if size and text.endswith(unit):
                text, factor = text.removesuffix(unit), bytes_each
                break
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            return None
    if isinstance(value, int) and whole:
        return value * factor
    if isinstance(value, int | float) and not whole and math.isfinite(value):
        return float(value)
    return None


_REQUESTS = Knob("requests", 10_000, 1, MAX_REQUESTS, help="number of requests")
_SEED = Knob("seed", 0, 0, 2**63 - 1, help="seed of every random choice")
_WRITE_FRACTION = Knob("write_fraction", 0.0, 0, 1, help="share of writes")
_PERSISTENCE = Knob(
    "write_persistence", 0.0, 0, 1, help="probability that a request keeps its predecessor's direction unasked"
)
_INTERVAL = Knob("interval", 1, 0, 10**8, help="mean cycles between requests")
_ARRIVAL = Knob(
    "arrival",
    "fixed",
    choices=("fixed", "uniform", "memoryless"),
    help="spread of gaps: none, uniform from 0 to twice the mean, or geometric",
)
_BURST = Knob("burst", 1, 1, 10**9, help="requests in a burst")
_IDLE = Knob("idle", 0, 0, 10**8, help="mean extra cycles between bursts")
_SPAN = Knob("span", 2**30, 64, 2**48, size=True, help="bytes of the address range")
_START = Knob("start", 0, 0, 2**48, size=True, help="first byte of the address range")
_LINE = Knob("line", 64, 1, 2**20, size=True, help="bytes of a request; addresses are multiples of it")
_PAGE = Knob("page", 8192, 64, 2**30, size=True, help="bytes of a page; a row of an eight-chip rank holds 8 KiB")

COMMON = (
    _REQUESTS,
    _SEED,
    _WRITE_FRACTION,
    _PERSISTENCE,
    _INTERVAL,
    _ARRIVAL,
    _BURST,
    _IDLE,
    _SPAN,
    _START,
    _LINE,
)
"""Knobs of every kind but ``phases``."""

COMMON_KNOBS: Mapping[str, Knob] = {knob.name: knob for knob in COMMON}


@dataclass(frozen=True)
class Kind:
    """A family of synthetic traces.

    Attributes:
        name: as written after ``synthetic:``.
        stresses: what of the memory controller it works.
        lines: the pattern: (draws, requests, knobs) to line numbers.
        knobs: the knobs, common ones included, with this kind's defaults.
    """

    name: str
    stresses: str
    lines: Callable[[Draws, int, Knobs], Integers]
    knobs: tuple[Knob, ...]

    def read(self, given: Mapping[str, object]) -> dict[str, Value]:
        """All knobs' values, defaults filled in.

        Raises:
            UnknownNameError: for a knob this kind does not have.
            WorkloadError: for a value out of range.
        """
        known = {knob.name: knob for knob in self.knobs}
        for name in given:
            if name not in known:
                raise UnknownNameError(f"knob of synthetic:{self.name}", name, known)
        values = {name: knob.read(given.get(name, knob.default)) for name, knob in known.items()}
        if "line" in values and int(values["line"]) > int(values["span"]):
            raise WorkloadError(f"span = {values['span']}; allowed: at least one line of {values['line']} B")
        if "line" in values and int(values["start"]) % int(values["line"]):
            raise WorkloadError(f"start = {values['start']}; allowed: a multiple of line = {values['line']}")
        if "stride" in values and (int(values["stride"]) % int(values["line"]) or values["stride"] == 0):
            raise WorkloadError(f"stride = {values['stride']}; allowed: a multiple of line = {values['line']}, above 0")
        return values

    def text(self, values: Knobs) -> str:
        """The shortest text that gives these values."""
        given = [
            f"{knob.name}={knob.text(values[knob.name])}" for knob in self.knobs if values[knob.name] != knob.default
        ]
        return self.name + ("?" + "&".join(given) if given else "")


def _kind(
    name: str, stresses: str, lines: Callable[[Draws, int, Knobs], Integers], *own: Knob, **defaults: Value
) -> Kind:
    common = tuple(replace(knob, default=defaults.get(knob.name, knob.default)) for knob in COMMON)
    return Kind(name, stresses, lines, common + own)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind(
            "sequential",
            "Peak bandwidth: consecutive lines, one a cycle, nearly all row hits. Shows page policy, address map and "
            "response path; reordering has nothing to gain.",
            patterns.sequential,
        ),
        _kind(
            "random",
            "Row misses: uniform lines, one a cycle. Bound by tRC, tRRD and tFAW; shows bank parallelism, buffer depth "
            "and the closed page policies.",
            patterns.random,
        ),
        _kind(
            "strided",
            "Row conflicts: a walk down the columns of a matrix, by default a new row of the same bank each time under "
            "a row-bank-column map. Shows the address map and the precharge policy.",
            patterns.strided,
            Knob("stride", 65536, 1, 2**40, size=True, help="bytes from one request to the next"),
        ),
        _kind(
            "bursty",
            "Queues: bursts of consecutive lines with idle time between them. Shows buffer size, admission and the "
            "postponing and pulling-in of refreshes.",
            patterns.bursty,
            burst=64,
            idle=1000,
            arrival="memoryless",
            write_fraction=0.3,
            write_persistence=0.8,
        ),
        _kind(
            "sparse",
            "Idle time: rare requests of some locality. Latency is the device's own; energy is background and refresh, "
            "so power-down and closed pages show.",
            patterns.local,
            Knob("locality", 0.5, 0, 1, help="probability of staying in the page"),
            _PAGE,
            interval=400,
            arrival="memoryless",
            write_fraction=0.25,
        ),
        _kind(
            "local",
            "Page locality: runs of random lines within a page, then another page, at moderate load. Open and closed "
            "pages both pay; the adaptive policies and FR-FCFS show.",
            patterns.local,
            Knob("locality", 0.6, 0, 1, help="probability of staying in the page"),
            _PAGE,
            interval=20,
            arrival="uniform",
            write_fraction=0.3,
        ),
        _kind(
            "hotspot",
            "Uneven banks: most requests go to a few pages, the rest anywhere. Shows FR-FCFS against fairness, the "
            "shared against the bankwise buffer, and tail latency.",
            patterns.hotspot,
            Knob("hot_share", 0.8, 0, 1, help="share of the requests that go to hot pages"),
            Knob("hot_pages", 16, 1, 10**6, help="number of hot pages"),
            _PAGE,
            interval=8,
            arrival="memoryless",
            write_fraction=0.3,
        ),
        _kind(
            "streams",
            "Turnarounds: several sequential streams in turn, reads and writes mixed, as in array kernels. Shows "
            "read-write grouping, watermarks and conflicts between the streams' rows.",
            patterns.streams,
            Knob("streams", 4, 1, 10**6, help="number of concurrent streams"),
            write_fraction=0.5,
            interval=4,
        ),
    )
}
"""The simple kinds by name; ``phases`` is made of them."""

PHASES = Kind(
    "phases",
    "Change: phases of different kinds take turns, so that no fixed controller setting suits all of them. For control "
    "at run time.",
    patterns.random,  # not used: its parts have patterns of their own
    (
        _REQUESTS,
        _SEED,
        Knob("period", 2000, 1, MAX_REQUESTS, help="requests in a phase"),
        Knob("parts", "sequential,random,bursty,sparse", help="kinds in turn, separated by commas"),
    ),
)

ALL_KINDS: Mapping[str, Kind] = {**KINDS, PHASES.name: PHASES}


def generate(kind: str, **knobs: object) -> Trace:
    """One synthetic trace.

    Args:
        kind: one of `ALL_KINDS`.
        knobs: the kind's knobs; numbers, or text as in a generator's text.

    Raises:
        UnknownNameError: for an unknown kind or knob.
        WorkloadError: for a value out of range.
    """
    if kind not in ALL_KINDS:
        raise UnknownNameError("synthetic kind", kind, ALL_KINDS)
    chosen = ALL_KINDS[kind]
    values = chosen.read(knobs)
    name = PREFIX + chosen.text(values)
    if kind == PHASES.name:
        return _join(_phases(values), name)
    count, seed = int(values["requests"]), int(values["seed"])
    line = chosen.lines(Draws(seed, 0), count, values)
    address = int(values["start"]) + line * int(values["line"])
    return Trace(
        patterns.times(Draws(seed, 2), count, values),
        address,
        patterns.directions(Draws(seed, 1), count, values),
        name=name,
    )


def _phases(values: Knobs) -> list[Trace]:
    """The phases in order; each has a seed of its own."""
    kinds = str(values["parts"]).split(",")
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownNameError("part of synthetic:phases", kind, KINDS)
    count, period = int(values["requests"]), int(values["period"])
    seeds = Draws(int(values["seed"]), 3).below(math.ceil(count / period), 2**53)
    return [
        generate(kinds[phase % len(kinds)], requests=min(period, count - phase * period), seed=int(seed))
        for phase, seed in enumerate(seeds)
    ]


def _join(parts: list[Trace], name: str) -> Trace:
    """The parts one after another; each starts one cycle after its predecessor's last request."""
    starts = np.cumsum([0] + [int(part.time[-1]) + 1 for part in parts[:-1]])
    time = np.concatenate([part.time + start for part, start in zip(parts, starts, strict=True)])
    address = np.concatenate([part.address for part in parts])
    return Trace(time, address, np.concatenate([part.is_write for part in parts]), name=name)


def parse(text: str, **knobs: object) -> Trace:
    """The trace that a generator's text stands for, such as ``synthetic:random?requests=500&seed=1``.

    Args:
        text: ``synthetic:`` and one or more of ``<kind>?<knob>=<value>&…`` joined by ``+``.
        knobs: further knobs, which win over the text's; only with a single kind.

    Raises:
        UnknownNameError: for an unknown kind or knob.
        WorkloadError: for text of another form, or a value out of range.
    """
    body = text.removeprefix(PREFIX)
    if not text.startswith(PREFIX) or not body:
        raise WorkloadError(f"{text!r}; allowed: {PREFIX}<kind>?<knob>=<value>&…, kinds {', '.join(ALL_KINDS)}")
    pieces = [split_query(piece) for piece in body.split("+")]
    if len(pieces) == 1:
        kind, given = pieces[0]
        return generate(kind, **{**given, **knobs})
    if knobs:
        raise WorkloadError(f"{text!r} has several parts; allowed: knobs in the text of each part, not {sorted(knobs)}")
    parts = [generate(kind, **given) for kind, given in pieces]
    return _join(parts, PREFIX + "+".join(part.name.removeprefix(PREFIX) for part in parts))


def split_query(text: str) -> tuple[str, dict[str, str]]:
    """``name?key=value&key=value`` as the name and its settings.

    Raises:
        WorkloadError: if a setting is not of the form key=value, or is given twice.
    """
    name, _, query = text.partition("?")
    given: dict[str, str] = {}
    for setting in query.split("&") if query else ():
        key, equals, value = setting.partition("=")
        if not equals or not key or not value:
            raise WorkloadError(f"{setting!r} in {text!r}; allowed: settings of the form name=value, joined by &")
        if key in given:
            raise WorkloadError(f"{key!r} is given twice in {text!r}")
        given[key] = value
    return name.strip(), given
