"""The card of a dataset: what it holds, how it was made, what it covers, and its known limits, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from archgym.dataset.manifest import Manifest
from archgym.dataset.schema import level_column


def write_card(manifest: Manifest, directory: Path) -> None:
    (directory / "README.md").write_text(card(manifest), encoding="utf-8", newline="\n")


def card(manifest: Manifest, front: str = "") -> str:
    """The card's text; ``front`` goes before the title (the YAML head that Hugging Face reads)."""
    parts = [
        front,
        f"# {manifest.name}",
        manifest.description,
        _what(manifest),
        _made(manifest),
        _covers(manifest),
        _columns(manifest),
        LIMITS + _limits(manifest),
        _use(manifest),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def _what(manifest: Manifest) -> str:
    space = manifest.design_space
    measures = manifest.measures
    return (
        f"{manifest.rows:,} evaluations ({measures.get('unique_designs', 0):,} different designs) of "
        f"{len(space)} parameters ({space.size:.4g} possible designs) by simulator "
        f"`{manifest.simulator['name']}` version {manifest.simulator['version']}; "
        f"{100 * measures.get('feasible_share', 1.0):.2f} % are feasible. Licence: {manifest.licence}."
    )


def _made(manifest: Manifest) -> str:
    counts: dict[tuple[str, str, str, str], list[int]] = {}
    for run in manifest.runs:
        task = manifest.tasks[run[0]]
        key = (
            manifest.agents[run[1]]["agent"],
            task["problem"],
            manifest.workloads[task["workload"]]["name"],
            str(task["objective"]),
        )
        entry = counts.setdefault(key, [0, 0])
        entry[0] += 1
        entry[1] += run[5]
    table = _table(
        ["agent", "problem", "workload", "objective", "runs", "rows"],
        [(*key, runs, f"{rows:,}") for key, (runs, rows) in sorted(counts.items())],
    )
    return (
        "## How it was made\n\nEvery row is one design as a search agent asked for it and as the simulator answered. "
        "`manifest.json` names each run's hyperparameters, seed and budget, the fingerprints of space and workloads, "
        f"and the checksums of all files.\n\n{table}"
    )


def _covers(manifest: Manifest) -> str:
    m = manifest.measures
    if not m:
        return ""
    rows: list[tuple[object, ...]] = [
        ("different designs", f"{m['unique_designs']:,} of {m['rows']:,} rows"),
        ("levels that occur", f"{100 * m['level_coverage']:.1f} %"),
        ("pairs of levels that occur", f"{100 * m['pair_coverage']:.1f} %" + _bound(m)),
        ("balance of levels (1 = uniform)", f"{m['balance']:.3f}"),
        (
            "parameters in which two random rows differ",
            f"{m['distance']:.3f} (uniform draws: {m['distance_uniform']:.3f})",
        ),
    ]
    text = "## What it covers\n\n" + _table(["measure", "value"], rows)
    by_agent = [
        (name, f"{entry['rows']:,}", f"{entry['unique_designs']:,}", _number(entry["best_reward"]))
        for name, entry in m["agents"].items()
    ]
    return text + "\n\n" + _table(["agent", "rows", "different designs", "best reward"], by_agent)


def _bound(m: Any) -> str:
    return "" if m["pair_coverage_rows"] >= m["rows"] else f" (in the first {m['pair_coverage_rows']:,} rows)"


def _columns(manifest: Manifest) -> str:
    space = manifest.design_space
    bounds = manifest.measures.get("metrics", {})
    rows = [
        ("`run`, `step`", "", "number of the run (in `manifest.json`) and of the evaluation in it", ""),
        ("`agent`, `workload`", "", "names", ""),
    ]
    for parameter in space.parameters:
        levels = ", ".join(map(str, parameter.levels[:6])) + (", …" if len(parameter.levels) > 6 else "")
        rows.append((f"`{parameter.name}`", parameter.unit, parameter.help, f"{levels} ({len(parameter.levels)})"))
    rows.append((f"`{level_column('PARAMETER')}`", "", "the same as level numbers from 0", ""))
    for metric in manifest.metrics:
        low, high = bounds.get(metric["name"], (None, None))
        better = {"min": "; lower is better", "max": "; higher is better"}.get(metric["direction"], "")
        rows.append(
            (f"`{metric['name']}`", metric["unit"], metric["help"] + better, f"{_number(low)} to {_number(high)}")
        )
    rows += [
        (
            "`feasible`, `reason`",
            "",
            "whether the design can be built and run, and why not; if not, metrics are null",
            "",
        ),
        ("`reward`", "", "of the run's objective; higher is better", ""),
    ]
    return "## Columns\n\n" + _table(["column", "unit", "what", "values"], rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


LIMITS = """## Known limits

- The numbers are a simulator's, not a machine's; `archgym show PROBLEM --assumptions` says what it models.
- Rows of one run depend on each other: an agent asks for what it found good, and may ask for it again. Split by
  different design, never by row.
"""


def _limits(manifest: Manifest) -> str:
    names = manifest.agent_names()
    lines = []
    if names and set(names) != {"random"}:
        lines.append(
            "- Good designs are over-represented, as searches ask for them; a model of the whole space needs "
            "the rows of `random` too."
            if "random" in names
            else "- No design was drawn at random: the data are dense only where the searches went."
        )
    absent = [w["name"] for w in manifest.workloads if not w.get("features")]
    if absent:
        lines.append(f"- No features are known for workload {', '.join(absent)}, so nothing can be learnt across it.")
    return "\n".join(lines)


def _use(manifest: Manifest) -> str:
    return f"""## Use

```sh
archgym dataset verify .            # simulate a sample again and demand equality
archgym dataset export . --format csv --out {manifest.name}.csv
archgym proxy train . --target {manifest.metrics[0]["name"] if manifest.metrics else "METRIC"} --out {manifest.name}.proxy
```"""
