"""A profile's content has one form, whatever its SDK wrote; what is no change is no change, and columns are strict."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import RowRejected
from sluice.core.records import ReadPages, Record
from sluice.sources.mixpanel.profiles_normalising import ProfileShape, moment
from sluice.sources.mixpanel.profiles_settings import ProfilesSettings
from sluice.sources.mixpanel.profiles_table import PROFILES, values_of
from tests.unit.sources.cars_vendor import Clock
from tests.unit.sources.mixpanel.profiles_vendor import engage, opened
from tests.unit.sources.slices import Stored, budget, catch_up, read_slice

BASE = {"$email": "ada@example.com", "plan": "free", "visits": 3}


def record(properties: Any, *, salt: str | None = None, **settings: Any) -> Record:
    raw = orjson.dumps({"$distinct_id": "u", "$properties": properties})
    checked = ProfilesSettings.model_validate(settings)
    return ProfileShape(checked, salt).record(Record("u", b"?", raw))


def stored_properties(properties: Any, **settings: Any) -> Any:
    return orjson.loads(record(properties, **settings).raw)["$properties"]


# --- what is the same content ----------------------------------------------------------------------------

SAME: dict[str, dict[str, Any]] = {
    "null": {**BASE, "nickname": None},
    "empty text": {**BASE, "nickname": ""},
    "white space": {**BASE, "nickname": " \t"},
    "empty array": {**BASE, "nickname": []},
    "empty object": {**BASE, "nickname": {}},
    "padded": {**BASE, "plan": " free\n"},
    "another order": dict(reversed(BASE.items())),
}


@pytest.mark.parametrize("properties", SAME.values(), ids=SAME)
def test_nothing_is_nothing_however_it_is_written(properties: dict[str, Any]) -> None:
    assert record(properties) == record(BASE)
    assert stored_properties(properties) == BASE


OTHER: dict[str, dict[str, Any]] = {
    "zero": {**BASE, "nickname": 0},
    "false": {**BASE, "nickname": False},
    "a value": {**BASE, "nickname": "Countess"},
    "a number as text": {**BASE, "visits": "3"},
    "missing": {"$email": BASE["$email"], "plan": "free"},
    "nested null": {**BASE, "nickname": [None]},
}


@pytest.mark.parametrize("properties", OTHER.values(), ids=OTHER)
def test_another_content_has_another_hash(properties: dict[str, Any]) -> None:
    assert record(properties).hash != record(BASE).hash


@pytest.mark.parametrize(
    ("rules", "properties"),
    [
        ({"empty_is_missing": False}, {**BASE, "nickname": ""}),
        ({"empty_is_missing": False}, {**BASE, "nickname": []}),
        ({"trimmed": False}, {**BASE, "plan": "free "}),
        ({"only": ["nickname"]}, {**BASE, "surname": ""}),
        ({"only": ["nickname"]}, {**BASE, "surname": None}),
        ({"only": ["nickname"]}, {**BASE, "plan": " free"}),
        ({"dates": []}, {**BASE, "$created": "2020-01-02 03:04:05"}),
    ],
)
def test_a_rule_that_is_off_changes_nothing(
    rules: dict[str, Any], properties: dict[str, Any]
) -> None:
    assert stored_properties(properties, normalising=rules) == properties
    assert stored_properties(properties) != properties


@pytest.mark.parametrize("rules", [{"empty_is_missing": False}, {"only": ["nickname"]}])
def test_null_is_missing_wherever_rules_hold(rules: dict[str, Any]) -> None:
    assert stored_properties({**BASE, "nickname": None}, normalising=rules) == BASE


@pytest.mark.parametrize(
    "written",
    [
        "2020-01-02T03:04:05",
        "2020-01-02 03:04:05",
        "2020-01-02T03:04:05.900",
        "2020-01-02T03:04:05Z",
        "2020-01-02T04:04:05+01:00",
        " 2020-01-02T03:04:05 ",
    ],
)
def test_a_date_is_one_instant_however_it_is_written(written: str) -> None:
    assert stored_properties({"$created": written}) == {"$created": "2020-01-02T03:04:05Z"}


@pytest.mark.parametrize(
    "written", ["yesterday", "2020-13-01", "20200102", "2020", "0001-01-01T00:00+14:00", 5]
)
def test_what_is_no_date_stays_as_it_is(written: Any) -> None:
    """It is the columns' business to refuse it, if it has one."""
    assert stored_properties({"$last_seen": written}) == {"$last_seen": written}


texts = st.text(max_size=6)
values = st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(texts, max_size=2)
profiles = st.dictionaries(st.sampled_from(["$email", "$created", "plan", "x"]), values)


@given(profiles)
def test_what_is_stored_is_in_its_form_already(properties: dict[str, Any]) -> None:
    """So that a reject that is read again, or a stored document, has the very hash of the row."""
    once = record(properties)
    assert record(stored_properties(properties)) == once


