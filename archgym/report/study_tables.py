"""The numbers of a study's report as tables.

Every table is made from `Analysis` alone; agents are compared at the budget they all had.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archgym.report.study_data import Analysis, Group, View
from archgym.report.table import Cell, Table
from archgym.statistics import (
    Interval,
    RankTable,
    bootstrap,
    evaluations_to_target,
    expected_running_time,
    hypervolume,
    lottery_spread,
    nondominated,
    probability_of_improvement,
    rank_table,
    relative_improvement,
)


def all_tables(analysis: Analysis) -> list[Table]:
    """Every table of the report, in its order."""
    tables = [setting_table(analysis), lottery_table(analysis)]
    if any(spread_by_budget(analysis, label) for label in analysis.labels):
        tables.append(spread_table(analysis))
    tables += [score_table(analysis), target_table(analysis)]
    if analysis.planes:
        tables.append(front_table(analysis))
    if len(analysis.labels) > 1 and analysis.shared:
        tables += [rank_rows(analysis), improvement_table(analysis), tie_table(analysis)]
    return tables


def setting_table(analysis: Analysis) -> Table:
    rows: list[list[Cell]] = []
    for agents in analysis.study.agents:
        problems = len(analysis.study.problems_of(agents))
        seeds = len(agents.seeds or analysis.study.seeds)
        budget = agents.budget or analysis.study.budget
        rows.append(
            [
                agents.name,
                agents.agent,
                agents.setting_count,
                problems,
                seeds,
                budget,
                agents.setting_count * problems * seeds,
            ]
        )
    columns = ("agents", "agent", "settings", "problems", "seeds", "budget", "runs")
    return Table("setting", "What was run", columns, rows)


def lottery_table(analysis: Analysis) -> Table:
    """Spread over settings of the best reward, scaled, for each group and problem."""
    rows: list[list[Cell]] = []
    for view in analysis.views:
        for label in analysis.labels:
            if label in view.groups and len(view.groups[label].settings) > 1:
                group = view.groups[label]
                spread = lottery_spread(view.scaled(group.scores(view.common_column)))
                quartiles = [spread.worst, spread.first_quartile, spread.median, spread.third_quartile, spread.best]
                rows.append(
                    [
                        label,
                        view.key.workload,
                        view.key.objective,
                        spread.settings,
                        *quartiles,
                        spread.interquartile_range,
                    ]
                )
    columns = (
        *("agents", "workload", "objective", "settings"),
        *("worst", "first quartile", "median", "third quartile", "best", "interquartile range"),
    )
    return Table(
        "lottery",
        "The hyperparameter lottery: spread over settings",
        columns,
        rows,
        "Mean over seeds of the best reward at equal budget, scaled: 0 is the average random design, 1 the best known.",
    )


def spread_by_budget(analysis: Analysis, label: str) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Budgets, and the interquartile range over a group's settings at each, median over problems; None for one setting."""
    views = [v for v in analysis.views if label in v.groups and len(v.groups[label].settings) > 1]
    if not views:
        return None
    common = min(view.common_budget for view in views)
    grid = np.unique(np.concatenate([view.budgets[view.budgets <= common] for view in views]))
    ranges = []
    for view in views:
        means = view.scaled(view.groups[label].curves.mean(axis=1))  # (settings, budgets)
        places = np.searchsorted(view.budgets, grid, side="right") - 1
        low, high = np.quantile(means[:, places], [0.25, 0.75], axis=0)
        ranges.append(high - low)
    return grid, np.median(ranges, axis=0)


def spread_table(analysis: Analysis) -> Table:
    """The width of the lottery at a few budgets."""
    found = {label: spread_by_budget(analysis, label) for label in analysis.labels}
    curves = {label: curve for label, curve in found.items() if curve is not None}
    common = min(int(curve[0][-1]) for curve in curves.values())
    rows: list[list[Cell]] = [
        [budget, *(float(values[np.searchsorted(grid, budget, side="right") - 1]) for grid, values in curves.values())]
        for budget in tie_budgets(common)
    ]
    return Table(
        "spread",
        "The width of the lottery by budget",
        ("budget", *curves),
        rows,
        "Interquartile range over settings of the mean scaled best reward, median over problems.",
    )


