"""A user's own program as a simulator: fill in files, run a command, read metrics from what it writes.

Each evaluation has its own directory; a program that hangs is killed with all its children, one that
crashes or prints garbage gives an infeasible row and keeps its log, and finished work is cached on disk.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from archgym.errors import ConfigError, UnknownNameError
from archgym.metrics import Metric, Metrics
from archgym.simulators.batch import default_threads, end_early
from archgym.space import Designs, Level, Space
from archgym.workload import Workload, content_fingerprint

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
Row = dict[str, Any]
#: programs that run now; one that was stopped is taken out
_RUNNING: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Reading:
    """How one metric is read from the program's output.

    Args:
        metric: what is read.
        kind: ``"regex"`` (``where`` has one group; the last match counts), ``"json"`` (``where`` is a dotted
            path) or ``"csv"`` (``where`` is a column name; the last row counts).
        file: ``"stdout"``, or a file in the evaluation's directory.
        scale: factor from the program's unit to the metric's.
    """

    metric: Metric
    kind: Literal["regex", "json", "csv"]
    where: str
    file: str = "stdout"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("regex", "json", "csv"):
            raise ConfigError(
                f"reading of {self.metric.name!r}: kind {self.kind!r} is not allowed; allowed: regex, json, csv"
            )
        if self.kind == "regex" and re.compile(self.where).groups != 1:
            raise ConfigError(
                f"reading of {self.metric.name!r}: the pattern {self.where!r} must have exactly one group"
            )

    def read(self, text: str) -> float:
        """The metric's value in ``text``; raises LookupError or ValueError if it is not there."""
        if self.kind == "regex":
            matches = re.findall(self.where, text, re.MULTILINE)
            if not matches:
                raise LookupError(f"no match for {self.where!r}")
            value: Any = matches[-1]
        elif self.kind == "json":
            value = json.loads(text)
            for part in self.where.split("."):
                value = value[int(part)] if isinstance(value, list) else value[part]
        else:
            value = list(csv.DictReader(io.StringIO(text)))[-1][self.where]
        number = float(value) * self.scale
        if not math.isfinite(number):
            raise ValueError(f"{value!r} is not a finite number")
        return number


