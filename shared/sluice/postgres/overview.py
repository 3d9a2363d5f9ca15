"""What the database remembers of all streams, for a look at the whole. It only reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString, TypeVar

import psycopg

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import RunView
from sluice.core.overview.stream_history import RUNS_KEPT, LargeRun, Silence, StreamHistory, Topic
from sluice.postgres import overview_queries as queries
from sluice.postgres.connection import PostgresConnection

AT_ONCE = 2000
"""Streams or topics that one question is about. One about 15,000 would be one of seconds, and hold its snapshot."""

LATELY = timedelta(hours=1)
SLICES_CHECKED = 12
"""Newest slices of a stream whose sums and seams are looked at: more than are made between two looks."""

LARGE_SLICES = 500
"""Of a stream whose newest large slice left no row alone. Three crawls of 200,000 rows are 60."""

Rows = Sequence[Sequence[Any]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PostgresHistories:
    """Implements ``core.stream_history.Histories``. ``check`` raises SchemaTooOld where these questions could not
    be asked."""

    connection: PostgresConnection
    check: Callable[[], None] = lambda: None

    def of(self, keys: Sequence[StreamKey]) -> dict[StreamKey, StreamHistory]:
        self.check()
        found: dict[StreamKey, StreamHistory] = {}
        for part in _parts(keys):
            with self.connection.transaction() as tx:
                found |= _histories(tx, [str(key) for key in part])
        return found

    def silent_streams(self, windows: Mapping[StreamKey, timedelta]) -> dict[StreamKey, Silence]:
        found: dict[StreamKey, Silence] = {}
        for part in _parts(list(windows)):
            spans = [windows[key] for key in part]
            asked = {"keys": [str(key) for key in part], "spans": spans}
            for text, days in self._rows(queries.SILENT_STREAMS, asked):
                key = StreamKey.parse(text)
                found[key] = Silence(windows[key], days)
        return found

    def silent_pushes(
        self, windows: Mapping[tuple[str, str], timedelta]
    ) -> dict[tuple[str, str], Silence]:
        asked = {
            "clients": [client for client, _ in windows],
            "sources": [source for _, source in windows],
            "spans": list(windows.values()),
        }
        rows = self._rows(queries.SILENT_PUSHES, asked) if windows else ()
        return {(c, s): Silence(windows[c, s], days) for c, s, days in rows}

    def silent_topics(self, windows: Mapping[Topic, timedelta]) -> dict[Topic, Silence]:
        found: dict[Topic, Silence] = {}
        for part in _parts(list(windows)):
            asked = {
                "clients": [topic.client_id for topic in part],
                "sources": [topic.source for topic in part],
                "topics": [topic.name for topic in part],
                "spans": [windows[topic] for topic in part],
            }
            for *names, days in self._rows(queries.SILENT_TOPICS, asked):
                topic = Topic(*names)
                found[topic] = Silence(windows[topic], days)
        return found

    def connections(self) -> int:
        return int(self._rows(queries.CONNECTIONS)[0][0])

    def now(self) -> datetime:
        """The database's time: a person's machine may be minutes off, the servers' clocks are not."""
        time: datetime = self._rows(queries.TIME)[0][0]
        return time

    def _rows(self, query: LiteralString, asked: Mapping[str, Any] | None = None) -> Rows:
        with self.connection.transaction() as tx:
            return tx.execute(query, asked).fetchall()


def _histories(tx: psycopg.Connection[Any], keys: Sequence[str]) -> dict[StreamKey, StreamHistory]:
    """Streams that were claimed at least once or have a run."""
    runs = _runs(tx, keys)
    broken = {row[0]: tuple(_faults(*row[1:])) for row in _asked(tx, queries.BROKEN, keys)}
    brakes = {row[0]: row[1:] for row in _asked(tx, queries.BRAKED, keys)}
    large = _large(tx, keys)
    found: dict[StreamKey, StreamHistory] = {}
    for key, claimed_at, rested_at, advanced_at, completed_at, rejects in _asked(
        tx, queries.STANDINGS, keys
    ):
        if claimed_at is None and key not in runs:
            continue
        brake, braked_at = brakes.get(key, (None, None))
        found[StreamKey.parse(key)] = StreamHistory(
            runs=runs.get(key, ()),
            completed_at=completed_at,
            claimed_at=claimed_at,
            rested_at=rested_at,
            advanced_at=advanced_at,
            open_rejects=rejects,
            broken=broken.get(key, ()),
            brake=brake,
            braked_at=braked_at,
            large=large.get(key, ()),
        )
    return found


def _asked(tx: psycopg.Connection[Any], query: LiteralString, keys: Sequence[str]) -> Rows:
    asked = {
        "keys": list(keys),
        "runs": RUNS_KEPT,
        "lately": LATELY,
        "slices": LARGE_SLICES if query is queries.LARGE else SLICES_CHECKED,
    }
    return tx.execute(query, asked).fetchall()


def _runs(tx: psycopg.Connection[Any], keys: Sequence[str]) -> Mapping[str, Sequence[RunView]]:
    found: dict[str, list[RunView]] = defaultdict(list)
    for key, *row in _asked(tx, queries.RUNS, keys):
        found[key].append(RunView(*row))
    return found


def _large(tx: psycopg.Connection[Any], keys: Sequence[str]) -> Mapping[str, Sequence[LargeRun]]:
    found: dict[str, list[LargeRun]] = defaultdict(list)
    for key, *row in _asked(tx, queries.LARGE, keys):
        found[key].append(LargeRun(*row))
    return found


def _faults(
    seq: int,
    logged: int | None,
    unsummed: int | None,
    gap: int | None,
    torn: int | None,
    unfenced: int | None,
) -> Iterator[str]:
    if (logged or 0) != seq:
        yield f"the stream stands at seq {seq}, and its log ends at {logged or 0}"
    if unsummed is not None:
        yield f"slice {unsummed} read other rows than it accounts for"
    if gap is not None:
        yield f"there is no slice before {gap}"
    if torn is not None:
        yield f"slice {torn} did not begin where the one before ended"
    if unfenced is not None:
        yield f"slice {unfenced} has an older fencing token than the one before"


def _parts(subjects: Sequence[T]) -> Iterator[Sequence[T]]:
    return (subjects[at : at + AT_ONCE] for at in range(0, len(subjects), AT_ONCE))
