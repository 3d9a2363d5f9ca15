"""Faults of the simulated cars vendor in what it answers, and which answers they meet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.digests import business_digest
from local.vendors.cars.models import (
    CONTENTS,
    DELIVERIES,
    REFUSALS,
    AccountOptions,
    Fault,
    FaultKind,
    PoisonKind,
)
from local.vendors.cars.server import vendor_in_thread
from local.vendors.loopback.clock import VendorClock

NOON = 1_800_000_000.0
KEY = "k"


class Vendor(CarsVendorControl):
    """Control and vendor addresses through one client."""

    def ask(self, path: str = "/api/cars", **query: Any) -> httpx.Response:
        return self._client.get(
            self.base_url + path, params=query, headers={"x-api-key": KEY}, follow_redirects=False
        )

    def page(self, page: int = 1) -> dict[str, Any]:
        return self.ask(page=page, per_page=10, simple_paginate=0).json()

    def scroll(self, **query: Any) -> httpx.Response:
        return self.ask("/cars", api_key=KEY, **query)


def ids(answer: dict[str, Any]) -> list[int]:
    return [row["id"] for row in answer["data"]]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendor_in_thread(VendorClock(lambda: NOON)) as base_url, Vendor(base_url) as vendor:
        vendor.create_account(KEY, cars=50, options=AccountOptions(volatile=False))
        yield vendor


def statuses(vendor: Vendor, order: list[int]) -> dict[int, list[int]]:
    got: dict[int, list[int]] = {page: [] for page in order}
    for page in order:
        got[page].append(vendor.ask(page=page, per_page=10).status_code)
    return got


def test_which_answers_fail_depends_on_the_seed_and_not_on_the_order(vendor):
    """The third asking of page 4 meets the same luck whatever was asked in between."""
    pages = [1, 2, 3, 4, 5] * 8
    got = []
    for seed, order in ((7, pages), (7, sorted(pages)), (8, pages)):
        vendor.clear_faults(KEY)
        vendor.set_fault(KEY, "server_error", probability=0.4, seed=seed)
        got.append(statuses(vendor, order))
    assert got[0] == got[1] != got[2]
    failed = sum(status != 200 for page in got[0].values() for status in page)
    assert 8 <= failed <= 24
    assert {status for page in got[0].values() for status in page} == {200, 500, 502, 503, 504}


def test_a_fault_keeps_to_its_paths_pages_and_counts(vendor):
    """Limited to path kinds and page numbers; ``skip`` passes first, ``limit`` ends it."""
    vendor.set_fault(KEY, "server_error", status=503, paths=["page"], pages=[2], skip=1, limit=2)
    assert [vendor.ask(page=2).status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    vendor.set_fault(KEY, "server_error", status=503, paths=["detail"])
    assert vendor.ask("/api/cars/1000001").status_code == 503
    assert vendor.ask(page=2).status_code == 200
    assert vendor.scroll().status_code == 200
    assert vendor.ask("/api/archived-lots").status_code == 200


def test_faults_are_switched_off_one_by_one_or_all(vendor):
    """Of one name the latest holds; a name of its own lets a kind be on twice."""
    vendor.set_fault(KEY, "forbidden", paths=["page"])
    vendor.set_fault(KEY, "forbidden", name="on details", paths=["detail"])
    assert vendor.accounts()[0].faults == ("forbidden", "on details")
    vendor.set_fault(KEY, "forbidden", on=False)
    assert vendor.accounts()[0].faults == ("on details",)
    vendor.clear_faults(KEY)
    assert vendor.ask("/api/cars/1000001").status_code == 200


def test_faults_served_are_counted(vendor):
    """A test can tell a fault survived from a fault that never came."""
    vendor.set_fault(KEY, "server_error", status=500, limit=2)
    for _ in range(4):
        vendor.ask()
    assert vendor.stats(KEY).faults == {"server_error": 2}
    assert vendor.stats(KEY).by_status == {500: 2, 200: 2}


def test_one_account_s_faults_leave_the_others_alone(vendor):
    """Each client's vendor fails for itself."""
    vendor.create_account("calm", cars=1)
    vendor.set_fault(KEY, "forbidden")
    calm = vendor._client.get(vendor.base_url + "/api/cars", headers={"x-api-key": "calm"})
    assert (calm.status_code, vendor.ask().status_code) == (200, 403)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, None),
        ({"retry_after_s": 7}, "7"),
        ({"retry_after_s": 0}, "0"),
        ({"retry_after_s": 7, "retry_after_form": "date"}, "Fri, 15 Jan 2027 08:00:07 GMT"),
    ],
)
def test_429_with_and_without_retry_after(vendor, parameters, told):
    """In seconds, as a date by the vendor's clock, or left out."""
    vendor.set_fault(KEY, "rate_limited", **parameters)
    answer = vendor.ask()
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, told)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_come_as_json_or_as_a_gateways_html(vendor, status):
    """The application's own 500 is JSON; what stands before it writes HTML."""
    vendor.set_fault(KEY, "server_error", status=status, retry_after_s=3)
    answer = vendor.ask()
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "3")
    assert answer.headers["Content-Type"].startswith("application/json") is (status == 500)


