"""Apply what a push brought: read the object again that a hint names, or store the row that it is.

A hint says that something changed, never what it is now. So nothing of it is stored: the object is read
again through the account's budget, and its version decides as in every merge. What cannot be done soon is
left to polling, which brings the same; it is never deleted because one read did not find it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sluice.core.budget import Budget, Clock
from sluice.core.errors import (
    InvariantBroken,
    NotFound,
    PersonMustAct,
    RetryLater,
    RowRejected,
    SluiceError,
    WaitForVendor,
)
from sluice.core.keys import StreamKey
from sluice.core.ports import Applied, Deliveries, Messages, Pushes, Rereads, Stream, Streams
from sluice.core.priorities import Priority
from sluice.core.records import PushEvent
from sluice.core.slices import Delivery, Traffic
from sluice.core.steering.ports import Switches
from sluice.core.webhooks import Hint, InboxEntry, News, Portion
from sluice.messages import ApplyMessage
from sluice.usecases.apply_event import apply_event
from sluice.usecases.waiting import MOST_ATTEMPTS, NOT_ASKED, wait_of

STORE_MARGIN = timedelta(seconds=6)
"""Kept free at the end of an invocation for the one small transaction, or for sending the message again."""

MOST_REQUESTS = 4
"""For one object, retries included; most objects take one."""

OLD = timedelta(hours=1)
"""A hint that could not be followed for so long is left to polling, which has read past it by then."""

LOOK_AFTER = timedelta(seconds=2)
"""How long a slice that a hint asks for waits, so that one slice serves a burst of hints."""

LOOK_AGAIN = timedelta(minutes=15)
"""How long a portion waits that meets a pause, before it looks whether the pause is over."""

SKEW = timedelta(seconds=1)
"""Receiver and applier are two machines: that much their clocks may differ."""

MOST_REMEMBERED = 1000


class Outcome(StrEnum):
    """What became of a push."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    STALE = "stale"
    REPEATED = "repeated"
    REJECTED = "rejected"
    ABSENT = "absent"
    COALESCED = "coalesced"
    ASKED = "asked"
    PAUSED = "paused"
    DEFERRED = "deferred"
    GIVEN_UP = "given_up"
    FAILED = "failed"


class AsksAgain(Protocol):
    """The queue of pushes, for one that cannot be applied now."""

    def ask_to_apply(
        self, news: News, *, received_at: datetime, attempt: int, delay: timedelta
    ) -> None:
        """Send the same once more, later. Raises QueueUnavailable when it is not certain that it is there."""
        ...


class Portions(Protocol):
    """Parts of deliveries, each applied by its source's own statements in one small transaction (Postgres)."""

    def apply(self, portion: Portion, received_at: datetime) -> Applied:
        """Apply it unless it was seen: ``WRITTEN`` when rows were written, ``UNCHANGED`` when none had to be.

        Its order among others is its statements' business. Rows of it that cannot be stored go to ``rejects``.
        Raises DatabaseUnavailable, and InvariantBroken where its stream has no statements.
        """
        ...


class DoneWith(Protocol):
    """Deliveries that were worked on, by the inbox. An entry must outlive the vendor's last repetition of it."""

    def is_done(self, entry: InboxEntry, received_at: datetime) -> bool:
        """Make the entry if it is not there; True when its delivery was applied. Raises DatabaseUnavailable."""
        ...

    def note_done(self, entry: InboxEntry) -> None:
        """Nothing of it was to be stored, and it is done with all the same. Raises DatabaseUnavailable."""
        ...


