"""How a stream stands, by what the registry, the switches and the database say of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sluice.core.overview.picture import State, StreamView
from sluice.core.overview.stream_history import BACKFILL, StreamHistory, WatchedStream
from sluice.core.steering.switches import SwitchBoard

MOVES_WITHIN = timedelta(minutes=20)
BACKFILLS_MOVE_WITHIN = timedelta(hours=6)
"""So long cleanup waits before it asks for a silent run again (``usecases.clean_up``): it stalled."""


def view_of(
    stream: WatchedStream, history: StreamHistory | None, board: SwitchBoard, now: datetime
) -> StreamView:
    """The stream as people see it. ``history`` is None where the database could not be asked."""
    cadence = board.cadence_of(stream.key, stream.cadence)
    known = history or StreamHistory()
    view = StreamView(
        key=stream.key,
        state=State.UNKNOWN,
        cadence=cadence,
        limits=stream.watch.limits(cadence),
        fresh_at=known.fresh_at,
        advanced_at=known.advanced_at,
        due_at=stream.due_at,
        paused_because=why_paused(stream, board),
        running=known.running,
        last=known.last,
        open_rejects=known.open_rejects,
    )
    return replace(view, state=state_of(stream, history, view, now))


def why_paused(stream: WatchedStream, board: SwitchBoard) -> str | None:
    """Who stopped it, in words; None when it may run."""
    if not stream.enabled:
        return "it left the clients file"
    if stream.paused:
        return "the clients file pauses it"
    pause = board.pause_of(stream.key)
    if pause is None:
        return None
    return f"{pause.by} paused {pause.scope}" + (f": {pause.why}" if pause.why else "")


def state_of(
    stream: WatchedStream, history: StreamHistory | None, view: StreamView, now: datetime
) -> State:
    """The first that fits, in the order of ``State``."""
    if view.paused_because is not None:
        return State.PAUSED
    if history is None:
        return State.UNKNOWN
    if view.running is not None:
        return State.RUNNING if moves(history, now) else State.STALLED
    if late_by(stream, history, view, now) > timedelta(0):
        return State.LATE
    if view.last is not None and view.last.outcome != "completed":
        return State.FAILED
    return State.NEVER if view.fresh_at is None else State.FRESH


def moves(history: StreamHistory, now: datetime) -> bool:
    """An open run committed something lately, or was begun lately."""
    run = history.running
    if run is None:
        return False
    patience = BACKFILLS_MOVE_WITHIN if run.reason == BACKFILL else MOVES_WITHIN
    return now - run.last_progress_at <= patience


def late_by(
    stream: WatchedStream, history: StreamHistory, view: StreamView, now: datetime
) -> timedelta:
    """By how much its data is older than its target; zero or less when it is not.

    Counted from the moment that what the vendor had is stored of, but not from before a pause ended. A stream that
    never completed counts from when it was entered. A first load or a backfill that moves is not late.
    """
    run = history.running
    is_long_work = run is not None and (run.reason == BACKFILL or history.is_first_load(run))
    if is_long_work and moves(history, now):
        return timedelta(0)
    since = old_since(stream, view)
    return timedelta(0) if since is None else now - since - view.limits.fresh_within


def old_since(stream: WatchedStream, view: StreamView) -> datetime | None:
    """From when on a stream's age counts; None where nobody knows."""
    began = view.fresh_at or stream.since
    return max(filter(None, (began, stream.resumed_at)), default=None)
