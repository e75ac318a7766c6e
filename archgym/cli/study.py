"""``archgym study``: run a study, see how far it is, export its data, write its report."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgym.cli.output import table
from archgym.errors import ArchGymError, ConfigError, MissingExtraError

if TYPE_CHECKING:
    from archgym.study import Plan, Store
    from archgym.study.execute import Watcher

HELP = "run many searches and compare them: sweeps, statistics, reports"
EPILOG = """\
examples:
  archgym study list                                     the studies that are shipped
  archgym study run lottery-dram --scale small           run one; stop it at any time, the same command goes on
  archgym study run my-study.toml --out runs/mine --jobs 4
  archgym study status runs/mine
  archgym study tune my-study.toml --agents ga --searcher optuna --scheduler asha
  archgym study report runs/mine                         one HTML page, pictures, and every table as CSV and LaTeX
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the studies that are shipped")
    listing.add_argument("--json", action="store_true", help="machine-readable output")
    _add_run(actions.add_parser("run", help="do the runs of a study that are missing"))
    status = actions.add_parser("status", help="say how far a study is")
    status.add_argument("directory", metavar="DIR", help="the study's directory")
    status.add_argument("--failures", action="store_true", help="print the traceback of every failed run")
    status.add_argument("--json", action="store_true", help="machine-readable output")
    export = actions.add_parser("export", help="write the tables again, or one run as a run file")
    export.add_argument("directory", metavar="DIR", help="the study's directory")
    export.add_argument(
        "--run", metavar="HASH", help="write this run as a run file, simulating anew what was not logged"
    )
    export.add_argument("--out", metavar="DIR", help="where to (default: the study's directory)")
    _add_tune(actions.add_parser("tune", help="let a searcher look for an agent's best setting, on Ray"))
    report = actions.add_parser("report", help="write the report: one HTML page, pictures and tables")
    report.add_argument("directory", metavar="DIR", help="the study's directory")
    report.add_argument("--out", metavar="DIR", help="where to (default: DIR/report)")
    report.add_argument("--no-pictures", action="store_true", help="only the page and the tables")


def _add_run(parser: argparse.ArgumentParser) -> None:
    from archgym.study import named_studies
    from archgym.study.execute import EXECUTORS

    parser.add_argument("study", metavar="FILE", help=f"a study file, or a shipped study: {', '.join(named_studies())}")
    parser.add_argument("--scale", help="one of the study's smaller scales, such as `small`")
    parser.add_argument("--out", metavar="DIR", help="the study's directory (default: runs/NAME[-SCALE])")
    parser.add_argument("--jobs", type=int, default=0, help="processes at a time (default: all cores)")
    parser.add_argument("--executor", default="auto", choices=EXECUTORS, help="who does the runs (default: auto)")
    parser.add_argument("--address", default="", help="for --executor ray: the cluster's address")
    parser.add_argument(
        "--scheduler", default="", choices=("", "asha"), help="for --executor ray: stop unpromising runs early"
    )
    parser.add_argument("--bundle", type=int, default=0, help="for --executor ray: runs a trial (default: chosen)")
    parser.add_argument("--retry-failed", action="store_true", help="do the runs that failed again, too")
    parser.add_argument("--extend", action="store_true", help="let a changed definition go on in the same directory")
    parser.add_argument(
        "--allow-runs", type=int, default=0, metavar="N", help="confirm that a study of up to N runs is meant"
    )
    parser.add_argument("--tensorboard", metavar="DIR", help="also write progress for TensorBoard")
    parser.add_argument("--no-tables", action="store_true", help="write no Parquet tables at the end")
    parser.add_argument("--quiet", action="store_true", help="plain lines instead of the live table")


def _add_tune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="FILE", help="a study file, or a shipped study")
    parser.add_argument("--scale", help="one of the study's smaller scales, such as `small`")
    parser.add_argument("--agents", required=True, metavar="LABEL", help="which of the study's [[agents]]")
    parser.add_argument("--trials", type=int, default=20, help="settings to try (default: 20)")
    parser.add_argument("--searcher", default="random", help="who proposes them: random or optuna (default: random)")
    parser.add_argument("--scheduler", default="", choices=("", "asha"), help="stop poor settings early")
    parser.add_argument("--address", default="", help="the Ray cluster's address (default: one is started here)")
    parser.add_argument("--jobs", type=int, default=0, help="trials at a time (default: all cores)")
    parser.add_argument("--out", metavar="DIR", help="where the results go (default: runs/NAME-tuning)")


def run(options: argparse.Namespace) -> int:
    actions = {"tune": _tune, "list": _list, "run": _run, "status": _status, "export": _export, "report": _report}
    return actions[options.action](options)


def _list(options: argparse.Namespace) -> int:
    from archgym.study import named_studies, open_study

    rows = []
    for name in named_studies():
        try:
            study = open_study(name)
            rows.append([name, study.run_count, study.evaluation_count, study.question])
        except ArchGymError as error:  # an agent whose extra is not installed, say
            rows.append([name, "-", "-", f"cannot be run here: {error}"])
    if options.json:
        print(json.dumps([dict(zip(("name", "runs", "evaluations", "question"), row, strict=True)) for row in rows]))
        return 0
    table("Studies", ["name", "runs", "evaluations", "question"], rows)
    return 0


