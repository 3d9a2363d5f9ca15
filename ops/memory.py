"""The workers' peak memory: of their processes on the embedded stack, from their reports on AWS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ops.target import Target

REPORTED = re.compile(r"^REPORT RequestId: .*\tMax Memory Used: (\d+) MB")


class WorkerMemory(Protocol):
    """Looked at while runs go on, and asked at the end; None where nobody could measure it."""

    def sample(self) -> None: ...

    def peak_mb(self) -> float | None: ...


@dataclass(slots=True)
class ProcessMemory:
    """The most that any process of these had resident since it began. A process may end unseen."""

    peaks: Callable[[], Iterable[float]]
    _peak: float | None = None

    def sample(self) -> None:
        self._peak = max([self._peak or 0.0, *self.peaks()]) or None

    def peak_mb(self) -> float | None:
        return self._peak


@dataclass(frozen=True, slots=True)
class ReportedMemory:
    """Lambda's own line at the end of each invocation since a moment."""

    logs: Any
    group: str
    since: datetime

    def sample(self) -> None:
        """Reports are complete; there is nothing to catch in passing."""

    def peak_mb(self) -> float | None:
        """None where the log may not be read, or has no report yet (they come with some delay)."""
        try:
            pages = self.logs.get_paginator("filter_log_events").paginate(
                logGroupName=self.group,
                startTime=int(self.since.timestamp() * 1000),
                filterPattern='"REPORT RequestId"',
            )
            lines = [event["message"] for page in pages for event in page["events"]]
        except (BotoCoreError, ClientError):
            return None
        return max((float(m[1]) for line in lines if (m := REPORTED.match(line))), default=None)


def memory_of(target: Target, since: datetime) -> WorkerMemory:
    """How the workers' memory is measured at this deployment."""
    if not target.embedded:
        group = f"/aws/lambda/{target.name('SLUICE_WORKER_FUNCTION')}"
        return ReportedMemory(target.aws("logs"), group, since)
    # Here and not above: the embedded stack is not installed where only AWS is operated.
    from local.stack import Stack

    stack = Stack()
    return ProcessMemory(lambda: [w.peak_rss_mb for w in stack.worker_processes("worker")])


def memory_line(peak_mb: float | None) -> str:
    return "worker peak memory: " + ("not measured" if peak_mb is None else f"{peak_mb:,.0f} MB")
