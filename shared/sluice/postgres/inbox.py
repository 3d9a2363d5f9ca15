"""Deliveries that arrived: noted before they are queued, so that a repetition is known as one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sluice.core.errors import InvariantBroken
from sluice.core.webhooks import InboxEntry
from sluice.postgres import queries
from sluice.postgres.connection import PostgresConnection


@dataclass(frozen=True, slots=True)
class PostgresInbox:
    """Implements ``receive_webhook.Inbox``, ``apply_hint.DoneWith`` and ``clean_up.PrunesInbox``.

    Raises DatabaseUnavailable. Each call may be made again: all of them say what shall be so.
    """

    connection: PostgresConnection

    def note(self, entry: InboxEntry, now: datetime) -> bool:
        """Make the entry if it is not there; True when its message is known to have been queued.

        A delivery that was applied was queued, whatever became of the note that says so.
        """
        with self.connection.transaction() as tx:
            row = tx.execute(queries.NOTE_RECEIVED, {**_names(entry), "now": now}).fetchone()
        if row is None:
            raise InvariantBroken(f"the inbox neither took {entry.event_id} nor had it")
        return bool(row[0])

    def note_queued(self, entry: InboxEntry) -> None:
        """Its message is in the queue."""
        with self.connection.transaction() as tx:
            tx.execute(queries.NOTE_QUEUED, _names(entry))

    def is_done(self, entry: InboxEntry, received_at: datetime) -> bool:
        """Make the entry if it is not there; True when its delivery was applied."""
        with self.connection.transaction() as tx:
            row = tx.execute(
                queries.NOTE_RECEIVED, {**_names(entry), "now": received_at}
            ).fetchone()
        return bool(row and row[1])

    def note_done(self, entry: InboxEntry) -> None:
        """It is done with, as if it had been applied."""
        with self.connection.transaction() as tx:
            tx.execute(queries.NOTE_DELIVERY, _names(entry))

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget at most ``limit`` deliveries received before that moment, oldest first; how many."""
        with self.connection.transaction() as tx:
            return tx.execute(queries.PRUNE_INBOX, {"before": before, "limit": limit}).rowcount


def _names(entry: InboxEntry) -> dict[str, str | None]:
    return {
        "client_id": entry.client_id,
        "source": entry.source,
        "event_id": entry.event_id,
        "topic": entry.topic,
    }
