"""The life of a reject: seen again, superseded, settled by a good version, redriven."""

from __future__ import annotations

import hashlib
import uuid

import psycopg
import pytest

from sluice.postgres.commits import PostgresCommits
from tests.integration.postgres.worker import Rows, Worker, loaded, rejects, row

BAD = b'{"id":"odd","year":"2015"}'
NO_CHEAP_CARS = "ALTER TABLE cars ADD CONSTRAINT no_old_cars CHECK (year > 1900)"


def _leave_reject(rows: Rows, worker: Worker, raw: str, *, seq: int = 1) -> None:
    """A reject as older code left it, which saw no sound id in the row."""
    key = worker.key
    rows.execute(
        "INSERT INTO sluice.rejects (stream_key, client_id, source, stream, reason, raw, raw_digest, seq, slice_id)"
        " VALUES (%s, %s, %s, %s, 'an id has 1-10 characters', %s, %s, %s, %s)",
        (str(key), key.client_id, key.source, key.stream, raw,
         hashlib.md5(raw.encode(), usedforsecurity=False).hexdigest(), seq, uuid.uuid4()),
    )  # fmt: skip


def _open(commits: PostgresCommits, worker: Worker, limit: int = 10) -> list[str]:
    return [reject.raw for reject in commits.open_rejects(worker.key, limit=limit)]


def test_a_reject_seen_again_is_counted_and_not_stored_twice(
    commits: PostgresCommits, rows: Rows
) -> None:
    """It remembers how often and when last; the slice that met it last is the one it names."""
    worker = Worker(commits)
    for _ in range(3):
        assert worker.read_all([BAD]).rejected == 1
    (reject,) = rejects(rows, worker.key)
    assert (reject.times, reject.resolution) == (3, None)
    query = (
        "SELECT r.last_seen_at > r.first_seen_at, r.slice_id = c.slice_id FROM sluice.rejects r"
        " JOIN sluice.commit_log c USING (stream_key, seq) WHERE c.rejected = 1"
    )
    assert rows.execute(query).fetchall() == [(True, True)]


def test_another_bad_version_takes_the_place_of_the_first(
    commits: PostgresCommits, rows: Rows
) -> None:
    """One open reject per car: the one that tells what is wrong now."""
    worker = Worker(commits)
    worker.read_all([BAD])
    worker.read_all([b'{"id":"odd","year":"2016"}'])
    first, second = rejects(rows, worker.key)
    assert (first.resolution, second.resolution) == ("superseded", None)


def test_a_good_version_settles_every_reject_of_its_car_and_of_no_other(
    commits: PostgresCommits, rows: Rows
) -> None:
    """However each was wrong; a reject of another client's car of the same id stays."""
    worker, other = Worker(commits), Worker(commits)
    other.read_all([BAD])
    for bad in (BAD, b'{"id":"odd","x":NaN}', b'{"id":"odd","x":"\\u0000"}'):
        worker.read_all([bad, b'{"id":"other","year":"2015"}'])
    worker.read_all([row(id="odd", year=2015)])
    left = [(r.record_id, r.resolution) for r in rejects(rows, worker.key)]
    assert left.count(("odd", "loaded")) + left.count(("odd", "superseded")) == 3
    assert left.count(("other", None)) == 1
    assert [r.resolution for r in rejects(rows, other.key)] == [None]


def test_a_good_version_that_changes_nothing_settles_too(
    commits: PostgresCommits, rows: Rows
) -> None:
    """The vendor took its mistake back: the table was right all along."""
    worker = Worker(commits)
    good = row(id="odd", year=2015)
    worker.read_all([good])
    worker.read_all([BAD])
    assert loaded(rows, worker.key) == {"odd": {"id": "odd", "year": 2015}}
    assert worker.read_all([good]).unchanged == 1
    assert [r.resolution for r in rejects(rows, worker.key)] == ["loaded"]


def test_a_mended_car_that_is_seen_broken_again_is_a_new_reject(
    commits: PostgresCommits, rows: Rows
) -> None:
    """What was settled stays settled, as a record of what happened."""
    worker = Worker(commits)
    for body in (BAD, row(id="odd", year=2015), BAD):
        worker.read_all([body])
    assert [(r.times, r.resolution) for r in rejects(rows, worker.key)] == [
        (1, "loaded"),
        (1, None),
    ]


