"""A listing of a part of a table: what is outside of its window is neither missing nor alive to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.errors import InvariantBroken
from sluice.core.records import PushEvent, Reconcile, Within
from sluice.core.removal import Candidate
from tests.contract.dated import DATED, DATED_STREAM, FIRST
from tests.contract.stores import KEY, OTHER, Store, Worker
from tests.memory.streams import THINGS, thing


def days(first: int, last: int, column: str = "made_at") -> Within:
    return Within(column, FIRST + timedelta(days=first), FIRST + timedelta(days=last))


def judged(
    store: Store, worker: Worker, within: Within | None
) -> tuple[tuple[int, int, int], Sequence[Candidate]]:
    step = Reconcile(2, datetime.now(UTC) + timedelta(minutes=1), within=within)
    missing, found = store.commits.missing(worker.claim(), DATED, step, limit=10)
    return (missing.missing, missing.removed, missing.alive), found


def ids(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.record_id for candidate in candidates]


@pytest.fixture
def worker(store: Store) -> Worker:
    """Five things of as many days, and one of no known day; the last listing saw nothing but ``c``."""
    made = Worker(store, KEY, DATED_STREAM)
    made.commit(*[thing(i, version=7) for i in "abcdez"], sighting=1)
    made.commit(thing("c", version=7), sighting=2)
    return made


def test_only_rows_of_the_window_are_missing_or_alive(store: Store, worker: Worker) -> None:
    """Its first moment belongs to it, its last one does not; a row without a value is outside."""
    totals, found = judged(store, worker, days(1, 4))
    assert (totals, ids(found)) == ((2, 0, 3), ["b", "d"])
    totals, found = judged(store, worker, None)
    assert (totals, ids(found)) == ((5, 0, 6), ["a", "b", "d", "e", "z"])


def test_the_brake_counts_what_was_removed_in_the_window(store: Store, worker: Worker) -> None:
    gone = [Candidate("a", 7), Candidate("b", 7)]
    worker.commit(deletions=gone, deleted_generation=2)
    totals, found = judged(store, worker, days(1, 4))
    assert (totals, ids(found)) == ((1, 1, 2), ["d"])


def test_a_row_that_moved_out_of_the_window_is_no_candidate(store: Store, worker: Worker) -> None:
    assert ids(judged(store, worker, days(0, 1))[1]) == ["a"]
    assert ids(judged(store, worker, days(9, 10))[1]) == []


def test_another_clients_rows_are_outside_of_any_window(store: Store, worker: Worker) -> None:
    other = Worker(store, OTHER, DATED_STREAM)
    assert judged(store, other, days(0, 9)) == ((0, 0, 0), [])


def test_a_tombstone_of_a_row_never_seen_is_outside(store: Store, worker: Worker) -> None:
    event = PushEvent("e", KEY, thing("d2", version=9), gone=True)
    store.pushes.apply(event, DATED_STREAM)
    assert judged(store, worker, days(0, 9))[0] == (4, 0, 5)


@pytest.mark.parametrize("column", ["made", "size", "deleted_at"])
def test_a_window_needs_a_column_that_the_table_declares(
    store: Store, worker: Worker, column: str
) -> None:
    """As a moment: neither another type will do nor a column that each table has."""
    with pytest.raises(InvariantBroken, match=column):
        judged(store, worker, days(0, 9, column))


def test_a_candidate_brings_its_document_when_point_reads_need_it(
    store: Store, worker: Worker
) -> None:
    _, (candidate,) = judged(store, worker, days(0, 1))
    assert (candidate.record_id, candidate.version) == ("a", 7)
    assert json.loads(str(candidate.raw)) == {"id": "a", "size": 1}


def test_and_none_where_they_do_not(store: Store) -> None:
    """It may be large, and there may be five hundred."""
    worker = Worker(store)
    worker.commit(thing("a"), sighting=1)
    step = Reconcile(2, datetime.now(UTC) + timedelta(minutes=1))
    _, found = store.commits.missing(worker.claim(), THINGS, step, limit=10)
    assert [candidate.raw for candidate in found] == [None]
