"""Listing profiles: whole or not at all, through one session, whatever slices it takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.errors import (
    CredentialsRefused,
    InvariantBroken,
    PageTokenExpired,
    RequestRefused,
    SettingInvalid,
    VendorAnswerBroken,
    VendorThrottled,
)
from sluice.core.records import ReadPages, Reconcile
from sluice.sources.mixpanel.profiles_cursor import ProfilesCursor
from tests.unit.sources.cars_vendor import START, Clock, json_answer
from tests.unit.sources.mixpanel.profiles_vendor import Engage, Form, engage, opened
from tests.unit.sources.slices import Stored, budget, catch_up, read_slice


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rows(stored: Stored) -> dict[str, Any]:
    return {each.id: orjson.loads(each.raw)["$properties"] for each in stored.records.values()}


def pages_asked(vendor: Engage) -> list[str]:
    return [form.get("page", "0") for form in vendor.asked]


def cut(vendor: Engage, form: Form, keep: int) -> httpx.Response:
    """The right answer with fewer rows."""
    told = orjson.loads(vendor.right(vendor.requests[-1], form).content)
    told["results"] = told["results"][:keep]
    return json_answer(told)


# --- a listing to its end --------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 9, 10, 11, 20, 35])
def test_a_listing_brings_every_profile_and_then_waits_to_be_judged(
    clock: Clock, count: int
) -> None:
    vendor = engage(clock, count)
    stored = catch_up(opened(vendor), clock)
    assert rows(stored) == vendor.profiles
    assert stored.sightings == {1: set(vendor.profiles)}
    assert stored.errors == []
    step = opened(vendor).next_step(stored.cursor, clock(), full_since=None)
    assert step == Reconcile(1, START)


def test_the_first_page_has_no_session_and_the_others_that_of_the_first(clock: Clock) -> None:
    vendor = engage(clock, 25)
    catch_up(opened(vendor), clock)
    assert vendor.asked == [
        {},
        {"session_id": "s-1", "page": "1"},
        {"session_id": "s-1", "page": "2"},
    ]


def test_only_wanted_properties_are_asked_for(clock: Clock) -> None:
    vendor = engage(clock, 1)
    catch_up(opened(vendor, properties=["$email", "plan"]), clock)
    assert vendor.asked[0] == {"output_properties": '["$email","plan"]'}


@settings(deadline=None)  # a machine with much to do
@given(st.integers(0, 45), st.integers(1, 12), st.integers(1, 4), st.integers(1, 40))
def test_slices_of_any_size_bring_the_same(
    count: int, page_size: int, requests: int, rows_a_slice: int
) -> None:
    """The session and the page in it go from slice to slice in the cursor."""
    clock = Clock()
    vendor = engage(clock, count, page_size=page_size)
    stored = catch_up(opened(vendor), clock, requests=requests, rows=rows_a_slice)
    assert rows(stored) == vendor.profiles
    assert len(vendor.sessions) <= 2  # an empty listing is asked for twice
    cursor = ProfilesCursor.read(stored.cursor)
    assert (cursor.listing, cursor.listed_at) == (None, START)
    assert (cursor.pending is not None) == (count > 0)


# --- a session that is refused ---------------------------------------------------------------------------


def test_a_refused_session_begins_the_listing_anew_and_ends_none(clock: Clock) -> None:
    """What was read before stays, and is listed again under the next generation."""
    vendor = engage(clock, 35)
    stream, stored = opened(vendor), Stored()
    read_slice(stream, stored, ReadPages("listing"), budget(clock, requests=2))
    vendor.forget()
    stored = catch_up(stream, clock, stored)
    assert [type(error) for error in stored.errors] == [PageTokenExpired]
    assert stored.sightings[2] == set(vendor.profiles)
    cursor = ProfilesCursor.read(stored.cursor)
    assert cursor.pending is not None
    assert cursor.pending.generation == 2


def test_a_vendor_that_forgets_every_session_is_asked_ever_less_often(clock: Clock) -> None:
    vendor = engage(clock, 35)

    def forgetful(form: Form, _before: int) -> httpx.Response | None:
        return json_answer({"error": "no session"}, 404) if "session_id" in form else None

    vendor.spoil = forgetful
    stream, stored = opened(vendor), Stored()
    for _ in range(3):
        read_slice(stream, stored, ReadPages("listing"), budget(clock))
    waits = [error.retry_after for error in stored.errors if isinstance(error, PageTokenExpired)]
    assert waits == [timedelta(minutes=number) for number in (1, 2, 3)]
    assert ProfilesCursor.read(stored.cursor).pending is None


def test_a_first_page_that_is_refused_is_our_fault(clock: Clock) -> None:
    """There is no session to blame, and nothing would mend it."""
    vendor = engage(clock, 3, spoil=lambda form, before: json_answer({"error": "no"}, 400))
    with pytest.raises(RequestRefused):
        read_slice(opened(vendor), Stored(), ReadPages("listing"), budget(clock))


def test_a_listing_that_takes_longer_than_a_day_is_begun_anew(clock: Clock) -> None:
    vendor = engage(clock, 35)
    stream, stored = opened(vendor), Stored()
    read_slice(stream, stored, ReadPages("listing"), budget(clock, requests=1))
    clock.sleep(24 * 3600 + 1)
    stored = catch_up(stream, clock, stored)
    assert stored.sightings[2] == set(vendor.profiles)
    assert pages_asked(vendor) == ["0", "0", "1", "2", "3"]


# --- an end that is doubted ------------------------------------------------------------------------------


def test_an_end_that_comes_too_early_is_asked_for_again(clock: Clock) -> None:
    vendor = engage(clock, 35)
    vendor.spoil = lambda form, before: (
        cut(vendor, form, 4) if form.get("page") == "1" and before == 0 else None
    )
    stored = catch_up(opened(vendor), clock)
    assert rows(stored) == vendor.profiles
    assert pages_asked(vendor) == ["0", "1", "1", "2", "3"]
    assert ProfilesCursor.read(stored.cursor).short_by is None


def test_a_listing_that_lacks_much_of_its_total_removes_nothing(clock: Clock) -> None:
    """Told twice it is the vendor's word, so its rows are stored; nobody is judged by it."""
    vendor = engage(clock, 35)
    vendor.spoil = lambda form, before: cut(vendor, form, 4) if form.get("page") == "1" else None
    stored = catch_up(opened(vendor), clock)
    cursor = ProfilesCursor.read(stored.cursor)
    assert (cursor.pending, cursor.short_by, cursor.listed_at) == (None, 21, START)
    assert len(stored.records) == 14


