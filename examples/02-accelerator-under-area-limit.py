# %% [markdown]
# # An accelerator for ResNet-18 under an area limit
#
# How fast can ResNet-18 run on half, one or two square millimetres? `DNNCoDesignEnv-v0` chooses the array, the register
# files, the shared buffer, process, clock and dataflow together; every layer is mapped onto each candidate.

# %%
import os
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import archgym
from archgym.objective import Budgets, Constrained, RelativeCost
from archgym.rollout import run_search

small = os.environ.get("ARCHGYM_EXAMPLE_SCALE") == "small"
budget = 12 if small else 160
limits_mm2 = (0.5, 1.0, 2.0)

# %% [markdown]
# ## An objective of our own
#
# `Constrained` is below 1/2 while the limit is exceeded, and above it, growing as the latency falls, once it is met. A recipe
# binds it to the workload: `reference()` gives the default design's metrics.


# %%
@dataclass(frozen=True)
class FastestWithin:
    """Lowest latency on at most ``area_m2`` of silicon."""

    area_m2: float
    help: str = "lowest latency within an area"

    def bind(self, reference, workload):
        fast = RelativeCost(("latency_s",), (reference()["latency_s"],), (1.0,))
        return Constrained(fast, Budgets(("area_m2",), (self.area_m2,)))


problems = {
    limit: archgym.make_problem("DNNCoDesignEnv-v0", "resnet18", objective=FastestWithin(limit * 1e-6))
    for limit in limits_mm2
}
space = problems[1.0].space
print(f"{len(space)} parameters, {space.size:,} designs")

# %% [markdown]
# ## A search a limit
#
# A design that one search found may also be the fastest under another's limit, so each limit's winner is taken from all
# designs tried: their metrics are scored anew by its objective, without a simulation.

# %%
runs = [run_search(problem, "ga", budget=budget, seed=0) for problem in problems.values()]
designs = np.concatenate([run.designs for run in runs])
metrics = {name: np.concatenate([run.metrics[name] for run in runs]) for name in problems[1.0].reference}
winners = {}
for limit, problem in problems.items():
    rewards = np.concatenate([problem.score(run.designs, run.metrics).reward for run in runs])
    winners[limit] = int(rewards.argmax())

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
reference = problems[1.0].reference
area, latency = metrics["area_m2"] * 1e6, metrics["latency_s"] * 1e3
axes.plot(area, latency, ".", color="0.7", markersize=4)
for (limit, row), colour in zip(winners.items(), ("tab:blue", "tab:green", "tab:red")):
    axes.axvline(limit, color=colour, linestyle=":", linewidth=1)
    axes.plot(area[row], latency[row], "*", color=colour, markersize=15, label=f"best within {limit:g} mm²")
axes.plot(reference["area_m2"] * 1e6, reference["latency_s"] * 1e3, "s", color="tab:orange", label="default design")
axes.set(xscale="log", yscale="log", xlabel="area (mm²)", ylabel="latency of one inference (ms)")
axes.set_title("every design tried, and the fastest that fits")
axes.legend()
plt.show()

# %%
rows = {"default": {**space.row(space.default), **{name: reference[name] for name in ("latency_s", "energy_J", "area_m2")}}}
for limit, row in winners.items():
    rows[f"within {limit:g} mm²"] = {
        **space.row(designs[row]),
        **{name: metrics[name][row] for name in ("latency_s", "energy_J", "area_m2")},
    }
table = pd.DataFrame(rows)
table.loc["latency (ms)"] = table.loc["latency_s"] * 1e3
table.loc["energy (mJ)"] = table.loc["energy_J"] * 1e3
table.loc["area (mm²)"] = table.loc["area_m2"] * 1e6
table = table.drop(["latency_s", "energy_J", "area_m2"])
table.map(lambda value: f"{value:.4g}" if isinstance(value, float) else str(value))

# %% [markdown]
# ## Where the area went

# %%
parts = [metric.name for metric in problems[1.0].metrics if metric.part_of == "area_m2"]
names = ["default", *(f"within {limit:g} mm²" for limit in winners)]
columns = [reference, *({name: metrics[name][row] for name in parts} for row in winners.values())]
left = np.zeros(len(names))
figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
for part in parts:
    width = np.array([column[part] * 1e6 for column in columns])
    axes.barh(names[::-1], width[::-1], left=left[::-1], label=part.removesuffix("_area_m2").replace("_", " "))
    left += width
axes.set(xlabel="area (mm²)")
axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.25))
plt.show()

# %% [markdown]
# A network of your own is one ONNX file or layer list: `workload="my_network.onnx"`.
