"""Facts: each id counts once, and a counter is the sum over the ledger. In memory and in Postgres."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.core.records import Fact
from tests.contract.stores import KEY, NOW, OTHER, MemoryStore, Store, Worker


def opened(fact_id: str, amount: int = 1, subject: str = "ann", at: int = 0) -> Fact:
    return Fact(fact_id, subject, "opened", amount, NOW + timedelta(minutes=at))


def test_a_fact_read_again_counts_no_second_time(store: Store) -> None:
    """In a later slice, in the same slice, and with another amount: the first reading counts."""
    worker = Worker(store)
    first = worker.commit(facts=[opened("e1"), opened("e2", 5), opened("e1", 9)])
    again = worker.commit(facts=[opened("e2", 7), opened("e3")])
    assert (first.counts.facts, first.counts.counted) == (3, 2)
    assert (again.counts.facts, again.counts.counted) == (2, 1)
    assert store.counters(KEY) == {("ann", "opened"): (7, 3)}


def test_facts_of_one_stream_are_not_known_to_another(store: Store) -> None:
    Worker(store).commit(facts=[opened("e1")])
    Worker(store, OTHER).commit(facts=[opened("e1", 2)])
    assert store.counters(KEY) == {("ann", "opened"): (1, 1)}
    assert store.counters(OTHER) == {("ann", "opened"): (2, 1)}


def test_subjects_are_counted_apart(store: Store) -> None:
    Worker(store).commit(facts=[opened("e1"), opened("e2", 3, "bob"), opened("e3", -1, "bob")])
    assert store.counters(KEY) == {("ann", "opened"): (1, 1), ("bob", "opened"): (2, 2)}


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(st.integers(0, 12), max_size=8), max_size=6))
def test_any_overlap_of_readings_counts_as_one_reading_would(readings: list[list[int]]) -> None:
    """In memory; the suite above holds Postgres to the same."""
    store = MemoryStore()
    worker = Worker(store)
    for reading in readings:
        worker.commit(facts=[opened(f"e{n}", n) for n in reading])
    seen = {n for reading in readings for n in reading}
    counted = store.counters(KEY).get(("ann", "opened"), (0, 0))
    assert counted == (sum(seen), len(seen))
