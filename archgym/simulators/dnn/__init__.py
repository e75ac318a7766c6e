"""DNN accelerators: an exact analytical cost model, a mapper, and the parts that hardware is made of (light: declarations)."""

from __future__ import annotations

from collections.abc import Mapping

from archgym.objective import MeetTargets, Minimise, ObjectiveRecipe
from archgym.registry import Family
from archgym.simulators.dnn.objectives import ImproveDefault, PublishedCost

COMMON: Mapping[str, ObjectiveRecipe] = {
    "edp": Minimise(("energy_J", "latency_s"), "energy times latency", (1.0, 1.0)),
    "energy": Minimise(("energy_J",), "least energy"),
    "latency": Minimise(("latency_s",), "shortest latency"),
}
HARDWARE: Mapping[str, ObjectiveRecipe] = {
    **COMMON,
    "area": Minimise(("area_m2",), "smallest chip"),
    "edap": Minimise(("energy_J", "latency_s", "area_m2"), "energy times latency times area", (1.0, 1.0, 1.0)),
}

#: ArchGym's targets: 30, 20 and 15 % below 29206 uJ, 7,885,704 cycles and 2.03 mm2 (on ``alexnet-archgym``).
_ENERGY, _CYCLES, _AREA = ("energy_J", 20444.2e-6), ("cycles", 6_308_563.2), ("area_m2", 1.7255e-6)
TARGETS: Mapping[str, ObjectiveRecipe] = {
    "joint": MeetTargets(
        (_ENERGY, _CYCLES, _AREA),
        "meet ArchGym's targets for energy, cycles and area (set on alexnet-archgym); 1 when all are met",
    ),
    "improve": ImproveDefault(
        (("energy_J", 0.7), ("latency_s", 0.8), ("area_m2", 0.85)),
        "be better than the default design by 30 % in energy, 20 % in latency, 15 % in area; 1 when all are met",
    ),
    "archgym_energy": PublishedCost((_ENERGY,), "ArchGym's formula, negated: excess over its energy target"),
    "archgym_latency": PublishedCost((_CYCLES,), "ArchGym's formula, negated: excess over its target of cycles"),
    "archgym_area": PublishedCost((_AREA,), "ArchGym's formula, negated: excess over its area target"),
    "archgym_joint": PublishedCost(
        (_ENERGY, _AREA, _CYCLES), "ArchGym's formula, negated: the sum of the three excesses", 1e-3
    ),
}

ASSUMPTIONS = "archgym.simulators.dnn/ASSUMPTIONS.md"
NETWORKS = "archgym.simulators.dnn.workloads:NETWORK_SOURCE"

FAMILIES = (
    Family(
        id="DNNEnv-v0",
        summary="Size an Eyeriss-like accelerator for a network: ArchGym's 26 Timeloop parameters, every layer mapped anew.",
        simulator="archgym.simulators.dnn.eyeriss:make_dnn",
        workloads=NETWORKS,
        objectives={**HARDWARE, **TARGETS},
        workload="alexnet",
        assumptions=ASSUMPTIONS,
        plane=("latency_s", "energy_J"),
    ),
    Family(
        id="DNNMappingEnv-v0",
        summary="Map one layer onto a given accelerator: tile every loop, order the loops, choose what is kept where.",
        simulator="archgym.simulators.dnn.mapping_simulator:make_mapping",
        workloads="archgym.simulators.dnn.workloads:LAYER_SOURCE",
        objectives=COMMON,
        workload="resnet18/conv2_1a",
        assumptions=ASSUMPTIONS,
        plane=("latency_s", "energy_J"),
        workload_sets_space=True,
    ),
    Family(
        id="DNNCoDesignEnv-v0",
        summary="Choose hardware and dataflow together for a network: array, registers, buffer, process, clock; layers mapped.",
        simulator="archgym.simulators.dnn.codesign:make_codesign",
        workloads=NETWORKS,
        objectives={**HARDWARE, "improve": TARGETS["improve"]},
        workload="alexnet",
        assumptions=ASSUMPTIONS,
        plane=("latency_s", "energy_J"),
    ),
    Family(
        id="SystolicEnv-v0",
        summary="Shape a systolic array for a network: rows, columns, dataflow, three buffers, memory bandwidth.",
        simulator="archgym.simulators.dnn.systolic_simulator:make_systolic",
        workloads=NETWORKS,
        objectives={**HARDWARE, "improve": TARGETS["improve"]},
        workload="resnet18",
        assumptions=ASSUMPTIONS,
        plane=("latency_s", "energy_J"),
    ),
)