def test_a_listing_that_lacks_a_few_is_judged(clock: Clock) -> None:
    """Profiles come and go while it is read; the brake and the point reads do the rest."""
    vendor = engage(clock, 35)
    vendor.spoil = lambda form, before: cut(vendor, form, 4) if form.get("page") == "3" else None
    vendor.total = 54
    cursor = ProfilesCursor.read(catch_up(opened(vendor), clock).cursor)
    assert cursor.pending is not None
    assert cursor.short_by is None
    vendor.total = 55
    assert ProfilesCursor.read(catch_up(opened(vendor), clock).cursor).short_by == 21


def test_a_total_that_counts_the_page_only_is_doubted_by_nobody(clock: Clock) -> None:
    """The published document calls it the number of users in the results payload."""
    vendor = engage(clock, 25, total=5)
    stored = catch_up(opened(vendor), clock)
    assert rows(stored) == vendor.profiles
    assert len(vendor.asked) == 3


def test_no_profile_at_all_is_believed_when_told_twice_and_removes_nothing(clock: Clock) -> None:
    vendor = engage(clock, 0)
    stored = catch_up(opened(vendor), clock)
    cursor = ProfilesCursor.read(stored.cursor)
    assert (cursor.listed_at, cursor.pending) == (START, None)
    assert len(vendor.asked) == 2


