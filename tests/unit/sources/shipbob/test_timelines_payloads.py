"""What of a timeline becomes columns, and what is no timeline at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import RowRejected
from sluice.core.records import Record, Reject
from sluice.sources import json_rows
from sluice.sources.shipbob.timelines_payloads import (
    NO_NEWS,
    SHAPE,
    no_timeline,
    odd_timeline,
    record_of,
    timeline_record,
    values_of,
)
from sluice.sources.shipbob.timelines_table import TIMELINES

NAMES = [column.name for column in TIMELINES.columns]


def event(log_id: Any, day: int, **more: Any) -> dict[str, Any]:
    return {
        "log_type_id": log_id,
        "log_type_name": "Name",
        "log_type_text": None,
        "metadata": {"Source": None},
        "timestamp": f"2026-05-{day:02}T08:00:00.000Z",
        **more,
    }


def read(*events: Any, shipment_id: str = "7") -> Record:
    """A timeline as the client read it."""
    row = orjson.dumps({"shipment_id": shipment_id, "events": list(events)}).decode()
    return timeline_record(json_rows.record_of(row, SHAPE))


def columns(*events: Any) -> dict[str, Any]:
    return dict(zip(NAMES, values_of(read(*events)), strict=True))


def may(day: int) -> datetime:
    return datetime(2026, 5, day, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("log_id", "name"),
    [
        (601, "event_created_at"),
        (118, "event_pick_in_progress_at"),
        (602, "event_picked_at"),
        (603, "event_packed_at"),
        (604, "event_labelled_at"),
        (605, "event_label_validated_at"),
        (607, "event_in_transit_at"),
        (608, "event_out_for_delivery_at"),
        (611, "event_delivery_attempt_failed_at"),
        (609, "event_delivered_at"),
    ],
)
def test_each_known_event_has_its_column(log_id, name):
    """And nothing else is filled by it but the ends of the timeline and the count."""
    found = columns(event(log_id, 3))
    filled = {column: value for column, value in found.items() if value is not None}
    assert filled == {
        name: may(3),
        "first_event_at": may(3),
        "last_event_at": may(3),
        "events": 1,
    }


def test_an_event_that_comes_again_counts_when_it_came_first():
    """A label alone counts as it came last: the one before was voided."""
    found = columns(event(607, 9), event(607, 4), event(604, 2), event(604, 3), event(609, 12))
    assert found["event_in_transit_at"] == may(4)
    assert found["event_labelled_at"] == may(3)
    assert (found["first_event_at"], found["last_event_at"], found["events"]) == (
        may(2),
        may(12),
        5,
    )


@pytest.mark.parametrize("log_id", [0, 13, 98, 612, 742, -1, 2**31 - 1])
def test_an_event_nobody_documented_is_an_ordinary_one(log_id):
    """It is counted and kept."""
    found = columns(event(601, 1), event(log_id, 2))
    assert (found["events"], found["last_event_at"]) == (2, may(2))
    assert b'"log_type_id":%d' % log_id in read(event(log_id, 2)).raw


@given(
    st.permutations([event(n, d) for n, d in ((601, 1), (602, 2), (604, 2), (609, 5))]), st.data()
)
def test_order_and_repetition_are_no_change(events, data):
    """The same events are the same record, so that nothing is written for them."""
    again = data.draw(st.lists(st.sampled_from(events), max_size=4))
    assert read(*events, *again) == read(*sorted(events, key=lambda each: each["timestamp"]))


def test_a_timeline_is_kept_in_the_order_of_time():
    """For whoever looks at the document."""
    kept = orjson.loads(read(event(609, 5), event(601, 1), event(604, 2)).raw)
    assert [each["log_type_id"] for each in kept["events"]] == [601, 604, 609]
    assert kept["shipment_id"] == "7"


def test_another_event_is_another_content():
    """Also one of an id that has no column."""
    assert read(event(601, 1)).hash != read(event(601, 1), event(98, 2)).hash
    assert read(event(601, 1)).hash != read(event(601, 2)).hash


def test_an_answer_without_events_is_older_than_every_timeline():
    """An empty list, or 404: it is stored only where nothing was told before."""
    assert read().version == no_timeline("7").version == NO_NEWS < 1
    assert read() == no_timeline("7")
    assert read(event(601, 1)).version is None
    assert list(values_of(no_timeline("7"))) == [None] * 12 + [0]


@pytest.mark.parametrize(
    ("spoilt", "field"),
    [
        (event(604, 2, timestamp="2026-02-31T25:61:00Z"), "events[0].timestamp"),
        (event(604, 2, timestamp="0001-01-01T00:00:00Z"), "events[0].timestamp"),
        (event(604, 2, timestamp="1999-12-31T23:59:59.999Z"), "events[0].timestamp"),
        (event(604, 2, timestamp="2100-01-01T00:00:00Z"), "events[1].timestamp"),
        (event(604, 2, timestamp="2026-05-02T08:00:00"), "events[1].timestamp"),
        (event(604, 2, timestamp=1_777_777_777), "events[0].timestamp"),
        (event(604, 2, timestamp=None), "events[1].timestamp"),
        ({"log_type_id": 604}, "events[1].timestamp"),
        (event(None, 2), "events[1].log_type_id"),
        (event("604", 2), "events[1].log_type_id"),
        (event(604.0, 2), "events[1].log_type_id"),
        (event(2**31, 2), "events[1].log_type_id"),
        (event(True, 2), "events[1].log_type_id"),
        ("not a row", "events[0]"),
        (None, "events[0]"),
    ],
)
def test_a_field_of_another_kind_rejects_the_timeline_by_name(spoilt, field):
    """A change at the vendor is seen, and no event is guessed around."""
    with pytest.raises(RowRejected) as caught:
        values_of(read(event(601, 1), spoilt))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "moment", ["2000-01-01T00:00:00Z", "2099-12-31T23:59:59Z", "2026-05-02T10:00:00+02:00"]
)
def test_a_plausible_instant_is_taken(moment):
    """With any zone; the ends of what is plausible belong to it."""
    assert columns(event(604, 2, timestamp=moment))["event_labelled_at"] == datetime.fromisoformat(
        moment
    )


def test_fractions_beyond_microseconds_are_cut():
    """As .NET writes them: seven digits."""
    found = columns(event(604, 2, timestamp="2026-05-02T08:00:00.1234567Z"))
    assert found["event_labelled_at"] == datetime(2026, 5, 2, 8, 0, 0, 123456, tzinfo=UTC)


def test_an_odd_answer_is_a_record_that_is_rejected():
    """Only a record counts as checked."""
    odd = odd_timeline("7", "VendorUnavailable: it said 500")
    assert odd.id == "7"
    with pytest.raises(RowRejected, match="it said 500"):
        values_of(odd)
    answer = Reject("7", "text with NUL", "events[0].log_type_text", '{"shipment_id":"7"}')
    with pytest.raises(RowRejected) as caught:
        values_of(odd_timeline("7", answer.reason, answer))
    assert (caught.value.reason, caught.value.field) == (answer.reason, answer.field)


def test_a_reject_is_read_anew():
    """A timeline by its own text, and an odd answer by the answer in it, as the code of today reads it."""
    good = read(event(601, 1), event(604, 2))
    assert record_of(good.raw.decode()) == good
    row = {"events": [event(604, 2), event(601, 1)], "shipment_id": "7"}
    text = orjson.dumps(row).decode()
    mended = odd_timeline("7", "was not read before", Reject("7", "r", None, text))
    assert record_of(mended.raw.decode()) == good


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "7",
        "{}",
        '{"shipment_id":"7"}',
        '{"shipment_id":"7","events":{}}',
        '{"events":[]}',
        odd_timeline("7", "no answer").raw.decode(),
        odd_timeline("7", "r", Reject("7", "r", None, "{")).raw.decode(),
        odd_timeline(
            "7", "r", Reject("7", "r", None, '{"shipment_id":"7","events":["\\u0000"]}')
        ).raw.decode(),
    ],
)
def test_what_still_is_no_timeline_stays_a_reject(text):
    """With a reason, whatever it is."""
    with pytest.raises(RowRejected) as caught:
        values_of(record_of(text))
    assert caught.value.reason
