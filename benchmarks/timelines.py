"""`python -m benchmarks.timelines`: which of a million shipments are asked for their timeline, and what that costs.

Tiers and due times are those that the functions of the schema make; who must be named says another
implementation of the same rules, over every shipment of the client. Exits with 1 when the work list names
others, reads more than a few batches or does not use its index.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from local import postgres
from local.places import PROJECT
from sluice.postgres.migrations import apply_migrations
from sluice.sources.shipbob.timelines_due import due_timelines
from sluice.sources.shipbob.timelines_table import NOTE_CHECKED
from tests.integration.timelines_plan import blocks_of, explained, rows_read, scans_of
from tests.integration.timelines_reference import Tracked, chosen
from tests.provenance import RESULTS, commit, machine, moment

Rows = psycopg.Connection[tuple[Any, ...]]
CLIENT = "client-1"
BATCH = 100
TIMES = 21
MOST_ROWS = 4 * BATCH
GOAL_MS = 50.0
"""Beside the half second that one request to the vendor may take, a list of a hundred is for nothing then."""

_FILL = """
INSERT INTO public.shipbob_tracking
       (client_id, shipment_id, order_id, created_at, labelled_at, is_open, checked_at, tier, due_at)
SELECT client_id, shipment_id, '1', created_at, labelled_at, is_open, checked_at,
       CASE WHEN is_open AND checked_at IS NULL THEN sluice.timeline_tier(labelled_at, created_at, %(now)s)
            WHEN is_open THEN sluice.timeline_tier(labelled_at, created_at, due_at) END,
       CASE WHEN is_open THEN due_at END
  FROM (SELECT *, sluice.timeline_due(checked_at, labelled_at, created_at) AS due_at
          FROM (SELECT 'client-' || n %% 4 AS client_id, (100000000 + n)::text AS shipment_id,
                       %(now)s - make_interval(mins => n %% 86400) AS created_at,
                       CASE WHEN n %% 7 > 0
                            THEN %(now)s - make_interval(mins => greatest(n %% 86400 - 300, 0)) END AS labelled_at,
                       n %% 10 < 4 AS is_open,
                       CASE WHEN n %% 11 > 0 THEN %(now)s - make_interval(mins => n %% 3000) END AS checked_at
                  FROM generate_series(1, %(shipments)s) n) s) d
"""

_TRACKED = """
SELECT shipment_id, created_at, labelled_at, checked_at, is_open FROM public.shipbob_tracking WHERE client_id = %s
"""


@dataclass(frozen=True)
class Cost:
    """One statement: the indexes it used, rows and blocks it read, and the median of its milliseconds."""

    indexes: tuple[str, ...]
    rows: int
    blocks: int
    ms: float

    @property
    def told(self) -> str:
        return f"{self.ms:.1f} ms, {self.rows} rows, {self.blocks} blocks, by {', '.join(self.indexes)}"


@dataclass(frozen=True)
class Run:
    """``costs`` by what was measured; ``exact`` says whether the list named exactly whom it must."""

    shipments: int
    filled_s: float
    open_: int
    due: int
    exact: bool
    costs: Mapping[str, Cost]

    @property
    def good(self) -> bool:
        lists = [cost for name, cost in self.costs.items() if name.startswith("list")]
        by_index = all(cost.indexes == ("shipbob_tracking_due",) for cost in lists)
        few = all(cost.rows <= MOST_ROWS and cost.ms <= GOAL_MS for cost in self.costs.values())
        return self.exact and by_index and few


def main() -> int:
    """Fill, look, say what it cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timelines", description=__doc__)
    parser.add_argument("--shipments", type=int, default=1_000_000)
    parser.add_argument("--record", action="store_true", help="write docs/results/timelines.md")
    options = parser.parse_args()
    with _database() as rows:
        run = _measured(rows, options.shipments)
    Console().print(_table(run))
    if options.record:
        (RESULTS / "timelines.md").write_text(_page(run), encoding="utf-8")
    return 0 if run.good else 1


