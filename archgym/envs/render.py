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
from archgym.space import Level, Parameter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RENDER_MODES = ("ansi", "rgb_array")
BETTER, WORSE, NEUTRAL, CHOSEN = "#2f855a", "#c53030", "#718096", "#2b6cb0"
MOST_BARS = 12
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
    return render_picture(observer, evaluation, row) if mode == "rgb_array" else None


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
    return "\n".join([*lines, "", *_columns(table)]) + "\n"


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
    height = 1.5 + 0.27 * max(len(bars), len(observer.problem.space), 4)
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, height), dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
        _draw_metrics(left, observer, evaluation, row, bars)
        _draw_levels(right, observer.problem.space.parameters, evaluation.designs[row])
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


def _draw_metrics(axes: Axes, observer: Observer, evaluation: Evaluation, row: int, bars: list[Metric]) -> None:
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
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlim(-1.45 * reach, 1.45 * reach)
    axes.set_xlabel("◀ smaller | larger ▶ (log scale; green: better)")
    _bare(axes, [metric.name for metric in bars])


def _draw_levels(axes: Axes, parameters: tuple[Parameter, ...], design: NDArray[np.int64]) -> None:
    axes.set_title("levels chosen (hollow: default)", fontsize=9, loc="left")
    names, values = [], []
    for place, (parameter, level) in enumerate(zip(parameters, design, strict=True)):
        count = len(parameter.levels)
        default = parameter.index(parameter.default)
        at = [(number + 0.5) / count for number in range(count)]
        axes.plot([0, 1], [place, place], color="#e2e8f0", linewidth=5, solid_capstyle="round", zorder=1)
        if count <= MOST_TICKS:
            axes.plot(at, [place] * count, "|", color="#a0aec0", markersize=7, zorder=2)
        axes.plot(at[default], place, "o", markerfacecolor="white", markeredgecolor=NEUTRAL, markersize=9, zorder=3)
        axes.plot(at[int(level)], place, "o", color=CHOSEN, markersize=6, zorder=4)
        names.append(_labelled(parameter.name, parameter.unit))
        values.append(_level(parameter.levels[int(level)]))
    axes.set_xlim(-0.02, 1.02)
    _bare(axes, names)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(values)), values)
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)


def _bare(axes: Axes, labels: list[str]) -> None:
    """One labelled line an entry, the first on top, and no frame."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
