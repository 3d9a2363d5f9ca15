"""Derivations and derive steps: in the slice's own transaction, over what was read and what was written."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import cast

import pytest

from sluice.core.errors import Superseded
from sluice.core.ports import Applied, Stream
from sluice.core.records import PushEvent
from sluice.core.slices import Counts
from tests.contract.deriving import COUNTED, Sized
from tests.contract.stores import KEY, OTHER, SIZED_STREAM, Store, Things, Worker, draft
from tests.memory.streams import thing


@pytest.fixture
def worker(store: Store) -> Worker:
    return Worker(store, KEY, SIZED_STREAM)


def test_what_was_written_is_derived(store: Store, worker: Worker) -> None:
    worker.commit(thing("a", 1), thing("b", 2))
    worker.commit(thing("b", 3), thing("c", 4))
    assert store.sizes("acme") == {
        "a": Sized(100, True, 1),
        "b": Sized(33, True, 2),
        "c": Sized(25, True, 1),
    }


def test_what_was_only_read_is_told_too_each_once(store: Store, worker: Worker) -> None:
    """Unchanged, stale and rejected records, and doubles of one id: something follows from their having
    been read."""
    worker.commit(thing("a", 1, 5), thing("b", 2, 5), thing("c", 4, 5), thing("d", 4, 5))
    counts = worker.commit(
        thing("a", 1, 5), thing("b", 9, 4), thing("c", "big", 6), thing("d", 4, 5), thing("d", 4, 5)
    ).counts
    assert counts == Counts(read=5, unchanged=3, stale=1, rejected=1)
    assert {i: sized.times for i, sized in store.sizes("acme").items()} == dict.fromkeys("abcd", 2)


def test_a_removed_or_archived_row_is_told_as_written(store: Store, worker: Worker) -> None:
    """And not as read."""
    worker.commit(thing("a"), thing("b"), thing("c"))
    worker.commit(archived=["b"], deletions=worker.judged("a"), deleted_generation=1)
    assert store.sizes("acme") == {
        "a": Sized(100, False, 1),
        "b": Sized(100, False, 1),
        "c": Sized(100, True, 1),
    }
    worker.commit(thing("a"))
    assert store.sizes("acme")["a"] == Sized(100, True, 2)


def test_a_removal_is_not_told_what_its_slice_read(store: Store, worker: Worker) -> None:
    """What was read counts once, though rows were removed and archived in the same slice."""
    worker.commit(thing("a"), thing("b"))
    worker.commit(thing("c"), deletions=worker.judged("a"), archived=["b"], deleted_generation=1)
    assert {i: sized.times for i, sized in store.sizes("acme").items()} == {"a": 1, "b": 1, "c": 1}


def test_what_was_judged_and_stays_is_not_told(store: Store, worker: Worker) -> None:
    """A row written since keeps what is derived from it."""
    worker.commit(thing("a", 1, 5))
    judged = worker.judged("a")
    worker.commit(thing("a", 2, 6))
    assert worker.commit(deletions=judged, deleted_generation=1).counts.deleted == 0
    assert store.sizes("acme")["a"] == Sized(50, True, 2)


def test_a_row_that_cannot_be_derived_is_rejected_and_the_others_are_not(
    store: Store, worker: Worker
) -> None:
    """With the derivation's name in the reason; and neither its row nor what follows from it is stored."""
    records = [thing(f"t{n}", n) for n in (1, 2, 0, 4, 5, 10, 20)]
    counts = worker.commit(*records).counts
    assert counts == Counts(read=7, inserted=6, rejected=1)
    assert (
        set(store.rows("acme"))
        == set(store.sizes("acme"))
        == {"t1", "t2", "t4", "t5", "t10", "t20"}
    )
    assert {sized.times for sized in store.sizes("acme").values()} == {1}
    (reject,) = store.rejects()
    assert (reject.record_id, reject.reason) == ("t0", "parts: division by zero")


