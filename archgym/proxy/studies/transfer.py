"""``proxy-transfer``: networks trained on cheap simulations of a short trace first, then on few full ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.problem import Problem
from archgym.proxy.features import FeatureMap
from archgym.proxy.fit import relative_rmse
from archgym.proxy.networks import NetworkModel, fit_networks
from archgym.proxy.samples import Samples
from archgym.proxy.studies.common import Outcome, Scale, Tell, draw_designs, simulated, truth
from archgym.registry import make_problem
from archgym.report.style import BLUE, ORANGE, new_figure, save

WORKLOAD, SHORT = "cloud-1", "cloud-1?requests=500"
TARGETS = ("mean_latency_s", "total_time_s", "energy_J")
SIZES = (50, 100, 200, 400, 800, 1600)
CHEAP = 6000
FIRST_STEPS, STEPS = 3000, 1500


def run(scale: Scale, tell: Tell) -> Outcome:
    problem, short = truth("DRAMEnv-v0", WORKLOAD), make_problem("DRAMEnv-v0", SHORT)
    judges = simulated(problem, TARGETS, 4000, 1, judging=True)
    cheap = simulated(short, TARGETS, scale.of(CHEAP), 7)
    tell(f"{len(cheap):,} designs simulated on {SHORT}")
    first_steps, steps = scale.of(FIRST_STEPS), scale.of(STEPS)
    rows: list[dict[str, Any]] = []
    for number, target in enumerate(TARGETS):
        before = _fit(problem, cheap, number, first_steps, 0)
        for seed in range(scale.seeds):
            for size in SIZES:
                some = simulated(problem, TARGETS, size, seed)
                for name, start in (("from nothing", None), ("after the short trace", before)):
                    model = _fit(problem, some, number, steps, seed, start)
                    rows.append({"metric": target, "seed": seed, "full_simulations": len(some), "start": name,
                                 "relative_rmse": _error(problem, model, judges, number)})  # fmt: skip
        told = ", ".join(
            f"{name} {_mean(rows, target, name, SIZES[-1]):.2%}" for name in ("from nothing", "after the short trace")
        )
        tell(f"{target}, {SIZES[-1]} full simulations: {told}")
    return Outcome("proxy-transfer", rows, _findings(rows, _cost(problem, short)), lambda stem: _draw(rows, stem))


def _columns(problem: Problem, designs: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    features = FeatureMap(problem.space)
    return features.integers(designs), features.scale


def _fit(
    problem: Problem, samples: Samples, target: int, steps: int, seed: int, start: NetworkModel | None = None
) -> NetworkModel:
    columns, scale = _columns(problem, samples.designs)
    rate = 4e-3 if start is None else 2e-3  # what was learnt first is to be kept
    return fit_networks(
        columns, np.empty((len(samples), 0)), scale, np.log(samples.targets[:, target]), seed, steps=steps, rate=rate,
        start=start,
    )  # fmt: skip


def _error(problem: Problem, model: NetworkModel, judges: Samples, target: int) -> float:
    columns, _ = _columns(problem, judges.designs)
    members = model.bind(np.empty(0)).members(judges.designs, columns)
    return relative_rmse(np.exp(members.mean(axis=1)), judges.targets[:, target])


def _cost(problem: Problem, short: Problem) -> float:
    """CPU time of a design on the short trace, relative to the full one."""
    import time

    own = make_problem(problem.id, problem.workload.name)
    few, spent = draw_designs(problem, 60, 9), []
    for simulated_on in (short, own):
        simulated_on.simulator(few[:2], simulated_on.workload)
        start = time.process_time()
        simulated_on.simulator(few, simulated_on.workload)
        spent.append(time.process_time() - start)
    return spent[0] / spent[1]


def _mean(rows: list[dict[str, Any]], target: str, start: str, size: int) -> float:
    """Geometric mean over the seeds."""
    mine = [row["relative_rmse"] for row in rows if (row["metric"], row["start"]) == (target, start)
            and row["full_simulations"] == size]  # fmt: skip
    return float(np.exp(np.mean(np.log(mine))))


def _findings(rows: list[dict[str, Any]], cost: float) -> list[str]:
    lines = [f"a design on {SHORT} costs {cost:.1%} of a full simulation"]
    sizes = sorted({row["full_simulations"] for row in rows})
    for target in TARGETS:
        nothing = [_mean(rows, target, "from nothing", n) for n in sizes]
        after = [_mean(rows, target, "after the short trace", n) for n in sizes]
        met = [n for n, value in zip(sizes, nothing, strict=True) if value <= after[0]]
        told = f"needs {met[0]:,} full simulations" if met else f"is not reached with {sizes[-1]:,} full simulations"
        pairs = ", ".join(f"{n}: {a:.2%} / {b:.2%}" for n, a, b in zip(sizes, nothing, after, strict=True))
        lines.append(f"{target}, error from nothing / after the short trace by full simulations: {pairs}")
        lines.append(f"{target}: what {sizes[0]} full simulations give after the short trace {told} without it")
    return lines


def _draw(rows: list[dict[str, Any]], stem: Path) -> list[Path]:
    figure, axes = new_figure(12.5, 3.8, 1, len(TARGETS))
    sizes = sorted({row["full_simulations"] for row in rows})
    for axis, target in zip(axes, TARGETS, strict=True):
        for start, colour in (("from nothing", ORANGE), ("after the short trace", BLUE)):
            axis.plot(sizes, [100 * _mean(rows, target, start, n) for n in sizes], "o-", color=colour, markersize=4,
                      label=start)  # fmt: skip
        axis.set(xscale="log", yscale="log", xlabel="full simulations", ylabel="relative RMSE (%)")
        axis.set_title(target.rsplit("_", 1)[0].replace("_", " "))
        axis.legend(fontsize=8)
    figure.suptitle(f"Networks on {WORKLOAD}: trained from nothing, or on {SHORT} first")
    return save(figure, stem)
