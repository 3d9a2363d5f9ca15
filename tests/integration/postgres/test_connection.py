"""The connection: its limits hold, it comes back after a loss, and it says what is wrong in one line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest

from local.postgres import Database, Postgres
from sluice.core.errors import DatabaseUnavailable
from sluice.postgres.connection import DatabaseTime, PostgresConnection
from tests.tcp_proxy import TcpProxy

SHORT = timedelta(milliseconds=150)
UNHURRIED = timedelta(seconds=30)

Rows = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def observer(postgres_server: Postgres) -> Iterator[Rows]:
    """The superuser's connection, to watch and to end other ones."""
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def connection(shared_database: Database) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(shared_database.app_url)
    yield connection
    connection.close()


def _ask(connection: PostgresConnection, query: LiteralString) -> object:
    with connection.transaction() as tx:
        row = tx.execute(query).fetchone()
    assert row is not None
    return row[0]


def _pid(connection: PostgresConnection) -> object:
    return _ask(connection, "SELECT pg_backend_pid()")


def test_every_transaction_has_all_three_limits(connection: PostgresConnection) -> None:
    """Fitted to a slice: merge, commit and release must end before the invocation does."""
    for _ in range(2):
        found = _ask(
            connection,
            "SELECT array_agg(current_setting(n) ORDER BY o) FROM unnest(ARRAY['statement_timeout',"
            " 'lock_timeout', 'idle_in_transaction_session_timeout']) WITH ORDINALITY t (n, o)",
        )
        assert found == ["20s", "10s", "20s"]


def test_a_statement_that_takes_too_long_is_cut(shared_database: Database) -> None:
    """And the connection is given up: what state it is in is not worth knowing."""
    connection = PostgresConnection(shared_database.app_url, statement_timeout=SHORT)
    before = _pid(connection)
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        _ask(connection, "SELECT pg_sleep(60)")
    assert _pid(connection) != before
    connection.close()


def test_a_lock_that_does_not_come_is_not_waited_for(shared_database: Database) -> None:
    """Somebody's forgotten ALTER TABLE must not hold a worker until it is killed."""
    connection = PostgresConnection(
        shared_database.app_url, lock_timeout=SHORT, statement_timeout=UNHURRIED
    )
    with psycopg.connect(shared_database.owner_url) as other:
        other.execute("LOCK TABLE sluice.run")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            _ask(connection, "SELECT count(*) FROM sluice.run")
        other.rollback()
    assert _ask(connection, "SELECT count(*) FROM sluice.run") is not None
    connection.close()


def test_a_transaction_left_open_is_ended_by_the_database(
    shared_database: Database, observer: Rows
) -> None:
    """A worker frozen in the middle of its transaction must not hold the stream's row for hours."""
    connection = PostgresConnection(shared_database.app_url, idle_timeout=SHORT)
    with pytest.raises(DatabaseUnavailable, match="idle-in-transaction"):
        _leave_open(connection, observer)
    assert _ask(connection, "SELECT 1") == 1
    connection.close()


def _leave_open(connection: PostgresConnection, observer: Rows) -> None:
    with connection.transaction() as tx:
        pid = tx.info.backend_pid
        gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s), pg_sleep(0.02)"
        while observer.execute(gone, (pid,)).fetchone() != (True, ""):
            continue
        tx.execute("SELECT 1")


def test_limits_end_with_the_transaction(connection: PostgresConnection) -> None:
    """A setting that stayed in the session would be the next client's, behind a pooler."""
    _pid(connection)
    kept = connection._connection  # the session itself, outside any transaction of ours
    assert kept is not None
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    for name in names:
        found = kept.execute("SELECT current_setting(%s)", (name,)).fetchone()
        assert found == ("0",)


