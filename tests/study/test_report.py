"""The report: complete, self-contained, right in its numbers, and alive in a real browser."""

from __future__ import annotations

import csv
import html.parser
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from archgym.errors import ConfigError
from archgym.report.study import write_report
from archgym.report.study_data import analyse
from archgym.report.study_tables import front_table, lottery_table, score_table, spread_table
from archgym.report.study_words import best_design, findings
from archgym.report.table import Table, shown
from archgym.study import Agents, Options, Store, run_study
from archgym.study.tabulate import tabulate
from tests.study.toy import toy_study

pytest.importorskip("plotly")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A finished study of two groups, the first of which has three settings."""
    folder = tmp_path_factory.mktemp("study")
    agents = (Agents("random", grid={"batch_size": (1, 4, 16)}), Agents("random", label="other", seeds=(5, 6, 7)))
    study = toy_study("report", budget=60, seeds=(0, 1, 2), question="Is <b> a tag & what else?", agents=agents)
    run_study(study, folder, Options(executor="serial"))
    return folder


@pytest.fixture(scope="module")
def written(directory, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return out, write_report(Store(directory), out)


class _Page(html.parser.HTMLParser):
    """Collects what a page loads and its identifiers, and checks that tags close."""

    VOID = ("meta", "input", "br", "link", "img")

    def __init__(self):
        super().__init__()
        self.loads, self.ids, self.links, self.open = [], [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.loads += [values[name] for name in ("src",) if name in values]
        self.loads += [values["href"]] if tag == "link" else []
        self.links += [values["href"]] if tag == "a" else []
        self.ids += [values["id"]] if "id" in values else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_file_that_loads_nothing(written):
    text = (written[0] / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.loads == []
    assert page.open == []
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert len(text) < 7_000_000
    assert "{{" not in text.split("<script")[0]
    assert "Is &lt;b&gt; a tag &amp; what else?" in text


def test_the_pages_data_has_every_figure_and_every_run(written):
    text = (written[0] / "report.html").read_text()
    data = json.loads(re.search(r'id="report-data" type="application/json">(.*?)</script>', text, re.S)[1])
    assert list(data["figures"]) == ["lottery", "spread", "regret", "profiles", "fronts", "importance", "interactions"]
    assert len(data["figures"]["regret"]) == 1 + 4
    assert len(data["runs"]["rows"]) == 4 * 3 * 3 + 4 * 3
    boxes = data["figures"]["lottery"]["StudyToy-v0 · time"]["data"]
    assert [box["name"] for box in boxes] == ["random", "other"]
    assert len(boxes[0]["y"]) == 2 * 3


def test_pictures_and_tables_are_written_in_both_forms(written):
    out, paths = written
    assert all(path.exists() and path.stat().st_size for path in paths)
    for folder, suffixes in (("figures", (".png", ".svg")), ("tables", (".csv", ".tex"))):
        stems = [{p.stem for p in (out / folder).iterdir() if p.suffix == suffix} for suffix in suffixes]
        assert stems[0] == stems[1] != set()
    rows = list(csv.reader((out / "tables" / "lottery.csv").open()))
    assert len(rows) == 1 + 4  # only the first group has settings to differ


def test_scores_agree_with_the_runs(directory):
    store = Store(directory)
    analysis = analyse(store)
    view = analysis.views[0]
    group = view.groups["random"]
    best = [
        [
            store.runs[run.hash].head["summary"]["best_reward"]
            for run in analysis.plan.runs
            if run.problem == view.key and run.label == "random" and run.setting == s
        ]
        for s in range(3)
    ]
    np.testing.assert_array_equal(group.scores(view.common_column), best)
    assert view.best.reward == max(
        record.head["summary"]["best_reward"]
        for record in (store.runs[r.hash] for r in analysis.plan.runs if r.problem == view.key)
    )
    row = lottery_table(analysis).rows[0]
    means = view.scaled(np.mean(best, axis=1))
    assert row[:4] == ["random", "light", "time", 3]
    assert row[4:9] == pytest.approx(np.quantile(means, [0, 0.25, 0.5, 0.75, 1]))
    scores = score_table(analysis).rows
    assert [r[0] for r in scores] == ["random", "other"]
    assert all(r[2] <= r[1] <= r[3] for r in scores)


def test_the_spread_at_the_last_budget_is_that_of_the_lottery(directory):
    analysis = analyse(Store(directory))
    table = spread_table(analysis)
    assert table.columns == ("budget", "random")  # the other group has one setting
    assert [row[0] for row in table.rows] == [3, 10, 30, 60]
    ranges = [row[9] for row in lottery_table(analysis).rows]
    assert table.rows[-1][1] == pytest.approx(np.median(ranges))


def test_hypervolumes_found_are_shares_of_the_exact_ones(directory, tmp_path, monkeypatch):
    (light, heavy) = front_table(analyse(Store(directory))).rows
    assert light[:4] == ["StudyToy-v0", "light", "time_s", "energy_J"]
    assert 0 < light[5] <= 1
    assert light[6] is None
    monkeypatch.setenv("ARCHGYM_TABLES", str(tmp_path))
    tabulate("StudyToy-v0", "light", tmp_path)
    (known, unknown) = front_table(analyse(Store(directory))).rows
    assert 0 < known[5] <= known[6] <= 1
    assert unknown == heavy


def test_the_best_design_is_told_in_words(directory):
    view = analyse(Store(directory)).views[0]
    words, parameters, metrics = best_design(view)
    assert re.match(r"Change \d of 5 parameters: ", words)
    assert "instead of" in words
    assert f"seed {view.best.run.spec.seed}" in words
    assert "unused" not in words  # changes that make no difference are not told
    assert len(parameters) == 5
    assert [row[0] for row in metrics] == ["time_s", "energy_J"]


def test_with_tables_the_optimum_is_exact(directory, tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHGYM_TABLES", str(tmp_path))
    for workload in ("light", "heavy"):
        tabulate("StudyToy-v0", workload, tmp_path)
    analysis = analyse(Store(directory))
    assert analysis.exact
    assert "known exactly" in findings(analysis)[0]
    view = analysis.views[0]
    rewards = view.problem.evaluate(view.problem.space.enumerate()).reward
    assert view.optimum == rewards.max()
    assert view.average_random == pytest.approx(rewards.mean())
    words = best_design(view)[0]
    assert "exact optimum" in words


def test_findings_are_sentences_with_numbers(directory):
    said = findings(analyse(Store(directory)))
    assert said[0].startswith("48 of 48 planned runs are done.")
    assert any(sentence.startswith("The lottery of random: over 3 settings") for sentence in said)
    assert all(sentence.endswith(".") for sentence in said)


def test_a_study_without_a_finished_run_has_no_report(tmp_path):
    study = toy_study(options={"trouble": "fail"})
    run_study(study, tmp_path / "s", Options(executor="serial"))
    with pytest.raises(ConfigError, match="no run is finished"):
        write_report(Store(tmp_path / "s"), tmp_path / "out")


def test_an_unfinished_study_is_reported_with_what_is_missing(tmp_path):
    study = toy_study(agents=(Agents("random", grid={"batch_size": (3, 8)}),))
    run_study(study, tmp_path / "s", Options(executor="serial"))
    more = toy_study(agents=(Agents("random", grid={"batch_size": (3, 8, 9)}),))
    store = Store(tmp_path / "s")
    store.claim(more, extend=True)
    analysis = analyse(store)
    assert analysis.counts() == {"done": 16, "stopped": 0, "failed": 0, "missing": 8}
    assert {group.incomplete for view in analysis.views for group in view.groups.values()} == {1}
    assert "16 of 24 planned runs are done (8 missing)." in findings(analysis)[0]


def test_tables_escape_what_csv_and_latex_read_as_their_own():
    table = Table("t", "title", ("a_b", "n"), [['x, "y" & 50 %', 1.5], ["z", float("inf")]])
    assert list(csv.reader(table.csv().splitlines()))[1] == ['x, "y" & 50 %', "1.5"]
    assert r'x, "y" \& 50 \% & 1.5 \\' in table.latex()
    assert r"\begin{tabular}{lr}" in table.latex()
    assert r"a\_b & n \\" in table.latex()
    assert shown(float("inf")) == "never"


PROBE = """
<script>
window.problems = [];
window.addEventListener("error", event => window.problems.push(event.message));
console.error = (...words) => window.problems.push(words.join(" "));
</script>
"""
ACT = """
<script>
window.addEventListener("load", () => setTimeout(() => {
  const count = () => document.querySelectorAll("#runs-table tbody tr").length;
  const result = {all: count(), plots: [...document.querySelectorAll(".plot")].map(p => p.querySelectorAll(".main-svg").length)};
  const filter = document.querySelector('.filters [data-column="1"]');
  filter.value = "heavy"; filter.dispatchEvent(new Event("change"));
  result.heavy = count();
  const search = document.getElementById("runs-search");
  search.value = "batch_size=16"; search.dispatchEvent(new Event("input"));
  result.searched = count();
  document.querySelectorAll("#runs-table th")[5].click();
  const rewards = [...document.querySelectorAll("#runs-table tbody tr")].map(r => Number(r.cells[5].textContent));
  result.sorted = rewards.every((value, k) => k === 0 || rewards[k - 1] >= value);
  result.said = document.getElementById("runs-count").textContent;
  const choice = document.querySelector('.figure[data-name="regret"] select');
  choice.value = choice.options[2].text; choice.dispatchEvent(new Event("change"));
  setTimeout(() => {
    result.title = document.querySelector('.figure[data-name="regret"] .gtitle').textContent;
    result.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    result.problems = window.problems;
    const found = document.createElement("pre");
    found.id = "result"; found.textContent = JSON.stringify(result);
    document.body.append(found);
  }, 500);
}, 1500));
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_the_page_works_in_a_browser(written, tmp_path):
    text = (written[0] / "report.html").read_text()
    text = text.replace("<head>", "<head>" + PROBE, 1).replace("</body>", ACT + "</body>")
    path = tmp_path / "page.html"
    path.write_text(text)
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--virtual-time-budget=15000", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    result = json.loads(html.unescape(re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.S)[1]))
    assert result["problems"] == []
    assert len(result["plots"]) == 7
    assert min(result["plots"]) >= 1
    assert (result["all"], result["heavy"], result["searched"]) == (48, 24, 6)
    assert result["sorted"]
    assert result["said"] == "6 of 48 runs"
    assert result["title"] == "StudyToy-v0 · light · both"
    assert result["overflow"] <= 0
