"""Streams with a past, as a look at the whole knows them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.keys import StreamKey
from sluice.core.overview.findings import Known
from sluice.core.overview.picture import RunView, Watch
from sluice.core.overview.stream_history import StreamHistory, WatchedStream
from sluice.core.overview.stream_views import view_of
from sluice.core.steering.switches import SwitchBoard

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
KEY = StreamKey("acme", "shipbob", "orders")
_numbers = itertools.count(1)


def stream(**more: Any) -> WatchedStream:
    """Due every ten minutes, so its data is late after 40; entered long ago."""
    plain = WatchedStream(KEY, 10 * MINUTE, since=NOW - timedelta(days=30))
    return replace(plain, **more)


def run(ago: timedelta, took: timedelta | None = SECOND, **more: Any) -> RunView:
    """A completed run that began so long ago and read ten rows; open where ``took`` is None."""
    began = NOW - ago
    plain = RunView(
        f"run-{next(_numbers)}", "schedule", "running" if took is None else "completed", began, began,
        None if took is None else began + took, 1, 10, 1, 1, 8, 0, 0, 0, 5,
    )  # fmt: skip
    return replace(plain, **more)


def history(*runs: RunView, **more: Any) -> StreamHistory:
    """With these runs, newest first; what follows from them is as the database would say it."""
    completed = [each.started_at for each in runs if each.outcome == "completed"]
    plain = StreamHistory(
        runs=runs,
        completed_at=max(completed, default=None),
        claimed_at=max((each.started_at for each in runs), default=None),
        advanced_at=max((each.started_at for each in runs), default=None),
    )
    return replace(plain, **more)


def known(
    past: StreamHistory,
    watched: WatchedStream | None = None,
    board: SwitchBoard | None = None,
    watch: Watch | None = None,
) -> Known:
    of = watched or stream()
    if watch is not None:
        of = replace(of, watch=watch)
    return Known(of, past, view_of(of, past, board or SwitchBoard(), NOW), NOW)


LOADED = run(30 * HOUR)
"""So that later runs are no first load."""
