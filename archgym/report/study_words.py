"""A study's findings in sentences, each from a number that stands in one of the report's tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from archgym.report.study_data import Analysis, View
from archgym.report.study_tables import spread_by_budget, strata, tie_table, tunable
from archgym.report.table import shown
from archgym.statistics import Interval, bootstrap, lottery_spread


def findings(analysis: Analysis) -> list[str]:
    """What the study found, most general first."""
    said = [_scope(analysis), *_difficulty(analysis)]
    if analysis.shared and len(analysis.labels) > 1:
        said += _ranking(analysis)
        said += _ties(analysis)
    said += _lottery(analysis)
    return said


def _scope(analysis: Analysis) -> str:
    counts = analysis.counts()
    text = f"{counts['done']:,} of {len(analysis.plan):,} planned runs are done"
    extra = [f"{counts[name]:,} {name}" for name in ("failed", "stopped", "missing") if counts[name]]
    text += f" ({', '.join(extra)})." if extra else "."
    known = sum(view.standing is not None for view in analysis.views)
    if known == len(analysis.views):
        text += " Every optimum is known exactly: the spaces have been simulated whole."
    elif known:
        text += f" The optimum is known exactly for {known} of {len(analysis.views)} problems, for the others it is the best design found here."
    else:
        text += " No optimum is known; 'best known' means the best design found in this study."
    return text


def _difficulty(analysis: Analysis) -> list[str]:
    """How rare optimal designs are, where every optimum is known, and what that means for random search."""
    standings = [view.standing for view in analysis.views]
    known = [standing for standing in standings if standing is not None]
    if len(known) < len(standings):
        return []
    shares = sorted(standing.best_count / standing.counts.sum() for standing in known)
    needed = [math.ceil(math.log(0.05) / math.log1p(-share)) if share < 1 else 1 for share in shares]
    few = f"{100 * shares[0]:.2g} %"
    range_of = few if shares[0] == shares[-1] else f"{few} to {100 * shares[-1]:.2g} %"
    most = f"{needed[0]:,}" if needed[0] == needed[-1] else f"{needed[-1]:,} to {needed[0]:,}"
    return [
        f"Of the designs, {range_of} are optimal (by problem), so {most} random designs hold an optimal one in 95 of 100 "
        f"cases: that is what any agent has to beat."
    ]


def _ranking(analysis: Analysis) -> list[str]:
    typical = {label: bootstrap(strata(analysis, label)) for label in analysis.labels}
    said = [
        "With settings picked blindly, "
        + _contrast(typical)
        + " Here 0 is the average random design and 1 the best known."
    ]
    tuned = {
        label: bootstrap(strata(analysis, label, tuned=True)) for label in analysis.labels if tunable(analysis, label)
    }
    if len(tuned) > 1:
        said.append("Tuned, and scored on seeds they were not tuned on, " + _contrast(tuned))
    return said


def _contrast(scores: Mapping[str, Interval]) -> str:
    """Who does best and who worst, and whether their intervals overlap."""
    order = sorted(scores, key=lambda label: -scores[label].value)
    best, worst = scores[order[0]], scores[order[-1]]
    if f"{best.value:.3f}" == f"{worst.value:.3f}":
        return f"all agents' interquartile means are {best.value:.3f}."
    if best.low <= worst.high:
        return (
            f"the intervals of all agents' interquartile means overlap; the means lie between {worst.value:.3f} "
            f"({order[-1]}) and {best.value:.3f} ({order[0]})."
        )
    first = [label for label in order if scores[label].high >= best.low]
    return (
        f"{listed(first)} {'do' if len(first) > 1 else 'does'} best (interquartile mean {best.value:.3f}, interval "
        f"{best.low:.3f} to {best.high:.3f}{' of the first' if len(first) > 1 else ''}) and {order[-1]} worst "
        f"({worst.value:.3f}, {worst.low:.3f} to {worst.high:.3f})."
    )


def _ties(analysis: Analysis) -> list[str]:
    rows = tie_table(analysis).rows
    apart = [int(row[0]) for row in rows if row[5] == "yes" and isinstance(row[0], int)]
    tied = [int(row[0]) for row in rows if row[5] == "no" and isinstance(row[0], int)]
    problems = len(analysis.shared)
    if problems < 2:
        return [f"Whether agents tie cannot be tested on {problems} problem."]
    last = rows[-1]
    gap = f"At the full budget of {shown(last[0])} evaluations the best and the worst tuned group differ by {shown(last[3])}."
    test = f"(Friedman test over {problems} problems, 5 %)"
    weak = " So few problems tell little: not being told apart is weak evidence of a tie." if problems < 6 else ""
    if not apart:
        return [f"At no budget tried can the tuned agents be told apart {test}. {gap}{weak}"]
    if not tied:
        return [f"At every budget tried the tuned agents differ {test}. {gap}"]
    return [
        f"Tuned agents can be told apart at budgets of {_budgets(apart)}, but not at {_budgets(tied)} {test}. {gap}{weak}"
    ]


def _lottery(analysis: Analysis) -> list[str]:
    said = []
    for label in analysis.labels:
        spreads = [
            lottery_spread(view.scaled(view.groups[label].scores(view.common_column)))
            for view in analysis.views
            if label in view.groups and len(view.groups[label].settings) > 1
        ]
        if spreads:
            width = float(np.median([spread.interquartile_range for spread in spreads]))
            low, high = min(s.worst for s in spreads), max(s.best for s in spreads)
            said.append(
                f"The lottery of {label}: over {spreads[0].settings} settings the middle half spans {width:.3f} of the way from "
                f"the average random design to the best known one (median over {len(spreads)} problems); all settings "
                f"lie between {low:.3f} and {high:.3f}.{_earlier(analysis, label)}"
            )
    return said


def _earlier(analysis: Analysis, label: str) -> str:
    """How wide a group's lottery is at a tenth of the budget."""
    found = spread_by_budget(analysis, label)
    if found is None or found[0][-1] < 30:
        return ""
    early = int(found[0][-1]) // 10
    place = int(np.searchsorted(found[0], early, side="right")) - 1
    return f" After {early:,} evaluations the middle half spans {found[1][place]:.3f}."


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _budgets(values: Sequence[int]) -> str:
    return listed([f"{value:,}" for value in values])


