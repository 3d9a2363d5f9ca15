"""What a push says: the object as it was when it happened. A receiver is to read it again."""

from __future__ import annotations

from typing import Any

import orjson

from local.vendors.shipbob.charges import charge_document
from local.vendors.shipbob.marks import standing
from local.vendors.shipbob.order_documents import shipment_document
from local.vendors.shipbob.stages import receiving_document, return_document
from local.vendors.shipbob.world import Event, World

_VERSION = "2026-01"


def body_of(world: World, event: Event) -> bytes:
    """The raw body; an object that vanished meanwhile is told by its id alone."""
    return orjson.dumps(_document(world, event) or {"id": event.subject_id})


def _document(world: World, event: Event) -> dict[str, Any] | None:
    number = event.subject_id
    if event.subject == "charge":
        charges = reversed(world.ledger.charges)
        charge = next((each for each in charges if each.id == number), None)
        return None if charge is None else charge_document(charge, world.options)
    merchant = world.merchants[event.merchant]
    if event.subject == "return":
        return return_document(merchant.returns[int(number)], event.at_ms)
    if event.subject == "receiving":
        return receiving_document(merchant.receivings[int(number)], event.at_ms)
    shipment = merchant.book.shipments.get(int(number))
    if shipment is None:
        return None
    state = standing(world.stories.marks(shipment), event.at_ms)
    return shipment_document(world.stories, shipment, state, _VERSION)
