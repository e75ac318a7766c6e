# %% [markdown]
# # From `gym.make("DRAMEnv-v0")` to a better memory controller
#
# A memory controller has a scheduler, a page policy, queues and a refresh policy. Which setting is good depends on the
# program. Here a program's trace is searched, the result is explained parameter by parameter, and then tried on programs
# that it was not chosen for.

# %%
import os

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import archgym
from archgym.rollout import run_search

small = os.environ.get("ARCHGYM_EXAMPLE_SCALE") == "small"  # set when the examples are tested
budget = 40 if small else 600
program = "chstone-sha_32"

# %% [markdown]
# ## The environment
#
# An action is a whole design, one level number a parameter. The reward is bounded, higher is better, and the default design
# gets 1/2.

# %%
env = gym.make("DRAMEnv-v0", workload=program, objective="joint")
observation, info = env.reset(seed=0)
observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
print(f"reward {reward:.3f}, {info['metrics']['average_power_W']:.3f} W, {info['metrics']['total_time_s'] * 1e6:.1f} µs")
pd.Series(info["design"], name="design")

# %% [markdown]
# ## A search
#
# The same problem without an environment, searched by a genetic algorithm.

# %%
problem = archgym.make_problem("DRAMEnv-v0", workload=program, objective="joint")
run = run_search(problem, agent="ga", budget=budget, seed=0)

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.plot(run.reward, ".", color="0.7", markersize=3, label="each design")
axes.plot(np.maximum.accumulate(run.reward), linewidth=2, label="best so far")
axes.axhline(0.5, color="tab:orange", linestyle="--", label="default design")
axes.set(xlabel="simulations", ylabel="reward", title=f"{program}: power and latency together")
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# `RefreshPolicy = NoRefresh` stands in the space as a bound, but a memory that is never refreshed loses its data. The
# controller to build is the best one that refreshes.

# %%
refreshes = np.array(run.space.values(run.designs)["RefreshPolicy"]) != "NoRefresh"
row = int(np.argmax(np.where(refreshes, run.reward, -np.inf)))
best, default = run.designs[row], problem.space.default
pd.DataFrame({"default": problem.space.row(default), "best": problem.space.row(best)})

# %%
shown = {"average_power_W": 1, "energy_J": 1e6, "total_time_s": 1e6, "mean_latency_s": 1e9, "p99_latency_s": 1e9}
units = ["W", "µJ", "µs", "ns", "ns"]
table = pd.DataFrame(
    {
        "default": [problem.reference[name] * factor for name, factor in shown.items()],
        "best": [run.metrics[name][row] * factor for name, factor in shown.items()],
    },
    index=[f"{name.rsplit('_', 1)[0]} ({unit})" for name, unit in zip(shown, units)],
)
table["change"] = [f"{100 * (after / before - 1):+.1f} %" for before, after in zip(table["default"], table["best"])]
table.round(3)

# %% [markdown]
# ## Why it is better
#
# Put one parameter of the best design back to its default at a time. What falls matters; what stays could be left alone.

# %%
changed = np.flatnonzero(best != default)
undone = np.repeat(best[None], len(changed), axis=0)
undone[np.arange(len(changed)), changed] = default[changed]
loss = run.reward[row] - problem.evaluate(undone).reward
order = np.argsort(loss)

figure, axes = plt.subplots(figsize=(7, 0.4 * len(changed) + 1.2), layout="constrained")
axes.barh([problem.space.names[changed[i]] for i in order], loss[order])
axes.axvline(0, color="0.3", linewidth=0.8)
axes.set(xlabel="reward lost when this parameter alone goes back to its default")
plt.show()

# %% [markdown]
# ## Does it carry over?
#
# A controller is built once and runs many programs. Each bar is the best design's reward on another program, of which the
# search saw nothing; above 1/2 it is better there than the default, below it is worse.

# %%
others = ["chstone-aes_32", "chstone-jpeg_32", "mediabench-jpegdecode_32", "stream", "cloud-1", "cloud-2"]
rewards = {program: float(run.reward[row])}
for name in others[:2] if small else others:
    rewards[name] = float(archgym.make_problem("DRAMEnv-v0", workload=name, objective="joint").evaluate(best).reward[0])

figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.barh(list(rewards)[::-1], list(rewards.values())[::-1], color=["tab:blue"] * (len(rewards) - 1) + ["tab:green"])
axes.axvline(0.5, color="tab:orange", linestyle="--", label="default design")
axes.set(xlabel="reward of the design that was chosen on the first program", xlim=(0, None))
axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
plt.show()

# %% [markdown]
# This program leaves the memory idle most of the time, so the default is hard to beat on it, and what wins here costs
# bandwidth where a program asks for it: a controller should be searched on the programs that it will run.
#
# From the shell the same search is `archgym search DRAMEnv-v0 --workload chstone-sha_32 --objective joint --agent ga`; it
# keeps a log that can be resumed and writes these pictures. `archgym show DRAMEnv-v0 --assumptions` says what the simulator
# models and what it leaves out.
