"""What a study compares: problems × agents × hyperparameter settings × seeds, at one budget.

Built in Python, or read from TOML by `archgym.study.file`; either way every name is checked before anything
runs, and the number of runs is known, and limited, before any list of them is made.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from archgym.agents import agent_class, agent_names
from archgym.errors import ConfigError, UnknownNameError
from archgym.registry import family

#: a study with more runs, or more evaluations, than this must be confirmed
MOST_RUNS, MOST_EVALUATIONS = 100_000, 1_000_000_000

Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Problems:
    """Problems of one family: every workload with every objective; empty means the family's default.

    Attributes:
        simulator: ``"own"``, or ``"table"`` to look results up in the family's table where one is found
            (the results are the same to the last bit, see `archgym.simulators.table`).
    """

    id: str
    workloads: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    simulator: str = "own"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = family(self.id)
        for objective in self.objectives:
            if objective not in known.objectives:
                raise UnknownNameError(f"objective of {self.id}", objective, known.objectives)
        if self.simulator not in ("own", "table"):
            raise UnknownNameError("simulator", self.simulator, ("own", "table"))

    def expand(self) -> Iterator[ProblemKey]:
        known = family(self.id)
        for workload in self.workloads or (known.workload,):
            for objective in self.objectives or (known.objective,):
                yield ProblemKey(self.id, workload, objective, self.simulator, tuple(sorted(self.options.items())))

    @property
    def count(self) -> int:
        return max(1, len(self.workloads)) * max(1, len(self.objectives))


@dataclass(frozen=True)
class ProblemKey:
    """One problem of a study by name."""

    id: str
    workload: str
    objective: str
    simulator: str = "own"
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        return f"{self.id} · {self.workload} · {self.objective}"


@dataclass(frozen=True)
class Draw:
    """Values drawn for one hyperparameter: uniform in [low, high] (``log``: in the logarithm), or of ``choices``."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    def sample(self, rng: np.random.Generator, kind: type) -> Any:
        if self.choices:
            return self.choices[int(rng.integers(len(self.choices)))]
        low, high = cast(float, self.low), cast(float, self.high)
        value = math.exp(rng.uniform(math.log(low), math.log(high))) if self.log else rng.uniform(low, high)
        return round(value) if kind is int else float(value)