@dataclass(frozen=True)
class ExternalSimulator:
    """Runs a program once a design.

    Args:
        name: of the simulator.
        version: raise it (or ``program_version``) when results change.
        space: the parameters.
        command: the program and its arguments; ``{{parameter}}``, ``{{workload}}`` and ``{{directory}}`` are filled in.
        readings: one a metric.
        files: files to write before the run, by relative name; filled in like the command.
        timeout_s: after this the program and all its children are killed.
        retries: how often a failed run is tried again.
        workers: programs run at the same time.
        cache: directory of finished evaluations, safe for many processes; None for no cache.
        logs: directory that keeps the evaluation directories of failed runs; None to delete them.
    """

    name: str
    version: int
    space: Space
    command: tuple[str, ...]
    readings: tuple[Reading, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 3600.0
    retries: int = 0
    workers: int = field(default_factory=default_threads)
    cache: Path | None = None
    logs: Path | None = None
    program_version: str = ""

    def __post_init__(self) -> None:
        known = (*self.space.names, "workload", "directory")
        for text in (*self.command, *self.files.values()):
            for name in _PLACE.findall(text):
                if name not in known:
                    raise UnknownNameError("placeholder", name, known)
        for name, value, least in (
            ("timeout_s", self.timeout_s, 1e-3),
            ("retries", self.retries, 0),
            ("workers", self.workers, 1),
        ):
            if value < least:
                raise ConfigError(f"{name}: {value!r} is not allowed; allowed: {least} or more")
        if not self.command or not self.readings:
            raise ConfigError(f"external simulator {self.name!r} needs a command and at least one reading")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(reading.metric for reading in self.readings)

    def __call__(self, designs: Designs, workload: Workload) -> Metrics:
        """Metrics of B designs, shape (B, D); equal designs are run once."""
        rows = [self.space.row(design) for design in designs]
        keys = [self._key(row, workload) for row in rows]
        with ThreadPoolExecutor(self.workers) as pool:
            futures: dict[str, Future[Row]] = {}
            for key, row in zip(keys, rows, strict=True):
                if key not in futures:
                    futures[key] = pool.submit(self.evaluate, row, workload)
            try:
                results = [futures[key].result() for key in keys]
            except BaseException:
                end_early(futures.values(), self.stop)
                raise
        feasible = np.array([not result["reason"] for result in results], dtype=bool)
        columns = {
            metric.name: np.array([result["metrics"].get(metric.name, np.nan) for result in results])
            for metric in self.metrics
        }
        return Metrics(columns, feasible, tuple(result["reason"] for result in results))

    def evaluate(self, values: Mapping[str, Level], workload: Workload) -> Row:
        """One design's ``{"metrics": {...}, "reason": ""}``, from the cache or by running the program."""
        key = self._key(values, workload)
        stored = None if self.cache is None else self.cache / key[:2] / f"{key}.json"
        if stored is not None and stored.exists():
            try:
                return dict(json.loads(stored.read_text(encoding="utf-8")))
            except ValueError:  # damaged from outside: compute it again
                stored.unlink(missing_ok=True)
        result: Row = {}
        for _ in range(self.retries + 1):
            result = self._attempt(values, workload, key)
            if not result["reason"]:
                break
        if stored is not None:
            _write_atomically(stored, json.dumps(result))
        return result

    def stop(self) -> None:
        """Kill every program that external simulators of this process are running; their evaluations raise."""
        for process in tuple(_RUNNING):
            _RUNNING.discard(process)
            _kill_group(process)

    def _key(self, values: Mapping[str, Level], workload: Workload) -> str:
        readings = [[r.metric.name, r.kind, r.where, r.file, r.scale] for r in self.readings]
        identity = [
            self.name,
            self.version,
            self.program_version,
            self.space.fingerprint,
            dict(values),
            workload.fingerprint,
        ]
        return content_fingerprint(json.dumps([*identity, self.command, dict(self.files), readings]))

    def _attempt(self, values: Mapping[str, Level], workload: Workload, key: str) -> Row:
        directory = Path(tempfile.mkdtemp(prefix="archgym-"))
        try:
            filling = {**values, "workload": workload.data, "directory": directory}
            for name, template in self.files.items():
                target = directory / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(_fill(template, filling), encoding="utf-8")
            reason = self._run([_fill(part, filling) for part in self.command], directory)
            metrics: dict[str, float] = {}
            if not reason:
                metrics, reason = self._read(directory)
            if reason and self.logs is not None:
                kept = self.logs / f"{self.name}-{key[:16]}"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(directory, kept)
                reason = f"{reason} (log: {kept})"
            return {"metrics": {} if reason else metrics, "reason": reason, "values": dict(values)}
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _run(self, command: list[str], directory: Path) -> str:
        """Run the program; the reason of its failure, or nothing."""
        with (directory / "stdout").open("wb") as out, (directory / "stderr").open("wb") as err:
            try:
                process = subprocess.Popen(
                    command, cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
                )
            except OSError as error:
                raise ConfigError(
                    f"external simulator {self.name!r}: cannot run {command[0]!r} ({error.strerror})"
                ) from error
            _RUNNING.add(process)
            try:
                code = process.wait(self.timeout_s)
            except subprocess.TimeoutExpired:
                return f"timed out after {self.timeout_s:g} s"
            finally:
                _kill_group(process)
                stopped = process not in _RUNNING
                _RUNNING.discard(process)
        if stopped:
            raise RuntimeError(f"external simulator {self.name!r} was stopped")  # not a result, so never cached
        if code:
            last = (directory / "stderr").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            ended = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
            return f"{ended}{f': {last[0][:200]}' if last else ''}"
        return ""

    def _read(self, directory: Path) -> tuple[dict[str, float], str]:
        metrics: dict[str, float] = {}
        for reading in self.readings:
            try:
                text = (directory / reading.file).read_text(encoding="utf-8", errors="replace")
                metrics[reading.metric.name] = reading.read(text)
            except (OSError, LookupError, ValueError, TypeError) as error:
                return {}, f"metric {reading.metric.name!r} cannot be read from {reading.file}: {error}"
        return metrics, ""


def _fill(template: str, values: Mapping[str, Any]) -> str:
    return _PLACE.sub(lambda place: str(values[place.group(1)]), template)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and every child that it left in its process group, and wait until they are gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for _ in range(200):  # two seconds: on a busy machine a killed child ends late, and unless reaped never
            os.killpg(process.pid, 0)
            time.sleep(0.01)
    process.wait()


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
