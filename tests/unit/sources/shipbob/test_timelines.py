"""The timelines stream before a vendor in memory: when it looks, whom it asks, how far it goes."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.budget import Budget
from sluice.core.errors import (
    InvariantBroken,
    PersonMustAct,
    RequestRefused,
    RowRejected,
    WaitForVendor,
)
from sluice.core.records import ReadDue, ReadPages, Reconcile
from sluice.core.removal import Candidate
from sluice.sources.shipbob.timelines_due import DUE, NOT_CHECKED_SINCE
from tests.unit.sources.cars_vendor import START, json_answer
from tests.unit.sources.shipbob.timelines_stand import (
    ASKED,
    MINUTE,
    NUMBERS,
    ODD,
    Stand,
    event,
    ids_of,
    stand,
)
from tests.unit.sources.slices import Stored, budget, read_slice


def test_each_shipment_is_asked_for_once_and_is_a_page():
    """By its own address and in the order of the list, whatever is read side by side."""
    here = stand(concurrency=4)
    pages = here.read(NUMBERS)
    assert ids_of(pages) == NUMBERS
    assert all(len(page.records) == 1 for page in pages)
    assert sorted(here.vendor.ids()) == NUMBERS
    assert {url.path for url in here.vendor.asked} == {ASKED.format(each) for each in NUMBERS}
    traffic = here.stream.traffic()
    assert (traffic.pages, traffic.requests, traffic.errors) == (20, 20, 0)


def test_events_twice_and_out_of_order_change_nothing():
    """The record is that of the events in the order of time."""
    here = stand()
    events = [event(601, "2026-10-01T08:00:00Z"), event(604, "2026-10-02T08:00:00Z")]
    here.vendor.broken["101"] = lambda: json_answer(events)
    here.vendor.broken["102"] = lambda: json_answer([events[1], events[0], events[1]])
    first, second = here.read(["101", "102"])
    assert list(here.stream.values(first.records[0])) == list(here.stream.values(second.records[0]))
    assert first.records[0].raw.replace(b'"101"', b'"102"') == second.records[0].raw


def test_no_timeline_is_no_failure():
    """404 and an empty list: a page like any other, which takes nothing away."""
    here = stand()
    here.vendor.unknown = {"102"}
    here.vendor.broken["103"] = lambda: json_answer([])
    pages = here.read(["101", "102", "103"])
    assert ids_of(pages) == ["101", "102", "103"]
    assert [page.records[0].version for page in pages] == [None, 0, 0]
    assert here.stream.traffic().errors == 0


def test_time_that_runs_out_ends_the_slice_quietly():
    """Who has a page already hands it on; the rest stays due."""
    here = stand(concurrency=1)
    clock = here.vendor.clock

    def slow(request: httpx.Request, before: int) -> None:
        clock.sleep(9)

    here.vendor.spoil = slow
    pages = here.read(NUMBERS, seconds=20)
    assert 1 <= len(pages) < 5
    assert pages[-1].cursor["more"] is True
    late = Budget(clock, clock() - MINUTE, 1000, 10)
    asked = len(here.vendor.asked)
    with pytest.raises(WaitForVendor):
        list(here.stream.pages(here.step(NUMBERS), {}, late))
    assert len(here.vendor.asked) == asked


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_a_slice_whose_shipments_are_refused_asks_no_more_than_it_may(requests):
    """They are rejected, and the rest is left to the next slice."""
    here = stand(concurrency=4)
    here.vendor.broken = dict.fromkeys(NUMBERS, ODD["422"])
    pages = here.read(NUMBERS, requests=requests)
    assert len(here.vendor.asked) == requests
    assert ids_of(pages) == NUMBERS[:requests]
    assert pages[-1].cursor["more"] is True


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_a_slice_asks_no_more_than_it_may(requests):
    """Whatever is read ahead."""
    here = stand(concurrency=4)
    stored = Stored()
    read_slice(
        here.stream, stored, here.step(NUMBERS), budget(here.vendor.clock, requests=requests)
    )
    assert len(here.vendor.asked) == len(stored.records) == requests
    assert stored.cursor["more"] is True
    assert ids_of(here.read(NUMBERS, requests=requests)) == NUMBERS[:requests]


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 12)), min_size=1, max_size=6),
    batch=st.integers(1, 12),
    failing=st.sets(st.sampled_from(NUMBERS), max_size=15),
)
def test_slices_of_any_size_read_everybody_once(sizes, batch, failing):
    """A list that names the rest again after each slice, as the database does; then nothing more is due."""
    here = stand(timelines_batch=batch, concurrency=3)
    here.vendor.broken = dict.fromkeys(failing, ODD["422"])
    stored, left = Stored(), list(NUMBERS)
    for number in range(120):
        step = here.stream.next_step(stored.cursor, here.vendor.clock(), full_since=None)
        if step is None or not left:
            break
        assert isinstance(step, ReadDue)
        rows, requests = sizes[number % len(sizes)]
        due = left[: step.work.parameters["batch"]]
        allowance = budget(here.vendor.clock, rows=rows, requests=requests)
        read_slice(here.stream, stored, here.step(due), allowance)
        left = [each for each in left if each not in stored.records]
    assert set(stored.records) == set(NUMBERS)
    assert sorted(set(here.vendor.ids())) == NUMBERS


def test_nothing_is_left_running():
    """Closed while questions are under way, and after an error."""
    here = stand(concurrency=4)
    asked = threading.Event()

    def take_your_time(request: httpx.Request, before: int) -> None:
        if asked.is_set():
            threading.Event().wait(0.2)
        asked.set()

    here.vendor.spoil = take_your_time
    reading = here.stream.pages(here.step(NUMBERS), {}, budget(here.vendor.clock))
    next(reading)
    here.stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]
    here.vendor.broken["101"] = lambda: httpx.Response(401)
    with pytest.raises(PersonMustAct):
        here.read(NUMBERS)
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


def _look(here: Stand, cursor: dict[str, Any], *, full_since: Any = None) -> ReadDue | None:
    step = here.stream.next_step(cursor, here.vendor.clock(), full_since=full_since)
    assert step is None or isinstance(step, ReadDue)
    return step


def test_the_list_is_looked_at_first_and_then_once_in_a_while():
    """From an empty cursor; not again right after it was read to its end; again after its cadence."""
    here = stand(timelines_every="PT60S")
    assert _look(here, {}) is not None
    after = json.loads(json.dumps(here.read(NUMBERS)[-1].cursor))
    assert _look(here, after) is None
    here.vendor.clock.sleep(59)
    assert _look(here, after) is None
    here.vendor.clock.sleep(1)
    step = _look(here, after)
    assert step is not None
    assert (step.kind, step.work.sql, step.work.parameters) == ("timelines", DUE, {"batch": 100})


def test_a_list_that_was_full_is_looked_at_again_at_once():
    """And one that a slice did not read to its end."""
    here = stand(timelines_batch=20)
    pages = here.read(NUMBERS)
    assert [_look(here, dict(page.cursor)) is None for page in pages] == [False] * 20
    roomy = stand(timelines_batch=21)
    pages = roomy.read(NUMBERS)
    assert [_look(roomy, dict(page.cursor)) is None for page in pages] == [False] * 19 + [True]


def test_a_full_read_is_done_once():
    """It asks for whoever was not checked since, until a list of them was read to its end."""
    here = stand(timelines_batch=20)
    since = START - MINUTE
    step = _look(here, {"looked_at": START.isoformat(), "more": False}, full_since=since)
    assert step is not None
    assert (step.work.sql, step.work.parameters) == (
        NOT_CHECKED_SINCE,
        {"batch": 20, "since": since},
    )
    stored = Stored()
    full = here.step(NUMBERS, **step.detail)
    read_slice(here.stream, stored, full, budget(here.vendor.clock))
    again = _look(here, dict(stored.cursor), full_since=since)
    assert again is not None
    assert again.work.sql == NOT_CHECKED_SINCE
    read_slice(
        here.stream, stored, here.step(NUMBERS[:3], **again.detail), budget(here.vendor.clock)
    )
    assert _look(here, dict(stored.cursor), full_since=since) is None
    here.vendor.clock.sleep(60)
    ordinary = _look(here, dict(stored.cursor), full_since=since)
    assert ordinary is not None
    assert ordinary.work.sql == DUE
    read_slice(
        here.stream, stored, here.step(NUMBERS[:3], **ordinary.detail), budget(here.vendor.clock)
    )
    assert _look(here, dict(stored.cursor), full_since=since) is None
    assert _look(here, dict(stored.cursor), full_since=since + MINUTE) is not None


def test_a_list_that_is_empty_ends_a_full_read_and_nothing_else():
    here = stand()
    since = START - MINUTE
    step = _look(here, {"looked_at": START.isoformat(), "more": True}, full_since=since)
    assert step is not None
    assert step.at_end is not None
    assert step.at_end == {
        "looked_at": here.vendor.clock().isoformat(),
        "more": False,
        "full_since": since.isoformat(),
    }
    assert _look(here, dict(step.at_end), full_since=since) is None
    ordinary = _look(here, {})
    assert ordinary is not None
    assert ordinary.at_end is None


def test_a_full_read_asked_for_ahead_of_our_clock_is_one_of_now():
    """Else no check would ever be late enough, and everybody would be asked again and again."""
    here = stand()
    step = _look(here, {}, full_since=START + 5 * MINUTE)
    assert step is not None
    assert step.work.parameters["since"] == START


@pytest.mark.parametrize(
    "cursor",
    [
        {"looked_at": "yesterday"},
        {"looked_at": "2026-11-01T12:00:00"},
        {"looked_at": 7},
        {"full_since": []},
    ],
)
def test_a_cursor_that_is_none_of_ours_is_a_bug(cursor):
    """It is said, not guessed around."""
    with pytest.raises(InvariantBroken):
        _look(stand(), cursor)


def test_what_is_not_ours_to_do_is_refused():
    """Another stream's step, a work list of something else, a listing to reconcile."""
    here = stand()
    with pytest.raises(InvariantBroken):
        list(here.stream.pages(ReadPages("juggle"), {}, budget(here.vendor.clock)))
    with pytest.raises(InvariantBroken):
        list(
            here.stream.pages(
                ReadPages("timelines", {}, [{"order": 7}]), {}, budget(here.vendor.clock)
            )
        )
    with pytest.raises(RequestRefused):
        here.stream.still_exists(Candidate("101", 1), budget(here.vendor.clock))
    with pytest.raises(InvariantBroken):
        here.stream.after_reconcile({}, Reconcile(1, START), None)
    with pytest.raises(RowRejected):
        here.stream.record_of("{")
