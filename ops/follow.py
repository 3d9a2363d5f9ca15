"""Watch runs until they end: a live table in a terminal, a plain line every 5 s elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

import psycopg
from rich.console import Console
from rich.live import Live

from ops.run_figures import RunFigures, read_runs
from ops.show_runs import live_table, plain_line

POLL_SECONDS = 0.5
PLAIN_EVERY_SECONDS = 5.0


class NotFinished(Exception):
    """The runs watched did not end in the time given."""


def follow(
    connection: psycopg.Connection[dict[str, Any]],
    since: datetime,
    clients: Collection[str],
    *,
    console: Console,
    title: str,
    timeout_s: float,
    each_poll: Callable[[], None] = lambda: None,
) -> Sequence[RunFigures]:
    """Wait until every client has a run begun after ``since`` and none is still running.

    ``each_poll`` is called at every look (the demo samples memory there). Raises NotFinished.
    """
    screen = _Screen(console, title)
    deadline = time.monotonic() + timeout_s
    with screen:
        while True:
            runs = [r for r in read_runs(connection, since) if r.client_id in clients]
            each_poll()
            screen.show(sorted(runs, key=lambda r: (r.client_id, r.started_at)))
            if _all_ended(runs, clients):
                return runs
            if time.monotonic() > deadline:
                raise NotFinished(_unfinished(runs, clients, timeout_s))
            time.sleep(POLL_SECONDS)


def _all_ended(runs: Sequence[RunFigures], clients: Collection[str]) -> bool:
    return {r.client_id for r in runs} >= set(clients) and all(r.ended_at for r in runs)


def _unfinished(runs: Sequence[RunFigures], clients: Collection[str], timeout_s: float) -> str:
    waiting = sorted(set(clients) - {r.client_id for r in runs if r.ended_at})
    errors = {r.last_error for r in runs if r.last_error}
    why = f"; last error: {'; '.join(sorted(errors))}" if errors else ""
    return f"not finished after {timeout_s:.0f} s: {', '.join(waiting)}{why}"


class _Screen:
    """Where progress goes: redrawn in a terminal, appended elsewhere."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._context: AbstractContextManager[Any] = (
            self._live if console.is_terminal else nullcontext()
        )
        self._printed_at = time.monotonic()

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)

    def show(self, runs: Sequence[RunFigures]) -> None:
        now = datetime.now(UTC)
        if self._console.is_terminal:
            self._live.update(live_table(runs, now, self._title))
        elif time.monotonic() - self._printed_at >= PLAIN_EVERY_SECONDS:
            self._printed_at = time.monotonic()
            for run in runs:
                self._console.print(plain_line(run, now), highlight=False, soft_wrap=True)
