"""Datasets larger than memory: logs of millions of evaluations built, verified, exported and trained on, and the most memory
each step took.

    python -m benchmarks.dataset_scale                        one million rows
    python -m benchmarks.dataset_scale --rows 50000000        some 25 GB of logs and exports on disk, about an hour

Every step runs in a process of its own, so that its peak of resident memory is its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROBLEM = "SyntheticChoicesEnv-v0"
RUN = 250_000


def log(directory: Path, rows: int) -> None:
    """Random search of a made-up problem that costs nothing to simulate, in runs of at most `RUN` rows."""
    from archgym import make_problem
    from archgym.rollout import run_search

    problem = make_problem(PROBLEM)
    for seed, start in enumerate(range(0, rows, RUN)):
        run_search(problem, "random", min(RUN, rows - start), seed, batch_size=10_000, directory=directory / "logs")


def build(directory: Path, rows: int) -> None:
    """`archgym dataset build`."""
    from archgym.dataset import build_dataset

    made = build_dataset([directory / "logs"], directory / "data", licence="Apache-2.0")
    assert len(made) == rows


def verify(directory: Path, rows: int) -> None:
    """`archgym dataset verify`, of a sample; every checksum is compared."""
    from archgym.dataset import open_dataset, verify_dataset

    assert verify_dataset(open_dataset(directory / "data"), 10_000).passed


def export(format: str) -> Callable[[Path, int], None]:
    """`archgym dataset export`; what was made is removed again, to spare the disk."""

    def step(directory: Path, rows: int) -> None:
        from archgym.dataset import export_dataset, open_dataset

        for path in export_dataset(open_dataset(directory / "data"), format, directory / "exported"):
            size = sum(
                file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()
            )
            print(f"    {format}: {size / 1e9:.2f} GB")
        out = directory / "exported"
        shutil.rmtree(out) if out.is_dir() else out.unlink()

    return step


def train(directory: Path, rows: int) -> None:
    """`archgym proxy train`: a uniform sample of all different rows is drawn from the stream."""
    from archgym.dataset import open_dataset
    from archgym.proxy import train_proxy

    dataset = open_dataset(directory / "data")
    target = dataset.manifest.metric_names[0]
    proxy = train_proxy(dataset, [target], ("boosting",), members=1, most_rows=min(rows, 200_000))
    print(f"    trained on {proxy.data['rows']:,} different rows")


STEPS: dict[str, Callable[[Path, int], None]] = {
    "log": log,
    "build": build,
    "verify": verify,
    "export csv": export("csv"),
    "export npz": export("npz"),
    "export huggingface": export("huggingface"),
    "train": train,
}


def _measured(step: str, directory: Path, rows: int, answer: multiprocessing.Queue[dict[str, float]]) -> None:
    from archgym.registry import families, register
    from archgym.simulators.synthetic import FAMILIES

    for family in FAMILIES:
        if family.id not in families():
            register(family)
    start = time.perf_counter()
    STEPS[step](directory, rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts kilobytes
    answer.put({"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time(), "peak_bytes": peak})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--limit", type=float, default=4.0, metavar="GB", help="fail if a step takes more memory")
    parser.add_argument("--directory", type=Path, help="where to work (default: a temporary directory)")
    parser.add_argument("--skip", action="append", default=[], choices=list(STEPS))
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=options.directory))
    fine, context = True, multiprocessing.get_context("spawn")
    print(f"{options.rows:,} rows of {PROBLEM} in {place}", flush=True)
    try:
        for step in STEPS:
            if step in options.skip:
                continue
            answer: multiprocessing.Queue[dict[str, float]] = context.Queue()
            process = context.Process(target=_measured, args=(step, place, options.rows, answer))
            process.start()
            process.join()
            if process.exitcode:
                print(f"{step}: failed")
                return 1
            found = answer.get()
            within = found["peak_bytes"] <= options.limit * 1e9
            fine = fine and within
            print(
                f"{step:20s} {found['seconds']:8.1f} s  {found['cpu_seconds']:8.1f} s CPU  "
                f"{found['peak_bytes'] / 1e9:6.2f} GB{'' if within else '  MORE THAN ALLOWED'}",
                flush=True,
            )
        print(json.dumps({"disk_bytes": sum(f.stat().st_size for f in place.rglob("*") if f.is_file())}))
    finally:
        shutil.rmtree(place)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
