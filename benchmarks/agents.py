"""Every agent and the outside optimisers on the same problems, starts, budgets and seeds.

    python -m benchmarks.agents run --problems choices/0 mixed/0 --contestants cheap --budget 500 --seeds 10
    python -m benchmarks.agents gather && python -m benchmarks.agents page

`gather` sums the runs up in ``benchmarks/results``; `page` writes ``docs/agents-compared.md`` from that.

Each run is one line of ``build/agents.jsonl``; runs that are there already are skipped, so the benchmark can be made in
slices and interrupted. Every contestant is told the same ten designs of a latin hypercube first, which count. One run
serves all budgets below its own, except for contestants that plan for their budget: they run once for each. A run stops
when its CPU time without the simulator reaches ``--cap`` seconds; tables say at how many evaluations.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from archgym import make_problem
from archgym.agents import make_agent
from archgym.agents.base import Agent
from archgym.agents.start import spread
from archgym.problem import Evaluation, Problem
from archgym.simulators import synthetic
from archgym.simulators.table import find_table
from archgym.space import Designs, Space

BUDGETS = (100, 200, 500, 2000)
#: Evaluations at which a run writes its best reward down.
CHECKPOINTS = (20, 50, 100, 200, 300, 500, 1000, 1500, 2000)
START = 10
RESULTS = Path("build/agents.jsonl")


class PlainHillClimb:
    """The baseline to beat: change one parameter at random, keep what is not worse, restart after 60 failures."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space, self.rng, self.here, self.reward, self.failures = space, np.random.default_rng(seed), None, 0.0, 0

    def ask(self, count: int) -> Designs:
        rows = self.space.sample(self.rng, count)
        if self.here is not None and self.failures < 60:
            column = self.rng.integers(len(self.space))
            rows[0] = np.where(np.arange(len(self.space)) == column, rows[0], self.here)
        return rows

    def tell(self, told: Evaluation) -> None:
        best = int(told.reward.argmax())
        anew = self.here is None or self.failures >= 60
        if anew or told.reward[best] >= self.reward:
            self.failures = 0 if anew or told.reward[best] > self.reward else self.failures + 1
            self.here, self.reward = told.designs[best], told.reward[best]
        else:
            self.failures += 1


class ScikitOptimizeLoop:
    """scikit-optimize's own ``Optimizer``, as its ``gp_minimize`` and ``forest_minimize`` use it."""

    def __init__(self, space: Space, seed: int, base: str) -> None:
        from skopt import Optimizer
        from skopt.space import Categorical, Integer

        kinds = [
            Integer(0, len(p.levels) - 1)
            if p.ordered and len(p.levels) > 1
            else Categorical(list(range(len(p.levels))))
            for p in space.parameters
        ]
        self.made = Optimizer(kinds, base, n_initial_points=START, random_state=seed)

    def ask(self, count: int) -> Designs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.array([self.made.ask()], dtype=np.int64)

    def tell(self, told: Evaluation) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for design, reward in zip(told.designs.tolist(), told.reward.tolist(), strict=True):
                self.made.tell(design, -reward, fit=design == told.designs[-1].tolist())


def agent(name: str, plans: bool = False, **hyperparameters: Any) -> Callable[[Space, int, int], Any]:
    def make(space: Space, seed: int, budget: int) -> Agent:
        return make_agent(name, space, seed, hyperparameters | ({"horizon": budget} if plans else {}))

    return make


