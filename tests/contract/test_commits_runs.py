"""Runs: one open per stream, ended once, seen when they go silent."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.errors import Superseded
from sluice.core.keys import StreamKey
from sluice.core.records import Progress
from tests.contract.stores import KEY, NOW, OTHER, STREAM, Store, Worker, draft
from tests.memory.streams import thing


def test_a_stream_has_one_open_run(store: Store) -> None:
    worker = Worker(store)
    first, second = worker.claim(), worker.claim()
    assert first.run_id == second.run_id
    assert [(r.outcome, r.ended) for r in store.runs()] == [("running", False)]


def test_a_claim_knows_why_the_open_run_was_begun(store: Store) -> None:
    first = store.commits.claim(KEY, 1)
    assert first is not None
    assert first.run_reason is None
    store.commits.open_run(first, run_id=str(uuid.uuid4()), reason="backfill", now=NOW)
    second = store.commits.claim(KEY, 2)
    assert second is not None
    assert second.run_reason == "backfill"


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


def test_a_run_that_was_asked_for_is_not_silent_for_as_long_again(store: Store) -> None:
    """By the database's own clock; and it comes after those that nobody asked for."""
    for minutes, client_id in enumerate("abc"):
        begin_run(store, client_id, "schedule", NOW + timedelta(minutes=minutes))
    long_after = NOW + timedelta(hours=1)
    first, *_ = store.commits.silent_runs(before=long_after, limit=5)
    before = datetime.now(UTC)
    store.commits.note_asked(first.run_id)
    for moment in (long_after, before):
        found = store.commits.silent_runs(before=moment, limit=5)
        assert [run.key.client_id for run in found] == ["b", "c"]
    later = datetime.now(UTC) + timedelta(minutes=1)
    found = store.commits.silent_runs(before=later, limit=5)
    assert [run.key.client_id for run in found] == ["b", "c", "a"]
    assert found[2].last_progress_at == NOW


def test_what_went_on_since_it_was_asked_for_is_silent_by_its_progress(store: Store) -> None:
    worker = Worker(store)
    store.commits.note_asked(str(worker.claim().run_id))
    between = datetime.now(UTC)
    worker.commit()
    assert store.commits.silent_runs(before=between, limit=5) == []
    assert (
        len(store.commits.silent_runs(before=datetime.now(UTC) + timedelta(hours=1), limit=5)) == 1
    )


def test_backfills_that_were_asked_for_have_as_long_again_too(store: Store) -> None:
    begin_run(store, "a", "backfill", NOW)
    later = NOW + timedelta(hours=7)
    [run] = store.commits.silent_runs(before=NOW, backfills_before=later, limit=5)
    store.commits.note_asked(run.run_id)
    assert store.commits.silent_runs(before=NOW, backfills_before=later, limit=5) == []


def test_a_run_is_abandoned_once_and_only_while_open(store: Store) -> None:
    run_id = str(Worker(store).claim().run_id)
    assert store.commits.abandon_run(run_id, NOW)
    assert not store.commits.abandon_run(run_id, NOW)
    (run,) = store.runs()
    assert (run.outcome, run.ended) == ("abandoned", True)


def test_silent_runs_come_oldest_first_and_no_more_than_asked_for(store: Store) -> None:
    """Those that have ended are not among them."""
    began = {
        name: NOW + timedelta(minutes=minutes)
        for name, minutes in (("b", 3), ("d", 0), ("a", 1), ("c", 2))
    }
    for name, now in began.items():
        key = StreamKey(name, "shop", "things")
        claim = store.commits.claim(key, 1)
        assert claim is not None
        store.commits.open_run(claim, run_id=str(uuid.uuid4()), reason="schedule", now=now)
    (oldest,) = store.commits.silent_runs(before=NOW + timedelta(hours=1), limit=1)
    assert oldest.key.client_id == "d"
    store.commits.abandon_run(oldest.run_id, NOW)
    found = store.commits.silent_runs(before=NOW + timedelta(hours=1), limit=2)
    assert [run.key.client_id for run in found] == ["a", "c"]
    assert found[0].last_progress_at == found[0].started_at == began["a"]


def begin_run(store: Store, client_id: str, reason: str, now: datetime) -> None:
    claim = store.commits.claim(StreamKey(client_id, "shop", "things"), 1)
    assert claim is not None
    store.commits.open_run(claim, run_id=str(uuid.uuid4()), reason=reason, now=now)


def test_a_silent_run_says_why_it_began(store: Store) -> None:
    begin_run(store, "a", "backfill", NOW)
    begin_run(store, "b", "cleanup", NOW)
    found = store.commits.silent_runs(before=NOW + timedelta(hours=1), limit=5)
    assert {(run.key.client_id, run.reason) for run in found} == {
        ("a", "backfill"),
        ("b", "cleanup"),
    }


