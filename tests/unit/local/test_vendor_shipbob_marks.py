"""Stories of shipments and the indexes over them, under any sequence of deeds and moments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.limits import SlidingWindow
from local.vendors.shipbob.marks import Told, standing, story
from local.vendors.shipbob.models import Options
from local.vendors.shipbob.moments import DAY_MS, HOUR_MS, Moments, day, moment, read_moment
from local.vendors.shipbob.orders import Order, OrderBook, Shipment, Stories

NOON_MS = 1_800_000_000_000
DEEDS = st.sampled_from(
    ["update", "cancel", "hold", "exception", "scan", "deliver", "deliver_quietly"]
)
WITHIN = st.integers(NOON_MS - 10 * DAY_MS, NOON_MS + 20 * DAY_MS)


def told() -> st.SearchStrategy[list[Told]]:
    made = st.builds(Told, at_ms=WITHIN, deed=DEEDS)
    return st.lists(made, max_size=6).map(lambda deeds: sorted(deeds))


@given(number=st.integers(1, 10**6), deeds=told(), seed=st.integers(0, 50))
def test_a_story_is_ordered_and_its_past_never_changes(number, deeds, seed):
    """Whatever is told later, what was there before that moment stays."""
    options = Options()
    for count in range(len(deeds) + 1):
        before = story(seed, number, NOON_MS, deeds[:count], options)
        assert before == sorted(before, key=lambda mark: mark.at_ms)
        for more in deeds[count:]:
            after = story(seed, number, NOON_MS, [*deeds[:count], more], options)
            kept = [mark for mark in before if mark.at_ms < more.at_ms]
            assert [mark for mark in after if mark.at_ms < more.at_ms] == kept


@given(
    plan=st.lists(st.tuples(st.integers(0, 5 * DAY_MS), told()), min_size=1, max_size=8),
    start=WITHIN,
    end=WITHIN,
    now=WITHIN,
)
def test_windows_of_updates_are_what_the_stories_say(plan, start, end, now):
    """The index, kept up through every deed, equals asking each shipment."""
    stories = Stories(7, Options())
    book = OrderBook(stories)
    for number, (age_ms, deeds) in enumerate(plan):
        shipment = Shipment(1000 + number, number, "acme", NOON_MS - age_ms)
        book.add(Order(number, "acme", NOON_MS - age_ms, (shipment,)))
        for deed in deeds:
            book.tell(shipment, deed)
    for index, name in ((book.moved, "last_update_ms"), (book.tracked, "last_tracking_ms")):
        moments = {
            shipment.order_id: getattr(standing(stories.marks(shipment), now), name)
            for shipment in book.shipments.values()
        }
        expected = {n for n, at_ms in moments.items() if at_ms and start <= at_ms <= end}
        assert index.latest_between(start, end, now_ms=now) == expected


@given(
    pairs=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=40),
    gone=st.lists(st.integers(0, 39), max_size=10),
    start=st.integers(-1, 41),
    end=st.integers(-1, 41),
)
def test_moments_are_a_sorted_bag(pairs, gone, start, end):
    """In any order of entry, with repetitions, less what was discarded."""
    moments, left = Moments(), list(pairs)
    for at_ms, an_id in pairs:
        moments.add(at_ms, an_id)
    for place in gone:
        if place < len(pairs):
            moments.discard(*pairs[place])
            if pairs[place] in left:
                left.remove(pairs[place])
    expected = sorted((at_ms, an_id) for at_ms, an_id in left if start <= at_ms <= end)
    assert sorted(moments.between(start, end)) == sorted(an_id for _, an_id in expected)


@given(st.integers(0, 4_000_000_000_000))
def test_a_moment_survives_being_written_and_read(at_ms):
    """To the millisecond; the day is its date."""
    text = moment(at_ms)
    assert text is not None
    assert read_moment(text) == at_ms
    assert day(at_ms) == text[:10]


def test_a_moment_without_a_zone_is_utc_and_a_plus_may_have_become_a_blank():
    """As clients send them in a query."""
    assert read_moment("2027-01-15T08:00:00") == NOON_MS
    assert read_moment("2027-01-15T10:00:00 02:00") == NOON_MS
    assert read_moment("2027-01-15") == NOON_MS - 8 * HOUR_MS


def test_a_held_clock_stands_while_the_machine_and_the_limits_go_on():
    """And afterwards it is where it would have been."""
    real = [100.0]
    clock = VendorClock(lambda: real[0])
    clock.advance(1000)
    assert clock.hold() == 1100.0
    real[0] = 105.0
    assert (clock.now(), clock.running(), clock.machine()) == (1100.0, 1105.0, 105.0)
    clock.advance(10)
    assert (clock.now(), clock.running()) == (1110.0, 1115.0)
    assert clock.release() == 1115.0


def test_a_window_tells_what_it_would_still_allow():
    """Requests older than the window are forgotten."""
    window = SlidingWindow(3, 10.0)
    assert [window.wait_s(at) for at in (0.0, 1.0)] == [None, None]
    assert [window.remaining(at) for at in (1.0, 10.0, 11.0)] == [1, 2, 3]
