"""The laws of a simulator and its workload: a pure, batched, deterministic function whose parts add up."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from archgym.metrics import Metrics
from archgym.simulators.base import Simulator
from archgym.space import Designs, Space
from archgym.testing.law import difference, in_another_process, joined, law
from archgym.workload import Workload

#: Quantities that cannot be negative.
PHYSICAL_UNITS = ("s", "J", "W", "m2", "m²", "B", "B/s", "bit/s", "Hz", "K", "USD")


def sample_designs(space: Space, count: int, seed: int = 0) -> Designs:
    """The default design, the two corners and ``count`` random ones, shape (count + 3, D)."""
    corners = np.stack([space.default, np.zeros(len(space), dtype=np.int64), space.sizes - 1])
    return np.concatenate([corners, space.sample(np.random.default_rng(seed), count)])


def check_workload(workload: Workload) -> None:
    """Check that a workload says what it is and can be sent to another process.

    Raises:
        LawViolation: naming the law.
    """
    name = f"workload {workload.name!r}"
    is_hash = len(workload.fingerprint) == 64 and set(workload.fingerprint) <= set("0123456789abcdef")
    law(is_hash, f"{name}: the fingerprint must be a SHA-256 in hexadecimal, not {workload.fingerprint!r}")
    wrong = {key: value for key, value in workload.features.items() if not np.isfinite(float(value))}
    law(not wrong, f"{name}: features must be finite numbers, not {wrong}")
    plain = all(isinstance(value, bool | int | float | str) for value in workload.facts.values())
    law(plain, f"{name}: facts must be plain values")
    try:
        restored = pickle.loads(pickle.dumps(workload))
    except Exception as error:
        law(False, f"{name}: must be picklable: {error}")
    law(restored.fingerprint == workload.fingerprint, f"{name}: pickling changes the fingerprint")


def check_simulator(
    simulator: Simulator, workload: Workload, count: int = 48, seed: int = 0, other_process: bool = True
) -> Metrics:
    """Check the laws of a simulator on one workload; returns the metrics of the designs tried.

    Args:
        count: random designs, beside the default and the corners.
        other_process: whether to also compare with a fresh interpreter that has another hash seed.

    Raises:
        LawViolation: naming the law and a case.
    """
    _check_description(simulator)
    check_workload(workload)
    designs = sample_designs(simulator.space, count, seed)
    result = simulator(designs.copy(), workload)
    _check_result(simulator, result, designs)
    law(bool(result.feasible[0]), f"{simulator.name}: the default design is infeasible: {result.reasons[0]}")
    _check_parts(simulator, result)
    found = difference(result, simulator(designs.copy(), workload))
    law(not found, f"{simulator.name}: the same batch again gives something else: {found}")
    _check_inputs(simulator, workload, designs, result)
    _check_rows(simulator, workload, designs, result)
    _check_elsewhere(simulator, workload, designs, result, other_process)
    return result


def _check_description(simulator: Simulator) -> None:
    name = simulator.name
    law(isinstance(name, str) and bool(name), f"a simulator needs a name, not {name!r}")
    version = simulator.version
    law(isinstance(version, int) and version >= 1, f"{name}: version must be a whole number from 1, not {version!r}")
    law(isinstance(simulator.space, Space), f"{name}: space must be a Space")
    law(simulator.space.fingerprint == simulator.space.fingerprint, f"{name}: the space changes between two looks")
    names = [metric.name for metric in simulator.metrics]
    law(len(set(names)) == len(names) > 0, f"{name}: metrics need distinct names: {names}")
    for metric in simulator.metrics:
        law(bool(metric.unit), f"{name}: metric {metric.name} needs a unit ('1' for counts and rates)")
        law(metric.direction in ("min", "max", "none"), f"{name}: {metric.name} has direction {metric.direction!r}")
        known = metric.part_of is None or metric.part_of in names
        law(known, f"{name}: {metric.name} is part of {metric.part_of!r}, which is no metric")


def _check_result(simulator: Simulator, result: Metrics, designs: Designs) -> None:
    name = simulator.name
    law(len(result) == len(designs), f"{name}: {len(designs)} designs gave {len(result)} rows")
    declared = [metric.name for metric in simulator.metrics]
    law(list(result.columns) == declared, f"{name}: columns {list(result.columns)} are not the declared {declared}")
    law(result.feasible.dtype == bool, f"{name}: feasible must be a bool array, not {result.feasible.dtype}")
    for metric in simulator.metrics:
        column = result[metric.name]
        law(column.dtype == np.float64, f"{name}: {metric.name} must be float64, not {column.dtype}")
        law(not np.isinf(column).any(), f"{name}: {metric.name} is infinite; NaN says that there is no value")
        filled = np.flatnonzero(~result.feasible & ~np.isnan(column))
        law(not len(filled), f"{name}: infeasible row {filled[:1]} has a {metric.name}; it must be NaN")
        known = np.isfinite(column[result.feasible])
        law(
            bool(known.all() or not known.any()),
            f"{name}: {metric.name} is NaN in some feasible rows and not in others",
        )
        if metric.unit in PHYSICAL_UNITS:
            negative = np.flatnonzero(column < 0)
            law(not len(negative), f"{name}: {metric.name} is negative in row {negative[:1]}")
    for row, (feasible, reason) in enumerate(zip(result.feasible, result.reasons, strict=True)):
        law(isinstance(reason, str), f"{name}: row {row} has a reason that is no text: {reason!r}")
        law(bool(reason) != feasible, f"{name}: row {row} is {'' if feasible else 'in'}feasible with reason {reason!r}")
    for extra, values in result.extras.items():
        law(len(values) == len(designs), f"{name}: extra {extra!r} has {len(values)} rows for {len(designs)} designs")


def _check_parts(simulator: Simulator, result: Metrics) -> None:
    totals = {metric.part_of for metric in simulator.metrics if metric.part_of}
    for total in sorted(totals):
        parts = [metric.name for metric in simulator.metrics if metric.part_of == total]
        added = np.zeros(len(result))
        for part in parts:
            added = added + result[part]
        wrong = np.flatnonzero(result.feasible & ~np.isclose(added, result[total], rtol=1e-9, atol=0, equal_nan=True))
        law(
            not len(wrong),
            f"{simulator.name}: {' + '.join(parts)} must add up to {total}; row {wrong[:1]}: "
            f"{added[wrong[:1]]} and {result[total][wrong[:1]]}",
        )


def _check_rows(simulator: Simulator, workload: Workload, designs: Designs, result: Metrics) -> None:
    """A row's result does not depend on the batch it came in."""
    law_name = f"{simulator.name}: a row's result depends on its batch"
    order = np.random.default_rng(1).permutation(len(designs))
    found = difference(result.take(order), simulator(designs[order], workload), order)
    law(not found, f"{law_name}: permuted, {found}")
    alone = joined([simulator(design[None], workload) for design in designs])
    found = difference(result, alone)
    law(not found, f"{law_name}: one by one, {found}")
    cut = len(designs) // 3
    halves = joined([simulator(designs[:cut], workload), simulator(designs[cut:], workload)])
    found = difference(result, halves)
    law(not found, f"{law_name}: in two parts, {found}")
    twice = simulator(np.repeat(designs[:4], 2, axis=0), workload)
    found = difference(twice.take(slice(0, None, 2)), twice.take(slice(1, None, 2)))
    law(not found, f"{simulator.name}: equal designs in one batch differ: {found}")
    law(len(simulator(designs[:0], workload)) == 0, f"{simulator.name}: an empty batch must give empty metrics")


