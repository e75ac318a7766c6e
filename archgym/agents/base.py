"""The agent interface: ask for designs, be told how they did.

An agent sees a space and evaluations, nothing else; every simulation goes through the evaluator it is
given, which counts and logs it. Hyperparameters are one frozen dataclass an agent, whose fields carry
help and allowed ranges, from which the command line, sweeps, documentation and validation are read.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from archgym.errors import ConfigError, DesignError, UnknownNameError
from archgym.problem import Evaluation
from archgym.space import Designs, Space


class Evaluate(Protocol):
    """Evaluates designs within a budget; what an agent's `run` is given."""

    @property
    def space(self) -> Space: ...
    @property
    def remaining(self) -> int:
        """Evaluations left."""
        ...

    def __call__(self, designs: Designs) -> Evaluation:
        """Raises BudgetExhausted, after evaluating what still fits, if more are asked for than remain."""
        ...


def hyper(
    default: Any, help: str, low: float | None = None, high: float | None = None, choices: tuple[Any, ...] = ()
) -> Any:
    """A hyperparameter field: its default, what it does, and its allowed range or choices (inclusive)."""
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class Hyperparameters:
    """Base of every agent's hyperparameters; checks each field against its declared range."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, meta = getattr(self, field.name), field.metadata
            if meta.get("choices"):
                if value not in meta["choices"]:
                    raise ConfigError(
                        f"hyperparameter {field.name!r}: {value!r} is not allowed; allowed: {_listed(meta['choices'])}"
                    )
                continue
            kind = type(field.default)
            if not isinstance(value, (int, float) if kind is float else kind) or (
                kind is not bool and isinstance(value, bool)
            ):
                raise ConfigError(f"hyperparameter {field.name!r}: {value!r} is not of type {kind.__name__}")
            low, high = meta.get("low"), meta.get("high")
            if kind in (int, float) and not (low is None or value >= low) & (high is None or value <= high):
                raise ConfigError(f"hyperparameter {field.name!r}: {value!r} is out of range; allowed: {low} to {high}")

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Hyperparameters:
        """From names and values; text is converted to the field's type.

        Raises:
            UnknownNameError, ConfigError: for an unknown name or a value out of range.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        parsed: dict[str, Any] = {}
        for name, value in values.items():
            if name not in fields:
                raise UnknownNameError("hyperparameter", name, fields)
            value = value.item() if isinstance(value, np.generic) else value
            parsed[name] = _convert(name, value, type(fields[name].default)) if isinstance(value, str) else value
            if type(fields[name].default) is float and type(parsed[name]) is int:
                parsed[name] = float(parsed[name])
        return cls(**parsed)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _listed(values: tuple[Any, ...]) -> str:
    return ", ".join(map(str, values))


def _convert(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() in ("true", "1", "yes", "false", "0", "no"):
            return text.lower() in ("true", "1", "yes")
    elif kind is str:
        return text
    else:
        try:
            return kind(text)
        except ValueError:
            pass
    raise ConfigError(f"hyperparameter {name!r}: {text!r} is not of type {kind.__name__}")


class Agent(ABC):
    """A search agent over one space.

    Args:
        space: what is searched.
        seed: every random choice follows from it.
        hyperparameters: an instance of the class's ``Hyperparameters``; defaults if omitted.
    """

    name: ClassVar[str]
    #: The idea in up to three sentences; the class's docstring names the source.
    summary: ClassVar[str] = ""
    #: When to choose this agent over another.
    use_when: ClassVar[str] = ""
    #: Whether what it is told changes what it asks; one that learns must beat random search on a toy.
    learns: ClassVar[bool] = True
    Hyperparameters: ClassVar[type[Hyperparameters]] = Hyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        self.space = space
        self.seed = seed
        self.hyperparameters: Any = hyperparameters if hyperparameters is not None else self.Hyperparameters()
        self.rng = np.random.default_rng(seed)

    @property
    def batch_size(self) -> int:
        """How many designs the agent likes to ask for at a time."""
        return 1

    @abstractmethod
    def ask(self, count: int) -> Designs:
        """Exactly ``count`` legal designs, shape (count, D)."""

    @abstractmethod
    def tell(self, evaluation: Evaluation) -> None:
        """Learn from an evaluation, of designs asked for or not (warm start)."""

    def check(self, evaluation: Evaluation) -> None:
        """Refuse an evaluation of another space; to be called first in `tell`."""
        if evaluation.space_fingerprint != self.space.fingerprint:
            raise DesignError(
                f"evaluation belongs to space {evaluation.space_fingerprint}, but agent {self.name!r} searches "
                f"{self.space.name!r} ({self.space.fingerprint})"
            )

    def begin(self, budget: int) -> None:  # noqa: B027 - most agents need not know
        """Told how many evaluations a search has, before it starts; agents that plan for it override this."""

    def run(self, evaluate: Evaluate, batch_size: int | None = None) -> None:
        """Search until the budget is used up. Agents that own their loop override this."""
        self.begin(evaluate.remaining)
        batch = batch_size or self.batch_size
        while evaluate.remaining > 0:
            self.tell(evaluate(self.ask(min(batch, evaluate.remaining))))
