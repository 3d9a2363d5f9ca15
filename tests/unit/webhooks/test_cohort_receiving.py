"""Cohort pages at the door: refused alike, answered as their vendor wants it, and 200 only once they are safe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sluice.core.errors import InvariantBroken, QueueUnavailable, RetryLater, SecretMissing
from sluice.core.keys import StreamKey
from sluice.core.webhooks import Portion, Refusal, WebhookRequest
from sluice.sources.mixpanel import cohort
from sluice.sources.mixpanel.cohort import MixpanelPushes
from sluice.usecases.receive_webhook import NotedLater, Receipt, Reception, receive_webhook
from sluice.webhooks.http_api import answer_of
from sluice.webhooks.verifying import LARGEST_BODY
from tests.unit.sources.mixpanel.cohort_pages import (
    FOREIGN,
    SECRET,
    authorization,
    body_of,
    page,
)
from tests.unit.webhooks.receiving import MemoryPushQueue, Office
from tests.unit.webhooks.sending import Sent

GOOD = body_of(page(["ada", "bob"]))


class Door(Office):
    """Two clients with cohorts. The receiver notes nothing: it has no database (ADR 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.sources["mixpanel"] = MixpanelPushes()
        self.secrets.by_client |= {
            ("acme", "mixpanel"): (SECRET,),
            ("bolt", "mixpanel"): (FOREIGN,),
            ("lost", "mixpanel"): SecretMissing("it is not there"),
        }

    def post(
        self,
        body: bytes = GOOD,
        *,
        secret: str | None = SECRET,
        client: str = "acme",
        source: str = "mixpanel",
    ) -> Receipt:
        headers: Sequence[tuple[str, str]] = () if secret is None else (authorization(secret),)
        request = WebhookRequest(client, source, headers, body)
        return receive_webhook(request, self.kit(inbox=NotedLater()))

    @property
    def portions(self) -> list[Portion]:
        return [each for each in self.queue.sent if isinstance(each, Portion)]


@pytest.fixture
def door() -> Door:
    return Door()


def answered(receipt: Receipt) -> tuple[int, Any]:
    """What goes out over HTTP."""
    made = answer_of(receipt.status, receipt.body)
    return made["statusCode"], json.loads(made["body"]) if made["body"] else None


def test_a_page_is_queued_and_answered_with_200_and_success(door: Door) -> None:
    receipt = door.post()
    assert receipt.reception is Reception.QUEUED
    assert answered(receipt) == (200, {"action": "members", "status": "success"})
    [portion] = door.portions
    assert [each["id"] for each in portion.values["members"]] == ["ada", "bob"]


def test_an_answer_with_a_body_says_that_it_is_json(door: Door) -> None:
    receipt = door.post()
    assert answer_of(receipt.status, receipt.body)["headers"] == {
        "cache-control": "no-store",
        "content-type": "application/json",
    }


REFUSED: dict[str, tuple[dict[str, Any], Refusal]] = {
    "forged": ({"secret": FOREIGN}, Refusal.SIGNATURE_WRONG),
    "without credentials": ({"secret": None}, Refusal.HEADER_MISSING),
    "another client's": ({"client": "bolt"}, Refusal.SIGNATURE_WRONG),
    "unknown client": ({"client": "nobody"}, Refusal.CLIENT_UNKNOWN),
    "a client without a secret": ({"client": "lost"}, Refusal.SECRET_UNUSABLE),
    "no client": ({"client": ""}, Refusal.CLIENT_UNKNOWN),
    "not utf-8": ({"body": b'{"action":"\xff"}'}, Refusal.NOT_UTF8),
    "no json": ({"body": GOOD[:-1]}, Refusal.NOT_A_JSON_OBJECT),
    "an array": ({"body": b"[]"}, Refusal.NOT_A_JSON_OBJECT),
}


@pytest.mark.parametrize(("sent", "why"), REFUSED.values(), ids=REFUSED)
def test_all_are_refused_alike(door: Door, sent: dict[str, Any], why: Refusal) -> None:
    """With 401, which pauses the sync: no repetition mends any of these, and a person can."""
    receipt = door.post(**sent)
    assert receipt == Receipt(Reception.REFUSED, "mixpanel", refusal=why)
    assert answered(receipt) == (401, None)
    assert door.queue.sent == []


def test_a_body_too_large_is_refused_whoever_sends_it(door: Door) -> None:
    """Not with one of the statuses that pause the sync; nothing of it is computed."""
    large = b"{" + b" " * LARGEST_BODY + b"}"
    for sent in ({}, {"secret": FOREIGN}, {"client": "nobody"}):
        receipt = door.post(large, **sent)
        assert (receipt.refusal, answered(receipt)) == (Refusal.TOO_LARGE, (413, None))
    assert door.secrets.asked == []


def test_a_page_that_no_repetition_can_mend_pauses_the_sync(door: Door) -> None:
    """Acknowledged it would be lost, and each one after it. The field is told to who has the credentials."""
    receipt = door.post(body_of(page([], action="ping")))
    assert receipt.reception is Reception.UNREADABLE
    status, said = answered(receipt)
    assert (status, said["status"]) == (400, "failure")
    assert said["error"]["message"].startswith("action: ")
    assert door.queue.sent == []


def test_a_page_that_a_repetition_can_mend_is_asked_for_again(door: Door) -> None:
    door.queue.away = True
    receipt = door.post()
    assert receipt.reception is Reception.UNAVAILABLE
    status, said = answered(receipt)
    assert (status, said["status"], said["error"]["code"]) == (503, "failure", 503)
    assert "throttled" not in json.dumps(said)
    door.queue.away = False
    assert door.post().status == 200


def test_what_stores_say_is_told_to_nobody_who_is_not_believed(door: Door) -> None:
    door.secrets.by_client["acme", "mixpanel"] = RetryLater("Secrets Manager does not answer")
    assert answered(door.post()) == (503, None)


class Failing(MemoryPushQueue):
    """Takes so many messages and no more."""

    def __init__(self, takes: int) -> None:
        super().__init__()
        self.takes = takes

    def ask_to_apply(self, news: Any, **more: Any) -> None:
        if len(self.sent) == self.takes:
            raise QueueUnavailable("queue pushes: throttled")
        super().ask_to_apply(news, **more)


@pytest.mark.parametrize("takes", [0, 1, 2])
def test_a_page_in_parts_is_answered_with_200_only_once_all_are_queued(
    door: Door, takes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the vendor sends it again, and its parts are the same ones again."""
    monkeypatch.setattr(cohort, "MOST_PART_BYTES", 100)
    body = body_of(page(["ada", "bob", "cyd"]))
    door.queue = Failing(takes)
    assert door.post(body).status == 503
    before = list(door.portions)
    door.queue = MemoryPushQueue()
    assert door.post(body).status == 200
    assert len(door.portions) == 3
    assert door.portions[:takes] == before


def test_a_page_that_comes_twice_is_the_same_news_twice(door: Door) -> None:
    """HTTP Basic has nothing that tells a replay from a repetition: its parts are known by their ids."""
    assert [door.post().status, door.post().status] == [200, 200]
    first, second = door.portions
    assert first == second


class Elsewhere(MixpanelPushes):
    """A source whose portions speak of another client, or go under another delivery's id."""

    changed: dict[str, Any]

    def news(self, client_id: str, delivery: Any) -> list[Portion]:
        made = super().news(client_id, delivery)
        return [*made, replace(made[0], **Elsewhere.changed)]


@pytest.mark.parametrize(
    "changed",
    [
        {"key": StreamKey("bolt", "mixpanel", "cohort_members")},
        {"key": StreamKey("acme", "parcels", "cohort_members")},
        {"event_id": "another/1-1"},
    ],
    ids=["another client", "another source", "another delivery"],
)
def test_no_part_of_a_clients_delivery_becomes_anothers(
    door: Door, changed: dict[str, Any]
) -> None:
    """That would be a bug of ours, and loud; not even the parts that are right are queued."""
    Elsewhere.changed = changed
    door.sources["mixpanel"] = Elsewhere()
    with pytest.raises(InvariantBroken, match="became news of"):
        door.post()
    assert door.queue.sent == []


def test_another_source_is_answered_as_ever(door: Door) -> None:
    """With a status and nothing else."""
    assert answered(door.receive(Sent())) == (202, None)