def test_an_old_row_stays_as_it_is_when_its_new_state_cannot_be_derived(
    store: Store, worker: Worker
) -> None:
    """That it was read is told all the same, or it would be asked for again and again."""
    worker.commit(thing("a", 2), thing("b", 2))
    assert worker.commit(thing("a", 0), thing("b", 4)).counts == Counts(
        read=2, updated=1, rejected=1
    )
    assert store.rows("acme")["a"].size == 2
    assert store.sizes("acme") == {"a": Sized(50, True, 2), "b": Sized(25, True, 2)}


def test_a_row_that_only_stands_is_a_reject_when_its_derivation_fails(
    store: Store, worker: Worker
) -> None:
    """Nothing was to be written, and yet nobody may overlook it: the third reading is one too many."""
    for _ in range(2):
        worker.commit(thing("a", 1, 5), thing("b", 1, 5))
    worker.commit(thing("c", 1, 5))
    counts = worker.commit(thing("a", 1, 5), thing("b", 7, 4), thing("c", 1, 5)).counts
    assert counts == Counts(read=3, unchanged=1, rejected=2)
    assert store.sizes("acme")["c"].times == 2
    assert sorted(str(reject.record_id) for reject in store.rejects()) == ["a", "b"]
    assert {str(reject.reason).split(":")[0] for reject in store.rejects()} == {"times"}


def test_a_reject_is_settled_by_the_row_that_can_be_derived(store: Store, worker: Worker) -> None:
    """Its stream goes on meanwhile."""
    worker.commit(thing("a", 0), thing("b"))
    worker.commit(thing("a", 5))
    assert [(r.record_id, r.resolution) for r in store.rejects()] == [("a", "loaded")]
    assert store.sizes("acme")["a"] == Sized(20, True, 1)


def test_a_batch_that_went_in_parts_settles_the_rejects_of_all_of_them(
    store: Store, worker: Worker
) -> None:
    """Not only of the part that came last."""
    worker.commit(thing("a", 0), thing("b"))
    worker.commit(thing("a", 5), thing("b", 2), thing("c", 0), thing("d"))
    settled = sorted((str(r.record_id), r.resolution) for r in store.rejects())
    assert settled == [("a", "loaded"), ("c", None)]


def test_rows_whose_removal_cannot_be_derived_stay_and_are_named(
    store: Store, worker: Worker
) -> None:
    """Stored before the table had derivations; the others go."""
    Worker(store).commit(*[thing(i) for i in "bcd"], thing("a", 0), thing("x", 0), thing("y"))
    worker.token = 100
    stored = worker.commit(
        deletions=worker.judged("a", "b", "c"), archived=["x", "y"], deleted_generation=1
    )
    assert stored.counts == Counts(read=2, updated=1, unchanged=1, deleted=2)
    assert {i for i, row in store.rows("acme").items() if row.deleted} == {"b", "c"}
    assert {i for i, row in store.rows("acme").items() if row.archived} == {"y"}
    assert set(store.sizes("acme")) == {"b", "c", "y"}
    assert stored.note == "x stays: parts: division by zero; a stays: parts: division by zero"


def test_a_refused_slice_derives_nothing(store: Store, worker: Worker) -> None:
    old = worker.claim()
    worker.claim()
    with pytest.raises(Superseded):
        store.commits.commit(old, draft(old, [thing("a")], derive=COUNTED), SIZED_STREAM)
    assert store.sizes("acme") == {}


def test_a_bug_after_it_takes_the_derivation_back(store: Store, worker: Worker) -> None:
    """What is derived is part of the slice: all of it or nothing."""
    buggy = cast(Stream, Things(SIZED_STREAM.table, first=lambda record: 1 / (record.id != "b")))
    worker.commit(thing("a"))
    claim = worker.claim()
    with pytest.raises(ZeroDivisionError):
        store.commits.commit(claim, draft(claim, [thing("a", 2), thing("b")]), buggy)
    assert store.sizes("acme") == {"a": Sized(100, True, 1)}


