"""Upsert: counters of 250 subscribers kept by the deployed statement, against a loop of one statement a subscriber.

Both store the same events by the product's own merge, through PgBouncer in transaction mode. The loop lives here only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, LiteralString

import orjson
import psycopg
from psycopg.types.json import Jsonb

from benchmarks.mixpanel.figures import Figure, Found, Impossible, Say, at_least, exactly
from benchmarks.mixpanel.latency import slow_way
from local import pgbouncer, postgres
from local.pgbouncer import PgBouncer
from local.places import PROJECT
from local.vendors.mixpanel.kinds import CREATOR_TYPES, TRACKED
from sluice.core.records import Record
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.loader import merge
from sluice.postgres.migrations import apply_migrations
from sluice.postgres.partitions import make_room
from sluice.sources.mixpanel.counting import DEFAULT
from sluice.sources.mixpanel.counting_sql import ADDED
from sluice.sources.mixpanel.events_table import EVENTS, UNCOUNTED
from sluice.sources.mixpanel.payloads import read_event, values_of
from sluice.sources.mixpanel.project_time import ProjectClock

TIMES = 8
LATENCY_S = 0.001
ROUND_TRIPS = 250
UTC_CLOCK = ProjectClock.of("UTC")
SET, LOOP = "set", "loop"

ONE: LiteralString = (
    """
INSERT INTO public.mixpanel_subscribers AS s
       (client_id, distinct_id, counters, flags, events_processed, first_event_time, last_event_time, updated_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, now())
ON CONFLICT (client_id, distinct_id) DO UPDATE
   SET counters = """
    + ADDED
    + """, flags = s.flags || excluded.flags,
       events_processed = s.events_processed + excluded.events_processed,
       first_event_time = least(s.first_event_time, excluded.first_event_time),
       last_event_time = greatest(s.last_event_time, excluded.last_event_time), updated_at = now()"""
)
"""What the deployed statement does to a subscriber's row, for one."""

INSERTED = "SELECT distinct_id, occurred_at, effects FROM staged"
"""Of a batch that was inserted whole: cheaper to find than for the statement, which must ask."""

DIFFERENT = """
SELECT count(*), count(*) FILTER (WHERE
       (a.counters, a.flags, a.events_processed, a.first_event_time, a.last_event_time) IS DISTINCT FROM
       (b.counters, b.flags, b.events_processed, b.first_event_time, b.last_event_time))
  FROM (SELECT * FROM mixpanel_subscribers WHERE client_id = 'set') a
  FULL JOIN (SELECT * FROM mixpanel_subscribers WHERE client_id = 'loop') b USING (distinct_id)
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """Milliseconds of each round, by both ways, and of a question that asks for nothing."""

    set_ms: Sequence[float]
    loop_ms: Sequence[float]
    way_ms: Sequence[float]

    @property
    def factor(self) -> float:
        """The median of the rounds' own: both ways of a round met the same machine."""
        return median(b / a for a, b in zip(self.set_ms, self.loop_ms, strict=True))


@dataclass(slots=True)
class Gain:
    """What a batch adds to one subscriber."""

    counters: Counter[str] = field(default_factory=Counter)
    flags: dict[str, bool] = field(default_factory=dict)
    times: list[datetime] = field(default_factory=list)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subscribers", type=int, default=250, help="of each batch (250)")
    parser.add_argument("--events-each", type=int, default=4, help="of each subscriber (4)")
    parser.add_argument("--rounds", type=int, default=21, help="batches of each kind (21)")


def measure(told: argparse.Namespace, say: Say) -> Found:
    """Impossible without PgBouncer, and for less than one of anything."""
    if pgbouncer.installed() is None:
        raise Impossible("PgBouncer is not installed, and this goes through it")
    if min(told.subscribers, told.events_each, told.rounds) < 1:
        raise Impossible("--subscribers, --events-each and --rounds must be at least 1")
    say("starting")
    with _pooled() as (owner_url, pooler, folder):
        near = _compared(pooler.url, told, 0, say, "loopback")
        with slow_way(pooler.port, LATENCY_S, folder / "slow-way.log") as port:
            url = pooler.url.replace(f":{pooler.port}/", f":{port}/")
            far = _compared(url, told, told.rounds + 1, say, "1 ms away")
        with psycopg.connect(owner_url) as rows:
            found = rows.execute(DIFFERENT).fetchone() or (0, -1)
    return _found(told, near, far, *found)


