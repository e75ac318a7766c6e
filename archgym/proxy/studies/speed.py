"""``proxy-speed``: time a design by size of the batch, beside the simulator's.

Recalling a result is quicker than predicting one, so designs that the proxy has to predict are timed apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from archgym.proxy.active import problem_manifest
from archgym.proxy.studies.common import (
    BOOSTING,
    DRAM_TARGETS,
    GAUSSIAN,
    Outcome,
    Scale,
    Tell,
    draw_designs,
    simulated,
    truth,
)
from archgym.proxy.train import train_on
from archgym.registry import make_problem
from archgym.report.style import BLUE, GREEN, GREY, ORANGE, RED, new_figure, save

#: seconds that a process of DRAMSys takes for one design, start included (ArchGym's way of asking it)
DRAMSYS_S = 0.03
BATCHES = (1, 10, 100, 1000, 10_000, 50_000)
DESIGNS = 4000


def run(scale: Scale, tell: Tell) -> Outcome:
    problem = truth("DRAMEnv-v0", "cloud-1")
    samples = simulated(problem, DRAM_TARGETS, scale.of(DESIGNS), 0)
    own = make_problem("DRAMEnv-v0", "cloud-1")
    few = draw_designs(problem, 40, 3)
    own.simulator(few[:2], own.workload)
    simulator_s = _seconds(lambda: own.simulator(few, own.workload)) / len(few)
    rows: list[dict[str, Any]] = [{"what": "simulator", "batch": len(few), "us_per_design": 1e6 * simulator_s}]
    manifest = problem_manifest(problem)
    for candidate in (GAUSSIAN, BOOSTING):
        choices = dict.fromkeys(DRAM_TARGETS, candidate)
        proxy = train_on(samples, manifest, DRAM_TARGETS, members=3, choices=choices, tell=tell, calibrated=False)
        designs = problem.space.sample(np.random.default_rng(5), BATCHES[-1] if scale.share == 1.0 else 10_000)
        answer = proxy(designs, problem.workload)
        new = ~np.any([answer.extras[f"known.{name}"] for name in DRAM_TARGETS], axis=0)
        for which, some in (("any designs", designs), ("new designs", designs[new])):
            what = f"{candidate.kind}, {which}"
            for batch in [size for size in BATCHES if size <= len(some)]:
                taken = min(
                    _seconds(lambda p=proxy, d=some[:batch]: p(d, problem.workload))  # type: ignore[misc]
                    for _ in range(2)
                )
                rows.append({"what": what, "batch": batch, "us_per_design": 1e6 * taken / batch})
            tell(f"{what} ({len(some) / len(designs):.0%} of all): {rows[-1]['us_per_design']:.2f} µs a design")
    return Outcome("proxy-speed", rows, _findings(rows, len(samples)), lambda stem: _draw(rows, stem))


def _findings(rows: list[dict[str, Any]], learnt: int) -> list[str]:
    simulator = rows[0]["us_per_design"]
    lines = [f"this package's simulator takes {simulator / 1e3:.2f} ms of CPU time a design; proxies of {len(DRAM_TARGETS)} "
             f"metrics with the uncertainty of each, trained on {learnt:,} designs, take in batches of 1,000 or more:"]  # fmt: skip
    for what in list(dict.fromkeys(row["what"] for row in rows))[1:]:
        took = [row["us_per_design"] for row in rows if row["what"] == what and row["batch"] >= 1000]
        if took:
            lines.append(
                f"{what}: {min(took):.1f} µs, {1e6 * DRAMSYS_S / min(took):,.0f} times faster than the {DRAMSYS_S} s of a "
                f"DRAMSys process and {simulator / min(took):,.0f} times faster than this package's simulator"
            )
    return lines


def _seconds(work: Callable[[], object]) -> float:
    """CPU time of all threads, repeated until it can be read."""
    repeats, start = 0, time.process_time()
    while True:
        work()
        repeats += 1
        spent = time.process_time() - start
        if spent > 0.2:
            return spent / repeats


def _draw(rows: list[dict[str, Any]], stem: Path) -> list[Path]:
    figure, axis = new_figure(7.5, 4.2)
    names = list(dict.fromkeys(row["what"] for row in rows))[1:]
    for name, colour in zip(names, (BLUE, GREEN, RED, "#6b46c1"), strict=False):
        mine = [row for row in rows if row["what"] == name]
        axis.plot(
            [row["batch"] for row in mine], [row["us_per_design"] for row in mine], "o-", color=colour, label=name
        )
    simulator = next(row["us_per_design"] for row in rows if row["what"] == "simulator")
    axis.axhline(simulator, color=ORANGE, label="this package's simulator")
    axis.axhline(DRAMSYS_S * 1e6, color=GREY, label="a DRAMSys process")
    axis.axhline(DRAMSYS_S * 1e6 / 2000, color=GREY, linestyle="--", label="2,000 times faster than that")
    axis.set(xscale="log", yscale="log", xlabel="designs at once", ylabel="CPU time a design (µs)")
    axis.legend(fontsize=8, loc="center right")
    axis.set_title("Speed of a proxy of four metrics (DRAMEnv-v0, cloud-1)")
    return save(figure, stem)
