"""The audit: only ever added to, in one chain, whoever writes at once; and what was tampered with is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from local.postgres import Database
from sluice.core.steering.ports import Change
from sluice.core.steering.switches import Recorded
from sluice.postgres import audit as audits
from sluice.postgres.audit import AuditRow, PostgresAudit, Verified, digest_of, verify_chain
from tests.integration.postgres.worker import Rows

CHANGE = Change("arn:aws:iam::1:user/ann", "pause", "acme", None, '{"until": null}', "vendor: down")


@pytest.fixture
def app(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """The application's login, as the command connects."""
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def audit(app: psycopg.Connection[Any]) -> PostgresAudit:
    return PostgresAudit(app)


def record(audit: PostgresAudit, count: int) -> Sequence[Recorded]:
    return [audit.record(replace(CHANGE, scope=f"client-{n}")) for n in range(1, count + 1)]


def begin(connection: psycopg.Connection[Any]) -> None:
    """A transaction around what follows, which thereby does not commit by itself."""
    connection.execute("SELECT")


def tamper(rows: Rows, statement: LiteralString) -> None:
    """As the owner can who switches off what refuses it."""
    rows.execute("ALTER TABLE sluice.audit DISABLE TRIGGER only_grow")
    rows.execute("ALTER TABLE sluice.audit DISABLE TRIGGER chain")
    rows.execute(statement)


def test_a_row_says_who_changed_what_and_when(audit: PostgresAudit, database: Database) -> None:
    """The actor is who the command says; login and moment are the database's own."""
    before = datetime.now(UTC) - timedelta(minutes=1)
    recorded = audit.record(CHANGE)
    [row] = audit.newest(10)
    assert (row.actor, row.action, row.scope) == (CHANGE.actor, CHANGE.action, CHANGE.scope)
    assert (row.before, row.after, row.why) == (CHANGE.before, CHANGE.after, CHANGE.why)
    assert row.login == database.app_user
    assert before < row.at < datetime.now(UTC) + timedelta(minutes=1)
    assert (row.number, row.digest) == recorded == Recorded(1, digest_of(row))


def test_rows_come_newest_first(audit: PostgresAudit) -> None:
    record(audit, 4)
    assert [row.number for row in audit.newest(3)] == [4, 3, 2]


