"""The simulated ShipBob's sound answers: pages, windows, cursors, tokens, limits."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from local.vendors.loopback.clock import VendorClock
from local.vendors.shipbob.server import vendor_in_thread
from tests.unit.local.shipbob_account import (
    KEYS,
    LONG_AGO,
    NOON,
    UNLIMITED,
    Vendor,
    ids,
    standing_vendor,
    truth_ids,
)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with standing_vendor() as vendor:
        yield vendor


def test_the_pages_together_are_the_orders(vendor):
    """Each once, newest first, and the last page is short: no header tells."""
    for key in KEYS:
        listed = vendor.all_orders(key)
        assert {order["id"] for order in listed} == truth_ids(vendor, "orders", key)
        assert len(listed) == len(set(ids(listed)))
        created = [order["created_date"] for order in listed]
        assert created == sorted(created, reverse=True)
    answer = vendor.ask("/order", Limit=7)
    assert len(answer.json()) == 7
    assert not [name for name in answer.headers if "page" in name or "total" in name]


def test_a_page_holds_fifty_unless_told_and_one_beyond_the_end_is_empty(vendor):
    """Limit 1 to 250; more is refused, not cut."""
    assert len(vendor.orders()) == 50
    assert vendor.orders(Page=99) == []
    assert [vendor.ask("/order", Limit=n).status_code for n in (0, 1, 250, 251)] == [
        400,
        200,
        200,
        400,
    ]
    assert vendor.ask("/order", Page=0).status_code == 400


def test_old_headers_can_be_had(vendor):
    """Versions before 2025-07 told the pages; a reader must not need them."""
    vendor.create_world(options={**UNLIMITED, "page_headers": True})
    total = len(vendor.all_orders())
    answer = vendor.ask("/order", Limit=50)
    assert answer.headers["Total-Count"] == str(total)
    assert answer.headers["Next-Page"] == "2"
    assert "Next-Page" not in vendor.ask("/order", Limit=50, Page=-(-total // 50)).headers


def test_a_new_order_has_no_last_update_and_is_in_no_window_of_updates(vendor):
    """It is found by its creation only, until its label moves it."""
    (made,) = vendor.change(merchant="acme", orders=1).by["orders"]
    now = "2027-01-15T08:00:00Z"
    assert vendor.orders(StartDate=now)[0]["id"] == int(made)
    fresh = vendor.orders(IDs=made)[0]
    assert [each["last_update_at"] for each in fresh["shipments"]] == [None] * len(
        fresh["shipments"]
    )
    assert int(made) not in ids(vendor.all_orders(LastUpdateStartDate=LONG_AGO))
    vendor.advance_clock(40 * 24 * 3600)
    moved = vendor.orders(IDs=made)[0]["shipments"]
    labelled = [each for each in moved if each["last_update_at"]]
    assert labelled
    assert int(made) in ids(vendor.all_orders(LastUpdateStartDate=now))


def test_last_update_may_be_told_from_the_beginning(vendor):
    """The option's other reading: then a creation counts as an update."""
    vendor.create_world(options={**UNLIMITED, "null_last_update": False})
    (made,) = vendor.change(merchant="acme", orders=1).by["orders"]
    fresh = vendor.orders(LastUpdateStartDate="2027-01-15T08:00:00Z")
    assert ids(fresh) == [int(made)]
    assert fresh[0]["shipments"][0]["last_update_at"] == fresh[0]["created_date"]


@pytest.mark.parametrize("moves", [False, True])
def test_tracking_moves_last_update_only_where_told_to(vendor, moves):
    """By nature a scan and a delivery leave it, and only last_tracking_update_at tells."""
    options = {**UNLIMITED, "tracking_moves_last_update": moves}
    vendor.create_world(history_days=6, options=options)
    met = vendor.change(merchant="acme", scan=3, deliver=3, deliver_quietly=3).by
    shipments = [int(text) for name in met for text in met[name]]
    assert len(set(shipments)) == 9
    now = "2027-01-15T08:00:00.000Z"
    for number in shipments:
        shipment = vendor.ask(f"/shipment/{number}").json()
        assert (shipment["last_update_at"] == now) is moves
        assert shipment["last_tracking_update_at"] == now
    tracked = vendor.all_orders(LastTrackingUpdateStartDate=now)
    assert {each["id"] for order in tracked for each in order["shipments"]} >= set(shipments)
    assert bool(vendor.all_orders(LastUpdateStartDate=now)) is moves


