"""DRAM: memory controllers and the devices behind them, command by command (light: declarations only).

Low latency means a short time for the whole trace and a short mean latency of its requests. Neither alone would do:
a program's trace takes as long as the program, and requests wait least in a controller that lets in one at a time,
which is the slowest memory of all.
"""

from __future__ import annotations

from collections.abc import Mapping

from archgym.objective import Minimise, ObjectiveRecipe, PublishedTarget
from archgym.registry import Family

OBJECTIVES: Mapping[str, ObjectiveRecipe] = {
    "joint": Minimise(
        ("average_power_W", "total_time_s", "mean_latency_s"),
        "low power and low latency in equal parts",
        (0.5, 0.25, 0.25),
    ),
    "low_power": Minimise(("average_power_W",), "lowest average power"),
    "low_latency": Minimise(
        ("total_time_s", "mean_latency_s"), "short time for the trace and short latency of a request"
    ),
    "energy_delay_product": Minimise(("energy_J", "total_time_s"), "energy times time", (1.0, 1.0)),
}

#: ArchGym's targets (1 W, 0.1 ms), with its units put right.
PUBLISHED: Mapping[str, ObjectiveRecipe] = {
    "archgym_low_power": PublishedTarget((("average_power_W", 1.0),), "ArchGym's formula: nearness to 1 W, capped"),
    "archgym_low_latency": PublishedTarget((("total_time_s", 1e-4),), "ArchGym's formula: nearness to 0.1 ms, capped"),
    "archgym_joint": PublishedTarget(
        (("average_power_W", 1.0), ("total_time_s", 1e-4)), "ArchGym's formula: the product of both, capped"
    ),
}

FAMILIES = (
    Family(
        id="DRAMEnv-v0",
        summary="Tune a DDR3 memory controller for a memory trace: ArchGym's ten parameters, every level reachable.",
        simulator="archgym.simulators.dram.simulator:make_archgym",
        workloads="archgym.simulators.dram.workloads:WORKLOADS",
        objectives={**OBJECTIVES, **PUBLISHED},
        workload="stream",
        assumptions="archgym.simulators.dram/ASSUMPTIONS.md",
        plane=("mean_latency_s", "energy_J"),
    ),
    Family(
        id="DRAMFullEnv-v0",
        summary="Choose memory, address map and controller together: 18 parameters, for traces that write, burst and idle.",
        simulator="archgym.simulators.dram.simulator:make_full",
        workloads="archgym.simulators.dram.workloads:WORKLOADS",
        objectives=OBJECTIVES,
        workload="synthetic:bursty?requests=10000&write_fraction=0.4&seed=1",
        assumptions="archgym.simulators.dram/ASSUMPTIONS.md",
        plane=("mean_latency_s", "energy_J"),
    ),
)
