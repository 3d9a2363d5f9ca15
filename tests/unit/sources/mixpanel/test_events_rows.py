"""One exported line: its identity, its record, its values, and what makes it a reject."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import RowRejected
from sluice.sources.mixpanel.counting import DEFAULT
from sluice.sources.mixpanel.events_table import EVENTS
from sluice.sources.mixpanel.payloads import Identity, read_event, record_of, reject_of, values_of
from sluice.sources.mixpanel.project_time import ProjectClock
from tests.unit.sources.mixpanel.events_vendor import sent

CLOCK = ProjectClock.of("UTC")
AT = datetime(2026, 10, 3, 4, 5, 6, tzinfo=UTC)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


def line(**changed) -> bytes:
    """A good line with some properties changed; None leaves one out."""
    row = json.loads(sent(1, AT).line("UTC"))
    event = changed.pop("event", row["event"])
    properties = {**row["properties"], **changed}
    kept = {name: value for name, value in properties.items() if value is not None}
    return json.dumps({"event": event, "properties": kept}).encode()


def test_a_row_is_named_by_its_day_and_its_identity():
    """The same on every machine, as the vendor in memory works it out by itself."""
    event = read_event(sent(1, AT).line("UTC"), CLOCK)
    assert event.record.id == sent(1, AT).key("UTC")
    assert event.record.id.startswith("2026-10-03/")
    assert event.record.version is None
    assert event.time == int(AT.timestamp())


def test_the_day_is_that_of_the_instant_and_not_of_the_wall_clock():
    """23:30 in New York is the next day in UTC."""
    late = datetime(2026, 7, 2, 3, 30, tzinfo=UTC)
    clock = ProjectClock.of("America/New_York")
    record = read_event(sent(1, late).line("America/New_York"), clock).record
    assert record.id.startswith("2026-07-02/")
    assert values_of(record, clock, DEFAULT)[2] == late


def test_only_the_identity_is_hashed():
    """Other properties, in another order, processed later: unchanged. Another $insert_id or user: another event."""
    first = read_event(line(), CLOCK).record
    again = read_event(line(zz=1, mp_processing_time_ms=5, **{"$city": "Köln"}), CLOCK).record
    assert (again.id, again.hash) == (first.id, first.hash)
    assert again.raw != first.raw
    for change in ({"$insert_id": "other"}, {"distinct_id": "else"}, {"time": 5}, {"event": "E"}):
        assert read_event(line(**change), CLOCK).record.id != first.id


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_no_two_identities_look_alike(one, other):
    """However their parts are cut."""
    a, b = (Identity(event, who, 5, insert) for event, who, insert in (one, other))
    assert (a.digest() == b.digest()) == (one == other)


def test_a_number_and_its_text_are_one_subscriber():
    """Ids come as either."""
    assert (
        read_event(line(distinct_id=17), CLOCK).record.id
        == read_event(line(distinct_id="17"), CLOCK).record.id
    )


def test_values_stand_in_the_order_of_the_columns():
    """Event, user, instant, insert id, when processed, what it adds."""
    record = read_event(line(mp_processing_time_ms=1_700_000_000_123), CLOCK).record
    values = dict(zip([c.name for c in EVENTS.columns], values_of(record, CLOCK, DEFAULT)))  # noqa: B905
    assert values == {
        "event": "$ae_session",
        "distinct_id": "user-1",
        "occurred_at": AT,
        "insert_id": "insert-1",
        "processed_at": datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC),
        "effects": '{"add": {"app_sessions": 1}}',
    }
    bare = read_event(line(mp_processing_time_ms=None), CLOCK).record
    assert values_of(bare, CLOCK, DEFAULT)[4] is None


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (b'"a text"', None),
        (b"[1]", None),
        (b"5", None),
        (b'{"event":"e"}', "properties"),
        (b'{"event":"e","properties":[]}', "properties"),
        (line(event=None), "event"),
        (line(event=""), "event"),
        (line(event=5), "event"),
        (line(distinct_id=None), "properties.distinct_id"),
        (line(distinct_id=""), "properties.distinct_id"),
        (line(distinct_id=True), "properties.distinct_id"),
        (line(distinct_id="x" * 256), "properties.distinct_id"),
        (line(time=None), "properties.time"),
        (line(time="1790000000"), "properties.time"),
        (line(time=1790000000.25), "properties.time"),
        (line(time=True), "properties.time"),
        (line(time=-5), "properties.time"),
        (line(time=1790000000000), "properties.time"),
        (line(**{"$insert_id": None}), "properties.$insert_id"),
        (line(**{"$insert_id": 7}), "properties.$insert_id"),
        (line(note="a\0b"), "properties.note"),
        (line(number=2**64), "properties.number"),
    ],
)
def test_a_row_at_fault_is_rejected_by_the_name_of_the_field(bad, field):
    """Never a guessed value."""
    with pytest.raises(RowRejected) as caught:
        read_event(bad, CLOCK)
    assert caught.value.field == field
    reject = reject_of(bad, caught.value, CLOCK)
    assert (reject.field, reject.reason) == (field, caught.value.reason)
    with pytest.raises(RowRejected):
        record_of(reject.raw, CLOCK)


def test_a_reject_with_a_sound_identity_is_found_by_it():
    """A good reading of the same event settles it; without an identity it has no name."""
    error = RowRejected("?")
    assert reject_of(line(note="a\0b"), error, CLOCK).record_id == sent(1, AT).key("UTC")
    assert reject_of(line(time=1.5), error, CLOCK).record_id is None
    assert reject_of(b"[", error, CLOCK).record_id is None


@pytest.mark.parametrize("processed", ["5", -1, 1.5, True, 10**18])
def test_a_processing_time_that_is_none_is_rejected(processed):
    """When the row is written: its identity is sound."""
    record = read_event(line(mp_processing_time_ms=processed), CLOCK).record
    with pytest.raises(RowRejected, match="mp_processing_time_ms"):
        values_of(record, CLOCK, DEFAULT)


def test_what_is_no_json_is_no_row():
    """Whoever reads lines must tell it from a bad row."""
    for bad in (b"{", b"", b"\xff", b'{"a":NaN}x'):
        with pytest.raises(ValueError, match=r"JSON|utf-8|Expecting|Extra"):
            read_event(bad, CLOCK)
    with pytest.raises(RowRejected, match="not JSON"):
        record_of("{", CLOCK)
