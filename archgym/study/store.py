"""A study's directory: which runs are done, and their data.

Finished runs are appended to segment files by one writer, the process that steers the study; workers
never touch the directory. Each session starts a new segment, so nothing that is complete is opened for
writing again. Being killed can only cut off the last record of one segment, which is then not a record.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from archgym.errors import ConfigError, RunFileError
from archgym.problem import Problem
from archgym.runlog import Run
from archgym.study.definition import Study
from archgym.study.file import parse_study
from archgym.study.plan import Plan, PlannedRun
from archgym.study.records import Log, Record, as_run, frame, scan, unpack_run

FORMAT = 1
MANIFEST = "study.json"
#: what a session that was killed while it started may have left
_BEFORE_THE_MANIFEST = {MANIFEST + ".new", "lock", "runs"}


class Store:
    """Reads a study's directory, and writes to it between `open_writer` and `close`."""

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        self.runs: dict[str, Record] = {}
        self.stopped: dict[str, Record] = {}
        self.failures: dict[str, Record] = {}
        self.damaged = 0
        self._headers: dict[str, Record] = {}
        self._scanned: dict[Path, int] = {}
        self.refresh()

    @property
    def manifest(self) -> Path:
        return self.directory / MANIFEST

    def refresh(self) -> None:
        """Read segments that are new or have grown."""
        for path in sorted((self.directory / "runs").glob("segment-*.runs")):
            size = path.stat().st_size
            if self._scanned.get(path) != size:
                self._scanned[path] = size
                for record in scan(path):
                    self._note(record)

    def _note(self, record: Record | None) -> None:
        if record is None:
            self.damaged += 1
            return
        key = record.head["hash"]
        if record.kind == "header":
            self._headers[key] = record
        elif record.kind == "run":
            self.runs[key] = record
            self.failures.pop(key, None)
        elif record.kind == "stopped" and key not in self.runs:
            self.stopped[key] = record
        elif record.kind == "failure" and key not in self.runs:
            self.failures[key] = record

    def study(self) -> Study:
        """The study this directory holds.

        Raises:
            RunFileError: if it holds none.
        """
        try:
            content = json.loads(self.manifest.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunFileError(f"{self.directory}: no study here (there is no {MANIFEST})") from None
        except (OSError, ValueError) as error:
            raise RunFileError(f"{self.manifest}: cannot be read ({error})") from error
        if content.get("archgym_study") != FORMAT:
            raise RunFileError(f"{self.manifest}: not a study of format {FORMAT}")
        return parse_study(content["study"])

    def claim(self, study: Study, extend: bool = False) -> None:
        """Make this the directory of ``study``.

        Raises:
            ConfigError: if it holds another study, or another definition of this one and ``extend`` is false.
        """
        if self.manifest.exists():
            held = self.study()
            if held.name != study.name:
                raise ConfigError(
                    f"{self.directory} holds another study, {held.name!r}; give {study.name!r} a directory of its own"
                )
            if held.to_json() == study.to_json():
                return
            if not extend:
                raise ConfigError(
                    f"{self.directory} holds study {held.name!r} with another definition ({_difference(held, study)}); "
                    f"use another directory, or --extend to keep its runs and go on with the new definition"
                )
        elif self.directory.exists() and {path.name for path in self.directory.iterdir()} - _BEFORE_THE_MANIFEST:
            raise ConfigError(
                f"{self.directory} is not empty and holds no study; give the study a directory of its own"
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        content = {"archgym_study": FORMAT, "study": study.to_json()}
        write_atomically(self.manifest, json.dumps(content, indent=1).encode())

    def todo(self, plan: Plan, retry_failed: bool = False) -> list[PlannedRun]:
        """Planned runs that are not done, by difference; failed ones only if asked for."""
        missing: dict[str, PlannedRun] = {}  # two groups of agents may share a setting: it is run once
        for run in plan.runs:
            if run.hash not in self.runs and (retry_failed or run.hash not in self.failures):
                missing.setdefault(run.hash, run)
        return list(missing.values())

    def apart(self, plan: Plan) -> dict[str, int]:
        """Runs in this directory that the plan does not ask for, counted by why."""
        wanted = {run.hash for run in plan.runs}
        current = {p.simulator.name: p.simulator.version for p in plan.problems.values()}
        counts: dict[str, int] = {}
        for key, record in self.runs.items():
            if key not in wanted:
                identity = record.head["spec"]["identity"]
                name, version = identity["simulator"], identity["simulator_version"]
                if name in current and version != current[name]:
                    why = f"made by simulator {name} version {version} (now {current[name]})"
                else:
                    why = "of an earlier definition of the study"
                counts[why] = counts.get(why, 0) + 1
        return counts

    def log(self, hash: str) -> Log:
        """What a finished run evaluated.

        Raises:
            RunFileError: if there is no such run.
        """
        record = self.runs.get(hash) or self.stopped.get(hash)
        if record is None:
            raise RunFileError(f"{self.directory}: no finished run {hash}")
        return unpack_run(record.body())

    def run(self, hash: str) -> Run:
        """A finished run; metrics that a compact log left out are NaN (`restore` computes them)."""
        log = self.log(hash)
        record = self.runs.get(hash) or self.stopped[hash]
        header = json.loads(self._headers[record.head["header"]].body())
        return as_run(log, {"spec": record.head["spec"], **header}, hash in self.runs)

    def traceback(self, hash: str) -> str:
        return self.failures[hash].body().decode()

    def open_writer(self) -> Writer:
        return Writer(self)


class Writer:
    """The only writer of a study's directory, holding its lock.

    Raises:
        ConfigError: if another process is writing there.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        folder = store.directory / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(store.directory / "lock", store.directory)
        numbers = [int(path.stem.split("-")[1]) for path in folder.glob("segment-*.runs")]
        self._path = folder / f"segment-{max(numbers, default=0) + 1:04d}.runs"
        self._file: IO[bytes] | None = None
        self._written: set[str] = set(store._headers)
        self._keys: dict[int, str] = {}

    def run(self, hash: str, head: Mapping[str, Any], problem: Problem, body: bytes, kind: str = "run") -> None:
        """Keep a run; ``kind`` is ``"run"`` or ``"stopped"``."""
        self._append({"kind": kind, "hash": hash, "header": self._header(problem), **head}, body)

    def _header(self, problem: Problem) -> str:
        """Keep what the run headers of a problem have in common (space and metrics) once; returns its key."""
        if id(problem) not in self._keys:
            content = {"space": problem.space.to_json(), "metrics": [dataclasses.asdict(m) for m in problem.metrics]}
            body = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
            key = hashlib.sha256(body).hexdigest()[:16]
            if key not in self._written:
                self._append({"kind": "header", "hash": key}, body)
                self._written.add(key)
            self._keys[id(problem)] = key
        return self._keys[id(problem)]

    def failure(self, hash: str, head: Mapping[str, Any], traceback: str) -> None:
        self._append({"kind": "failure", "hash": hash, **head}, traceback.encode())

    def _append(self, head: Mapping[str, Any], body: bytes) -> None:
        if self._file is None:
            self._file = self._path.open("xb", buffering=0)
        data = frame(head, body)
        start = self._file.tell()
        try:
            done = 0
            while done < len(data):
                done += self._file.write(data[done:]) or 0
        except OSError as error:
            self._file.truncate(start)
            self._file.seek(start)
            raise RunFileError(
                f"{self._path}: cannot be written ({error.strerror}); the runs finished before are kept, "
                f"and the same command goes on from them"
            ) from error
        record = Record(head, self._path, self._file.tell() - len(body), len(body))
        self._store._scanned[self._path] = self._file.tell()
        self._store._note(record)

    def close(self) -> None:
        """Make everything durable and let go of the directory."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
        self._lock.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(path: Path, directory: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        import fcntl
    except ImportError:  # no file locks on this system: two writers would only repeat work, each in its own segment
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ConfigError(f"another process is running the study in {directory}") from error
    return file


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft to write; it takes the place of ``path`` when all went well, and is removed otherwise.

    Raises:
        RunFileError: naming the path, if the system refuses to write (a full disk).
    """
    draft = path.with_name(path.name + ".new")
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError):
            raise RunFileError(f"{path}: cannot be written ({error.strerror or error})") from error
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        RunFileError: as `replacing`.
    """
    with replacing(path) as draft:
        draft.write_bytes(content)


def _difference(held: Study, new: Study) -> str:
    before, after = held.to_json(), new.to_json()
    return ", ".join(f"{key} differs" for key in after if before.get(key) != after[key])


def finished(store: Store, plan: Plan) -> Iterator[tuple[PlannedRun, Record]]:
    """Planned runs that are done, in the plan's order, whatever order they were run in."""
    for run in plan.runs:
        if run.hash in store.runs:
            yield run, store.runs[run.hash]