def test_windows_include_both_ends_and_filters_are_joined(vendor):
    """AND, as the document says."""
    one = vendor.orders()[7]
    exactly = {"StartDate": one["created_date"], "EndDate": one["created_date"]}
    assert ids(vendor.orders(**exactly)) == [one["id"]]
    assert vendor.orders(**exactly, IDs="1,2") == []
    assert ids(vendor.orders(**exactly, ReferenceIds=one["reference_id"])) == [one["id"]]
    tracked, bare = vendor.all_orders(HasTracking="true"), vendor.all_orders(HasTracking="false")
    assert set(ids(tracked)) | set(ids(bare)) == truth_ids(vendor, "orders", "acme")
    assert not set(ids(tracked)) & set(ids(bare))
    assert all(each["tracking"]["tracking_number"] is None for o in bare for each in o["shipments"])


def test_orders_can_be_read_oldest_first(vendor):
    """The same orders the other way round; another word is refused."""
    assert ids(vendor.all_orders(SortOrder="Oldest")) == ids(vendor.all_orders())[::-1]
    assert vendor.ask("/order", SortOrder="Sideways").status_code == 400


def test_one_order_its_shipments_and_their_timelines(vendor):
    """The same documents whichever way they are asked for; logs say more than timelines."""
    order = vendor.orders()[-1]
    shipment = order["shipments"][0]
    assert vendor.ask(f"/order/{order['id']}").json() == order
    assert vendor.ask(f"/order/{order['id']}/shipment").json() == order["shipments"]
    below = f"/order/{order['id']}/shipment/{shipment['id']}"
    assert vendor.ask(below).json() == vendor.ask(f"/shipment/{shipment['id']}").json() == shipment
    for tail in ("/timeline", "/logs"):
        alone = vendor.ask(f"/shipment/{shipment['id']}{tail}").json()
        assert vendor.ask(below + tail).json() == alone
        assert [e["timestamp"] for e in alone] == sorted(e["timestamp"] for e in alone)
    assert len(vendor.ask(below + "/logs").json()) > len(vendor.ask(below + "/timeline").json())
    wrong = f"/order/{order['id'] + 1}/shipment/{shipment['id']}/timeline"
    assert vendor.ask(wrong).status_code == 404


def test_nobody_reads_what_is_another_merchants(vendor):
    """A stranger's shipment is as absent as one that never was; the parent has no orders."""
    order = vendor.orders("acme")[0]
    shipment = order["shipments"][0]["id"]
    paths = [f"/order/{order['id']}", f"/shipment/{shipment}", f"/shipment/{shipment}/timeline"]
    assert [vendor.ask(path, "acme").status_code for path in paths] == [200] * 3
    assert [vendor.ask(path, "niva").status_code for path in paths] == [404] * 3
    assert [vendor.ask(path, "parent").status_code for path in paths] == [403] * 3
    assert vendor.orders("niva", IDs=str(order["id"])) == []


def test_a_token_that_may_not_can_be_told_nothing_instead(vendor):
    """The nastier reading: 200 and an empty list."""
    vendor.create_world(options={**UNLIMITED, "lacking_scope": "empty"})
    assert vendor.orders("parent") == []
    assert vendor.ask("/invoices", "acme").json()["items"] == []
    answer = vendor.ask("/transactions:query", "acme", method="POST", json={"from_date": LONG_AGO})
    assert answer.json()["items"] == []


@pytest.mark.parametrize(("version", "status"), [("2.0", 400), ("1.0", 400), ("2031-01", 404)])
def test_other_versions_are_refused(vendor, version, status):
    """Retired ones and ones never heard of; the version is looked at before the token."""
    assert vendor.ask("/order", version=version).status_code == status
    assert vendor.ask("/order", None, version=version).status_code == status


def test_the_older_version_still_names_the_store_order(vendor):
    """``store_order_id`` left the shipments with 2026-01; all else is alike."""
    older, newer = (vendor.ask("/order", version=v).json() for v in ("2025-07", "2026-01"))
    assert all("store_order_id" in each for order in older for each in order["shipments"])
    for order in older:
        for shipment in order["shipments"]:
            del shipment["store_order_id"]
    assert older == newer


@pytest.mark.parametrize(
    ("path", "kind", "size"),
    [("/product", "products", "PageSize"), ("/inventory-level", "inventory", "PageSize")],
)
def test_products_and_inventory_are_followed_by_address(vendor, path, kind, size):
    """``next`` is an address on the same host, with the cursor in it."""
    page = vendor.ask(path, **{size: 7}).json()
    listed = page["items"]
    while page["next"]:
        headers = {"Authorization": "Bearer acme-token"}
        page = httpx.get(vendor.base_url + page["next"], headers=headers, trust_env=False).json()
        listed += page["items"]
    expected = [line["record"] for line in vendor.truth(kind, "acme")]
    assert listed == expected
    assert len(listed) > 7


