"""Runs: one open per stream, ended once, seen when they go silent."""

from __future__ import annotations

import uuid
from datetime import timedelta

from sluice.core.records import Progress
from tests.contract.stores import KEY, NOW, Store, Worker
from tests.memory.streams import thing


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
