"""Tables and picture of ``docs/multi-agent.md`` from the runs of the study `marl-vs-single`.

    archgym study run marl-vs-single && python -m benchmarks.marl_report runs/marl-vs-single

Writes ``benchmarks/results/marl.csv``, a line for each problem and agent, and ``docs/multi-agent.png``, and prints the
page's tables. Rewards are scaled: 0 is the average random design, 1 the optimum or, where that is not known, the best
design of the study. On 18 parameters and more the optimum is
not known.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib
import numpy as np

from archgym.report.study_data import Analysis, Group, View, analyse
from archgym.statistics import bootstrap, interquartile_mean
from archgym.study import Store

ROOT = Path(__file__).parents[1]
CHECKPOINTS = (30, 50, 100, 200)
TEAMS = ("coordination", "mappo", "mappo, subsystems", "coma", "bandits")
SINGLE = ("ppo", "a2c", "sac")


def scaled(view: View, group: Group) -> np.ndarray:
    """Best scaled reward so far by seed and place in ``view.budgets``."""
    return view.scaled(group.curves[0])


def place(view: View, budget: int) -> int:
    return int(np.searchsorted(view.budgets, budget, side="right")) - 1


def until(view: View, curves: np.ndarray, target: float) -> float:
    """Median evaluations until ``target``, to the next budget that is looked at; infinite if half the seeds fail."""
    reached = curves >= target
    return float(np.median(np.where(reached.any(axis=1), view.budgets[reached.argmax(axis=1)], np.inf)))


def rows(analysis: Analysis) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for view in analysis.views:
        for label in (label for label in analysis.labels if label in view.groups):
            curves = scaled(view, view.groups[label])
            row: dict[str, object] = {
                "problem": view.key.id,
                "workload": view.key.workload,
                "objective": view.key.objective,
                "parameters": len(view.problem.space),
                "agent": label,
                "seeds": len(curves),
            }
            for budget in CHECKPOINTS:
                interval = bootstrap([curves[:, place(view, budget)]])
                row[f"iqm_{budget}"] = f"{interval.value:.4f}"
                row[f"low_{budget}"], row[f"high_{budget}"] = f"{interval.low:.4f}", f"{interval.high:.4f}"
            row["to_95"], row["to_99"] = until(view, curves, 0.95), until(view, curves, 0.99)
            found.append(row)
    return found


def pooled(analysis: Analysis, parts: dict[str, list[View]]) -> None:
    """Interquartile means over the problems of each part and their seeds, with stratified bootstrap intervals."""
    for budget in CHECKPOINTS:
        print(f"\n| after {budget} | " + " | ".join(parts) + " |\n| --- |" + " --- |" * len(parts))
        for label in analysis.labels:
            cells = []
            for views in parts.values():
                strata = [scaled(v, v.groups[label])[:, place(v, budget)] for v in views if label in v.groups]
                mean = bootstrap(strata) if len(strata) == len(views) else None
                cells.append(f"{mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f})" if mean else "")
            print(f"| {label} | " + " | ".join(cells) + " |")


def duels(views: list[View], name: str) -> None:
    """How often a team's interquartile mean is above, and below, a single learner's; in brackets: intervals apart."""
    rivals = (*SINGLE, "ga", "random")
    print(f"\n| {name}: above, below | after | " + " | ".join(rivals) + " |\n| --- | --- |" + " --- |" * len(rivals))
    for team in TEAMS:
        for budget in CHECKPOINTS:
            print(f"| {team} | {budget} | " + " | ".join(duel(views, team, rival, budget) for rival in rivals) + " |")


def duel(views: list[View], team: str, rival: str, budget: int) -> str:
    pairs = [
        [bootstrap([scaled(view, view.groups[label])[:, place(view, budget)]]) for label in (team, rival)]
        for view in views
        if team in view.groups and rival in view.groups
    ]
    above = sum(first.value > second.value + 1e-9 for first, second in pairs)
    below = sum(first.value < second.value - 1e-9 for first, second in pairs)
    surely = sum(first.low > second.high for first, second in pairs)
    surely_not = sum(first.high < second.low for first, second in pairs)
    return f"{above} ({surely}), {below} ({surely_not}) of {len(pairs)}" if pairs else ""


def by_size(analysis: Analysis, sizes: dict[str, int]) -> None:
    """Problems in the order of their parameters; those of 10 are pooled elsewhere."""
    views = sorted((v for v in analysis.views if sizes[v.label] > 10), key=lambda view: sizes[view.label])
    print(
        "\n| problem | parameters | "
        + " | ".join(analysis.labels)
        + " |\n| --- | --- |"
        + " --- |" * len(analysis.labels)
    )
    for view in views:
        cells = []
        for label in analysis.labels:
            mean = bootstrap([scaled(view, view.groups[label])[:, -1]]) if label in view.groups else None
            cells.append(f"{mean.value:.2f} ({mean.low:.2f} to {mean.high:.2f})" if mean else "")
        print(f"| {view.key.id} {view.key.workload} | {sizes[view.label]} | " + " | ".join(cells) + " |")


def targets(parts: dict[str, list[View]], labels: list[str]) -> None:
    """Median evaluations until 95 % and 99 % of the best known, median over the problems."""
    print("\n| evaluations to 95 %, 99 % | " + " | ".join(parts) + " |\n| --- |" + " --- |" * len(parts))
    for label in labels:
        cells = []
        for views in parts.values():
            own = [(v, scaled(v, v.groups[label])) for v in views if label in v.groups]
            if len(own) < len(views):
                cells.append("")
                continue
            ends = [np.median([until(v, curves, target) for v, curves in own]) for target in (0.95, 0.99)]
            cells.append(", ".join(f"{end:.0f}" if np.isfinite(end) else "never" for end in ends))
        print(f"| {label} | " + " | ".join(cells) + " |")


def picture(analysis: Analysis, parts: dict[str, list[View]], path: Path) -> None:
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(parts), figsize=(4 * len(parts), 4), layout="constrained", sharey=True)
    for axis, (name, views) in zip(axes, parts.items(), strict=True):
        for number, label in enumerate(analysis.labels):
            own = [v for v in views if label in v.groups]
            if len(own) < len(views):
                continue
            budgets = [b for b in own[0].budgets if b >= 5]
            values = [
                interquartile_mean(np.concatenate([scaled(v, v.groups[label])[:, place(v, b)] for v in own]))
                for b in budgets
            ]
            style = "-" if label in TEAMS else "--" if label in SINGLE else ":"
            axis.plot(budgets, values, style, color=f"C{number}", label=label)
        axis.set(xlabel="evaluations", title=name, xscale="log")
        axis.set_xticks([5, 10, 20, 50, 100, 200], ["5", "10", "20", "50", "100", "200"])
        axis.minorticks_off()
    axes[0].set_ylabel("best scaled reward, interquartile mean")
    named = {line.get_label(): line for axis in axes for line in axis.get_lines()}
    axes[-1].legend(
        [named[label] for label in analysis.labels if label in named],
        [*filter(named.get, analysis.labels)],
        fontsize="small",
    )
    figure.savefig(path, dpi=110)


def main() -> None:
    analysis = analyse(Store(Path(sys.argv[1])))
    lines = rows(analysis)
    with (ROOT / "benchmarks/results/marl.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    sizes = {v.label: len(v.problem.space) for v in analysis.views}
    parts: dict[str, list[View]] = {
        "memory controller, 10": [v for v in analysis.views if sizes[v.label] == 10],
        "18 and 26 parameters": [v for v in analysis.views if 10 < sizes[v.label] < 30],
        "32 to 60 parameters": [v for v in analysis.views if sizes[v.label] >= 30],
    }
    pooled(analysis, parts)
    for name, views in parts.items():
        duels(views, name)
    targets(parts, analysis.labels)
    by_size(analysis, sizes)
    picture(analysis, parts, ROOT / "docs/multi-agent.png")


if __name__ == "__main__":
    main()
