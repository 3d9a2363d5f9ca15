"""The audit on a connection that is kept over warm invocations: each row is a transaction of its own."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.core.steering.ports import Change
from sluice.core.steering.switches import Recorded
from sluice.postgres.audit import PostgresAudit
from sluice.postgres.connection import PostgresConnection


@dataclass(frozen=True, slots=True)
class KeptAudit:
    """Implements ``core.steering.Audit``."""

    connection: PostgresConnection

    def record(self, change: Change) -> Recorded:
        with self.connection.transaction() as tx:
            return PostgresAudit(tx).record(change)
