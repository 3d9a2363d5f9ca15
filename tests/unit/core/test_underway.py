"""Which streams need no message: each rule for itself, and that none of them holds for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.underway import MESSAGE_COUNTS_FOR, Asked, Standing, Underway, underway

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MOMENT = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)

CAUGHT_UP = Standing(fencing_token=7, base_seq=3, seq=4, continued_seq=3, acquired_at=NOW - SECOND)
CONTINUED = replace(CAUGHT_UP, has_more=True, continued_seq=4)


def test_a_stream_never_asked_for_nor_worked_on_needs_a_message() -> None:
    assert underway(Standing(), None, NOW) is None


def test_a_stream_that_caught_up_needs_one() -> None:
    assert underway(CAUGHT_UP, Asked(NOW - SECOND, 6), NOW) is None


def test_one_that_somebody_holds_is_running() -> None:
    held = replace(CAUGHT_UP, lease_until=NOW + MOMENT)
    assert underway(held, None, NOW) is Underway.RUNNING


def test_a_lapsed_lease_is_nobodys() -> None:
    """Its holder died: whoever is asked takes over."""
    assert underway(replace(CAUGHT_UP, lease_until=NOW), None, NOW) is None


def test_one_whose_vendor_rests_is_queued_until_then() -> None:
    assert underway(replace(CAUGHT_UP, not_before=NOW + MOMENT), None, NOW) is Underway.QUEUED
    assert underway(replace(CAUGHT_UP, not_before=NOW), None, NOW) is None


def test_one_whose_continuation_was_sent_is_queued() -> None:
    assert underway(CONTINUED, None, NOW) is Underway.QUEUED


@pytest.mark.parametrize(
    "changed",
    [
        {"has_more": False},
        {"continued_seq": 3},
        {"base_seq": 4},
        {"acquired_at": NOW - MESSAGE_COUNTS_FOR},
        {"acquired_at": None},
    ],
    ids=["caught up", "not sent", "received", "lost", "nobody knows when"],
)
def test_one_whose_continuation_is_not_on_its_way_needs_a_message(
    changed: dict[str, object],
) -> None:
    """Received: whoever took it made no slice. Either it comes again by itself, or its run failed."""
    assert underway(replace(CONTINUED, **changed), None, NOW) is None  # type: ignore[arg-type]


def test_one_asked_for_and_not_acquired_since_is_queued() -> None:
    assert underway(CAUGHT_UP, Asked(NOW - SECOND, 7), NOW) is Underway.QUEUED
    assert underway(Standing(), Asked(NOW - SECOND, 0), NOW) is Underway.QUEUED


def test_one_acquired_since_needs_a_message_whatever_the_clocks_say() -> None:
    """Its worker's clock may be minutes behind: the token tells."""
    late = replace(CAUGHT_UP, acquired_at=NOW - timedelta(minutes=10))
    assert underway(late, Asked(NOW - SECOND, 6), NOW) is None


def test_a_state_table_restored_from_a_backup_counts_as_acquired() -> None:
    """Its tokens fell behind the one that was seen."""
    assert underway(replace(CAUGHT_UP, fencing_token=5), Asked(NOW - SECOND, 7), NOW) is None


# --- after a pause ------------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", [CAUGHT_UP, CONTINUED], ids=["asked for", "continued"])
def test_what_was_sent_before_a_pause_ended_was_thrown_away(standing: Standing) -> None:
    """By the worker that received it, be it a tick's message or a continuation."""
    asked = Asked(NOW - SECOND, 7) if standing is CAUGHT_UP else None
    assert underway(standing, asked, NOW, resumed_at=NOW - SECOND) is None
    assert underway(standing, asked, NOW, resumed_at=NOW) is None


@pytest.mark.parametrize("standing", [CAUGHT_UP, CONTINUED], ids=["asked for", "continued"])
def test_what_was_sent_after_it_counts_as_ever_and_no_longer(standing: Standing) -> None:
    asked = Asked(NOW - SECOND, 7) if standing is CAUGHT_UP else None
    resumed_at = NOW - SECOND - MOMENT
    assert underway(standing, asked, NOW, resumed_at=resumed_at) is Underway.QUEUED
    later = NOW - SECOND + MESSAGE_COUNTS_FOR
    assert underway(standing, asked, later, resumed_at=resumed_at) is None


def test_one_that_is_held_is_running_though_its_pause_just_ended() -> None:
    """Its slice was at work when the pause began; its continuation is received after it."""
    held = replace(CAUGHT_UP, lease_until=NOW + MOMENT)
    assert underway(held, None, NOW, resumed_at=NOW) is Underway.RUNNING


def test_a_pause_that_ended_does_not_shorten_its_vendors_rest() -> None:
    """A tick's message would be turned away."""
    resting = replace(CAUGHT_UP, not_before=NOW + MOMENT)
    assert underway(resting, None, NOW, resumed_at=NOW) is Underway.QUEUED


def test_a_message_counts_for_half_an_hour_and_then_for_lost() -> None:
    asked, half_an_hour = Asked(NOW, 7), timedelta(minutes=30)
    assert underway(CAUGHT_UP, asked, NOW + half_an_hour - MOMENT) is Underway.QUEUED
    assert underway(CAUGHT_UP, asked, NOW + half_an_hour) is None


moments = st.integers(-3600, 3600).map(lambda s: NOW + timedelta(seconds=s))
numbers = st.integers(0, 4)
standings = st.builds(
    Standing,
    fencing_token=numbers,
    base_seq=numbers,
    seq=numbers,
    continued_seq=numbers,
    has_more=st.booleans(),
    lease_until=st.none() | moments,
    not_before=st.none() | moments,
    acquired_at=st.none() | moments,
)
askings = st.none() | st.builds(Asked, at=moments, fencing_token=numbers)


@given(standing=standings, asked=askings)
def test_nothing_keeps_a_stream_from_being_asked_for_ever(
    standing: Standing, asked: Asked | None
) -> None:
    """Whatever was noted and then got lost: half an hour after the last of it, a message is sent."""
    noted = [standing.lease_until, standing.not_before, standing.acquired_at]
    last = max([moment for moment in noted if moment] + ([asked.at] if asked else []), default=NOW)
    assert underway(standing, asked, last + MESSAGE_COUNTS_FOR) is None


@given(standing=standings, asked=askings, now=moments, resumed_at=moments)
def test_a_resume_only_ever_makes_more_be_asked_for(
    standing: Standing, asked: Asked | None, now: datetime, resumed_at: datetime
) -> None:
    """And after one, nothing that was noted before it holds a stream up, but for a rest or a lease."""
    without = underway(standing, asked, now)
    after = underway(standing, asked, now, resumed_at=resumed_at)
    assert after in (without, None)
    noted = [standing.acquired_at, asked.at if asked else None]
    rests = standing.not_before is not None and standing.not_before > now
    if all(moment is None or moment <= resumed_at for moment in noted) and not rests:
        assert after is not Underway.QUEUED


@given(standing=standings, asked=askings, now=moments)
def test_whoever_is_running_is_never_told_to_be_queued(
    standing: Standing, asked: Asked | None, now: datetime
) -> None:
    holds = standing.lease_until is not None and standing.lease_until > now
    assert (underway(standing, asked, now) is Underway.RUNNING) == holds
