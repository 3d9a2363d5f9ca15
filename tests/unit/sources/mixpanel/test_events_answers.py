"""Answers of the raw export: whole, or nothing is kept; odd lines, and events that were not asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.errors import (
    VendorAnswerBroken,
    WaitForVendor,
)
from sluice.core.records import ReadPages
from tests.unit.sources.cars_vendor import START
from tests.unit.sources.mixpanel.events_slices import (
    BODY,
    CUT,
    cut_answer,
    vendor_of,
)
from tests.unit.sources.mixpanel.events_vendor import (
    lines_answer,
    opened,
    sent,
    spread,
)
from tests.unit.sources.slices import Stored, budget, catch_up, read_slice

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize("how", CUT)
def test_a_stream_that_is_cut_keeps_nothing_and_moves_nothing(how):
    """However often it comes: the cursor stands, and when the vendor is well again all is there."""
    vendor = vendor_of(*spread(40, days=1))
    stream, stored = opened(vendor, first_days=5), Stored()
    vendor.spoil = lambda request, before: CUT[how]() if vendor.found(request) else None
    for _ in range(3):
        read_slice(stream, stored, ReadPages("new"), budget(vendor.clock))
        assert isinstance(stored.errors.pop(), WaitForVendor)
    assert (stored.records, stored.rejects) == ({}, [])
    reached = stored.cursor["new"]["through"]
    assert reached < min(each.at for each in vendor.events).isoformat()
    vendor.spoil = None
    catch_up(stream, vendor.clock, stored)
    assert set(stored.records) == vendor.true_keys()


def test_an_object_on_two_lines_is_one_event():
    """A newline within it, wherever it falls."""
    events = spread(5, days=0.1)
    body = b"".join(each.line("UTC") for each in events)
    for place in range(1, len(events[0].line("UTC")) - 1, 7):
        vendor = vendor_of(*events)
        split = body[:place] + b"\n" + body[place:]
        vendor.spoil = lambda request, _, v=vendor, s=split: (
            lines_answer(s, packed=False) if v.found(request) else None
        )
        stored = catch_up(opened(vendor, first_days=5), vendor.clock)
        assert set(stored.records) == vendor.true_keys()
        assert stored.rejects == []


def test_a_line_that_is_no_json_is_rejected_when_it_comes_again():
    """Once it may be damage on the way; twice it is the vendor's word. Its neighbours are kept."""
    events = spread(5, days=0.1)
    bad = b'{"event": oops}\n'
    vendor = vendor_of(*events)
    vendor.spoil = lambda request, _: (
        lines_answer(events[0].line("UTC") + bad + b"".join(e.line("UTC") for e in events[1:]))
        if vendor.found(request)
        else None
    )
    stored = catch_up(opened(vendor, first_days=5), vendor.clock)
    assert set(stored.records) == vendor.true_keys()
    assert {(reject.reason, reject.raw) for reject in stored.rejects} == {
        ("not JSON", '{"event": oops}')
    }


def test_damage_that_does_not_come_again_leaves_no_trace():
    """The second answer is whole."""
    vendor = vendor_of(*spread(5, days=0.1))
    vendor.spoil = lambda request, before: (
        lines_answer(BODY[:200] + b"\n") if vendor.found(request) and not before else None
    )
    stored = catch_up(opened(vendor, first_days=5), vendor.clock)
    assert (set(stored.records), stored.rejects) == (vendor.true_keys(), [])


def test_a_bad_row_is_rejected_and_its_neighbours_are_kept():
    """With the field's name, and no second request for it."""
    events = spread(5, days=0.1)
    vendor = vendor_of(*events)
    bad = b'{"event":"e","properties":{"distinct_id":"a","time":1}}\n"text"\n'
    vendor.spoil = lambda request, before: (
        lines_answer(bad + b"".join(e.line("UTC") for e in events))
        if vendor.found(request)
        else None
    )
    stored = catch_up(opened(vendor, first_days=5), vendor.clock)
    assert set(stored.records) == vendor.true_keys()
    assert {reject.field for reject in stored.rejects} == {"properties.$insert_id", None}


def test_an_event_outside_of_the_window_is_not_believed():
    """The vendor understood something else: both times are named, and nothing of it is kept."""
    vendor = vendor_of(*spread(20, days=4), deaf=True)
    stream, stored = opened(vendor, first_days=5), Stored()
    read_slice(stream, stored, ReadPages("new"), budget(vendor.clock))
    (error,) = stored.errors
    assert isinstance(error, VendorAnswerBroken)
    assert "asked for events from 2026-10-2" in str(error)
    assert "sent one of 2026-10-" in str(error)
    assert stored.records == {}


def test_an_event_outside_of_the_days_is_not_believed():
    """The same where whole days are asked for."""
    far = sent(1, START - 30 * DAY)
    vendor = vendor_of(far, deaf=True)
    vendor.spoil = lambda *_: lines_answer(far.line("UTC"))
    stream, stored = opened(vendor, first_days=5, where_on_time=False), Stored()
    read_slice(stream, stored, ReadPages("new"), budget(vendor.clock))
    assert isinstance(stored.errors[0], VendorAnswerBroken)


def test_the_first_reading_of_an_event_stands_within_a_slice_too():
    """A duplicate that says something else is the same record once more."""
    first = sent(1, START - HOUR, more=(("creatorType", "premium"),))
    second = sent(1, START - HOUR, more=(("creatorType", "regular"),))
    vendor = vendor_of(first, second, twice=True)
    (page,) = [
        page
        for page in opened(vendor, first_days=5).pages(ReadPages("new"), {}, budget(vendor.clock))
        if page.records
    ]
    assert len(page.records) == 4
    assert {record.raw for record in page.records} == {page.records[0].raw}
    assert b"premium" in page.records[0].raw


def test_nothing_of_a_cut_answer_stands_for_a_reading():
    """The first whole answer tells what an event says."""
    at = START - HOUR
    cut, whole = (sent(1, at, more=(("said", what),)) for what in ("in the cut one", "whole"))
    vendor = vendor_of(whole)

    def spoil(request, before):
        if before or not vendor.found(request):
            return None
        return cut_answer(cut.line("UTC"), **{"content-length": "9999"})

    vendor.spoil = spoil
    stored = catch_up(opened(vendor, first_days=7), vendor.clock)
    assert stored.records[whole.key("UTC")].raw.count(b"whole") == 1
