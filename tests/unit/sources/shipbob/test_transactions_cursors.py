"""The vendor's cursors in the cursor of the transactions stream: cut, lost, and leading round."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.errors import InvariantBroken, RequestRefused, VendorAnswerBroken
from sluice.core.records import Derive, ReadPages
from sluice.sources.shipbob.transactions_cursor import TransactionsCursor
from tests.unit.sources.cars_vendor import START, json_answer
from tests.unit.sources.shipbob.billing_reader import Reader, ids_of, reader
from tests.unit.sources.shipbob.billing_vendor import charge, charges
from tests.unit.sources.slices import budget

HOUR = timedelta(hours=1)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(1, 300), st.integers(2, 9)), min_size=1, max_size=9))
def test_slices_of_any_size_read_the_same(sizes: list[tuple[int, int]]) -> None:
    """The vendor's cursor is kept in ours: however reading is cut into slices, the result is the same."""
    rows = charges(430, days=20)
    read = reader(rows, billing_page_size=50)
    for number in range(300):
        step = read.step()
        if step is None:
            break
        most, requests = sizes[number % len(sizes)]
        read.slice(step, rows=most, requests=requests)
    assert read.step() is None
    assert read.ids() == ids_of(rows)
    assert read.stored.errors == []
    recent = {row["transaction_id"] for row in rows if row["charge_date"] >= "2026-10-29"}
    assert read.stored.sightings == {1: recent}


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_cursor_that_the_vendor_forgot_begins_its_listing_anew(status: int) -> None:
    """Refused in the next slice: nothing is lost, and no person is asked."""
    rows = charges(300, days=3)
    read = reader(rows, billing_page_size=50)
    while not read.ids():
        read.slice(read.step(), rows=50)
    listing = TransactionsCursor.read(read.stored.cursor).listing
    assert listing is not None
    forgotten = [listing.token]

    def spoil(asked: dict[str, Any], _before: int) -> httpx.Response | None:
        return httpx.Response(status) if forgotten and asked["cursor"] == forgotten.pop() else None

    read.vendor.spoil = spoil
    read.caught_up()
    assert forgotten == []
    assert read.ids() == ids_of(rows)
    assert read.stored.errors == []


def test_a_refusal_of_the_question_itself_is_a_persons_matter() -> None:
    """Without a cursor there is nothing to begin anew."""
    read = reader(charges(10))
    read.vendor.spoil = lambda _asked, _before: httpx.Response(400)
    step = read.step()
    with pytest.raises(RequestRefused):
        list(read.stream.pages(step, {}, budget(read.clock)))


def test_a_page_read_before_is_asked_for_again() -> None:
    """One answer of the wrong page is no end, and no page is passed over."""
    rows = charges(300, days=3)
    read = reader(rows, billing_page_size=50)
    first: list[httpx.Response] = []

    def spoil(asked: dict[str, Any], before: int) -> httpx.Response | None:
        answer = read.vendor.right(":query", asked)
        if asked["cursor"] is None:
            first[:] = [answer]
        elif before == 0:
            told = answer.json()
            return json_answer({**told, "items": first[0].json()["items"]})
        return None

    read.vendor.spoil = spoil
    read.caught_up()
    assert read.ids() == ids_of(rows)
    begun = [json.dumps(each) for each in read.vendor.asked if each["cursor"] is None]
    full = [
        each
        for each in begun
        if len(read.vendor.right(":query", json.loads(each)).json()["items"]) == 50
    ]
    assert len(full) == len(set(full)) > 0  # and no listing was begun anew for it


@pytest.mark.parametrize("back", [0, 2])
def test_cursors_that_lead_round_are_broken_and_not_the_end(back: int) -> None:
    """In one slice or over many: the listing is begun anew, and failing that it is an error; nothing is believed
    to be complete."""
    rows = charges(300, days=3)

    def spoil(asked: dict[str, Any], _before: int) -> httpx.Response | None:
        told = read.vendor.right(":query", asked).json()
        if not told["items"]:
            return None
        kept = asked if asked["cursor"] is None else json.loads(asked["cursor"])
        at = max(0, kept.get("at", 0) - back * 50)
        return json_answer({**told, "next": json.dumps({**kept, "cursor": None, "at": at})})

    for slice_rows in (50, 10_000):
        read = reader(rows, billing_page_size=50)
        read.vendor.spoil = spoil
        for _ in range(60):
            step = read.step()
            assert isinstance(step, ReadPages | Derive)
            read.slice(step, rows=slice_rows)
            if read.stored.errors:
                break
        assert isinstance(read.stored.errors[-1], VendorAnswerBroken)
        assert "read before" in str(read.stored.errors[-1])
        assert "recent" not in read.steps
        read.vendor.spoil = None
        read.clock.sleep(700)
        read.caught_up()
        assert read.ids() == ids_of(rows)


def test_pages_without_a_sound_id_lead_round_no_longer_than_others() -> None:
    """Rows that cannot be kept have no id to be known by: their pages are known all the same."""
    rows = [charge(n, days_ago=2, transaction_id=None) for n in range(120)]
    read = reader(rows, billing_page_size=50)

    def spoil(asked: dict[str, Any], _before: int) -> httpx.Response:
        kept = asked if asked["cursor"] is None else json.loads(asked["cursor"])
        return read.vendor.right(":query", {**kept, "cursor": None})  # the first page, always

    read.vendor.spoil = spoil
    while not read.stored.errors:
        read.slice(read.step(), requests=60)
        assert len(read.steps) < 60
    assert "read before" in str(read.stored.errors[-1])


def test_a_listing_that_keeps_losing_its_cursor_says_so_and_is_tried_later() -> None:
    """Slices that get nowhere must not go on for ever, unseen; nor may they give up for good."""
    rows = charges(400, days=3)
    read = reader(rows, billing_page_size=50)

    def spoil(asked: dict[str, Any], before: int) -> httpx.Response | None:
        known = asked["cursor"] is None or json.loads(asked["cursor"])["at"] < 100
        return None if known and not before else (httpx.Response(400) if not known else None)

    read.vendor.spoil = spoil
    for _ in range(40):
        step = read.step()
        assert step is not None
        try:
            read.slice(step)
        except RequestRefused:
            continue
        if read.stored.errors:
            break
    assert "lost its cursor 4 times" in str(read.stored.errors[-1])
    read.vendor.spoil = None
    read.clock.sleep(700)
    read.caught_up()
    assert read.ids() == ids_of(rows)


def test_a_page_size_that_is_set_anew_counts_from_the_next_listing_on() -> None:
    """The cursor of the vendor keeps the size it began with."""
    rows = charges(300, days=3)
    read = reader(rows, billing_page_size=100)
    while not read.ids():
        read.slice(read.step(), rows=100)
    smaller = Reader(read.vendor, read.clock, billing_page_size=30)
    smaller.stored = read.stored
    smaller.caught_up()
    assert smaller.ids() == ids_of(rows)
    assert smaller.stored.errors == []


@pytest.mark.parametrize(
    "cursor",
    [{"through": "2026-01-01"}, {"listing": {}}, {"pending": 5}, {"again": {}}, {"correct": {}}],
)
def test_a_foreign_cursor_is_a_bug_and_not_a_beginning(cursor: dict[str, Any]) -> None:
    """Never read silently as if it were empty."""
    with pytest.raises(InvariantBroken):
        reader([]).stream.next_step(cursor, START, full_since=None)
