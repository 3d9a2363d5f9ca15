"""Sightings of a generation, and what a complete listing did not have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.records import Reconcile, Reject
from tests.contract.stores import KEY, OTHER, Store, Worker
from tests.memory.streams import THINGS, thing


def test_a_listing_remembers_bad_rows_too(store: Store) -> None:
    """A row that could not be loaded is no missing one."""
    bad = Reject("unreadable", "not JSON", None, "{")
    Worker(store).commit(thing("a"), thing("b", "big"), rejects=[bad], sighting=3)
    assert store.sighted(KEY) == {3: {"a", "b", "unreadable"}}


def judged(store: Store, worker: Worker, **more: Any) -> tuple[tuple[int, int, int], Sequence[str]]:
    limit = more.pop("limit", 10)
    step = Reconcile(generation=2, started_at=datetime.now(UTC) + timedelta(minutes=1), **more)
    missing, candidates = store.commits.missing(worker.claim(), THINGS, step, limit=limit)
    ids = [candidate.record_id for candidate in candidates]
    return (missing.missing, missing.removed, missing.alive), ids


def test_missing_is_what_the_generation_did_not_list(store: Store) -> None:
    worker = Worker(store)
    worker.commit(*[thing(i) for i in "abcde"], sighting=1)
    worker.commit(thing("a"), thing("c"), sighting=2)
    assert judged(store, worker) == ((3, 0, 5), ["b", "d", "e"])
    assert judged(store, worker, limit=2) == ((3, 0, 5), ["b", "d"])
    assert judged(store, worker, after="b") == ((3, 0, 5), ["d", "e"])


def test_what_the_generation_removed_already_counts_with_the_brake(store: Store) -> None:
    worker = Worker(store)
    worker.commit(*[thing(i) for i in "abcde"], sighting=1)
    worker.commit(thing("a"), sighting=2)
    worker.commit(deletions=worker.judged("b", "c"), deleted_generation=2)
    assert judged(store, worker) == ((2, 2, 3), ["d", "e"])


def test_a_row_written_since_the_listing_began_is_no_candidate(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a"), sighting=1)
    step = Reconcile(generation=2, started_at=datetime.now(UTC) - timedelta(hours=1))
    missing, candidates = store.commits.missing(worker.claim(), THINGS, step, limit=10)
    assert (missing.missing, list(candidates)) == (0, [])


def test_old_generations_are_forgotten_when_asked(store: Store) -> None:
    worker = Worker(store)
    for generation in (1, 2, 3):
        worker.commit(thing("a"), sighting=generation)
    Worker(store, OTHER).commit(thing("a"), sighting=1)
    worker.commit(forget_generations_before=3)
    assert set(store.sighted(KEY)) == {3}
    assert set(store.sighted(OTHER)) == {1}


def test_the_slices_of_a_generation_are_seen_together(store: Store) -> None:
    worker = Worker(store)
    worker.commit(*[thing(i) for i in "abc"], sighting=1)
    worker.commit(thing("a"), sighting=2)
    worker.commit(thing("b"), sighting=2)
    worker.commit(thing("c"))  # a delta: no listing
    assert judged(store, worker) == ((1, 0, 3), ["c"])


def test_another_clients_rows_are_neither_missing_nor_alive(store: Store) -> None:
    other = Worker(store, OTHER)
    other.commit(*[thing(i) for i in "abcde"], sighting=2)
    other.commit(deletions=other.judged("e"), deleted_generation=2)
    worker = Worker(store)
    worker.commit(thing("a"), thing("b"), sighting=1)
    assert judged(store, worker) == ((2, 0, 2), ["a", "b"])


def test_what_an_earlier_generation_removed_does_not_count_with_the_brake(store: Store) -> None:
    worker = Worker(store)
    worker.commit(*[thing(i) for i in "abc"], sighting=1)
    worker.commit(deletions=worker.judged("a"), deleted_generation=1)
    worker.commit(thing("b"), sighting=2)
    assert judged(store, worker) == ((1, 0, 2), ["c"])


def test_an_archived_row_is_alive_and_may_be_missing(store: Store) -> None:
    """Archived is a state that the vendor reports; gone is another."""
    worker = Worker(store)
    worker.commit(thing("a"), sighting=1)
    worker.commit(archived=["a"])
    assert judged(store, worker) == ((1, 0, 1), ["a"])


def test_a_row_that_came_back_counts_as_removed_no_more(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a"), thing("b"), sighting=1)
    worker.commit(deletions=worker.judged("a"), deleted_generation=2)
    worker.commit(thing("a"))
    assert judged(store, worker) == ((2, 0, 2), ["a", "b"])
