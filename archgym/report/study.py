"""``archgym study report``: a study's page, its pictures, and its tables as CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path

from archgym.report import study_figures as figures
from archgym.report.study_data import analyse
from archgym.report.study_page import page
from archgym.report.study_tables import all_tables
from archgym.report.study_words import findings
from archgym.study.store import Store, write_atomically


def write_report(store: Store, out: Path, pictures: bool = True) -> list[Path]:
    """Write ``out/report.html``, ``out/tables/*.csv|.tex`` and ``out/figures/*.png|.svg``; returns the paths.

    Raises:
        RunFileError, ConfigError: if the directory holds no study, or no finished run.
        MissingExtraError: if plotly or matplotlib is not installed.
    """
    analysis = analyse(store)
    tables = all_tables(analysis)
    learned = {view.label: figures.learn_importance(view) for view in analysis.views}
    drawn = {
        "lottery": figures.lottery(analysis),
        "spread": figures.spreads(analysis),
        "regret": figures.regret_curves(analysis),
        "profiles": figures.profiles(analysis),
        "fronts": figures.fronts(analysis),
        "importance": figures.importance(analysis, learned),
        "interactions": figures.interactions(analysis, learned),
    }
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / "report.html"]
    write_atomically(paths[0], page(analysis, tables, drawn, findings(analysis)).encode())
    (out / "tables").mkdir(exist_ok=True)
    for table in tables:
        for suffix, text in ((".csv", table.csv()), (".tex", table.latex())):
            paths.append(out / "tables" / (table.name + suffix))
            write_atomically(paths[-1], text.encode())
    if pictures:
        from archgym.report.study_pictures import save_pictures

        paths += save_pictures(analysis, drawn, out / "figures")
    return paths
