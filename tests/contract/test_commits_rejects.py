"""Rejects: kept once, settled by a good version, redriven without overwriting what is newer."""

from __future__ import annotations

import json

from sluice.core.records import Reject
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