def test_a_refusal_after_the_work_moves_the_scroll_on(vendor):
    """A gateway that gave up waiting: the batch behind it is lost."""
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    vendor.set_fault(KEY, "server_error", status=504, after_work=True, limit=1)
    assert vendor.scroll(scroll_id=scroll_id).status_code == 504
    assert ids(vendor.scroll(scroll_id=scroll_id).json()) == vendor.listed_ids(KEY)[20:30]


def test_a_refusal_before_the_work_leaves_the_scroll_where_it_was(vendor):
    """The usual 503: nothing happened."""
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    vendor.set_fault(KEY, "server_error", status=503, limit=1)
    assert vendor.scroll(scroll_id=scroll_id).status_code == 503
    assert ids(vendor.scroll(scroll_id=scroll_id).json()) == vendor.listed_ids(KEY)[10:20]


def test_401_and_403_in_the_middle_of_a_run(vendor):
    """A key that works before and after."""
    vendor.set_fault(KEY, "unauthorized", skip=1, limit=1)
    assert [vendor.ask().status_code for _ in range(3)] == [200, 401, 200]
    vendor.clear_faults(KEY)
    vendor.set_fault(KEY, "forbidden", skip=1, limit=1)
    assert [vendor.ask().status_code for _ in range(3)] == [200, 403, 200]


def test_a_redirect_leads_to_another_host(vendor):
    """Following it would send the key there."""
    vendor.set_fault(KEY, "redirect", location="http://127.0.0.2:9/api/cars")
    answer = vendor.ask()
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://127.0.0.2:9/api/cars")


def test_an_html_page_with_status_200(vendor):
    """What a bot check sends."""
    vendor.set_fault(KEY, "html")
    answer = vendor.ask()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=UTF-8")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_an_expired_scroll_stays_expired(vendor):
    """The fault ends the scroll; opening one is never refused by it."""
    vendor.set_fault(KEY, "expired_scroll", limit=1)
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    assert [vendor.scroll(scroll_id=scroll_id).status_code for _ in range(2)] == [404, 404]
    assert vendor.scroll(limit=10).status_code == 200


def test_an_empty_page_in_the_middle(vendor):
    """No rows, while meta says that there is more; a scroll's next_url too."""
    vendor.set_fault(KEY, "empty_page", pages=[3])
    assert vendor.page(3) == {**vendor.page(3), "data": []}
    assert vendor.page(3)["meta"] == {"current_page": 3, "last_page": 5}
    assert len(vendor.page(4)["data"]) == 10
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    vendor.scroll(scroll_id=scroll_id)
    third = vendor.scroll(scroll_id=scroll_id).json()
    assert third["data"] == []
    assert third["next_url"]


def test_empty_archived_lots(vendor):
    """The list is empty although lots were archived."""
    vendor.mutate(KEY, archive=3)
    vendor.set_fault(KEY, "empty_page", paths=["archived"])
    assert vendor.ask("/api/archived-lots").json() == {"archived_lots": []}


def test_rows_are_missing_without_a_sign(vendor):
    """Other rows on each asking; nothing but the count tells."""
    vendor.set_fault(KEY, "missing_rows", rows=2)
    once, again = set(ids(vendor.page(2))), set(ids(vendor.page(2)))
    assert len(once) == len(again) == 8
    assert once != again
    assert once | again <= set(vendor.listed_ids(KEY)[10:20])


