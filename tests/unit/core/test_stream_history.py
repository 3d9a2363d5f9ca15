"""What the database remembers of a stream: which run is open, when it rested, whether it was ever loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sluice.core.overview.picture import RunView
from sluice.core.overview.stream_history import StreamHistory
from tests.unit.core.streams_known import HOUR, LOADED, MINUTE, NOW, SECOND, history, run

OPEN = run(MINUTE, None)


def test_an_open_run_is_not_the_one_that_ended_last() -> None:
    past = history(OPEN, LOADED, run(50 * HOUR))
    assert (past.running, past.last) == (OPEN, LOADED)
    assert (history(LOADED).running, history(OPEN).last) == (None, None)


# --- a rest -------------------------------------------------------------------------------------------------


def test_a_look_after_the_last_run_that_left_no_run_found_nothing_due() -> None:
    past = history(run(HOUR, MINUTE), claimed_at=NOW - MINUTE)
    assert past.idle_at == past.fresh_at == NOW - MINUTE


def test_a_look_at_a_stream_without_any_run_found_nothing_due_either() -> None:
    assert StreamHistory(claimed_at=NOW).idle_at == NOW


def test_whoever_began_the_open_run_did_not_find_nothing_due() -> None:
    """However much later than all ended runs he came: what is being read is not stored."""
    past = history(OPEN, LOADED, claimed_at=NOW - MINUTE)
    assert past.idle_at is None
    assert past.fresh_at == LOADED.started_at


@pytest.mark.parametrize("run_since", [OPEN, run(MINUTE, SECOND, outcome="failed")])
def test_a_run_does_not_undo_the_rest_before_it(run_since: RunView) -> None:
    """Invoices are due once a day and looked for every ten minutes. While they are read, and when that failed once,
    the rest is as fresh as it was a moment before."""
    past = history(run_since, LOADED, claimed_at=NOW - MINUTE, rested_at=NOW - 11 * MINUTE)
    assert past.idle_at == past.fresh_at == NOW - 11 * MINUTE


def test_a_stream_that_nobody_came_to_does_not_rest() -> None:
    """Its data is as fresh as its runs made it."""
    past = history(LOADED, claimed_at=None)
    assert (past.idle_at, past.fresh_at) == (None, LOADED.started_at)
    assert (StreamHistory().idle_at, StreamHistory().fresh_at) == (None, None)


def test_a_look_is_later_than_a_run_by_more_than_half_a_minute() -> None:
    """The end of a failed run is dated by its worker, whose clock may be behind that of the database."""
    failed = run(HOUR, MINUTE, outcome="failed")
    assert failed.ended_at is not None
    past = history(failed, LOADED, claimed_at=failed.ended_at + 30 * SECOND)
    assert past.idle_at is None
    later = failed.ended_at + 31 * SECOND
    assert replace(past, claimed_at=later).idle_at == later


# --- a first load -------------------------------------------------------------------------------------------


def test_a_run_after_one_that_completed_is_no_first_load() -> None:
    assert history(OPEN, LOADED).is_first_load(OPEN) is False
    assert history(LOADED).is_first_load(LOADED) is True


def test_a_completed_run_counts_although_it_is_not_among_the_known_ones() -> None:
    """The database is asked for the newest runs, and for the latest that completed."""
    loaded = history(OPEN, completed_at=OPEN.started_at - SECOND)
    assert loaded.is_first_load(OPEN) is False
    at_once = history(OPEN, completed_at=OPEN.started_at)
    assert at_once.is_first_load(OPEN) is True


def test_of_runs_that_followed_each_other_only_the_older_ones_count() -> None:
    first, second = run(3 * HOUR), run(2 * HOUR)
    past = history(second, first)
    assert past.is_first_load(second) is False
    assert past.is_first_load(first) is True


@pytest.mark.parametrize(("failures", "is_first"), [(0, True), (4, True), (5, False)])
def test_where_all_known_runs_failed_older_ones_may_have_completed(
    failures: int, is_first: bool
) -> None:
    """A look knows six runs, which say nothing of those before them."""
    failed = [run((n + 2) * HOUR, outcome="failed") for n in range(failures)]
    assert history(OPEN, *failed).is_first_load(OPEN) is is_first
