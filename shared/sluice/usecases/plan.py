"""Plan: a schedule tick becomes one message for each stream that is due and not underway already.

Works in chunks, longest waiting first, until its time is over. What it did not come to is still due, and
comes first at the next tick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sluice.core.budget import Clock
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.ports import Book, Messages, Revised
from sluice.core.scheduling import DueStream, Move, Schedule, Standings
from sluice.core.steering.switches import SwitchBoard
from sluice.core.underway import MESSAGE_COUNTS_FOR, Asked, Standing, Underway, underway

SUBJECT = "dispatcher"
"""The page in the book that says who dispatches, and until when."""

CHUNK = 1000
"""Streams sent before they are advanced: as many are asked twice when a dispatcher dies in between."""

MARGIN = timedelta(seconds=10)
"""No chunk is begun later than this before the deadline. One takes a second; ten, when AWS is throttling."""


class Fate(StrEnum):
    """What becomes of a due stream. But for the asked, nothing is sent."""

    ASKED = "asked"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Planned:
    """What a tick did, in streams.

    ``raced`` ones were moved by somebody else meanwhile. ``more_due``: time was over before all were done.
    ``stood_back``: another dispatcher is at work, so this tick left everything to it.
    """

    asked: int = 0
    queued: int = 0
    running: int = 0
    paused: int = 0
    raced: int = 0
    more_due: bool = False
    stood_back: bool = False


@dataclass(frozen=True, slots=True)
class PlanKit:
    """The ports, switches, sources of time and ids that a tick is planned with, and its bounds."""

    schedule: Schedule
    standings: Standings
    messages: Messages
    book: Book
    board: SwitchBoard
    clock: Clock
    new_id: Callable[[], str]
    chunk: int = CHUNK
    margin: timedelta = MARGIN
    message_counts_for: timedelta = MESSAGE_COUNTS_FOR


def plan(kit: PlanKit, deadline: datetime) -> Planned:
    """Ask for what is due, until shortly before ``deadline``; a tick that fires twice is planned once.

    Who fails or dies keeps the others away until ``deadline``, which is before the next tick.
    """
    owner, now = kit.new_id(), kit.clock()
    if not kit.book.revise(SUBJECT, lambda page: _take(page, owner, now, deadline)):
        return Planned(stood_back=True)
    planned = _dispatch(kit, now, deadline - kit.margin)
    kit.book.revise(SUBJECT, lambda page: _give_back(page, owner))
    return planned


def _take(page: Mapping[str, Any], owner: str, now: datetime, deadline: datetime) -> Revised[bool]:
    if page and datetime.fromtimestamp(page["until_ms"] / 1000, UTC) > now:
        return Revised(answer=False)
    return Revised(answer=True, page={"owner": owner, "until_ms": int(deadline.timestamp() * 1000)})


def _give_back(page: Mapping[str, Any], owner: str) -> Revised[None]:
    return Revised(None, {} if page.get("owner") == owner else None)


def _dispatch(kit: PlanKit, now: datetime, stop_at: datetime) -> Planned:
    """At least one chunk, however little time there is: else a slow start would never come to an end."""
    counts: Counter[str] = Counter()
    for chunk in kit.schedule.due(now, most=kit.chunk):
        if counts and kit.clock() >= stop_at:
            return replace(_planned(counts), more_due=True)
        counts += _plan_chunk(kit, chunk)
    return _planned(counts)


def _plan_chunk(kit: PlanKit, chunk: Sequence[DueStream]) -> Counter[str]:
    """Send first, then advance: dying in between asks twice, which the protocol drops, never not at all."""
    now = kit.clock()
    moves, counts = list[Move](), Counter[str]()
    for fate, move in _turns(kit, chunk, now):
        counts[fate] += 1
        moves.append(move)
    keys = [move.stream.key for move in moves if move.asked]
    kit.messages.ask_for_slices(keys, reason="schedule")
    reach(FaultPoint.PLAN_SENT)
    counts["raced"] = len(moves) - kit.schedule.advance(moves, now)
    reach(FaultPoint.PLAN_ADVANCED)
    return counts


def _turns(kit: PlanKit, chunk: Sequence[DueStream], now: datetime) -> Iterator[tuple[Fate, Move]]:
    standings = kit.standings.of([stream.key for stream in chunk])
    for stream in chunk:
        standing = standings.get(stream.key, Standing())
        fate, latest = _fate(kit, stream, standing, now)
        asked = Asked(now, standing.fencing_token) if fate is Fate.ASKED else None
        cadence = kit.board.cadence_of(stream.key, stream.cadence)
        yield fate, Move(stream, cadence, asked, latest)


def _fate(
    kit: PlanKit, stream: DueStream, standing: Standing, now: datetime
) -> tuple[Fate, datetime | None]:
    """And by when the stream is looked at again, though its next beat be later."""
    pause = kit.board.pause_of(stream.key)
    if pause is not None:
        return Fate.PAUSED, pause.until
    work = underway(
        standing,
        stream.asked,
        now,
        resumed_at=stream.resumed_at,
        counts_for=kit.message_counts_for,
    )
    match work:
        case None:
            return Fate.ASKED, None
        case Underway.RUNNING:
            return Fate.RUNNING, None
        case Underway.QUEUED:
            return Fate.QUEUED, _end_of_rest(stream, standing, now)


def _end_of_rest(stream: DueStream, standing: Standing, now: datetime) -> datetime | None:
    """When the vendor may be asked again, if the message deferred until then was thrown away in a pause.

    A message sent before then would be turned away.
    """
    resting = standing.not_before is not None and standing.not_before > now
    if not resting or stream.resumed_at is None or standing.acquired_at is None:
        return None
    return standing.not_before if standing.acquired_at <= stream.resumed_at else None


def _planned(counts: Counter[str]) -> Planned:
    return Planned(
        asked=counts[Fate.ASKED],
        queued=counts[Fate.QUEUED],
        running=counts[Fate.RUNNING],
        paused=counts[Fate.PAUSED],
        raced=counts["raced"],
    )
