"""What a slice cost at its vendor: added up over two readers, and by endpoint."""

from __future__ import annotations

import pytest

from sluice.core.errors import InvariantBroken
from sluice.core.keys import StreamKey
from sluice.core.slices import (
    Claim,
    Committed,
    Counts,
    Delivery,
    EndpointTraffic,
    Traffic,
    by_endpoint,
    in_words,
    run_of,
)

LISTING = Traffic(
    pages=3,
    requests=5,
    retries=1,
    errors=2,
    bytes_received=700,
    latencies_ms=(20, 30),
    waited_ms=11,
    endpoints=(EndpointTraffic("/orders", 4, 1, 2, 90), EndpointTraffic("/time", 1, 0, 0, 5)),
    contradictions=1,
)
POINT_READS = Traffic(
    pages=10,
    requests=40,
    retries=6,
    errors=8,
    bytes_received=9000,
    latencies_ms=(50,),
    waited_ms=400,
    endpoints=(
        EndpointTraffic("/orders/{id}", 30, 5, 6, 800),
        EndpointTraffic("/orders", 10, 1, 2, 60),
    ),
    contradictions=4,
)


def test_two_readers_traffic_is_the_sum_of_both() -> None:
    """Of an endpoint that both asked, too; what only one asked stays as it is, in the order first met."""
    assert LISTING.plus(POINT_READS) == Traffic(
        pages=13,
        requests=45,
        retries=7,
        errors=10,
        bytes_received=9700,
        latencies_ms=(20, 30, 50),
        waited_ms=411,
        endpoints=(
            EndpointTraffic("/orders", 14, 2, 4, 150),
            EndpointTraffic("/time", 1, 0, 0, 5),
            EndpointTraffic("/orders/{id}", 30, 5, 6, 800),
        ),
        contradictions=5,
    )


def test_nothing_added_changes_nothing() -> None:
    assert LISTING.plus(Traffic()) == LISTING == Traffic().plus(LISTING)


def test_records_name_each_endpoint_and_what_it_cost() -> None:
    assert by_endpoint(LISTING) == {
        "/orders": {"requests": 4, "retries": 1, "errors": 2, "ms": 90},
        "/time": {"requests": 1, "retries": 0, "errors": 0, "ms": 5},
    }
    assert by_endpoint(Traffic()) == {}


def test_an_endpoint_that_was_not_asked_cost_nothing() -> None:
    assert EndpointTraffic("/orders") == EndpointTraffic("/orders", 0, 0, 0, 0)


def test_a_note_names_what_a_derive_step_did_and_not_what_it_did_not() -> None:
    assert in_words({"attributed": 3, "taken back": 0, "left": 2}) == "attributed 3, left 2"
    assert in_words({"attributed": 0}) is None
    assert in_words({}) is None


def test_a_draft_belongs_to_the_run_that_is_open() -> None:
    """Without one its rows would be of no run, and nobody could say when they came."""
    key = StreamKey("acme", "shop", "things")
    assert run_of(Claim(key, 1, 0, {}, has_more=True, run_id="run")) == "run"
    with pytest.raises(InvariantBroken, match="acme#shop#things: a draft without an open run"):
        run_of(Claim(key, 1, 0, {}, has_more=True, run_id=None))


def test_what_nobody_measured_took_no_time() -> None:
    committed = Committed(1, {}, has_more=False, counts=Counts())
    times = (committed.derive_ms, committed.database_ms, committed.begin_ms, committed.merge_ms)
    assert times == (0, 0, 0, 0)
    assert (committed.derived, committed.note) == ({}, None)


def test_a_message_that_came_by_no_queue_names_none() -> None:
    assert Delivery("id", "receipt").queue == ""