def test_rows_come_twice_within_and_between_pages(vendor):
    """Three of this page again at its end, three of the page before at its beginning."""
    vendor.set_fault(KEY, "duplicate_rows", rows=3)
    listed = vendor.listed_ids(KEY)
    assert ids(vendor.page(2)) == listed[7:10] + listed[10:20] + listed[10:13]
    assert ids(vendor.page(1)) == listed[0:10] + listed[0:3]
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    second = ids(vendor.scroll(scroll_id=scroll_id).json())
    assert second == listed[7:10] + listed[10:20] + listed[10:13]


def test_rows_come_in_another_order(vendor):
    """The same rows."""
    vendor.set_fault(KEY, "reordered_rows")
    shuffled = ids(vendor.page(1))
    assert shuffled != vendor.listed_ids(KEY)[:10]
    assert sorted(shuffled) == vendor.listed_ids(KEY)[:10]


@pytest.mark.parametrize(("honest", "told"), [(True, 2), (False, 3)])
def test_a_page_repeats_the_one_before(vendor, honest, told):
    """meta says so, or lies; page 1 has none before it."""
    vendor.set_fault(KEY, "repeated_page", honest_meta=honest)
    answer = vendor.page(3)
    assert ids(answer) == vendor.listed_ids(KEY)[10:20]
    assert answer["meta"] == {"current_page": told, "last_page": 5}
    assert ids(vendor.page(1)) == vendor.listed_ids(KEY)[:10]


def test_the_listing_ends_early(vendor):
    """The page claims to be the last; the scroll has no next_url."""
    vendor.set_fault(KEY, "early_end", pages=[2])
    assert vendor.page(2)["meta"] == {"current_page": 2, "last_page": 2}
    assert vendor.page(2)["links"]["next"] is None
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    second = vendor.scroll(scroll_id=scroll_id).json()
    assert (len(second["data"]), second["next_url"]) == (10, "")


@pytest.mark.parametrize("position", ["advancing", "repeatable"])
def test_a_scroll_runs_in_a_loop(vendor, position):
    """The way on leads back to batches already read, without end."""
    options = AccountOptions(volatile=False, scroll_position=position)
    vendor.create_account(KEY, cars=50, options=options, replace=True)
    vendor.set_fault(KEY, "token_loop", pages=[2], back=1)
    answer = vendor.scroll(limit=10).json()
    batches = [ids(answer)]
    for _ in range(5):
        assert answer["next_url"]
        answer = vendor._client.get(answer["next_url"]).json()
        batches.append(ids(answer))
    listed = vendor.listed_ids(KEY)
    assert batches == [listed[:10], listed[10:20]] * 3


def test_a_scroll_that_stands_still(vendor):
    """``back=0``: the same batch over and over."""
    vendor.set_fault(KEY, "token_loop", back=0)
    scroll_id = vendor.scroll(limit=10).json()["scroll_id"]
    batches = [ids(vendor.scroll(scroll_id=scroll_id).json()) for _ in range(3)]
    assert batches == [vendor.listed_ids(KEY)[:10]] * 3


def test_the_catalogue_changes_while_it_is_read(vendor):
    """Cars removed between two pages move the others up, so a crawl misses some that are there."""
    vendor.set_fault(KEY, "churn", mutation={"remove": 2, "change": 1, "add": 1})
    before = set(vendor.listed_ids(KEY))
    seen = [car_id for n in range(1, 6) for car_id in ids(vendor.page(n))]
    after = set(vendor.listed_ids(KEY))
    assert len(vendor.removed_ids(KEY)) == 10
    assert before & after - set(seen)
    assert vendor.stats(KEY).faults == {"churn": 5}


def test_churn_spares_a_catalogue_too_small_for_it(vendor):
    """Then nothing changes and nothing is counted."""
    vendor.set_fault(KEY, "churn", mutation={"remove": 51})
    assert vendor.ask().status_code == 200
    assert vendor.stats(KEY).faults == {}


