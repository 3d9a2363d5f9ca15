"""When a slice is not made now: left to who makes it, asked for again later, or given up visibly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sluice.core.desk.admitting import ComeBack, Waiting
from sluice.core.errors import (
    AccountBusy,
    BreakerOpen,
    RetryLater,
    SluiceError,
    Superseded,
    WaitForVendor,
)
from sluice.core.slices import Delivery, LeaseHeld, Outcome, SliceReport
from sluice.messages import SliceMessage
from sluice.usecases.kit import Kit
from sluice.usecases.redrive import REDRIVE

MOST_ATTEMPTS = 8
"""Slices in a row without progress before the run is given up until the next tick."""

NOT_ASKED = (AccountBusy, BreakerOpen)
"""Shared limits that stood in the way of a request."""

LONGEST_DELAY = timedelta(minutes=15)

MOST_DOUBLINGS = 8
"""Who waits for a lease looks again after 1 s, 2 s, 4 s...; 256 s are longer than any lease has left."""

ASKED_BY_A_PERSON = ("manual", REDRIVE)
"""Somebody waits for these, and no tick says again what they say: only a pause drops them, and there is a run to look
at even of nothing due."""


def leave_or_wait(
    message: SliceMessage, held: LeaseHeld, kit: Kit, delivery: Delivery | None
) -> SliceReport:
    """A held lease is an outcome. A continuation that overtook its sender's release waits for it, and
    so does what a person asked for, of which the holder knows nothing. A push does not: hooks come in bursts, and
    what one asks to be looked at is polled as well.

    The holder works on from ``base_seq``. If that is what we continue from, it does our work and will
    continue it. If it is earlier, it made the very slice that sent this message and is about to let go
    (or died after sending it), or it is a duplicate that does nothing: so the message must come back.
    So it must when the holder acts for this very message: it came again because its holder died (whose
    time is not over by our clock), or twice.

    Waiting is no attempt: who had to wait for long is deferred as often as anybody once it has the lease.
    """
    expected = message.expect_seq
    asked = expected is None and message.reason in ASKED_BY_A_PERSON
    ours = delivery is not None and held.delivery == delivery.message_id
    if not asked and not ours and (expected is None or held.base_seq >= expected):
        return SliceReport(Outcome.LEASE_HELD, message.key, f"held by {held.owner}")
    lapse = max(held.until - kit.clock(), timedelta(0)) + timedelta(seconds=1)
    delay = lapse if ours else min(_backoff(message), lapse)
    _wait(message, kit, delay)
    return SliceReport(
        Outcome.DEFERRED, message.key, f"held by {held.owner}; comes back in {delay}"
    )


def overtaken(message: SliceMessage, error: Superseded, kit: Kit) -> SliceReport:
    """Somebody newer has the stream and goes on with it; what a person asked for he does not know."""
    if message.reason not in ASKED_BY_A_PERSON:
        return SliceReport(Outcome.SUPERSEDED, message.key, str(error))
    delay = _backoff(message)
    _wait(message, kit, delay)
    return SliceReport(Outcome.SUPERSEDED, message.key, f"{error}; comes back in {delay}")


def _backoff(message: SliceMessage) -> timedelta:
    return timedelta(seconds=2 ** min(message.held, MOST_DOUBLINGS))


def _wait(message: SliceMessage, kit: Kit, delay: timedelta) -> None:
    """For another's slice: no attempt."""
    attempt, held = message.attempt, message.held + 1
    _send_again(message, kit, reason=message.reason, attempt=attempt, held=held, delay=delay)


def wait_of(error: SluiceError | None, attempt: int, chance: Callable[[], float]) -> timedelta:
    """How long to stay away: what the vendor asked for, else exponential with full jitter."""
    if error is None:
        return timedelta(0)
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, timedelta):
        return min(asked, LONGEST_DELAY)
    ceiling = min(5.0 * 2**attempt, LONGEST_DELAY.total_seconds())
    return timedelta(seconds=max(1.0, ceiling * chance()))


def defer(
    message: SliceMessage, error: SluiceError, kit: Kit, *, still_in_line: bool = False
) -> SliceReport:
    """Nothing was committed and nothing is lost: the same message, later, by our own delay.

    Not through the queue's receive count: an outage of a vendor is no poisoned message. One that did
    not get past its client's desk keeps its turn there. Where the vendor was not even asked, nothing was
    attempted: who tries it while its breaker is open counts for all.
    """
    tried = not isinstance(error, NOT_ASKED)
    if tried and message.attempt >= MOST_ATTEMPTS:
        if isinstance(error, RetryLater):
            raise error
        return fail_run(message, error, kit)
    if isinstance(error, WaitForVendor):
        kit.commits.note_failure(message.key, None, str(error), kit.clock())
    reason = message.reason if message.reason in ASKED_BY_A_PERSON else "deferred"
    delay = wait_of(error, message.attempt, kit.chance)
    line = (message.waiting, message.ticket) if still_in_line else (None, None)
    _send_again(
        message, kit, reason=reason, attempt=message.attempt + tried, delay=delay, line=line
    )
    return SliceReport(Outcome.DEFERRED, message.key, f"{type(error).__name__}: {error}")


def send_back(message: SliceMessage, place: ComeBack, kit: Kit) -> SliceReport:
    """As many of the client's slices are at work as may be: the message comes back at its turn."""
    _send_again(
        message,
        kit,
        reason=message.reason,
        attempt=message.attempt,
        held=message.held,
        delay=place.delay,
        line=(place.waiting, message.ticket),
    )
    return SliceReport(Outcome.IN_LINE, message.key, f"comes back in {place.delay}")


def _send_again(
    message: SliceMessage,
    kit: Kit,
    *,
    reason: str,
    attempt: int,
    delay: timedelta,
    held: int = 0,
    line: tuple[Waiting | None, str | None] = (None, None),
) -> None:
    """The same work, asked for once more. ``line`` is its turn and ticket at its client's desk."""
    waiting, ticket = line
    kit.messages.ask_for_slice(
        message.key,
        reason=reason,
        expect_seq=message.expect_seq,
        attempt=attempt,
        held=held,
        full_since=message.full_since,
        days=message.asked_days,
        priority=message.priority,
        ticket=ticket,
        waiting=waiting,
        delay=delay,
    )


def fail_run(message: SliceMessage, error: SluiceError, kit: Kit) -> SliceReport:
    """End the run as failed, visibly. The cursor stays; the next tick begins a run where it stands."""
    text = f"{type(error).__name__}: {error}"
    run_id = kit.commits.fail_run(
        message.key, error=text, reason=message.run_reason, run_id=kit.new_id(), now=kit.clock()
    )
    return SliceReport(Outcome.RUN_FAILED, message.key, text, run_id=run_id)