def test_what_a_rule_of_the_database_refused_loads_by_redrive_once_the_rule_is_gone(
    commits: PostgresCommits, rows: Rows
) -> None:
    """A constraint that the schema's owner added costs its rows only, and they are not lost."""
    worker = Worker(commits)
    rows.execute(NO_CHEAP_CARS)
    bad = row(id="odd", year=1899)
    counts = worker.read_all([row(id="1", year=2001), bad, row(id="2", year=2002)])
    assert (counts.inserted, counts.rejected) == (2, 1)
    (reject,) = rejects(rows, worker.key)
    assert "no_old_cars" in reject.reason
    assert worker.redrive().rejected == 1
    rows.execute("ALTER TABLE cars DROP CONSTRAINT no_old_cars")
    assert worker.redrive().inserted == 1
    assert loaded(rows, worker.key)["odd"] == {"id": "odd", "year": 1899}
    (reject,) = rejects(rows, worker.key)
    assert (reject.times, reject.resolution) == (2, "loaded")
    assert worker.redrive().read == 0


def test_a_redrive_keeps_the_streams_place(commits: PostgresCommits, rows: Rows) -> None:
    """It is a slice like any other, with a seq of its own, and reading goes on where it was."""
    worker = Worker(commits)
    worker.read_all([BAD])
    before = rows.execute("SELECT seq, cursor FROM sluice.sync_commit").fetchone()
    worker.redrive()
    after = rows.execute("SELECT seq, cursor FROM sluice.sync_commit").fetchone()
    assert before is not None
    assert after == (int(str(before[0])) + 1, before[1])
    query = "SELECT kind, rejected FROM sluice.commit_log ORDER BY seq DESC LIMIT 1"
    assert rows.execute(query).fetchone() == ("redrive", 1)


def test_a_redriven_reject_never_overwrites_what_was_read_later(
    commits: PostgresCommits, rows: Rows
) -> None:
    """Even one that an older release could not tell whose it was, and that was tried in vain since."""
    worker = Worker(commits)
    old = '{"id":"odd","year":2001,"x":1%s}' % ("0" * 30)
    worker.read_all([])
    _leave_reject(rows, worker, old)
    worker.read_all([row(id="odd", year=2015)])
    assert worker.redrive().rejected == 1
    mended = old.replace("0" * 30, "")
    rows.execute("UPDATE sluice.rejects SET raw = %s", (mended,))
    assert worker.redrive().stale == 1
    assert loaded(rows, worker.key) == {"odd": {"id": "odd", "year": 2015}}
    assert [r.resolution for r in rejects(rows, worker.key)] == ["superseded"]


def test_a_reject_whose_id_was_once_unsound_is_settled_by_its_redrive(
    commits: PostgresCommits, rows: Rows
) -> None:
    """It has no id to be found by until the present code reads one in it."""
    worker = Worker(commits)
    worker.read_all([])
    _leave_reject(rows, worker, '{"id":"a-long-identity","year":2001}')
    assert worker.redrive().inserted == 1
    assert set(loaded(rows, worker.key)) == {"a-long-identity"}
    (reject,) = rejects(rows, worker.key)
    assert (reject.record_id, reject.resolution) == ("a-long-identity", "loaded")
    assert worker.redrive().read == 0


def test_a_redrive_goes_round_all_rejects(commits: PostgresCommits, rows: Rows) -> None:
    """Those that stay hopeless do not stand in front of the others for ever."""
    worker = Worker(commits)
    first, second = b'{"id":"1","year":"x"}', b'{"id":"2","year":"x"}'
    worker.read_all([first, second])
    assert _open(commits, worker) == [first.decode(), second.decode()]
    worker.read_all([first])
    assert _open(commits, worker, limit=1) == [second.decode()]


def test_a_discarded_reject_is_not_tried_again(commits: PostgresCommits, rows: Rows) -> None:
    """A person's word is final until the vendor sends the row anew."""
    worker = Worker(commits)
    worker.read_all([BAD])
    rows.execute("UPDATE sluice.rejects SET resolved_at = now(), resolution = 'discarded'")
    assert worker.redrive().read == 0
    worker.read_all([BAD])
    assert [r.resolution for r in rejects(rows, worker.key)] == ["discarded", None]


def test_two_workers_do_not_store_a_reject_twice(commits: PostgresCommits, rows: Rows) -> None:
    """The database itself holds an open reject's text at most once per stream."""
    worker = Worker(commits)
    worker.read_all([BAD])
    with pytest.raises(psycopg.errors.UniqueViolation):
        _leave_reject(rows, worker, BAD.decode())
