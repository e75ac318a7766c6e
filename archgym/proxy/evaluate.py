"""How good a proxy is: errors on designs it was not trained on, and what trusting it costs on the true simulator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.dataset.logs import load_workload
from archgym.dataset.manifest import space_differences
from archgym.dataset.store import Dataset
from archgym.errors import ConfigError, DatasetError, ModelFileError
from archgym.metrics import Metrics
from archgym.problem import Problem
from archgym.proxy.samples import gather, held_out
from archgym.proxy.simulator import Proxy
from archgym.space import Designs
from archgym.workload import Workload

Floats = NDArray[np.float64]
#: shares of errors that a calibrated Gaussian deviation keeps within this many deviations
LEVELS = (0.5, 0.6827, 0.9, 0.9545)


@dataclass(frozen=True)
class Truth:
    """Held-out designs on one workload with their true metrics."""

    workload: str
    designs: Designs
    true: Metrics
    predicted: Metrics


def held_out_truth(proxy: Proxy, dataset: Dataset, most: int = 100_000) -> list[Truth]:
    """The rows of a dataset that no training saw, on each workload that the proxy answers for.

    Raises:
        DatasetError: if the dataset is of another space or simulator version, or no row is held out.
        ModelFileError: if the proxy was trained on all designs, so that none is held out.
    """
    manifest = dataset.manifest
    if manifest.design_space.fingerprint != proxy.space.fingerprint:
        found = "; ".join(space_differences(proxy.space, manifest.design_space))
        raise DatasetError(f"{dataset.directory} is of another space than {proxy.name}: {found}")
    made = proxy.data["simulator"]
    if dict(manifest.simulator) != dict(made):
        raise DatasetError(
            f"{dataset.directory} was made by {manifest.simulator['name']} version {manifest.simulator['version']}, "
            f"but {proxy.name} learnt {made['name']} version {made['version']}"
        )
    if not proxy.data["held_out_share"]:
        raise ModelFileError(
            f"{proxy.name} was trained on every design of its data; nothing is held out to judge it by"
        )
    names = [metric.name for metric in proxy.metrics]
    samples = gather(dataset, names, most, "test", drop_missing=True)
    truths: list[Truth] = []
    for number in np.unique(samples.workload).tolist():
        entry = manifest.workloads[number]
        if entry["fingerprint"] not in proxy.workloads and not proxy.general:
            continue
        rows = samples.take(samples.workload == number)
        workload = Workload(entry["domain"], entry["name"], entry["fingerprint"], None, {}, entry["features"])
        columns = {name: rows.targets[:, column].copy() for column, name in enumerate(names)}
        true = Metrics(columns, rows.feasible, ("",) * len(rows))
        truths.append(Truth(entry["name"], rows.designs, true, proxy(rows.designs, workload)))
    if not truths:
        raise DatasetError(f"{dataset.directory} has no held-out row on a workload of {proxy.name}")
    return truths


def simulated_truth(proxy: Proxy, problem: Problem, count: int, seed: int = 0) -> Truth:
    """``count`` uniformly drawn designs that no training saw, simulated now."""
    designs = held_out_designs(proxy, count, seed)
    true = problem.simulator(designs, problem.workload)
    return Truth(problem.workload.name, designs, true, proxy(designs, problem.workload))


def held_out_designs(proxy: Proxy, count: int, seed: int = 0) -> Designs:
    """Different uniformly drawn designs of the held-out share, at most ``count``."""
    rng = np.random.default_rng([seed, 811])
    share = float(proxy.data["held_out_share"])
    enough = int(3 * count / max(share, 0.05)) + 100
    if proxy.space.size <= enough:  # too few designs to draw at random without meeting most of them twice
        drawn = rng.permutation(proxy.space.enumerate())
    else:
        drawn = proxy.space.sample(rng, enough)
    if share:
        drawn = drawn[held_out(drawn, share)]
    _, first = np.unique(drawn, axis=0, return_index=True)
    return drawn[np.sort(first)][:count]


def evaluate_proxy(proxy: Proxy, truths: Sequence[Truth]) -> dict[str, Any]:
    """Errors of every metric, overall and by workload, and of feasibility, as JSON.

    Errors are told apart, ``new`` from ``recalled``: a new design is predicted, while of a recalled one the proxy has seen
    a training design that behaves the same, and repeats its result. Of either: ``rows``, ``relative_rmse`` (root mean
    square error over the mean magnitude of all rows, new or not, so that the two compare), ``mape`` (mean relative
    error), ``worst`` (largest relative error), ``r2``, ``rank`` (Spearman's correlation), ``within`` (share of errors
    within the deviation that should hold 50, 68.27, 90 and 95.45 %), ``scaled_rms`` (root mean square of error over
    deviation; 1 if calibrated), and ``near``/``far`` (relative RMSE of designs near to and far from the data).
    """
    report: dict[str, Any] = {"proxy": proxy.name, "rows": sum(len(truth.designs) for truth in truths), "metrics": {}}
    report["feasibility_accuracy"] = float(
        np.mean(np.concatenate([truth.true.feasible == truth.predicted.feasible for truth in truths]))
    )
    for metric in proxy.metrics:
        by_workload = {truth.workload: _errors([truth], metric.name) for truth in truths}
        report["metrics"][metric.name] = {"overall": _errors(truths, metric.name), "workloads": by_workload}
    return report


def _errors(truths: Sequence[Truth], name: str) -> dict[str, Any]:
    usable = [truth.true.feasible & truth.predicted.feasible for truth in truths]

    def joined(values: Sequence[Any]) -> Any:
        return np.concatenate([np.asarray(v)[ok] for v, ok in zip(values, usable, strict=True)])

    true = joined([truth.true[name] for truth in truths])
    predicted = joined([truth.predicted[name] for truth in truths])
    deviation = joined([truth.predicted.extras[f"deviation.{name}"] for truth in truths])
    far = joined([truth.predicted.extras["is_far"] for truth in truths])
    known = joined([truth.predicted.extras[f"known.{name}"] for truth in truths])
    size = float(np.mean(np.abs(true))) if len(true) else 0.0

    def part(chosen: NDArray[np.bool_]) -> dict[str, Any]:
        return errors(true[chosen], predicted[chosen], deviation[chosen], far[chosen], size)

    return {"new": part(~known), "recalled": part(known)}


def errors(
    true: Floats, predicted: Floats, deviation: Floats, far: NDArray[np.bool_], size: float = 0.0
) -> dict[str, Any]:
    """The measures that `evaluate_proxy` describes, of one metric; None where they have no value.

    Args:
        size: what errors are relative to; the mean magnitude of ``true`` if 0.
    """
    if not len(true):
        return {"rows": 0}
    error = predicted - true
    size = size or float(np.mean(np.abs(true))) or 1.0
    relative = np.abs(error[true != 0] / true[true != 0])
    spread = float(np.sum((true - true.mean()) ** 2))
    scaled = np.abs(error) / np.maximum(deviation, 1e-300)
    return {
        "rows": len(true),
        "relative_rmse": _relative(error, size),
        "mape": float(relative.mean()) if len(relative) else None,
        "worst": float(relative.max()) if len(relative) else None,
        "r2": 1.0 - float(np.sum(error**2)) / spread if spread > 0 else None,
        "rank": rank_correlation(true, predicted),
        "within": {f"{level:.4g}": float(np.mean(scaled <= gaussian_width(level))) for level in LEVELS},
        "scaled_rms": float(np.sqrt(np.mean(np.minimum(scaled, 1e6) ** 2))),
        "near": _relative(error[~far], size) if not far.all() else None,
        "far": _relative(error[far], size) if far.any() else None,
        "far_rows": int(far.sum()),
    }


def _relative(error: Floats, size: float) -> float:
    return float(np.sqrt(np.mean(error**2))) / size


def rank_correlation(first: Floats, second: Floats) -> float | None:
    """Spearman's correlation, ties sharing their mean rank; None if one side is constant."""
    ranks = [_ranks(values) for values in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    size = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / size if size > 0 else None


def _ranks(values: Floats) -> Floats:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2.0)[where]
    return ranks


