"""What a run record calls ShipBob's endpoints: templates, in which no id stands."""

from __future__ import annotations

import contextlib

import pytest

from sluice.core.errors import SluiceError
from sluice.core.slices import by_endpoint
from sluice.sources.shipbob.client import ShipBobClient
from sluice.sources.urls import check_base_url
from tests.unit.sources.http_room import BASE, Room, Vendor, answer


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda c, b: c.orders({"Page": 3}, b, size=10), "/2026-01/order"),
        (lambda c, b: c.receiving({}, b, size=10), "/2026-01/receiving"),
        (lambda c, b: c.products({}, b, size=10), "/2026-01/product"),
        (lambda c, b: c.returns({}, b, size=10), "/2026-01/return"),
        (lambda c, b: c.invoices({"Cursor": "17"}, b, size=10), "/2026-01/invoices"),
        (lambda c, b: c.transactions({"page_size": 10}, "17", b), "/2026-01/transactions:query"),
        (lambda c, b: c.order("17", b), "/2026-01/order/{id}"),
        (lambda c, b: c.shipment("17", b), "/2026-01/shipment/{id}"),
        (lambda c, b: c.timeline("17", b), "/2026-01/shipment/{id}/timeline"),
        (lambda c, b: c.one("/return/{id}", "17", b), "/2026-01/return/{id}"),
    ],
)
def test_an_endpoint_is_named_without_ids(ask, named):
    room = Room(Vendor(answer(404)))
    client = ShipBobClient(room.http, check_base_url(BASE), "2026-01")
    with contextlib.suppress(SluiceError):
        ask(client, room.budget())
    assert set(by_endpoint(room.http.traffic())) == {named}
