"""A design and its metrics against the default design: as a text table, or as a picture.

Both are drawn from one evaluation; matplotlib is imported when a picture is asked for.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archgym.envs.observation import Observer
from archgym.errors import ConfigError, MissingExtraError
from archgym.metrics import Metric
from archgym.problem import Evaluation
from archgym.space import Level, Space

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RENDER_MODES = ("ansi", "rgb_array")
BETTER, WORSE, NEUTRAL, CHOSEN = "#2f855a", "#c53030", "#718096", "#2b6cb0"
MOST_BARS = 12
MOST_ROWS = 36
MOST_TICKS = 40


def check_render_mode(mode: str | None) -> str | None:
    """``mode`` if it can be rendered.

    Raises:
        ConfigError: otherwise.
    """
    if mode is not None and mode not in RENDER_MODES:
        raise ConfigError(f"render_mode: {mode!r} is not allowed; allowed: {', '.join(RENDER_MODES)}")
    return mode


def render(mode: str | None, observer: Observer, evaluation: Evaluation, row: int = 0) -> Any:
    """One evaluated design in a render mode: text, an array of shape (height, width, 3), or None without a mode."""
    if mode == "ansi":
        return render_text(observer, evaluation, row)
    if mode != "rgb_array":
        return None
    own = getattr(observer.problem.simulator, "picture", None)  # a simulator may draw its feasible designs itself
    if own is not None and evaluation.metrics.feasible[row]:
        return own(evaluation.designs[row], observer.problem.workload)
    return render_picture(observer, evaluation, row)


def verdict(metric: Metric, value: float, default: float) -> str:
    """``"better"``, ``"worse"`` or ``""``, by the metric's direction."""
    if metric.direction == "none" or not math.isfinite(value) or value == default:
        return ""
    return "better" if (value < default) == (metric.direction == "min") else "worse"


def render_text(observer: Observer, evaluation: Evaluation, row: int = 0) -> str:
    """The design, then its metrics, each beside the default design's."""
    problem, info = observer.problem, observer.info(evaluation, row)
    lines = [
        _title(observer),
        f"reward {evaluation.reward[row]:.6g} (default design {observer.default.reward[0]:.6g})",
    ]
    if not info["feasible"]:
        lines.append(f"infeasible: {info['reason']}")
    table = [("parameter", "value", "default", "")]
    for parameter in problem.space.parameters:
        value = info["design"][parameter.name]
        changed = "changed" if value != parameter.default else ""
        table.append((_labelled(parameter.name, parameter.unit), _level(value), _level(parameter.default), changed))
    lines += ["", *_columns(table)]
    table = [("metric", "value", "default", "change")]
    for metric in problem.metrics:
        value, default = info["metrics"].get(metric.name, math.nan), problem.reference[metric.name]
        change = f"{(value / default - 1) * 100:+.2f} %" if default and math.isfinite(value / default) else ""
        table.append((metric.name, _number(value), _number(default), f"{change} {verdict(metric, value, default)}"))
    lines += ["", *_columns(table)]
    own = getattr(problem.simulator, "describe", None)  # a simulator may have more to say about its feasible designs
    if own is not None and info["feasible"]:
        lines += ["", own(evaluation.designs[row], problem.workload)]
    return "\n".join(lines) + "\n"


def _title(observer: Observer) -> str:
    problem = observer.problem
    return f"{problem.id} | workload {problem.workload.name} | objective {problem.objective_name}"


def _columns(table: list[tuple[str, str, str, str]]) -> list[str]:
    first, second, third = (max(len(entry[column]) for entry in table) for column in range(3))
    return [f"{a:<{first}}  {b:>{second}}  {c:>{third}}  {d}".rstrip() for a, b, c, d in table]


def _level(value: Level) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _labelled(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.6g}"


def render_picture(observer: Observer, evaluation: Evaluation, row: int = 0) -> NDArray[np.uint8]:
    """Metrics relative to the default design as bars, beside the levels chosen; shape (height, width, 3).

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawing pictures", "plot") from error
    bars = _bar_metrics(observer)
    shown = _shown_parameters(observer.problem.space, evaluation.designs[row])
    lines = max(len(bars), len(shown), 4)
    height = 1.5 + 0.27 * lines
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, height), dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
        _draw_metrics(left, observer, evaluation, row, bars, lines)
        _draw_levels(right, observer.problem.space, shown, evaluation.designs[row], lines)
        reward = f"reward {evaluation.reward[row]:.4g} (default {observer.default.reward[0]:.4g})"
        figure.suptitle(f"{_title(observer)}\n{reward}", fontsize=10)
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.array(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def _bar_metrics(observer: Observer) -> list[Metric]:
    """What the bars show: the objective's metrics, then the other totals that have a direction."""
    problem = observer.problem
    usable = [m for m in problem.metrics if math.isfinite(problem.reference[m.name]) and problem.reference[m.name] > 0]
    first = [m for m in usable if m.name in problem.objective.metrics]
    rest = [m for m in usable if m not in first and m.part_of is None and m.direction != "none"]
    return [*first, *rest][:MOST_BARS]


