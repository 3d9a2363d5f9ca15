"""What must hold of a stream's log of slices, said in one line per fault.

Knows nothing of how a slice was made: it is given what a database holds in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class LoggedSlice:
    """One row of ``commit_log``."""

    seq: int
    fencing_token: int
    cursor_before: Mapping[str, Any]
    cursor_after: Mapping[str, Any]
    slice_id: str
    read: int
    accounted: int


@dataclass(frozen=True, slots=True)
class Position:
    """One row of ``sync_commit``."""

    seq: int
    fencing_token: int
    cursor: Mapping[str, Any]


def chain_faults(log: Sequence[LoggedSlice], at: Position) -> Iterator[str]:
    """Gaps, broken links, tokens that fell, slices stored twice, sums that do not add up (I5, I6)."""
    before: LoggedSlice | None = None
    for entry in log:
        yield from _link_faults(before, entry)
        if entry.read != entry.accounted:
            yield f"seq {entry.seq}: {entry.read} rows read, {entry.accounted} accounted for"
        before = entry
    if len({entry.slice_id for entry in log}) != len(log):
        yield "a slice_id stands in the log twice"
    yield from _end_faults(before, at)


def _link_faults(before: LoggedSlice | None, entry: LoggedSlice) -> Iterator[str]:
    expected = 1 if before is None else before.seq + 1
    if entry.seq != expected:
        yield f"seq {entry.seq} where {expected} was due"
    if entry.cursor_before != ({} if before is None else before.cursor_after):
        yield f"seq {entry.seq}: begins at another cursor than the slice before it ended at"
    if before is not None and entry.fencing_token <= before.fencing_token:
        yield f"seq {entry.seq}: token {entry.fencing_token} after {before.fencing_token}"


def _end_faults(last: LoggedSlice | None, at: Position) -> Iterator[str]:
    if at.seq != (last.seq if last else 0):
        yield f"sync_commit is at seq {at.seq}, the log ends at {last.seq if last else 0}"
    if last is not None and at.cursor != last.cursor_after:
        yield "sync_commit's cursor is not where the last slice ended"
    if last is not None and at.fencing_token < last.fencing_token:
        yield f"the fence fell: {at.fencing_token} below the logged {last.fencing_token}"


def read_log(
    connection: psycopg.Connection[Any], stream_key: str
) -> tuple[list[LoggedSlice], Position]:
    """A stream's log and position, from Postgres."""
    log = connection.execute(
        "SELECT seq, fencing_token, cursor_before, cursor_after, slice_id::text, rows_read,"
        " inserted + updated + unchanged + stale + rejected"
        " FROM sluice.commit_log WHERE stream_key = %s ORDER BY seq",
        (stream_key,),
    ).fetchall()
    at = connection.execute(
        "SELECT seq, fencing_token, cursor FROM sluice.sync_commit WHERE stream_key = %s",
        (stream_key,),
    ).fetchone()
    assert at is not None, f"{stream_key} was never claimed"
    return [LoggedSlice(*row) for row in log], Position(*at)
