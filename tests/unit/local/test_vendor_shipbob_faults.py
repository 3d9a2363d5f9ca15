"""Faults of the simulated ShipBob, and which answers they meet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from local.vendors.shipbob.faults import CONTENTS, DELIVERIES, PUSHES, REFUSALS, Fault, FaultKind
from tests.unit.local.shipbob_account import LONG_AGO, UNLIMITED, Vendor, ids, standing_vendor
from tests.unit.local.shipbob_receiver import until


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with standing_vendor() as vendor:
        yield vendor


def numbers(page: dict[str, Any]) -> list[str]:
    return [each["transaction_id"] for each in page["items"]]


def test_every_fault_is_of_one_sort():
    """So that nothing is chosen and then served by nobody."""
    sorts = [REFUSALS, DELIVERIES, CONTENTS, PUSHES]
    assert sum(map(len, sorts)) == len(frozenset().union(*sorts)) == len(FaultKind)


def test_a_misspelt_fault_is_refused():
    """Else a test would pass because nothing went wrong."""
    with pytest.raises(ValidationError):
        Fault.model_validate({"kind": "server_error", "propability": 0.1})


def test_a_fault_keeps_to_its_endpoints_merchants_pages_and_counts(vendor):
    """``skip`` passes first, ``limit`` ends it."""
    wanted = {"endpoints": ["orders"], "merchants": ["acme"], "pages": [2], "skip": 1, "limit": 2}
    vendor.set_fault("server_error", status=503, **wanted)
    assert [vendor.ask("/order", Page=2).status_code for _ in range(4)] == [200, 503, 503, 200]
    vendor.set_fault("server_error", **{**wanted, "skip": 0})
    assert vendor.ask("/order", "niva", Page=2).status_code == 200
    assert vendor.ask("/order", Page=1).status_code == 200
    assert vendor.ask("/product").status_code == 200
    assert vendor.ask("/order", Page=2).status_code == 503
    assert vendor.stats().faults == {"server_error": 3}
    vendor.set_fault("server_error", endpoints=["orders"])
    assert [vendor.ask(path).status_code for path in ("/order", "/product")] == [503, 200]


def test_a_page_that_is_asked_for_by_its_cursor_is_known_by_its_number(vendor):
    """Whatever its size."""
    following = vendor.ask("/product", PageSize=7).json()["next"]
    cursor = httpx.URL(following).params["cursor"]
    vendor.set_fault("server_error", endpoints=["products"], pages=[2])
    assert vendor.ask("/product", PageSize=7).status_code == 200
    assert vendor.ask("/product", PageSize=7, Cursor=cursor).status_code == 503


def test_of_two_refusals_the_one_set_first_is_met(vendor):
    """And only that one is counted; once it is off, the other holds."""
    vendor.set_fault("forbidden", limit=1)
    vendor.set_fault("unauthorized")
    assert [vendor.ask("/order").status_code for _ in range(2)] == [403, 401]
    assert vendor.stats().faults == {"forbidden": 1, "unauthorized": 1}


def test_a_push_meets_no_fault_of_answers(vendor):
    """And is not counted as if it had."""
    vendor.subscribe("http://127.0.0.1:9/in", "order.shipment.tracking.updated")
    vendor.set_fault("server_error")
    vendor.set_fault("slow", delay_ms=77)
    vendor.burst(merchant="acme")
    until(lambda: vendor.pushes()[0].state == "given_up")
    assert vendor.stats().faults == {}
    assert 0.077 not in vendor.naps


def test_which_answers_fail_depends_on_the_seed_and_not_on_the_order(vendor):
    """The third asking of a page meets the same luck whatever was asked in between."""
    pages = [1, 2, 3, 4] * 6
    got = []
    for seed, order in ((7, pages), (7, sorted(pages)), (8, pages)):
        vendor.clear_faults()
        vendor.set_fault("server_error", probability=0.4, seed=seed)
        met: dict[int, list[int]] = {page: [] for page in pages}
        for page in order:
            met[page].append(vendor.ask("/order", Page=page).status_code)
        got.append(met)
    assert got[0] == got[1] != got[2]


@pytest.mark.parametrize(
    ("kind", "parameters", "status", "said"),
    [
        ("rate_limited", {"retry_after_s": 7}, 429, ("x-retry-after", "7")),
        ("server_error", {"status": 500}, 500, ("content-length", "0")),
        ("server_error", {"status": 502}, 502, ("content-type", "text/html; charset=UTF-8")),
        ("server_error", {"retry_after_s": 4}, 503, ("retry-after", "4")),
        ("unauthorized", {}, 401, ("content-length", "0")),
        ("forbidden", {}, 403, ("content-length", "0")),
        ("not_found", {}, 404, ("content-length", "0")),
        ("html", {}, 200, ("content-type", "text/html; charset=UTF-8")),
    ],
)
def test_refusals(vendor, kind, parameters, status, said):
    """In place of data, in the form of the endpoint's family."""
    vendor.set_fault(kind, **parameters)
    answer = vendor.ask("/order")
    assert (answer.status_code, answer.headers[said[0]]) == (status, said[1])
    if kind in {"unauthorized", "forbidden", "not_found"}:
        assert vendor.ask("/invoices", "parent").json()["status"] == status


