"""The setting of every agent that `marl-vs-single` uses, from the runs of the study `marl-tuning`.

    archgym study run marl-tuning && python -m benchmarks.marl_tuning runs/marl-tuning

An agent's setting is the one of its default and its drawn ones whose best reward after all evaluations is highest in the mean
over problems and seeds. Rewards are scaled: 0 is the average random design of a problem, 1 the best design of the study.
Writes ``benchmarks/results/marl-tuning.csv``, a line for each agent and setting, best first, and prints the settings chosen.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas

ROOT = Path(__file__).parents[1]
PROBLEM = ["problem", "workload", "objective"]


def main() -> None:
    runs = pandas.read_parquet(Path(sys.argv[1]) / "runs.parquet")
    if (runs.status != "done").any():
        print(f"{(runs.status != 'done').sum()} runs failed; they count as the average random design", file=sys.stderr)
    random = runs[runs.agents == "random"].groupby(PROBLEM).mean_reward.mean().rename("zero")
    runs = runs.join(random, on=PROBLEM).join(runs.groupby(PROBLEM).best_reward.max().rename("one"), on=PROBLEM)
    runs["score"] = ((runs.best_reward - runs.zero) / (runs.one - runs.zero)).fillna(0.0)
    runs["setting"] = runs.agents.str.contains(", drawn").map({False: "default", True: "drawn"})
    runs["agents"] = runs.agents.str.removesuffix(", drawn")
    scores = (
        runs.groupby(["agents", "setting", "hyperparameters"], sort=False).score.agg(["mean", "size"]).reset_index()
    )
    scores = scores.rename(columns={"mean": "score", "size": "runs"}).round({"score": 4})
    scores = scores.sort_values(["agents", "score"], ascending=[True, False], kind="stable")
    scores.to_csv(ROOT / "benchmarks/results/marl-tuning.csv", index=False, lineterminator="\n")
    for agent, own in scores.groupby("agents"):
        best, default = own.iloc[0], own[own.setting == "default"].iloc[0]
        print(
            f"{agent}: {best.score:.3f} of {len(own)} settings, default {default.score:.3f}\n  {best.hyperparameters}"
        )


if __name__ == "__main__":
    main()
