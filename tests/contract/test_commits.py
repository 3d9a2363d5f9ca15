"""What every implementation of ``core.ports.Commits`` must keep to: in memory and in Postgres,
directly and through a transaction pooler. Here: fence, seq, chain and merge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sluice.core.errors import Superseded
from sluice.core.records import Record, Reject
from sluice.core.slices import Claim, Counts
from tests.contract.stores import KEY, OTHER, STREAM, Store, Things, Worker, draft
from tests.memory.streams import thing
from tests.oracle import chain_faults

# --- fence, seq, chain --------------------------------------------------------------------------------


def test_a_stream_never_seen_begins_at_nothing(store: Store) -> None:
    assert store.commits.fence(KEY) == 0
    claim = store.commits.claim(KEY, 5)
    assert claim == Claim(KEY, 5, 0, {}, has_more=False, run_id=None)
    assert store.commits.fence(KEY) == 5


@pytest.mark.parametrize("token", [1, 4, 5])
def test_an_older_or_equal_token_may_not_claim(store: Store, token: int) -> None:
    store.commits.claim(KEY, 5)
    assert store.commits.claim(KEY, token) is None
    assert store.commits.fence(KEY) == 5


def test_who_was_overtaken_commits_nothing(store: Store) -> None:
    """A newer claim, though it committed nothing yet, is the end of every older holder."""
    worker = Worker(store)
    old = worker.claim()
    worker.claim()
    with pytest.raises(Superseded):
        store.commits.commit(old, draft(old, [thing("a")]), STREAM)
    assert store.rows("acme") == {}
    assert store.chain(KEY)[0] == []


def test_a_slice_is_stored_once(store: Store) -> None:
    """The same claim cannot commit a second slice: seq has moved on."""
    claim = Worker(store).claim()
    store.commits.commit(claim, draft(claim, [thing("a")]), STREAM)
    with pytest.raises(Superseded):
        store.commits.commit(claim, draft(claim, [thing("b")]), STREAM)
    assert set(store.rows("acme")) == {"a"}


def test_the_log_is_a_chain_without_a_gap(store: Store) -> None:
    worker = Worker(store)
    for number in range(4):
        worker.commit(thing(f"t{number}"))
        worker.claim()  # somebody who died before committing
    log, at = store.chain(KEY)
    assert [entry.seq for entry in log] == [1, 2, 3, 4]
    assert list(chain_faults(log, at)) == []


def test_a_claim_reads_what_the_last_slice_left(store: Store) -> None:
    worker = Worker(store)
    committed = worker.commit(thing("a"), cursor_after={"page": 7, "deep": {"x": [1]}})
    assert (committed.seq, committed.has_more) == (1, True)
    claim = worker.claim()
    assert (claim.seq, claim.cursor, claim.has_more) == (1, {"page": 7, "deep": {"x": [1]}}, True)


def test_streams_do_not_know_each_other(store: Store) -> None:
    Worker(store).commit(thing("a", 1))
    Worker(store, OTHER).commit(thing("a", 2))
    assert store.rows("acme")["a"].size == 1
    assert store.rows("bolt")["a"].size == 2
    assert store.chain(OTHER)[1].seq == 1


# --- merge --------------------------------------------------------------------------------------------


def test_new_changed_and_unchanged_rows_are_told_apart(store: Store) -> None:
    worker = Worker(store)
    assert worker.commit(thing("a"), thing("b"), thing("c")).counts == Counts(read=3, inserted=3)
    counts = worker.commit(thing("a"), thing("b", 2), thing("d")).counts
    assert counts == Counts(read=3, inserted=1, updated=1, unchanged=1)
    assert {i: row.size for i, row in store.rows("acme").items()} == {
        "a": 1,
        "b": 2,
        "c": 1,
        "d": 1,
    }


def test_without_versions_the_slice_is_the_version(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a"))
    worker.commit(thing("a", 2))
    assert store.rows("acme")["a"].version == 2


def test_an_older_version_never_replaces_a_newer_one(store: Store) -> None:
    """I4: a late poll finds what a push has written since, and is counted as stale."""
    worker = Worker(store)
    worker.commit(thing("a", 9, version=9))
    assert worker.commit(thing("a", 8, version=8)).counts == Counts(read=1, stale=1)
    assert (store.rows("acme")["a"].size, store.rows("acme")["a"].version) == (9, 9)


@pytest.mark.parametrize(("kind", "size"), [("pages", 2), ("redrive", 1)])
def test_a_later_read_wins_a_tie_and_a_redrive_does_not(store: Store, kind: str, size: int) -> None:
    worker = Worker(store)
    worker.commit(thing("a", 1, version=5))
    worker.commit(thing("a", 2, version=5), kind=kind)
    assert store.rows("acme")["a"].size == size


def test_twice_in_a_batch_is_accounted_for_twice(store: Store) -> None:
    """The newest version wins, then the last read; an equal double is unchanged, another stale."""
    counts = (
        Worker(store)
        .commit(thing("a", 1, 1), thing("a", 3, 3), thing("a", 2, 2), thing("b"), thing("b"))
        .counts
    )
    assert counts == Counts(read=5, inserted=2, stale=2, unchanged=1)
    assert store.rows("acme")["a"].size == 3


def test_a_removed_row_comes_back_when_it_is_listed_again(store: Store) -> None:
    """Though its content is what it was: being listed is news."""
    worker = Worker(store)
    worker.commit(thing("a"))
    assert worker.commit(deletions=["a"], deleted_generation=1).counts == Counts(deleted=1)
    assert store.rows("acme")["a"].deleted
    assert worker.commit(thing("a")).counts == Counts(read=1, updated=1)
    assert not store.rows("acme")["a"].deleted


def test_an_older_version_does_not_raise_the_dead(store: Store) -> None:
    """A tombstone has a version too: the slice's that laid it, if that is higher than the row's."""
    worker = Worker(store)
    worker.commit(thing("a", 1, version=1))
    worker.commit(deletions=["a"], deleted_generation=1)
    assert worker.commit(thing("a", 2, version=1)).counts == Counts(read=1, stale=1)
    assert store.rows("acme")["a"].deleted


def test_what_is_removed_already_is_not_removed_again(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a"))
    worker.commit(deletions=["a"], deleted_generation=1)
    again = worker.commit(deletions=["a", "never there"], deleted_generation=2)
    assert again.counts == Counts()


def test_archived_rows_are_marked_once_and_come_back_when_listed(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a"), thing("b"))
    counts = worker.commit(archived=["a", "a", "unknown"]).counts
    assert counts == Counts(read=3, updated=1, unchanged=2)
    assert store.rows("acme")["a"].archived
    assert worker.commit(archived=["a"]).counts == Counts(read=1, unchanged=1)
    assert worker.commit(thing("a")).counts == Counts(read=1, updated=1)
    assert not store.rows("acme")["a"].archived
