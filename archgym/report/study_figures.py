"""The report's interactive figures, as plain data for plotly: ``{"data": […], "layout": {…}}``.

Numbers are rounded to what a screen can show, which keeps the page small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from archgym.report.search import scaled as scaled_unit
from archgym.report.study_data import Analysis, Plane, View
from archgym.report.study_tables import spread_by_budget, strata
from archgym.statistics import (
    Importance,
    curve_band,
    nondominated,
    parameter_importance,
    performance_profile,
    profile_band,
)

Figure = dict[str, Any]

#: distinct also for colour-blind readers (Okabe and Ito's palette, reordered)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c564b", "#000000")


def colour(analysis: Analysis, label: str) -> str:
    return COLOURS[analysis.labels.index(label) % len(COLOURS)]


def _numbers(values: ArrayLike, digits: int = 5) -> list[float | None]:
    """Rounded to significant digits; NaN as null."""
    return [
        float(f"{value:.{digits}g}") if np.isfinite(value) else None
        for value in np.asarray(values, dtype=float).ravel()
    ]


def _layout(title: str, x: str, y: str, **more: Any) -> Figure:
    return {
        "title": {"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 15}},
        "xaxis": {"title": {"text": x}, "automargin": True, "gridcolor": "#e2e8f0", **more.pop("xaxis", {})},
        "yaxis": {
            "title": {"text": y},
            "automargin": True,
            "gridcolor": "#e2e8f0",
            "zeroline": False,
            **more.pop("yaxis", {}),
        },
        "margin": {"l": 60, "r": 16, "t": 48, "b": 56},
        "legend": {"orientation": "h", "y": -0.22},
        "plot_bgcolor": "#ffffff",
        "paper_bgcolor": "#ffffff",
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "hovermode": "closest",
        **more,
    }


def lottery(analysis: Analysis) -> dict[str, Figure]:
    """Box plots over settings, one figure an objective (and family), boxes by workload and group."""
    figures: dict[str, Figure] = {}
    for id, objective in dict.fromkeys((view.key.id, view.key.objective) for view in analysis.views):
        views = [view for view in analysis.views if (view.key.id, view.key.objective) == (id, objective)]
        data = []
        for label in analysis.labels:
            x: list[str] = []
            y: list[float | None] = []
            for view in views:
                if label in view.groups:
                    means = view.scaled(view.groups[label].scores(view.common_column).mean(axis=1))
                    y += _numbers(means)
                    x += [view.key.workload] * len(means)
            data.append(
                {
                    "type": "box",
                    "name": label,
                    "x": x,
                    "y": y,
                    "marker": {"color": colour(analysis, label), "size": 3},
                    "line": {"width": 1.5},
                    "boxpoints": "outliers",
                }
            )
        title = f"{objective}: best reward by setting"
        layout = _layout(title, "workload", "scaled best reward (1 = best known)", boxmode="group")
        figures[f"{id} · {objective}"] = {"data": data, "layout": layout}
    return figures


def spreads(analysis: Analysis) -> dict[str, Figure]:
    """How wide the lottery is at each budget: the interquartile range over settings, median over problems."""
    data = []
    for label in analysis.labels:
        found = spread_by_budget(analysis, label)
        if found is not None:
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": label,
                    "x": found[0].tolist(),
                    "y": _numbers(found[1]),
                    "line": {"color": colour(analysis, label), "width": 2},
                    "marker": {"size": 4, "color": colour(analysis, label)},
                }
            )
    if not data:
        return {}
    layout = _layout("Interquartile range over settings", "evaluations", "interquartile range (scaled)", **_log_x())
    return {"all problems": {"data": data, "layout": layout}}


def regret_curves(analysis: Analysis) -> dict[str, Figure]:
    """Regret by evaluations: all problems together (scaled), then each problem in its own reward."""
    figures: dict[str, Figure] = {}
    if analysis.shared:
        figures["all problems"] = _together(analysis)
    for view in analysis.views:
        data = []
        for label, group in view.groups.items():
            inside = view.budgets <= group.budget
            curves = view.optimum - group.curves[:, :, inside].reshape(-1, int(inside.sum()))
            data += _band(curves, view.budgets[inside], label, colour(analysis, label))
        known = "exact optimum" if view.standing else "best found"
        figures[view.label] = {
            "data": data,
            "layout": _layout(view.label, "evaluations", f"regret: {known} − best so far", **_log_x()),
        }
    return figures


def _log_x() -> Figure:
    return {"xaxis": {"type": "log", "dtick": 1}, "yaxis": {"rangemode": "tozero"}}


def _together(analysis: Analysis) -> Figure:
    views = analysis.shared
    common = min(view.common_budget for view in views)
    grid = np.unique(np.concatenate([view.budgets[view.budgets <= common] for view in views]))
    data = []
    for label in analysis.labels:
        curves = []
        for view in views:
            group = view.groups[label]
            places = np.searchsorted(view.budgets, grid, side="right") - 1
            curves.append(1 - view.scaled(group.curves.reshape(-1, len(view.budgets))[:, places]))
        data += _band(np.concatenate(curves), grid, label, colour(analysis, label))
    title = f"{len(views)} problems together"
    return {"data": data, "layout": _layout(title, "evaluations", "scaled regret (0 = best known)", **_log_x())}


def _band(curves: Any, budgets: Any, label: str, tint: str) -> list[Figure]:
    """A line of interquartile means and its interval as a filled area."""
    band = curve_band(curves, budgets, repetitions=max(50, min(500, 400_000 // max(1, curves.size // len(budgets)))))
    x = band.budgets.tolist()
    area = {
        "x": x + x[::-1],
        "y": _numbers(np.concatenate([band.low, band.high[::-1]])),
        "fill": "toself",
        "fillcolor": _faint(tint),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": label,
        "type": "scatter",
        "mode": "lines",
    }
    line = {
        "x": x,
        "y": _numbers(band.value),
        "name": label,
        "legendgroup": label,
        "line": {"color": tint, "width": 2},
        "type": "scatter",
        "mode": "lines",
    }
    return [area, line]


def _faint(tint: str) -> str:
    red, green, blue = (int(tint[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def profiles(analysis: Analysis) -> dict[str, Figure]:
    """Share of runs that reach at least each score, over all shared problems."""
    if not analysis.shared:
        return {}
    groups = {label: strata(analysis, label) for label in analysis.labels}
    # Below the score that almost every run reaches, all lines lie on one another.
    lowest = min(float(np.quantile(np.concatenate(scores), 0.01)) for scores in groups.values())
    thresholds = np.linspace(min(0.9, max(0.0, np.floor(10 * lowest) / 10)), 1, 101)
    data = []
    for label, scores in groups.items():
        low, high = profile_band(scores, thresholds, repetitions=100)
        x = thresholds.tolist()
        tint = colour(analysis, label)
        area = {
            "x": [round(v, 3) for v in x + x[::-1]],
            "y": _numbers(np.concatenate([low, high[::-1]]), 4),
            "fill": "toself",
            "fillcolor": _faint(tint),
            "line": {"width": 0},
            "hoverinfo": "skip",
            "showlegend": False,
            "legendgroup": label,
            "type": "scatter",
            "mode": "lines",
        }
        line = {
            "x": [round(v, 3) for v in x],
            "y": _numbers(performance_profile(scores, thresholds), 4),
            "name": label,
            "legendgroup": label,
            "type": "scatter",
            "mode": "lines",
            "line": {"color": tint, "width": 2},
        }
        data += [area, line]
    layout = _layout(
        f"Performance profiles over {len(analysis.shared)} problems",
        "scaled best reward τ",
        "share of runs scoring at least τ",
        yaxis={"range": [0, 1.02]},
    )
    return {"all problems": {"data": data, "layout": layout}}


def fronts(analysis: Analysis) -> dict[str, Figure]:
    """Designs of each workload in the plane of two costs, with the front of those the study found."""
    return {f"{plane.id} · {plane.workload}": _front(plane) for plane in analysis.planes}


def _front(plane: Plane) -> Figure:
    scales = [scaled_unit(plane.costs[:, k], unit) for k, unit in enumerate(plane.units)]
    factors = [factor for factor, _ in scales]
    costs = plane.costs * factors
    front = costs[nondominated(costs)]
    data: list[Figure] = [_points("designs found", costs, {"color": "#a0aec0", "size": 4})]
    if plane.exact is not None:
        everything = plane.exact * factors
        data.append(_steps("exact front of the space", everything[nondominated(everything)], "#000000", "dot"))
    data.append(_steps("front found", front, "#009e73", "solid"))
    default = np.array([plane.default * factors])
    data.append(_points("default design", default, {"color": "#e69f00", "size": 11, "symbol": "square"}))
    titles = [
        f"{name.rsplit('_', 1)[0].replace('_', ' ')} ({unit})"
        for name, (_, unit) in zip(plane.names, scales, strict=True)
    ]
    logs = [bool(len(front)) and np.nanmin(c) > 0 and np.nanmax(c) / np.nanmin(c) > 20 for c in costs.T]
    axes = {axis: {"type": "log"} if log else {} for axis, log in zip(("xaxis", "yaxis"), logs, strict=True)}
    title = f"{plane.workload}: {len(front)} designs on the front"
    return {"data": data, "layout": _layout(title, titles[0], titles[1], **axes)}


def _points(name: str, costs: Any, marker: Figure) -> Figure:
    kept = np.isfinite(costs).all(axis=1)
    x, y = _numbers(costs[kept, 0]), _numbers(costs[kept, 1])
    return {"type": "scatter", "mode": "markers", "name": name, "x": x, "y": y, "marker": marker}


def _steps(name: str, front: Any, tint: str, dash: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(front) < 60 else "lines",
        "name": name,
        "x": _numbers(front[:, 0]),
        "y": _numbers(front[:, 1]),
        "line": {"color": tint, "shape": "hv", "dash": dash, "width": 2},
        "marker": {"size": 5},
    }


def learn_importance(view: View) -> Importance:
    """Which parameters matter on a problem: from the whole space if it is known, else from logged designs."""
    space = view.problem.space
    if view.standing:
        rng = np.random.default_rng(0)
        designs = space.sample(rng, 6000)
        table = view.standing.table
        return parameter_importance(designs, view.standing.rewards[table.rows(designs)], space.sizes)
    return parameter_importance(view.designs, view.rewards, space.sizes)


def importance(analysis: Analysis, learned: dict[str, Importance]) -> dict[str, Figure]:
    """Bars: each parameter's share of the reward's variance, alone and with others."""
    figures = {}
    for view in analysis.views:
        found, names = learned[view.label], np.array(view.problem.space.names)
        together = np.zeros(len(names))
        for (one, other), share in found.pairs.items():
            together[[one, other]] += share / 2
        order = np.argsort(found.main + together)[-20:]
        bars = [
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "y": names[order].tolist(),
                "x": _numbers(100 * share[order], 4),
                "marker": {"color": tint},
            }
            for name, share, tint in (("alone", found.main, "#0072b2"), ("with another", together, "#56b4e9"))
        ]
        source = "the whole space" if view.standing else "designs the agents tried"
        title = f"{view.label}<br><sub>from {source}; explains {100 * max(0.0, found.explained):.0f} % of unseen designs' variance</sub>"
        layout = _layout(title, "share of variance (%)", "", barmode="stack", height=max(320, 90 + 22 * len(order)))
        layout["margin"]["t"] = 70
        figures[view.label] = {"data": bars, "layout": layout}
    return figures


def interactions(analysis: Analysis, learned: dict[str, Importance]) -> dict[str, Figure]:
    """Heat maps of the strongest pairs."""
    figures = {}
    for view in analysis.views:
        found, names = learned[view.label], view.problem.space.names
        strength = np.zeros((len(names), len(names)))
        for (one, other), share in found.pairs.items():
            strength[one, other] = strength[other, one] = 100 * share
        order = np.argsort(-strength.sum(axis=1))[:12]
        shown = [names[k] for k in order]
        heat = {
            "type": "heatmap",
            "x": shown,
            "y": shown,
            "z": [_numbers(row, 3) for row in strength[np.ix_(order, order)]],
            "colorscale": [[0, "#ffffff"], [1, "#08519c"]],
            "zmin": 0,
            "colorbar": {"title": {"text": "%"}, "thickness": 10},
        }
        layout = _layout(view.label, "", "", xaxis={"tickangle": -45}, yaxis={"autorange": "reversed"}, height=460)
        figures[view.label] = {"data": [heat], "layout": layout}
    return figures
