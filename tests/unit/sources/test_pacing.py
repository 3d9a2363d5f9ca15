"""Our own pace at an account: evenly spaced, shared, and never slept through for long."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from sluice.core.errors import VendorThrottled
from sluice.sources.pacing import Pace
from tests.unit.sources.cars_vendor import Clock

MINUTE = timedelta(minutes=1)


def test_reservations_are_evenly_spaced():
    """At four a second, four callers at once wait 0, 250, 500 and 750 ms."""
    pace = Pace(4, monotonic=Clock().monotonic)
    assert [pace.reserve(MINUTE) for _ in range(4)] == [0, 0.25, 0.5, 0.75]


def test_a_wait_too_long_reserves_nothing():
    """Who is sent away does not make the next one wait longer."""
    clock = Clock()
    pace = Pace(0.25, monotonic=clock.monotonic)
    pace.reserve(MINUTE)
    for _ in range(3):
        with pytest.raises(VendorThrottled) as caught:
            pace.reserve(MINUTE)
        assert caught.value.retry_after == timedelta(seconds=4)
    clock.sleep(4)
    assert pace.reserve(MINUTE) == 0


def test_a_wait_that_does_not_fit_the_slice_is_not_begun():
    """The budget's time is the last word."""
    pace = Pace(1, monotonic=Clock().monotonic)
    pace.reserve(MINUTE)
    with pytest.raises(VendorThrottled):
        pace.reserve(timedelta(seconds=0.5))


def test_time_unused_is_not_saved_up():
    """After a pause there is no burst."""
    clock = Clock()
    pace = Pace(1, monotonic=clock.monotonic)
    clock.sleep(100)
    assert [pace.reserve(MINUTE), pace.reserve(MINUTE)] == [0, 1]


def test_without_a_pace_only_the_vendors_wait_counts():
    """None means as fast as the vendor answers."""
    pace = Pace(None, monotonic=Clock().monotonic)
    assert [pace.reserve(MINUTE) for _ in range(100)] == [0] * 100
    pace.hold(timedelta(seconds=1))
    assert pace.reserve(MINUTE) == 1


def test_a_hold_is_never_shortened():
    """A shorter wait told later does not end a longer one."""
    pace = Pace(None, monotonic=Clock().monotonic)
    pace.hold(timedelta(seconds=2))
    pace.hold(timedelta(seconds=1))
    assert pace.reserve(MINUTE) == 2


@pytest.mark.parametrize(("per_second", "most"), [(None, 16), (100, 16), (4, 6), (1, 1), (0.1, 1)])
def test_no_more_requests_side_by_side_than_the_pace_can_serve(per_second, most):
    """The last of them must not wait longer than may be slept."""
    assert Pace(per_second).side_by_side(16) == most


def test_threads_share_one_pace():
    """Forty reservations from eight threads are forty different moments."""
    pace, got = Pace(1000, monotonic=Clock().monotonic), []
    threads = [
        threading.Thread(target=lambda: got.extend(pace.reserve(MINUTE) for _ in range(5)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({round(wait, 6) for wait in got}) == 40