@contextmanager
def _pooled() -> Iterator[tuple[str, PgBouncer, Path]]:
    """A migrated database: its owner's URL, PgBouncer in transaction mode before it, and a folder for logs."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix="bench-")))
        server = postgres.create(folder / "postgres", folder / "postgres.log")
        server.start()
        ends.callback(server.stop)
        database = postgres.create_database(server)
        apply_migrations(database.owner_url, phase="pre", folder=PROJECT / "migrations")
        pooler = PgBouncer(server, database, folder / "pooler", folder / "pooler.log")
        pooler.start()
        ends.callback(pooler.stop)
        yield database.owner_url, pooler, folder


def _compared(url: str, told: argparse.Namespace, first: int, say: Say, where: str) -> Compared:
    """The same batches by both ways, either first by turns. The first batch, which finds no rows, is not counted."""
    took: dict[str, list[float]] = {SET: [], LOOP: []}
    connection = PostgresConnection(url)
    try:
        for number in range(first, first + told.rounds + 1):
            lines = batch(number, told.subscribers, told.events_each)
            records = [read_event(line, UTC_CLOCK).record for line in lines]
            for way in (SET, LOOP) if number % 2 else (LOOP, SET):
                took[way].append(1000 * _store(connection, way, records, number))
        compared = Compared(took[SET][1:], took[LOOP][1:], _round_trips(connection))
    finally:
        connection.close()
    say(f"{where}: one statement {_told(compared.set_ms)}, the loop {_told(compared.loop_ms)}")
    return compared


def _store(
    connection: PostgresConnection, way: str, records: Sequence[Record], number: int
) -> float:
    """Seconds that the counters took, of a transaction that stores the events before them."""
    table = EVENTS if way == SET else UNCOUNTED
    make_room(connection, table, records)
    with connection.transaction() as tx:
        merged = merge(tx, table, way, records, seq=number + 1, values=_values)
        if merged.inserted != len(records):
            raise RuntimeError(f"only {merged.inserted} of {len(records)} events were inserted")
        return merged.derive_s if way == SET else _loop(tx)


def _loop(tx: psycopg.Connection[Any]) -> float:
    """Seconds, from the same beginning as the statement: what the transaction inserted is looked up, and summed up."""
    began = time.monotonic()
    for who, gain in sorted(gained(tx.execute(INSERTED)).items()):
        times, told = gain.times, (Jsonb(gain.counters), Jsonb(gain.flags))
        tx.execute(ONE, (LOOP, who, *told, len(times), min(times), max(times)))
    return time.monotonic() - began


def _round_trips(connection: PostgresConnection) -> Sequence[float]:
    took = []
    with connection.transaction() as tx:
        for _ in range(ROUND_TRIPS):
            began = time.monotonic()
            tx.execute("SELECT 1")
            took.append(1000 * (time.monotonic() - began))
    return took


def _values(record: Record) -> Sequence[Any]:
    return values_of(record, UTC_CLOCK, DEFAULT)


def gained(rows: Iterable[Sequence[Any]]) -> Mapping[str, Gain]:
    """By subscriber, from (distinct_id, occurred_at, effects) of events."""
    gains: dict[str, Gain] = {}
    for who, at, told in rows:
        gain = gains.setdefault(who, Gain())
        gain.counters.update(told.get("add", {}))
        gain.flags.update(dict.fromkeys(told.get("set", ()), True))
        gain.times.append(at)
    return gains


def batch(number: int, subscribers: int, each: int) -> Iterator[bytes]:
    """Lines of an export: so many tracked events of each subscriber, of yesterday, other ones for each number."""
    luck = Random(number)  # noqa: S311  # repeatable on purpose
    day = datetime.combine(datetime.now(UTC).date() - timedelta(days=1), datetime.min.time(), UTC)
    for subscriber in range(subscribers):
        for event in range(each):
            said = {
                "time": int(day.timestamp()) + luck.randrange(86_400),
                "distinct_id": f"subscriber-{subscriber:05d}",
                "$insert_id": f"{number}-{subscriber}-{event}",
                "creatorType": luck.choice(CREATOR_TYPES),
            }
            yield orjson.dumps({"event": luck.choice(TRACKED), "properties": said})


def _told(ms: Sequence[float]) -> str:
    return f"{median(ms):.1f} ms ({min(ms):.1f} to {max(ms):.1f})"


def _found(
    told: argparse.Namespace, near: Compared, far: Compared, rows: int, different: int
) -> Found:
    return Found(
        "mixpanel_upsert",
        f"Mixpanel counters: {told.subscribers} subscribers at once, or one by one",
        _HOW.format(**vars(told)),
        [
            *_of_way("1 ms away", far),
            at_least("  how many times as long, median", far.factor, TIMES, "x"),
            *_of_way("loopback", near),
            at_least("  how many times as long, median", near.factor, TIMES, "x"),
            exactly("subscribers' rows that either way made", rows, told.subscribers),
            exactly("  of which differ", different, 0),
        ],
        _NOTES,
    )


def _of_way(name: str, compared: Compared) -> Sequence[Figure]:
    return [
        Figure(f"{name}: a question that asks for nothing", _told(compared.way_ms)),
        Figure("  one statement", _told(compared.set_ms)),
        Figure("  the loop", _told(compared.loop_ms)),
    ]


_HOW = """
{rounds} batches of {events_each} events for each of {subscribers} subscribers, whose rows are there. Each batch is
stored twice, by either way, for two clients. Real tables, merge, role and timeouts, fsync on, through PgBouncer in
transaction mode: on loopback, and on a way that adds 1 ms to every question, as a network does between a function and
its pooler. Median, least and most of the batches.
"""
_NOTES = """
Of each transaction only the counters' part is compared. Both ways begin with events that the transaction inserted, and
end with subscribers' rows: the deployed statement finds and sums up by itself, the loop fetches what was inserted and
sums up in Python. On loopback a question costs next to nothing: what is left there is Postgres's own work, in which one
statement saves what each of many begins and ends with. Before 2026-11-26 22:00 the loop was given its sums for nothing,
and was 7.7 to 8.2 times as long on loopback.
"""