def gaussian_width(level: float) -> float:
    """The number of deviations within which a Gaussian lies with probability ``level``, by bisection of erf."""
    low, high = 0.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        if math.erf(middle / math.sqrt(2.0)) < level:
            low = middle
        else:
            high = middle
    return high


def top_regret(
    proxy: Proxy, problem: Problem, pool: int = 2000, top: Sequence[int] = (1, 10, 100), seed: int = 0
) -> dict[str, Any]:
    """What choosing by the proxy costs: the best of its top k designs of a pool against the pool's true best.

    Every design of the pool, uniformly drawn and unseen in training, is simulated by ``problem``. ``regret`` is in
    reward; ``share`` is regret over the distance from the pool's median to its best; ``hits`` is how many of the
    proxy's top k are as good as the true top k.

    Raises:
        ConfigError: if the objective reads a metric that the proxy does not predict, or the pool is too small.
    """
    missing = [name for name in problem.objective.metrics if name not in {metric.name for metric in proxy.metrics}]
    if missing:
        raise ConfigError(
            f"objective {problem.objective_name!r} reads {', '.join(missing)}, which {proxy.name} does not predict"
        )
    designs = held_out_designs(proxy, pool, seed)
    if len(designs) < max(top):
        raise ConfigError(
            f"pool: {len(designs)} different held-out designs are fewer than the largest top ({max(top)})"
        )
    true = problem.evaluate(designs).reward
    predicted = problem.score(designs, proxy(designs, problem.workload)).reward
    order, ranked = np.argsort(-predicted, kind="stable"), np.sort(true)[::-1]
    best, median = float(true.max()), float(np.median(true))
    report: dict[str, Any] = {"workload": problem.workload.name, "objective": problem.objective_name,
                              "pool": len(designs), "best": best, "median": median, "top": {}}  # fmt: skip
    for k in top:
        regret = best - float(true[order[:k]].max())
        hits = int((true[order[:k]] >= ranked[k - 1]).sum())
        report["top"][str(k)] = {
            "regret": regret,
            "share": regret / (best - median) if best > median else 0.0,
            "hits": hits,
        }
    return report


def true_problems(proxy: Proxy, dataset: Dataset) -> list[Problem]:
    """The problems that the dataset's runs searched, on workloads of the proxy that are to be had here."""
    from archgym.registry import make_problem

    found: dict[tuple[str, str, str], Problem] = {}
    for task in dataset.manifest.tasks:
        entry: Mapping[str, Any] = dataset.manifest.workloads[task["workload"]]
        workload = load_workload(task["problem"], entry["name"], entry["fingerprint"]) if task["problem"] else None
        if workload is None or (entry["fingerprint"] not in proxy.workloads and not proxy.general):
            continue
        problem = make_problem(task["problem"], workload, task["objective"])
        if problem.simulator.version == proxy.version and problem.space.fingerprint == proxy.space.fingerprint:
            found.setdefault((problem.id, workload.fingerprint, problem.objective_name), problem)
    return list(found.values())
