"""Pictures of one run: the best reward so far, and the designs in the plane of two metrics.

Both are drawn from the run file alone, plus the default design for comparison.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archgym.problem import Problem
from archgym.registry import family
from archgym.report.style import BLUE, GREEN, GREY, ORANGE, RED, legend_below, new_figure, save
from archgym.runlog import Run

if TYPE_CHECKING:
    from matplotlib.axis import Axis


def pareto_front(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of ``costs``, shape (N, M), that no other row dominates (all to be minimised; first of equals), sorted
    by the first cost. Rows with a value that is not finite are never on the front."""
    order = np.lexsort(costs.T[::-1])
    front: list[int] = []
    for row in order:
        if np.isfinite(costs[row]).all() and not any((costs[other] <= costs[row]).all() for other in front):
            front.append(int(row))
    return np.array(front, dtype=np.int64)


def save_figures(run: Run, problem: Problem, stem: Path) -> list[Path]:
    """Save ``stem-best.png/.svg`` and, if the family names a plane, ``stem-plane.png/.svg``; returns the paths.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    paths = _best_so_far(run, problem, stem.with_name(stem.name + "-best"))
    plane = family(problem.id).plane
    if plane and run.metrics.feasible.any() and all(np.isfinite(run.metrics[name]).any() for name in plane):
        paths += _plane(run, problem, plane, stem.with_name(stem.name + "-plane"))
    return paths


def _title(run: Run, problem: Problem) -> str:
    spec = run.header["spec"]
    return f"{problem.id}, {problem.workload.name}, {problem.objective_name}: {spec['agent']}, seed {spec['seed']}"


def _best_so_far(run: Run, problem: Problem, stem: Path) -> list[Path]:
    figure, axes = new_figure(7, 4)
    evaluations = np.arange(1, len(run) + 1)
    axes.plot(evaluations, run.reward, ".", color=GREY, markersize=3, label="each design", rasterized=True)
    axes.step(
        evaluations, np.maximum.accumulate(run.reward), where="post", color=BLUE, linewidth=2, label="best so far"
    )
    reference = float(problem.evaluate(problem.space.default).reward[0])
    axes.axhline(reference, color=ORANGE, linestyle="--", linewidth=1.2, label="default design")
    axes.set(xlabel="simulations", ylabel="reward (higher is better)", title=_title(run, problem))
    axes.set_xlim(0, len(run) + 1)
    legend_below(figure)
    return save(figure, stem)


_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))


def scaled(values: NDArray[np.float64], unit: str) -> tuple[float, str]:
    """A factor and a prefixed unit in which the values are easy to read."""
    typical = float(np.nanmedian(np.abs(values[np.isfinite(values)]))) if np.isfinite(values).any() else 1.0
    if unit not in ("s", "J", "W"):
        return 1.0, unit
    factor, prefix = next(((f, p) for f, p in _PREFIXES if typical >= f), _PREFIXES[-1])
    return 1.0 / factor, prefix + unit


def _plain_log(side: Axis) -> None:
    """Ticks of a logarithmic axis that read 1, 2, 5, 10, … instead of powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    side.set_major_locator(LogLocator(subs=(1, 2, 5)))
    side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    side.set_minor_formatter(NullFormatter())


def _plane(run: Run, problem: Problem, plane: tuple[str, str], stem: Path) -> list[Path]:
    figure, axes = new_figure(6.5, 5)
    units = {metric.name: metric.unit for metric in problem.metrics}
    factors, labels = [], []
    for name in plane:
        factor, unit = scaled(run.metrics[name], units[name])
        factors.append(factor)
        labels.append(f"{name.rsplit('_', 1)[0].replace('_', ' ')} ({unit})")
    costs = np.stack([run.metrics[name] * factor for name, factor in zip(plane, factors, strict=True)], axis=1)
    front = costs[pareto_front(costs)]
    axes.plot(*costs.T, ".", color=GREY, markersize=4, label="designs tried", rasterized=True)
    axes.step(*front.T, where="post", color=GREEN, linewidth=1.5, marker="o", markersize=4, label="Pareto front")
    axes.plot(
        *(problem.reference[n] * f for n, f in zip(plane, factors, strict=True)),
        "s",
        color=ORANGE,
        label="default design",
    )
    axes.plot(*costs[run.best], "*", color=RED, markersize=14, label="best by the objective")
    low, high = np.nanmin(costs, axis=0), np.nanmax(costs, axis=0)
    scales = (axes.set_xscale, axes.set_yscale)
    for scale, side, least, most in zip(scales, (axes.xaxis, axes.yaxis), low, high, strict=True):
        if least > 0 and most / least > 20:
            scale("log")
            _plain_log(side)
    axes.set(xlabel=labels[0], ylabel=labels[1], title=_title(run, problem))
    legend_below(figure)
    return save(figure, stem)