def test_a_page_that_is_an_earlier_one_over_again_is_never_stored(clock: Clock) -> None:
    """A vendor that ignores the page would have us list the first one without end."""
    vendor = engage(clock, 35)
    first = orjson.loads(vendor.page("s-1", 0, list(vendor.profiles)).content)
    vendor.spoil = lambda form, before: (
        json_answer({**first, "page": 2}) if form.get("page") == "2" else None
    )
    stored = Stored()
    read_slice(opened(vendor), stored, ReadPages("listing"), budget(clock))
    assert [type(error) for error in stored.errors] == [VendorAnswerBroken]
    assert "earlier page" in str(stored.errors[0])
    assert len(stored.records) == 20


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "another page": ({"page": 1}, "sent page 1"),
    "no page": ({"page": None}, "page is"),
    "page as text": ({"page": "0"}, "page is"),
    "page true": ({"page": True}, "page is"),
    "no page_size": ({"page_size": None}, "page_size is"),
    "page_size 0": ({"page_size": 0, "results": []}, "page_size is 0"),
    "more than page_size": ({"page_size": 3}, "has 10 rows"),
    "no total": ({"total": None}, "total is"),
    "total below 0": ({"total": -1}, "total is"),
    "an error": ({"status": "error"}, "status is 'error'"),
    "no session": ({"session_id": None}, "names no session"),
    "empty session": ({"session_id": ""}, "names no session"),
    "no rows": ({"results": None}, "no array"),
}


@pytest.mark.parametrize(("change", "says"), BROKEN.values(), ids=BROKEN)
def test_an_answer_that_contradicts_itself_is_broken(
    clock: Clock, change: dict[str, Any], says: str
) -> None:
    vendor = engage(clock, 35)
    right = orjson.loads(vendor.page("s-1", 0, list(vendor.profiles)).content)
    vendor.spoil = lambda form, before: json_answer({**right, **change})
    with pytest.raises(VendorAnswerBroken, match=says):
        read_slice_strictly(opened(vendor), clock)


def read_slice_strictly(stream: Any, clock: Clock) -> None:
    """Errors of the vendor's are raised, not noted."""
    for _ in stream.pages(ReadPages("listing"), {}, budget(clock)):
        pass


# --- rows ------------------------------------------------------------------------------------------------


def test_a_row_without_properties_or_id_is_a_reject_and_its_neighbours_are_stored(
    clock: Clock,
) -> None:
    vendor = engage(clock, 3)
    odd = [
        {"$distinct_id": "odd", "$properties": []},
        {"$properties": {}},
        {"$distinct_id": 4, "$properties": {}},
    ]
    right = orjson.loads(vendor.page("s-1", 0, list(vendor.profiles)).content)
    right |= {"results": [*right["results"], *odd], "total": 6}
    vendor.spoil = lambda form, before: json_answer(right)
    stored = catch_up(opened(vendor), clock)
    assert set(stored.records) == {*vendor.profiles, "4"}
    assert {(each.record_id, each.field) for each in stored.rejects} == {
        ("odd", "$properties"),
        (None, "$distinct_id"),
    }


def test_a_reject_is_read_again_as_any_row(clock: Clock) -> None:
    stream = opened(engage(clock, 0))
    record = stream.record_of('{"$distinct_id":4,"$properties":{"$email":" a@b.c ","x":""}}')
    assert (record.id, record.raw) == (
        "4",
        b'{"$distinct_id":"4","$properties":{"$email":"a@b.c"}}',
    )


# --- when it is due --------------------------------------------------------------------------------------


def test_a_listing_is_due_each_night_at_three_and_never_twice(clock: Clock) -> None:
    stream = opened(engage(clock, 3))
    stored = catch_up(stream, clock)  # at noon of the 1st
    done = stream.after_reconcile(stored.cursor, Reconcile(1, START), None)

    def is_due(**later: float) -> bool:
        return stream.next_step(done, START + timedelta(**later), full_since=None) is not None

    assert not is_due(hours=14, minutes=59)
    assert is_due(hours=15)
    assert is_due(days=9)


