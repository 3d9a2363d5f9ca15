"""What ShipBob's topics and payloads become: an object to be read again, by its id and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from local.vendors.shipbob.subscriptions import TOPICS as SIMULATED
from sluice.core.errors import RowRejected
from sluice.core.keys import StreamKey
from sluice.core.webhooks import Hint, VerifiedDelivery
from sluice.sources.pushes import PUSH_SOURCES, hurried, topics_of
from sluice.sources.registry import check_settings, streams_of
from sluice.sources.shipbob import orders, returns, transactions
from sluice.sources.shipbob.webhook import (
    BILLING_TOPICS,
    BOX_TOPICS,
    ORDER_TOPICS,
    RECEIVING_TOPICS,
    RETURN_TOPICS,
    SHIPMENT,
    TOPICS,
    ShipBobPushes,
)


def hint_of(topic: str | None, **payload: Any) -> Hint | None:
    news = ShipBobPushes().news("acme", VerifiedDelivery("msg_1", None, topic, payload))
    assert news is None or isinstance(news, Hint)
    return news


def stream_and_object(topic: str, **payload: Any) -> tuple[str, str | None]:
    hint = hint_of(topic, **payload)
    assert hint is not None
    assert (hint.key.client_id, hint.key.source, hint.event_id) == ("acme", "shipbob", "msg_1")
    return hint.key.stream, hint.object_id


@pytest.mark.parametrize("topic", ORDER_TOPICS)
def test_a_shipment_names_its_order(topic: str) -> None:
    assert stream_and_object(topic, id=17, order_id=4, status="Completed") == ("orders", "4")


@pytest.mark.parametrize("topic", ORDER_TOPICS)
def test_a_shipment_without_its_order_is_named_itself(topic: str) -> None:
    """As what vanished meanwhile is told of: by its id alone. Its order is looked up when it is read."""
    assert stream_and_object(topic, id="17") == ("orders", "shipment:17")
    assert SHIPMENT == orders.SHIPMENT


def test_an_order_with_its_shipments_is_an_order() -> None:
    assert stream_and_object("order.shipped", id=4, shipments=[]) == ("orders", "4")


@pytest.mark.parametrize(
    ("topics", "stream"), [(RETURN_TOPICS, "returns"), (RECEIVING_TOPICS, "receiving_orders")]
)
def test_returns_and_receiving_orders_are_named_by_their_ids(
    topics: tuple[str, ...], stream: str
) -> None:
    for topic in topics:
        assert stream_and_object(topic, id=9, status="Completed") == (stream, "9")


def test_what_is_only_listed_has_its_stream_looked_at() -> None:
    """A charge cannot be read alone, and nothing is documented of a box."""
    for topic in BILLING_TOPICS:
        assert stream_and_object(topic, transaction_id="01J") == ("transactions", None)
    for topic in BOX_TOPICS:
        assert stream_and_object(topic, id=3) == ("receiving_orders", None)


@pytest.mark.parametrize(
    "payload", [{}, {"id": None}, {"id": True}, {"id": 1.5}, {"id": ""}, {"id": [1]}]
)
def test_a_payload_without_a_usable_id_has_its_stream_looked_at(payload: dict[str, Any]) -> None:
    for topic in ("return.created", "order.shipped"):
        assert stream_and_object(topic, **payload)[1] is None


@pytest.mark.parametrize(
    "object_id", ["../1", "1/../2", "a b", "1?x", "1#x", "é", "-" * 3, "9" * 200]
)
def test_an_id_that_could_lead_a_request_elsewhere_is_refused(object_id: str) -> None:
    with pytest.raises(RowRejected):
        hint_of("return.created", id=object_id)


@pytest.mark.parametrize("topic", [None, "", "order.delivered", "legacy.order_shipped", "wro"])
def test_other_topics_are_ignored(topic: str | None) -> None:
    assert hint_of(topic, id=1) is None


def test_every_topic_of_the_vendors_document_is_known() -> None:
    """The simulator's list is checked against the published one; billing goes to the parent's account."""
    assert {topic for topics in TOPICS.values() for topic in topics} == set(SIMULATED)


def test_each_stream_that_is_pushed_is_one_of_the_sources() -> None:
    assert set(topics_of("shipbob")) <= set(streams_of("shipbob"))
    assert {orders.NAME, returns.NAME, transactions.NAME} <= set(topics_of("shipbob"))
    assert topics_of("cars") == {}
    assert set(PUSH_SOURCES) == {"shipbob", "mixpanel"}


def test_a_hurried_stream_is_due_soon() -> None:
    """The settings that a push changes are settings, and each of them by its stream's own name."""
    for stream in topics_of("shipbob"):
        changed = hurried(StreamKey("acme", "shipbob", stream))
        assert list(changed.values()) == ["PT1S"]
        assert check_settings("shipbob", changed).items() >= changed.items()
    assert hurried(StreamKey("acme", "cars", "cars")) == {}
