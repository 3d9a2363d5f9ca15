"""`python -m benchmarks.overview`: what a look at the whole costs the database, with 1,000 clients' history.

Each client has 15 streams. Each stream has ``--runs`` runs of a slice, a quarter of an hour apart: most read a few
rows, some are quiet, one in a hundred reads many. Then each question of the look is timed, and named with the plan's
sequential scans, of which a look shall make none on the history. Exits with 1 when it does, or takes too long.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from rich.console import Console
from rich.table import Table

from local import postgres
from local.places import PROJECT
from sluice.core.keys import StreamKey
from sluice.core.overview.stream_history import RUNS_KEPT, Topic
from sluice.postgres import overview_queries as queries
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.migrations import apply_migrations
from sluice.postgres.overview import (
    AT_ONCE,
    LARGE_SLICES,
    LATELY,
    SLICES_CHECKED,
    PostgresHistories,
)
from tests.provenance import RESULTS, commit, machine, moment

STREAMS = 15
TOPICS = 23
"""Of each client, as many as ShipBob has; all of them are silent when they are asked about."""
OF_STREAMS = ("STANDINGS", "RUNS", "BROKEN", "BRAKED", "LARGE")
HISTORY = ("commit_log", "on run ", "inbox")
GOAL_S = 20.0
"""Of a whole look: a minute is what the monitor has, and it shares the database."""

_STREAMS = """
INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, fencing_token, seq, updated_at)
SELECT format('client-%%s#shipbob#stream-%%s', c, s), 'client-' || c, 'shipbob', 'stream-' || s, %(runs)s, %(runs)s,
       now()
  FROM generate_series(1, %(clients)s) c, generate_series(1, %(streams)s) s
"""

_RUNS = """
INSERT INTO sluice.run (run_id, stream_key, client_id, source, stream, reason, outcome, started_at, last_progress_at,
                        ended_at)
SELECT md5(s.stream_key || '/' || n)::uuid, s.stream_key, s.client_id, s.source, s.stream, 'schedule',
       CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'completed' END,
       t.at, t.at + interval '4 s', t.at + interval '5 s'
  FROM generate_series(1, %(runs)s) n, sluice.sync_commit s,
       LATERAL (SELECT now() - interval '15 min' * (%(runs)s - n) - interval '10 s' AS at) t
"""

_SLICES = """
INSERT INTO sluice.commit_log (stream_key, seq, fencing_token, run_id, slice_id, kind, cursor_before, cursor_after,
       has_more, rows_read, inserted, updated, unchanged, stale, rejected, deleted, pages, requests, retries, errors,
       bytes_received, latencies_ms, fetch_ms, merge_ms, committed_at)
SELECT s.stream_key, n, n, md5(s.stream_key || '/' || n)::uuid, md5(s.stream_key || '/slice/' || n)::uuid, 'changes',
       jsonb_build_object('changes', jsonb_build_object('since', n - 1, 'read_at', repeat('x', 200))),
       jsonb_build_object('changes', jsonb_build_object('since', n, 'read_at', repeat('x', 200))),
       false, r.rows, r.rows / 2, r.rows - r.rows / 2 - r.rows / 3, r.rows / 3, 0, 0, 0, 1, 2, 0, 0, 900,
       '{120,130,140}', 300, 20, now() - interval '15 min' * (%(runs)s - n) - interval '6 s'
  FROM generate_series(1, %(runs)s) n, sluice.sync_commit s,
       LATERAL (SELECT CASE WHEN hashtext(s.stream_key || '/' || n) %% 100 = 0 THEN 400
                            WHEN hashtext(s.stream_key) %% 3 = 0 AND n > %(runs)s - 10 THEN 0 ELSE 12 END AS rows) r
"""
"""A third of the streams read nothing in their last ten runs: those are looked at more closely."""

_INBOX = """
INSERT INTO sluice.inbox (client_id, source, event_id, topic, received_at)
SELECT 'client-' || c, 'shipbob', md5(c || '/' || n), 'topic-' || n %% %(topics)s,
       now() - interval '30 min' * n - interval '4 hours'
  FROM generate_series(1, %(clients)s) c, generate_series(1, 400) n
"""


@contextmanager
def _server() -> Iterator[tuple[str, str]]:
    """A database with all migrations: its owner's URL and the application's."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        server = postgres.create(folder / "postgres", folder / "postgres.log")
        server.start()
        try:
            database = postgres.create_database(server)
            for phase in ("pre", "post"):
                apply_migrations(database.owner_url, phase=phase, folder=PROJECT / "migrations")
            yield database.owner_url, database.app_url
        finally:
            server.stop()