@dataclass(slots=True)
class Looked:
    """What this environment read of late, so that hints of one object that come together cost one request.

    ``at`` is the earliest moment of which the reading tells, by object; the oldest are forgotten first.
    """

    at: dict[tuple[StreamKey, str | None], datetime] = field(default_factory=dict)

    def covers(self, hint: Hint, received_at: datetime) -> bool:
        """Was the object read after this hint had arrived? Then there is nothing new to see."""
        looked_at = self.at.get((hint.key, hint.object_id))
        return looked_at is not None and received_at + SKEW <= looked_at

    def note(self, hint: Hint, at: datetime) -> None:
        self.at.pop((hint.key, hint.object_id), None)
        self.at[(hint.key, hint.object_id)] = at
        while len(self.at) > MOST_REMEMBERED:
            del self.at[next(iter(self.at))]


@dataclass(frozen=True, slots=True)
class Kit:
    """The ports and the sources of time and chance that applying needs."""

    pushes: Pushes
    queue: AsksAgain
    messages: Messages
    deliveries: Deliveries
    switches: Switches
    streams: Streams
    looked: Looked
    clock: Clock
    chance: Callable[[], float]
    inbox: DoneWith | None = None
    """Without one, a delivery that comes twice is read again, and found out when it would be stored."""
    portions: Portions | None = None
    """Without one, no source here pushes anything that is applied in parts."""


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What happened, for one line of the log and the metrics. ``waited`` is the time since the delivery was
    received; ``topic`` is there for hints and portions."""

    outcome: Outcome
    key: StreamKey
    event_id: str
    waited: timedelta
    topic: str | None = None
    object_id: str | None = None
    detail: str = ""
    traffic: Traffic = field(default_factory=Traffic)


@dataclass(slots=True)
class _Work:
    """One message while it is worked on; ``traffic`` is what its reading cost."""

    message: ApplyMessage
    deadline: datetime
    kit: Kit
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def entry(self) -> InboxEntry:
        message = self.message
        return InboxEntry(message.client_id, message.source, message.event_id, topic=message.topic)

    def note_done(self) -> None:
        if self.kit.inbox is not None:
            self.kit.inbox.note_done(self.entry)

    def coalesced(self) -> ApplyReport:
        """Done with, and noted as such: the inbox knows of every topic that speaks, and of nothing that is owed."""
        with suppress(RetryLater):  # nothing is owed without the note, either
            self.note_done()
        return self.report(Outcome.COALESCED)

    def report(self, outcome: Outcome, detail: str = "") -> ApplyReport:
        message = self.message
        return ApplyReport(
            outcome,
            message.key,
            message.event_id,
            max(self.kit.clock() - message.received_at, timedelta(0)),
            topic=message.topic,
            object_id=message.object_id,
            detail=detail,
            traffic=self.traffic,
        )


def apply_push(
    message: ApplyMessage, deadline: datetime, kit: Kit, delivery: Delivery | None = None
) -> ApplyReport:
    """Apply one message and say how it ended.

    Raises only what the queue should retry and, in the end, dead-letter: bugs, and failures of our own
    stores that outlasted every delay.
    """
    work = _Work(message, deadline, kit)
    if delivery is not None:
        # Should we die, the message comes back when our time is over, and not after six times that.
        kit.deliveries.come_back(delivery, after=deadline - kit.clock())
    try:
        return _apply(work)
    except (WaitForVendor, RetryLater) as error:
        return _defer(work, error)
    except (PersonMustAct, NotFound) as error:
        if not isinstance(message.news, Hint):
            # What it brought stands nowhere else: no vendor's answer is meant, but our own stores and settings.
            return _defer(work, error)
        # The stream's own slices meet the same, and say so where people look.
        return work.report(Outcome.FAILED, f"{type(error).__name__}: {error}")
    except RowRejected as error:
        return work.report(Outcome.REJECTED, str(error))


def _apply(work: _Work) -> ApplyReport:
    message, kit = work.message, work.kit
    news = message.news
    pause = kit.switches.pause_of(message.key)
    if pause is not None:
        if isinstance(news, Portion):
            _keep_for_later(work)
        return work.report(Outcome.PAUSED, f"{pause.scope} by {pause.by}")
    if isinstance(news, Hint) and kit.looked.covers(news, message.received_at):
        return work.coalesced()
    if kit.inbox is not None and kit.inbox.is_done(work.entry, message.received_at):
        return work.report(Outcome.REPEATED)
    if isinstance(news, Portion):
        return work.report(_outcome(_apply_portion(news, work)))
    stream = kit.streams.open(message.key)
    try:
        if isinstance(news, PushEvent):
            return work.report(_outcome(apply_event(news, stream, kit.pushes)))
        return _follow(news, stream, work)
    finally:
        work.traffic = stream.traffic()
        stream.close()


def _keep_for_later(work: _Work) -> None:
    """What a pause makes of a hint, polling mends; what a portion brought comes never again."""
    message = work.message
    work.kit.queue.ask_to_apply(
        message.news,
        received_at=message.received_at,
        attempt=message.attempt,
        delay=LOOK_AGAIN,
    )


def _apply_portion(portion: Portion, work: _Work) -> Applied:
    """No stream is opened for it: no vendor is asked, and what it fills may be polled by none."""
    if work.kit.portions is None:
        raise InvariantBroken(f"{portion.key}: nobody here applies parts of deliveries")
    return work.kit.portions.apply(portion, work.message.received_at)


def _follow(hint: Hint, stream: Stream, work: _Work) -> ApplyReport:
    """Read the object again and store it, or have the stream looked at where that cannot be."""
    if hint.object_id is None or not isinstance(stream, Rereads):
        return _ask_for_slice(hint, work)
    began = work.kit.clock()
    budget = Budget(
        clock=work.kit.clock,
        fetch_until=work.deadline - STORE_MARGIN,
        rows=1,
        requests=MOST_REQUESTS,
    )
    record = stream.reread(hint.object_id, budget)
    work.traffic = stream.traffic()
    if record is None:
        work.note_done()
        return work.report(Outcome.ABSENT, "the vendor has no such object; left to reconciling")
    if record.version is None:
        return _ask_for_slice(hint, work)
    applied = apply_event(PushEvent(hint.event_id, hint.key, record), stream, work.kit.pushes)
    work.kit.looked.note(hint, began)
    return work.report(_outcome(applied))


def _ask_for_slice(hint: Hint, work: _Work) -> ApplyReport:
    """A moment later, so that what comes in the meantime is served by the same slice."""
    asked_at = work.kit.clock()
    whole = Hint(hint.event_id, hint.key, None, hint.topic, hint.sent_at)
    if work.kit.looked.covers(whole, work.message.received_at):
        return work.coalesced()
    work.kit.messages.ask_for_slice(
        hint.key, reason="push", priority=Priority.PUSH, delay=LOOK_AFTER
    )
    work.note_done()
    work.kit.looked.note(whole, asked_at + LOOK_AFTER)
    return work.report(Outcome.ASKED)


def _defer(work: _Work, error: SluiceError) -> ApplyReport:
    """The same message, later, by our own delay: a vendor's outage is no poisoned message.

    Where the vendor was not even asked, nothing was attempted. What only the vendor could say and did not for
    long is left to polling; what our own stores refuse for long is a dead letter.
    """
    message, kit = work.message, work.kit
    tried = not isinstance(error, NOT_ASKED)
    told = f"{type(error).__name__}: {error}"
    is_spent = tried and message.attempt >= MOST_ATTEMPTS
    if isinstance(error, WaitForVendor):
        if is_spent or kit.clock() - message.received_at > OLD:
            return work.report(Outcome.GIVEN_UP, told)
    elif is_spent:
        raise error
    kit.queue.ask_to_apply(
        message.news,
        received_at=message.received_at,
        attempt=message.attempt + tried,
        delay=wait_of(error, message.attempt, kit.chance),
    )
    return work.report(Outcome.DEFERRED, told)


def _outcome(applied: Applied) -> Outcome:
    return Outcome(applied.value)