def _draw_metrics(
    axes: Axes, observer: Observer, evaluation: Evaluation, row: int, bars: list[Metric], lines: int
) -> None:
    axes.set_title("metrics relative to the default design (= 1)", fontsize=9, loc="left")
    if not evaluation.metrics.feasible[row] or not bars:
        reason = textwrap.fill(f"infeasible: {evaluation.metrics.reasons[row]}", 48) if bars else "no metric to show"
        axes.text(0.5, 0.5, reason, ha="center", va="center", color=WORSE, transform=axes.transAxes)
        axes.set_axis_off()
        return
    reference = observer.problem.reference
    colours = {"better": BETTER, "worse": WORSE, "": NEUTRAL}
    ratios = [float(evaluation.metrics[metric.name][row]) / reference[metric.name] for metric in bars]
    logs = [math.log2(ratio) if ratio > 0 and math.isfinite(ratio) else 0.0 for ratio in ratios]
    reach = max(0.15, *(abs(value) for value in logs))
    for place, (metric, ratio, value) in enumerate(zip(bars, ratios, logs, strict=True)):
        kind = verdict(metric, float(evaluation.metrics[metric.name][row]), reference[metric.name])
        axes.barh(place, value, color=colours[kind], height=0.62)
        label = f"{ratio:.3g}×" if math.isfinite(ratio) else "-"
        axes.text(
            value + math.copysign(0.03 * reach, value), place, label, va="center", ha="left" if value >= 0 else "right"
        )
    axes.vlines(0, -0.5, len(bars) - 0.5, color="black", linewidth=0.8)
    axes.text(0, len(bars) - 0.2, "◀ smaller | larger ▶ (log scale; green: better)", ha="center", va="center")
    axes.set_xlim(-1.7 * reach, 1.7 * reach)
    _bare(axes, [metric.name for metric in bars], lines)


def _shown_parameters(space: Space, design: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns whose levels are drawn: all if they fit, else those changed from the default first; in order."""
    if len(space) <= MOST_ROWS:
        return np.arange(len(space))
    changed_first = np.argsort(design == space.default, kind="stable")
    return np.sort(changed_first[:MOST_ROWS])


def _draw_levels(axes: Axes, space: Space, shown: NDArray[np.int64], design: NDArray[np.int64], lines: int) -> None:
    part = f"{len(shown)} of {len(space)} shown; " if len(shown) < len(space) else ""
    axes.set_title(f"levels chosen ({part}hollow: default)", fontsize=9, loc="left")
    places, sizes = np.arange(len(shown)), space.sizes[shown]
    few = sizes <= MOST_TICKS
    ticks = [
        ((level + 0.5) / size, place)
        for place, size in zip(places[few], sizes[few], strict=True)
        for level in range(size)
    ]
    axes.hlines(places, 0, 1, color="#e2e8f0", linewidth=5, capstyle="round", zorder=1)
    if ticks:
        axes.plot(*zip(*ticks, strict=True), "|", color="#a0aec0", markersize=7, zorder=2)
    default, chosen = space.to_unit(space.default)[0, shown], space.to_unit(design)[0, shown]
    axes.plot(default, places, "o", markerfacecolor="white", markeredgecolor=NEUTRAL, markersize=9, zorder=3)
    axes.plot(chosen, places, "o", color=CHOSEN, markersize=6, zorder=4)
    parameters = [space.parameters[column] for column in shown]
    axes.set_xlim(-0.02, 1.02)
    _bare(axes, [_labelled(parameter.name, parameter.unit) for parameter in parameters], lines)
    right = axes.secondary_yaxis("right")
    values = [_level(p.levels[int(level)]) for p, level in zip(parameters, design[shown], strict=True)]
    right.set_yticks(range(len(values)), values)
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)


def _bare(axes: Axes, labels: list[str], lines: int) -> None:
    """One labelled line an entry, the first on top, and no frame."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(lines - 0.4, -0.6)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
