"""Secrets that could not be read, noted in the audit: whose work it stopped, and what kind of failure it was.

Never the value, of which there is none, and not the message either. A secret that stays unreadable is met again
by every slice, so it is noted once an hour, whoever meets it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import LiteralString

import psycopg

from sluice.core.budget import Clock
from sluice.core.errors import SluiceError
from sluice.observability.logs import logger
from sluice.postgres.connection import PostgresConnection, first_line

ACTION = "secret-unreadable"

NOTED_EVERY = timedelta(hours=1)

MOST_REMEMBERED = 1000

LOCK_TIMEOUT = "1s"
"""Of waiting for another writer of the audit: a slice does not wait longer for this note."""

# The audit's own lock (migration 0006), taken before looking: two that look at once would both find nothing.
_ALONE: LiteralString = """
SELECT set_config('lock_timeout', %(lock_timeout)s, true), pg_advisory_xact_lock(7236845013)
"""

_NOTE: LiteralString = """
INSERT INTO sluice.audit (actor, action, scope, after, why)
SELECT %(actor)s, %(action)s, %(scope)s, %(secret)s, %(why)s
 WHERE NOT EXISTS (SELECT FROM sluice.audit
                    WHERE action = 'secret-unreadable' AND after = %(secret)s AND at > clock_timestamp() - %(every)s)
"""


@dataclass(frozen=True, slots=True)
class SecretFailures:
    """Notes failures as ``actor``, the function that met them."""

    connection: PostgresConnection
    actor: str
    clock: Clock
    noted: dict[str, datetime] = field(default_factory=dict)
    """When this environment last made sure that a secret's failure stands there."""

    def note(self, secret: str, scope: str, why: str) -> None:
        """Make sure that a row of the last hour says that ``secret`` could not be read for ``scope``. ``why`` is
        the kind of error.

        Never raises for a store that fails: whoever could not read the secret has an error of its own to tell,
        and this one goes to the log.
        """
        if self._was_noted(secret):
            return
        row = {
            "actor": self.actor,
            "action": ACTION,
            "scope": scope,
            "secret": json.dumps({"secret": secret}),
            "why": why,
            "every": NOTED_EVERY,
        }
        try:
            with self.connection.transaction() as tx:
                tx.execute(_ALONE, {"lock_timeout": LOCK_TIMEOUT})
                tx.execute(_NOTE, row)
        except (SluiceError, psycopg.Error) as failed:
            logger.warning(
                "secret_failure_not_noted",
                extra={"secret_name": secret, "scope": scope, "why": first_line(failed)},
            )
            return
        self._remember(secret)

    def _was_noted(self, secret: str) -> bool:
        at = self.noted.get(secret)
        return at is not None and timedelta(0) <= self.clock() - at < NOTED_EVERY

    def _remember(self, secret: str) -> None:
        if len(self.noted) >= MOST_REMEMBERED:
            self.noted.clear()
        self.noted[secret] = self.clock()
