"""``archgym proxy``: learn a fast stand-in for a simulator from a dataset, and see how far to trust it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from archgym.cli.output import number, table

HELP = "train, evaluate, describe and study proxy cost models"
EPILOG = """\
examples:
  archgym proxy train dram-data --target total_time_s --target energy_J --out dram.proxy
  archgym proxy evaluate dram.proxy dram-data --plot dram-proxy
  archgym proxy study proxy-size --scale small         one of the shipped studies of proxies
  python -c 'import gymnasium, archgym; from archgym.proxy import load_proxy; \\
             env = gymnasium.make("DRAMEnv-v0", simulator=load_proxy("dram.proxy"))'
"""
MODELS = ("auto", "all", "ridge", "forest", "boosting", "stacked", "gaussian", "networks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=text, description=text)

    train = verb("train", "choose a model for each target by cross-validation, and fit it")
    train.add_argument("dataset", metavar="DATASET")
    train.add_argument("--target", action="append", required=True, metavar="METRIC", help="repeatable")
    train.add_argument(
        "--model",
        action="append",
        choices=MODELS,
        help="kinds to choose from; repeatable (default: auto, all but networks)",
    )
    train.add_argument("--out", required=True, metavar="DIR", help="the new proxy's directory")
    train.add_argument("--workload", action="append", default=[], metavar="NAME", help="only rows of this; repeatable")
    train.add_argument("--agent", action="append", default=[], metavar="NAME", help="only rows of this; repeatable")
    train.add_argument("--general", action="store_true",
                       help="one model for all workloads, judged by leaving one out, that answers for others too")  # fmt: skip
    train.add_argument("--rows", type=int, default=200_000, metavar="N",
                       help="different rows to train on at most (default: 200000)")  # fmt: skip
    train.add_argument("--folds", type=int, default=3, help="of the cross-validation (default: 3)")
    train.add_argument("--members", type=int, default=3, help="of an ensemble (default: 3)")
    train.add_argument("--seed", type=int, default=0, help="same data and seed, same proxy (default: 0)")
    train.add_argument("--drop-missing", action="store_true", help="leave out feasible rows without a target")
    train.add_argument("--all-designs", action="store_true", help="hold nothing out; the proxy cannot be judged then")
    judge = verb("evaluate", "errors on held-out designs, and the regret of trusting the proxy")
    judge.add_argument("proxy", metavar="PROXY")
    judge.add_argument("dataset", metavar="DATASET", help="whose held-out designs the proxy is judged by")
    judge.add_argument("--pool", type=int, default=2000, metavar="N",
                       help="designs simulated to measure top-k regret; 0 for none (default: 2000)")  # fmt: skip
    judge.add_argument("--plot", metavar="STEM", help="save STEM.png and STEM.svg: predicted against true")
    judge.add_argument("--seed", type=int, default=0, help="which designs are drawn (default: 0)")
    judge.add_argument("--json", action="store_true", help="machine-readable output")
    _add_study(verb("study", "run a shipped study of proxies: a table, a picture, and what they say"))
    info = verb("info", "what a proxy is and what it learnt from")
    info.add_argument("proxy", metavar="PROXY")
    info.add_argument("--json", action="store_true", help="machine-readable output")


def _add_study(study: argparse.ArgumentParser) -> None:
    from archgym.proxy.studies import NAMES

    study.formatter_class = argparse.RawDescriptionHelpFormatter
    study.epilog = "studies:\n" + "\n".join(f"  {name:16s} {question}" for name, question in NAMES.items())
    study.add_argument("study", metavar="NAME", help=f"one of {', '.join(NAMES)}")
    study.add_argument("--out", metavar="DIR", help="where table and picture go (default: runs/NAME)")
    study.add_argument("--scale", choices=("full", "small"), default="full",
                       help="small: seconds, to see that it works (default: full, minutes)")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    return int(globals()[f"_{options.verb}"](options))


def _train(options: argparse.Namespace) -> int:
    from archgym.dataset import open_dataset
    from archgym.errors import ConfigError
    from archgym.proxy import save_proxy, train_proxy

    if Path(options.out).exists():
        raise ConfigError(f"{options.out} exists already; choose another name or remove it")
    proxy = train_proxy(
        open_dataset(options.dataset), options.target, tuple(options.model or ("auto",)), options.seed, options.folds,
        options.members, options.rows, options.workload, options.agent, options.general, options.drop_missing,
        not options.all_designs, print,
    )  # fmt: skip
    save_proxy(proxy, options.out)
    print(f"{options.out}: {proxy.name}, {proxy.data['rows']:,} training rows, "
          f"{100 * proxy.data['held_out_share']:.0f} % of all designs held out")  # fmt: skip
    return 0


def _study(options: argparse.Namespace) -> int:
    from archgym.proxy.studies import Scale, run_proxy_study

    scale = Scale.small() if options.scale == "small" else Scale.full()
    outcome = run_proxy_study(options.study, scale, lambda line: print(line, flush=True))
    print()
    for line in outcome.findings:
        print(line)
    for path in outcome.save(Path(options.out or Path("runs") / options.study)):
        print(path)
    return 0


def _info(options: argparse.Namespace) -> int:
    from archgym.proxy import load_proxy

    proxy = load_proxy(options.proxy)
    described = {"name": proxy.name, "version": proxy.version, "space": proxy.space.fingerprint,
                 "metrics": [metric.name for metric in proxy.metrics], "general": proxy.general,
                 "workloads": [entry["name"] for entry in proxy.workloads.values()], **proxy.data}  # fmt: skip
    if options.json:
        print(json.dumps(described, indent=1))
        return 0
    print(f"{proxy.name}: learnt from {proxy.data['rows']:,} rows of {proxy.data['dataset']} "
          f"({', '.join(proxy.data['agents'])}), licence {proxy.data['licence']}")  # fmt: skip
    rows = [[name, where, entry["model"], "logarithm" if entry["logarithm"] else "value", _best(entry),
             f"{entry['different_forms']:,}" if entry["different_forms"] else ""]
            for name, places in proxy.data["targets"].items() for where, entry in places.items()]  # fmt: skip
    table(
        "Models", ["metric", "workload", "model", "learnt as", "cross-validated relative RMSE", "rows told apart"], rows
    )
    for name, places in proxy.data["targets"].items():
        for where, entry in places.items():
            if entry["rules"]:
                print(f"\nwhat the data say of {name} on {where}, in this order:")
                for line in entry["rules"]:
                    print(f"  {line}")
    return 0


def _best(entry: dict[str, Any]) -> str:
    scores = entry["cross_validated_relative_rmse"]
    return f"{100 * min(scores.values()):.3g} %" if scores else "not compared"


def _evaluate(options: argparse.Namespace) -> int:
    from archgym.dataset import open_dataset
    from archgym.errors import ConfigError
    from archgym.proxy import load_proxy
    from archgym.proxy.evaluate import evaluate_proxy, held_out_truth, top_regret, true_problems

    proxy, dataset = load_proxy(options.proxy), open_dataset(options.dataset)
    truths = held_out_truth(proxy, dataset)
    report = evaluate_proxy(proxy, truths)
    report["regret"] = []
    for problem in true_problems(proxy, dataset) if options.pool else []:
        try:
            report["regret"].append(top_regret(proxy, problem, options.pool, seed=options.seed))
        except ConfigError as error:
            report.setdefault("regret_not_measured", []).append(str(error))
    if options.plot:
        from archgym.proxy.pictures import save_predicted_against_true

        report["pictures"] = [str(path) for path in save_predicted_against_true(proxy, truths, Path(options.plot))]
    if options.json:
        print(json.dumps(report, indent=1))
        return 0
    _show(report)
    return 0


def _show(report: dict[str, Any]) -> None:
    print(f"{report['proxy']}: {report['rows']:,} held-out rows, feasibility right for "
          f"{100 * report['feasibility_accuracy']:.2f} %")  # fmt: skip
    rows = []
    for name, found in report["metrics"].items():
        for where, parts in (("all", found["overall"]), *found["workloads"].items()):
            for part, e in parts.items():
                if e["rows"]:
                    rows.append([name, where, part, e["rows"], _percent(e["relative_rmse"]), _percent(e["mape"]),
                                 _percent(e["worst"]), _plain(e["r2"]), _plain(e["rank"]), _percent(e["within"]["0.6827"]),
                                 _percent(e["within"]["0.9545"]), e["far_rows"]])  # fmt: skip
    table("Errors (new: no training design behaves the same; recalled: one does, and its result is repeated)",
          ["metric", "workload", "designs", "rows", "relative RMSE", "mean error", "worst", "R²", "rank", "within 1 dev.",
           "within 2 dev.", "far"], rows)  # fmt: skip
    top = [[r["workload"], r["objective"], r["pool"], k, number(e["regret"]), _percent(e["share"]), e["hits"]]
           for r in report["regret"] for k, e in r["top"].items()]  # fmt: skip
    if top:
        table("Regret of the proxy's best k on the true simulator",
              ["workload", "objective", "pool", "k", "reward lost", "of median to best", "of true best k"], top)  # fmt: skip
    for line in (*report.get("regret_not_measured", ()), *(f"picture:  {path}" for path in report.get("pictures", ()))):
        print(line)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.3g} %"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