def test_what_was_recorded_is_whole(audit: PostgresAudit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several readings, and with every kind of text in it."""
    monkeypatch.setattr(audits, "BATCH", 3)
    assert audit.verify() == Verified(0)
    record(audit, 5)
    audit.record(replace(CHANGE, before="", after=None, why="é, 漢字, 🚗; 1:a,-,'\\\n"))
    last = audit.record(replace(CHANGE, why=None))
    assert audit.verify(last) == Verified(7)


def test_the_database_numbers_dates_and_chains_by_itself(
    app: psycopg.Connection[Any], audit: PostgresAudit
) -> None:
    """A login that was stolen can add a row, but none that another time or place in the chain claims.
    The second of two rows of one statement goes on from the first."""
    record(audit, 1)
    app.execute(
        "INSERT INTO sluice.audit (number, at, login, actor, action, scope, previous, digest)"
        " VALUES (900, '2001-01-01', 'root', 'x', 'pause', '*', 'p', 'd'), (1, now(), 'x', 'y', 'z', '*', '', '')"
    )
    rows = audit.newest(9)
    assert [row.number for row in rows] == [3, 2, 1]
    assert {row.login for row in rows} == {rows[-1].login}
    assert min(row.at for row in rows) == rows[-1].at
    assert audit.verify() == Verified(3)


FORBIDDEN: dict[str, LiteralString] = {
    "UPDATE": "UPDATE sluice.audit SET why = 'x'",
    "DELETE": "DELETE FROM sluice.audit",
    "TRUNCATE": "TRUNCATE sluice.audit",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_application_may_only_add(
    app: psycopg.Connection[Any], audit: PostgresAudit, what: str
) -> None:
    record(audit, 1)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
        app.execute(FORBIDDEN[what])


@pytest.mark.parametrize("what", FORBIDDEN)
def test_even_the_owner_is_refused(rows: Rows, audit: PostgresAudit, what: str) -> None:
    """Who means it has to drop the trigger first, which nobody does by mistake; also where no row is."""
    record(audit, 1)
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match=f"only grows: {what} is refused"
    ):
        rows.execute(FORBIDDEN[what])
    if what != "TRUNCATE":
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows.execute(FORBIDDEN[what] + " WHERE false")
    assert audit.verify() == Verified(1)


def test_a_superuser_who_replays_changes_is_refused_too(
    database: Database, postgres_server: Any, audit: PostgresAudit
) -> None:
    """session_replication_role switches ordinary triggers off; these stay on."""
    record(audit, 1)
    url = postgres_server.url(database.name)
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = 'replica'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            superuser.execute("DELETE FROM sluice.audit")
        superuser.execute("INSERT INTO sluice.audit (actor, action, scope) VALUES ('a', 'b', 'c')")
    assert audit.verify() == Verified(2)


TAMPERED: dict[LiteralString, str] = {
    "UPDATE sluice.audit SET why = 'x' WHERE number = 2": "row 2 was changed after it was written",
    "UPDATE sluice.audit SET at = at - interval '1 us' WHERE number = 2": "row 2 was changed",
    "UPDATE sluice.audit SET login = 'x' WHERE number = 3": "row 3 was changed",
    "UPDATE sluice.audit SET actor = 'x' WHERE number = 1": "row 1 was changed",
    "UPDATE sluice.audit SET scope = 'x' WHERE number = 1": "row 1 was changed",
    "UPDATE sluice.audit SET action = 'x' WHERE number = 1": "row 1 was changed",
    "UPDATE sluice.audit SET before = '' WHERE number = 1": "row 1 was changed",
    "UPDATE sluice.audit SET after = NULL WHERE number = 4": "row 4 was changed",
    "UPDATE sluice.audit SET digest = 'x' WHERE number = 2": "row 2 was changed",
    "UPDATE sluice.audit SET previous = 'x' WHERE number = 2": "row 2 does not follow the row before",
    "DELETE FROM sluice.audit WHERE number = 1": "row 1 is missing: row 2 follows",
    "DELETE FROM sluice.audit WHERE number IN (2, 3)": "row 2 is missing: row 4 follows",
    "DELETE FROM sluice.audit WHERE number = 4": "row 4 and all after it are missing, up to 4",
    "DELETE FROM sluice.audit": "row 1 and all after it are missing, up to 4",
}


@pytest.mark.parametrize("statement", TAMPERED)
def test_what_was_tampered_with_is_found(
    rows: Rows, audit: PostgresAudit, statement: LiteralString
) -> None:
    """Also what was cut off at the end, by the row that the switches remember."""
    known = record(audit, 4)[-1]
    assert audit.verify(known) == Verified(4)
    tamper(rows, statement)
    found = audit.verify(known)
    assert found.fault is not None
    assert found.fault.startswith(TAMPERED[statement])


def test_a_row_changed_together_with_its_digest_is_found(rows: Rows, audit: PostgresAudit) -> None:
    """By the next row, which carries the digest that it had."""
    record(audit, 3)
    second = audit.newest(2)[-1]
    forged = digest_of(replace(second, why="x"))
    tamper(rows, "SELECT")
    rows.execute("UPDATE sluice.audit SET why = 'x', digest = %s WHERE number = 2", (forged,))
    fault = "row 3 does not follow the row before it: one of them was replaced"
    assert audit.verify() == Verified(2, fault)


def test_a_whole_chain_made_anew_is_found_by_the_row_that_the_switches_remember(
    rows: Rows, audit: PostgresAudit
) -> None:
    known = record(audit, 3)[1]
    tamper(rows, "DELETE FROM sluice.audit")
    rows.execute("ALTER TABLE sluice.audit ENABLE ALWAYS TRIGGER chain")
    record(audit, 3)
    assert audit.verify() == Verified(3)
    fault = "row 2 is another than the one that a switch was made by"
    assert audit.verify(known) == Verified(1, fault)


def test_many_who_write_at_once_do_not_fork_the_chain(database: Database) -> None:
    """Each on a connection of their own, let go at the same moment, again and again; none fails."""
    writers, each = 8, 15
    start, failures = threading.Barrier(writers), list[BaseException]()

    def write(name: int) -> None:
        try:
            with psycopg.connect(database.app_url, autocommit=True) as connection:
                audit = PostgresAudit(connection)
                for _ in range(each):
                    start.wait(30)
                    audit.record(replace(CHANGE, actor=str(name)))
        except BaseException as error:  # noqa: BLE001  # a thread's error would be lost
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=write, args=(name,)) for name in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        audit = PostgresAudit(connection)
        assert audit.verify() == Verified(writers * each)
        assert len({row.digest for row in audit.newest(1000)}) == writers * each


def test_who_writes_waits_for_one_that_has_not_committed(
    database: Database, audit: PostgresAudit
) -> None:
    """And goes on from its row; or from the one before it, when that one is rolled back."""
    with psycopg.connect(database.app_url) as other:
        for ending, number in ((other.rollback, 1), (other.commit, 3)):
            begin(other)
            PostgresAudit(other).record(replace(CHANGE, actor="other"))
            threading.Timer(0.3, ending).start()
            assert audit.record(CHANGE).number == number
    assert audit.verify() == Verified(3)


def test_nobody_waits_for_ever(
    database: Database, audit: PostgresAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that hangs before it commits: the command says that the database does not answer."""
    monkeypatch.setattr(audits, "LOCK_TIMEOUT", "100ms")
    with psycopg.connect(database.app_url) as other:
        begin(other)
        PostgresAudit(other).record(CHANGE)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            audit.record(CHANGE)
        other.commit()
    assert audit.verify() == Verified(1)


def test_a_fork_is_impossible_even_from_an_old_snapshot(
    database: Database, audit: PostgresAudit
) -> None:
    """A transaction that does not see the newest row is refused by the number, which is taken."""
    with psycopg.connect(database.app_url) as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM sluice.audit")
        audit.record(CHANGE)
        with pytest.raises(psycopg.errors.UniqueViolation):
            PostgresAudit(other).record(CHANGE)
        other.rollback()
    assert audit.verify() == Verified(1)


def test_fields_cannot_be_shifted_into_each_other() -> None:
    """Two rows whose texts, one after the other, are the same have digests of their own."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    one = AuditRow(1, at, "l", "a", "b,1:c", "d", None, "", "-", "", "")
    others = [replace(one, actor="a,5:b", action="1:c"), replace(one, before="", after=None),
              replace(one, why=None), replace(one, at=at + timedelta(microseconds=1))]  # fmt: skip
    assert len({digest_of(row) for row in [one, *others]}) == 5
    assert verify_chain([replace(one, digest=digest_of(one))]) == Verified(1)
