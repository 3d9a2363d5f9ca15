"""The views of a stream's days, and of what does not complete, over a past that is written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from local.postgres import Database
from sluice.core.removal import BRAKE_NOTE
from tests.integration.postgres.history import Past

DAY = timedelta(days=1)


def asked(database: Database, view: str, past: Past) -> list[dict[str, Any]]:
    """With the application's login, which dashboards may use."""
    query = f"SELECT * FROM sluice.{view} WHERE stream_key = %s"
    with psycopg.connect(database.app_url, row_factory=dict_row) as connection:
        return connection.execute(query.encode(), (str(past.key),)).fetchall()


def test_a_day_of_runs_is_summed_up(database: Database, rows: psycopg.Connection[Any]) -> None:
    past, noon = Past(rows), datetime.now(UTC).replace(hour=12) - 3 * DAY
    ago = datetime.now(UTC) - noon
    whole = past.run(ago, timedelta(seconds=4))
    past.slice(whole, ago, inserted=3)
    past.slice(whole, ago, updated=1, unchanged=6)
    left_out = past.run(ago, timedelta(seconds=8))
    past.slice(left_out, ago, inserted=1, rejected=2)
    braked = past.run(ago, timedelta(seconds=6))
    past.slice(braked, ago, unchanged=9, note=f"{BRAKE_NOTE} 30 of 100 rows were missing")
    past.run(ago, timedelta(seconds=2), outcome="failed", error="VendorUnavailable")
    past.run(timedelta(0), None)
    past.claimed()

    (day,) = asked(database, "trends", past)
    assert day["day"] == noon.date()
    assert (day["runs"], day["completed"], day["partial"], day["failed"]) == (4, 3, 2, 1)
    assert (day["slices"], day["rows_read"], day["rejected"]) == (4, 22, 2)
    assert day["duration_max"] == timedelta(seconds=8)
    assert day["duration_p50"] == timedelta(seconds=5)


def test_what_did_not_complete_last_is_failing(
    database: Database, rows: psycopg.Connection[Any]
) -> None:
    past = Past(rows)
    past.claimed()
    past.run(2 * DAY)
    past.run(DAY, outcome="failed", error="VendorUnavailable: 503")
    (found,) = asked(database, "failing", past)
    assert (found["outcome"], found["last_error"]) == ("failed", "VendorUnavailable: 503")
    past.run(timedelta(hours=1))
    assert asked(database, "failing", past) == []
