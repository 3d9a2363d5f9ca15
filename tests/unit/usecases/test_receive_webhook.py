"""Receiving a webhook: nothing forged is taken in, nothing acknowledged is lost, and little is done twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sluice.core.errors import (
    InvariantBroken,
    RowRejected,
    SecretMissing,
    SettingInvalid,
)
from sluice.core.keys import StreamKey
from sluice.core.records import PushEvent
from sluice.core.webhooks import (
    Hint,
    InboxEntry,
    News,
    Refusal,
    VerifiedDelivery,
    WebhookRequest,
)
from sluice.usecases.receive_webhook import Receipt, Reception, receive_webhook
from tests.memory.streams import thing
from tests.unit.webhooks.receiving import SHOP_SECRET, Office, Parcels, request_of
from tests.unit.webhooks.sending import FOREIGN, NOW, PREVIOUS, Sent, mac, with_header

PARCELS = StreamKey("acme", "parcels", "parcels")
ENTRY = InboxEntry("acme", "parcels", "msg_1")


@pytest.fixture
def office() -> Office:
    return Office()


def nothing_came_of_it(office: Office) -> bool:
    return office.inbox.queued == {} and office.queue.sent == []


# --- what becomes of a delivery ----------------------------------------------------------------------


def test_a_delivery_is_noted_and_queued_as_what_its_source_made_of_it(office: Office) -> None:
    """With both moments, so that how late a push is applied can be told."""
    receipt = office.receive(Sent().aged(seconds=2))
    sent_at = NOW - timedelta(seconds=2)
    assert receipt == Receipt(
        Reception.QUEUED,
        "parcels",
        client_id="acme",
        event_id="msg_1",
        topic="parcel.moved",
        sent_at=sent_at,
    )
    assert receipt.status == 202
    assert office.queue.sent == [Hint("msg_1", PARCELS, "p-1", "parcel.moved", sent_at)]
    assert office.queue.received_at == [NOW]
    assert office.inbox.queued == {ENTRY: True}
    assert [entry.topic for entry in office.inbox.queued] == ["parcel.moved"]


def test_a_delivery_was_received_when_it_arrived_and_not_when_a_receiver_got_to_it(
    office: Office,
) -> None:
    sent, arrived_at = Sent(), NOW - timedelta(seconds=9)
    request = replace(request_of(sent), arrived_at=arrived_at)
    assert receive_webhook(request, office.kit()).reception is Reception.QUEUED
    assert office.queue.received_at == [arrived_at]


def test_a_delivery_that_comes_again_is_acknowledged_and_not_queued_again(office: Office) -> None:
    """Its vendor signs each repetition anew, with the time of that one; its id stays."""
    office.receive(Sent())
    again = office.receive(Sent(secret=PREVIOUS).aged(seconds=-40))
    assert (again.reception, again.status) == (Reception.REPEATED, 200)
    assert len(office.queue.sent) == 1


def test_ids_of_different_clients_and_sources_do_not_meet(office: Office) -> None:
    """A vendor's ids are its own: bolt's msg_1 is another one."""
    office.receive(Sent())
    assert office.receive(Sent(secret=FOREIGN), "bolt").reception is Reception.QUEUED
    body = b'{"parcel":"p-1"}'
    headers = (
        ("x-shop-hmac-sha256", mac(SHOP_SECRET.encode(), body)),
        ("x-shop-event-id", "msg-1"),
        ("x-shop-topic", "parcels/moved"),
    )
    office.sources["shop"] = Elsewhere(replace(PARCELS, source="shop"), office.sources["shop"])
    receipt = receive_webhook(WebhookRequest("acme", "shop", headers, body), office.kit())
    assert receipt.reception is Reception.QUEUED
    assert len(office.queue.sent) == 3


def test_a_topic_that_nothing_here_needs_is_acknowledged_and_forgotten(office: Office) -> None:
    receipt = office.receive(Sent(topic="weather.changed"))
    assert (receipt.reception, receipt.status) == (Reception.IGNORED, 200)
    assert nothing_came_of_it(office)


def test_a_delivery_that_cannot_be_read_is_acknowledged_and_says_why(office: Office) -> None:
    """Repeating it for days would not mend it, and its vendor would then send nothing at all."""
    receipt = office.receive(Sent(body=b'{"parcel":7}'))
    assert (receipt.reception, receipt.status) == (Reception.UNREADABLE, 200)
    assert receipt.detail == "parcel: is not there or no text"
    assert nothing_came_of_it(office)


@pytest.mark.parametrize(
    "object_id",
    ["", "../orders", "a/b", "a?b=c", "p-1\n", "p..1", "a" * 129, "\u0660", "-x", "%2e"],
)
def test_an_id_that_could_lead_elsewhere_in_a_url_is_no_hint(object_id: str) -> None:
    """It comes out of a payload and goes into a request's path."""
    with pytest.raises(RowRejected, match="object_id"):
        Hint("msg_1", PARCELS, object_id, "parcel.moved", NOW)


@pytest.mark.parametrize("object_id", ["1", "p-1", "01JABCDEF", "FC_12:3.a", "a" * 128])
def test_ids_as_vendors_have_them_are(object_id: str) -> None:
    assert Hint("msg_1", PARCELS, object_id, "parcel.moved", NOW).object_id == object_id


class Elsewhere(Parcels):
    """A source whose news speak of another stream, or go under another id."""

    def __init__(self, key: StreamKey, source: Parcels | None = None, event_id: str | None = None):
        super().__init__((source or Parcels()).scheme)
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "event_id", event_id)

    def news(self, client_id: str, delivery: VerifiedDelivery) -> News | None:
        told: Any = self
        event_id = told.event_id or delivery.event_id
        return PushEvent(event_id, told.key, thing("p-1", 1, version=3))


