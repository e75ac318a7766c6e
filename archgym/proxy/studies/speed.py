"""``proxy-speed``: time a design by size of the batch, beside the simulator's."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archgym.proxy.active import problem_manifest
from archgym.proxy.studies.common import DRAM_TARGETS, GAUSSIAN, Outcome, Scale, Tell, draw_designs, simulated, truth
from archgym.proxy.train import train_on
from archgym.registry import make_problem
from archgym.report.style import BLUE, GREEN, GREY, ORANGE, new_figure, save

#: seconds that a process of DRAMSys takes for one design, start included (ArchGym's way of asking it)
DRAMSYS_S = 0.03
BATCHES = (1, 10, 100, 1000, 10_000, 100_000)


def run(scale: Scale, tell: Tell) -> Outcome:
    problem = truth("DRAMEnv-v0", "cloud-1")
    samples = simulated(problem, DRAM_TARGETS, scale.of(8000), 0)
    manifest, choices = problem_manifest(problem), dict.fromkeys(DRAM_TARGETS, GAUSSIAN)
    proxies = {
        "without uncertainty": train_on(samples, manifest, DRAM_TARGETS, members=1, choices=choices),
        "with uncertainty": train_on(samples, manifest, DRAM_TARGETS, members=3, choices=choices),
    }
    own = make_problem("DRAMEnv-v0", "cloud-1")
    few = draw_designs(problem, 40, 3)
    own.simulator(few[:2], own.workload)
    simulator_s = _seconds(lambda: own.simulator(few, own.workload)) / len(few)
    rows: list[dict[str, Any]] = [{"what": "simulator", "batch": len(few), "us_per_design": 1e6 * simulator_s}]
    for name, proxy in proxies.items():
        for batch in BATCHES:
            designs = problem.space.sample(_rng(), batch)
            proxy(designs, problem.workload)
            seconds = min(_seconds(lambda d=designs, p=proxy: p(d, problem.workload)) for _ in range(3)) / batch  # type: ignore[misc]
            rows.append({"what": f"proxy {name}", "batch": batch, "us_per_design": 1e6 * seconds})
            tell(f"proxy {name}, {batch:,} designs at once: {1e6 * seconds:.2f} µs a design")
    best = min(row["us_per_design"] for row in rows if row["what"] == "proxy with uncertainty")
    findings = [
        f"a proxy of {len(DRAM_TARGETS)} metrics, trained on {len(samples):,} designs, with the uncertainty of each: "
        f"{best:.2f} µs of CPU time a design in batches",
        f"{DRAMSYS_S * 1e6 / best:,.0f} times faster than the {DRAMSYS_S} s of a DRAMSys process",
        f"{simulator_s * 1e6 / best:,.0f} times faster than this package's simulator ({1e3 * simulator_s:.2f} ms of CPU time)",
    ]
    return Outcome("proxy-speed", rows, findings, lambda stem: _draw(rows, stem))


def _rng() -> Any:
    import numpy as np

    return np.random.default_rng(5)


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
    for name, colour in (("proxy without uncertainty", GREEN), ("proxy with uncertainty", BLUE)):
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
