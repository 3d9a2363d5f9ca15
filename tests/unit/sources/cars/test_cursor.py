"""The cars cursor: JSON and back, bounded, and never mistaken for somebody else's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import InvariantBroken
from sluice.core.records import Reconcile
from sluice.sources.cars.cursor import (
    DIGESTS_KEPT,
    CarsCursor,
    Crawl,
    Pending,
    Repeated,
    Scroll,
    Window,
)
from tests.unit.sources.cars_vendor import START, CarsVendor, Clock, cars
from tests.unit.sources.slices import opened

_MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_SMALL = st.integers(0, 10**6)
_TEXT = st.text(max_size=12)
_SCROLLS = st.builds(Scroll, _TEXT, _MOMENTS, st.booleans(), st.booleans())
_CRAWLS = st.builds(
    Crawl,
    generation=_SMALL,
    started_at=_MOMENTS,
    shape=st.sampled_from(["page", "scroll"]),
    page_size=_SMALL,
    next_page=_SMALL,
    last_page=st.none() | _SMALL,
    rows_done=_SMALL,
    scroll=st.none() | _SCROLLS,
    digests=st.lists(_TEXT, max_size=3).map(tuple),
    restarts=_SMALL,
)
_REPEATED = st.builds(
    Repeated, _MOMENTS, _MOMENTS, st.none() | st.builds(Window, _MOMENTS, _MOMENTS, _SMALL)
)
_CURSORS = st.builds(
    CarsCursor,
    generation=_SMALL,
    crawl=st.none() | _CRAWLS,
    pending=st.none() | st.builds(Pending, _SMALL, _MOMENTS, st.none() | _TEXT),
    crawled_at=st.none() | _MOMENTS,
    delta=st.none() | _REPEATED,
    archived=st.none() | _REPEATED,
)


@given(_CURSORS)
def test_a_cursor_survives_json(cursor):
    """What the engine stores reads back as the same cursor."""
    assert CarsCursor.read(json.loads(json.dumps(cursor.as_json()))) == cursor


def test_an_empty_cursor_is_a_client_that_never_ran():
    """The engine's first cursor has nothing in it."""
    assert CarsCursor.read({}) == CarsCursor()


@pytest.mark.parametrize(
    "stored",
    [
        {"generation": "x"},
        {"crawl": {}},
        {"crawl": 5},
        {"pending": {"generation": 1, "started_at": "yesterday"}},
        {"crawled_at": "2026-01-01T00:00:00"},
        {"delta": {"through": "2026-01-01T00:00:00+00:00"}},
        {"archived": []},
    ],
)
def test_a_foreign_cursor_is_a_bug_and_not_a_fresh_start(stored):
    """Reading on from a cursor that is not understood would lose or repeat work in silence."""
    with pytest.raises(InvariantBroken):
        CarsCursor.read(stored)


def test_the_digests_of_a_long_scroll_are_bounded_and_keep_the_first_page():
    """The cursor stays small, and a scroll that begins anew is still noticed."""
    crawl = Crawl(1, START, "scroll", 1000)
    for number in range(2 * DIGESTS_KEPT):
        crawl = Crawl(1, START, "scroll", 1000, digests=crawl.with_digest(str(number)))
    assert len(crawl.digests) == DIGESTS_KEPT
    assert crawl.digests[0] == "0"
    assert crawl.digests[-1] == str(2 * DIGESTS_KEPT - 1)


def test_a_reconcile_moves_candidate_by_candidate_and_ends():
    """The cursor remembers the last one judged, and forgets the generation when all are."""
    clock = Clock()
    stream = opened(CarsVendor(clock, cars(1)), clock)
    cursor = CarsCursor(3, pending=Pending(3, START), crawled_at=START).as_json()
    step = Reconcile(3, START)
    moved = stream.after_reconcile(cursor, step, "car-7")
    assert stream.next_step(moved, START, full_since=None) == Reconcile(3, START, "car-7")
    done = stream.after_reconcile(moved, step, None)
    assert stream.next_step(done, START + timedelta(minutes=1), full_since=None) is None


def test_a_reconcile_of_another_generation_is_a_bug():
    """Only the generation that waits may be judged."""
    clock = Clock()
    stream = opened(CarsVendor(clock, cars(1)), clock)
    cursor = CarsCursor(3, pending=Pending(3, START)).as_json()
    for broken in (cursor, {}):
        with pytest.raises(InvariantBroken):
            stream.after_reconcile(broken, Reconcile(2, START), None)
