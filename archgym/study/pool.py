"""A pool of worker processes that outlives its workers.

Each worker does one task at a time, so when a process dies it is known which task it was at; that task is
given to a new process once more, and only if it kills that one too is it reported as crashed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

import cloudpickle

from archgym.errors import ConfigError
from archgym.study.threads import environment

Given = TypeVar("Given")
Made = TypeVar("Made")

#: how many processes a task may kill before it is given up
MOST_CRASHES = 2
GUARD = (
    "Each worker imports the script that started it, so what a script does must stand under "
    "`if __name__ == '__main__':` (or use one process)"
)


@dataclass(frozen=True)
class Crash:
    """A task whose processes died; ``why`` says how."""

    why: str


class _Worker(Generic[Given]):
    def __init__(self, function: Callable[[Given], Any], variables: Mapping[str, str]) -> None:
        # Spawned, not forked: the parent has threads (kernels, progress), which a fork would freeze.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        # By value, since a function of a notebook or a script has no module that the worker could import.
        packed = cloudpickle.dumps(function)
        self.process: SpawnProcess = context.Process(target=_serve, args=(theirs, packed), daemon=True)
        with environment(variables):
            self.process.start()
        theirs.close()
        self.task: tuple[int, Given] | None = None
        self.started = False

    def give(self, number: int, given: Given) -> None:
        """Hand over a task; if the process is dead already, its pipe says so when the result is waited for."""
        self.task = (number, given)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(given)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.close()
        self.process.terminate()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(connection: Connection, packed: bytes) -> None:
    """A worker's life: a sign that it has started, then tasks in, results out, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    function = cloudpickle.loads(packed)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send(None)
        while True:
            given = connection.recv()
            connection.send(function(given))


def run_in_processes(
    function: Callable[[Given], Made],
    tasks: Sequence[Given],
    jobs: int,
    variables: Mapping[str, str] | None = None,
) -> Iterator[tuple[Given, Made | Crash]]:
    """Results of ``function`` on every task, as they come.

    Args:
        function: sent once to each process, by cloudpickle. It must turn its own errors into results.
        variables: environment the processes start with.

    Raises:
        ConfigError: if processes cannot start, which is so in a script that does not guard its main part.
    """
    waiting = deque(enumerate(tasks))
    crashes: dict[int, int] = {}
    any_started = False
    workers = [_Worker(function, variables or {}) for _ in range(min(jobs, len(waiting)))]
    try:
        while True:
            for worker in workers:
                if worker.task is None and waiting:
                    worker.give(*waiting.popleft())
            busy = [worker for worker in workers if worker.task is not None]
            if not busy:
                return
            for connection in wait([worker.connection for worker in busy]):
                worker = next(w for w in busy if w.connection is connection)
                index, given = worker.task  # type: ignore[misc]
                try:
                    made: Made | Crash = worker.connection.recv()
                    if not worker.started:
                        worker.started = any_started = True
                        continue
                    worker.task = None
                except (EOFError, ConnectionResetError, OSError):
                    why = _death(worker)
                    if not any_started and (worker.process.exitcode or 0) > 0:
                        raise ConfigError(f"{why} while it started. {GUARD}") from None
                    workers.remove(worker)
                    crashes[index] = crashes.get(index, 0) + 1
                    again = crashes[index] < MOST_CRASHES
                    if again:
                        waiting.appendleft((index, given))
                    if waiting:
                        workers.append(_Worker(function, variables or {}))
                    if again:
                        continue
                    made = Crash(f"{why}, {crashes[index]} times")
                yield given, made
    finally:
        for worker in workers:
            worker.end()


def _death(worker: _Worker[Any]) -> str:
    worker.end()
    code = worker.process.exitcode
    if code is not None and code < 0:
        return f"the worker process was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"the worker process ended with exit code {code}"
