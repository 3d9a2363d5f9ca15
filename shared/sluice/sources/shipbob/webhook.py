"""What ShipBob's webhooks mean here: which stream a topic is about, and which object is to be read again.

Topics and headers are those of the vendor's published AsyncAPI document (version 2026-01). What a payload
looks like is not published: it "generally mirrors" the REST resource. So nothing but ids is read of one, a
payload without a usable id has its stream looked at instead, and content always comes from reading again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.core.keys import StreamKey
from sluice.core.webhooks import Hint, News, VerifiedDelivery
from sluice.webhooks.standard import StandardWebhooks

SOURCE = "shipbob"
TOPIC_HEADER = "x-webhook-topic"

SHIPMENT = "shipment:"
"""Before an id of ``orders``: it is a shipment's, whose order is not told."""

_OF_SHIPMENTS = (
    "tracking.updated",
    "delivered",
    "exception",
    "on_hold",
    "cancelled",
    "address.updated",
    "line_item.added",
    "line_item.removed",
    "line_item.updated",
    "shipping_service.updated",
)
ORDER_TOPICS = ("order.shipped", *(f"order.shipment.{word}" for word in _OF_SHIPMENTS))
RETURN_TOPICS = ("return.created", "return.updated", "return.completed")
RECEIVING_TOPICS = ("wro.created", "wro.updated", "wro.completed")
BOX_TOPICS = ("wro.box.arrived", "wro.box.scanned", "wro.box.stowed")
BILLING_TOPICS = ("billing.charge.created", "billing.refund.created", "billing.credit.created")

TOPICS: Mapping[str, tuple[str, ...]] = {
    "orders": ORDER_TOPICS,
    "returns": RETURN_TOPICS,
    "receiving_orders": (*RECEIVING_TOPICS, *BOX_TOPICS),
    "transactions": BILLING_TOPICS,
}
"""What to subscribe to for each stream. ``order.delivered`` is of a later version of the API."""

HURRIED: Mapping[str, Mapping[str, Any]] = {
    "orders": {"orders_every": "PT1S"},
    "returns": {"returns_every": "PT1S"},
    "receiving_orders": {"receiving_every": "PT1S"},
    "transactions": {"transactions_every": "PT1S"},
}
"""Settings of a stream that is looked at because of a push: due if it was not read in the last second."""

_STREAMS = {topic: stream for stream, topics in TOPICS.items() for topic in topics}


@dataclass(frozen=True, slots=True)
class ShipBobPushes:
    """Implements ``usecases.receive_webhook.PushSource``."""

    scheme: StandardWebhooks = field(
        default_factory=lambda: StandardWebhooks(topic_header=TOPIC_HEADER)
    )

    def news(self, client_id: str, delivery: VerifiedDelivery) -> News | None:
        """A hint about the order, return or receiving order; of billing, about the whole stream of charges.

        RowRejected for an id that could be none.
        """
        topic = delivery.topic or ""
        stream = _STREAMS.get(topic)
        if stream is None:
            return None
        object_id = _object_id(topic, delivery.payload)
        key = StreamKey(client_id, SOURCE, stream)
        return Hint(delivery.event_id, key, object_id, topic, delivery.sent_at)


def _object_id(topic: str, payload: Mapping[str, Any]) -> str | None:
    """None where no object can be named: charges are only listed, and of a box nothing is documented."""
    if topic in ORDER_TOPICS:
        return _order_of(payload)
    if topic in (*RETURN_TOPICS, *RECEIVING_TOPICS):
        return _id(payload, "id")
    return None


def _order_of(payload: Mapping[str, Any]) -> str | None:
    """A shipment says its order. An object with shipments is an order; any other is a shipment."""
    order_id = _id(payload, "order_id")
    own_id = _id(payload, "id")
    if order_id is not None or own_id is None:
        return order_id
    return own_id if "shipments" in payload else f"{SHIPMENT}{own_id}"


def _id(payload: Mapping[str, Any], name: str) -> str | None:
    """A whole number or a text as text; true and false are numbers to Python, and no ids."""
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        return None
    return str(value)
