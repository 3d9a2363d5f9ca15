"""ShipBob's calls: what is asked, and which answers are believed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from sluice.core.errors import RequestRefused, RowRejected, VendorAnswerBroken
from sluice.core.records import Record, Reject
from sluice.sources.shipbob.client import ShipBobClient, bearer
from sluice.sources.urls import check_base_url
from tests.unit.sources.http_room import Room, Vendor
from tests.unit.sources.shipbob.vendor import BASE

LIST = {"Limit": 2, "Page": 1}


class Account:
    """A client before a vendor that answers from a list."""

    def __init__(self, *answers: Any) -> None:
        self.vendor = Vendor(*map(answered, answers))
        self.room = Room(self.vendor)
        self.client = ShipBobClient(self.room.http, check_base_url(BASE), "2026-01")

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **more: getattr(self.client, name)(*args, self.room.budget(), **more)

    @property
    def asked(self) -> list[httpx.Request]:
        return self.vendor.asked


def answered(value: Any):
    if callable(value):
        return value
    if isinstance(value, int):
        return lambda request: httpx.Response(value)
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda request: httpx.Response(
        200, headers={"content-type": "application/json"}, stream=httpx.ByteStream(body)
    )


def page(*ids: int, following: str | None = None) -> dict[str, Any]:
    return {"items": [{"id": each} for each in ids], "next": following}


def test_the_token_is_a_bearers():
    """In a header, so that no address holds it."""
    assert bearer("t") == ({"authorization": "Bearer t"}, {})


def test_a_full_page_of_an_array_is_not_the_last():
    """Asked once; the query and the version go out as given."""
    account = Account([{"id": 1}, {"id": 2}])
    got = account.orders(LIST, size=2)
    assert [record.id for record in got.value.rows.records] == ["1", "2"]
    assert (got.value.last, got.requests) == (False, 1)
    assert account.asked[0].url.path.endswith("/2026-01/order")
    assert dict(account.asked[0].url.params) == {"Limit": "2", "Page": "1"}


def test_a_short_page_is_the_last_once_it_came_twice():
    """Nothing else tells the end of an array from a page that failed."""
    account = Account([{"id": 1}])
    got = account.orders(LIST, size=2)
    assert (got.value.last, got.requests) == (True, 2)


@pytest.mark.parametrize("damaged", [[], [{"id": 2}]])
def test_a_page_that_failed_once_is_not_the_end(damaged):
    """An empty page, or one that lacks a row: asked again, the vendor has more."""
    account = Account(damaged, [{"id": 1}, {"id": 2}])
    got = account.orders(LIST, size=2)
    assert (got.value.rows.rows, got.value.last) == (2, False)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"orders": []},
        "text",
        b'[{"id":1}',
        b'[{"id":1}]]',
        b'[{"id":1}],"more":[1]',
        b"",
        [1, 2],
        [{"id": 1}, {"id": 2}, {"id": 3}],
    ],
)
def test_an_odd_answer_is_not_a_page(odd):
    """Not an array, cut, more than one, no objects, more rows than asked for."""
    with pytest.raises(VendorAnswerBroken):
        Account(odd).orders(LIST, size=2)


def test_one_row_that_is_no_object_is_a_reject():
    """Among others it costs nobody else anything."""
    rows = Account([{"id": 1}, "not a row"]).orders(LIST, size=2).value.rows
    assert [record.id for record in rows.records] == ["1"]
    assert [reject.record_id for reject in rows.rejects] == [None]


@pytest.mark.parametrize(
    "following",
    [
        "/2026-01/product?cursor=abc&PageSize=2",
        "https://api.shipbob.com/2026-01/product?PageSize=2&CURSOR=abc",
        "?Cursor=abc&PageSize=2",
    ],
)
def test_the_address_of_the_next_page_becomes_its_query(following):
    """Relative or absolute, its cursor named in any case."""
    if following.startswith("?"):
        following = "/" + following
    got = Account(page(1, 2, following=following)).products({"PageSize": 2}, size=2)
    assert got.value.following == {"Cursor": "abc", "PageSize": "2"}
    assert not got.value.last


@pytest.mark.parametrize("token", ["eyJhIjoxfQ==", "/9j+4AAQ//8="])
def test_a_bare_token_is_a_cursor(token):
    """As billing gives it: base64, one in 64 of which begins as an address does."""
    got = Account(page(1, 2, following=token)).products({"PageSize": 2}, size=2)
    assert got.value.following == {"Cursor": token}


@pytest.mark.parametrize(
    "odd",
    [
        {"items": [{"id": 1}, {"id": 2}]},
        {"items": [{"id": 1}, {"id": 2}], "next": 5},
        page(1, 2, following="https://evil.example.com/x?cursor=abc"),
        page(1, 2, following="/2026-01/product?PageSize=2"),
        page(1, 2, following="a" * 9000),
        page(following="more"),
        {"next": None},
        {"items": {}, "next": None},
    ],
)
def test_an_envelope_that_does_not_say_where_it_goes_on_is_not_believed(odd):
    """No ``next``, one of another kind or host, without a cursor, too long; an empty page in the middle."""
    with pytest.raises(VendorAnswerBroken):
        Account(odd).products({"PageSize": 2}, size=2)


def test_a_short_page_before_others_is_asked_for_twice():
    """The vendor says that more comes, and has fewer rows than asked for."""
    account = Account(page(1, following="x"), page(1, 2, following="x"))
    assert account.products({"PageSize": 2}, size=2).value.rows.rows == 2
    assert len(account.asked) == 2


def test_charges_are_asked_for_with_a_body():
    """POST; the cursor in the query, the filters in the body; rows are named by their transaction."""
    answer = {"items": [{"transaction_id": "A"}, {"transaction_id": "B"}], "next": "n"}
    account = Account(answer)
    budget = account.room.budget()
    got = account.client.transactions({"page_size": 2, "sort_order": "Ascending"}, "c", budget)
    asked = account.asked[0]
    assert (asked.method, dict(asked.url.params)) == ("POST", {"Cursor": "c"})
    assert json.loads(asked.content) == {"page_size": 2, "sort_order": "Ascending"}
    assert asked.url.path.endswith("/2026-01/transactions:query")
    assert [record.id for record in got.value.rows.records] == ["A", "B"]
    assert got.value.following == {"Cursor": "n"}


def test_a_timeline_is_a_row_that_names_its_shipment():
    """Its events are kept as they came."""
    got = Account([{"log_type_id": 601}]).timeline("7")
    assert isinstance(got.value, Record)
    assert (got.value.id, json.loads(got.value.raw)) == (
        "7",
        {"shipment_id": "7", "events": [{"log_type_id": 601}]},
    )


def test_a_shipment_without_a_timeline_is_no_error():
    """404 is an answer here."""
    assert Account(404).timeline("7").value is None


def test_a_timeline_that_cannot_be_kept_is_a_reject_of_its_shipment():
    """A NUL in a text is the shipment's own trouble."""
    found = Account(b'[{"log_type_text":"a\\u0000b"}]').timeline("7").value
    assert isinstance(found, Reject)
    assert (found.record_id, found.field) == ("7", "events[0].log_type_text")


