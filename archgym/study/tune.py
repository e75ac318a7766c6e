"""Tuning an agent on a Ray cluster: a searcher proposes settings, a scheduler stops poor ones early.

A setting is scored by the mean best reward over the study's seeds. The winner is then run on seeds that
took no part, and only that score says how good the tuned agent is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archgym.agents import make_agent
from archgym.errors import ConfigError, MissingExtraError, UnknownNameError
from archgym.problem import Evaluation
from archgym.rollout import RunSpec
from archgym.study.definition import Agents, Draw, ProblemKey, Study
from archgym.study.ray_executor import REDUCTION, connect, rungs
from archgym.study.store import write_atomically
from archgym.study.worker import StudyWorker, Task

SEARCHERS = ("random", "optuna")


@dataclass(frozen=True)
class Trial:
    """One setting a searcher proposed: its score so far, and the evaluations spent on it."""

    setting: Mapping[str, Any]
    score: float
    evaluations: int
    complete: bool


@dataclass(frozen=True)
class Tuning:
    """What tuning one group of agents on one problem found.

    Attributes:
        trials: in the order proposed.
        best: the winning setting, among those that were not stopped early.
        score: its mean best reward on the seeds it was chosen by (flattering).
        held_out: its best rewards on other seeds, one each.
    """

    problem: ProblemKey
    label: str
    trials: tuple[Trial, ...]
    best: Mapping[str, Any]
    score: float
    held_out: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def tune_agents(
    study: Study,
    label: str,
    trials: int,
    directory: Path | str,
    searcher: str = "random",
    scheduler: str = "",
    address: str = "",
    jobs: int = 0,
) -> list[Tuning]:
    """Tune a group of agents on each of its problems; the results also go to ``tuning-*.json`` in the directory.

    Args:
        label: of one of the study's ``[[agents]]``; what its ``draw`` and ``grid`` allow is searched.
        searcher: ``"random"`` or ``"optuna"``.
        scheduler: ``""``, or ``"asha"`` to stop poor settings early.

    Raises:
        UnknownNameError, ConfigError: for an unknown name, or a group with nothing to tune.
        MissingExtraError: if Ray or Optuna is not installed.
    """
    groups = {agents.name: agents for agents in study.agents}
    for kind, name, allowed in (("agents", label, groups), ("searcher", searcher, SEARCHERS)):
        if name not in allowed:
            raise UnknownNameError(kind, name, allowed)
    agents = groups[label]
    if not agents.draw and not agents.grid:
        raise ConfigError(f"agents {label!r} have neither `draw` nor `grid`: there is nothing to tune")
    ray = connect(address, jobs)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for key in study.problems_of(agents):
        tuning = _tune(ray, study, agents, key, trials, searcher, scheduler, jobs)
        name = "-".join(part for part in (label, key.id, key.workload, key.objective) if part).replace(" ", "-")
        write_atomically(folder / f"tuning-{name}.json", json.dumps(tuning.to_json(), indent=1).encode())
        found.append(tuning)
    return found


class Scorer:
    """What a trial does: the study's seeds one after another, reporting at each rung of the budget."""

    def __init__(
        self, worker: StudyWorker, agents: Agents, key: ProblemKey, seeds: tuple[int, ...], budget: int
    ) -> None:
        self._worker, self._agents, self._key, self.seeds, self._budget = worker, agents, key, seeds, budget
        self.__name__ = "setting"

    def setting(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """A proposal with every hyperparameter written out."""
        from archgym.agents import agent_class

        return agent_class(self._agents.agent).Hyperparameters.parse({**self._agents.fixed, **chosen}).to_json()

    def task(self, setting: dict[str, Any], seed: int) -> Task:
        problem = self._worker.problem(self._key)
        batch = self._agents.batch_size or make_agent(self._agents.agent, problem.space, 0, setting).batch_size
        spec = RunSpec(problem.identity(), self._agents.agent, setting, seed, self._budget, batch)
        return Task(0, self._key, spec.agent, setting, seed, self._budget, batch, spec.hash)

    def __call__(self, config: dict[str, Any]) -> None:
        from ray import tune

        setting = self.setting(config)
        scores: list[float] = []
        for seed in self.seeds:

            def watch(used: int, best: float, evaluation: Evaluation) -> None:
                before = used - len(evaluation)
                if any(before < rung <= used for rung in rungs(self._budget)):
                    spent = self._budget * len(scores) + used
                    tune.report({"evaluations": spent, "score": float(np.mean([*scores, best]))})

            outcome = self._worker(self.task(setting, seed), watch)
            if outcome.traceback:
                raise RuntimeError(outcome.traceback)
            scores.append(outcome.summary["best_reward"])
            tune.report({"evaluations": self._budget * len(scores), "score": float(np.mean(scores))})

    def held_out(self, setting: dict[str, Any]) -> tuple[float, ...]:
        """Best rewards on as many seeds again, after the highest of the study's."""
        fresh = range(max(self.seeds) + 1, max(self.seeds) + 1 + len(self.seeds))
        return tuple(self._worker(self.task(setting, seed)).summary["best_reward"] for seed in fresh)


def _tune(
    ray: Any, study: Study, agents: Agents, key: ProblemKey, trials: int, searcher: str, scheduler: str, jobs: int
) -> Tuning:
    tune = ray.tune
    budget, seeds = agents.budget or study.budget, agents.seeds or study.seeds
    scorer = Scorer(StudyWorker.for_problems({key}, "compact"), agents, key, seeds, budget)
    whole = budget * len(seeds)
    asha = tune.schedulers.ASHAScheduler(
        time_attr="evaluations", max_t=whole + 1, grace_period=(rungs(budget) or [1])[0], reduction_factor=REDUCTION
    )
    with tempfile.TemporaryDirectory() as folder:
        results = tune.Tuner(
            tune.with_resources(scorer, {"cpu": 1}),
            param_space=_domains(tune, agents),
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                num_samples=trials,
                search_alg=_searcher(searcher, agents.draw_seed, jobs or int(ray.cluster_resources().get("CPU", 1))),
                scheduler=asha if scheduler == "asha" else None,
                max_concurrent_trials=jobs or None,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
    done = tuple(
        Trial(
            scorer.setting(r.config),
            float(r.metrics["score"]),
            int(r.metrics["evaluations"]),
            r.metrics["evaluations"] >= whole,
        )
        for r in results
        if r.error is None and r.metrics and "score" in r.metrics
    )
    complete = [trial for trial in done if trial.complete]
    if not complete:
        why = next((str(error) for error in results.errors), "all were stopped early")
        raise ConfigError(f"no setting of {agents.name!r} was run to the end on {key.label}: {why}")
    best = max(complete, key=lambda trial: trial.score)
    return Tuning(key, agents.name, done, best.setting, best.score, scorer.held_out(dict(best.setting)))


def _searcher(name: str, seed: int, jobs: int) -> Any:
    if name == "random":
        from ray.tune.search.basic_variant import BasicVariantGenerator

        return BasicVariantGenerator(random_state=seed, max_concurrent=jobs)
    try:
        import optuna  # noqa: F401
        from ray.tune.search.optuna import OptunaSearch
    except ModuleNotFoundError as error:
        raise MissingExtraError("the Optuna searcher", "peers") from error
    return OptunaSearch(metric="score", mode="max", seed=seed)


def _domains(tune: Any, agents: Agents) -> dict[str, Any]:
    """Tune's form of what a group's ``draw`` and ``grid`` allow."""
    fields = agents.fields()
    domains = {name: tune.choice(list(values)) for name, values in agents.grid.items()}
    for name, draw in agents.draw.items():
        domains[name] = _domain(tune, draw, type(fields[name].default) is int)
    return domains


def _domain(tune: Any, draw: Draw, whole: bool) -> Any:
    if draw.choices:
        return tune.choice(list(draw.choices))
    if whole:
        low, high = round(draw.low or 0), round(draw.high or 0) + 1
        return tune.lograndint(low, high) if draw.log else tune.randint(low, high)
    return tune.loguniform(draw.low, draw.high) if draw.log else tune.uniform(draw.low, draw.high)
