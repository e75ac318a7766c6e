# %% [markdown]
# # The hyperparameter lottery: a study
#
# Is one search agent better than another, or was it luckier with its hyperparameters? A study runs every agent with every
# setting of its grid on several seeds at the *same* budget, and reports the spread.

# %%
import os
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from archgym.report.study import write_report
from archgym.report.study_data import analyse
from archgym.statistics import lottery_spread
from archgym.study import Options, Store, parse_study, run_study

small = os.environ.get("ARCHGYM_EXAMPLE_SCALE") == "small"
text = f"""
name = "lottery-example"
question = "How much does an agent's result depend on its hyperparameters?"
budget = {30 if small else 300}
seeds = {2 if small else 5}

[[problems]]
id = "SoCEnv-v0"
workloads = ["edge_detection"]
objectives = ["latency-power-area"]

[[agents]]
agent = "ga"
[agents.grid]
population = [4, 16, 64]
mutations = [0.3, 1.2, 5.0]

[[agents]]
agent = "annealing"
[agents.grid]
hot = [0.05, 0.5, 5.0]
near = [0.0, 0.3, 1.0]

[[agents]]
agent = "aco"
[agents.grid]
ants = [4, 16, 64]
evaporation = [0.05, 0.15, 0.6]

[[agents]]
agent = "random"
"""
study = parse_study(tomllib.loads(text))
report = run_study(study, "lottery", Options(jobs=2))
print(f"{report.planned} runs planned, {report.ran} done, {report.failed} failed")

# %% [markdown]
# A study's to-do list is its runs minus the logs that exist. The same call again does nothing; one that was killed goes on.

# %%
again = run_study(study, "lottery", Options(jobs=2))
print(f"{again.found} found, {again.ran} done")

# %% [markdown]
# ## The lottery
#
# A dot is one setting, its score the mean best reward over the seeds; the box is the middle half of the settings. The cross
# is the tuned agent, scored only on seeds that took no part in the tuning.

# %%
store = Store("lottery")
view = analyse(store).views[0]
column = view.common_column
figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
rng = np.random.default_rng(0)
rows = []
for place, (label, group) in enumerate(view.groups.items()):
    scores = group.scores(column)
    means = scores.mean(axis=1)
    axes.boxplot(means, positions=[place], widths=0.5, showfliers=False, medianprops={"color": "tab:blue"})
    axes.plot(place + rng.uniform(-0.12, 0.12, len(means)), means, ".", color="0.5")
    tuned = group.tuned(column)
    if tuned is not None:
        axes.plot(place, tuned.scores.mean(), "x", color="tab:red", markersize=9, markeredgewidth=2)
    spread = lottery_spread(scores)
    rows.append([label, spread.settings, spread.worst, spread.median, spread.best, spread.relative,
                 None if tuned is None else tuned.scores.mean()])
axes.set_xticks(range(len(view.groups)), list(view.groups))
axes.set(ylabel="best reward found", title=f"{view.label}: {view.common_budget} simulations a run")
plt.show()

# %%
heads = ["agent", "settings", "worst", "median", "best", "quartile range / median", "tuned, held-out seeds"]
pd.DataFrame(rows, columns=heads).set_index("agent").round(4)

# %% [markdown]
# Compare the rows: when the best settings of two agents lie closer together than one agent's own settings do, the
# hyperparameters decide more than the algorithm. That is the lottery.
#
# ## The report
#
# One self-contained HTML page with every picture, and the tables as CSV and LaTeX.

# %%
for path in write_report(store, Path("report"), pictures=False)[:6]:
    print(path)

# %% [markdown]
# The shipped studies are larger: `archgym study run lottery-dram --out runs/lottery-dram`, then
# `archgym study report runs/lottery-dram`; `--executor ray --address …` spreads one over a cluster with equal data.
