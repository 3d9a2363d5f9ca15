"""The one picture of a deployment, drawn by whoever runs the command."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from ops.target import Target
from sluice.core.errors import SluiceError
from sluice.core.overview.picture import Overview
from sluice.core.steering.ports import BookSwitches
from sluice.core.steering.switches import SwitchBoard
from sluice.dynamo.book import DynamoBook
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.overview import PostgresHistories
from sluice.usecases import overview
from sluice.wiring_overview import Stores, kit_of


def overview_of(target: Target, *, clients: Collection[str] | None = None) -> Overview:
    """The whole picture of this deployment, or of some of its clients.

    What may not be asked, or does not answer, is named in ``unknown``; only a registry or state table that the
    deployment does not name raises SettingInvalid.
    """
    with _database(target) as connection:
        histories = PostgresHistories(connection, check=PostgresCommits(connection).check_schema)
        at = _now(histories)
        stores = Stores(
            aws=target.aws,
            names=target.names,
            registry=target.registry,
            leases=target.leases,
            histories=histories,
            board=lambda: _board(target),
            clock=lambda: at,
        )
        return overview.look(kit_of(stores), clients=clients)


@contextmanager
def _database(target: Target) -> Iterator[PostgresConnection]:
    """A connection of our own, opened when the first question is asked."""
    connection = PostgresConnection(target.database_url, application_name="sluice-ops")
    try:
        yield connection
    finally:
        connection.close()


def _now(histories: PostgresHistories) -> datetime:
    """The database's time, by which runs are dated; our own where it does not answer."""
    try:
        return histories.now()
    except SluiceError:  # whoever looks asks the database again, and says that it does not answer
        return datetime.now(UTC)


def _board(target: Target) -> SwitchBoard:
    table = target.name("SLUICE_LIMITS_TABLE")
    book = DynamoBook(target.aws("dynamodb"), table, chance=random.SystemRandom().random)
    return BookSwitches(book, lambda: datetime.now(UTC)).board()