def test_backfills_are_silent_by_a_limit_of_their_own(store: Store) -> None:
    """One that began just then is not silent yet; without that limit, they are as all others."""
    for client_id, hours in (("a", 0), ("b", 1), ("c", 2)):
        begin_run(store, client_id, "backfill", NOW + timedelta(hours=hours))
    begin_run(store, "d", "manual", NOW + timedelta(hours=2))
    before, backfills_before = NOW + timedelta(hours=3), NOW + timedelta(hours=1)
    found = store.commits.silent_runs(before=before, backfills_before=backfills_before, limit=5)
    assert [run.key.client_id for run in found] == ["d", "a"]
    assert len(store.commits.silent_runs(before=before, limit=5)) == 4
    none = store.commits.silent_runs(before=NOW, backfills_before=before, limit=5)
    assert [run.key.client_id for run in none] == ["a", "b", "c"]


def test_silent_backfills_take_turns_with_all_others(store: Store) -> None:
    """A hundred of the ones that wait keep none of the others from being revived."""
    for minutes, (client_id, reason) in enumerate(
        [("a", "backfill"), ("b", "backfill"), ("c", "schedule"), ("d", "cleanup")]
    ):
        begin_run(store, client_id, reason, NOW + timedelta(minutes=minutes))
    later = NOW + timedelta(hours=1)
    for limit, wanted in ((3, "cad"), (5, "cadb")):
        found = store.commits.silent_runs(before=later, backfills_before=later, limit=limit)
        assert [run.key.client_id for run in found] == list(wanted)


def test_a_run_of_a_stream_that_was_never_claimed_is_not_revived(store: Store) -> None:
    """It has failed before there was anything to go on with."""
    store.commits.fail_run(
        KEY, error="no such secret", reason="schedule", run_id=str(uuid.uuid4()), now=NOW
    )
    assert store.commits.silent_runs(before=NOW + timedelta(hours=1), limit=5) == []


def test_a_silent_run_stands_where_its_stream_stands(store: Store) -> None:
    worker = Worker(store)
    worker.commit()
    worker.commit()
    (run,) = store.commits.silent_runs(before=datetime.now(UTC) + timedelta(hours=1), limit=5)
    assert run.seq == 2


def test_a_failure_without_an_open_run_is_nobodys(store: Store) -> None:
    Worker(store).commit(has_more=False)
    store.commits.note_failure(KEY, None, "too late", NOW)
    assert [(r.outcome, r.failures, r.last_error) for r in store.runs()] == [("completed", 0, None)]


def test_an_error_is_kept_as_text_can_be_and_cut(store: Store) -> None:
    """A vendor's answer that an error quotes may hold anything."""
    Worker(store).claim()
    store.commits.note_failure(KEY, None, "bad \0 answer", NOW)
    assert store.runs()[0].last_error == "bad \\u0000 answer"
    store.commits.note_failure(KEY, None, "half \ud800", NOW)
    assert store.runs()[0].last_error == "half \\ud800"
    store.commits.fail_run(
        KEY, error="x" * 9000, reason="manual", run_id=str(uuid.uuid4()), now=NOW
    )
    assert store.runs()[0].last_error == "x" * 2000


def test_a_slice_of_a_run_that_was_closed_meanwhile_is_stored(store: Store) -> None:
    """The run stays as it ended; a person may wonder, but no row is lost."""
    claim = Worker(store).claim()
    store.commits.abandon_run(str(claim.run_id), NOW)
    assert store.commits.commit(claim, draft(claim, [thing("a")]), STREAM).seq == 1
    assert [r.outcome for r in store.runs()] == ["abandoned"]


def test_streams_have_runs_of_their_own(store: Store) -> None:
    first, second = Worker(store).claim(), Worker(store, OTHER).claim()
    assert first.run_id != second.run_id
    store.commits.note_failure(OTHER, None, "503", NOW)
    store.commits.fail_run(KEY, error="401", reason="schedule", run_id=str(uuid.uuid4()), now=NOW)
    assert {(r.run_id, r.outcome, r.last_error) for r in store.runs()} == {
        (first.run_id, "failed", "401"),
        (second.run_id, "running", "503"),
    }


def test_who_was_overtaken_opens_no_run(store: Store) -> None:
    """Nobody would work on it, and until cleanup it would look as if somebody did."""
    old = store.commits.claim(KEY, 1)
    assert old is not None
    store.commits.claim(KEY, 2)
    with pytest.raises(Superseded):
        store.commits.open_run(old, run_id=str(uuid.uuid4()), reason="schedule", now=NOW)
    assert store.runs() == []
