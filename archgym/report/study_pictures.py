"""The report's main figures as PNG and SVG, for papers and slides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from archgym.report.study_data import Analysis
from archgym.report.study_figures import colour
from archgym.report.style import legend_below, new_figure, save

Figures = dict[str, dict[str, Any]]


def save_pictures(analysis: Analysis, figures: dict[str, Figures], folder: Path) -> list[Path]:
    """Save box plots, regret curves, profiles, fronts and importance; returns the paths.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.get("lottery", {}).items():
        paths += _lottery(analysis, figure, folder / _file("lottery", name))
    for kind in ("spread", "regret", "profiles", "fronts"):
        for name, figure in figures.get(kind, {}).items():
            paths += _lines(figure, folder / _file(kind, name), legend="best" if kind == "fronts" else "outside")
    for name, figure in figures.get("importance", {}).items():
        paths += _bars(figure, folder / _file("importance", name))
    return paths


def _file(kind: str, name: str) -> str:
    return f"{kind}-" + "-".join(part for part in "".join(c if c.isalnum() else " " for c in name).split())


def _title(layout: dict[str, Any]) -> str:
    return str(layout["title"]["text"]).split("<br>", maxsplit=1)[0]


def _lottery(analysis: Analysis, figure: dict[str, Any], stem: Path) -> list[Path]:
    workloads = list(dict.fromkeys(x for trace in figure["data"] for x in trace["x"]))
    traces = figure["data"]
    picture, axes = new_figure(max(5.0, 1.2 + 0.42 * len(workloads) * (len(traces) + 1)), 4)
    for place, trace in enumerate(traces):
        values = [
            [y for x, y in zip(trace["x"], trace["y"], strict=True) if x == workload and y is not None]
            for workload in workloads
        ]
        at = np.arange(len(workloads)) * (len(traces) + 1) + place
        tint = colour(analysis, trace["name"])
        boxes = axes.boxplot(values, positions=at, widths=0.75, patch_artist=True, flierprops={"markersize": 2})
        for box in boxes["boxes"]:
            box.set(facecolor=tint, alpha=0.35, edgecolor=tint)
        for line in boxes["medians"]:
            line.set(color=tint, linewidth=2)
        axes.plot([], [], color=tint, linewidth=6, alpha=0.5, label=trace["name"])
    centres = np.arange(len(workloads)) * (len(traces) + 1) + (len(traces) - 1) / 2
    axes.set_xticks(centres, workloads)
    axes.grid(axis="x", visible=False)
    axes.set(ylabel="scaled best reward (1 = best known)", title=_title(figure["layout"]))
    legend_below(picture)
    return save(picture, stem)


def _lines(figure: dict[str, Any], stem: Path, legend: str) -> list[Path]:
    picture, axes = new_figure(6.5, 4.2)
    for trace in figure["data"]:
        x, y = np.array(trace["x"], dtype=float), np.array(trace["y"], dtype=float)
        if trace.get("fill"):
            half = len(x) // 2
            tint = trace["fillcolor"][5:-1].split(",")
            axes.fill_between(
                x[:half], y[:half], y[half:][::-1], color=[int(c) / 255 for c in tint[:3]], alpha=0.15, linewidth=0
            )
            continue
        marks = trace["mode"] == "markers"
        tint = trace["marker"]["color"] if marks else trace["line"]["color"]
        style = "s" if trace.get("marker", {}).get("symbol") == "square" else "." if marks else "-"
        step = trace.get("line", {}).get("shape") == "hv"
        extra: dict[str, Any] = {"drawstyle": "steps-post"} if step else {}
        if trace.get("line", {}).get("dash") == "dot":
            style = ":"
        axes.plot(x, y, style, color=tint, label=trace["name"], rasterized=len(x) > 500, **extra)
    layout = figure["layout"]
    for axis in "xy":
        if layout[f"{axis}axis"].get("type") == "log":
            getattr(axes, f"set_{axis}scale")("log")
    axes.set(xlabel=layout["xaxis"]["title"]["text"], ylabel=layout["yaxis"]["title"]["text"], title=_title(layout))
    if legend == "outside":
        legend_below(picture)
    else:
        axes.legend(loc="best")
    return save(picture, stem)


def _bars(figure: dict[str, Any], stem: Path) -> list[Path]:
    alone, together = figure["data"]
    picture, axes = new_figure(6.5, 1.2 + 0.26 * len(alone["y"]))
    axes.barh(alone["y"], alone["x"], color=alone["marker"]["color"], label=alone["name"])
    axes.barh(together["y"], together["x"], left=alone["x"], color=together["marker"]["color"], label=together["name"])
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="share of variance (%)", title=_title(figure["layout"]))
    axes.legend(loc="lower right")
    return save(picture, stem)
