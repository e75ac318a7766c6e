"""Training a proxy from a dataset: choose a model for each target by cross-validation, fit, calibrate."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.dataset.manifest import Manifest
from archgym.dataset.store import Dataset
from archgym.errors import ConfigError, DatasetError
from archgym.proxy.features import raw_features
from archgym.proxy.fit import (
    AUTO,
    KINDS,
    LEADING,
    Candidate,
    Choice,
    Table,
    calibrate,
    candidates,
    choose,
    fit_target,
    wants_logarithm,
)
from archgym.proxy.reach import Reach
from archgym.proxy.samples import HOLDOUT, Samples, folds_of, gather
from archgym.proxy.simulator import FEASIBLE, Part, Proxy, plain_metric
from archgym.proxy.target import TargetModel

Floats = NDArray[np.float64]
Tell = Callable[[str], None]
#: rows that cross-validation looks at, and rows a proxy is trained on, at most
CHOICE_ROWS, MOST_ROWS = 12_000, 200_000
MEMBERS = 3


def train_proxy(
    dataset: Dataset,
    targets: Sequence[str],
    models: Sequence[str] = ("auto",),
    seed: int = 0,
    folds: int = 3,
    members: int = MEMBERS,
    most_rows: int = MOST_ROWS,
    workloads: Sequence[str] = (),
    agents: Sequence[str] = (),
    general: bool = False,
    drop_missing: bool = False,
    hold_out: bool = True,
    tell: Tell = lambda line: None,
) -> Proxy:
    """A proxy of ``targets`` for the workloads of a dataset.

    Args:
        models: kinds to choose from (`archgym.proxy.fit.KINDS`); ``("auto",)`` is all but networks, which take minutes to
            compare, and ``("all",)`` is all.
        folds: of the cross-validation; a fold is a set of designs, or with ``general`` a workload.
        members: of an ensemble.
        most_rows: different (design, workload) rows to train on at most; a uniform sample is drawn from more.
        workloads, agents: only rows of these.
        general: choose models by leaving out one workload at a time, and answer for other workloads.
        drop_missing: leave out feasible rows without a target instead of refusing the dataset.
        hold_out: train on four fifths of the designs only, so that `evaluate_proxy` has the rest.
        tell: called with a line of progress now and then.

    Raises:
        UnknownNameError: for a target, model, workload or agent that does not exist.
        ConfigError: for settings out of range.
        DatasetError: for missing targets, or too few rows.
        MissingExtraError: if scikit-learn or PyTorch is not installed.
    """
    _check(targets, folds, members, most_rows)
    samples = gather(dataset, targets, most_rows, "train" if hold_out else "all", drop_missing, workloads, agents)
    return train_on(samples, dataset.manifest, targets, models, seed, folds, members, general, tell, hold_out)


def _check(targets: Sequence[str], folds: int, members: int, most_rows: int) -> None:
    if not targets:
        raise ConfigError("no target; name at least one metric")
    for name, value, least in (("folds", folds, 2), ("members", members, 1), ("most_rows", most_rows, 20)):
        if value < least:
            raise ConfigError(f"{name}: {value} is not allowed; allowed: whole numbers from {least}")


def train_on(
    samples: Samples,
    manifest: Manifest,
    targets: Sequence[str],
    models: Sequence[str] = ("auto",),
    seed: int = 0,
    folds: int = 3,
    members: int = MEMBERS,
    general: bool = False,
    tell: Tell = lambda line: None,
    hold_out: bool = True,
    choices: Mapping[str, Candidate] | None = None,
    calibrated: bool = True,
) -> Proxy:
    """A proxy from rows already gathered; ``choices`` gives each target's candidate instead of choosing.

    A workload gets models of its own; with ``general`` one model learns all workloads by their features. Unless
    ``calibrated``, deviations are the bare spread of the members, which orders designs but says not how far each is off.
    """
    used = np.unique(samples.workload).tolist()
    if general and len(used) < 2:
        raise ConfigError("training across workloads needs rows of at least two workloads")
    if not general and len(samples.take(samples.feasible)) < 2 * folds * len(used):
        raise DatasetError(
            f"{int(samples.feasible.sum())} feasible rows on {len(used)} workloads are too few for {folds} folds; "
            f"at least {2 * folds} on each are needed"
        )
    kinds = AUTO if "auto" in models else KINDS if "all" in models else tuple(models)
    parts: list[Part] = []
    report: dict[str, Any] = {}
    groups = [("", samples)] if general else [
        (manifest.workloads[number]["fingerprint"], samples.take(samples.workload == number)) for number in used
    ]  # fmt: skip
    for fingerprint, rows in groups:
        feasible = rows.take(rows.feasible)
        where = "any workload" if general else manifest.workloads[int(rows.workload[0])]["name"]
        for number, name in enumerate(targets):
            table = make_table(feasible, manifest, number)
            fold = feasible.workload if general else folds_of(feasible.designs, folds)
            given = None if choices is None else choices[name]
            model, entry = _one_target(f"{name} on {where}", table, fold, kinds, seed, members, tell, given, calibrated)
            parts.append(Part(name, fingerprint, model))
            report.setdefault(name, {})[where] = entry
        if not rows.feasible.all():
            parts.append(Part(FEASIBLE, fingerprint, _feasibility(rows, manifest, seed)))
    workloads = {manifest.workloads[w]["fingerprint"]: _workload(manifest, w) for w in used}
    data: dict[str, Any] = {
        "dataset": manifest.name, "content": manifest.content, "licence": manifest.licence,
        "simulator": dict(manifest.simulator), "agents": list(manifest.agent_names()), "rows": len(samples),
        "feasible_rows": int(samples.feasible.sum()), "different_designs": len(np.unique(samples.designs, axis=0)),
        "held_out_share": HOLDOUT if hold_out else 0.0, "seed": seed, "folds": "workloads" if general else folds,
        "targets": report,
    }  # fmt: skip
    metrics = {metric.name: metric for metric in manifest.metric_table}
    space = manifest.design_space
    named = tuple(plain_metric(metrics[name]) for name in targets)
    proxy = Proxy(
        "", int(manifest.simulator["version"]), space, named, tuple(parts), Reach.of(space, samples.designs), workloads,
        general, data,
    )  # fmt: skip
    return dataclasses.replace(proxy, name=f"proxy:{manifest.simulator['name']}:{digest(proxy)}")


def digest(proxy: Proxy) -> str:
    """12 hexadecimal digits over the space and every number of the models."""
    whole = hashlib.sha256(proxy.space.fingerprint.encode())
    for part in proxy.parts:
        whole.update(repr((part.quantity, part.workload, sorted(part.model.to_json().items()))).encode())
        for name, array in part.model.arrays().items():
            whole.update(name.encode() + np.ascontiguousarray(array).tobytes())
    whole.update(proxy.reach.packed().tobytes())
    return whole.hexdigest()[:12]


def _workload(manifest: Manifest, number: int) -> dict[str, Any]:
    entry = manifest.workloads[number]
    return {key: entry[key] for key in ("name", "domain", "features")}


def make_table(samples: Samples, manifest: Manifest, target: int) -> Table:
    """Rows with the raw features of their workloads (those that all of them have)."""
    features = [manifest.workloads[number]["features"] for number in range(len(manifest.workloads))]
    used = np.unique(samples.workload)
    names = tuple(sorted(set.intersection(*(set(features[number]) for number in used))))
    if len(used) > 1 and len({tuple(features[number].get(name) for name in names) for number in used}) < len(used):
        told = ", ".join(manifest.workloads[number]["name"] for number in used)
        raise DatasetError(f"workloads {told} cannot be told apart by their features; train on one at a time")
    raw = np.zeros((len(manifest.workloads), len(names)))
    for number in used:
        raw[number] = raw_features(features[number], names)
    return Table(manifest.design_space, samples.designs, raw[samples.workload], names, samples.targets[:, target])


def _one_target(
    name: str, table: Table, fold: NDArray[np.int64], kinds: Sequence[str], seed: int, members: int, tell: Tell,
    given: Candidate | None, calibrated: bool,
) -> tuple[TargetModel, dict[str, Any]]:  # fmt: skip
    logarithm = wants_logarithm(table.target)
    few = np.arange(min(len(table), CHOICE_ROWS))  # rows are in the order of a hash: the first ones are a sample
    tried = [given] if given else candidates(kinds, table.space, len(table))
    choice = Choice(tried[0], ()) if len(tried) == 1 else choose(tried, table.take(few), fold[few], seed, logarithm)
    best = choice.best
    tell(
        f"{name}: {best}"
        + (f", cross-validated relative RMSE {min(s for _, s in choice.scores):.3%}" if choice.scores else "")
    )
    model = fit_target(best, table, seed, _some(best, members), logarithm)
    if calibrated:
        numbers = calibrate(best, table.take(few), fold[few], seed, _some(best, members), logarithm)
        model = model.calibrated(*numbers)
    entry = {
        "model": str(best),
        "logarithm": logarithm,
        "cross_validated_relative_rmse": dict(choice.scores),
        "different_forms": len(model.memory),
        "rules": model.structure.describe(),
    }
    return model, entry  # fmt: skip


def _some(candidate: Candidate, members: int) -> int:
    """Members that the kind makes use of."""
    return members if candidate.kind in (*LEADING, "networks") else 1


def _feasibility(samples: Samples, manifest: Manifest, seed: int) -> TargetModel:
    labels = Samples(samples.designs, samples.workload, samples.feasible[:, None].astype(np.float64), samples.feasible)
    candidate = Candidate("boosting", {"leaves": 24, "rate": 0.1, "rounds": 200, "share": 1.0, "leaf": 1})
    return fit_target(candidate, make_table(labels, manifest, 0), seed, 1, False)