def front_table(analysis: Analysis) -> Table:
    """How much of what can be dominated the designs found dominate."""
    rows: list[list[Cell]] = []
    for plane in analysis.planes:
        front = plane.costs[nondominated(plane.costs)]
        if not len(front):
            continue
        best = front if plane.exact is None else plane.exact[nondominated(plane.exact)]
        low, high = best.min(axis=0), best.max(axis=0)
        corner = high + 0.1 * np.where(high > low, high - low, np.abs(high))
        box = float(np.prod(corner - low))
        share = hypervolume(front, corner) / box
        exact = None if plane.exact is None else hypervolume(plane.exact, corner) / box
        rows.append([plane.id, plane.workload, *plane.names, len(front), share, exact])
    return Table(
        "fronts",
        "Pareto fronts: hypervolume",
        (
            "problem",
            "workload",
            "first cost",
            "second cost",
            "designs on the front",
            "hypervolume",
            "of the exact front",
        ),
        rows,
        "Share of the box between the best of each cost and a corner a tenth beyond the front's far ends that the designs "
        "found dominate, from a sample of what was tried: the best by each objective and others at random.",
    )


def strata(analysis: Analysis, label: str, column: int | None = None, tuned: bool = False) -> list[NDArray[np.float64]]:
    """Scaled scores of a group on each shared problem: of all runs, or of the tuned agent on held-out seeds."""
    found = []
    for view in analysis.shared:
        group, place = view.groups[label], view.common_column if column is None else column
        scores = group.scores(place)
        if tuned:
            held = group.tuned(place)
            scores = held.scores if held else np.empty(0)
        found.append(view.scaled(scores.ravel()))
    return found


def tunable(analysis: Analysis, label: str) -> bool:
    """Whether a group has a score on seeds it was not tuned on."""
    return all(view.groups[label].tuned(view.common_column) is not None for view in analysis.shared)


def score_table(analysis: Analysis) -> Table:
    """Interquartile means over runs of the shared problems, of a setting picked blindly and of the tuned agent."""
    rows: list[list[Cell]] = []
    for label in analysis.labels if analysis.shared else []:
        typical = bootstrap(strata(analysis, label))
        tuned = bootstrap(strata(analysis, label, tuned=True)) if tunable(analysis, label) else None
        gains = [
            float(np.mean(relative_improvement(v.groups[label].scores(v.common_column), v.average_random)))
            for v in analysis.shared
            if v.average_random
        ]
        improvement = sum(gains) / len(gains) if gains else None
        rows.append([label, *_cells(typical), *(_cells(tuned) if tuned else (None, None, None)), improvement])
    columns = ("agents", "any setting", "low", "high", "tuned", "low", "high", "improvement over random design (%)")
    return Table(
        "scores",
        "Interquartile mean of the scaled best reward, with 95 % stratified bootstrap intervals",
        columns,
        rows,
        f"Over {len(analysis.shared)} problems, at equal budget. 'Tuned' is the setting that was best on the other "
        "seeds, scored on the seed left out; never on a seed it was chosen on. Intervals resample runs within each "
        "problem; with few seeds they are too narrow.",
    )


