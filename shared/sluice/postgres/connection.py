"""One connection per Lambda environment, through a transaction pooler, with no session state at all.

A transaction pooler gives each transaction another server connection. So: no prepared statements,
no session settings, no advisory locks; timeouts are set anew inside each transaction. TLS is the
URL's matter (``sslmode=verify-full`` in production).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from sluice.core.errors import DatabaseUnavailable, SettingInvalid
from sluice.observability.logs import logger

CONNECT_TIMEOUT_S = 5
SERVER_WAIT_S = 5
"""How long a transaction may take to begin. A pooler whose database is away keeps clients that it knows
waiting (PgBouncer for 120 s: longer than a function lives), where no timeout of the server runs. Twice
this, for a commit and its look-up, fits the time that a slice keeps for them."""

STATEMENT_TIMEOUT = timedelta(seconds=20)
LOCK_TIMEOUT = timedelta(seconds=10)
IDLE_TIMEOUT = timedelta(seconds=20)

_TIMEOUTS = """
SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),
       set_config('idle_in_transaction_session_timeout', %s, true)
"""

UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
    errors.ReadOnlySqlTransaction,
)
"""What psycopg raises when the server, the pooler or the way to them fails. The last three are no
OperationalError there: the server ended our transaction, or is a standby, or its disk is full."""


@dataclass(frozen=True, slots=True)
class DatabaseTime:
    """Seconds spent in transactions, from wanting one to its end, and how many of them passed before it had
    begun: connecting, and waiting for a pooler to have a server free."""

    seconds: float = 0.0
    until_begun: float = 0.0

    def since(self, earlier: DatabaseTime) -> DatabaseTime:
        return DatabaseTime(self.seconds - earlier.seconds, self.until_begun - earlier.until_begun)


class PostgresConnection:
    """Opens on first use, reopens when broken, is kept over warm invocations.

    A connection that died while it was kept, with its pooler or in a failover, is found out at BEGIN, and
    another is opened at once: nothing ran on the dead one. Once a transaction has begun nothing is repeated.

    A ``url`` that is asked for is asked anew at each opening: after a rotation the old one opens nothing.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        *,
        application_name: str = "sluice",
        statement_timeout: timedelta = STATEMENT_TIMEOUT,
        lock_timeout: timedelta = LOCK_TIMEOUT,
        idle_timeout: timedelta = IDLE_TIMEOUT,
    ) -> None:
        self._url = url if callable(url) else check_url(url)
        self._application_name = application_name
        self._timeouts = tuple(
            f"{int(limit.total_seconds() * 1000)}ms"
            for limit in (statement_timeout, lock_timeout, idle_timeout)
        )
        self._connection: psycopg.Connection[TupleRow] | None = None
        self._ended = DatabaseTime()
        self._wanted_at: float | None = None

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """One transaction with its timeouts set; DatabaseUnavailable when the database is not there.

        An error at COMMIT surfaces the same way: who must know the difference looks it up.
        """
        self._wanted_at = time.monotonic()
        try:
            with ExitStack() as held:
                connection = self._begin(held)
                self._begun()
                yield connection
        except (psycopg.Error, ValueError) as error:
            if not isinstance(error, UNAVAILABLE) and not self._is_broken():
                raise
            self.close()
            raise DatabaseUnavailable(f"database: {first_line(error)}") from error
        finally:
            self._ended, self._wanted_at = self.spent(), None

    def spent(self) -> DatabaseTime:
        """In transactions so far, the present one included."""
        ended = self._ended
        if self._wanted_at is None:
            return ended
        took = time.monotonic() - self._wanted_at
        return DatabaseTime(ended.seconds + took, ended.until_begun)

    def close(self) -> None:
        """Drop the connection; the next transaction opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _is_broken(self) -> bool:
        """Whatever the error is called: PgBouncer answers twice for a server that was ended while idle,
        and psycopg calls that an InternalError; at the end of a COPY, a ValueError."""
        return self._connection is not None and self._connection.broken

    def _begin(self, held: ExitStack) -> psycopg.Connection[Any]:
        """A transaction, begun, that ends with ``held``; on another connection if the kept one has died."""
        began, kept = time.monotonic(), self._kept()
        if kept is not None:
            try:
                return self._begin_on(kept, held, SERVER_WAIT_S)
            except psycopg.Error as error:
                left = SERVER_WAIT_S - (time.monotonic() - began)
                if not kept.closed or left <= 0:
                    raise
                logger.info("connection_reopened", extra={"why": first_line(error)})
                return self._begin_on(self._open(), held, left)
        return self._begin_on(self._open(), held, SERVER_WAIT_S)

    def _begin_on(
        self, connection: psycopg.Connection[Any], held: ExitStack, seconds: float
    ) -> psycopg.Connection[Any]:
        with ExitStack() as entered:
            begun = entered.enter_context(_cut_after(seconds, connection))
            entered.enter_context(connection.transaction())
            connection.execute(_TIMEOUTS, self._timeouts)
            begun()
            held.enter_context(entered.pop_all())
        return connection

    def _begun(self) -> None:
        if self._wanted_at is not None:
            took = time.monotonic() - self._wanted_at
            self._ended = DatabaseTime(self._ended.seconds, self._ended.until_begun + took)

    def _kept(self) -> psycopg.Connection[Any] | None:
        """The connection of an earlier transaction, as far as is known here still open."""
        kept = self._connection
        return None if kept is None or kept.closed else kept

    def _open(self) -> psycopg.Connection[Any]:
        self._connection = psycopg.connect(
            check_url(self._url()) if callable(self._url) else self._url,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=self._application_name,
        )
        return self._connection


@contextmanager
def _cut_after(seconds: float, connection: psycopg.Connection[Any]) -> Iterator[Callable[[], None]]:
    """Shut the connection's socket after ``seconds``, unless what this gives was called before."""
    timer = threading.Timer(seconds, _shut, [connection])
    timer.daemon = True
    timer.start()

    def stop() -> None:
        timer.cancel()
        timer.join()  # not to meet a socket that is somebody else's by then

    try:
        yield stop
    finally:
        stop()


def _shut(connection: psycopg.Connection[Any]) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


def check_url(url: str) -> str:
    """The URL itself; SettingInvalid when a character in it that should be escaped makes libpq misread it.

    The message never quotes the URL. libpq's own would: what it takes for a host is part of a password.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {"host": "@"}
    ports = str(parts.get("port", "5432")).split(",")
    if "@" in str(parts.get("host", "")) or not all(port.isdecimal() for port in ports):
        raise SettingInvalid(
            "the database URL cannot be read: write postgresql://user:password@host:port/name and "
            "percent-encode special characters in the user and the password ('@' as %40, '%' as %25)"
        )
    return url


def first_line(error: BaseException) -> str:
    """What happened, without the advice and context that follow on further lines."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
