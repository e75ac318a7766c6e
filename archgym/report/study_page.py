"""The report as one HTML file that needs nothing else: figures, tables, scripts and data are inside."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from archgym import __version__
from archgym.errors import MissingExtraError
from archgym.report.study_data import Analysis
from archgym.report.study_words import best_design
from archgym.report.table import Cell, Table, shown

_SECTIONS = {
    "lottery": (
        "The hyperparameter lottery",
        "Each box holds one group's settings: the best reward at equal budget, mean over seeds, scaled so that 0 is the "
        "average random design and 1 the best known one. A tall box means that the result is a matter of luck in the "
        "settings.",
    ),
    "spread": (
        "The lottery by budget",
        "How wide the boxes are at each budget: the interquartile range over settings, median over problems. Where it "
        "comes to nothing, the settings no longer matter.",
    ),
    "regret": (
        "Regret by evaluations",
        "How far the best design found so far is from the best known one: interquartile mean over all settings and seeds, "
        "with 95 % bootstrap intervals.",
    ),
    "profiles": (
        "Performance profiles",
        "The share of runs that reach at least each score; a line that is higher everywhere is better everywhere.",
    ),
    "fronts": ("Pareto fronts", "Designs the study found, in two costs that are both to be small."),
    "importance": (
        "Which parameters decide",
        "Shares of the reward's variance over the space, of each parameter alone and together with another. Where the "
        "model explains little of unseen designs, believe little of it.",
    ),
    "interactions": ("Which parameters act together", "Share of variance of pairs, beyond the two parameters alone."),
}


def page(analysis: Analysis, tables: Sequence[Table], figures: dict[str, Any], findings: Sequence[str]) -> str:
    """The page's text.

    Raises:
        MissingExtraError: if plotly, whose script goes into the page, is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise MissingExtraError("the report's interactive figures", "study") from error
    figures = {name: content for name, content in figures.items() if content}
    parts = {
        "title": html.escape(f"{analysis.study.name}: report"),
        "body": "\n".join(_body(analysis, {table.name: table for table in tables}, figures, findings)),
        # A script element ends at the first "</script", even inside a string.
        "data": json.dumps({"figures": figures, "runs": _runs(analysis)}, separators=(",", ":")).replace("</", "<\\/"),
        "plotly": get_plotlyjs(),
    }
    text = files("archgym.report").joinpath("study_page.html").read_text(encoding="utf-8")
    for name, content in parts.items():
        text = text.replace("{{" + name + "}}", content, 1)
    return text


def _body(analysis: Analysis, tables: dict[str, Table], figures: dict[str, Any], findings: Sequence[str]) -> list[str]:
    study = analysis.study
    name = study.name + (f" ({study.scale} scale)" if study.scale else "")
    anchors = {"findings": "Findings", "setting": "Setting", **{k: _SECTIONS[k][0] for k in figures}}
    anchors |= {"statistics": "Statistics", "designs": "Best designs", "runs": "Runs"}
    links = "".join(f'<a href="#{key}">{html.escape(title)}</a>' for key, title in anchors.items())
    lines = [
        f"<header><h1>{html.escape(name)}</h1>",
        f'<p class="question">{html.escape(study.question)}</p><nav>{links}</nav></header>',
        '<h2 id="findings">Findings</h2><ul class="findings">',
        *(f"<li>{html.escape(sentence)}</li>" for sentence in findings),
        "</ul>",
        '<h2 id="setting">Setting</h2>',
        *_setting(analysis),
        _table(tables["setting"]),
    ]
    for key in figures:
        lines += _figure(key, len(figures[key]))
        if key == "lottery":
            lines.append(_folded(tables["lottery"]))
        if key in ("spread", "fronts") and key in tables:
            lines.append(_folded(tables[key]))
    lines.append('<h2 id="statistics">Statistics</h2>')
    lines += [_table(table) for key, table in tables.items() if key not in ("setting", "lottery", "spread", "fronts")]
    lines.append('<h2 id="designs">Best designs</h2>')
    for view in analysis.views:
        words, parameters, metrics = best_design(view)
        lines.append(f"<h3>{html.escape(view.label)}: reward {view.best.reward:.4f}</h3><p>{html.escape(words)}</p>")
        inner = _plain_table(("parameter", "best", "default", ""), parameters, mark=True)
        inner += _plain_table(("metric", "default", "best", "change"), metrics)
        lines.append(f"<details><summary>All parameters and metrics</summary>{inner}</details>")
    lines += _runs_section()
    return lines


