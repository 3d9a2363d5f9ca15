"""What every implementation of ``core.ports.Commits`` must keep to: in memory and in Postgres,
directly and through a transaction pooler. Here: fence, seq, chain and merge."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from sluice.core.errors import Superseded
from sluice.core.ports import Stream
from sluice.core.records import Progress, Record, Reject
from sluice.core.slices import Claim, Counts
from tests.contract.stores import KEY, NOW, OTHER, STREAM, Store, Things, Worker, draft
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


def test_a_stream_never_claimed_takes_no_slice(store: Store) -> None:
    claim = Claim(KEY, 1, 0, {}, has_more=False, run_id=str(uuid.uuid4()))
    with pytest.raises(Superseded):
        store.commits.commit(claim, draft(claim, [thing("a")]), STREAM)
    assert store.commits.fence(KEY) == 0
    assert store.rows("acme") == {}


def test_a_refused_slice_leaves_no_trace(store: Store) -> None:
    """Neither rows nor rejects, sightings, tombstones, log or progress of the run."""
    worker = Worker(store)
    worker.commit(thing("a"), sighting=1)
    old = worker.claim()
    worker.claim()
    before = (store.rows("acme"), store.runs(), store.sighted(KEY), store.chain(KEY))
    late = draft(
        old,
        [thing("new"), thing("bad", "big")],
        rejects=[Reject("worse", "not JSON", None, "{")],
        deletions=worker.judged("a"),
        deleted_generation=2,
        sighting=2,
        forget_generations_before=2,
        has_more=False,
        progress=Progress(1, 2),
    )
    with pytest.raises(Superseded):
        store.commits.commit(old, late, STREAM)
    assert (store.rows("acme"), store.runs(), store.sighted(KEY), store.chain(KEY)) == before
    assert store.rejects() == []


def test_a_bug_in_the_middle_of_a_slice_stores_nothing_of_it(store: Store) -> None:
    """All of a slice or nothing, whatever is raised where; the next slice is none the worse."""

    def divide(record: Record) -> float:
        return 1 / (record.id != "b")

    buggy = cast(Stream, Things(first=divide))
    worker = Worker(store)
    claim = worker.claim()
    made = draft(claim, [thing("a"), thing("b")], sighting=1)
    with pytest.raises(ZeroDivisionError):
        store.commits.commit(claim, made, buggy)
    assert (store.rows("acme"), store.sighted(KEY), store.chain(KEY)[0]) == ({}, {}, [])
    assert store.commits.commit(claim, made, STREAM).counts.inserted == 2


def test_a_slice_is_stored_once(store: Store) -> None:
    """The same claim cannot commit a second slice: seq has moved on."""
    claim = Worker(store).claim()
    store.commits.commit(claim, draft(claim, [thing("a")]), STREAM)
    with pytest.raises(Superseded):
        store.commits.commit(claim, draft(claim, [thing("b")]), STREAM)
    assert set(store.rows("acme")) == {"a"}


def test_a_slice_follows_the_one_that_its_claim_saw(store: Store) -> None:
    """Where both stores fell back and the stream went on otherwise, token and seq are given twice: the slice before
    is another one, and ended elsewhere."""
    worker = Worker(store)
    first = worker.claim()
    assert first.follows is None
    written = draft(first, [thing("a")])
    store.commits.commit(first, written, STREAM)
    claim = worker.claim()
    assert claim.follows == written.slice_id
    for other in (None, str(uuid.uuid4())):
        with pytest.raises(Superseded):
            store.commits.commit(replace(claim, follows=other), draft(claim, [thing("b")]), STREAM)
    assert set(store.rows("acme")) == {"a"}
    assert store.commits.commit(claim, draft(claim, [thing("c")]), STREAM).seq == 2


def test_the_log_is_a_chain_without_a_gap(store: Store) -> None:
    worker = Worker(store)
    for number in range(4):
        worker.commit(thing(f"t{number}"))
        worker.claim()  # somebody who died before committing
    log, at = store.chain(KEY)
    assert [entry.seq for entry in log] == [1, 2, 3, 4]
    assert list(chain_faults(log, at)) == []


def test_a_note_is_kept_as_text_can_be(store: Store) -> None:
    """It may quote what a vendor wrote, and must not cost the slice."""
    assert Worker(store).commit(thing("a"), note="the vendor says \0 and \ud800").seq == 1


def test_a_claim_reads_what_the_last_slice_left(store: Store) -> None:
    worker = Worker(store)
    committed = worker.commit(thing("a"), cursor_after={"page": 7, "deep": {"x": [1]}})
    assert (committed.seq, committed.has_more) == (1, True)
    claim = worker.claim()
    assert (claim.seq, claim.cursor, claim.has_more) == (1, {"page": 7, "deep": {"x": [1]}}, True)


def test_a_claim_reads_the_run_that_is_open(store: Store) -> None:
    """And none once it has ended."""
    worker = Worker(store)
    run_id = worker.claim().run_id
    first = store.commits.claim(KEY, 50)
    assert first is not None
    assert first.run_id == run_id
    store.commits.commit(first, draft(first, has_more=False), STREAM)
    second = store.commits.claim(KEY, 51)
    assert second is not None
    assert (second.run_id, second.has_more) == (None, False)


def test_a_claim_changes_nothing_but_the_fence(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a"))
    log, before = store.chain(KEY)
    worker.claim()
    assert store.chain(KEY) == (log, replace(before, fencing_token=before.fencing_token + 1))


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


def test_the_latest_full_read_asked_for_is_remembered(store: Store) -> None:
    """By whichever claim it came, and whoever claims after."""
    commits = store.commits
    asked = [commits.claim(KEY, 1), commits.claim(KEY, 2, full_since=NOW)]
    asked.append(commits.claim(KEY, 3, full_since=NOW - timedelta(hours=1)))
    asked.append(commits.claim(KEY, 4))
    assert [claim and claim.full_since for claim in asked] == [None, NOW, NOW, NOW]


def test_an_unchanged_row_keeps_up_with_its_version(store: Store) -> None:
    """Equal content is no change, and an older version is none at all; but what the vendor calls newer
    must be known to be, or a late push of the content between would overwrite it."""
    worker = Worker(store)
    worker.commit(thing("a", version=5))
    for version in (4, 5, 6):
        assert worker.commit(thing("a", version=version)).counts == Counts(read=1, unchanged=1)
    assert store.rows("acme")["a"].version == 6


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


def test_a_double_of_a_row_that_cannot_be_loaded_is_accounted_for(store: Store) -> None:
    """The last read counts: it is rejected, and the good one before it is outdone."""
    counts = Worker(store).commit(thing("a", 1), thing("a", "big")).counts
    assert counts == Counts(read=2, stale=1, rejected=1)
    assert store.rows("acme") == {}


def test_a_removed_row_comes_back_when_it_is_listed_again(store: Store) -> None:
    """Though its content is what it was: being listed is news."""
    worker = Worker(store)
    worker.commit(thing("a"))
    assert worker.commit(deletions=worker.judged("a"), deleted_generation=1).counts == Counts(
        deleted=1
    )
    assert store.rows("acme")["a"].deleted
    assert worker.commit(thing("a")).counts == Counts(read=1, updated=1)
    assert not store.rows("acme")["a"].deleted


def test_an_older_version_does_not_raise_the_dead(store: Store) -> None:
    """A tombstone has a version too: the slice's that laid it, if that is higher than the row's."""
    worker = Worker(store)
    worker.commit(thing("a", 1, version=1))
    worker.commit(deletions=worker.judged("a"), deleted_generation=1)
    assert worker.commit(thing("a", 2, version=1)).counts == Counts(read=1, stale=1)
    assert store.rows("acme")["a"].deleted


def test_a_vendor_version_does_not_have_to_rise_for_a_row_to_come_back(store: Store) -> None:
    """The vendor listed it again as it was; our tombstone is no newer version than its own."""
    worker = Worker(store)
    worker.commit(thing("a", 1, version=700))
    worker.commit(deletions=worker.judged("a"), deleted_generation=1)
    assert worker.commit(thing("a", 1, version=700)).counts == Counts(read=1, updated=1)
    assert not store.rows("acme")["a"].deleted


def test_a_tombstone_is_no_older_than_the_row_it_lies_on(store: Store) -> None:
    """A vendor's versions may be far above our seq: an older one does not bring the row back."""
    worker = Worker(store)
    worker.commit(thing("a", 1, version=700))
    worker.commit(deletions=worker.judged("a"), deleted_generation=1)
    assert worker.commit(thing("a", 2, version=650)).counts == Counts(read=1, stale=1)
    assert store.rows("acme")["a"].deleted


