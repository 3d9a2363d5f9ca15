"""The database in memory is the real one's equal: whatever slices are committed, both hold the same.

Everything that stands on the one in memory (the engine's tests, the simulation) stands on this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.postgres import Database
from sluice.core.records import Progress, Reconcile, Record, Reject
from sluice.core.slices import Counts
from tests.contract.stores import KEY, NOW, MemoryStore, PostgresStore, Store, Worker
from tests.memory.streams import THINGS, thing

EMPTY_ALL = (
    "TRUNCATE public.things, sluice.sync_commit, sluice.commit_log, sluice.run, sluice.rejects,"
    " sluice.sighting"
)

ids = st.sampled_from("abcde")
records: st.SearchStrategy[Record] = st.builds(
    thing, ids, st.sampled_from([1, 2, 3, "big", 2**31]), st.sampled_from([None, None, 1, 2, 3])
)
rejects = st.builds(
    Reject,
    st.none() | ids,
    st.sampled_from(["not JSON", "no id"]),
    st.none() | st.just("size"),
    st.sampled_from(["{", "[", '{"id": "a", "size": "big"}']),
)


@dataclass(frozen=True)
class Step:
    """One slice, as both stores are given it. ``names`` are read in the open rejects, in order."""

    records: list[Record]
    parts: dict[str, Any]
    names: list[str]

    def commit_by(self, worker: Worker) -> Counts:
        opened = sorted(worker.store.commits.open_rejects(KEY, limit=99), key=lambda r: r.raw)
        named = [(r.reject_id, name) for r, name in zip(opened, self.names, strict=False)]
        return worker.commit(*self.records, redriven=named, **self.parts).counts


parts = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["pages", "redrive"]),
        "rejects": st.lists(rejects, max_size=3),
        "archived": st.lists(ids, max_size=2),
        "deletions": st.lists(ids, max_size=2),
        "deleted_generation": st.integers(1, 3),
        "sighting": st.integers(1, 3),
        "forget_generations_before": st.integers(1, 3),
        "has_more": st.booleans(),
        "progress": st.builds(Progress, st.integers(0, 9), st.none() | st.integers(0, 9)),
    },
)
steps = st.builds(Step, st.lists(records, max_size=6), parts, st.lists(ids, max_size=2))


@pytest.fixture
def real(database: Database) -> Iterator[tuple[PostgresStore, psycopg.Connection[Any]]]:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        store = PostgresStore(database.app_url, owner)
        yield store, owner
        store.connection.close()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # emptied before each example
)
@given(history=st.lists(steps, min_size=1, max_size=8))
def test_both_hold_the_same_after_any_slices(
    real: tuple[PostgresStore, psycopg.Connection[Any]], history: list[Step]
) -> None:
    store, owner = real
    owner.execute(EMPTY_ALL)
    memory = MemoryStore()
    in_store, in_memory = Worker(store), Worker(memory)
    moments = [datetime.now(UTC)]
    for step in history:
        assert step.commit_by(in_store) == step.commit_by(in_memory)
        moments.append(datetime.now(UTC))
    assert seen(store, moments) == seen(memory, moments)


def seen(store: Store, moments: list[datetime]) -> list[Any]:
    """All that a store can be asked, but for what it makes up itself: ids, wording, its own time."""
    opened = store.commits.open_rejects(KEY, limit=99)
    chain, position = store.chain(KEY)
    return [
        store.rows("acme"),
        sorted((str(r.record_id), r.times, str(r.resolution)) for r in store.rejects()),
        sorted((str(r.record_id), r.raw, r.seq) for r in opened),
        sorted(str((r.outcome, r.failures, r.done, r.total)) for r in store.runs()),
        [run.seq for run in store.commits.silent_runs(before=NOW + timedelta(weeks=9999), limit=9)],
        store.sighted(KEY),
        [(entry.seq, entry.fencing_token, entry.cursor_after, entry.read) for entry in chain],
        position,
        [missing(store, generation, at) for generation in (1, 2, 3) for at in moments],
    ]


def missing(store: Store, generation: int, began: datetime) -> Any:
    claim = store.commits.claim(KEY, store.commits.fence(KEY) + 1)
    assert claim is not None
    found, candidates = store.commits.missing(
        claim, THINGS, Reconcile(generation, began, "a"), limit=2
    )
    return found, list(candidates)
