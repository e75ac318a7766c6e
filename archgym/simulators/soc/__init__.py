"""Systems on chip for AR/VR: task graphs on cores, accelerators, memories and buses (light: declarations only)."""

from __future__ import annotations

from archgym.objective import Minimise, ObjectiveRecipe
from archgym.registry import Family
from archgym.simulators.soc.objectives import MeetBudgets, MinimiseWithinBudgets

OBJECTIVES: dict[str, ObjectiveRecipe] = {
    "budgets": MeetBudgets("meet the latency, power and area budgets; 1 when all are met"),
    "individual-budgets": MeetBudgets("meet the tighter budgets of an application that has a SoC of its own", True),
    "development-cost": MinimiseWithinBudgets(("development_cost",), "meet the budgets, then least development cost"),
    "latency": MinimiseWithinBudgets(("latency_s",), "meet the budgets, then shortest latency"),
    "power": MinimiseWithinBudgets(("power_W",), "meet the budgets, then lowest power"),
    "area": MinimiseWithinBudgets(("on_chip_area_m2",), "meet the budgets, then smallest area on the chip"),
    "energy": MinimiseWithinBudgets(("energy_J",), "meet the budgets, then least energy"),
    "latency-power-area": Minimise(
        ("latency_s", "power_W", "on_chip_area_m2"), "latency, power and area in equal parts, without budgets"
    ),
}

FAMILIES = (
    Family(
        id="SoCEnv-v0",
        summary="Design an AR/VR SoC for a task graph: processing elements, memories, buses, and what runs where.",
        simulator="archgym.simulators.soc.simulator:make_soc",
        workloads="archgym.simulators.soc.workloads:SOURCE",
        objectives=OBJECTIVES,
        workload="audio_decoder",
        assumptions="archgym.simulators.soc/ASSUMPTIONS.md",
        workload_sets_space=True,
    ),
    Family(
        id="SoCLimitedEnv-v0",
        summary="ArchGym's published SoC space, in which few designs are feasible, for comparison with it.",
        simulator="archgym.simulators.soc.simulator:make_limited",
        workloads="archgym.simulators.soc.workloads:SOURCE",
        objectives=OBJECTIVES,
        workload="audio_decoder",
        assumptions="archgym.simulators.soc/ASSUMPTIONS.md",
        workload_sets_space=True,
    ),
)
