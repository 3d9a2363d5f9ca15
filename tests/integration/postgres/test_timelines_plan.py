"""A million shipments: the work list is ranges of one index and reads no more than a few batches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from local.postgres import Database
from sluice.sources.shipbob.timelines_due import due_timelines
from sluice.sources.shipbob.timelines_table import NOTE_CHECKED
from tests.integration.timelines_plan import blocks_of, explained, rows_read, scans_of

Rows = psycopg.Connection[tuple[object, ...]]
SHIPMENTS = 1_000_000
BATCH = 100
NOW = datetime.now(UTC)

_FILL = """
INSERT INTO public.shipbob_tracking
       (client_id, shipment_id, order_id, created_at, is_open, checked_at, tier, due_at)
SELECT 'client-' || n %% 4, (100000000 + n)::text, (n / 2)::text, %(now)s - make_interval(mins => n %% 64800),
       n %% 10 < 3, %(now)s - make_interval(mins => n %% 3000), CASE WHEN n %% 10 < 3 THEN n / 10 %% 4 END,
       CASE WHEN n %% 10 < 3 THEN %(now)s + make_interval(mins => n %% 3000 - 1500) END
  FROM generate_series(1, %(shipments)s) n
"""


@pytest.fixture
def million(database: Database) -> Iterator[Rows]:
    """Four clients, three shipments in ten open, half of these due; never analyzed so far."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE public.shipbob_tracking SET (autovacuum_enabled = off)")
        connection.execute(_FILL, {"now": NOW, "shipments": SHIPMENTS})
        yield connection


def test_a_million_shipments_cost_a_few_batches(million: Rows) -> None:
    """Without statistics and with them, for what is due and for a full read; and so does noting the answers.

    Without the index it is another plan: so this can fail.
    """
    for statistics in ("none", "fresh"):
        if statistics == "fresh":
            million.execute("ANALYZE public.shipbob_tracking")
        for since in (None, NOW - timedelta(hours=1)):
            plan = _plan_of_work(million, since)
            scans = scans_of(plan)
            assert {scan.get("Index Name") for scan in scans} == {"shipbob_tracking_due"}, scans
            assert sum(map(rows_read, scans)) <= 4 * BATCH
            assert plan["Actual Rows"] == BATCH
            assert blocks_of(plan) <= 4 * (BATCH + 20)
        _assert_noting_is_by_key(million)
    million.execute("DROP INDEX public.shipbob_tracking_due")
    scans = scans_of(_plan_of_work(million, None))
    assert "shipbob_tracking_due" not in {scan.get("Index Name") for scan in scans}
    assert sum(map(rows_read, scans)) > 100 * BATCH


def _plan_of_work(million: Rows, since: datetime | None) -> dict[str, Any]:
    work = due_timelines(BATCH, since)
    parameters = {**work.parameters, "client_id": "client-1", "now": NOW}
    return explained(million, work.sql, parameters)[0]


def _assert_noting_is_by_key(million: Rows) -> None:
    """The derivation touches the rows of its batch by their keys, however many others there are."""
    with million.transaction(force_rollback=True):
        million.execute("CREATE TEMP TABLE incoming (id text, hash uuid, version bigint)")
        million.execute(
            "INSERT INTO incoming (id) SELECT shipment_id FROM public.shipbob_tracking"
            " WHERE client_id = 'client-1' LIMIT %s",
            [BATCH],
        )
        plan, _ = explained(million, NOTE_CHECKED.sql, {"client_id": "client-1"})
    scans = [scan for scan in scans_of(plan) if scan.get("Relation Name") != "incoming"]
    assert {scan.get("Index Name") for scan in scans} == {
        "shipbob_tracking_pkey",
        "shipbob_timelines_pkey",
    }
    assert all("shipment_id" in scan["Index Cond"] for scan in scans), scans
    assert sum(map(rows_read, scans)) <= 4 * BATCH
