"""A past of runs and slices, written straight into the tables, as long ago as a test wants it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.keys import StreamKey
from tests.integration.postgres.worker import new_key

SUMS = ("inserted", "updated", "unchanged", "stale", "rejected")
NOTHING = timedelta(0)


@dataclass
class Past:
    """The history of one stream. Everything happened so long ``ago``, by the database's clock."""

    rows: psycopg.Connection[Any]
    key: StreamKey = field(default_factory=new_key)
    seq: int = 0

    def claimed(self, ago: timedelta = NOTHING, advanced: timedelta | None = None) -> None:
        """A worker came; ``advanced`` is when the cursor last moved."""
        self.rows.execute(
            "INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, fencing_token)"
            " VALUES (%s, %s, %s, %s, 1) ON CONFLICT DO NOTHING",
            (str(self.key), self.key.client_id, self.key.source, self.key.stream),
        )
        self.rows.execute(
            "UPDATE sluice.sync_commit SET updated_at = now() - %s, seq = %s,"
            " advanced_at = now() - coalesce(%s::interval, now() - advanced_at) WHERE stream_key = %s",
            (ago, self.seq, advanced, str(self.key)),
        )

    def run(
        self,
        ago: timedelta,
        took: timedelta | None = timedelta(seconds=5),
        *,
        outcome: str = "completed",
        reason: str = "schedule",
        **more: Any,
    ) -> str:
        """A run; still open where ``took`` is None."""
        run_id = str(uuid.uuid4())
        self.rows.execute(
            "INSERT INTO sluice.run (run_id, stream_key, client_id, source, stream, reason, outcome,"
            " started_at, last_progress_at, ended_at, last_error, progress_done, progress_total)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, now() - %s, now() - %s, now() - %s::interval, %s, %s, %s)",
            (
                run_id, str(self.key), self.key.client_id, self.key.source, self.key.stream, reason,
                "running" if took is None else outcome, ago, ago,
                None if took is None else ago - took,
                more.get("error"), more.get("done"), more.get("total"),
            ),
        )  # fmt: skip
        return run_id

    def slice(self, run_id: str, ago: timedelta, **more: Any) -> int:
        """The next slice; its sums are those given, its rows what they add up to."""
        self.seq = more.pop("seq", self.seq + 1)
        sums = {name: more.pop(name, 0) for name in SUMS}
        values = {
            "stream_key": str(self.key), "seq": self.seq, "fencing_token": self.seq, "run_id": run_id,
            "slice_id": str(uuid.uuid4()), "kind": "crawl", "cursor_before": f'{{"at": {self.seq - 1}}}',
            "cursor_after": f'{{"at": {self.seq}}}', "has_more": False, "rows_read": sum(sums.values()), **sums,
            "deleted": 0, "pages": 1, "requests": 1, "retries": 0, "errors": 0, "bytes_received": 0,
            "latencies_ms": [], "fetch_ms": 1, "merge_ms": 1, **more,
        }  # fmt: skip
        insert = sql.SQL(
            "INSERT INTO sluice.commit_log ({}, committed_at) VALUES ({}, now() - {})"
        ).format(
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
            sql.Placeholder("ago"),
        )
        self.rows.execute(insert, {**values, "ago": ago})
        return self.seq

    def pushed(self, ago: timedelta, topic: str | None = None) -> None:
        self.rows.execute(
            "INSERT INTO sluice.inbox (client_id, source, event_id, topic, received_at)"
            " VALUES (%s, %s, %s, %s, now() - %s)",
            (self.key.client_id, self.key.source, str(uuid.uuid4()), topic, ago),
        )
