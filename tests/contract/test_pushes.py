"""What every implementation of ``core.ports.Pushes`` must keep to, and the race of pushes and polls."""

from __future__ import annotations

from itertools import permutations

import pytest

from sluice.core.errors import RowRejected
from sluice.core.ports import Applied
from sluice.core.records import PushEvent
from sluice.core.removal import Candidate
from sluice.usecases.apply_event import apply_event
from tests.contract.stores import KEY, STREAM, MemoryStore, Store, Stored, Worker
from tests.memory.streams import thing


def push(
    store: Store, version: int | None, size: int | str = 1, *, event: str = "", gone: bool = False
) -> Applied:
    record = thing("a", size, version)
    delivery = event or f"event {version} {size} {gone}"
    return apply_event(PushEvent(delivery, KEY, record, gone), STREAM, store.pushes)


def row(store: Store) -> Stored:
    return store.rows(KEY.client_id)["a"]


def test_a_push_is_stored_and_a_second_delivery_of_it_is_not(store: Store) -> None:
    assert push(store, 5, 50, event="e") is Applied.WRITTEN
    assert push(store, 9, 90, event="e") is Applied.REPEATED
    assert (row(store).version, row(store).size) == (5, 50)


def test_a_late_push_does_not_overwrite_what_a_poll_brought(store: Store) -> None:
    Worker(store).commit(thing("a", 70, 7))
    assert push(store, 5, 50) is Applied.STALE
    assert push(store, 7, 70) is Applied.UNCHANGED
    assert push(store, 8, 80) is Applied.WRITTEN
    assert (row(store).version, row(store).size) == (8, 80)


def test_a_late_poll_does_not_overwrite_a_push(store: Store) -> None:
    push(store, 8, 80)
    counts = Worker(store).commit(thing("a", 70, 7)).counts
    assert (counts.stale, row(store).size) == (1, 80)


def test_a_row_that_came_back_to_an_old_content_keeps_its_newest_version(store: Store) -> None:
    """A, B, A: the poll finds nothing to write, and the push of B that comes late is still older."""
    worker = Worker(store)
    worker.commit(thing("a", 1, 1))
    assert worker.commit(thing("a", 1, 3)).counts.unchanged == 1
    assert push(store, 2, 2) is Applied.STALE
    assert (row(store).version, row(store).size) == (3, 1)


def test_a_pushed_tombstone_beats_its_own_version_and_older_ones(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a", 50, 5))
    assert push(store, 5, gone=True) is Applied.WRITTEN
    assert worker.commit(thing("a", 50, 5)).counts.stale == 1
    assert row(store).deleted
    assert worker.commit(thing("a", 60, 6)).counts.updated == 1
    assert not row(store).deleted
    assert push(store, 5, event="late", gone=True) is Applied.STALE
    assert not row(store).deleted


def test_a_tombstone_that_arrives_before_its_row_is_remembered(store: Store) -> None:
    assert push(store, 6, gone=True) is Applied.WRITTEN
    assert push(store, 5, 50) is Applied.STALE
    assert row(store).deleted


def test_a_row_that_a_listing_removed_comes_back_at_its_own_version(store: Store) -> None:
    """Its vendor shows it again unchanged; only a tombstone of the vendor's own would stand."""
    worker = Worker(store)
    worker.commit(thing("a", 50, 500))
    worker.commit(deletions=worker.judged("a"), deleted_generation=1)
    assert row(store).deleted
    assert worker.commit(thing("a", 50, 500)).counts.updated == 1
    assert not row(store).deleted


def test_a_row_that_was_pushed_after_it_was_judged_is_not_removed(store: Store) -> None:
    """The vendor said it was gone; then it was made anew, and the push was faster than the commit."""
    worker = Worker(store)
    worker.commit(thing("a", 50, 500))
    judged = worker.judged("a")
    push(store, 600, 60)
    assert worker.commit(deletions=judged, deleted_generation=1).counts.deleted == 0
    assert not row(store).deleted
    assert judged == [Candidate("a", 500)]


def test_a_push_that_cannot_be_loaded_is_kept_as_a_reject(store: Store) -> None:
    """Also of a stream that was never read."""
    assert push(store, 5, "big") is Applied.REJECTED
    (reject,) = store.rejects()
    assert (reject.record_id, reject.reason) == ("a", "a size is a number")
    assert store.rows(KEY.client_id) == {}


def test_a_push_without_a_version_is_refused(store: Store) -> None:
    """Nothing could say whether it is older than what is stored."""
    with pytest.raises(RowRejected, match="version"):
        push(store, None, 5)
    assert push(store, 1, 5) is Applied.WRITTEN


@pytest.mark.parametrize("poll", range(1, 6))
def test_whatever_the_order_of_five_versions_and_a_poll_the_last_one_stands(poll: int) -> None:
    """All 120 orders of pushes, the poll of each version at each place among them, and each version in
    turn being the deletion."""
    for order in permutations(range(1, 6)):
        for place in range(6):
            for deletion in range(6):
                _race(order, poll, place, deletion)


def _race(order: tuple[int, ...], poll: int, place: int, deletion: int) -> None:
    store = MemoryStore()
    worker = Worker(store)
    highest = 0
    for n, version in enumerate((*order, 0)):
        if n == place and poll != deletion:
            worker.commit(thing("a", poll, poll))
            highest = max(highest, poll)
        if version:
            push(store, version, version, gone=version == deletion)
            highest = max(highest, version)
        if highest:
            assert row(store).version == highest, (order, poll, place, deletion)
            assert row(store).deleted == (highest == deletion), (order, poll, place, deletion)
