"""Runs and clocks for tests of what the command shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from rich.console import Console

from ops.runs.figures import RunFigures
from ops.terminal import open_console

T0 = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def run(client_id: str = "harbour-motors", **changed: Any) -> RunFigures:
    """A completed run of 10,000 new rows in 100 pages and 10 seconds, with 2 % errors."""
    figures = {
        "run_id": f"run-of-{client_id}",
        "stream_key": f"{client_id}#cars#cars",
        "client_id": client_id,
        "source": "cars",
        "stream": "cars",
        "reason": "schedule",
        "outcome": "completed",
        "started_at": T0,
        "ended_at": T0 + timedelta(seconds=10),
        "slices": 3,
        "pages": 100,
        "rows_read": 10_000,
        "inserted": 10_000,
        "updated": 0,
        "unchanged": 0,
        "stale": 0,
        "rejected": 0,
        "deleted": 0,
        "requests": 100,
        "retries": 2,
        "errors": 2,
        "latency_avg_ms": 5.0,
        "latency_p95_ms": 9.0,
        "progress_done": 10_000,
        "progress_total": 10_000,
        "last_error": None,
        "note": None,
    }
    return RunFigures(**{**figures, **changed})


def running(client_id: str = "harbour-motors", **changed: Any) -> RunFigures:
    """A run half done after 10 seconds."""
    half = {"outcome": "running", "ended_at": None, "progress_done": 5_000, "rows_read": 5_000}
    return run(client_id, **{**half, "inserted": 5_000, "pages": 50, **changed})


class Terminal:
    """A terminal of a width, and what was printed there."""

    def __init__(self, width: int) -> None:
        self.file = StringIO()
        self.console = Console(
            file=self.file, width=width, force_terminal=True, no_color=True, markup=False,
            highlight=False, legacy_windows=False,
        )  # fmt: skip

    @property
    def text(self) -> str:
        return self.file.getvalue()


class Pipe:
    """Standard output where there is no terminal, as the command opens it."""

    def __init__(self) -> None:
        self.file = StringIO()
        self.console = open_console(self.file)

    @property
    def lines(self) -> list[str]:
        return self.file.getvalue().splitlines()


class FakeTime:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.at = T0
        self.slept = 0.0

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.at += timedelta(seconds=seconds)
