"""The engine's hot queries: those that run for every slice, push, tick or pass, and the index each must use.

Written as the engine runs them, from where it has them; only their parameters are made up. What changes or
locks rows is asked about a stream that nobody has; what reads, about one that works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from ops.runs.figures import RUNS, Connection
from sluice.core.overview.stream_history import CLOCKS
from sluice.core.records import Table
from sluice.postgres import queries, rejects, runs, tables
from sluice.postgres.first_load import COMPLETED_BEFORE

NOBODY = "nobody"
NO_ID = "00000000-0000-0000-0000-000000000000"
SOME_ROWS = 200
"""Rows of a batch that the temporary tables of a merge are filled with."""

INCOMING = (
    "CREATE TEMP TABLE incoming (id text, hash uuid, version bigint) ON COMMIT DROP",
    f"INSERT INTO incoming SELECT n::text, '{NO_ID}'::uuid, n FROM generate_series(1, {SOME_ROWS}) n",
    "CREATE TEMP TABLE written (id text) ON COMMIT DROP",
    "INSERT INTO written SELECT id FROM incoming",
    "ANALYZE incoming",
    "ANALYZE written",
)
"""What a merge has beside it when it compares, and when it derives."""

_SAMPLE = """
SELECT client_id, stream_key,
       ARRAY(SELECT DISTINCT client_id FROM sluice.sync_commit WHERE source = %(source)s LIMIT 100) AS clients
  FROM sluice.sync_commit WHERE source = %(source)s AND stream = %(stream)s
 ORDER BY seq DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A stream to ask about, the one of its kind with most slices; of nobody where there is none. ``clients``
    are those of its source."""

    client_id: str
    stream_key: str
    now: datetime
    clients: Sequence[str] = ()

    @classmethod
    def of(cls, connection: Connection, source: str, stream: str) -> Sample:
        row = connection.execute(_SAMPLE, {"source": source, "stream": stream}).fetchone()
        nobody = {"client_id": NOBODY, "stream_key": f"{NOBODY}#{source}#{stream}"}
        return cls(**(row or nobody), now=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class HotQuery:
    """A query and the indexes that it must be able to use; ``"a or b"``: either will do.

    ``stream`` is the kind of stream that ``parameters`` get a sample of; ``before`` are statements that
    run first, in the same transaction.
    """

    name: str
    query: sql.Composable
    indexes: Sequence[str]
    parameters: Callable[[Sample], Mapping[str, Any]]
    stream: tuple[str, str] = ("cars", "cars")
    before: Sequence[str] = ()


def merge_queries(
    table: Table, stream: tuple[str, str], columns: Sequence[str] = ()
) -> list[HotQuery]:
    """What each table's slices ask: which rows are new, and after a listing which of them are missing.

    ``columns`` are those by which a listing of a part of the table is bounded.
    """
    key = f"{table.name}_pkey"
    compared = HotQuery(
        f"compare {table.name}",
        tables.compare(table),
        (key,),
        lambda sample: {"client_id": sample.client_id, "ties_win": True},
        stream,
        INCOMING,
    )
    missing = [
        HotQuery(
            f"missing from {table.name}" + (f" by {column}" if column else ""),
            tables.candidates(table, column),
            (key, "sighting_pkey"),
            _missing,
            stream,
        )
        for column in (columns or (None,))
    ]
    return [compared, *missing]


def _missing(sample: Sample) -> Mapping[str, Any]:
    return {
        "client_id": sample.client_id,
        "stream_key": sample.stream_key,
        "generation": 1,
        "started_at": sample.now,
        "after": "",
        "limit": 500,
        "since": sample.now - timedelta(days=45),
        "until": sample.now,
    }


def _claimed(_: Sample) -> Mapping[str, Any]:
    return {
        "key": f"{NOBODY}#cars#cars",
        "token": 1,
        "full_since": None,
        "clocks": CLOCKS,
        "client_id": NOBODY,
        "source": "cars",
        "stream": "cars",
        "partition": None,
        "run_id": NO_ID,
        "reason": "schedule",
        "now": datetime.now(UTC),
        "slice_id": NO_ID,
        "before": 1,
    }


def _delivered(_: Sample) -> Mapping[str, Any]:
    now = datetime.now(UTC)
    entry = {"client_id": NOBODY, "source": "cars", "event_id": NOBODY, "topic": None}
    return {**entry, "now": now}


def _since_yesterday(sample: Sample) -> Mapping[str, Any]:
    since = sample.now - timedelta(days=1)
    return {"since": since, "also": [], "client_id": None, "limit": 30}


def _silent(sample: Sample) -> Mapping[str, Any]:
    before = sample.now - timedelta(minutes=20)
    return {"before": before, "backfills_before": before, "backfill": "backfill", "limit": 100}


def _rejected(_: Sample) -> Mapping[str, Any]:
    return {
        "key": f"{NOBODY}#cars#cars",
        "slice_id": NO_ID,
        "superseded": [],
        "seq": 1,
        "record_id": "1",
        "field": None,
        "reason": "no number",
        "raw": "{}",
        "digest": NO_ID,
        "read_anew": True,
    }


def _counted(_: Sample) -> Mapping[str, Any]:
    return {
        "key": f"{NOBODY}#cars#cars",
        "seq": 1,
        "ids": ["1"],
        "subjects": ["a"],
        "counters": ["b"],
        "amounts": [1],
        "moments": [datetime.now(UTC)],
    }


ENGINE: Sequence[HotQuery] = (
    HotQuery(
        "claim", sql.SQL(queries.CLAIM), ("sync_commit_pkey", "run_open", "run_stream"), _claimed
    ),
    HotQuery("lock", sql.SQL(queries.LOCK), ("sync_commit_pkey",), _claimed),
    HotQuery("open a run", sql.SQL(runs.BEGIN), ("run_open",), _claimed),
    HotQuery(
        "look a commit up", sql.SQL(queries.FIND_SLICE), ("commit_log_slice_id_key",), _claimed
    ),
    HotQuery("forget a listing", sql.SQL(queries.FORGET), ("sighting_pkey",), _claimed),
    HotQuery("first load over", sql.SQL(COMPLETED_BEFORE), ("run_stream",), _claimed),
    HotQuery("silent runs", sql.SQL(runs.SILENT), ("run_open", "sync_commit_pkey"), _silent),
    HotQuery("runs of a day", sql.SQL(RUNS), ("run_started", "commit_log_run"), _since_yesterday),
    HotQuery(
        "open rejects",
        sql.SQL(queries.OPEN_REJECTS),
        ("rejects_open or rejects_open_record",),
        lambda sample: {"key": sample.stream_key, "limit": 100},
    ),
    HotQuery("keep a reject", rejects.KEEP, ("rejects_open", "sync_commit_pkey"), _rejected),
    HotQuery(
        "settle rejects",
        rejects.SETTLE,
        ("rejects_open_record or rejects_open",),
        _rejected,
        before=INCOMING,
    ),
    HotQuery(
        "count facts", sql.SQL(queries.COUNT_FACTS), ("ledger_pkey", "counter_pkey"), _counted
    ),
    HotQuery("note a delivery", sql.SQL(queries.NOTE_RECEIVED), ("inbox_pkey",), _delivered),
    HotQuery("apply a delivery", sql.SQL(queries.NOTE_DELIVERY), ("inbox_pkey",), _delivered),
    HotQuery(
        "prune the inbox",
        sql.SQL(queries.PRUNE_INBOX),
        ("inbox_received",),
        lambda sample: {"before": sample.now - timedelta(days=3650), "limit": 1000},
    ),
)
