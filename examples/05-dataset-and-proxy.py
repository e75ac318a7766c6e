# %% [markdown]
# # A dataset, a proxy, and a search on the proxy
#
# Every search leaves a log. Logs make a dataset; a dataset trains a proxy model; the proxy *is* a simulator, so agents can
# search it for nothing, and the true simulator has the last word.

# %%
import os
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import archgym
from archgym.dataset import build_dataset, verify_dataset
from archgym.proxy import evaluate_proxy, load_proxy, save_proxy, train_proxy
from archgym.proxy.evaluate import held_out_truth
from archgym.rollout import run_search

small = os.environ.get("ARCHGYM_EXAMPLE_SCALE") == "small"
budget = 150 if small else 800
targets = ("average_power_W", "mean_latency_s", "total_time_s")

problem = archgym.make_problem("DRAMEnv-v0", workload="cloud-1", objective="joint")

# %% [markdown]
# ## Logs become a dataset
#
# Agents differ in where they look: `random` covers the space, `ga` and `walker` dwell where it is good or near by.

# %%
runs = {agent: run_search(problem, agent, budget=budget, seed=0, directory="runs") for agent in ("random", "walker", "ga")}
dataset = build_dataset(["runs"], "dram-data", name="dram-example", licence="Apache-2.0")
print(verify_dataset(dataset))
table = pd.read_parquet("dram-data/data")
table[["agent", "step", "PagePolicy", "Scheduler", "RequestBufferSize", *targets, "reward"]].sample(5, random_state=0)

# %% [markdown]
# ## A proxy
#
# The kind of model is chosen by cross-validation; a fifth of the *designs* (not rows) is held out for the picture.

# %%
started = time.perf_counter()
proxy = train_proxy(dataset, targets, models=("ridge",) if small else ("auto",), members=2 if small else 3)
save_proxy(proxy, "dram.proxy")
print(f"trained on {proxy.data['rows']} rows in {time.perf_counter() - started:.0f} s")

truths = held_out_truth(proxy, dataset)
errors = evaluate_proxy(proxy, truths)
pd.DataFrame({name: entry["overall"]["new"] for name, entry in errors["metrics"].items()}).T[["relative_rmse", "mape", "worst", "r2", "rank"]]

# %%
figure, axes = plt.subplots(1, len(targets), figsize=(10, 3.4), layout="constrained")
units = {"average_power_W": ("average power (W)", 1), "mean_latency_s": ("mean latency (ns)", 1e9), "total_time_s": ("total time (µs)", 1e6)}
for side, name in zip(axes, targets):
    label, factor = units[name]
    true = np.concatenate([truth.true[name] for truth in truths]) * factor
    predicted = np.concatenate([truth.predicted[name] for truth in truths]) * factor
    ends = [true.min(), true.max()]
    side.plot(ends, ends, color="0.6", linewidth=1)
    side.plot(true, predicted, ".", markersize=4)
    side.set(xlabel="simulated", ylabel="predicted", title=label)
figure.suptitle("held-out designs")
plt.show()

# %% [markdown]
# ## Search on the proxy
#
# The proxy takes the simulator's place in the problem, and nothing else changes. Its favourites are then simulated.

# %%
on_proxy = archgym.make_problem("DRAMEnv-v0", workload="cloud-1", objective="joint", simulator=load_proxy("dram.proxy"))
guess = run_search(on_proxy, "ga", budget=300 if small else 4000, seed=1)
_, first = np.unique(guess.designs, axis=0, return_index=True)
favourites = guess.designs[sorted(first, key=lambda row: -guess.reward[row])[:20]]
true = problem.evaluate(favourites)

pd.DataFrame(
    {
        "simulations": [budget, budget, budget, 3 * budget + len(favourites)],
        "best true reward": [*(run.reward.max() for run in runs.values()), true.reward.max()],
    },
    index=["random", "walker", "ga", "the three logs, proxy, 20 favourites"],
).round(4)

# %%
figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
predicted = on_proxy.evaluate(favourites).reward
axes.plot(predicted, true.reward, "o", label="the proxy's 20 favourites")
axes.axhline(max(run.reward.max() for run in runs.values()), color="tab:orange", linestyle="--", label="best reward in the logs")
ends = [min(predicted.min(), true.reward.min()), max(predicted.max(), true.reward.max())]
axes.plot(ends, ends, color="0.6", linewidth=1, label="as predicted")
axes.set(xlabel="reward that the proxy promises", ylabel="reward when simulated")
axes.legend()
plt.show()

# %% [markdown]
# An environment on the proxy: `gym.make("DRAMEnv-v0", simulator=load_proxy("dram.proxy"))`. A proxy refuses another space
# and marks designs that lie far from its data.
