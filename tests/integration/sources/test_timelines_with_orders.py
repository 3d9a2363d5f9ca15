"""Orders and timelines of one merchant together: each closes shipments, neither opens what the other closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import orjson
import pytest

from local.postgres import Database
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.server import vendor_in_thread
from sluice.postgres.loader import merge
from sluice.sources import json_rows
from sluice.sources.shipbob.timelines_payloads import SHAPE, timeline_record, values_of
from sluice.sources.shipbob.timelines_table import TIMELINES
from tests.integration.sources.shipbob_orders_stand import MERCHANT, Stand, standing
from tests.integration.sources.timelines_seen import (
    LABELLED,
    asked,
    everything_is_due,
    is_open,
    make_world,
    stored,
    truth,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def stand(database: Database) -> Iterator[Stand]:
    """A vendor of two weeks whose time stands, its orders read."""
    with vendor_in_thread() as url, ShipBobControl(url) as control:
        make_world(control)
        with standing(database, control) as made:
            made.caught_up("orders")
            yield made


def test_what_orders_left_open_is_asked_for_and_labelled(stand):
    """Every shipment on its way and no other; its tier follows from the label found."""
    on_their_way = is_open(stand)
    assert asked_after_clearing(stand) == len(on_their_way) > 10
    told = truth(stand, on_their_way)
    assert stored(stand) == told
    query = (
        "SELECT shipment_id, labelled_at FROM shipbob_tracking"
        " WHERE client_id = %s AND tier BETWEEN 0 AND 2"
    )
    labelled = {each: told[each][LABELLED] for each in is_open(stand) if LABELLED in told[each]}
    assert dict(stand.ask(query)) == labelled != {}


def asked_after_clearing(stand: Stand) -> int:
    """How many timelines one run asks for."""
    stand.control.clear_stats()
    stand.caught_up("timelines")
    return asked(stand)


def test_a_delivery_closes_once_whoever_finds_it(stand):
    """The timeline by 609, the order by its detail 203; nobody is asked for again, and nothing is opened."""
    stand.caught_up("timelines")
    by = stand.control.change(merchant=MERCHANT, deliver=3, deliver_quietly=3).by
    stand.time_passes(MINUTE)
    everything_is_due(stand)
    stand.caught_up("timelines")
    assert not is_open(stand) & set(by["deliver"])
    assert set(by["deliver_quietly"]) <= is_open(stand)
    stand.time_passes(MINUTE)
    stand.caught_up("orders")
    closed = {*by["deliver"], *by["deliver_quietly"]}
    assert not is_open(stand) & closed
    everything_is_due(stand)
    stand.time_passes(MINUTE)
    assert asked_after_clearing(stand) == len(is_open(stand))
    stand.control.change(merchant=MERCHANT, update=30)
    stand.time_passes(MINUTE)
    assert stand.caught_up("orders").updated > 0
    assert not is_open(stand) & closed


def test_an_order_that_does_not_know_of_a_delivery_opens_nothing(stand):
    """The timeline has 609, the order is read later and says nothing of it."""
    updated = stand.control.change(merchant=MERCHANT, update=30).by["update"]
    early = min(is_open(stand) & set(updated))
    event = {"log_type_id": 609, "timestamp": stand.now().isoformat()}
    row = orjson.dumps({"shipment_id": early, "events": [event]}).decode()
    record = timeline_record(json_rows.record_of(row, SHAPE))
    with stand.commits.connection.transaction() as tx:
        merge(tx, TIMELINES, stand.client_id, [record], seq=1, values=values_of)
    assert early not in is_open(stand)
    stand.time_passes(MINUTE)
    stand.caught_up("orders")
    written = "SELECT updated_at > inserted_at FROM shipbob_shipments WHERE client_id = %s AND shipment_id = %s"
    assert stand.ask(written, early) == [(True,)]
    assert early not in is_open(stand)
