"""Receive a webhook: believe it or not, note it, queue it, answer.

A vendor that is answered 2xx never sends the delivery again, so the queue has it before that, whatever
dies in between. A delivery that is noted but not known to be queued is queued once more: applying it
twice changes nothing, losing it does until the next poll.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from sluice.core.budget import Clock
from sluice.core.errors import (
    InvariantBroken,
    RetryLater,
    RowRejected,
    SecretMissing,
    SettingInvalid,
)
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.keys import StreamKey
from sluice.core.webhooks import (
    Answer,
    InboxEntry,
    News,
    Portion,
    Refusal,
    Taken,
    VerifiedDelivery,
    WebhookRefused,
    WebhookRequest,
)
from sluice.webhooks.standard import StandardWebhooks
from sluice.webhooks.verifying import Scheme, verify

NOBODYS_SCHEME = StandardWebhooks()
"""What a request to a source that does not exist is held against."""

UNKNOWN = "unknown"
UNUSABLE = ""


class PushSource(Protocol):
    """A source that pushes: how it signs, and what its deliveries mean."""

    @property
    def scheme(self) -> Scheme: ...

    def news(self, client_id: str, delivery: VerifiedDelivery) -> News | Sequence[News] | None:
        """What the delivery asks for, under its own event id; None for a topic that nothing here needs.

        Several, each under the delivery's id, a slash and more, where one message would not hold it. RowRejected
        when it cannot be told.
        """
        ...


@runtime_checkable
class Answers(Protocol):
    """What a ``PushSource`` has beside that when its vendor wants answers of its own."""

    def answer(self, delivery: VerifiedDelivery, taken: Taken, detail: str | None) -> Answer:
        """What to answer to a delivery that was believed. Success only when it was taken ``SAFELY``."""
        ...


class WebhookSecrets(Protocol):
    """The secrets with which a client's source signs."""

    def active(self, client_id: str, source: str) -> Sequence[str]:
        """All that count now, two while one is changed; none when there is no such client or source.

        Any stranger can ask for any name: what is not there must be remembered for a while, too.
        Raises SecretMissing or SettingInvalid, and RetryLater when it cannot be known.
        """
        ...


class Inbox(Protocol):
    """Deliveries that arrived. An entry must outlive the vendor's last repetition of it."""

    def note(self, entry: InboxEntry, now: datetime) -> bool:
        """Make the entry if it is not there; True when its message is known to have been queued (an
        applied delivery was). Raises DatabaseUnavailable."""
        ...

    def note_queued(self, entry: InboxEntry) -> None:
        """Its message is in the queue. Raises DatabaseUnavailable."""
        ...


class NotedLater:
    """An ``Inbox`` that leaves noting to the applier, which has a connection to the database anyway.

    So that as many requests are received at once as come, whatever the database's pool and its health: a
    vendor that is turned away comes again in waves, minutes and hours apart. A repetition costs a message.
    """

    def note(self, entry: InboxEntry, now: datetime) -> bool:  # noqa: ARG002  # the port's
        return False

    def note_queued(self, entry: InboxEntry) -> None:
        """Nobody asks."""


class PushQueue(Protocol):
    """The queue of what is to be applied, apart from slices: a push waits for no slice."""

    def ask_to_apply(self, news: News, *, received_at: datetime) -> None:
        """Send one message. Raises QueueUnavailable when it is not certain that the queue has it."""
        ...


@dataclass(frozen=True, slots=True)
class Kit:
    """Everything that receiving needs. ``sources`` by their names."""

    sources: Mapping[str, PushSource]
    secrets: WebhookSecrets
    inbox: Inbox
    queue: PushQueue
    clock: Clock


class Reception(StrEnum):
    """What became of a request."""

    QUEUED = "queued"
    REPEATED = "repeated"
    IGNORED = "ignored"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


STATUS = {
    Reception.QUEUED: 202,
    Reception.REPEATED: 200,
    Reception.IGNORED: 200,
    # Its vendor would repeat it for days, as unreadable as it is, and then switch the subscription off.
    Reception.UNREADABLE: 200,
    Reception.REFUSED: 401,
    Reception.UNAVAILABLE: 503,
}


TAKEN = {
    Reception.QUEUED: Taken.SAFELY,
    Reception.REPEATED: Taken.SAFELY,
    Reception.IGNORED: Taken.SAFELY,
    Reception.UNREADABLE: Taken.NEVER,
    Reception.UNAVAILABLE: Taken.NOT_NOW,
}
"""Of a delivery that was believed; one that was refused has no entry, and no source is asked what to answer."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What happened, for one line of the log and the metrics.

    ``source`` is one of ours or ``unknown``, so metrics stay bounded whatever strangers ask for;
    ``client_id``, ``event_id`` and ``topic`` are there only when the delivery was believed.
    """

    reception: Reception
    source: str
    refusal: Refusal | None = None
    client_id: str | None = None
    event_id: str | None = None
    topic: str | None = None
    sent_at: datetime | None = None
    detail: str | None = None
    answer: Answer | None = None

    @property
    def status(self) -> int:
        """The answer's HTTP status: of all refusals only size has its own, which its sender knows."""
        if self.answer is not None:
            return self.answer.status
        if self.refusal is Refusal.TOO_LARGE:
            return 413
        return STATUS[self.reception]

    @property
    def body(self) -> Mapping[str, Any] | None:
        """What the answer says as JSON; None where a status says it all."""
        return None if self.answer is None else self.answer.body