def _cells(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


#: share of the way from the average random design to the best known one that counts as reaching the target
TARGETS = (0.9, 0.99)


def target_table(analysis: Analysis) -> Table:
    """How many evaluations it takes to come close to the best known design."""
    rows: list[list[Cell]] = []
    for label in analysis.labels:
        for share in TARGETS:
            reached = np.concatenate([_reached(v, v.groups[label], share) for v in analysis.views if label in v.groups])
            budget = max(v.groups[label].budget for v in analysis.views if label in v.groups)
            success = float(np.isfinite(reached).mean())
            median = float(np.median(reached))
            rows.append([label, share, 100 * success, median, expected_running_time(reached, budget)])
    columns = ("agents", "target", "runs that reach it (%)", "median evaluations", "expected evaluations with restarts")
    return Table(
        "targets",
        "Evaluations to a target",
        columns,
        rows,
        "A target is a share of the way from the average random design to the best known one. Evaluations are "
        "resolved to the budgets at which curves are kept.",
    )


def _reached(view: View, group: Group, share: float) -> NDArray[np.float64]:
    inside = view.budgets <= group.budget
    curves = group.curves[:, :, inside].reshape(-1, int(inside.sum()))
    places = evaluations_to_target(view.scaled(curves), share)
    budgets = view.budgets[inside]
    found = np.isfinite(places)
    reached = np.full(len(places), np.inf)
    reached[found] = budgets[places[found].astype(int) - 1]
    return reached


def task_scores(analysis: Analysis, column: int | None = None, tuned: bool = True) -> NDArray[np.float64]:
    """Mean scaled score of each group on each shared problem, shape (problems, groups)."""
    columns = [
        [scores.mean() for scores in strata(analysis, label, column, tuned and tunable(analysis, label))]
        for label in analysis.labels
    ]
    return np.array(columns).T


def ranks(analysis: Analysis) -> RankTable:
    return rank_table(task_scores(analysis))


def rank_rows(analysis: Analysis) -> Table:
    found = ranks(analysis)
    letters = "abcdefghijklmnopqrstuvwxyz"
    rows: list[list[Cell]] = []
    for place in np.argsort(found.mean_ranks, kind="stable"):
        member = "".join(letters[k % 26] for k, group in enumerate(found.groups) if int(place) in group)
        rows.append([analysis.labels[place], float(found.mean_ranks[place]), member])
    return Table(
        "ranks",
        "Mean ranks of tuned agents over problems",
        ("agents", "mean rank", "not told apart"),
        rows,
        f"{found.tasks} problems; Friedman chi-square {found.statistic:.3g}, p = {found.p_value:.3g}; Nemenyi's critical "
        f"difference at 5 %: {found.critical_difference:.3g}. Agents that share a letter differ by less.",
    )


def improvement_table(analysis: Analysis) -> Table:
    """Probability that a run of the row's group beats one of the column's on the same problem."""
    rows: list[list[Cell]] = []
    for first in analysis.labels:
        cells: list[Cell] = [first]
        for second in analysis.labels:
            if first == second:
                cells.append(None)
                continue
            found = probability_of_improvement(strata(analysis, first), strata(analysis, second), repetitions=200)
            cells.append(f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})")
        rows.append(cells)
    return Table(
        "improvement",
        "Probability of improvement, over all settings and seeds",
        ("row beats column", *analysis.labels),
        rows,
        "With 95 % stratified bootstrap intervals; ties count half.",
    )


def tie_table(analysis: Analysis) -> Table:
    """At which budgets the tuned agents can and cannot be told apart."""
    rows: list[list[Cell]] = []
    common = min(view.common_budget for view in analysis.shared)
    for budget in tie_budgets(common):
        scores = np.array(
            [
                [
                    score.mean()
                    for score in (
                        _at(view, label, int(np.searchsorted(view.budgets, budget, side="right")) - 1)
                        for label in analysis.labels
                    )
                ]
                for view in analysis.shared
            ]
        )
        found = rank_table(scores)
        best = scores.mean(axis=0)
        apart = "yes" if found.p_value < 0.05 else "no"
        rows.append(
            [budget, float(best.max()), float(best.min()), float(best.max() - best.min()), found.p_value, apart]
        )
    return Table(
        "ties",
        "Do tuned agents tie? By budget",
        ("budget", "best group's score", "worst group's score", "difference", "Friedman p", "told apart at 5 %"),
        rows,
        "Mean over problems of the tuned agents' scaled scores on held-out seeds, tuned anew for each budget.",
    )


def tie_budgets(common: int) -> list[int]:
    """1, 3, 10, 30, … and the common budget itself."""
    steps = [factor * 10**k for k in range(7) for factor in (1, 3)]
    return [*(budget for budget in steps if 3 <= budget < common), common]


def _at(view: View, label: str, column: int) -> NDArray[np.float64]:
    group = view.groups[label]
    held = group.tuned(column)
    return view.scaled(held.scores if held else group.scores(column).ravel())
