"""Whether a stream's first load is over: until then a poll finds what no push could have brought."""

from __future__ import annotations

from dataclasses import dataclass, field

from sluice.core.keys import StreamKey
from sluice.postgres.connection import PostgresConnection

COMPLETED_BEFORE = """
SELECT EXISTS (SELECT FROM sluice.run
                WHERE stream_key = %(key)s AND outcome = 'completed' AND reason <> 'backfill'
                  AND run_id::text IS DISTINCT FROM %(run_id)s)
"""


@dataclass(frozen=True, slots=True)
class FirstLoads:
    """Asks the log of runs, and asks no more about a stream once its first load was found to be over."""

    connection: PostgresConnection
    over: set[StreamKey] = field(default_factory=set)

    def is_over(self, key: StreamKey, run_id: str | None) -> bool:
        """Did a run of this stream, other than ``run_id``, complete? Raises DatabaseUnavailable."""
        if key not in self.over:
            with self.connection.transaction() as tx:
                row = tx.execute(COMPLETED_BEFORE, {"key": str(key), "run_id": run_id}).fetchone()
            if row is None or not row[0]:
                return False
            self.over.add(key)
        return True
