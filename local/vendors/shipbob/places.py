"""Fulfilment centres: fixed, alike in every world."""

from __future__ import annotations

from typing import Any, NamedTuple

Document = dict[str, Any]


class Place(NamedTuple):
    """A fulfilment centre. ``gst`` says whether fees there carry tax."""

    id: int
    name: str
    short: str
    address: str
    city: str
    state: str | None
    zip_code: str
    country: str
    timezone: str
    region: str
    gst: bool = False


PLACES = (
    Place(8, "Cicero (IL)", "Cicero", "5900 W Ogden Ave", "Cicero", "IL", "60804", "USA",
          "Central Standard Time", "Midwest"),
    Place(19, "Moreno Valley (CA)", "Moreno", "16830 Heacock St", "Moreno Valley", "CA", "92551",
          "USA", "Pacific Standard Time", "West"),
    Place(32, "Altona VIC", "Altona", "12 Pinnacle Rd", "Altona", "VIC", "3018", "AUS",
          "AUS Eastern Standard Time", "Oceania", gst=True),
    Place(45, "Wrocław", "Wroclaw", "ul. Graniczna 8", "Wrocław", None, "54-610", "POL",
          "Central European Standard Time", "Europe"),
    Place(61, "Brampton (Ontario)", "Brampton", "30 Driver Rd", "Brampton", "ON", "L6T 5V2", "CAN",
          "Eastern Standard Time", "Canada", gst=True),
)  # fmt: skip


def place_of(luck: int) -> Place:
    """One of them."""
    return PLACES[luck % len(PLACES)]


def center(place: Place) -> Document:
    """As receiving orders and /fulfillment-center write it."""
    return {
        "id": place.id,
        "name": place.name,
        "address1": place.address,
        "address2": None,
        "city": place.city,
        "state": place.state,
        "zip_code": place.zip_code,
        "country": place.country,
        "timezone": place.timezone,
        "phone_number": "555-555-0100",
        "email": "dock@shipbob.invalid",
    }


def location(place: Place) -> Document:
    """As /location writes it."""
    address = {
        "name": place.name,
        "address1": place.address,
        "address2": None,
        "city": place.city,
        "state": place.state,
        "zip_code": place.zip_code,
        "country": place.country,
        "email": "dock@shipbob.invalid",
        "phone_number": "555-555-0100",
    }
    return {
        "id": place.id,
        "name": place.name,
        "abbreviation": place.short,
        "is_active": True,
        "is_receiving_enabled": True,
        "is_shipping_enabled": True,
        "access_granted": True,
        "timezone": place.timezone,
        "region": {"id": place.id % 7 + 1, "name": place.region},
        "attributes": [],
        "services": [{"address": address, "enabled": True, "service_type": "Receiving"}],
    }