@contextmanager
def _database() -> Iterator[Rows]:
    """An embedded Postgres of its own with all migrations; gone afterwards."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="timelines-") as folder:
        server = postgres.create(Path(folder) / "postgres", Path(folder) / "postgres.log")
        server.start()
        try:
            database = postgres.create_database(server)
            apply_migrations(database.owner_url, phase="pre", folder=PROJECT / "migrations")
            with psycopg.connect(database.owner_url, autocommit=True) as rows:
                yield rows
        finally:
            server.stop()


def _measured(rows: Rows, shipments: int) -> Run:
    now = _one(rows, "SELECT now()")
    rows.execute("ALTER TABLE public.shipbob_tracking SET (autovacuum_enabled = off)")
    began = time.monotonic()
    rows.execute(_FILL, {"now": now, "shipments": shipments})
    filled_s = time.monotonic() - began
    costs = dict(_costs(rows, now, "no statistics"))
    rows.execute("ANALYZE public.shipbob_tracking")
    costs |= _costs(rows, now, "statistics")
    rows.execute("VACUUM public.shipbob_tracking")
    costs |= _costs(rows, now, "vacuumed")
    due = "SELECT count(*) FROM public.shipbob_tracking WHERE client_id = %s AND due_at <= %s AND tier IS NOT NULL"
    return Run(
        shipments=shipments,
        filled_s=filled_s,
        open_=_one(rows, "SELECT count(*) FROM public.shipbob_tracking WHERE is_open"),
        due=_one(rows, due, CLIENT, now),
        exact=_named(rows, now) == _must_be_named(rows, now),
        costs=costs,
    )


def _costs(rows: Rows, now: datetime, state: str) -> Iterator[tuple[str, Cost]]:
    own = {"client_id": CLIENT, "now": now}
    for name, since in (("what is due", None), ("a full read", now - timedelta(hours=1))):
        work = due_timelines(BATCH, since)
        yield f"list of {name}, {state}", _cost(rows, work.sql, {**work.parameters, **own})
    with rows.transaction(force_rollback=True):
        rows.execute("CREATE TEMP TABLE incoming (id text, hash uuid, version bigint)")
        for each in _named(rows, now):
            rows.execute("INSERT INTO incoming (id) VALUES (%s)", [each])
        yield f"noting {BATCH} answers, {state}", _cost(rows, NOTE_CHECKED.sql, own)


def _cost(rows: Rows, statement: str, parameters: Mapping[str, Any]) -> Cost:
    made = [explained(rows, statement, parameters) for _ in range(TIMES)]
    plan = made[0][0]
    scans = [scan for scan in scans_of(plan) if scan.get("Relation Name") != "incoming"]
    indexes = sorted({str(scan.get("Index Name", scan["Node Type"])) for scan in scans})
    read = sum(map(rows_read, scans))
    return Cost(tuple(indexes), read, blocks_of(plan), median(ms for _, ms in made))


def _named(rows: Rows, now: datetime) -> list[str]:
    work = due_timelines(BATCH, None)
    parameters = {**work.parameters, "client_id": CLIENT, "now": now}
    return [str(row[0]) for row in rows.execute(sql.SQL(work.sql), parameters).fetchall()]  # type: ignore[arg-type]


def _must_be_named(rows: Rows, now: datetime) -> list[str]:
    """By one who looks at every shipment of the client."""
    found = rows.execute(_TRACKED, [CLIENT]).fetchall()
    return chosen([Tracked(*row, tracked_at=now) for row in found], now, BATCH)


def _one(rows: Rows, query: str, *parameters: Any) -> Any:
    row = rows.execute(sql.SQL(query), parameters).fetchone()  # type: ignore[arg-type]
    assert row is not None  # noqa: S101  # an aggregate has a row
    return row[0]


def _lines(run: Run) -> Iterator[tuple[str, str]]:
    yield "shipments", f"{run.shipments:,} of 4 clients, {run.open_:,} open"
    yield "due at the client asked for", f"{run.due:,}; {BATCH} are named"
    yield "named exactly those of the other implementation", "yes" if run.exact else "NO"
    for name, cost in run.costs.items():
        yield name, cost.told
    yield "tracking a million shipments anew, tiers included", f"{run.filled_s:.0f} s"


def _table(run: Run) -> Table:
    table = Table("what", "measured", title=f"timelines, {machine()}")
    for name, value in _lines(run):
        table.add_row(name, value)
    return table


def _page(run: Run) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in _lines(run))
    return f"""# Timelines: who is asked, out of a million shipments

Written by `python -m benchmarks.timelines --record`. {moment()}, commit {commit()}, {machine()}.
A work list of {BATCH} out of all shipments of one client, {TIMES} times in each state of the table; medians. Rows are
those that index scans gave, thrown away ones included; blocks are of 8 KB, in memory or not.

| what | measured |
|---|---|
{rows}

Each of the four tiers gives at most one batch, in the order of its due times, from its own range of the index
`shipbob_tracking_due`: {MOST_ROWS} rows at most are read, however many shipments there are or are due. The goal is
{GOAL_MS:.0f} ms at most. With another plan (no index, more rows) the program ends with 1; the test
`tests/integration/postgres/test_timelines_plan.py` asserts the plan at the same size.
"""


if __name__ == "__main__":
    sys.exit(main())
