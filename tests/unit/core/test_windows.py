"""Windows follow each other without a gap, begin a lookback earlier, and stop where the vendor is not settled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sluice.core.windows import Window, WindowRules, next_window

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RULES = WindowRules(
    lookback=timedelta(minutes=10),
    settle=timedelta(minutes=2),
    first=timedelta(days=3),
    longest=timedelta(hours=6),
)
SETTLED = NOW - RULES.settle


def test_a_stream_without_a_cursor_begins_as_far_back_as_it_is_told() -> None:
    begins = SETTLED - RULES.first
    expected = Window(begins - RULES.lookback, begins + RULES.longest, begins, fresh=True)
    assert next_window(None, NOW, RULES) == expected


def test_a_cursor_close_behind_reads_up_to_what_is_settled() -> None:
    at = SETTLED - timedelta(hours=1)
    assert next_window(at, NOW, RULES) == Window(at - RULES.lookback, SETTLED, at)


def test_less_than_the_shortest_window_is_left_for_later() -> None:
    """A minute, unless told otherwise: exactly as much is read, less is not, nor is what lies ahead."""
    second = timedelta(seconds=1)
    assert next_window(SETTLED - timedelta(minutes=1), NOW, RULES) is not None
    assert next_window(SETTLED - timedelta(minutes=1) + second, NOW, RULES) is None
    assert next_window(SETTLED + timedelta(hours=1), NOW, RULES) is None


def test_the_cursor_passes_neither_the_window_nor_what_the_vendor_has_settled() -> None:
    """Our clock may be ahead of the vendor's: what it has not reached does not exist there yet."""
    begins, until = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    window = Window(begins - RULES.lookback, until, begins)
    assert window.reached(NOW, RULES) == until
    behind = until + RULES.settle - timedelta(minutes=7)
    assert window.reached(behind, RULES) == until - timedelta(minutes=7)


def test_a_first_window_that_began_in_time_is_read_once() -> None:
    """Clocks agree to the tick, or the vendor's is ahead: what was read whole is passed."""
    window = next_window(None, NOW, RULES)
    assert window is not None
    assert window.reached(NOW, RULES) == window.until
    assert window.reached(NOW + timedelta(hours=1), RULES) == window.until


def test_a_first_window_that_began_too_late_is_begun_anew_by_the_vendors_clock() -> None:
    """Our clock was ahead by more than all that is to be read: nothing of it may be passed."""
    ours = NOW + RULES.first + timedelta(days=1)
    window = next_window(None, ours, RULES)
    assert window is not None
    assert window.reached(NOW, RULES) == SETTLED - RULES.first
    again = next_window(SETTLED - RULES.first, ours, RULES)
    assert again is not None
    assert again.reached(NOW, RULES) == again.until


def test_a_vendor_whose_clock_is_far_behind_moves_the_cursor_nowhere() -> None:
    """And never back."""
    window = Window(NOW - timedelta(hours=1), NOW, NOW - timedelta(minutes=50))
    assert window.reached(NOW - timedelta(days=1), RULES) == window.begins


@given(st.integers(0, 4 * 24 * 60), st.integers(-120, 120))
def test_windows_leave_no_gap_and_come_to_an_end(behind: int, vendor_ahead: int) -> None:
    """Each begins where the one before ended, at least a lookback deep, until nothing is due."""
    at = SETTLED - timedelta(minutes=behind)
    vendor_now = NOW + timedelta(minutes=vendor_ahead)
    for _ in range(20):
        window = next_window(at, NOW, RULES)
        if window is None:
            break
        assert (window.begins, window.since) == (at, at - RULES.lookback)
        assert timedelta(minutes=1) <= window.until - at <= RULES.longest
        reached = window.reached(vendor_now, RULES)
        assert at <= reached <= SETTLED
        if reached < window.until:  # the vendor's clock is behind: the rest is read later
            break
        at = reached
    else:
        raise AssertionError("windows without an end")
