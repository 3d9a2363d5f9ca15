"""Reading ahead: in order, bounded, stopping at once, leaving nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from sluice.sources.read_ahead import ReadAhead


class Pages:
    """Pages whose answers can be held back until a stop; keeps what was begun."""

    def __init__(self, last: int = 20) -> None:
        self.last = last
        self.allowed = threading.Event()
        self.hold_from = last + 1
        self.begun: list[int] = []
        self.stopped = False
        self.fail_at: int | None = None

    def read(self, number: int) -> int:
        self.begun.append(number)
        if number >= self.hold_from:
            assert self.allowed.wait(10)
        if number == self.fail_at:
            raise ValueError(f"page {number}")
        return number

    def stop(self) -> None:
        self.stopped = True
        self.allowed.set()
        time.sleep(0.05)  # whoever still waits for a thread gets one now

    def ahead(self, window: Callable[[], int] | int = 4) -> ReadAhead[int]:
        numbers = iter(range(1, self.last + 1))
        return ReadAhead(
            self.read,
            next_number=lambda: next(numbers, None),
            window=window if callable(window) else lambda: window,
            most=8,
            stop=self.stop,
        )


def _threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("read-ahead")]


def test_pages_come_in_order_and_all_of_them():
    """Whatever order the answers arrive in."""
    assert list(Pages(50).ahead()) == [*range(1, 51)]
    assert _threads() == []


def test_no_more_than_the_window_is_begun_before_it_is_taken():
    """Backpressure: a reader that does not go on asks for nothing."""
    pages = Pages(50)
    ahead = pages.ahead(window=4)
    assert next(ahead) == 1
    assert len(pages.begun) <= 4
    assert next(ahead) == 2
    assert len(pages.begun) <= 5
    ahead.close()


def test_the_window_may_shrink_while_reading():
    """A budget that runs low stops reading ahead."""
    pages, windows = Pages(50), iter([4, 1, 1, 1, 1, 1, 1, 1])
    ahead = pages.ahead(window=lambda: next(windows))
    for _ in range(4):
        next(ahead)
    assert max(pages.begun) == 4
    ahead.close()


def test_an_error_comes_at_its_place():
    """Pages before the failing one are handed out first, whatever failed earlier in time."""
    pages = Pages(20)
    pages.fail_at = 3
    taken = []
    with pytest.raises(ValueError, match="page 3"):
        taken.extend(page for page in pages.ahead())
    assert taken == [1, 2]
    assert pages.stopped
    assert _threads() == []


def test_close_stops_what_is_under_way_and_leaves_no_thread():
    """Requests that hang are ended, those that wait for a thread are never begun."""
    pages = Pages(50)
    ahead = pages.ahead(window=12)
    pages.hold_from = 2
    assert next(ahead) == 1
    while len(pages.begun) < 9:
        time.sleep(0.001)
    ahead.close()
    assert pages.stopped
    assert sorted(pages.begun) == [*range(1, 10)]
    assert _threads() == []
    assert list(ahead) == []


def test_closing_twice_is_harmless():
    """A slice may close what ended by itself."""
    pages = Pages(3)
    ahead = pages.ahead()
    assert list(ahead) == [1, 2, 3]
    ahead.close()
    assert not pages.stopped