def _run(options: argparse.Namespace) -> int:
    from archgym.study import Options, Store, open_study, run_study

    study = open_study(options.study, options.scale)
    directory = Path(options.out or Path("runs") / f"{study.name}{f'-{study.scale}' if study.scale else ''}")
    if options.jobs < 0:
        raise ConfigError(f"--jobs: {options.jobs} is not allowed; allowed: whole numbers from 0 (all cores)")
    chosen = Options(
        executor=options.executor,
        jobs=options.jobs,
        address=options.address,
        scheduler=options.scheduler,
        bundle=options.bundle,
        retry_failed=options.retry_failed,
        allow_runs=options.allow_runs,
        extend=options.extend,
    )
    try:
        done = run_study(study, directory, chosen, _watchers(options))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"finished runs are kept in {directory}; the same command goes on from there") from None
    for why, count in done.apart.items():
        print(f"{count} runs in {directory} are kept apart: {why}")
    if done.damaged:
        print(f"{done.damaged} damaged records in {directory} were passed over; their runs were done again")
    known = done.planned - done.found - done.ran - done.failed - done.stopped
    print(
        f"{study.name}: {done.planned} runs planned, {done.found} found, {done.ran} done now, {done.failed} failed now"
        + (f", {done.stopped} stopped early" if done.stopped else "")
        + (f", {known} left" if known else "")
        + f"; {done.seconds:.1f} s"
    )
    if done.failed:
        print(f"see `archgym study status {directory} --failures`; `--retry-failed` does them again")
    if not options.no_tables:
        _tables(Store(directory), directory)
    print(f"study directory: {directory}")
    return 0


def _watchers(options: argparse.Namespace) -> tuple[Watcher, ...]:
    from archgym.study.progress import LiveTable, PlainLog, TensorBoard

    watchers: list[Watcher] = [PlainLog() if options.quiet or not sys.stderr.isatty() else LiveTable()]
    if options.tensorboard:
        watchers.append(TensorBoard(Path(options.tensorboard)))
    return tuple(watchers)


def _tables(store: Store, directory: Path) -> None:
    from archgym.study import plan_study
    from archgym.study.tables import write_tables

    try:
        for path in write_tables(store, plan_study(store.study()), directory):
            print(f"table: {path}")
    except MissingExtraError as error:
        print(f"archgym study: {error}", file=sys.stderr)


def _status(options: argparse.Namespace) -> int:
    from archgym.study import Store, plan_study

    store = Store(options.directory)
    plan = plan_study(store.study())
    rows = _progress(store, plan)
    apart = store.apart(plan)
    if options.json:
        content = {"study": plan.study.name, "groups": rows, "apart": apart, "damaged": store.damaged}
        print(json.dumps(content, indent=1))
        return 0
    columns = ["agents", "problem", "done", "stopped", "failed", "runs", "best_reward"]
    table(f"{plan.study.name}: {plan.study.question}", columns, [[_shown(row[c]) for c in columns] for row in rows])
    done = sum(row["done"] for row in rows)
    print(f"{done} of {len(plan)} runs done")
    for why, count in apart.items():
        print(f"{count} further runs are kept apart: {why}")
    if store.damaged:
        print(f"{store.damaged} damaged records are passed over")
    if options.failures:
        for run in plan.runs:
            if run.hash in store.failures:
                print(
                    f"\nrun {run.hash}: {run.label} on {run.problem.label}, {dict(run.spec.hyperparameters)}, seed {run.spec.seed}"
                )
                print(store.traceback(run.hash).rstrip())
    return 0


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _progress(store: Store, plan: Plan) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for run in plan.runs:
        row = groups.setdefault(
            (run.label, run.problem.label),
            {
                "agents": run.label,
                "problem": run.problem.label,
                "done": 0,
                "stopped": 0,
                "failed": 0,
                "runs": 0,
                "best_reward": None,
            },
        )
        row["runs"] += 1
        if run.hash in store.runs:
            row["done"] += 1
            best = store.runs[run.hash].head["summary"]["best_reward"]
            row["best_reward"] = best if row["best_reward"] is None else max(best, row["best_reward"])
        row["stopped"] += run.hash in store.stopped
        row["failed"] += run.hash in store.failures
    return list(groups.values())


def _export(options: argparse.Namespace) -> int:
    from archgym.study import Store, plan_study
    from archgym.study.tables import write_run_file

    store = Store(options.directory)
    out = Path(options.out or options.directory)
    if options.run is None:
        _tables(store, out)
    else:
        print(f"run file: {write_run_file(store, plan_study(store.study()), options.run, out)}")
    return 0


def _tune(options: argparse.Namespace) -> int:
    from archgym.study import open_study
    from archgym.study.tune import tune_agents

    if options.trials < 1:
        raise ConfigError(f"--trials: {options.trials} is not allowed; allowed: whole numbers from 1")
    study = open_study(options.study, options.scale)
    out = Path(options.out or Path("runs") / f"{study.name}-tuning")
    found = tune_agents(
        study, options.agents, options.trials, out, options.searcher, options.scheduler, options.address, options.jobs
    )
    rows = [
        [
            t.problem.label,
            len(t.trials),
            sum(not trial.complete for trial in t.trials),
            f"{t.score:.4f}",
            ", ".join(f"{value:.4f}" for value in t.held_out),
            ", ".join(f"{name}={value}" for name, value in t.best.items()),
        ]
        for t in found
    ]
    columns = ["problem", "settings", "stopped early", "best mean reward", "the same on fresh seeds", "setting"]
    table(f"{options.agents}, tuned", columns, rows)
    print(f"results: {out}")
    return 0


def _report(options: argparse.Namespace) -> int:
    from archgym.report.study import write_report
    from archgym.study import Store

    store = Store(options.directory)
    out = Path(options.out or Path(options.directory) / "report")
    for path in write_report(store, out, pictures=not options.no_pictures):
        print(path)
    return 0
