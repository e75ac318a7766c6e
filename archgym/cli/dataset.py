"""``archgym dataset``: gather logs into tables, describe, check, export and import them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from archgym.cli.output import number, table

HELP = "gather search logs into a dataset; describe, verify, export, merge and import datasets"
EPILOG = """\
examples:
  archgym dataset build runs --out dram-data --agent random --agent ga
  archgym dataset verify dram-data
  archgym dataset export dram-data --format csv --out dram.csv
  archgym dataset import table.csv --map map.json --problem DRAMEnv-v0 --simulator my-board --out board-data
"""
FORMATS = ("csv", "npz", "minari", "huggingface")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=text, description=text)

    build = verb("build", "gather run files, directories of them, and studies into a new dataset")
    build.add_argument("sources", nargs="+", metavar="LOG", help="run file, directory of run files, or study directory")
    build.add_argument("--out", required=True, metavar="DIR", help="the new dataset's directory")
    for name, text in (
        ("agent", "only runs of this agent"),
        ("problem", "only runs on this problem"),
        ("workload", "only runs on this workload"),
        ("objective", "only runs for this objective"),
    ):
        build.add_argument(f"--{name}", action="append", default=[], metavar="NAME", help=text + "; repeatable")
    build.add_argument("--seed", action="append", type=int, default=[], help="only runs with this seed; repeatable")
    build.add_argument("--budget", type=int, metavar="N", help="only runs of at least this budget")
    build.add_argument("--steps", type=int, metavar="N", help="only the first N evaluations of each run")
    _describe(build)
    info = verb("info", "what a dataset holds")
    info.add_argument("dataset", metavar="DATASET")
    info.add_argument("--json", action="store_true", help="machine-readable output")
    check = verb("verify", "simulate rows again and demand equal bits")
    check.add_argument("dataset", metavar="DATASET")
    check.add_argument("--rows", type=int, default=1000, metavar="N", help="rows to simulate (default: 1000)")
    check.add_argument("--all", action="store_true", help="simulate every row")
    check.add_argument("--seed", type=int, default=0, help="which rows are drawn (default: 0)")
    export = verb("export", "write a dataset in another form")
    export.add_argument("dataset", metavar="DATASET")
    export.add_argument("--format", required=True, choices=FORMATS)
    export.add_argument("--out", required=True, metavar="PATH", help="file (csv, npz) or directory to make")
    merge = verb("merge", "put datasets of the same space and simulator version into one")
    merge.add_argument("sources", nargs="+", metavar="DATASET")
    merge.add_argument("--out", required=True, metavar="DIR", help="the new dataset's directory")
    _describe(merge)
    read = verb("import", "read your own CSV table as a dataset")
    read.add_argument("file", metavar="CSV")
    read.add_argument("--map", required=True, metavar="JSON", help="which column is which parameter and metric")
    read.add_argument("--problem", required=True, metavar="ID", help="the problem whose space and metrics are meant")
    read.add_argument("--workload", help="the workload the numbers are for (default: the problem's)")
    read.add_argument("--simulator", required=True, metavar="NAME", help="what made the numbers")
    read.add_argument("--simulator-version", type=int, default=1, metavar="N")
    read.add_argument("--allow-missing", action="store_true", help="keep rows whose metrics are missing")
    read.add_argument("--out", required=True, metavar="DIR", help="the new dataset's directory")
    _describe(read)


def _describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="", help="for people (default: the directory's name)")
    parser.add_argument("--description", default="", help="one or two sentences for the card")
    parser.add_argument("--licence", default=None, help="of the data, an SPDX name or your own words")
    parser.add_argument("--published", default="", metavar="YYYY-MM-DD", help="date of publication (default: none)")


def run(options: argparse.Namespace) -> int:
    return int(globals()[f"_{options.verb}"](options))


def _build(options: argparse.Namespace) -> int:
    from archgym.dataset import Filter, build_dataset

    chosen = Filter(
        tuple(options.agent),
        tuple(options.problem),
        tuple(options.workload),
        tuple(options.objective),
        tuple(options.seed),
        options.budget,
        options.steps,
    )
    made = build_dataset(
        options.sources,
        options.out,
        chosen,
        options.name,
        options.description,
        options.licence or "not stated",
        published=options.published,
    )
    return _made(made)


def _made(made: Any) -> int:
    measures = made.manifest.measures
    print(
        f"{made.directory}: {len(made):,} rows, {measures['unique_designs']:,} different designs, "
        f"{len(made.manifest.runs):,} runs by {', '.join(made.manifest.agent_names())}"
    )
    return 0


def _info(options: argparse.Namespace) -> int:
    from archgym.dataset import open_dataset

    manifest = open_dataset(options.dataset).manifest
    if options.json:
        print(json.dumps({key: value for key, value in manifest.to_json().items() if key != "runs"}, indent=1))
        return 0
    measures = manifest.measures
    print(
        f"{manifest.name}: {manifest.rows:,} rows, simulator {manifest.simulator['name']} version "
        f"{manifest.simulator['version']}, space {manifest.design_space.fingerprint}, licence {manifest.licence}"
    )
    if manifest.description:
        print(manifest.description)
    table(
        "Agents",
        ["agent", "rows", "different designs", "best reward"],
        [
            [
                name,
                f"{entry['rows']:,}",
                f"{entry['unique_designs']:,}",
                "" if entry["best_reward"] is None else number(entry["best_reward"]),
            ]
            for name, entry in measures["agents"].items()
        ],
    )
    table(
        "Workloads",
        ["workload", "domain", "fingerprint"],
        [[w["name"], w["domain"], w["fingerprint"][:16]] for w in manifest.workloads],
    )
    table(
        "Metrics",
        ["metric", "unit", "least", "most"],
        [
            [
                m["name"],
                m["unit"],
                *("" if bound is None else number(bound) for bound in measures["metrics"][m["name"]]),
            ]
            for m in manifest.metrics
        ],
    )
    print(
        f"levels seen {100 * measures['level_coverage']:.1f} %, pairs of levels {100 * measures['pair_coverage']:.1f} %, "
        f"feasible {100 * measures['feasible_share']:.1f} %, balance {measures['balance']:.3f}, "
        f"distance {measures['distance']:.3f} (uniform {measures['distance_uniform']:.3f})"
    )
    return 0


def _verify(options: argparse.Namespace) -> int:
    from archgym.dataset import open_dataset, verify_dataset
    from archgym.errors import ConfigError

    if options.rows < 1:
        raise ConfigError(f"--rows: {options.rows} is not allowed; allowed: whole numbers from 1")
    found = verify_dataset(open_dataset(options.dataset), None if options.all else options.rows, options.seed)
    print(f"{options.dataset}: {found.checked:,} of {found.rows:,} rows simulated again, {found.mismatches:,} differ")
    for line in found.examples:
        print(f"  {line}")
    return 0 if found.passed else 1


def _export(options: argparse.Namespace) -> int:
    from archgym.dataset import export_dataset, open_dataset

    for path in export_dataset(open_dataset(options.dataset), options.format, options.out):
        print(path)
    return 0


def _merge(options: argparse.Namespace) -> int:
    from archgym.dataset import merge_datasets

    return _made(
        merge_datasets(
            options.sources, options.out, options.name, options.description, options.licence, options.published
        )
    )


def _import(options: argparse.Namespace) -> int:
    from archgym.dataset import import_csv
    from archgym.dataset.importing import read_mapping

    made = import_csv(
        Path(options.file),
        options.out,
        read_mapping(options.map),
        options.problem,
        options.simulator,
        options.simulator_version,
        options.workload,
        None,
        options.allow_missing,
        options.name,
        options.licence or "not stated",
        options.description,
        options.published,
    )
    return _made(made)
