"""What every implementation of ``core.ports.Commits`` must keep to: in memory and in Postgres,
directly and through a transaction pooler."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from local.postgres import Database
from sluice.core.errors import Superseded
from sluice.core.keys import StreamKey
from sluice.core.records import Progress, Reconcile, Record, Reject
from sluice.core.slices import Claim, Committed, Counts, Draft
from tests.contract.stores import STREAM, MemoryStore, PostgresStore, Store
from tests.memory.streams import THINGS, thing
from tests.oracle import chain_faults

KEY = StreamKey("acme", "shop", "things")
OTHER = StreamKey("bolt", "shop", "things")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(params=["memory", "postgres", "pooled"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    database: Database = request.getfixturevalue("database")
    url = database.app_url
    if request.param == "pooled":
        url = request.getfixturevalue("pooled_url")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        made = PostgresStore(url, owner)
        yield made
        made.connection.close()


class Worker:
    """Claims and commits with rising tokens, as one worker after another would."""

    def __init__(self, store: Store, key: StreamKey = KEY) -> None:
        self.store, self.key, self.token = store, key, 0

    def claim(self) -> Claim:
        self.token += 1
        claim = self.store.commits.claim(self.key, self.token)
        assert claim is not None
        run = self.store.commits.open_run(
            claim, run_id=str(uuid.uuid4()), reason="schedule", now=NOW
        )
        return replace(claim, run_id=run)

    def commit(self, *records: Record, **more: Any) -> Committed:
        claim = self.claim()
        return self.store.commits.commit(claim, draft(claim, records, **more), STREAM)


def draft(claim: Claim, records: Sequence[Record] = (), **more: Any) -> Draft:
    made = Draft(
        slice_id=str(uuid.uuid4()),
        run_id=str(claim.run_id),
        kind="pages",
        cursor_after={"at": claim.seq + 1},
        has_more=True,
        records=records,
    )
    return replace(made, **more)


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


# --- rejects ------------------------------------------------------------------------------------------


def test_a_row_that_cannot_be_loaded_costs_its_neighbours_nothing(store: Store) -> None:
    counts = Worker(store).commit(thing("a"), thing("bad", "big"), thing("b")).counts
    assert counts == Counts(read=3, inserted=2, rejected=1)
    assert [(r.record_id, r.reason, r.times, r.resolution) for r in store.rejects()] == [
        ("bad", "a size is a number", 1, None)
    ]


def test_the_same_reject_is_counted_and_not_kept_twice(store: Store) -> None:
    worker = Worker(store)
    for _ in range(3):
        worker.commit(thing("bad", "big"))
    assert [r.times for r in store.rejects()] == [3]
    opened = store.commits.open_rejects(KEY, limit=10)
    assert [(r.record_id, r.seq) for r in opened] == [("bad", 3)]
    assert json.loads(opened[0].raw) == {"id": "bad", "size": "big"}


def test_a_good_version_settles_the_reject(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a", "big"))
    worker.commit(thing("a", 3))
    assert [r.resolution for r in store.rejects()] == ["loaded"]
    assert store.commits.open_rejects(KEY, limit=10) == []


def test_another_bad_version_takes_the_rejects_place(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a", "big"))
    worker.commit(thing("a", "huge"))
    assert [r.resolution for r in store.rejects()] == ["superseded", None]


def test_rejects_without_an_id_stay_open(store: Store) -> None:
    """Nothing can tell which later row is theirs."""
    worker = Worker(store)
    worker.commit(rejects=[Reject(None, "no id", "id", "{}")])
    worker.commit(thing("a"))
    assert [r.resolution for r in store.rejects()] == [None]


def test_open_rejects_are_the_streams_own_oldest_first(store: Store) -> None:
    Worker(store, OTHER).commit(thing("x", "big"))
    Worker(store).commit(thing("b", "big"), thing("a", "big"))
    assert [r.record_id for r in store.commits.open_rejects(KEY, limit=1)] == ["b"]


# --- sightings and what is missing --------------------------------------------------------------------


def test_a_listing_remembers_bad_rows_too(store: Store) -> None:
    """A row that could not be loaded is no missing one."""
    bad = Reject("unreadable", "not JSON", None, "{")
    Worker(store).commit(thing("a"), thing("b", "big"), rejects=[bad], sighting=3)
    assert store.sighted(KEY) == {3: {"a", "b", "unreadable"}}


def judged(store: Store, worker: Worker, **more: Any) -> tuple[tuple[int, int, int], Sequence[str]]:
    limit = more.pop("limit", 10)
    step = Reconcile(generation=2, started_at=datetime.now(UTC) + timedelta(minutes=1), **more)
    missing, candidates = store.commits.missing(worker.claim(), THINGS, step, limit=limit)
    return (missing.missing, missing.removed, missing.alive), candidates


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
    worker.commit(deletions=["b", "c"], deleted_generation=2)
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


# --- runs ---------------------------------------------------------------------------------------------


def test_a_stream_has_one_open_run(store: Store) -> None:
    worker = Worker(store)
    first, second = worker.claim(), worker.claim()
    assert first.run_id == second.run_id
    assert [(r.outcome, r.ended) for r in store.runs()] == [("running", False)]


def test_a_run_ends_with_the_slice_after_which_nothing_is_due(store: Store) -> None:
    worker = Worker(store)
    worker.commit(progress=Progress(10, 40))
    worker.commit(progress=Progress(20, None))
    worker.commit(has_more=False)
    (run,) = store.runs()
    assert (run.outcome, run.ended, run.done, run.total) == ("completed", True, 20, 40)
    assert worker.claim().run_id != run.run_id


def test_a_failure_is_noted_and_the_run_goes_on(store: Store) -> None:
    worker = Worker(store)
    run_id = worker.claim().run_id
    store.commits.note_failure(KEY, run_id, "the vendor said 503", NOW)
    store.commits.note_failure(KEY, None, "and again", NOW)
    store.commits.note_failure(KEY, str(uuid.uuid4()), "of another run", NOW)
    (run,) = store.runs()
    assert (run.outcome, run.failures, run.last_error) == ("running", 2, "and again")


def test_failing_ends_the_open_run_or_records_one(store: Store) -> None:
    """A stream whose secret is missing never claims, and its failure must be seen all the same."""
    new = str(uuid.uuid4())
    assert store.commits.fail_run(KEY, error="e", reason="schedule", run_id=new, now=NOW) == new
    open_id = Worker(store).claim().run_id
    found = store.commits.fail_run(
        KEY, error="no key", reason="schedule", run_id=str(uuid.uuid4()), now=NOW
    )
    assert found == open_id
    assert {(r.run_id, r.outcome) for r in store.runs()} == {(new, "failed"), (open_id, "failed")}


def test_silent_runs_are_those_without_progress(store: Store) -> None:
    worker = Worker(store)
    claim = worker.claim()
    assert store.commits.silent_runs(before=NOW, limit=5) == []
    (silent,) = store.commits.silent_runs(before=NOW + timedelta(seconds=1), limit=5)
    assert (silent.run_id, silent.key, silent.seq) == (claim.run_id, KEY, 0)
    worker.commit(thing("a"))  # progress, by the database's own clock
    assert store.commits.silent_runs(before=NOW + timedelta(seconds=1), limit=5) == []


def test_a_run_is_abandoned_once_and_only_while_open(store: Store) -> None:
    run_id = str(Worker(store).claim().run_id)
    assert store.commits.abandon_run(run_id, NOW)
    assert not store.commits.abandon_run(run_id, NOW)
    (run,) = store.runs()
    assert (run.outcome, run.ended) == ("abandoned", True)