def receive_webhook(request: WebhookRequest, kit: Kit) -> Receipt:
    """One request, in a fraction of a second: a look-up of secrets, two small writes, one message.

    A store of ours that does not answer is told apart from a refusal (503): the vendor sends again.
    """
    now = kit.clock()
    try:
        delivery = _believed(request, kit, now)
    except WebhookRefused as refused:
        return Receipt(Reception.REFUSED, _source_of(request, kit), refusal=refused.reason)
    except RetryLater as error:
        return Receipt(Reception.UNAVAILABLE, _source_of(request, kit), detail=str(error))
    try:
        receipt = _accept(request, delivery, kit, now)
    except RetryLater as error:
        receipt = Receipt(Reception.UNAVAILABLE, request.source, detail=str(error))
    source = kit.sources[request.source]
    if not isinstance(source, Answers):
        return receipt
    answer = source.answer(delivery, TAKEN[receipt.reception], receipt.detail)
    return replace(receipt, answer=answer)


def _source_of(request: WebhookRequest, kit: Kit) -> str:
    return request.source if request.source in kit.sources else UNKNOWN


def _believed(request: WebhookRequest, kit: Kit, now: datetime) -> VerifiedDelivery:
    source = kit.sources.get(request.source)
    scheme = source.scheme if source else NOBODYS_SCHEME
    return verify(scheme, lambda: _secrets(request, kit), request.headers, request.body, now)


def _secrets(request: WebhookRequest, kit: Kit) -> Sequence[str]:
    """None for what can be no client of ours: no store is asked for whatever stood in a path.

    A secret that is not there or wrongly set is one that cannot be used: outside, that client is refused
    as an unknown one is; the metric says why.
    """
    if request.source not in kit.sources or not _can_be_a_client(request):
        return ()
    try:
        return kit.secrets.active(request.client_id, request.source)
    except (SecretMissing, SettingInvalid):
        return (UNUSABLE,)


def _can_be_a_client(request: WebhookRequest) -> bool:
    """Whether its name is one that a stream key could hold."""
    try:
        StreamKey(request.client_id, request.source, "webhooks")
    except SettingInvalid:
        return False
    return True


def _accept(
    request: WebhookRequest, delivery: VerifiedDelivery, kit: Kit, now: datetime
) -> Receipt:
    try:
        news = kit.sources[request.source].news(request.client_id, delivery)
    except RowRejected as error:
        return _receipt(Reception.UNREADABLE, request, delivery, detail=str(error))
    if news is None:
        return _receipt(Reception.IGNORED, request, delivery)
    parts = news if isinstance(news, Sequence) else (news,)
    for part in parts:
        _require_own(part, request, delivery)
    entry = InboxEntry(request.client_id, request.source, delivery.event_id, topic=delivery.topic)
    arrived_at = request.arrived_at or now
    return _receipt(_hand_on(parts, entry, kit, now, arrived_at), request, delivery)


def _hand_on(
    parts: Sequence[News], entry: InboxEntry, kit: Kit, now: datetime, arrived_at: datetime
) -> Reception:
    """Note, queue, note that it is queued. Two repetitions at the same moment may both be queued; of several
    parts, those that were queued before we died are queued again."""
    if kit.inbox.note(entry, now):
        return Reception.REPEATED
    reach(FaultPoint.WEBHOOK_NOTED)
    for part in parts:
        kit.queue.ask_to_apply(part, received_at=arrived_at)
    reach(FaultPoint.WEBHOOK_QUEUED)
    # From here the message is safe, which is what the answer promises. At worst a repetition is queued.
    with suppress(RetryLater):
        kit.inbox.note_queued(entry)
    reach(FaultPoint.WEBHOOK_MARKED)
    return Reception.QUEUED


def _require_own(news: News, request: WebhookRequest, delivery: VerifiedDelivery) -> None:
    """A client's delivery speaks of that client's rows, whatever its source made of the payload."""
    event_id = news.event_id.partition("/")[0] if isinstance(news, Portion) else news.event_id
    named = (news.key.client_id, news.key.source, event_id)
    if named != (request.client_id, request.source, delivery.event_id):
        raise InvariantBroken(
            f"a delivery of {request.client_id}#{request.source} became news of {news.key}"
        )


def _receipt(
    reception: Reception,
    request: WebhookRequest,
    delivery: VerifiedDelivery,
    *,
    detail: str | None = None,
) -> Receipt:
    return Receipt(
        reception,
        request.source,
        client_id=request.client_id,
        event_id=delivery.event_id,
        topic=delivery.topic,
        sent_at=delivery.sent_at,
        detail=detail,
    )
