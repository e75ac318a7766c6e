# %% [markdown]
# # An AR/VR system-on-chip within its budgets
#
# A headset's audio decoder has to meet a latency, a power and an area budget. The design is the whole chip: how many cores,
# which tasks get an accelerator and how wide, which memories and buses, and what runs where.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import archgym
from archgym.rollout import run_search

small = os.environ.get("ARCHGYM_EXAMPLE_SCALE") == "small"
budget = 60 if small else 2000
seeds = range(2) if small else range(5)

problem = archgym.make_problem("SoCEnv-v0", workload="audio_decoder", objective="budgets")
print(f"{len(problem.space)} parameters, {problem.space.size:.3g} designs")
print(problem.simulator.describe(problem.space.default))

# %% [markdown]
# The default (one core, one bus, one memory) burns too much power. The reward is `1 / (1 + e)` with `e` the sum of the
# relative excesses, so exactly 1 once all budgets are met.
#
# ## Three ways to search

# %%
agents = ("random", "ga", "bottleneck")
runs = {agent: [run_search(problem, agent, budget=budget, seed=seed) for seed in seeds] for agent in agents}

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for agent, some in runs.items():
    curves = np.array([np.maximum.accumulate(run.reward) for run in some])
    steps = np.arange(1, budget + 1)
    (line,) = axes.plot(steps, np.median(curves, axis=0), label=agent)
    axes.fill_between(steps, curves.min(axis=0), curves.max(axis=0), alpha=0.2, color=line.get_color())
axes.set(xscale="log", xlabel="simulations", ylabel="best reward so far", title="median and range over seeds; 1 meets all budgets")
axes.legend()
plt.show()

# %%
needed = {}
for agent, some in runs.items():
    met = [int(np.argmax(run.reward >= 1.0)) + 1 if (run.reward >= 1.0).any() else None for run in some]
    needed[agent] = {"seeds that met the budgets": f"{sum(m is not None for m in met)} of {len(met)}",
                     "simulations needed": ", ".join("–" if m is None else str(m) for m in met)}
pd.DataFrame(needed).T

# %% [markdown]
# `random` finds how rare such designs are. `bottleneck` reads the breakdown of each result (which task waits for which
# block) and changes what is in the way, as an architect would.
#
# ## The chip that it found

# %%
best = runs["bottleneck"][0]
design = best.designs[best.best]
print(problem.simulator.describe(design))

# %%
plt.figure(figsize=(9, 5), layout="constrained")
plt.imshow(problem.simulator.picture(design))
plt.axis("off")
plt.show()

# %% [markdown]
# ## Within the budgets, as cheap as can be
#
# Meeting budgets leaves room. Other objectives of the same problem go on from there: `power` is the lowest power among
# designs that meet the budgets.

# %%
lowest = run_search(archgym.make_problem("SoCEnv-v0", "audio_decoder", "power"), "bottleneck", budget=budget, seed=0)
rows = {
    "default": problem.reference,
    "meets the budgets": best.metrics.row(best.best),
    "lowest power": lowest.metrics.row(lowest.best),
}
limits = dict(zip(problem.objective.metrics, problem.objective.limits))
table = pd.DataFrame({name: {m: row[m] for m in limits} for name, row in rows.items()} | {"budget": limits})
table.index = ["latency (ms)", "power (mW)", "on-chip area (mm²)", "DRAM area (mm²)"]
table.mul([1e3, 1e3, 1e6, 1e6], axis=0).round(3)
