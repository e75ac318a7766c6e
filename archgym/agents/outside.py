"""Adapters to outside optimisers through their own ask and tell: Optuna, Nevergrad and cmaes.

They search the same levels with the same start as every other agent: ordered parameters as integers,
unordered ones as categories. Designs they did not ask for are passed on where the library takes them.
"""

from __future__ import annotations

import importlib.util
import warnings
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Agent, Hyperparameters, hyper
from archgym.agents.start import METHODS, Start
from archgym.errors import MissingExtraError
from archgym.problem import Evaluation
from archgym.space import Designs, Space

#: What an infeasible or unbounded reward is told as, so that a library never sees an infinity.
WORST = 1e30


class OutsideOptimiser(Agent):
    """What the adapters share: the start, and matching what is told to what was asked."""

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        super().__init__(space, seed, hyperparameters)
        chosen = self.hyperparameters
        self._start = Start(space, self.rng, chosen.start_size, chosen.start)
        self._pending: dict[bytes, deque[Any]] = {}
        self._told = 0

    def ask(self, count: int) -> Designs:
        first = self._start.take(count, self._told)
        rows = [*first]
        while len(rows) < count:
            design, token = self._suggest()
            design = self.space.check(design)[0]
            self._pending.setdefault(design.tobytes(), deque()).append(token)
            rows.append(design)
        return np.stack(rows)

    def tell(self, evaluation: Evaluation) -> None:
        self.check(evaluation)
        self._told += len(evaluation)
        rows = np.ascontiguousarray(evaluation.designs, dtype=np.int64)
        for row, reward in zip(rows, evaluation.reward.tolist(), strict=True):
            cost = float(np.clip(-reward, -WORST, WORST)) if np.isfinite(reward) else WORST
            waiting = self._pending.get(row.tobytes())
            self._learn(waiting.popleft() if waiting else None, row, cost)

    @abstractmethod
    def _suggest(self) -> tuple[Sequence[int] | NDArray[np.int64], Any]:
        """A design and the library's token for it."""

    @abstractmethod
    def _learn(self, token: Any | None, design: NDArray[np.int64], cost: float) -> None:
        """Pass on a cost; ``token`` is None for a design the library did not suggest."""


@dataclass(frozen=True)
class OptunaHyperparameters(Hyperparameters):
    sampler: str = hyper(
        "tpe", "Optuna's sampler; gp needs PyTorch", choices=("tpe", "gp", "nsga2", "cmaes", "random", "qmc")
    )
    population: int = hyper(20, "population of the nsga2 sampler", 2, 10000)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(10, "first designs, before the sampler decides", 1, 10000)