def test_an_error_rolls_the_whole_transaction_back(connection: PostgresConnection) -> None:
    """Ours too: what a worker wrote before it failed was never there."""

    def fail() -> None:
        with connection.transaction() as tx:
            tx.execute("INSERT INTO sluice.sighting VALUES ('rolled-back', 1, 1, '{}')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    query: LiteralString = "SELECT count(*) FROM sluice.sighting WHERE stream_key = 'rolled-back'"
    assert _ask(connection, query) == 0


def test_a_mistake_in_sql_is_not_taken_for_an_outage(connection: PostgresConnection) -> None:
    """A bug must be seen as one, not be tried again for ever; the connection is as good as before."""
    before = _pid(connection)
    with pytest.raises(psycopg.errors.UndefinedTable):
        _ask(connection, "SELECT * FROM no_such_table")
    assert _pid(connection) == before


def test_operators_see_whose_connection_it_is(shared_database: Database, observer: Rows) -> None:
    """In pg_stat_activity and in the server's log."""
    connection = PostgresConnection(shared_database.app_url, application_name="sluice-seen")
    pid = _pid(connection)
    query = "SELECT application_name FROM pg_stat_activity WHERE pid = %s"
    assert observer.execute(query, (pid,)).fetchone() == ("sluice-seen",)
    connection.close()


def test_one_connection_is_kept_and_opened_on_first_use(
    shared_database: Database, observer: Rows
) -> None:
    """Building one costs nothing, warm invocations share one, and close gives it back."""
    name = "sluice-kept"
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    connection = PostgresConnection(shared_database.app_url, application_name=name)
    assert observer.execute(query, (name,)).fetchone() == (0,)
    assert _pid(connection) == _pid(connection)
    assert observer.execute(query, (name,)).fetchone() == (1,)
    connection.close()
    connection.close()
    assert _ask(connection, "SELECT 1") == 1
    connection.close()


class Opened:
    """A URL that is asked for at each opening of a connection, and how often that was."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.times = 0

    def __call__(self) -> str:
        self.times += 1
        return self.url


@pytest.fixture
def opened(shared_database: Database) -> Opened:
    return Opened(shared_database.app_url)


@pytest.fixture
def counted(opened: Opened) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(opened)
    yield connection
    connection.close()


def _terminate(observer: Rows, pid: object) -> None:
    observer.execute("SELECT pg_terminate_backend(%s::int, 5000)", (pid,))


def test_a_connection_that_died_while_it_was_kept_costs_no_attempt(
    counted: PostgresConnection, opened: Opened, observer: Rows
) -> None:
    """A failover or a pooler's restart between two invocations: it is found out before anything ran."""
    before = _pid(counted)
    _terminate(observer, before)
    assert _pid(counted) != before
    assert opened.times == 2


def test_a_dead_connection_is_replaced_once_only(
    counted: PostgresConnection, opened: Opened, observer: Rows
) -> None:
    """Where the database is not there either, the work is deferred; to go on connecting would be a storm."""
    _terminate(observer, _pid(counted))
    opened.url = opened.url.replace(f":{urlsplit(opened.url).port}/", ":1/")
    with pytest.raises(DatabaseUnavailable, match="refused"):
        _pid(counted)
    assert opened.times == 2


def test_a_connection_that_was_just_opened_is_not_replaced(
    counted: PostgresConnection, opened: Opened
) -> None:
    """What is wrong with it would be wrong with the next one."""
    opened.url = f"{opened.url}?options=-c%20statement_timeout%3Dnonsense"
    with pytest.raises(DatabaseUnavailable, match="statement_timeout"):
        _pid(counted)
    assert opened.times == 1


def test_nothing_that_began_is_repeated(
    counted: PostgresConnection, opened: Opened, observer: Rows
) -> None:
    """Not even a transaction whose first statement is the one that meets the dead connection."""
    _pid(counted)
    begun = 0

    def ended_at_once() -> None:
        nonlocal begun
        with counted.transaction() as tx:
            begun += 1
            _terminate(observer, tx.info.backend_pid)
            tx.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable, match="terminating connection"):
        ended_at_once()
    assert (begun, opened.times) == (1, 1)