def test_removing_and_archiving_touch_one_clients_rows(store: Store) -> None:
    Worker(store, OTHER).commit(thing("a"), thing("b"))
    worker = Worker(store)
    assert worker.commit(
        deletions=worker.judged("a"), deleted_generation=1, archived=["b"]
    ).counts == Counts(read=1, unchanged=1)
    others = store.rows("bolt")
    assert (others["a"].deleted, others["b"].archived) == (False, False)


def test_a_removed_row_is_not_archived(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a"))
    worker.commit(deletions=worker.judged("a"), deleted_generation=1)
    assert worker.commit(archived=["a"]).counts == Counts(read=1, unchanged=1)


def test_what_is_removed_already_is_not_removed_again(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a"))
    worker.commit(deletions=worker.judged("a"), deleted_generation=1)
    again = worker.commit(deletions=worker.judged("a", "never there"), deleted_generation=2)
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


@pytest.mark.parametrize("kind", ["pages", "redrive"])
def test_an_archived_row_comes_back_as_it_was_at_a_newer_version(store: Store, kind: str) -> None:
    """Found by the comparison with the database in memory: the row only kept up with the version, so
    that what was to bring it back looked like a tie, and a redriven tie loses."""
    worker = Worker(store)
    worker.commit(thing("a", version=1))
    worker.commit(archived=["a"])
    assert worker.commit(thing("a", version=2), kind=kind).counts == Counts(read=1, updated=1)
    row = store.rows("acme")["a"]
    assert (row.archived, row.version) == (False, 2)