def poisoned_row(vendor: Vendor, kind: PoisonKind) -> str:
    vendor.set_fault(KEY, "poison_rows", poisons=[kind])
    return vendor.ask("/api/cars/1000003").text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (PoisonKind.NUL, "\\u0000"),
        (PoisonKind.LONE_SURROGATE, "\\ud83d here"),
        (PoisonKind.HUGE_FLOAT, ":1e400,"),
        (PoisonKind.HUGE_INTEGER, ":1" + "0" * 40 + ","),
        (PoisonKind.INVALID_DATE, "2026-02-31T25:61:00Z"),
        (PoisonKind.TEXT_YEAR, '"year":"n/a"'),
        (PoisonKind.LOTS_OBJECT, '"lots":{"first":{'),
        (PoisonKind.UNKNOWN_FIELD, '"recall_campaigns":[{'),
        (PoisonKind.DEEP_JSON, "[" * 5000 + "]" * 5000),
        (PoisonKind.NULL_ID, '"id":null'),
        (PoisonKind.TEXT_ID, '"id":"1000003"'),
        (PoisonKind.NOT_AN_OBJECT, '"not a record"'),
    ],
)
def test_poisoned_rows_carry_what_they_are_named_after(vendor, kind, text):
    """As raw text, since no client library would show it unchanged."""
    assert text in poisoned_row(vendor, kind)


@pytest.mark.parametrize("kind", [kind for kind in PoisonKind if kind is not PoisonKind.DEEP_JSON])
def test_a_poisoned_row_is_whole_json(vendor, kind):
    """What is wrong with it is the value, not the syntax: a cut row would be a fault of its own."""
    json.loads(poisoned_row(vendor, kind))


def test_a_row_nested_deeply_closes_all_it_opens(vendor):
    row = poisoned_row(vendor, PoisonKind.DEEP_JSON)
    assert [row.count(bracket) for bracket in "[{"] == [row.count(bracket) for bracket in "]}"]


def test_a_poisoned_row_can_lack_its_id(vendor):
    """Everything else is there."""
    row = json.loads(poisoned_row(vendor, PoisonKind.MISSING_ID))
    assert "id" not in row
    assert row["vin"]


@pytest.mark.parametrize("kind", [PoisonKind.LONE_SURROGATE, PoisonKind.DEEP_JSON])
def test_some_poison_spoils_the_whole_page_for_a_fast_parser(vendor, kind):
    """One such row makes the page unreadable unless its rows are taken apart first."""
    vendor.set_fault(KEY, "poison_rows", poisons=[kind], probability=0.2)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(vendor.ask(per_page=50).content)


def test_the_same_cars_are_poisoned_each_time_and_the_truth_is_sound(vendor):
    """So that a run's rejects can be compared with the poisoned ids; other rows are untouched."""
    vendor.set_fault(KEY, "poison_rows", poisons=["text_year"], probability=0.2, seed=3)
    rows = [row for _ in range(2) for n in range(1, 6) for row in vendor.page(n)["data"]]
    spoilt = {row["id"] for row in rows if row.get("year") == "n/a"}
    truth = vendor.truth_digests(KEY)
    assert 4 <= len(spoilt) <= 18
    assert vendor.stats(KEY).poisoned == tuple(sorted(spoilt))
    assert {row["id"] for row in rows if business_digest(row) != truth[row["id"]]} == spoilt
    assert vendor.stats(KEY).faults["poison_rows"] == 2 * len(spoilt)


def test_content_faults_add_up(vendor):
    """A page can be doubled and poisoned and come late, all at once."""
    vendor.set_faults(
        KEY,
        Fault(kind=FaultKind.DUPLICATE_ROWS, rows=1),
        Fault(kind=FaultKind.POISON_ROWS, poisons=(PoisonKind.TEXT_YEAR,)),
        Fault(kind=FaultKind.SLOW, delay_ms=1),
    )
    rows = vendor.page(1)["data"]
    assert [row["year"] for row in rows] == ["n/a"] * 11
    assert vendor.stats(KEY).faults == {"duplicate_rows": 1, "poison_rows": 11, "slow": 1}


def test_every_kind_belongs_to_one_sort():
    """A kind in no set would never be served."""
    assert sorted([*REFUSALS, *DELIVERIES, *CONTENTS]) == sorted(FaultKind)


@pytest.mark.parametrize("kind", ["token_loop", "expired_scroll"])
def test_a_scroll_fault_off_the_scroll_is_refused(kind):
    """Its test would pass because nothing could go wrong."""
    with pytest.raises(ValueError, match="scrolls only"):
        Fault(kind=kind, paths=("page",))