def test_a_row_that_carries_its_version_is_queued_as_such(office: Office) -> None:
    office.sources["parcels"] = Elsewhere(PARCELS)
    assert office.receive(Sent()).reception is Reception.QUEUED
    assert office.queue.sent == [PushEvent("msg_1", PARCELS, thing("p-1", 1, version=3))]


@pytest.mark.parametrize(
    ("key", "event_id"),
    [
        (StreamKey("bolt", "parcels", "parcels"), None),
        (StreamKey("acme", "shop", "parcels"), None),
        (PARCELS, "msg_2"),
        (PARCELS, "msg_1/2"),
    ],
    ids=["another client", "another source", "another id", "the id of a part"],
)
def test_a_clients_delivery_never_becomes_anothers_news(
    office: Office, key: StreamKey, event_id: str | None
) -> None:
    """Whatever a payload says, and whatever a source makes of it: that would be a bug, and loud."""
    office.sources["parcels"] = Elsewhere(key, event_id=event_id)
    with pytest.raises(InvariantBroken, match="became news of"):
        office.receive(Sent())
    assert nothing_came_of_it(office)


# --- who is refused ----------------------------------------------------------------------------------

TOO_LARGE = Sent(body=b"{" + b" " * 1_000_000 + b"}")
REFUSED = {
    "forged": (Sent(secret=FOREIGN), "acme", "parcels", Refusal.SIGNATURE_WRONG),
    "tampered": (Sent().tampered(body=b"{}"), "acme", "parcels", Refusal.SIGNATURE_WRONG),
    "stale": (Sent().aged(minutes=6), "acme", "parcels", Refusal.TOO_OLD),
    "not utf-8": (Sent(body=b'{"\xff":1}'), "acme", "parcels", Refusal.NOT_UTF8),
    "unknown client": (Sent(), "nobody", "parcels", Refusal.CLIENT_UNKNOWN),
    "another client": (Sent(), "bolt", "parcels", Refusal.SIGNATURE_WRONG),
    "unknown source": (Sent(), "acme", "pigeons", Refusal.CLIENT_UNKNOWN),
    "no client": (Sent(), "", "parcels", Refusal.CLIENT_UNKNOWN),
    "a path for a client": (Sent(), "../acme", "parcels", Refusal.CLIENT_UNKNOWN),
    "a key for a client": (Sent(), "acme#parcels", "parcels", Refusal.CLIENT_UNKNOWN),
    "oversized": (TOO_LARGE, "acme", "parcels", Refusal.TOO_LARGE),
    "oversized, unknown": (TOO_LARGE, "nobody", "pigeons", Refusal.TOO_LARGE),
}


@pytest.mark.parametrize(("sent", "client_id", "source", "why"), REFUSED.values(), ids=REFUSED)
def test_all_are_refused_alike_and_the_reason_stays_inside(
    office: Office, sent: Sent, client_id: str, source: str, why: Refusal
) -> None:
    """Only of its size, which it knows, is a sender told. What strangers wrote is in no metric."""
    receipt = office.receive(sent, client_id, source)
    known = source if source == "parcels" else "unknown"
    assert receipt == Receipt(Reception.REFUSED, known, refusal=why)
    assert receipt.status == (413 if why is Refusal.TOO_LARGE else 401)
    assert nothing_came_of_it(office)


def test_no_store_is_asked_for_what_cannot_be_a_client(office: Office) -> None:
    for sent, client_id, source, _ in REFUSED.values():
        office.receive(sent, client_id, source)
    assert set(office.secrets.asked) == {(c, "parcels") for c in ("acme", "bolt", "nobody")}


@pytest.mark.parametrize("error", [SecretMissing("it is not there"), SettingInvalid("it is odd")])
def test_a_client_whose_secret_cannot_be_had_is_refused_like_an_unknown_one(
    office: Office, error: Exception
) -> None:
    """Outside; inside, somebody has to learn that it is our own fault."""
    office.secrets.by_client["acme", "parcels"] = error
    receipt = office.receive(Sent())
    assert receipt == Receipt(Reception.REFUSED, "parcels", refusal=Refusal.SECRET_UNUSABLE)
    assert receipt.status == office.receive(Sent(), "nobody").status


def test_what_stands_in_for_a_secret_that_cannot_be_had_signs_nothing(office: Office) -> None:
    """With words for a secret any stand-in but none at all could be guessed."""
    office.secrets.by_client["acme", "shop"] = SecretMissing("it is not there")
    body = b'{"parcel":"p-1"}'
    for guess in ("", "another"):
        headers = (
            ("x-shop-hmac-sha256", mac(guess.encode(), body)),
            ("x-shop-event-id", "msg-1"),
            ("x-shop-topic", "parcels/moved"),
        )
        receipt = receive_webhook(WebhookRequest("acme", "shop", headers, body), office.kit())
        assert receipt.refusal is Refusal.SECRET_UNUSABLE
    assert nothing_came_of_it(office)


def test_a_header_that_is_missing_is_refused_like_a_signature_that_is_wrong(office: Office) -> None:
    headers = with_header(Sent().headers, "webhook-signature")
    receipt = receive_webhook(WebhookRequest("acme", "parcels", headers, b"{}"), office.kit())
    assert (receipt.status, receipt.refusal) == (401, Refusal.HEADER_MISSING)
