"""Orders, shipments and timelines as the vendor writes them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from local.vendors.shipbob.marks import DELIVERED, IN_TRANSIT, OUT_FOR_DELIVERY, Mark, Standing
from local.vendors.shipbob.models import Options
from local.vendors.shipbob.moments import HOUR_MS, moment
from local.vendors.shipbob.orders import (
    Order,
    Shipment,
    Stories,
    order_number,
    reference_of,
    tracking_number,
)
from local.vendors.shipbob.places import place_of

Document = dict[str, Any]

OLDER_VERSION = "2025-07"

_FIRST = ("John", "José", "Zoë", "Иван", "美咲", "Søren", "Anne-Marie", "O'Neil")
_LAST = ("Doe", "Núñez", "Müller", "Петров", "田中", "Ængel", "St. John", "Li")
_CITIES = (("Gotham City", "NJ", "07093", "US"), ("Köln", None, "50667", "DE"),
           ("Montréal", "QC", "H2X 1Y4", "CA"), ("Tbilisi", None, "0105", "GE"))  # fmt: skip
_CARRIERS = (("USPS", "GroundAdvantage"), ("FedEx", "Ground"), ("DHL", "SmartMail"))
_TYPES = ("DTC",) * 13 + ("DropShip", "DropShip", "B2B")
_DETAILS = {
    IN_TRANSIT: "InTransit",
    OUT_FOR_DELIVERY: "OutForDelivery",
    DELIVERED: "Delivered",
    104: "OutOfStock",
    110: "MissingCity",
}
LOG_NAMES = {
    601: "Created",
    602: "Picked",
    603: "Packed",
    604: "Labeled",
    605: "LabelValidated",
    607: "InTransit",
    608: "OutForDelivery",
    609: "Delivered",
    611: "DeliveryAttemptFailed",
    118: "PickInProgress",
    106: "OnHold",
    107: "Exception",
}


def luck_of(kind: bytes, an_id: int) -> bytes:
    """Sixteen bytes of repeatable chance."""
    return blake2b(b"%b:%d" % (kind, an_id), digest_size=16).digest()


def order_document(stories: Stories, order: Order, now_ms: int, version: str) -> Document:
    """As /order writes it."""
    luck = luck_of(b"order", order.id)
    states = [stories.standing(each, now_ms) for each in order.shipments]
    return {
        "id": order.id,
        "created_date": moment(order.created_ms),
        "purchase_date": moment(order.created_ms - luck[0] * 10_000),
        "reference_id": reference_of(order.merchant, order.id),
        "order_number": order_number(order.id),
        "status": _order_status(states),
        "type": _TYPES[luck[1] % len(_TYPES)],
        "channel": {"id": 5000 + luck[2] % 2, "name": ("Shopify", "Amazon")[luck[2] % 2]},
        "shipping_method": "Standard",
        "gift_message": "Alles Gute 🎁" if luck[3] < 12 else None,
        "recipient": _recipient(luck, named="name"),
        "products": [_ordered(order, luck)],
        "tags": [{"name": "batch", "value": str(luck[4])}] if luck[4] < 40 else [],
        "shipments": [
            shipment_document(stories, each, state, version)
            for each, state in zip(order.shipments, states, strict=True)
        ],
        "financials": {"total_price": (500 + luck[5] * 37) / 100},
        "shipping_terms": {"carrier_type": "Parcel", "payment_term": "Prepaid"},
    }


def shipment_document(
    stories: Stories, shipment: Shipment, state: Standing, version: str
) -> Document:
    """As /shipment/{id} writes it. ``store_order_id`` went with version 2026-01."""
    luck = luck_of(b"shipment", shipment.id)
    place = place_of(luck[0])
    document = {
        "id": shipment.id,
        "order_id": shipment.order_id,
        "reference_id": reference_of(shipment.merchant, shipment.order_id),
        "created_date": moment(shipment.created_ms),
        "last_update_at": moment(_last_update(stories.options, shipment, state)),
        "last_tracking_update_at": moment(state.last_tracking_ms),
        "status": state.status,
        "status_details": _details(state),
        "location": {"id": place.id, "name": place.name},
        "recipient": _recipient(luck_of(b"order", shipment.order_id), named="full_name"),
        "ship_option": ("Ground", "Express", "2-Day")[luck[1] % 3],
        "package_material_type": "Box",
        "tracking": _tracking(shipment, state, luck),
        "products": [_shipped(stories.shelf(shipment.merchant, luck[11]), luck)],
        "measurements": {
            "total_weight_oz": 4 + luck[2] % 90 + state.edition,
            "length_in": 6,
            "width_in": 4,
            "depth_in": 2 + luck[3] % 5,
        },
        "estimated_fulfillment_date": moment(shipment.created_ms + 24 * HOUR_MS),
        "estimated_fulfillment_date_status": "PendingOnTime",
        "actual_fulfillment_date": moment(state.shipped_ms),
        "delivery_date": moment(state.delivered_ms),
        "insurance_value": None,
        "invoice_amount": (300 + luck[4] * 5) / 100 if state.labelled_ms else None,
        "invoice_currency_code": "USD" if state.labelled_ms else None,
        "is_tracking_uploaded": state.shipped_ms is not None,
        "require_signature": luck[5] < 8,
        "gift_message": None,
        "parent_cartons": [],
    }
    if version == OLDER_VERSION:
        document["store_order_id"] = order_number(shipment.order_id)
    return document


def timeline_documents(
    stories: Stories, shipment: Shipment, now_ms: int, *, whole: bool = False
) -> list[Document]:
    """As /timeline writes it, or with ``whole`` as /logs does: what a timeline leaves out, too."""
    marks = [mark for mark in stories.marks(shipment) if mark.at_ms <= now_ms]
    entries = [_entry(mark, mark.log_id) for mark in marks if mark.log_id is not None]
    if whole:
        entries.append(_entry(Mark(shipment.created_ms), 11))
        entries += [_entry(mark, 98) for mark in marks if mark.edits]
        entries.sort(key=lambda entry: str(entry["timestamp"]))
    return entries


def _entry(mark: Mark, log_id: int) -> Document:
    name = LOG_NAMES.get(log_id, f"Event{log_id}")
    return {
        "log_type_id": log_id,
        "log_type_name": name,
        "log_type_text": f"Shipment: {name}",
        "metadata": {"Source": "Carrier"} if mark.tracks else {},
        "timestamp": moment(mark.at_ms),
    }


def _last_update(options: Options, shipment: Shipment, state: Standing) -> int | None:
    if state.last_update_ms is None and not options.null_last_update:
        return shipment.created_ms
    return state.last_update_ms


def _order_status(states: Sequence[Standing]) -> str:
    statuses = [state.status for state in states]
    if set(statuses) == {"Cancelled"}:
        return "Cancelled"
    if "Exception" in statuses or "OnHold" in statuses:
        return "Exception"
    alive = [status for status in statuses if status != "Cancelled"]
    if all(status == "Completed" for status in alive):
        return "Fulfilled"
    return "PartiallyFulfilled" if "Completed" in alive else "Processing"


def _details(state: Standing) -> list[Document]:
    if state.detail is None:
        return []
    return [
        {
            "id": state.detail,
            "name": _DETAILS.get(state.detail),
            "description": None,
            "inventory_id": None,
            "exception_fulfillment_center_id": None,
            "extra_information": {"validation_messages": None},
        }
    ]


def _recipient(luck: bytes, *, named: str) -> Document:
    city, state, zip_code, country = _CITIES[luck[6] % len(_CITIES)]
    document: Document = {
        named: f"{_FIRST[luck[7] % 8]} {_LAST[luck[8] % 8]}",
        "email": None if luck[9] < 20 else f"buyer{luck[9]}@example.com",
        "phone_number": None,
        "address": {
            "address1": f"{luck[10] + 1} Nowhere Blvd",
            "address2": None,
            "company_name": None,
            "city": city,
            "state": state,
            "zip_code": zip_code,
            "country": country,
        },
    }
    return document


def _ordered(order: Order, luck: bytes) -> Document:
    return {
        "id": order.id % 100_000 + 1,
        "reference_id": f"P{luck[11]}",
        "sku": f"SKU-{luck[11]:06d}",
        "quantity": 1 + luck[12] % 4,
        "quantity_unit_of_measure_code": None,
        "gtin": None,
        "upc": None,
        "unit_price": (100 + luck[13] * 9) / 100,
        "external_line_id": None,
    }


def _shipped(inventory_id: int, luck: bytes) -> Document:
    return {
        "id": 900_000 + luck[11],
        "reference_id": f"P{luck[11]}",
        "sku": f"SKU-{luck[11]:06d}",
        "name": "Café mug",
        "inventory_items": [
            {
                "id": inventory_id,
                "name": "Café mug",
                "quantity": 1 + luck[12] % 4,
                "quantity_committed": 0,
                "lot": None,
                "expiration_date": None,
                "serial_numbers": [],
                "is_dangerous_goods": False,
            }
        ],
    }


def _tracking(shipment: Shipment, state: Standing, luck: bytes) -> Document:
    """Fields of a parcel without a label are there and null."""
    labelled = state.labelled_ms is not None
    carrier, service = _CARRIERS[luck[13] % len(_CARRIERS)]
    number = tracking_number(shipment.id)
    return {
        "carrier": carrier if labelled else None,
        "carrier_service": service if labelled else None,
        "tracking_number": number if labelled else None,
        "tracking_url": f"https://track.invalid/{number}" if labelled else None,
        "shipping_date": moment(state.shipped_ms),
        "bol": None,
        "pro_number": None,
        "scac": None,
    }
