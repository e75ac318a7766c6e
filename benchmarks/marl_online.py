"""Online control of a memory controller against static settings: ``python benchmarks/marl_online.py [--full]``.

Prints the reward of an episode (0 is the default settings, 1 would be no time, latency and energy at all) of the best
static settings found by random search, of a greedy oracle that tries settings on a copy of the memory before each
window, and of trained teams. Every figure is one episode of the same trace and window.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from archgym.agents.online_training import control, serve, train_online
from archgym.agents.team_learner import TeamSettings
from archgym.envs.online import ParallelOnlineEnv
from archgym.envs.online_memory import ACTION_SPACE, OnlineMemory

SMALL = ("synthetic:phases?requests=4000&seed=1", "mediabench-jpegdecode_32?requests=4000")
FULL = ("synthetic:phases?requests=40000&seed=1", "mediabench-jpegdecode_32", "mediabench-c-ray-1.1_32")
#: name, own credit, whether the team starts from the best static settings and is paid for what it adds to them
VARIANTS = (("mappo", 0.0, False), ("coma", 0.5, False), ("mappo, from the static settings", 0.0, True))


def best_static(env: ParallelOnlineEnv, tries: int, seed: int):
    """The best of ``tries`` random settings and the default, and its reward."""
    drawn = np.concatenate([ACTION_SPACE.default[None], ACTION_SPACE.sample(np.random.default_rng(seed), tries)])
    rewards = [serve(env, design).total for design in drawn]
    return drawn[int(np.argmax(rewards))], max(rewards)


def greedy_oracle(memory: OnlineMemory, static, tries: int, seed: int) -> float:
    """In each window, the best of ``tries`` random settings, the default and the best static ones, each tried on a copy.

    It looks one window ahead, so it may leave behind a state that costs later windows more than it gained.
    """
    rng = np.random.default_rng(seed)
    memory.reset()
    total = 0.0
    while not (memory.finished or memory.stuck):
        drawn = np.concatenate([ACTION_SPACE.default[None], static[None], ACTION_SPACE.sample(rng, tries)])
        total += memory.step(drawn[int(np.argmax([memory.copy().step(design) for design in drawn]))])
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="whole traces, more seeds and episodes")
    parser.add_argument("--window", type=int, default=256)
    options = parser.parse_args()
    seeds, episodes, tries = (10, 1000, 500) if options.full else (2, 120, 100)
    for workload in FULL if options.full else SMALL:
        env = ParallelOnlineEnv(workload, "group", options.window)
        memory = OnlineMemory(workload, options.window, "ddr3-1600", "rbc")
        print(f"{workload}: {memory.windows} windows of {options.window} requests; default settings 0")
        static, reward = best_static(env, tries, 0)
        print(f"  best static of {tries + 1}: {reward:.4f} {ACTION_SPACE.row(static)}")
        print(f"  greedy oracle, {tries // 4 + 2} tries a window: {greedy_oracle(memory, static, tries // 4, 0):.4f}")
        for name, own_credit, begin in VARIANTS:
            settings = TeamSettings(own_credit=own_credit, hidden=32, learning_rate=0.02, entropy=0.003, discount=0.9)
            start, totals = time.process_time(), []
            for seed in range(seeds):
                learner, history = train_online(env, episodes, settings, seed, static if begin else None)
                totals.append(
                    (control(env, learner).total, float(np.mean(history[:10])), float(np.mean(history[-10:])))
                )
            steps = seeds * episodes * memory.windows
            rate = steps / (time.process_time() - start)
            texts = "; ".join(f"{g:.4f} (training {f:.3f} to {e:.3f})" for g, f, e in totals)
            print(f"  {name}, {episodes} episodes, by seed: {texts}; {rate:.0f} steps per CPU second", flush=True)


if __name__ == "__main__":
    main()