class OptunaSearch(OutsideOptimiser):
    """A study of Optuna.

    Source: Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", 2019.
    """

    name = "optuna"
    summary = (
        "Optuna behind this interface: tree-structured Parzen estimator, Gaussian process, NSGA-II, CMA-ES and others."
    )
    use_when = "you know Optuna's samplers and want them on the same budget and log as everything else."
    Hyperparameters = OptunaHyperparameters
    #: What samplers need beyond Optuna, and the extra that brings it.
    _NEEDS: ClassVar[dict[str, tuple[str, str]]] = {"gp": ("torch", "rl"), "qmc": ("scipy", "agents")}

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        import optuna

        super().__init__(space, seed, hyperparameters)
        package, extra = self._NEEDS.get(self.hyperparameters.sampler, ("optuna", "peers"))
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"sampler {self.hyperparameters.sampler!r} of agent 'optuna'", extra)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna
        distributions = optuna.distributions
        self._kinds: dict[str, Any] = {
            p.name: (distributions.IntDistribution(0, len(p.levels) - 1))
            if p.ordered
            else distributions.CategoricalDistribution(tuple(range(len(p.levels))))
            for p in space.parameters
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study = optuna.create_study(sampler=self._sampler())

    def _sampler(self) -> Any:
        samplers, chosen = self._optuna.samplers, self.hyperparameters
        made = {
            "tpe": lambda: samplers.TPESampler(seed=self.seed, n_startup_trials=1),
            "gp": lambda: samplers.GPSampler(seed=self.seed, n_startup_trials=1, deterministic_objective=True),
            "nsga2": lambda: samplers.NSGAIISampler(population_size=chosen.population, seed=self.seed),
            "cmaes": lambda: samplers.CmaEsSampler(seed=self.seed, n_startup_trials=1),
            "random": lambda: samplers.RandomSampler(seed=self.seed),
            "qmc": lambda: samplers.QMCSampler(seed=self.seed),
        }
        return made[chosen.sampler]()

    def _suggest(self) -> tuple[Sequence[int] | NDArray[np.int64], Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask(self._kinds)
        return [trial.params[name] for name in self.space.names], trial

    def _learn(self, token: Any | None, design: NDArray[np.int64], cost: float) -> None:
        if token is not None:
            self._study.tell(token, cost)
            return
        params = dict(zip(self.space.names, design.tolist(), strict=True))
        known = self._optuna.trial.create_trial(params=params, distributions=self._kinds, value=cost)
        self._study.add_trial(known)


@dataclass(frozen=True)
class NevergradHyperparameters(Hyperparameters):
    optimiser: str = hyper(
        "NGOpt",
        "Nevergrad's optimiser",
        choices=(
            "NGOpt",
            "OnePlusOne",
            "DiscreteOnePlusOne",
            "PortfolioDiscreteOnePlusOne",
            "TwoPointsDE",
            "PSO",
            "CMA",
        ),
    )
    horizon: int = hyper(500, "budget it plans for where the budget is not known (ask and tell)", 1, 10000000)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(10, "first designs, before the optimiser decides", 1, 10000)


class NevergradSearch(OutsideOptimiser):
    """An optimiser of Nevergrad; unordered parameters are deterministic choices, ordered ones transitions.

    Source: Bennet et al., "Nevergrad: black-box optimization platform", 2021.
    """

    name = "nevergrad"
    summary = "Nevergrad behind this interface; NGOpt picks an algorithm by the space and the budget."
    use_when = "you know Nevergrad's optimisers and want them on the same budget and log as everything else."
    Hyperparameters = NevergradHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        import nevergrad

        super().__init__(space, seed, hyperparameters)
        self._library = nevergrad
        self._horizon = int(self.hyperparameters.horizon)
        self._made: Any = None

    def begin(self, budget: int) -> None:
        self._horizon = max(1, budget)

    @property
    def _optimiser(self) -> Any:
        if self._made is None:
            choices = {
                p.name: self._library.p.TransitionChoice(range(len(p.levels)))
                if p.ordered
                else self._library.p.Choice(range(len(p.levels)), deterministic=True)
                for p in self.space.parameters
            }
            shape = self._library.p.Dict(**choices)
            shape.random_state = np.random.RandomState(self.seed)
            self._made = self._library.optimizers.registry[self.hyperparameters.optimiser](shape, budget=self._horizon)
        return self._made

    def _suggest(self) -> tuple[Sequence[int] | NDArray[np.int64], Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            candidate = self._optimiser.ask()
        return [int(candidate.value[name]) for name in self.space.names], candidate

    def _learn(self, token: Any | None, design: NDArray[np.int64], cost: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if token is None:
                values = dict(zip(self.space.names, design.tolist(), strict=True))
                token = self._optimiser.parametrization.spawn_child(new_value=values)
            self._optimiser.tell(token, cost)


@dataclass(frozen=True)
class CatCMAHyperparameters(Hyperparameters):
    population: int = hyper(0, "designs a generation; 0 takes the library's own number", 0, 10000)
    start: str = hyper("latin", "how the first designs are spread", choices=METHODS)
    start_size: int = hyper(
        1, "first designs; the library begins in the middle of the ranges and learns nothing from them", 1, 10000
    )


class CatCMASearch(OutsideOptimiser):
    """CatCMA with margin: a Gaussian over ordered parameters beside categorical distributions.

    Source: Hamano et al., "CatCMA with margin", 2025; the library cmaes.
    """

    name = "cmaes"
    summary = (
        "The library cmaes behind this interface: CMA-ES with margin for ordered parameters, distributions for choices."
    )
    use_when = "most parameters are ordered and the budget is hundreds or more."
    Hyperparameters = CatCMAHyperparameters

    def __init__(self, space: Space, seed: int = 0, hyperparameters: object | None = None) -> None:
        import cmaes

        super().__init__(space, seed, hyperparameters)
        self._library = cmaes
        self._whole = np.flatnonzero((space.sizes > 2) & space.ordered)
        self._kinds = np.flatnonzero((space.sizes > 1) & ~((space.sizes > 2) & space.ordered))
        self._made: Any = None
        self._restarts = 0
        self._generation: list[tuple[Any, float]] = []

    def _optimiser(self) -> Any:
        if self._made is None:
            settings: dict[str, Any] = {"seed": self.seed + 7919 * self._restarts}
            if len(self._whole):
                settings["z_space"] = [list(range(int(self.space.sizes[column]))) for column in self._whole]
            if len(self._kinds):
                settings["c_space"] = self.space.sizes[self._kinds]
            if self.hyperparameters.population:
                settings["population_size"] = int(self.hyperparameters.population)
            self._made = self._library.CatCMAwM(**settings)
        return self._made

    def _suggest(self) -> tuple[Sequence[int] | NDArray[np.int64], Any]:
        design = np.array(self.space.default)
        if not len(self._whole) and not len(self._kinds):
            return design, None
        try:
            with np.errstate(all="ignore"):
                solution = self._optimiser().ask()
        except (np.linalg.LinAlgError, ValueError):  # the distribution has collapsed to a point
            self._restart()
            solution = self._optimiser().ask()
        if len(self._whole):
            design[self._whole] = np.asarray(solution.z).astype(np.int64)
        for column, one_hot in zip(self._kinds, solution.c if len(self._kinds) else (), strict=True):
            design[column] = int(np.argmax(one_hot))
        return design, solution

    def _learn(self, token: Any | None, design: NDArray[np.int64], cost: float) -> None:
        if token is None:
            return
        self._generation.append((token, cost))
        if len(self._generation) == self._made.population_size:
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    self._made.tell(self._generation)
                    self._generation = []
                    if self._made.should_stop():
                        self._restart()
            except (np.linalg.LinAlgError, ValueError):
                self._restart()

    def _restart(self) -> None:
        """Begin anew with other random numbers; what is still to be told is not learned from."""
        self._made, self._generation = None, []
        self._restarts += 1
        self._pending = {key: deque([None] * len(tokens)) for key, tokens in self._pending.items()}
