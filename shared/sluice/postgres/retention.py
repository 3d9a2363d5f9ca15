"""Old history, forgotten: runs that ended, their slices, rejects that were resolved.

What may go, the database itself decides (``sluice.forget_history``, migration 0025): the application has no
right to delete these rows, and a bound within the last 7 days is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import psycopg

from sluice.core.errors import InvariantBroken
from sluice.core.history import Forgotten
from sluice.postgres.connection import PostgresConnection

FORGET_HISTORY: LiteralString = (
    "SELECT runs, slices, rejects FROM sluice.forget_history(%(before)s, %(limit)s)"
)


@dataclass(frozen=True, slots=True)
class PostgresHistory:
    """Implements ``core.history.ForgetsHistory``."""

    connection: PostgresConnection

    def forget(self, *, before: datetime, limit: int) -> Forgotten:
        """Forget at most ``limit`` rows of each kind that were over before that moment, in one transaction.

        InvariantBroken for a bound or a number that the database refuses, DatabaseUnavailable when it does not
        answer in time.
        """
        try:
            with self.connection.transaction() as tx:
                row = tx.execute(FORGET_HISTORY, {"before": before, "limit": limit}).fetchone()
        except psycopg.errors.InvalidParameterValue as error:
            raise InvariantBroken(f"history is not forgotten: {error}") from error
        return Forgotten(*row) if row else Forgotten()
