"""What arrives from outside: what of it may be shown, what it is compared by, and what an object's id may be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sluice.core.errors import RowRejected
from sluice.core.keys import StreamKey
from sluice.core.records import Reject
from sluice.core.webhooks import (
    Hint,
    InboxEntry,
    Portion,
    Presented,
    Refusal,
    VerifiedDelivery,
    WebhookRefused,
    WebhookRequest,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = StreamKey("acme", "cars", "cars")
SECRET = "s3cret"  # stands for one


def hint(object_id: str | None) -> Hint:
    return Hint("e1", KEY, object_id, "cars/sold", NOW)


@pytest.mark.parametrize(
    "value",
    [
        WebhookRequest("acme", "cars", [("Authorization", SECRET)], b""),
        WebhookRequest("acme", "cars", [], SECRET.encode()),
        Presented("e1", NOW, "cars/sold", SECRET.encode(), ()),
        Presented("e1", NOW, "cars/sold", b"", (SECRET.encode(),)),
        VerifiedDelivery("e1", NOW, "cars/sold", {"name": SECRET}),
        Portion("e1/1-1", KEY, {"name": SECRET}),
        Portion("e1/1-1", KEY, {}, rejects=[Reject("a", "odd", None, SECRET)]),
    ],
    ids=["header", "body", "signed", "signature", "payload", "values", "reject"],
)
def test_what_a_delivery_brings_is_not_shown(value: object) -> None:
    """Signatures, passwords and people's data would be in the log with the first error that names the value."""
    assert SECRET not in repr(value)


def test_a_delivery_is_the_same_whatever_it_says_that_it_is_about() -> None:
    """Its topic is not signed: with another one, a repetition would pass for news."""
    entry = InboxEntry("acme", "cars", "e1")
    assert entry.topic is None
    again = InboxEntry("acme", "cars", "e1", topic="cars/sold")
    assert (again, hash(again)) == (entry, hash(entry))
    assert entry != InboxEntry("acme", "cars", "e2")


def test_a_portion_rejects_nothing_unless_it_says_so() -> None:
    assert Portion("e1/1-1", KEY, {}).rejects == ()


def test_a_refusal_keeps_its_reason_for_the_metric() -> None:
    refused = WebhookRefused(Refusal.TOO_OLD)
    assert refused.reason is Refusal.TOO_OLD
    assert str(refused) == "too_old"


@pytest.mark.parametrize("object_id", ["7", "_a", "A.b:c-d_9", "a.b.c", "x" * 128, None])
def test_an_object_may_have_an_id_like_these(object_id: str | None) -> None:
    assert hint(object_id).object_id == object_id


@pytest.mark.parametrize(
    "object_id", ["", "a/b", "..", "a..b", ".a", "-a", ":a", "a b", "a\n", "a?b", "a%2e", "x" * 129]
)
def test_what_could_name_something_else_in_a_path_is_no_id(object_id: str) -> None:
    with pytest.raises(RowRejected) as caught:
        hint(object_id)
    assert (caught.value.field, caught.value.reason) == ("object_id", "is not the id of an object")