@given(profiles, profiles)
def test_equal_hashes_are_equal_rows(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = record(one), record(other)
    assert (first.hash == second.hash) == (first.raw == second.raw)


def test_a_volatile_property_is_stored_and_no_change(clock: Clock) -> None:
    early, late = ({**BASE, "$last_seen": f"2026-01-0{day}T00:00:00"} for day in (1, 2))
    assert record(early).hash != record(late).hash
    one, other = (record(each, volatile=["$last_seen"]) for each in (early, late))
    assert one.hash == other.hash
    assert b"2026-01-02" in other.raw


@pytest.mark.parametrize("properties", [None, [], "x", 1])
def test_a_row_without_properties_is_rejected_by_name(properties: Any) -> None:
    with pytest.raises(RowRejected, match=r"\$properties: must be an object"):
        record(properties)


# --- change detection ------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock()


def hashes(stored: Stored) -> dict[str, bytes]:
    return {each.id: each.hash for each in stored.records.values()}


def listed_again(clock: Clock, **settings: Any) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Hashes of two listings, every fourth profile changed in between."""
    vendor = engage(clock, 40)
    stream, stored = opened(vendor, **settings), Stored()
    stored = catch_up(stream, clock, stored)
    first = hashes(stored)
    for name in list(vendor.profiles)[::4]:
        vendor.profiles[name]["plan"] = "premium"
    for name in list(vendor.profiles)[1::4]:
        vendor.profiles[name]["nickname"] = ""
    clock.sleep(24 * 3600)
    step = stream.next_step({**stored.cursor, "pending": None}, clock(), full_since=None)
    assert isinstance(step, ReadPages)
    again = Stored({**stored.cursor, "pending": None})
    return first, hashes(catch_up(stream, clock, again))


def test_a_second_listing_finds_exactly_what_changed(clock: Clock) -> None:
    first, second = listed_again(clock)
    assert {name for name in first if first[name] != second[name]} == set(list(first)[::4])


def test_without_change_detection_every_row_is_written_and_the_step_says_so(clock: Clock) -> None:
    first, second = listed_again(clock, change_detection=False)
    assert all(first[name] != second[name] for name in first)
    stream = opened(engage(clock, 0), change_detection=False)
    assert stream.next_step({}, clock(), full_since=None) == ReadPages("rewrite")


def test_a_slice_of_a_rewrite_that_is_made_again_has_the_same_hashes(clock: Clock) -> None:
    """They depend on the listing and not on the moment."""
    vendor = engage(clock, 30)
    stream, stored = opened(vendor, change_detection=False), Stored()
    read_slice(stream, stored, ReadPages("rewrite"), budget(clock, requests=1))
    once, again = Stored(stored.cursor), Stored(stored.cursor)
    read_slice(stream, once, ReadPages("rewrite"), budget(clock, requests=1))
    clock.sleep(60)
    read_slice(stream, again, ReadPages("rewrite"), budget(clock, requests=1))
    assert hashes(once) == hashes(again)


def test_a_switch_of_change_detection_begins_the_listing_anew(clock: Clock) -> None:
    """Else half of a rewrite would not be one."""
    vendor = engage(clock, 30)
    stored = Stored()
    read_slice(opened(vendor), stored, ReadPages("listing"), budget(clock, requests=1))
    read_slice(opened(vendor, change_detection=False), stored, ReadPages("rewrite"), budget(clock))
    assert set(stored.sightings) == {1, 2}
    assert len(stored.sightings[2]) == 30


# --- columns ---------------------------------------------------------------------------------------------


def values_from(properties: dict[str, Any], **settings: Any) -> dict[str, Any]:
    names = [column.name for column in PROFILES.columns]
    return dict(zip(names, values_of(record(properties, **settings)), strict=True))


def test_columns_are_what_the_vendor_itself_knows_of_a_profile() -> None:
    assert values_from(
        {
            "$email": "ada@example.com",
            "$name": "Ada",
            "$first_name": "Augusta",
            "$country_code": "GB",
            "$created": "2020-01-02T03:04:05",
            "$last_seen": "2020-01-03T00:00:00",
            "plan": "premium",
        }
    ) == {
        "email": "ada@example.com",
        "name": "Ada",
        "country": "GB",
        "created_at": datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
        "last_seen_at": datetime(2020, 1, 3, tzinfo=UTC),
    }


def test_a_name_in_parts_is_put_together() -> None:
    assert values_from({"$first_name": "Ada", "$last_name": "King"})["name"] == "Ada King"
    assert values_from({"$last_name": "King"})["name"] == "King"
    assert values_from({})["name"] is None


@pytest.mark.parametrize("name", ["$email", "$name", "$country_code", "$created"])
@pytest.mark.parametrize("value", ["", "  ", None])
def test_an_empty_column_is_null_though_the_document_keeps_it(name: str, value: Any) -> None:
    rules = {"empty_is_missing": False, "trimmed": False}
    assert set(values_from({name: value}, normalising=rules).values()) == {None}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("$email", 5),
        ("$name", ["Ada"]),
        ("$last_name", True),
        ("$country_code", {}),
        ("$created", "yesterday"),
        ("$created", 1577934245),
        ("$last_seen", "2020-02-30T00:00:00"),
    ],
)
def test_a_column_of_another_type_rejects_the_row_by_its_name(name: str, value: Any) -> None:
    rules = {"empty_is_missing": False}
    with pytest.raises(RowRejected) as refused:
        values_from({name: value}, normalising=rules)
    assert refused.value.field == f"$properties.{name}"


def test_an_instant_is_whole_seconds_of_utc() -> None:
    assert moment("2020-01-02T05:04:05.999+02:00") == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