#: Name -> (kind, whether it plans for its budget, how it is made).
CONTESTANTS: dict[str, tuple[str, bool, Callable[[Space, int, int], Any]]] = {
    "random": ("baseline", False, agent("random")),
    "walker": ("baseline", False, agent("walker")),
    "grid": ("baseline", False, agent("grid")),
    "hillclimb": ("cheap", False, agent("hillclimb")),
    "annealing": ("cheap", True, agent("annealing", plans=True)),
    "ga": ("cheap", False, agent("ga")),
    "gamma": ("cheap", False, agent("gamma")),
    "nsga2": ("cheap", False, agent("nsga2")),
    "aco": ("cheap", False, agent("aco")),
    "bandits": ("cheap", False, agent("bandits")),
    "sae": ("cheap", False, agent("sae")),
    "bottleneck": ("domain", False, agent("bottleneck")),
    "gp": ("model", False, agent("gp")),
    "coordination": ("model", False, agent("coordination")),
    "bo": ("model", False, agent("bo")),
    "bo-et": ("model", False, agent("bo", surrogate="et")),
    "ppo": ("rl", False, agent("ppo")),
    "maskable_ppo": ("rl", False, agent("maskable_ppo")),
    "a2c": ("rl", False, agent("a2c")),
    "dqn": ("rl", True, agent("dqn", plans=True)),
    "sac": ("rl", False, agent("sac")),
    "td3": ("rl", False, agent("td3")),
    "mappo": ("rl", False, agent("mappo")),
    "coma": ("rl", False, agent("coma")),
    "peer: hill climb, 15 lines": ("peer-cheap", False, lambda space, seed, budget: PlainHillClimb(space, seed)),
    "peer: optuna tpe": ("peer-cheap", False, agent("optuna", sampler="tpe")),
    "peer: optuna nsga2": ("peer-cheap", False, agent("optuna", sampler="nsga2")),
    "peer: cmaes CatCMAwM": ("peer-cheap", False, agent("cmaes")),
    "peer: nevergrad NGOpt": ("peer-slow", True, agent("nevergrad", plans=True)),
    "peer: optuna gp": ("peer-model", False, agent("optuna", sampler="gp")),
    "peer: scikit-optimize gp": (
        "peer-model",
        False,
        lambda space, seed, budget: ScikitOptimizeLoop(space, seed, "GP"),
    ),
    "peer: scikit-optimize et": (
        "peer-model",
        False,
        lambda space, seed, budget: ScikitOptimizeLoop(space, seed, "ET"),
    ),
}


def _synthetic(kind: str, instance: str) -> Problem:
    if kind == "choices":
        simulator, source = synthetic.ChoicesSimulator(), synthetic.CHOICES_INSTANCES
    else:
        simulator, source = synthetic.MixedSimulator(), synthetic.MIXED_INSTANCES
    return Problem(f"{kind}/{instance}", simulator, source.load(f"instance-{instance}"), "value", synthetic.Lower())


#: Name -> id, workload, objective. Names not listed here: ``choices/N`` and ``mixed/N`` are synthetic instances.
PROBLEMS: dict[str, tuple[str, str | None, str | None]] = {
    "dram-cloud": ("DRAMEnv-v0", "cloud-1", "joint"),
    "dram-random": ("DRAMEnv-v0", "random", "joint"),
    "soc-audio": ("SoCEnv-v0", "audio_decoder", "budgets"),
    "soc-edge": ("SoCEnv-v0", "edge_detection", "budgets"),
    "dnn-mapping": ("DNNMappingEnv-v0", None, "edp"),
    "dnn-systolic": ("SystolicEnv-v0", None, "edp"),
}


@functools.cache
def problem(name: str) -> Problem:
    """The problem of this name; where its whole space is tabulated, the table stands in for the simulator."""
    kind, _, instance = name.partition("/")
    if kind in ("choices", "mixed"):
        return _synthetic(kind, instance)
    own = make_problem(*PROBLEMS[name])
    table = find_table(own.simulator, own.workload)
    return own if table is None else make_problem(*PROBLEMS[name], table)


class Remembering:
    """A problem that simulates each design once, whoever asks: simulators are pure, and only the agents are measured."""

    def __init__(self, chosen: Problem) -> None:
        self.problem, self.known = chosen, {}

    def __call__(self, designs: Designs) -> Evaluation:
        if len(designs) == 1:
            key = designs.tobytes()
            if key not in self.known:
                self.known[key] = self.problem.evaluate(designs)
            return self.known[key]
        return self.problem.evaluate(designs)