def test_products_can_be_narrowed_to_what_changed(vendor):
    """And to one inventory id, as attribution needs."""
    (changed,) = vendor.change(merchant="acme", update_products=1).by["update_products"]
    found = vendor.ask("/product", LastUpdatedTimestamp="2027-01-15T08:00:00Z").json()["items"]
    assert ids(found) == [int(changed)]
    shelf = found[0]["variants"][0]["inventory"]["inventory_id"]
    assert ids(vendor.ask("/product", InventoryId=shelf).json()["items"]) == [int(changed)]


def test_one_product_is_told_to_its_merchant_only(vendor):
    """With the scope of products; whoever has no such product is told 404."""
    (listed, *_) = vendor.ask("/product", PageSize=1).json()["items"]
    assert vendor.ask(f"/product/{listed['id']}").json() == listed
    refused = [(listed["id"], "niva"), (0, "acme"), ("x", "acme"), (listed["id"], "nobody")]
    statuses = [vendor.ask(f"/product/{number}", key).status_code for number, key in refused]
    assert statuses == [404, 404, 400, 401]


def test_returns_and_receiving_orders_tell_their_pages(vendor):
    """Returns by the number of the page, in whole addresses; receiving orders by headers."""
    page = vendor.ask("/return", Limit=4)
    listed = page.json()["items"]
    assert page.headers["Total-Count"] == str(len(truth_ids(vendor, "returns", "acme")))
    while page.json()["next"]:
        headers = {"Authorization": "Bearer acme-token"}
        page = httpx.get(page.json()["next"], headers=headers, trust_env=False)
        listed += page.json()["items"]
    assert set(ids(listed)) == truth_ids(vendor, "returns", "acme")
    receivings = vendor.ask("/receiving", Limit=3)
    assert receivings.headers["Next-Page"].endswith("Page=2&Limit=3")
    one = receivings.json()[0]
    assert vendor.ask(f"/receiving/{one['id']}").json() == one
    assert ids(vendor.ask("/receiving", IDs=str(one["id"])).json()) == [one["id"]]
    assert vendor.ask(f"/receiving/{one['id']}", "niva").status_code == 404


def test_each_token_has_its_own_sliding_window():
    """150 in any minute; what is left is told each time, and the wait in header and body."""
    with vendor_in_thread(VendorClock(lambda: NOON)) as base_url, Vendor(base_url) as vendor:
        vendor.create_world(orders=1)
        left = [int(vendor.ask("/channel").headers["x-remaining-calls"]) for _ in range(150)]
        assert left == list(range(149, -1, -1))
        vendor.advance_clock(30)
        refused = vendor.ask("/channel")
        assert (refused.status_code, refused.headers["x-retry-after"]) == (429, "30")
        assert refused.json() == {
            "statusCode": 429,
            "message": "Rate limit is exceeded. Try again in 30 seconds.",
        }
        assert vendor.ask("/channel", "niva").status_code == 200
        vendor.advance_clock(30)
        assert vendor.ask("/channel").headers["x-remaining-calls"] == "149"


def test_refused_requests_may_count_against_the_window():
    """The harsher reading: who knocks on goes on waiting."""
    limit = {"requests": 1, "per_s": 60, "count_refused": True}
    with standing_vendor(orders=1, options={"rate_limit": limit}) as vendor:
        vendor.ask("/channel")
        vendor.advance_clock(59)
        assert vendor.ask("/channel").status_code == 429
        vendor.advance_clock(2)
        assert vendor.ask("/channel").status_code == 429


def test_every_answer_carries_the_vendors_date(vendor):
    """By its own clock, which a test may set ahead."""
    assert vendor.ask("/channel").headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    vendor.advance_clock(3600)
    assert vendor.ask("/channel").headers["Date"] == "Fri, 15 Jan 2027 09:00:00 GMT"


def test_requests_are_counted(vendor):
    """By address, by status, by whose token, and those without one."""
    vendor.clear_stats()
    vendor.ask("/order")
    vendor.ask("/order", Limit=0)
    vendor.ask("/invoices", "parent")
    vendor.ask("/order", None)
    stats = vendor.stats()
    assert stats.by_endpoint == {"orders": 3, "invoices": 1}
    assert stats.by_status == {200: 2, 400: 1, 401: 1}
    assert stats.by_merchant == {"acme": 2, "parent": 1}
    assert (stats.requests, stats.refused_tokens) == (4, 1)
