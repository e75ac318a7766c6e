"""Watching a study run: a live table on a terminal, plain lines in a log, scalars for TensorBoard."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from archgym.errors import MissingExtraError
from archgym.study.plan import Plan, PlannedRun
from archgym.study.store import Store
from archgym.study.worker import Outcome

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


@dataclass
class _Count:
    """Progress of one group of agents."""

    total: int = 0
    done: int = 0
    failed: int = 0
    best: float = float("-inf")
    evaluations: int = 0


class Tally:
    """Counts by group of agents, and the rate since the study was started."""

    def __init__(self, plan: Plan, store: Store, todo: list[PlannedRun], clock: Callable[[], float]) -> None:
        self.groups: dict[str, _Count] = {}
        self.todo, self.ran, self.evaluations = len(todo), 0, 0
        self._clock, self._began = clock, clock()
        missing = {run.hash for run in todo}
        for run in plan.runs:
            group = self.groups.setdefault(run.label, _Count())
            group.total += 1
            if run.hash in missing:
                continue
            if run.hash in store.runs:
                group.done += 1
                group.best = max(group.best, store.runs[run.hash].head["summary"]["best_reward"])
            else:
                group.failed += 1

    def add(self, run: PlannedRun, outcome: Outcome) -> None:
        self.ran += 1
        group = self.groups[run.label]
        if outcome.traceback:
            group.failed += 1
            return
        group.done += 1
        group.best = max(group.best, outcome.summary["best_reward"])
        group.evaluations += outcome.summary["evaluations"]
        self.evaluations += outcome.summary["evaluations"]

    @property
    def seconds(self) -> float:
        return self._clock() - self._began

    @property
    def rate(self) -> float:
        """Runs a second in this session."""
        return self.ran / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> str:
        """Time left at the present rate."""
        return duration((self.todo - self.ran) / self.rate) if self.rate else "?"


def duration(seconds: float) -> str:
    """``1:02:03``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class PlainLog:
    """One line every ``interval`` seconds, for logs and pipes."""

    def __init__(
        self, stream: IO[str] | None = None, interval: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._interval, self._clock = stream or sys.stderr, interval, clock
        self._last = clock()

    def start(self, plan: Plan, store: Store, todo: list[PlannedRun]) -> None:
        self._tally = Tally(plan, store, todo, self._clock)
        self._print(f"{plan.study.name}: {len(plan)} runs planned, {len(todo)} to do")

    def done(self, run: PlannedRun, outcome: Outcome) -> None:
        self._tally.add(run, outcome)
        if outcome.traceback:
            self._print(
                f"run {run.hash} ({run.label}, {run.problem.label}) failed: {outcome.traceback.strip().splitlines()[-1]}"
            )
        if self._clock() - self._last >= self._interval:
            self._last = self._clock()
            self._line()

    def _line(self) -> None:
        tally = self._tally
        failed = sum(group.failed for group in tally.groups.values())
        self._print(
            f"{tally.ran}/{tally.todo} runs, {failed} failed, {tally.rate:.2f} runs/s, "
            f"{tally.evaluations / max(tally.seconds, 1e-9):.0f} evaluations/s, {tally.left} left"
        )

    def finish(self) -> None:
        self._line()

    def _print(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class LiveTable:
    """A table that is redrawn in place: runs done, best reward, rate and time left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._live: Live | None = None

    def start(self, plan: Plan, store: Store, todo: list[PlannedRun]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._name = plan.study.name
        self._tally = Tally(plan, store, todo, self._clock)
        self._live = Live(self.table(), console=Console(stderr=True), refresh_per_second=4, get_renderable=self.table)
        self._live.start()

    def table(self) -> Table:
        """The table as it stands."""
        from rich.table import Table

        tally = self._tally
        title = f"{self._name}: {tally.ran}/{tally.todo} runs, {tally.rate:.1f} runs/s, {tally.left} left"
        shown = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
        for name in ("agents", "done", "runs", "failed", "best reward"):
            shown.add_column(name, justify="left" if name == "agents" else "right")
        for name, group in tally.groups.items():
            best = f"{group.best:.4f}" if group.best > float("-inf") else "-"
            shown.add_row(name, str(group.done), str(group.total), str(group.failed or "-"), best)
        return shown

    def done(self, run: PlannedRun, outcome: Outcome) -> None:
        self._tally.add(run, outcome)

    def finish(self) -> None:
        if self._live:
            self._live.stop()


class TensorBoard:
    """Event files that TensorBoard reads: progress by time, and each group's best reward by run."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError as error:
            raise MissingExtraError("output for TensorBoard", "ray") from error
        self._open: Callable[[str], Any] = lambda name: SummaryWriter(str(directory / name))
        self._writers: dict[str, Any] = {}
        self._clock = clock
        self._steps: dict[tuple[str, str], int] = {}

    def start(self, plan: Plan, store: Store, todo: list[PlannedRun]) -> None:
        self._tally = Tally(plan, store, todo, self._clock)

    def done(self, run: PlannedRun, outcome: Outcome) -> None:
        self._tally.add(run, outcome)
        progress = self._writer("progress")
        progress.add_scalar("progress/runs done", self._tally.ran, self._tally.ran)
        progress.add_scalar("progress/runs a second", self._tally.rate, self._tally.ran)
        if not outcome.traceback:
            tag = "best reward/" + run.problem.label.replace(" · ", "/")
            step = self._steps[run.label, tag] = self._steps.get((run.label, tag), 0) + 1
            self._writer(run.label).add_scalar(tag, outcome.summary["best_reward"], step)

    def _writer(self, name: str) -> Any:
        if name not in self._writers:
            self._writers[name] = self._open(name)
        return self._writers[name]

    def finish(self) -> None:
        for writer in self._writers.values():
            writer.close()