def clock_cost() -> float:
    """CPU seconds that reading the CPU clock takes itself; on some machines more than a fast agent does."""
    pairs = [-time.process_time() + time.process_time() for _ in range(200)]
    return float(np.median(pairs))


def search(evaluate: Remembering, contestant: str, seed: int, budget: int, cap: float) -> dict[str, Any]:
    """One run: best rewards at the budgets, CPU seconds of the contestant alone, wall seconds of everything."""
    space = evaluate.problem.space
    start = spread(space, np.random.default_rng([seed, 77]), START)
    clock, windows = clock_cost(), 1
    began, used = time.perf_counter(), -time.process_time()
    made = CONTESTANTS[contestant][2](space, seed, budget)
    batch = getattr(made, "batch_size", 1) if getattr(made, "learns", True) else 100
    used += time.process_time()
    rewards: list[float] = []
    designs = start
    while len(rewards) < budget:
        told = evaluate(designs)
        rewards.extend(told.reward.tolist())
        windows += 1
        used -= time.process_time()
        made.tell(told)
        left = budget - len(rewards)
        designs = made.ask(min(batch, left))[: max(1, min(batch, left))] if left else designs
        used += time.process_time()
        if used > cap:
            break
    best = np.maximum.accumulate(rewards[:budget])
    at = sorted({*(b for b in CHECKPOINTS if b <= len(best)), len(best)})
    return {
        "best": {str(b): float(best[b - 1]) for b in at},
        "evaluations": len(best),
        "seconds": max(0.0, used - windows * clock),
        "wall": time.perf_counter() - began,
    }


def warm_up(contestant: str) -> None:
    """Imports and compilation, which are no part of a run."""
    search(Remembering(_synthetic("mixed", "999")), contestant, 0, 40, 60.0)


def recorded(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(problems: list[str], contestants: list[str], budget: int, seeds: int, cap: float, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {(r["problem"], r["contestant"], r["seed"], r["budget"]) for r in recorded(path)}
    warm: set[str] = set()
    for name in problems:
        evaluate = Remembering(problem(name))
        for contestant in contestants:
            for seed in range(seeds):
                key = (name, contestant, seed, budget)
                if key in done:
                    continue
                if contestant not in warm:
                    warm_up(contestant)
                    warm.add(contestant)
                found = search(evaluate, contestant, seed, budget, cap)
                entry = dict(zip(("problem", "contestant", "seed", "budget"), key, strict=True)) | found
                with path.open("a") as file:
                    file.write(json.dumps(entry) + "\n")
            print(name, contestant, "done", flush=True)


def expand(names: Iterable[str]) -> list[str]:
    kinds = {kind for kind, _, _ in CONTESTANTS.values()}
    chosen: list[str] = []
    for name in names:
        chosen += [c for c, (kind, _, _) in CONTESTANTS.items() if kind == name] if name in kinds else [name]
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "gather", "page"))
    parser.add_argument("--problems", nargs="+", default=["choices/0", "mixed/0", *PROBLEMS])
    parser.add_argument("--contestants", nargs="+", default=["baseline", "cheap", "peer-cheap"], help="names or kinds")
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cap", type=float, default=120.0, help="CPU seconds of a run at most")
    parser.add_argument("--results", type=Path, nargs="+", default=[RESULTS], help="logs; runs go into the first")
    chosen = parser.parse_args()
    if chosen.what == "gather":
        from benchmarks.agent_results import gather

        gather(chosen.results)
    elif chosen.what == "page":
        from benchmarks.agent_page import write
        from benchmarks.agent_results import read

        write(read())
    else:
        contestants = expand(chosen.contestants)
        run(chosen.problems, contestants, chosen.budget, chosen.seeds, chosen.cap, chosen.results[0])


if __name__ == "__main__":
    main()