def test_a_refusal_on_a_living_connection_is_no_reason_for_another(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only death is: an error of the first statement on a connection that lives would come again."""
    opened = Opened(shared_database.app_url)
    counted = PostgresConnection(opened)
    _pid(counted)
    monkeypatch.setattr("sluice.postgres.connection._TIMEOUTS", "SELECT %s, %s, %s, 1/0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        _pid(counted)
    assert opened.times == 1
    counted.close()


def test_who_waited_for_a_server_does_not_wait_again(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A way that swallows BEGIN: a pooler without a server free. Two such waits fit a slice's end, not four."""
    monkeypatch.setattr("sluice.postgres.connection.SERVER_WAIT_S", 0.3)
    address = urlsplit(shared_database.app_url)
    with closing(TcpProxy(("127.0.0.1", address.port or 0))) as proxy:
        opened = Opened(shared_database.app_url.replace(f":{address.port}/", f":{proxy.port}/"))
        counted = PostgresConnection(opened)
        _pid(counted)
        proxy.cut(b"BEGIN", "swallowed")
        with pytest.raises(DatabaseUnavailable):
            _pid(counted)
        assert opened.times == 1
        assert _ask(counted, "SELECT 1") == 1
        counted.close()


def test_the_time_in_transactions_is_known(connection: PostgresConnection, observer: Rows) -> None:
    """Also while one is under way, and apart from it how long it took to begin."""
    assert connection.spent() == DatabaseTime()
    with connection.transaction() as tx:
        tx.execute("SELECT pg_sleep(0.05)")
        within = connection.spent()
    after = connection.spent()
    assert 0 < within.until_begun < within.seconds
    assert 0.05 <= within.seconds <= after.seconds
    assert after.until_begun == within.until_begun
    _terminate(observer, _pid(connection))
    known = connection.spent()
    assert known.since(after).seconds > 0
    with pytest.raises(ZeroDivisionError), connection.transaction():
        raise ZeroDivisionError
    assert connection.spent().seconds > known.seconds
    assert connection.spent() == connection.spent()


def test_a_backend_terminated_in_a_transaction_is_replaced(
    connection: PostgresConnection, observer: Rows
) -> None:
    """Nothing of that transaction is left, and the next one finds a new connection."""

    def write_and_be_ended() -> None:
        with connection.transaction() as tx:
            tx.execute("INSERT INTO sluice.sighting VALUES ('terminated', 1, 1, '{}')")
            observer.execute("SELECT pg_terminate_backend(%s::int, 5000)", (tx.info.backend_pid,))

    with pytest.raises(DatabaseUnavailable):
        write_and_be_ended()
    query: LiteralString = "SELECT count(*) FROM sluice.sighting WHERE stream_key = 'terminated'"
    assert _ask(connection, query) == 0


def test_a_database_that_takes_no_writes_is_unavailable(shared_database: Database) -> None:
    """A standby before its promotion, or a full disk: work waits, and nothing is dead-lettered."""
    read_only = f"{shared_database.app_url}?options=-c%20default_transaction_read_only%3Don"
    connection = PostgresConnection(read_only)
    with pytest.raises(DatabaseUnavailable, match="read-only transaction"):
        _ask(connection, "UPDATE sluice.run SET note = 'x' RETURNING 1")
    connection.close()


def test_a_deadlock_is_something_to_try_again(shared_database: Database) -> None:
    """Postgres ends one of two that wait for each other; the other goes on."""
    ends: list[str] = []
    met = threading.Barrier(2)
    keys = ("sluice.sighting", "sluice.rejects")

    def lock_both(first: int) -> None:
        connection = PostgresConnection(shared_database.owner_url)
        try:
            with connection.transaction() as tx:
                tx.execute(f"LOCK TABLE {keys[first]}".encode())
                met.wait(timeout=10)
                tx.execute(f"LOCK TABLE {keys[1 - first]}".encode())
            ends.append("done")
        except DatabaseUnavailable as error:
            ends.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=lock_both, args=(first,)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(ends) == ["database: deadlock detected", "done"]


@pytest.mark.parametrize(
    ("part", "instead", "said"),
    [
        ("port", ":1/", "Connection refused"),
        ("password", ":geheim@", "password authentication failed"),
        ("database", "/no_such_database", 'database "no_such_database" does not exist'),
        ("user", "//nobody_here:", "password authentication failed"),
        ("host", "@no-such-host.invalid:", "failed to resolve host"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_without_the_password(
    postgres_server: Postgres, shared_database: Database, part: str, instead: str, said: str
) -> None:
    """Whoever reads it at night knows where to look; whoever reads the log learns no secret."""
    database = shared_database
    found = {
        "port": f":{postgres_server.port}/",
        "password": f":{database.app_password}@",
        "database": f"/{database.name}",
        "user": f"//{database.app_user}:",
        "host": "@127.0.0.1:",
    }[part]
    assert database.app_url.count(found) == 1
    url = database.app_url.replace(found, instead)
    with pytest.raises(DatabaseUnavailable) as caught:
        _ask(PostgresConnection(url), "SELECT 1")
    message = str(caught.value)
    assert message.startswith("database: ")
    assert said in message
    assert "\n" not in message
    for secret in (database.app_password, "geheim"):
        assert secret not in message
        assert secret not in str(caught.value.__cause__)
