"""Everything around the receiving of webhooks, in memory, and two sources that push."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sluice.core.errors import DatabaseUnavailable, QueueUnavailable, RowRejected, SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.webhooks import (
    Headers,
    Hint,
    InboxEntry,
    News,
    Presented,
    VerifiedDelivery,
    WebhookRequest,
)
from sluice.usecases.receive_webhook import Kit, Receipt, receive_webhook
from sluice.webhooks.headers import only
from sluice.webhooks.standard import StandardWebhooks
from sluice.webhooks.verifying import Scheme
from tests.unit.webhooks.sending import FOREIGN, NOW, PREVIOUS, SECRET, Sent

SHOP_SECRET = "the words that acme's shop gave us"


@dataclass(frozen=True)
class BodySigned:
    """A scheme of the other kind: no time and no id are signed, and the secret is words as they stand."""

    nobodys_secret: str = "words that nobody else can know, in a test"

    def present(self, headers: Headers, body: bytes, now: datetime) -> Presented:
        signature = only(headers, "x-shop-hmac-sha256", re.compile(r"[A-Za-z0-9+/]{43}="))
        event_id = only(headers, "x-shop-event-id", re.compile(r"[a-z0-9-]{1,64}"))
        topic = only(headers, "x-shop-topic", re.compile(r"[a-z_/]{1,64}"))
        return Presented(event_id, None, topic, body, (signature.encode("ascii"),))

    def signature(self, secret: str, presented: Presented) -> bytes:
        if not secret:
            raise SettingInvalid("the shop's webhook secret is empty")
        return base64.b64encode(hmac.digest(secret.encode(), presented.signed, "sha256"))


@dataclass(frozen=True)
class Parcels:
    """A source whose hooks name the parcel that moved; weather is none of its business."""

    scheme: Scheme = field(default_factory=lambda: StandardWebhooks(topic_header="x-webhook-topic"))

    def news(self, client_id: str, delivery: VerifiedDelivery) -> News | None:
        if delivery.topic == "weather.changed":
            return None
        parcel = delivery.payload.get("parcel")
        if not isinstance(parcel, str):
            raise RowRejected("is not there or no text", field="parcel")
        key = StreamKey(client_id, "parcels", "parcels")
        return Hint(delivery.event_id, key, parcel, str(delivery.topic), delivery.sent_at)


@dataclass
class MemoryInbox:
    """``queued`` says of each entry whether its message is known to be in the queue."""

    queued: dict[InboxEntry, bool] = field(default_factory=dict)
    away: bool = False

    def note(self, entry: InboxEntry, now: datetime) -> bool:
        self._answer()
        return self.queued.setdefault(entry, False)

    def note_queued(self, entry: InboxEntry) -> None:
        self._answer()
        self.queued[entry] = True

    def _answer(self) -> None:
        if self.away:
            raise DatabaseUnavailable("the pooler does not answer")


@dataclass
class MemoryPushQueue:
    """``sent`` is everything sent, oldest first."""

    sent: list[News] = field(default_factory=list)
    received_at: list[datetime] = field(default_factory=list)
    away: bool = False

    def ask_to_apply(self, news: News, *, received_at: datetime) -> None:
        if self.away:
            raise QueueUnavailable("queue pushes: throttled")
        self.sent.append(news)
        self.received_at.append(received_at)


@dataclass
class MemoryWebhookSecrets:
    """``by_client`` under (client_id, source); ``asked`` is each look-up. An exception there is raised."""

    by_client: dict[tuple[str, str], Sequence[str] | Exception] = field(
        default_factory=lambda: {
            ("acme", "parcels"): (SECRET, PREVIOUS),
            ("bolt", "parcels"): (FOREIGN,),
            ("acme", "shop"): (SHOP_SECRET,),
        }
    )
    asked: list[tuple[str, str]] = field(default_factory=list)

    def active(self, client_id: str, source: str) -> Sequence[str]:
        self.asked.append((client_id, source))
        found = self.by_client.get((client_id, source), ())
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class Office:
    """Where webhooks arrive: two clients that have parcels, one that has a shop."""

    secrets: MemoryWebhookSecrets = field(default_factory=MemoryWebhookSecrets)
    inbox: MemoryInbox = field(default_factory=MemoryInbox)
    queue: MemoryPushQueue = field(default_factory=MemoryPushQueue)
    now: datetime = NOW
    sources: dict[str, Any] = field(
        default_factory=lambda: {"parcels": Parcels(), "shop": Parcels(BodySigned())}
    )

    def kit(self, **other: Any) -> Kit:
        kit = Kit(self.sources, self.secrets, self.inbox, self.queue, lambda: self.now)
        return replace(kit, **other)

    def receive(self, sent: Sent, client_id: str = "acme", source: str = "parcels") -> Receipt:
        return receive_webhook(request_of(sent, client_id, source), self.kit())


def request_of(sent: Sent, client_id: str = "acme", source: str = "parcels") -> WebhookRequest:
    return WebhookRequest(client_id, source, sent.headers, sent.body)
