"""How a stream stands, by what the registry, the switches and the database say of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sluice.core.overview.picture import RunView, State, StreamView
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
        return State.RUNNING if moves(view.running, now) else State.STALLED
    if is_late(stream, history, view, now):
        return State.LATE
    if view.last is not None and view.last.outcome != "completed":
        return State.FAILED
    return State.NEVER if view.fresh_at is None else State.FRESH


def moves(run: RunView, now: datetime) -> bool:
    """This open run committed something lately, or was begun lately."""
    patience = BACKFILLS_MOVE_WITHIN if run.reason == BACKFILL else MOVES_WITHIN
    return now - run.last_progress_at <= patience


def is_late(stream: WatchedStream, history: StreamHistory, view: StreamView, now: datetime) -> bool:
    """Its data is older than its target.

    Counted from the moment that what the vendor had is stored of, but not from before a pause ended. A stream that
    never completed counts from when it was entered. A first load or a backfill that moves is not late.
    """
    run, since = history.running, old_since(stream, view)
    may_take_long = run is not None and _is_long_work(run, history) and moves(run, now)
    return not may_take_long and since is not None and now - since > view.limits.fresh_within


def _is_long_work(run: RunView, history: StreamHistory) -> bool:
    return run.reason == BACKFILL or history.is_first_load(run)


def old_since(stream: WatchedStream, view: StreamView) -> datetime | None:
    """From when on a stream's age counts; None where nobody knows."""
    began = view.fresh_at or stream.since
    return max(filter(None, (began, stream.resumed_at)), default=None)
