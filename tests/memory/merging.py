"""How a batch of records meets stored rows: the merge in memory, the same as the loader's in Postgres."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sluice.core.errors import RowRejected
from sluice.core.ports import Stream
from sluice.core.records import Record, Reject, Table
from tests.memory.database import Row


@dataclass
class Merged:
    """A batch sorted out, not yet stored. ``winners`` are the records compared, ``written`` how each of those
    that are written counts, ``refused`` those rejected."""

    rows: dict[str, Row] = field(default_factory=dict)
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejects: list[Reject] = field(default_factory=list)
    stale_ids: set[str] = field(default_factory=set)
    winners: dict[str, Record] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def refuse(self, record_id: str, reject: Reject) -> bool:
        """Make a reject of a record that was sorted out already; was it to be written?"""
        self.refused.add(record_id)
        self.rejects.append(reject)
        to_be_written = record_id in self.written
        stood = "stale" if record_id in self.stale_ids else "unchanged"
        counted = self.written.pop(record_id, stood)
        setattr(self, counted, getattr(self, counted) - 1)
        self.stale_ids.discard(record_id)
        if to_be_written:
            del self.rows[record_id]
        return to_be_written


@dataclass(frozen=True)
class Merger:
    """Sorts a batch out; nothing is stored. ``may_replace`` is the version guard."""

    clock: Callable[[], datetime]

    def merge(
        self,
        rows: dict[str, Row],
        records: Sequence[Record],
        stream: Stream,
        *,
        seq: int,
        ties_win: bool = True,
    ) -> Merged:
        merged = Merged()
        sound = _with_sound_keys(records, seq, merged)
        for record in _one_per_id(sound, seq, merged):
            merged.winners[record.id] = record
            before = rows.get(record.id)
            version = _version(record, seq)
            if before is not None and _same(before, record, stream.table):
                merged.unchanged += 1
                self._keep_up(before, record, merged)
            elif before is not None and not self.may_replace(before, version, ties_win):
                merged.stale += 1
                merged.stale_ids.add(record.id)
            else:
                self._take(record, before, version, stream, merged)
        return merged

    def may_replace(self, before: Row, version: int, ties_win: bool) -> bool:
        """A tombstone that the vendor pushed stays at its own version."""
        tie_wins = ties_win and not before.is_tombstone
        return version > before.version or (version == before.version and tie_wins)

    def may_bury(self, before: Row, version: int) -> bool:
        """A tombstone beats a live row of its own version."""
        return version >= before.version

    def _keep_up(self, before: Row, record: Record, merged: Merged) -> None:
        """Unchanged, but the vendor calls it newer: a late older push must find that."""
        if record.version is not None and record.version > before.version:
            merged.rows[record.id] = replace(before, version=record.version)

    def _take(
        self, record: Record, before: Row | None, version: int, stream: Stream, merged: Merged
    ) -> None:
        try:
            values = tuple(stream.values(record))
            _check_types(stream.table, values)
        except RowRejected as error:
            merged.rejects.append(reject_of(record, error))
            merged.refused.add(record.id)
            return
        merged.rows[record.id] = Row(record.hash, version, record.raw, values, self.clock())
        merged.written[record.id] = "inserted" if before is None else "updated"
        if before is None:
            merged.inserted += 1
        else:
            merged.updated += 1


def storable(text: str) -> str:
    """As a text column can hold it: NUL and halves of surrogate pairs become escapes."""
    return text.replace("\0", "\\u0000").encode(errors="backslashreplace").decode()


def _version(record: Record, seq: int) -> int:
    return seq if record.version is None else record.version


def _check_types(table: Table, values: Sequence[Any]) -> None:
    """RowRejected for what the column's type refuses after the stream let it through."""
    for column, value in zip(table.columns, values, strict=True):
        if column.type == "integer" and value is not None and not -(2**31) <= value < 2**31:
            raise RowRejected("integer out of range")


def reject_of(record: Record, error: RowRejected) -> Reject:
    raw = record.raw.decode(errors="backslashreplace")
    return Reject(record.id, error.reason, error.field, raw)


def _with_sound_keys(records: Sequence[Record], seq: int, merged: Merged) -> list[Record]:
    """Set aside what has an id or a version that no column holds."""
    sound = []
    for record in records:
        if storable(record.id) != record.id:
            reject = reject_of(record, RowRejected("an id that Postgres cannot keep as text"))
            merged.rejects.append(replace(reject, record_id=None))
        elif not -(2**63) <= _version(record, seq) < 2**63:
            merged.rejects.append(reject_of(record, RowRejected("a version beyond 64 bits")))
        else:
            sound.append(record)
    return sound


def _one_per_id(records: Sequence[Record], seq: int, merged: Merged) -> list[Record]:
    """The highest version of each id, the last read among equals; the others are accounted for."""
    winners: dict[str, Record] = {}
    losers: list[Record] = []
    for record in records:
        held = winners.get(record.id)
        if held is not None and _version(held, seq) > _version(record, seq):
            losers.append(record)
            continue
        if held is not None:
            losers.append(held)
        winners[record.id] = record
    for loser in losers:
        if loser.hash == winners[loser.id].hash:
            merged.unchanged += 1
        else:
            merged.stale += 1
    return list(winners.values())


def _same(row: Row, record: Record, table: Table) -> bool:
    """Nothing to write: alive with the same hash."""
    put_away = row.deleted_at or (table.archives and row.archived_at)
    return row.hash == record.hash and not put_away
