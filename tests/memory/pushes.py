"""Pushes in memory: the same port as in Postgres, held to the same contract suite."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sluice.core.errors import RowRejected
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.ports import Applied, Stream
from sluice.core.records import PushEvent
from tests.memory.commits import MemoryCommits
from tests.memory.database import Row
from tests.memory.deriving import Deriving
from tests.memory.merging import reject_of


@dataclass(frozen=True)
class MemoryPushes:
    """Implements ``core.ports.Pushes`` beside the commits that it shares tables with."""

    commits: MemoryCommits

    def apply(self, event: PushEvent, stream: Stream) -> Applied:
        """Everything is worked out before anything is stored, as a transaction would."""
        database = self.commits.database
        delivery = (event.key.client_id, event.key.source, event.event_id)
        if delivery in database.inbox:
            return Applied.REPEATED
        reach(FaultPoint.EVENT_NOTED)
        deriving = self.commits.deriving(event.key, stream.table)
        apply = self._bury if event.gone else self._merge
        applied = apply(deriving, event, stream)
        self.commits.store(event.key, deriving)
        database.inbox.add(delivery)
        return applied

    def _bury(self, deriving: Deriving, event: PushEvent, stream: Stream) -> Applied:
        version, record_id = event.record.version, event.record.id
        assert version is not None
        row, now = deriving.rows.get(record_id), deriving.now
        if row is not None and not self.commits.merger.may_bury(row, version):
            return Applied.STALE
        if row is None:
            nothing = (None,) * len(stream.table.columns)
            deriving.rows[record_id] = Row(b"\0" * 16, version, b"{}", nothing, now)

        def bury(row: Row) -> Row:
            at = row.deleted_at or now
            return replace(
                row, version=version, updated_at=now, deleted_at=at, deleted_generation=None
            )

        gone, kept = deriving.put_away([record_id], bury)
        if gone:
            return Applied.WRITTEN
        if row is None:
            del deriving.rows[record_id]
        error = RowRejected(kept[record_id])
        self.commits.keep_pushed_rejects(event.key, [reject_of(event.record, error)])
        return Applied.REJECTED

    def _merge(self, deriving: Deriving, event: PushEvent, stream: Stream) -> Applied:
        merged = self.commits.merger.merge(deriving.rows, [event.record], stream, seq=0)
        deriving.follow_merge(merged)
        self.commits.keep_pushed_rejects(event.key, merged.rejects)
        if merged.rejects:
            return Applied.REJECTED
        if merged.inserted or merged.updated:
            return Applied.WRITTEN
        return Applied.STALE if merged.stale else Applied.UNCHANGED