def _setting(analysis: Analysis) -> list[str]:
    problems = list(
        dict.fromkeys((v.key.id, v.problem.simulator.name, v.problem.simulator.version) for v in analysis.views)
    )
    lines = []
    for id, simulator, version in problems:
        views = [view for view in analysis.views if view.key.id == id]
        workloads = ", ".join(dict.fromkeys(view.key.workload for view in views))
        objectives = ", ".join(dict.fromkeys(view.key.objective for view in views))
        size = views[0].problem.space.size
        text = f"{id} ({size:,} designs)" if size < 10**9 else f"{id} ({size:.3g} designs)"
        lines.append(
            f"<p><b>{html.escape(text)}</b>, simulator {html.escape(simulator)} version {version}; workloads: "
            f"{html.escape(workloads)}; objectives: {html.escape(objectives)}.</p>"
        )
    lines += [
        f'<p class="note">{n} runs of the directory are left out: {html.escape(why)}.</p>'
        for why, n in analysis.apart.items()
    ]
    lines.append(
        f'<p class="note">Every agent gets the same number of evaluations, repeated designs included. '
        f"Groups are compared at the smallest budget among them. Made by archgym {__version__}.</p>"
    )
    return lines


def _figure(key: str, count: int) -> list[str]:
    title, text = _SECTIONS[key]
    choice = f'<select aria-label="{html.escape(title)}: which"></select>' if count > 1 else ""
    return [
        f'<h2 id="{key}">{html.escape(title)}</h2><p>{html.escape(text)}</p>',
        f'<div class="figure" data-name="{key}">{choice}<div class="plot"></div></div>',
    ]


def _table(table: Table) -> str:
    note = f'<p class="note">{html.escape(table.note)}</p>' if table.note else ""
    return f"<h3>{html.escape(table.title)}</h3>{note}{_plain_table(table.columns, table.rows)}"


def _folded(table: Table) -> str:
    note = f'<p class="note">{html.escape(table.note)}</p>' if table.note else ""
    return f"<details><summary>As a table</summary>{note}{_plain_table(table.columns, table.rows)}</details>"


def _plain_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], mark: bool = False) -> str:
    words = [any(isinstance(row[k], str) for row in rows) for k in range(len(columns))]
    kinds = [' class="t"' if word else "" for word in words]
    head = "".join(f"<th{kind}>{html.escape(column)}</th>" for kind, column in zip(kinds, columns, strict=True))
    lines = []
    for row in rows:
        cells = "".join(f"<td{kind}>{html.escape(shown(cell))}</td>" for kind, cell in zip(kinds, row, strict=True))
        lines.append(f'<tr class="changed">{cells}</tr>' if mark and row[-1] else f"<tr>{cells}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


_RUN_COLUMNS = (
    *("agents", "workload", "objective", "settings", "seed", "best reward"),
    *("at evaluation", "different designs", "feasible", "status"),
)
_WORDS = (0, 1, 2, 3, 9)
_FILTERS = (0, 1, 2, 9)


def _runs_section() -> list[str]:
    filters = "".join(f'<select data-column="{k}" aria-label="{_RUN_COLUMNS[k]}"></select>' for k in _FILTERS)
    head = "".join(f"<th{' class=t' if k in _WORDS else ''}>{name}</th>" for k, name in enumerate(_RUN_COLUMNS))
    return [
        '<h2 id="runs">Runs</h2><p class="note">Click a column to sort by it.</p>',
        f'<div class="filters">{filters}<input id="runs-search" type="search" placeholder="search" aria-label="search"></div>',
        '<p id="runs-count" class="note"></p>',
        f'<div class="scroll"><table id="runs-table"><thead><tr>{head}</tr></thead><tbody></tbody></table></div>',
    ]


def _varying(analysis: Analysis) -> dict[str, list[str]]:
    """For each group of agents, the hyperparameters that its settings differ in."""
    seen: dict[str, dict[str, set[str]]] = {}
    for row in analysis.rows:
        group = seen.setdefault(row["run"].label, {})
        for name, value in row["run"].spec.hyperparameters.items():
            group.setdefault(name, set()).add(repr(value))
    return {label: [name for name, values in group.items() if len(values) > 1] for label, group in seen.items()}


def _runs(analysis: Analysis) -> dict[str, Any]:
    """The table of runs; texts are kept once and referred to by number."""
    places: dict[int, dict[str, int]] = {k: {} for k in _WORDS}

    def word(column: int, text: str) -> int:
        return places[column].setdefault(text, len(places[column]))

    varying = _varying(analysis)
    rows = []
    for row in analysis.rows:
        run, summary = row["run"], row["summary"]
        values = run.spec.hyperparameters
        setting = ", ".join(f"{name}={values[name]}" for name in varying[run.label]) or "default"
        reward = summary.get("best_reward")
        rows.append(
            [
                word(0, run.label),
                word(1, run.problem.workload),
                word(2, run.problem.objective),
                word(3, setting),
                run.spec.seed,
                None if reward is None else round(reward, 6),
                summary.get("best_evaluation"),
                summary.get("unique_designs"),
                summary.get("feasible"),
                word(9, row["status"]),
            ]
        )
    words = [list(places[k]) if k in places else None for k in range(len(_RUN_COLUMNS))]
    return {"columns": _RUN_COLUMNS, "words": words, "rows": rows, "wide": 3}