def _fill(url: str, clients: int, runs: int) -> None:
    asked = {"clients": clients, "streams": STREAMS, "runs": runs, "topics": TOPICS}
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (_STREAMS, _RUNS, _SLICES, _INBOX):
            connection.execute(statement, asked)
        connection.execute("VACUUM ANALYZE sluice.run")
        connection.execute("VACUUM ANALYZE sluice.commit_log")
        connection.execute("VACUUM ANALYZE sluice.inbox")
        connection.execute("VACUUM ANALYZE sluice.sync_commit")


def _asked(name: str, keys: Sequence[str]) -> dict[str, Any]:
    slices = LARGE_SLICES if name == "LARGE" else SLICES_CHECKED
    return {"keys": list(keys), "runs": RUNS_KEPT, "lately": LATELY, "slices": slices}


def _scans(url: str, keys: Sequence[str]) -> dict[str, list[str]]:
    """Per question about one part of the streams: sequential scans of the history."""
    found: dict[str, list[str]] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for name in OF_STREAMS:
            query: Any = f"EXPLAIN {getattr(queries, name)}"
            plan = [str(row[0]) for row in connection.execute(query, _asked(name, keys))]
            found[name] = [
                line.strip()
                for line in plan
                if "Seq Scan" in line and any(table in line for table in HISTORY)
            ]
    return found


def _times(url: str, keys: Sequence[StreamKey]) -> dict[str, float]:
    """Seconds of each question, about all streams, as the monitor asks."""
    texts = [str(key) for key in keys]
    parts = [texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE)]
    connection = PostgresConnection(url)
    histories = PostgresHistories(connection)
    windows = {(f"client-{n}", "shipbob"): LATELY * 3 for n in range(1, len(keys) // STREAMS + 1)}
    topics = {
        Topic(*subject, f"topic-{n}"): span
        for subject, span in windows.items()
        for n in range(TOPICS)
    }
    took: dict[str, float] = {}

    def timed(name: str, question: Callable[[], object]) -> None:
        began = time.monotonic()
        question()
        took[name] = time.monotonic() - began

    def ask(name: str) -> None:
        query: LiteralString = getattr(queries, name)
        for part in parts:
            with connection.transaction() as tx:
                tx.execute(query, _asked(name, part)).fetchall()

    for name in OF_STREAMS:
        timed(name, partial(ask, name))
    timed(
        "SILENT_STREAMS, all asked",
        lambda: histories.silent_streams(dict.fromkeys(keys, LATELY * 2)),
    )
    timed("SILENT_PUSHES", lambda: histories.silent_pushes(windows))
    timed("SILENT_TOPICS", lambda: histories.silent_topics(topics))
    timed("CONNECTIONS", histories.connections)
    connection.close()
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--record", action="store_true", help="write docs/results/overview.md")
    given = parser.parse_args()
    keys = [
        StreamKey(f"client-{c}", "shipbob", f"stream-{s}")
        for c in range(1, given.clients + 1)
        for s in range(1, STREAMS + 1)
    ]
    console = Console()
    with _server() as (owner, app):
        _fill(owner, given.clients, given.runs)
        scans = _scans(app, [str(key) for key in keys[:AT_ONCE]])
        took = _times(app, keys)
    table = Table("question", "seconds")
    for name, seconds in took.items():
        table.add_row(name, f"{seconds:.2f}")
    table.add_row("together", f"{sum(took.values()):.2f}")
    console.print(table)
    bad = {name: lines for name, lines in scans.items() if lines}
    console.print(f"sequential scans of the history: {bad or 'none'}")
    if given.record:
        _record(given.clients, given.runs, took, bad)
    return int(bool(bad) or sum(took.values()) > GOAL_S)


def _record(clients: int, runs: int, took: dict[str, float], bad: dict[str, list[str]]) -> None:
    lines = [
        "# What a look at the whole costs the database", "",
        f"`python -m benchmarks.overview --clients {clients} --runs {runs} --record`; {moment()},",
        f"commit {commit()}, {machine()}.", "",
        f"{clients:,} clients with {STREAMS} streams each, {clients * STREAMS * runs:,} runs and as many slices, "
        f"{clients * 400:,} pushes. A third of the streams were quiet lately.", "",
        "| question | seconds |", "|---|---|",
        *(f"| {name} | {seconds:.2f} |" for name, seconds in took.items()),
        f"| together | {sum(took.values()):.2f} |", "",
        f"Sequential scans of the history: {bad or 'none'}.", "",
    ]  # fmt: skip
    (RESULTS / "overview.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