def test_one_that_began_shortly_before_three_is_last_nights(clock: Clock) -> None:
    """A person asked for it at two: the beat an hour later has nothing to add."""
    stream = opened(engage(clock, 0))
    listed = {"listed_at": "2026-11-02T02:00:00+00:00"}
    at = START + timedelta(days=1, hours=-8)  # four in the morning
    assert stream.next_step(listed, at, full_since=None) is None
    assert stream.next_step(listed, at + timedelta(days=1), full_since=None) is not None


def test_a_rhythm_is_counted_from_the_time_of_day(clock: Clock) -> None:
    stream = opened(engage(clock, 0), every="PT6H", at="01:30")
    listed = {"listed_at": "2026-11-01T07:31:00+00:00"}
    minutes = timedelta(minutes=1)
    assert stream.next_step(listed, START + 89 * minutes, full_since=None) is None
    assert stream.next_step(listed, START + 90 * minutes, full_since=None) == ReadPages("listing")


def test_a_full_read_is_due_at_once_when_asked_for_and_not_again(clock: Clock) -> None:
    stream = opened(engage(clock, 0))
    listed = {"listed_at": START.isoformat()}
    later = START + timedelta(minutes=5)
    assert stream.next_step(listed, later, full_since=later) == ReadPages("listing")
    assert stream.next_step({"listed_at": later.isoformat()}, later, full_since=later) is None


# --- settings and credentials ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"every": "PT1S"}, "profiles.every"),
        ({"at": "03:00+02:00"}, "profiles.at"),
        ({"properties": []}, "profiles.properties"),
        ({"normalising": {"trim": True}}, "profiles.normalising.trim"),
        ({"change_detecting": False}, "profiles.change_detecting"),
    ],
)
def test_a_setting_at_fault_is_named(clock: Clock, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingInvalid, match=named):
        opened(engage(clock, 0), **settings)


@pytest.mark.parametrize("secret", ["", "two words", "gr\u00fc\u00dfe:x", "a:b\nc:d"])
def test_a_secret_that_is_none_is_named_and_not_shown(clock: Clock, secret: str) -> None:
    with pytest.raises(SettingInvalid, match="service account") as refused:
        opened(engage(clock, 0), secret=secret)
    assert not secret or secret not in str(refused.value)


def test_a_project_secret_is_the_user_name_without_a_password(clock: Clock) -> None:
    vendor = engage(clock, 1, spoil=lambda form, before: json_answer({}, 401))
    with pytest.raises(CredentialsRefused):
        read_slice(opened(vendor, secret="0123abcd"), Stored(), ReadPages("listing"), budget(clock))
    assert vendor.requests[0].headers["authorization"] == "Basic MDEyM2FiY2Q6"


def test_the_query_api_is_asked_no_more_than_its_limit(clock: Clock) -> None:
    """Of sixty an hour the sixty-first waits for the hour to pass; what was read until then is stored."""
    vendor = engage(clock, 700)
    stored = Stored()
    read_slice(opened(vendor, queries_per_hour=60), stored, ReadPages("listing"), budget(clock))
    assert len(vendor.asked) == 60
    assert len(stored.records) == 600
    assert [type(error).__mro__[1] for error in stored.errors] == [VendorThrottled]


def test_another_streams_cursor_or_step_is_a_bug(clock: Clock) -> None:
    stream = opened(engage(clock, 0))
    with pytest.raises(InvariantBroken, match="Mixpanel's profiles"):
        ProfilesCursor.read({"listing": {"page": 3}})
    with pytest.raises(InvariantBroken, match="no step"):
        stream.pages(ReadPages("crawl"), {}, budget(clock))
    with pytest.raises(InvariantBroken, match="not waiting"):
        stream.after_reconcile({}, Reconcile(1, START), None)
