"""Streams of facts: a vendor that every process can work out for itself, and a ledger to compare with.

Events come late by up to 20 s; windows look back 60 s, so most facts are read several times and must
count once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from sluice.core.keys import StreamKey
from sluice.core.windows import WindowRules
from tests.memory.events import Events, EventVendor

LATEST = timedelta(seconds=20)
LOOKBACK = timedelta(seconds=60)
EVERY = timedelta(seconds=1)
HISTORY = timedelta(minutes=20)
"""How far back a stream begins: more than a skewed clock is wrong."""
NOT_NOW = timedelta(days=7)

CREATE_TABLE = """
CREATE TABLE public.events (
  client_id text NOT NULL, event_id text NOT NULL, content_hash uuid NOT NULL, version bigint NOT NULL,
  size integer, document jsonb NOT NULL, inserted_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  deleted_at timestamptz, deleted_generation integer, PRIMARY KEY (client_id, event_id));
GRANT SELECT, INSERT, UPDATE ON public.events TO sluice_app;
"""

_FIRST = """
SELECT coalesce(cursor_after ->> 'begins', cursor_after ->> 'read_until') AS begins
  FROM sluice.commit_log WHERE stream_key = %(key)s AND cursor_after <> '{}' ORDER BY seq LIMIT 1
"""
"""Where the stream began to read: by the clock of whichever worker came first."""

_TOTALS = """
SELECT coalesce(l.subject, c.subject) AS subject, l.total AS summed, c.total, l.facts AS rows, c.facts
  FROM (SELECT subject, counter, sum(amount)::bigint AS total, count(*) AS facts
          FROM sluice.ledger WHERE stream_key = %(key)s GROUP BY 1, 2) l
  FULL JOIN (SELECT * FROM sluice.counter WHERE stream_key = %(key)s) c USING (subject, counter)
 WHERE l.total IS DISTINCT FROM c.total OR l.facts IS DISTINCT FROM c.facts
"""


def key_of(number: int) -> StreamKey:
    return StreamKey(f"facts-{number:02d}", "shop", "events")


def vendor(seed: int, began: datetime) -> EventVendor:
    return EventVendor(seed, began, EVERY, LATEST)


def stream(
    settings: dict[str, Any], ahead: timedelta, *, calm: bool, cut_share: float = 0.0
) -> Events:
    """The stream as a worker opens it. The vendor's clock is the true one: ``ahead`` has no skew in it.
    ``cut_share`` of its answers lack their second half. Of the settings, ``first_s`` is how far back it begins."""
    first = settings.get("first_s", HISTORY.total_seconds())
    rules = WindowRules(
        lookback=LOOKBACK,
        settle=timedelta(seconds=1),
        first=timedelta(seconds=first),
        longest=timedelta(minutes=5),
        shortest=NOT_NOW if calm else timedelta(seconds=1),
    )

    def cut(numbers: list[int]) -> list[int]:
        cuts = random.random() < cut_share  # noqa: S311  # chance, not a secret
        return numbers[: len(numbers) // 2] if cuts else numbers

    made = vendor(settings["seed"], datetime.fromisoformat(settings["began"]))
    return Events(
        made, lambda: datetime.now(UTC) + ahead, rules, page_rows=40, cut=cut, slice_rows=200
    )


def faults(
    rows: psycopg.Connection[dict[str, Any]], key: StreamKey, truth: EventVendor, cursor: Any
) -> Iterator[str]:
    """Facts missing though their time was read and looked back upon, wrong, or not as the counter says."""
    parameters = {"key": str(key)}
    for row in rows.execute(_TOTALS, parameters).fetchall():
        yield f"{key}: the counter is not the sum over its ledger: {row}"
    ledger = {
        row["fact_id"]: (row["subject"], row["amount"])
        for row in rows.execute(
            "SELECT fact_id, subject, amount FROM sluice.ledger WHERE stream_key = %(key)s",
            parameters,
        )
    }
    known = rows.execute(
        "SELECT event_id FROM public.events WHERE client_id = %s", (key.client_id,)
    )
    yield from _row_faults(key, ledger, {row["event_id"] for row in known}, truth)
    first = rows.execute(_FIRST, parameters).fetchone()
    if "read_until" not in cursor or first is None:
        return
    began = datetime.fromisoformat(first["begins"])
    sure = datetime.fromisoformat(cursor["read_until"]) - LOOKBACK
    due = truth.between(max(began, truth.began), sure, datetime.max.replace(tzinfo=UTC))
    missing = [number for number in due if f"e{number}" not in ledger]
    if missing:
        yield f"{key}: {len(missing)} facts are missing of {len(due)}, the first is e{missing[0]}"


def _row_faults(
    key: StreamKey, ledger: dict[str, tuple[str, int]], rows: set[str], truth: EventVendor
) -> Iterator[str]:
    wrong = [
        name
        for name, found in ledger.items()
        if found != ((fact := truth.fact(int(name[1:]))).subject, fact.amount)
    ]
    if wrong:
        yield f"{key}: facts that the vendor never told: {wrong[:5]}"
    if rows != set(ledger):
        yield f"{key}: rows and ledger differ: {sorted(rows ^ set(ledger))[:5]}"