def test_another_clients_rows_are_derived_from_their_own(store: Store, worker: Worker) -> None:
    worker.commit(thing("a", 1))
    Worker(store, OTHER, SIZED_STREAM).commit(thing("a", 2), derive=COUNTED)
    assert store.sizes("acme") == {"a": Sized(100, True, 1)}
    assert store.sizes("bolt") == {"a": Sized(50, False, 1)}


# --- pushes -------------------------------------------------------------------------------------------


def push(store: Store, version: int, size: int = 1, *, gone: bool = False) -> Applied:
    record = thing("a", size, version)
    return store.pushes.apply(PushEvent(str(uuid.uuid4()), KEY, record, gone), SIZED_STREAM)


def test_a_push_is_derived_from_like_a_poll(store: Store) -> None:
    assert push(store, 5, 2) is Applied.WRITTEN
    assert store.sizes("acme") == {"a": Sized(50, True, 1)}
    assert push(store, 4, 1) is Applied.STALE
    assert push(store, 6, gone=True) is Applied.WRITTEN
    assert store.sizes("acme") == {"a": Sized(50, False, 2)}
    assert push(store, 5, gone=True) is Applied.STALE


def test_a_tombstone_of_a_row_never_seen_is_derived_from(store: Store) -> None:
    push(store, 6, gone=True)
    assert store.sizes("acme") == {"a": Sized(None, False, 0)}


def test_a_push_that_cannot_be_derived_is_rejected(store: Store, worker: Worker) -> None:
    assert push(store, 5, 0) is Applied.REJECTED
    assert (store.rows("acme"), store.sizes("acme")) == ({}, {})
    Worker(store).commit(thing("a", 0, 7))
    assert push(store, 8, gone=True) is Applied.REJECTED
    assert not store.rows("acme")["a"].deleted
    assert [reject.reason for reject in store.rejects()] == ["parts: division by zero"] * 2


# --- the derive step ----------------------------------------------------------------------------------


def test_a_derive_step_answers_numbers_that_its_slice_keeps(store: Store, worker: Worker) -> None:
    worker.commit(thing("a", 1), thing("b", 2), thing("c", 4))
    stored = worker.commit(derive=COUNTED, kind="count", cursor_after=COUNTED.cursor)
    assert (stored.counts, stored.derived) == (Counts(), {"closed": 2, "parts": 175})
    assert stored.note == "closed 2, parts 175"
    assert worker.claim().cursor == {"counted": True}
    assert {i for i, sized in store.sizes("acme").items() if not sized.alive} == {"a", "b"}


def test_its_numbers_stand_behind_the_slices_own_note(store: Store, worker: Worker) -> None:
    """Those that are not nothing: a run joins the notes of all its slices."""
    assert worker.commit(derive=COUNTED, note="by hand").note == "by hand"
    counted = worker.commit(thing("a"), derive=COUNTED, note="by hand")
    assert counted.note == "by hand; closed 1, parts 100"


def test_it_sees_what_its_own_slice_wrote(store: Store, worker: Worker) -> None:
    assert worker.commit(thing("a"), derive=COUNTED).derived == {"closed": 1, "parts": 100}


def test_a_slice_without_a_derive_step_has_no_numbers(store: Store, worker: Worker) -> None:
    stored = worker.commit(thing("a"))
    assert (stored.derived, stored.note) == ({}, None)


@pytest.mark.parametrize(("least", "closed"), [(50, 1), (51, 0)])
def test_a_derive_step_has_its_parameters(worker: Worker, least: int, closed: int) -> None:
    worker.commit(thing("a", 2))
    step = replace(COUNTED, parameters={"part": least})
    assert worker.commit(derive=step).derived["closed"] == closed
