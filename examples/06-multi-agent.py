# %% [markdown]
# # Multi-agent reinforcement learning against single
#
# A design with dozens of parameters is one huge action for a single agent. Split among a team, each member learns one
# parameter from one shared reward. Same problem, same budget, same seeds.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import archgym
from archgym.envs import parallel_env
from archgym.rollout import run_search
from archgym.statistics import bootstrap

small = os.environ.get("ARCHGYM_EXAMPLE_SCALE") == "small"
budget = 80 if small else 1000
seeds = range(1) if small else range(4)

# %% [markdown]
# ## The team's environment
#
# Every problem is a PettingZoo environment: one agent a parameter (`split="parameter"`), a subsystem (`"group"`), or a
# grouping of your own.

# %%
env = parallel_env("SoCEnv-v0", split="group", workload="audio_decoder")
observations, infos = env.reset(seed=0)
observations, rewards, *_ = env.step({agent: env.action_space(agent).sample() for agent in env.agents})
pd.DataFrame({agent: {"parameters": len(env.action_space(agent).nvec), "reward": float(rewards[agent])} for agent in rewards}).T

# %% [markdown]
# ## The comparison
#
# `mappo`: one policy a parameter with a central critic. `bandits`: the simplest team, without a network. `ppo`: one policy
# for the whole design. `random` is what all must beat.

# %%
problem = archgym.make_problem("SoCEnv-v0", workload="audio_decoder", objective="latency-power-area")
agents = ("random", "ppo", "bandits", "mappo")
curves = {
    agent: np.array([np.maximum.accumulate(run_search(problem, agent, budget=budget, seed=seed).reward) for seed in seeds])
    for agent in agents
}

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
steps = np.arange(1, budget + 1)
for agent, some in curves.items():
    (line,) = axes.plot(steps, np.median(some, axis=0), label=agent)
    axes.fill_between(steps, some.min(axis=0), some.max(axis=0), alpha=0.2, color=line.get_color())
axes.axhline(0.5, color="0.5", linestyle="--", linewidth=1)
axes.set(xlabel="simulations", ylabel="best reward so far", title="median and range over seeds")
axes.legend()
plt.show()

# %%
rows = {}
for agent, some in curves.items():
    interval = bootstrap([some[:, -1]])  # of the interquartile mean over seeds
    better = float((some[:, -1] > 0.5).mean())
    rows[agent] = [interval.value, interval.low, interval.high, better]
heads = ["best reward, interquartile mean", "95 % from", "to", "share of seeds better than the default"]
pd.DataFrame(rows, index=heads).T.round(3)

# %% [markdown]
# ## What a team's members see
#
# With credit by a learned model of the reward (`coma`) each member is told what its own choice changed, which matters more
# the larger the team. All learners take `split`: here one member a subsystem instead of one a parameter.

# %%
grouped = run_search(problem, "mappo", budget=budget, seed=0, hyperparameters={"split": "group"})
print(f"mappo, one member a subsystem: best reward {grouped.reward.max():.3f}")
print(f"mappo, one member a parameter: best reward {curves['mappo'][0, -1]:.3f}")