@dataclass(frozen=True)
class Agents:
    """One agent with the settings to try: ``fixed`` values, a full ``grid``, and ``count`` random draws.

    Attributes:
        label: the name results are grouped under; the agent's own unless given.
        settings: keep at most this many settings, evenly spaced through the grid (0: all).
        budget, seeds, batch_size, workloads, objectives: this agent's own, where they differ from the study's.
    """

    agent: str
    label: str = ""
    fixed: Setting = field(default_factory=dict)
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    draw: Mapping[str, Draw] = field(default_factory=dict)
    count: int = 0
    draw_seed: int = 0
    settings: int = 0
    budget: int = 0
    seeds: tuple[int, ...] = ()
    batch_size: int = 0
    workloads: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.agent not in agent_names():
            raise UnknownNameError("agent", self.agent, agent_names())
        fields = self.fields()
        for part in (self.fixed, self.grid, self.draw):
            for name in part:
                if name not in fields:
                    raise UnknownNameError(f"hyperparameter of {self.agent!r}", name, fields)
        names = [*self.fixed, *self.grid, *self.draw]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"agent {self.agent!r}: hyperparameter {name!r} is given twice")
        for name, values in self.grid.items():
            if not values:
                raise ConfigError(f"agent {self.agent!r}: the grid of {name!r} is empty; give at least one value")
            for value in values:
                self._check(name, value)
            if len(set(map(repr, values))) < len(values):
                raise ConfigError(f"agent {self.agent!r}: the grid of {name!r} repeats a value")
        for name, value in self.fixed.items():
            self._check(name, value)
        for name, draw in self.draw.items():
            self._check_draw(name, draw)
        if bool(self.draw) != (self.count > 0):
            raise ConfigError(f"agent {self.agent!r}: `draw` and `count` (how many draws, at least 1) go together")

    def fields(self) -> dict[str, dataclasses.Field[Any]]:
        return {f.name: f for f in dataclasses.fields(agent_class(self.agent).Hyperparameters)}

    def _check(self, name: str, value: Any) -> None:
        agent_class(self.agent).Hyperparameters.parse({name: value})

    def _check_draw(self, name: str, draw: Draw) -> None:
        for choice in draw.choices:
            self._check(name, choice)
        if draw.choices:
            return
        if draw.low is None or draw.high is None or not draw.low <= draw.high or (draw.log and draw.low <= 0):
            raise ConfigError(
                f"agent {self.agent!r}: draw of {name!r} needs low <= high (low > 0 if log) or choices, "
                f"not low={draw.low}, high={draw.high}"
            )
        whole = type(self.fields()[name].default) is int
        for bound in (draw.low, draw.high):
            self._check(name, round(bound) if whole else float(bound))

    @property
    def name(self) -> str:
        return self.label or self.agent

    @property
    def setting_count(self) -> int:
        full = math.prod(len(values) for values in self.grid.values()) * max(1, self.count)
        return min(full, self.settings) if self.settings else full

    def expand(self) -> list[dict[str, Any]]:
        """Every setting, with every hyperparameter written out; no two are equal."""
        grid = [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        parse = agent_class(self.agent).Hyperparameters.parse
        found = [parse({**self.fixed, **point, **drawn}).to_json() for point in grid for drawn in self._draws()]
        return evenly(found, self.settings)

    def _draws(self) -> list[dict[str, Any]]:
        """``count`` different draws; one that sets nothing if there is nothing to draw."""
        rng = np.random.default_rng(self.draw_seed)
        fields = self.fields()
        drawn: list[dict[str, Any]] = []
        for _ in range(100 * self.count):
            point = {name: draw.sample(rng, type(fields[name].default)) for name, draw in self.draw.items()}
            if point not in drawn:
                drawn.append(point)
            if len(drawn) == self.count:
                return drawn
        if self.count:
            raise ConfigError(
                f"agent {self.agent!r}: {self.count} different draws were asked for, only {len(drawn)} were found; "
                f"lower `count` or widen the ranges"
            )
        return [{}]


def evenly(items: list[Any], most: int) -> list[Any]:
    """At most ``most`` items, evenly spaced, first and last included (0: all)."""
    if not most or len(items) <= most:
        return items
    return [items[round(k)] for k in np.linspace(0, len(items) - 1, most)]


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        question: what the study is to answer, for its report.
        budget: evaluations a run, for every agent.
        log: ``"compact"`` keeps designs, rewards and feasibility; ``"full"`` also every metric.
        scale: the name of the scale that was applied, if any.
    """

    name: str
    problems: tuple[Problems, ...]
    agents: tuple[Agents, ...]
    budget: int
    seeds: tuple[int, ...] = (0,)
    question: str = ""
    log: str = "compact"
    scale: str = ""

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_." for c in self.name):
            raise ConfigError(f"study name {self.name!r} is not allowed; use letters, digits, '-', '_' and '.'")
        if self.log not in ("compact", "full"):
            raise UnknownNameError("log", self.log, ("compact", "full"))
        for what, entries in (("problems", self.problems), ("agents", self.agents)):
            if not entries:
                raise ConfigError(f"study {self.name!r} has no {what}; give at least one [[{what}]]")
        labels = [agents.name for agents in self.agents]
        if len(set(labels)) != len(labels):
            raise ConfigError(
                f"study {self.name!r}: two [[agents]] are called {labels}; set `label` to tell them apart"
            )
        for agents in (None, *self.agents):
            whole("budget", (agents.budget if agents else 0) or self.budget, 1)
            for seed in (agents.seeds if agents else ()) or self.seeds:
                whole("seed", seed, 0)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"study {self.name!r}: seeds {list(self.seeds)} must be one or more different numbers")

    def problems_of(self, agents: Agents) -> list[ProblemKey]:
        """The problems an agent runs on."""
        keys = [key for problems in self.problems for key in problems.expand()]
        for what, wanted in (("workload", agents.workloads), ("objective", agents.objectives)):
            allowed = [getattr(key, what) for key in keys]
            for name in wanted:
                if name not in allowed:
                    raise UnknownNameError(f"{what} of agent {agents.name!r}", name, dict.fromkeys(allowed))
        return [
            key
            for key in keys
            if (not agents.workloads or key.workload in agents.workloads)
            and (not agents.objectives or key.objective in agents.objectives)
        ]

    @property
    def run_count(self) -> int:
        return sum(a.setting_count * len(self.problems_of(a)) * len(a.seeds or self.seeds) for a in self.agents)

    @property
    def evaluation_count(self) -> int:
        return sum(
            a.setting_count * len(self.problems_of(a)) * len(a.seeds or self.seeds) * (a.budget or self.budget)
            for a in self.agents
        )

    def check_size(self, allowed_runs: int = 0) -> None:
        """Refuse a study of an absurd size, unless as many runs are allowed explicitly.

        Raises:
            ConfigError: saying the size and the flag.
        """
        runs, evaluations = self.run_count, self.evaluation_count
        if runs <= max(allowed_runs, MOST_RUNS) and (evaluations <= MOST_EVALUATIONS or runs <= allowed_runs):
            return
        parts = ", ".join(f"{a.name}: {a.setting_count:,} settings" for a in self.agents)
        raise ConfigError(
            f"study {self.name!r} is {runs:,} runs of {evaluations:,} evaluations ({parts}); more than {MOST_RUNS:,} "
            f"runs or {MOST_EVALUATIONS:,} evaluations must be confirmed: --allow-runs {runs}"
        )

    def to_json(self) -> dict[str, Any]:
        """The definition as plain JSON values; equal definitions give equal JSON."""
        return cast(dict[str, Any], _plain(dataclasses.asdict(self)))


def whole(name: str, value: Any, least: int) -> None:
    """Refuse a value that is not a whole number from ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name}: {value!r} is not allowed; allowed: whole numbers from {least}")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
