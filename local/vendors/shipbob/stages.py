"""Returns and receiving orders: things that go through stages as the vendor's clock moves."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from local.vendors.shipbob.moments import HOUR_MS, moment
from local.vendors.shipbob.orders import order_number
from local.vendors.shipbob.places import center, place_of

Document = dict[str, Any]

FIRST_RETURN = 2_500_001
FIRST_RECEIVING = 700_001

_RETURN_STAGES = ("AwaitingArrival", "Arrived", "Processing", "Completed")
_RECEIVING_STAGES = ("Awaiting", "Arrived", "Processing", "Completed")
_ACTIONS = ("Restock", "Quarantine", "Dispose")


class Stage(NamedTuple):
    """A status and since when."""

    at_ms: int
    status: str


@dataclass(slots=True)
class Return:
    """A parcel on its way back; ``shipment_id`` 0 where the vendor cannot tell which it was."""

    id: int
    merchant: str
    created_ms: int
    shipment_id: int
    order_id: int
    inventory_id: int | None


@dataclass(slots=True)
class Receiving:
    """A receiving order (WRO): goods a merchant sends to a fulfilment centre."""

    id: int
    merchant: str
    created_ms: int
    inventory_ids: tuple[int, ...]


def stages(thing: Return | Receiving, now_ms: int) -> list[Stage]:
    """The stages reached by now, oldest first. One in sixteen is cancelled at its first step."""
    names = _RETURN_STAGES if isinstance(thing, Return) else _RECEIVING_STAGES
    reached = all_stages(thing.id, thing.created_ms, names)
    return [stage for stage in reached if stage.at_ms <= now_ms]


def all_stages(thing_id: int, created_ms: int, names: tuple[str, ...]) -> list[Stage]:
    """Stages reached and to come."""
    luck = blake2b(b"stages:%d" % thing_id, digest_size=8).digest()
    if luck[0] < 16:
        names = (names[0], "Cancelled")
    at_ms, found = created_ms, []
    for step, name in enumerate(names):
        found.append(Stage(at_ms, name))
        at_ms += HOUR_MS * (6 + luck[step + 1] % 60)
    return found


def stage_topics(thing: Return | Receiving) -> list[tuple[int, str]]:
    """When which push is due over its whole life."""
    returned = isinstance(thing, Return)
    names = _RETURN_STAGES if returned else _RECEIVING_STAGES
    word = "return" if returned else "wro"
    verbs = {names[0]: "created", "Completed": "completed"}
    return [
        (stage.at_ms, f"{word}.{verbs.get(stage.status, 'updated')}")
        for stage in all_stages(thing.id, thing.created_ms, names)
    ]


def return_document(thing: Return, now_ms: int) -> Document:
    """As /return writes it."""
    reached = stages(thing, now_ms)
    since = {stage.status: moment(stage.at_ms) for stage in reached}
    place = place_of(thing.id)
    return {
        "id": thing.id,
        "reference_id": f"RMA-{thing.id}",
        "store_order_id": order_number(thing.order_id),
        "original_shipment_id": thing.shipment_id or None,
        "return_type": "ReturnToSender" if thing.id % 5 == 0 else "Regular",
        "status": reached[-1].status,
        "insert_date": moment(thing.created_ms),
        "awaiting_arrival_date": since.get("AwaitingArrival"),
        "arrived_date": since.get("Arrived"),
        "processing_date": since.get("Processing"),
        "completed_date": since.get("Completed"),
        "cancelled_date": since.get("Cancelled"),
        "tracking_number": f"9400RET{thing.id}",
        "shipment_tracking_number": None,
        "customer_name": "José Ñandú",
        "channel": {"id": 1, "name": "Store"},
        "fulfillment_center": {"id": place.id, "name": place.name},
        "invoice": {"amount": 3.5, "currency_code": "USD"},
        "status_history": [{"status": s.status, "timestamp": moment(s.at_ms)} for s in reached],
        "inventory": _returned(thing, done="Completed" in since),
        "transactions": [],
    }


def _returned(thing: Return, *, done: bool) -> list[Document]:
    if thing.inventory_id is None:
        return []
    action = _ACTIONS[thing.id % len(_ACTIONS)]
    taken = {"action": action, "action_reason": None, "image_url": None, "quantity_processed": 1}
    return [
        {
            "id": thing.inventory_id,
            "name": "Item",
            "sku": None,
            "quantity": 1,
            "barcodes": [],
            "lot_information": {"number": None, "expiration": None, "minimumShelfLife": None},
            "action_requested": {"action": action, "action_type": "Default", "instructions": None},
            "action_taken": [taken] if done else [],
        }
    ]


def receiving_document(thing: Receiving, now_ms: int) -> Document:
    """As /receiving writes it."""
    reached = stages(thing, now_ms)
    done = reached[-1].status == "Completed"
    return {
        "id": thing.id,
        "purchase_order_number": f"PO-{thing.id % 10_000}",
        "status": reached[-1].status,
        "package_type": ("Package", "Pallet", "FloorLoadedContainer")[thing.id % 3],
        "box_packaging_type": "EverythingInOneBox",
        "box_labels_uri": None,
        "insert_date": moment(thing.created_ms),
        "expected_arrival_date": moment(thing.created_ms + 72 * HOUR_MS),
        "external_sync_timestamp": None,
        "last_updated_date": moment(reached[-1].at_ms),
        "fulfillment_center": center(place_of(thing.id)),
        "inventory_quantities": [
            {
                "inventory_id": inventory_id,
                "sku": f"SKU-{inventory_id % 1000}",
                "expected_quantity": 40 + inventory_id % 7,
                "received_quantity": 40 if done else 0,
                "stowed_quantity": 40 if done else 0,
            }
            for inventory_id in thing.inventory_ids
        ],
        "status_history": [
            {"id": number + 1, "status": stage.status, "timestamp": moment(stage.at_ms)}
            for number, stage in enumerate(reached)
        ],
    }