def best_design(view: View) -> tuple[str, list[list[Any]], list[list[Any]]]:
    """The best design of a problem in words, its parameters beside the default's, and its metrics."""
    space, best = view.problem.space, view.best
    design = without_idle_changes(view)
    found, default = space.row(design), space.row(space.default)
    changed = [name for name in found if found[name] != default[name]]
    if not changed:
        words = "The default design is the best found."
    else:
        parts = [f"{name} {_level(found[name])} instead of {_level(default[name])}" for name in changed]
        same = len(found) - len(changed)
        words = f"Change {len(changed)} of {len(found)} parameters: {'; '.join(parts)}."
        words += f" The other {same} stay as they are or make no difference." if same else ""
    words += f" Found by {best.run.label} (seed {best.run.spec.seed}) at evaluation {best.evaluation:,}."
    if view.standing:
        percent = float(view.standing.percentile(best.reward))
        gap = view.standing.optimum - best.reward
        words += (
            " It is the exact optimum of the space."
            if gap <= 0
            else f" It is better than {_below_hundred(percent)} % of the space's designs; the exact optimum is better by {gap:.3g}."
        )
    parameters = [[n, _level(found[n]), _level(default[n]), "changed" if n in changed else ""] for n in found]
    return words, parameters, _compared(view, view.problem.evaluate([design]).metrics.row(0))


def without_idle_changes(view: View) -> list[int]:
    """The best design with every parameter at its default that can be without losing reward, taken in order."""
    design = list(view.best.design)
    for column, level in enumerate(view.problem.space.default):
        if design[column] != level:
            simpler = [*design[:column], int(level), *design[column + 1 :]]
            if view.problem.evaluate([simpler]).reward[0] >= view.best.reward:
                design = simpler
    return design


def _below_hundred(percent: float) -> str:
    return f"{min(percent, 99.9999):.4g}"


def _compared(view: View, metrics: Mapping[str, float]) -> list[list[Any]]:
    reference = view.problem.reference
    rows: list[list[Any]] = []
    for metric in view.problem.metrics:
        if metric.direction != "none":
            before, after = reference[metric.name], metrics[metric.name]
            change = f"{100 * (after / before - 1):+.1f} %" if before else ""
            rows.append([metric.name, shown(float(before)), shown(float(after)), change])
    return rows


def _level(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
