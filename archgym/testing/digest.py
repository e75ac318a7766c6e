"""A problem's behaviour as a few hashes: what it computes on fixed designs, to notice when that moves.

A digest may move only together with the simulator's version. Values are rounded to 12 significant digits, since
the last ones may differ between machines.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from archgym.problem import Problem
from archgym.testing.simulator import sample_designs

DIGITS = 12


def behaviour_digest(problem: Problem, count: int = 64) -> dict[str, Any]:
    """What a problem does on the default design, the corners and ``count`` fixed random designs.

    Returns:
        Plain JSON: simulator, version, space and workload fingerprints, feasible rows, and a hash for each metric.
    """
    designs = sample_designs(problem.space, count, seed=20230617)
    metrics = problem.simulator(designs, problem.workload)
    columns = {name: _hash([_rounded(value) for value in metrics[name].tolist()]) for name in metrics.columns}
    return {
        "simulator": problem.simulator.name,
        "version": problem.simulator.version,
        "space": problem.space.fingerprint,
        "workload": problem.workload.name,
        "workload_fingerprint": problem.workload.fingerprint,
        "feasible": int(metrics.feasible.sum()),
        "feasible_rows": _hash([str(bool(flag)) for flag in metrics.feasible]),
        "metrics": columns,
    }


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What moved between two digests, in words; the version apart."""
    moved = [
        f"{key}: {old.get(key)} is now {new[key]}"
        for key in new
        if key not in ("metrics", "version") and old.get(key) != new[key]
    ]
    names = dict.fromkeys([*old.get("metrics", {}), *new["metrics"]])
    moved += [f"metric {name}" for name in names if old.get("metrics", {}).get(name) != new["metrics"].get(name)]
    return moved


def _rounded(value: float) -> str:
    return "nan" if np.isnan(value) else f"{value:.{DIGITS - 1}e}"


def _hash(values: list[str]) -> str:
    return hashlib.sha256("\n".join(values).encode()).hexdigest()[:16]
