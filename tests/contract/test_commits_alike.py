"""The database in memory is the real one's equal: whatever slices are committed, both hold the same.

Everything that stands on the one in memory (the engine's tests, the simulation) stands on this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from local.postgres import Database
from sluice.core.ports import Stream
from sluice.core.records import Fact, Progress, PushEvent, Reconcile, Record, Reject
from sluice.core.slices import Counts
from tests.contract.deriving import COUNTED
from tests.contract.stores import (
    KEY,
    NOW,
    SIZED_STREAM,
    STREAM,
    MemoryStore,
    PostgresStore,
    Store,
    Worker,
)
from tests.memory.streams import THINGS, thing

EMPTY_ALL = (
    "TRUNCATE public.things, sluice.sync_commit, sluice.commit_log, sluice.run, sluice.rejects,"
    " sluice.sighting, sluice.ledger, sluice.counter, sluice.inbox, public.sizes"
)

EXAMPLES = int(os.environ.get("SLUICE_EXPLORE") or 40)

ids = st.sampled_from("abcde")
records: st.SearchStrategy[Record] = st.builds(
    thing, ids, st.sampled_from([0, 1, 2, 3, "big", 2**31]), st.sampled_from([None, None, 1, 2, 3])
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
    pushed: list[PushEvent]
    judged: list[str]

    def commit_by(self, worker: Worker) -> tuple[Counts, Any, str | None]:
        opened = sorted(worker.store.commits.open_rejects(KEY, limit=99), key=lambda r: r.raw)
        named = [(r.reject_id, name) for r, name in zip(opened, self.names, strict=False)]
        gone = worker.judged(*self.judged)
        for event in self.pushed:
            worker.store.pushes.apply(event, worker.stream)
        stored = worker.commit(*self.records, redriven=named, deletions=gone, **self.parts)
        return stored.counts, dict(stored.derived), stored.note


facts = st.builds(
    Fact,
    st.sampled_from(["f1", "f2", "f3"]),
    st.sampled_from(["ann", "bob"]),
    st.just("opened"),
    st.integers(-2, 9),
    st.just(NOW),
)
parts = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["pages", "redrive"]),
        "rejects": st.lists(rejects, max_size=3),
        "archived": st.lists(ids, max_size=2),
        "facts": st.lists(facts, max_size=4),
        "deleted_generation": st.integers(1, 3),
        "sighting": st.integers(1, 3),
        "forget_generations_before": st.integers(1, 3),
        "has_more": st.booleans(),
        "derive": st.just(COUNTED),
        "progress": st.builds(Progress, st.integers(0, 9), st.none() | st.integers(0, 9)),
    },
)
pushed = st.builds(
    PushEvent,
    st.sampled_from(["e1", "e2", "e3", "e4", "e5"]),
    st.just(KEY),
    st.builds(thing, ids, st.sampled_from([0, 1, 2, "big"]), st.integers(0, 9)),
    st.booleans(),
)
steps = st.builds(
    Step,
    st.lists(records, max_size=6),
    parts,
    st.lists(ids, max_size=2),
    st.lists(pushed, max_size=2),
    st.lists(ids, max_size=2),
)


UNCHANGED_AND_REFUSED = [
    Step([thing("d", 2, None)], {}, [], [], []),
    Step([thing("d", 2, None)], {}, [], [PushEvent("e1", KEY, thing("d", 2, 9), False)], []),
    Step([], {}, [], [PushEvent("e2", KEY, thing("d", 2, 10), False)], []),
]
"""What follows from a row that is only newer fails: its content stands at the newer version all the same."""


@pytest.fixture
def real(database: Database) -> Iterator[tuple[PostgresStore, psycopg.Connection[Any]]]:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        store = PostgresStore(database.app_url, owner)
        yield store, owner
        store.connection.close()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # emptied before each example
)
@given(
    history=st.lists(steps, min_size=1, max_size=8), stream=st.sampled_from([STREAM, SIZED_STREAM])
)
@example(history=UNCHANGED_AND_REFUSED, stream=SIZED_STREAM)
def test_both_hold_the_same_after_any_slices(
    real: tuple[PostgresStore, psycopg.Connection[Any]], history: list[Step], stream: Stream
) -> None:
    """With and without derivations, which may fail for a row."""
    store, owner = real
    owner.execute(EMPTY_ALL)
    memory = MemoryStore()
    in_store, in_memory = Worker(store, KEY, stream), Worker(memory, KEY, stream)
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
        store.counters(KEY),
        dict(store.sizes("acme")),
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
