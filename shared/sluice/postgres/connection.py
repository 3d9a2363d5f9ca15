"""One connection per Lambda environment, through a transaction pooler, with no session state at all.

A transaction pooler gives each transaction another server connection. So: no prepared statements,
no session settings, no advisory locks; timeouts are set anew inside each transaction. TLS is the
URL's matter (``sslmode=verify-full`` in production).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from sluice.core.errors import DatabaseUnavailable

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT = timedelta(seconds=20)
LOCK_TIMEOUT = timedelta(seconds=10)
IDLE_TIMEOUT = timedelta(seconds=20)

_TIMEOUTS = """
SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),
       set_config('idle_in_transaction_session_timeout', %s, true)
"""

UNAVAILABLE = (psycopg.OperationalError, psycopg.InterfaceError)
"""What psycopg raises when the server, the pooler or the way to them fails."""


class PostgresConnection:
    """Opens on first use, reopens when broken, is kept over warm invocations."""

    def __init__(
        self,
        url: str,
        *,
        application_name: str = "sluice",
        statement_timeout: timedelta = STATEMENT_TIMEOUT,
    ) -> None:
        self._url = url
        self._application_name = application_name
        self._timeouts = tuple(
            f"{int(limit.total_seconds() * 1000)}ms"
            for limit in (statement_timeout, LOCK_TIMEOUT, IDLE_TIMEOUT)
        )
        self._connection: psycopg.Connection[TupleRow] | None = None

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """One transaction with its timeouts set; DatabaseUnavailable when the database is not there.

        An error at COMMIT surfaces the same way: who must know the difference looks it up.
        """
        try:
            connection = self._open()
            with connection.transaction():
                connection.execute(_TIMEOUTS, self._timeouts)
                yield connection
        except UNAVAILABLE as error:
            self.close()
            raise DatabaseUnavailable(f"database: {_first_line(error)}") from error

    def close(self) -> None:
        """Drop the connection; the next transaction opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=CONNECT_TIMEOUT_S,
                application_name=self._application_name,
            )
        return self._connection


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
