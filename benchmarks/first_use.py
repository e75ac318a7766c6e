"""What a new user waits for: ``gym.make`` and the first step, before and after Numba has compiled the kernels.

python -m benchmarks.first_use [ID ...]

Each environment is made in fresh interpreters that share one empty cache folder: the first compiles (once on a machine),
the second finds the compiled kernels. Times are from the start of ``import gymnasium`` to the end of the first step.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

USE = """
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
import gymnasium as gym
env = gym.make(sys.argv[1])
env.reset(seed=0)
env.step(env.action_space.sample())
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))
"""


def use(id: str, cache: str) -> tuple[float, float]:
    """Wall and CPU seconds of one fresh interpreter that makes ``id`` and takes a step."""
    done = subprocess.run(
        [sys.executable, "-c", USE, id],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = json.loads(done.stdout)
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "ids", nargs="*", metavar="ID", default=["DRAMEnv-v0"], help="environments (default: DRAMEnv-v0)"
    )
    print(f"{'environment':24} {'first use':>20} {'ever after':>20}   (wall s / CPU s)")
    for id in parser.parse_args().ids:
        with tempfile.TemporaryDirectory() as cache:
            cells = [f"{wall:9.2f} / {cpu:6.2f}" for wall, cpu in (use(id, cache), use(id, cache))]
        print(f"{id:24} {cells[0]:>20} {cells[1]:>20}")


if __name__ == "__main__":
    main()
