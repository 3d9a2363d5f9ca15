"""Guards of pushes and of derived rows, taken away inside worker processes. See ``controls.py``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from sluice.core.records import PushEvent, Table
from sluice.core.webhooks import Portion, Presented
from sluice.postgres import connection as postgres_connection
from sluice.postgres import derivations, portions, pushes
from sluice.webhooks import verifying
from tests.chaos.controls import instead


def inbox() -> None:
    """A delivery is new each time that it comes."""

    def always(tx: psycopg.Connection[Any], event: PushEvent | Portion) -> bool:
        return True

    instead(pushes, "_is_new", always)
    instead(portions, "_is_new", always)


def derivation() -> None:
    """What follows from rows is written in a transaction of its own, after theirs."""
    waiting: list[tuple[Table, str, list[Any], list[Any]]] = []
    follow = derivations.follow

    def later(connection: psycopg.Connection[Any], table: Table, client_id: str) -> None:
        incoming = connection.execute("SELECT id, hash, version FROM incoming").fetchall()
        written = connection.execute("SELECT id FROM written").fetchall()
        waiting.append((table, client_id, incoming, written))

    real = postgres_connection.PostgresConnection.transaction

    @contextmanager
    def transaction(
        self: postgres_connection.PostgresConnection,
    ) -> Iterator[psycopg.Connection[TupleRow]]:
        waiting.clear()
        with real(self) as tx:
            yield tx
        for table, client_id, incoming, written in waiting:
            with real(self) as tx:
                derivations.create_incoming(tx)
                derivations.create_written(tx)
                with tx.cursor() as cursor:
                    cursor.executemany("INSERT INTO incoming VALUES (%s, %s, %s)", incoming)
                    cursor.executemany("INSERT INTO written VALUES (%s)", written)
                follow(tx, table, client_id)
        waiting.clear()

    instead(derivations, "follow", later)
    instead(postgres_connection.PostgresConnection, "transaction", transaction)


def signature() -> None:
    """Whatever has the right form is believed."""

    def believe(scheme: verifying.Scheme, secrets: Sequence[str], presented: Presented) -> None:
        return None

    instead(verifying, "_require_signature", believe)
