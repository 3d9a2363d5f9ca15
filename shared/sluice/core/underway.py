"""Whether work on a stream is on its way already, so that one more message would only be dropped.

Nothing here guards an invariant: the protocol drops duplicates. It saves receives. So every rule errs
towards asking, and each counts for a limited time: a message that got lost must not keep its stream waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MESSAGE_COUNTS_FOR = timedelta(minutes=30)
"""A message not received for this long is taken for lost. The longest delay is 15 minutes, a message whose
receiver died is out of sight for 6, and cleanup sends lost continuations again after 20."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the state table says of a stream; these values, of one that nobody ever worked on.

    ``lease_until`` is None while nobody holds the stream; ``acquired_at`` is when it was last acquired, by the
    clock of who did; ``base_seq`` is the seq that the last holder worked on from.
    """

    fencing_token: int = 0
    base_seq: int = 0
    seq: int = 0
    continued_seq: int = 0
    has_more: bool = False
    lease_until: datetime | None = None
    not_before: datetime | None = None
    acquired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """When a tick last asked for a stream, by the dispatcher's clock, and the fencing token it saw then."""

    at: datetime
    fencing_token: int


class Underway(StrEnum):
    """What the work on a stream is doing."""

    QUEUED = "queued"
    RUNNING = "running"


def underway(
    standing: Standing,
    asked: Asked | None,
    now: datetime,
    *,
    resumed_at: datetime | None = None,
    counts_for: timedelta = MESSAGE_COUNTS_FOR,
) -> Underway | None:
    """None when a message must be sent.

    What was sent up to ``resumed_at`` counts for nothing: until then the stream was paused, and workers threw
    its messages away.
    """
    if standing.lease_until is not None and standing.lease_until > now:
        return Underway.RUNNING
    since = now - counts_for
    if resumed_at is not None:
        since = max(since, resumed_at)
    if _rests(standing, now) or _continues(standing, since) or _waits(standing, asked, since):
        return Underway.QUEUED
    return None


def _rests(standing: Standing, now: datetime) -> bool:
    """Its vendor asked for peace: the deferred message comes then, and a tick would be turned away."""
    return standing.not_before is not None and standing.not_before > now


def _continues(standing: Standing, since: datetime) -> bool:
    """A continuation was sent and nobody has acquired the stream with it. When it was sent is not known, only
    when its sender acquired the stream, which was before.

    ``has_more`` alone would not do: it stays when a run fails, and then the next tick begins a new one.
    """
    return (
        standing.has_more
        and standing.base_seq < standing.seq == standing.continued_seq
        and standing.acquired_at is not None
        and standing.acquired_at > since
    )


def _waits(standing: Standing, asked: Asked | None, since: datetime) -> bool:
    """A tick's message was sent and nobody has acquired the stream since.

    The token tells, which rises with every lease. Comparing times would skip streams wrongly whenever a
    worker's clock is behind the dispatcher's.
    """
    return asked is not None and asked.fencing_token == standing.fencing_token and asked.at > since
