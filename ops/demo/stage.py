"""What every part of the demo stands on: the deployment, the terminal, and what was measured so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any

from rich.console import Console, RenderableType

from ops.clients.file import ClientsFile, StreamSetting, stream_settings
from ops.clients.registry import entries_of
from ops.failures import FAILED
from ops.memory import WorkerMemory, memory_line
from ops.runs.acceptance import Check, exit_code_of
from ops.runs.figures import Connection, RunFigures, server_now
from ops.runs.follow import SystemTime, Watch, follow
from ops.runs.progress import screen_for
from ops.runs.sheets import closing_sheet, remarks, sum_line
from ops.target import Target

PASS_TIMEOUT_S = 3600
REMARK = 400
"""Characters of a remark; `sluice runs` has all of it."""


@dataclass(slots=True)
class DemoResult:
    """What the demo measured; ``checks`` decide the exit code. ``pushes`` are seconds and counts."""

    cars: int
    checks: list[Check] = field(default_factory=list)
    passes: list[dict[str, Any]] = field(default_factory=list)
    worker_memory_mb: float | None = None
    pushes: dict[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """A demo that checked nothing has shown nothing."""
        return exit_code_of(self.checks) if self.checks else FAILED

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.exit_code == 0, "exit_code": self.exit_code}


@dataclass(slots=True)
class Stage:
    """One demo on a stack that is up."""

    target: Target
    connection: Connection
    console: Console
    clients: ClientsFile
    memory: WorkerMemory
    result: DemoResult

    def say(self, text: RenderableType) -> None:
        """A line or a sheet; lines are not broken, so that they can be searched."""
        self.console.print(text, soft_wrap=isinstance(text, str))

    def clients_of(self, source: str) -> Sequence[str]:
        """Ids of the clients that have this source, in the file's order."""
        return [client for client, systems in self.clients.clients.items() if source in systems]

    def streams(self, source: str) -> Sequence[StreamSetting]:
        """Every stream of a source."""
        return [each for each in stream_settings(self.clients) if each.key.source == source]

    def apply_clients(self) -> None:
        """All clients of all sources at once, due now."""
        self.target.registry.apply(entries_of(stream_settings(self.clients)))
        self.say(f"{len(self.clients.clients)} clients applied; the schedule alone starts them")

    def watch(self, settings: Iterable[StreamSetting], *, full: bool) -> Watch:
        """To be made before anything is asked for."""
        keys = [str(setting.key) for setting in settings]
        return Watch.begin(self.connection, keys, server_now(self.connection), full=full)

    def follow(
        self, title: str, watch: Watch, why_waiting: Callable[[datetime], str]
    ) -> Sequence[RunFigures]:
        """Show the runs until they have ended, then what they did. Raises NotFinished."""
        started = time.monotonic()
        runs = follow(
            watch,
            lambda: watch.read(self.connection),
            screen_for(self.console, title),
            SystemTime(),
            timeout_s=PASS_TIMEOUT_S,
            why_waiting=why_waiting,
            each_poll=self.memory.sample,
        )
        self._close(title, runs, time.monotonic() - started)
        return runs

    def check(self, name: str, wanted: str, measured: str, *, passed: bool) -> None:
        """Note one target that was reached or missed."""
        self.result.checks.append(Check(name, wanted, measured, passed))

    def _close(self, title: str, runs: Sequence[RunFigures], seconds: float) -> None:
        now = datetime.now(UTC)
        self.result.worker_memory_mb = self.memory.peak_mb()
        self.console.print()
        self.say(closing_sheet(runs, now, title))
        self.say(sum_line(runs))
        self.say(memory_line(self.result.worker_memory_mb))
        for remark in remarks(runs):
            self.say(shorten(remark, REMARK, placeholder=" ..."))
        self.console.print()
        self.result.passes.append(
            {
                "title": title,
                "seconds": round(seconds, 3),
                "worker_memory_mb": self.result.worker_memory_mb,
                "runs": [r.as_json(now) for r in runs],
            }
        )