def _check_inputs(simulator: Simulator, workload: Workload, designs: Designs, result: Metrics) -> None:
    """Designs are only read, however they lie in memory."""
    given = designs.copy()
    simulator(given, workload)
    law(np.array_equal(given, designs), f"{simulator.name}: it writes to the designs it is given")
    given.setflags(write=False)
    try:
        found = difference(result, simulator(given, workload))
    except ValueError as error:
        law(False, f"{simulator.name}: must accept read-only designs: {error}")
    law(not found, f"{simulator.name}: read-only designs change the result: {found}")
    found = difference(result, simulator(np.asfortranarray(designs), workload))
    law(not found, f"{simulator.name}: designs stored column by column change the result: {found}")


def _check_elsewhere(
    simulator: Simulator, workload: Workload, designs: Designs, result: Metrics, other_process: bool
) -> None:
    """Copies, threads and processes give the same."""
    try:
        restored = pickle.loads(pickle.dumps(simulator))
    except Exception as error:
        law(False, f"{simulator.name}: must be picklable: {error}")
    law(restored.space.fingerprint == simulator.space.fingerprint, f"{simulator.name}: pickling changes the space")
    found = difference(result, restored(designs, workload))
    law(not found, f"{simulator.name}: pickling changes the result: {found}")
    with ThreadPoolExecutor(2) as pool:
        for threaded in pool.map(lambda _: simulator(designs, workload), range(2)):
            found = difference(result, threaded)
            law(not found, f"{simulator.name}: two threads at once change the result: {found}")
    if other_process:
        there = in_another_process(f"simulator {simulator.name}", _simulate, simulator, designs, workload)
        found = difference(result, there)
        law(not found, f"{simulator.name}: another process gives something else: {found}")


def _simulate(simulator: Any, designs: Designs, workload: Workload) -> Any:
    return simulator(designs, workload)
