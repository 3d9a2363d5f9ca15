"""Rejects: kept once, settled by a good version, redriven without overwriting what is newer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sluice.core.records import Record, Reject
from sluice.core.slices import Counts
from tests.contract.stores import KEY, OTHER, Store, Worker
from tests.memory.streams import thing


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


@pytest.mark.parametrize("size", [2**31, -(2**31) - 1])
def test_what_only_the_database_refuses_is_rejected_too(store: Store, size: int) -> None:
    """The stream lets it through; its column cannot hold it."""
    counts = Worker(store).commit(*(thing(i) for i in "abcd"), thing("huge", size)).counts
    assert counts == Counts(read=5, inserted=4, rejected=1)
    assert set(store.rows("acme")) == set("abcd")
    (reject,) = store.rejects()
    assert (reject.record_id, bool(reject.reason)) == ("huge", True)


@pytest.mark.parametrize("record_id", ["nul\0", "half \ud800"])
def test_an_id_that_no_column_holds_is_rejected_without_one(store: Store, record_id: str) -> None:
    """And is nothing that a listing could have seen."""
    record = replace(thing("x"), id=record_id)
    counts = Worker(store).commit(record, thing("a"), sighting=1).counts
    assert counts == Counts(read=2, inserted=1, rejected=1)
    assert [(r.record_id, r.reason) for r in store.rejects()] == [
        (None, "an id that Postgres cannot keep as text")
    ]
    assert store.sighted(KEY) == {1: {"a"}}


def test_a_version_that_no_column_holds_is_rejected(store: Store) -> None:
    counts = Worker(store).commit(thing("a", 1, 2**63), thing("b", 1, 2**63 - 1)).counts
    assert counts == Counts(read=2, inserted=1, rejected=1)
    assert [r.record_id for r in store.rejects()] == ["a"]


def test_what_a_reject_says_is_kept_as_text_can_be(store: Store) -> None:
    """Half a surrogate pair or a NUL in a vendor's row must not cost the slice."""
    Worker(store).commit(rejects=[Reject("a\0", "odd \ud800", None, "{\0}")])
    assert [(r.record_id, r.reason) for r in store.rejects()] == [("a\\u0000", "odd \\ud800")]
    assert [r.raw for r in store.commits.open_rejects(KEY, limit=1)] == ["{\\u0000}"]


def test_a_reject_and_a_good_row_of_one_slice_do_not_settle_each_other(store: Store) -> None:
    """Which of the two is right is for a later reading to say."""
    worker = Worker(store)
    worker.commit(thing("a"), rejects=[Reject("a", "not JSON", None, "{")])
    assert [r.resolution for r in store.rejects()] == [None]
    worker.commit(thing("a"))
    assert [r.resolution for r in store.rejects()] == ["loaded"]


def test_a_row_settles_the_rejects_of_its_own_stream_only(store: Store) -> None:
    Worker(store, OTHER).commit(thing("a", "big"))
    Worker(store).commit(thing("a"))
    assert [r.resolution for r in store.rejects()] == [None]


def test_a_row_that_is_older_than_the_stored_one_settles_the_reject_as_superseded(
    store: Store,
) -> None:
    worker = Worker(store)
    worker.commit(thing("a", 9, version=9))
    worker.commit(rejects=[Reject("a", "not JSON", None, "{")])
    assert worker.commit(thing("a", 8, version=8)).counts.stale == 1
    assert [r.resolution for r in store.rejects()] == ["superseded"]


def test_what_was_settled_and_is_bad_again_is_a_new_reject(store: Store) -> None:
    worker = Worker(store)
    for size in ("big", 1, "big"):
        worker.commit(thing("a", size))
    assert [(r.times, r.resolution) for r in store.rejects()] == [(1, "loaded"), (1, None)]


# --- redrive ------------------------------------------------------------------------------------------


def redrive(store: Store, worker: Worker, *records: Record, **more: Any) -> Counts:
    """The open rejects tried again, as they are; or with what became of them."""
    opened = store.commits.open_rejects(worker.key, limit=100)
    tried = [Reject(r.record_id, "still bad", None, r.raw) for r in opened]
    return worker.commit(*records, kind="redrive", **{"rejects": tried, **more}).counts


def test_a_redrive_in_vain_leaves_a_reject_the_seq_it_was_read_at(store: Store) -> None:
    """That seq is its version: trying does not make it newer than what was read since."""
    worker = Worker(store)
    worker.commit(thing("a", "big"))
    worker.commit(thing("other"))
    assert redrive(store, worker) == Counts(read=1, rejected=1)
    (still,) = store.commits.open_rejects(KEY, limit=10)
    assert (still.record_id, still.seq) == ("a", 1)
    assert [(r.times, r.reason) for r in store.rejects()] == [(2, "still bad")]
    worker.commit(thing("a", "big"))
    assert store.commits.open_rejects(KEY, limit=10)[0].seq == 4


def test_those_not_tried_for_longest_come_first(store: Store) -> None:
    """So that a redrive of more than a slice takes goes round all of them."""
    worker = Worker(store)
    worker.commit(*(thing(i, "big") for i in "abc"))
    (first,) = store.commits.open_rejects(KEY, limit=1)
    redrive(store, worker, rejects=[Reject(first.record_id, "still bad", None, first.raw)])
    assert [r.record_id for r in store.commits.open_rejects(KEY, limit=9)] == ["b", "c", "a"]


def test_a_redriven_row_settles_its_reject(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a", "big"))
    assert redrive(store, worker, thing("a", 7, version=1), rejects=[]).inserted == 1
    assert [r.resolution for r in store.rejects()] == ["loaded"]


def test_a_redriven_row_that_was_written_since_is_superseded(store: Store) -> None:
    worker = Worker(store)
    worker.commit(rejects=[Reject(None, "no id", "id", "{}")])
    worker.commit(thing("a", 5))
    (reject,) = store.commits.open_rejects(KEY, limit=1)
    mended, named = thing("a", 1, reject.seq), [(reject.reject_id, "a")]
    counts = redrive(store, worker, mended, rejects=[], redriven=named)
    assert counts == Counts(read=1, stale=1)
    assert store.rows("acme")["a"].size == 5
    assert [(r.record_id, r.resolution) for r in store.rejects()] == [("a", "superseded")]


def test_a_redriven_row_of_the_very_slice_that_wrote_the_stored_one_is_superseded(
    store: Store,
) -> None:
    """A listing that held an id twice, once unreadable: what could be read stands."""
    worker = Worker(store)
    worker.commit(thing("a", 5), rejects=[Reject(None, "no id", "id", "{}")])
    (reject,) = store.commits.open_rejects(KEY, limit=1)
    mended, named = thing("a", 1, reject.seq), [(reject.reject_id, "a")]
    counts = redrive(store, worker, mended, rejects=[], redriven=named)
    assert counts == Counts(read=1, stale=1)
    assert store.rows("acme")["a"].size == 5
    assert [r.resolution for r in store.rejects()] == ["superseded"]


def test_naming_a_reject_never_renames_one(store: Store) -> None:
    """Nor one of another stream, whatever number is named."""
    Worker(store, OTHER).commit(rejects=[Reject(None, "no id", "id", "{}")])
    (others,) = store.commits.open_rejects(OTHER, limit=1)
    worker = Worker(store)
    worker.commit(thing("a", "big"))
    (own,) = store.commits.open_rejects(KEY, limit=1)
    redrive(store, worker, redriven=[(own.reject_id, "x"), (others.reject_id, "y")])
    assert {r.record_id for r in store.rejects()} == {None, "a"}