@pytest.mark.parametrize("odd", [{}, b"[", b"[1", b'["a]', "x"])
def test_a_timeline_that_is_no_array_is_not_believed(odd):
    """A body that is cut says nothing about the shipment."""
    with pytest.raises(VendorAnswerBroken):
        Account(odd).timeline("7")


def test_one_object_is_the_very_one_that_was_asked_for():
    """Number or text, its id must be that one."""
    assert Account({"id": 7, "a": 1}).order("7").value.id == "7"
    for odd in ({"id": 8}, {"id": None}, [], {}, b"{"):
        with pytest.raises((VendorAnswerBroken, RowRejected)):
            Account(odd).order("7")


def test_an_object_is_gone_when_the_vendor_says_so_twice():
    """A single 404 may be an outage of its own."""
    assert Account(404, 404).order("7").value is None
    sure = Account(410, 404)
    assert (sure.order("7").value, sure.client.traffic().contradictions) == (None, 0)
    wavering = Account(404, {"id": 7})
    assert wavering.order("7").value.id == "7"
    assert wavering.client.traffic().contradictions == 1
    assert wavering.order("7").value.id == "7"
    assert wavering.client.traffic().contradictions == 1
    unreadable = Account(404, b'{"id":7,"name":"a\\u0000b"}')
    with pytest.raises(RowRejected):
        unreadable.order("7")
    assert unreadable.client.traffic().contradictions == 1


def test_an_object_that_cannot_be_kept_is_a_rejected_row():
    """It is there, and nobody can load it."""
    with pytest.raises(RowRejected) as caught:
        Account(b'{"id":7,"name":"a\\u0000b"}').order("7")
    assert caught.value.field == "name"


@pytest.mark.parametrize("odd", ["", "..", "7/8", "7?x=1", "seven", "\u0667"])
def test_what_is_no_id_is_never_put_into_an_address(odd):
    """Ids come from rows and from pushes."""
    account = Account({"id": 7})
    with pytest.raises(RequestRefused):
        account.order(odd)
    assert account.asked == []