def test_pages_can_be_empty_short_doubled_or_shuffled(vendor):
    """An empty page is what a failed one looks like to a careless reader."""
    sound = ids(vendor.orders(Page=2, Limit=20))
    before = ids(vendor.orders(Page=1, Limit=20))
    for kind, holds in {
        "empty_page": lambda got: got == [],
        "missing_rows": lambda got: len(got) == 17 and set(got) < set(sound),
        "duplicate_rows": lambda got: got == before[-3:] + sound + sound[:3],
        "reordered_rows": lambda got: got != sound and sorted(got) == sorted(sound),
        "repeated_page": lambda got: got == before,
    }.items():
        vendor.clear_faults()
        vendor.set_fault(kind)
        assert holds(ids(vendor.orders(Page=2, Limit=20))), kind
    vendor.set_fault("repeated_page")
    assert ids(vendor.orders(Page=1, Limit=20)) == before


def test_a_cursor_page_comes_twice(vendor):
    """The second brings nothing new, and its ``next`` goes on all the same."""
    first = vendor.query(from_date=LONG_AGO, page_size=50)
    vendor.set_fault("repeated_page", endpoints=["transactions"], pages=[2], limit=1)
    second = vendor.query(first["next"])
    assert numbers(second) == numbers(first)
    assert not set(numbers(vendor.query(second["next"]))) & set(numbers(first))


@pytest.mark.parametrize(("back", "turns"), [(0, 1), (1, 2)])
def test_a_cursor_runs_in_a_loop(vendor, back, turns):
    """Over the same page, or over the last two, without end."""
    vendor.set_fault("cursor_loop", endpoints=["transactions"], pages=[2], back=back)
    page = vendor.query(from_date=LONG_AGO, page_size=50)
    seen = [numbers(page)]
    for _ in range(6):
        assert page["next"]
        page = vendor.query(page["next"])
        seen.append(numbers(page))
    assert len({tuple(each) for each in seen}) == 2
    assert seen[1] == seen[1 + turns] == seen[1 + 2 * turns]


def test_poisoned_rows_carry_what_no_loader_expects(vendor):
    """As raw text; the same rows each time, the others sound."""
    texts = {
        "nul": "\\u0000",
        "lone_surrogate": "\\ud83d here",
        "huge_integer": "1" + "0" * 40,
        "invalid_date": "2026-02-31T25:61:00Z",
        "null_id": '"id":null',
        "text_row": '"not a row"',
    }
    for poison, text in texts.items():
        vendor.set_fault("poison_rows", probability=0.3, poisons=[poison])
        answers = [vendor.ask("/order", Limit=40).text for _ in range(2)]
        assert answers[0] == answers[1]
        assert 1 <= answers[0].count(text) < 40
        assert len(json.loads(answers[0])) == 40
    assert vendor.stats().faults == {"poison_rows": 12}


@pytest.mark.parametrize("kind", ["cut_body", "cut_chunked", "length_too_long", "reset"])
def test_a_broken_delivery_is_noticed_and_the_vendor_goes_on(vendor, kind):
    """An answer cut short is an error of the connection, not a short page."""
    vendor.set_fault(kind, limit=1)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        vendor.ask("/order")
    assert len(vendor.orders()) == 50


def test_a_body_can_be_malformed_oversized_or_slow(vendor):
    """Each is a trap of its own."""
    vendor.set_fault("malformed_json", limit=1)
    with pytest.raises(json.JSONDecodeError):
        vendor.orders()
    vendor.clear_faults()
    vendor.set_fault("oversized", size_bytes=3_000_000, limit=1)
    assert len(vendor.ask("/order").content) == 3_000_000
    vendor.clear_faults()
    vendor.set_fault("slow", delay_ms=2500, limit=1)
    assert len(vendor.orders()) == 50
    assert vendor.naps.count(2.5) == 1


def test_answers_are_zipped_where_told_to_for_clients_that_ask(vendor):
    """By nature they are not."""
    assert "content-encoding" not in vendor.ask("/order").headers
    vendor.create_world(options={**UNLIMITED, "gzip": True})
    assert vendor.ask("/order").headers["content-encoding"] == "gzip"


def test_faults_do_not_touch_the_truth(vendor):
    """It is what a sound vendor would say."""
    before = list(vendor.truth("orders"))
    vendor.set_fault("empty_page")
    vendor.set_fault("poison_rows")
    assert list(vendor.truth("orders")) == before
    vendor.clear_faults()
    assert {row["id"]: row for row in vendor.all_orders()} == {
        line["id"]: line["record"] for line in before if line["merchant"] == "acme"
    }
