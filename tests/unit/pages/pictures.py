"""Pictures made by hand, which pages are drawn from: a deployment in trouble, a run, and a very large one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import (
    AccountView,
    Finding,
    Overview,
    QueueView,
    RunView,
    State,
    StreamView,
    WatchLimits,
)
from sluice.core.overview.run_details import EndpointView, RunDetails, SliceView

NOW = datetime(2026, 10, 1, 12, 30, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUN_ID = "471174b6-3f2a-4c58-9d02-5f4a7c1e0b11"
STREAMS = {
    "cars": ("cars",),
    "mixpanel": ("events", "profiles"),
    "shipbob": ("orders", "products", "receiving_orders", "returns", "timelines"),
}


def run(**changes: Any) -> RunView:
    """A scheduled run that completed two minutes ago."""
    made = RunView(
        run_id=RUN_ID,
        reason="schedule",
        outcome="completed",
        started_at=NOW - 4 * MINUTE,
        last_progress_at=NOW - 2 * MINUTE,
        ended_at=NOW - 2 * MINUTE,
        slices=4,
        rows_read=1240,
        inserted=18,
        updated=42,
        unchanged=1177,
        stale=1,
        rejected=2,
        deleted=3,
        requests=13,
    )
    return replace(made, **changes)


def running(done: int | None = 61_500, total: int | None = 200_000, **changes: Any) -> RunView:
    """A backfill on its way; ``done`` of ``total`` where the vendor tells."""
    open_run: dict[str, Any] = {
        "reason": "backfill", "outcome": "running", "ended_at": None, "last_progress_at": NOW - timedelta(seconds=8),
        "started_at": NOW - 18 * MINUTE, "rows_read": 61_500, "done": done, "total": total,
    }  # fmt: skip
    return run(**{**open_run, **changes})


def stream(key: str, state: State = State.FRESH, **changes: Any) -> StreamView:
    """A stream with data of four minutes ago."""
    made = StreamView(
        key=StreamKey.parse(key),
        state=state,
        cadence=timedelta(minutes=10),
        limits=WatchLimits(fresh_within=timedelta(minutes=40)),
        fresh_at=NOW - 4 * MINUTE,
        advanced_at=NOW - 2 * MINUTE,
        due_at=NOW + 6 * MINUTE,
        last=run(),
    )
    return replace(made, **changes)


def troubled() -> Overview:
    """Eight clients of three sources; each state is there."""
    special = {
        "acme#shipbob#orders": stream(
            "acme#shipbob#orders", State.STALLED, running=running(None, None, last_progress_at=NOW - 48 * MINUTE),
            fresh_at=NOW - 75 * MINUTE,
        ),
        "acme#shipbob#returns": stream(
            "acme#shipbob#returns", State.LATE, fresh_at=NOW - 63 * MINUTE, open_rejects=12
        ),
        "harbour-motors#cars#cars": stream(
            "harbour-motors#cars#cars", State.RUNNING, running=running(), open_rejects=3
        ),
        "lantern-books#mixpanel#events": stream(
            "lantern-books#mixpanel#events", State.FAILED,
            last=run(outcome="failed", error="401 from api.mixpanel.com: the credential was refused"),
        ),
        "niva#shipbob#timelines": stream(
            "niva#shipbob#timelines", State.PAUSED, paused_because="paused by ann: vendor asked for peace"
        ),
        "orchard#shipbob#products": stream(
            "orchard#shipbob#products", State.NEVER, fresh_at=None, advanced_at=None, last=None
        ),
    }  # fmt: skip
    clients = {
        "acme": ("shipbob",), "harbour-motors": ("cars",), "lantern-books": ("mixpanel", "shipbob"),
        "niva": ("shipbob",), "orchard": ("shipbob",), "parcel-house": ("shipbob", "mixpanel"),
        "quayside-cars": ("cars",), "tern-and-co": ("mixpanel",),
    }  # fmt: skip
    keys = [
        f"{c}#{s}#{name}" for c, sources in clients.items() for s in sources for name in STREAMS[s]
    ]
    return Overview(
        at=NOW,
        streams=[special.get(key) or stream(key) for key in keys],
        queues=[
            QueueView("slices", 14, 3, 2),
            QueueView("backfills", 1, 0, 1),
            QueueView("dead letters", 2, 0, 0, dead=True),
        ],
        accounts=[
            AccountView("shipbob / sluice/acme", "closed", 0, budget_used=0.72),
            AccountView("mixpanel / sluice/lantern-books", "closed", 1, stopped_because="401: credential refused"),
            AccountView("cars / sluice/harbour-motors", "open", 11, budget_used=0.1),
        ],
        connections=5,
        pool_size=15,
        findings=[
            Finding("streams-late", "acme#shipbob#returns", "data is 1h 3m old, 40m are allowed", NOW - 23 * MINUTE),
            Finding("streams-late", "acme#shipbob#orders", "data is 1h 15m old, 40m are allowed", NOW - 35 * MINUTE),
            Finding("account-stopped", "mixpanel / sluice/lantern-books", "the vendor refuses the credential (401)"),
            Finding("dead-letters", "dead letters", "2 messages that nobody could work on"),
        ],
    )  # fmt: skip


def healthy() -> Overview:
    """The same deployment on a good day."""
    made = troubled()
    streams = [stream(str(each.key)) for each in made.streams]
    queues = [replace(queue, waiting=0) if queue.dead else queue for queue in made.queues]
    accounts = [replace(a, stopped_because=None, breaker="closed") for a in made.accounts]
    return replace(made, streams=streams, queues=queues, accounts=accounts, findings=())


def details(slices: int = 4) -> RunDetails:
    """A run whose slices spent their time in different ways. What they did adds up to what it did."""
    each = [
        SliceView(
            seq=1200 + n, kind="reconcile" if n == slices - 1 else "changes",
            committed_at=NOW - 4 * MINUTE + timedelta(seconds=30 * n), rows_read=310, inserted=4, updated=11,
            unchanged=293 if n == 1 else 295, stale=0, rejected=2 if n == 1 else 0,
            deleted=3 if n == slices - 1 else 0, requests=4, retries=1 if n == 1 else 0, errors=0,
            fetch_ms=1900 + 2700 * (n % 3), wait_ms=(0, 2100, 650)[n % 3],
            merge_ms=180 + 90 * n, derive_ms=60 + 20 * n, note="3 rows missing, 3 removed" if n == slices - 1 else None,
        )
        for n in range(slices)
    ]  # fmt: skip
    endpoints = [
        EndpointView("/2026-01/order", 4 * slices - 3, 1, 0, 288),
        EndpointView("/2026-01/order/{id}", 3, 0, 0, 61),
    ]
    summed = {
        name: sum(getattr(a_slice, name) for a_slice in each)
        for name in ("rows_read", "inserted", "updated", "unchanged", "stale", "rejected", "deleted", "requests")
    }  # fmt: skip
    of_run = run(slices=slices, **summed)
    return RunDetails(StreamKey("acme", "shipbob", "orders"), of_run, each, endpoints)


def large(clients: int = 1000) -> Overview:
    """Many clients with all streams of each source."""
    keys = [
        f"client-{n:04d}#{source}#{name}"
        for n in range(clients)
        for source, names in STREAMS.items()
        for name in names
    ]
    states: Sequence[State] = [*State]
    return Overview(NOW, [stream(key, states[n % 11 % 7]) for n, key in enumerate(keys)])


def new_id() -> str:
    return str(uuid.uuid4())


HOSTILE = '</small><img src=x onerror="window.hit=1"><script>window.hit=1</script>\'"&\x00\x1b[31m'


def hostile() -> Overview:
    """Text that would break a page which is put together carelessly, wherever text of others may stand."""
    made = troubled()
    bad = stream(
        "acme#shipbob#orders", State.FAILED, paused_because=HOSTILE,
        last=run(outcome=HOSTILE, error=HOSTILE, reason=HOSTILE, note=HOSTILE),
    )  # fmt: skip
    return replace(
        made,
        streams=[bad],
        queues=[QueueView(HOSTILE, 1, 0, 0, dead=True)],
        accounts=[AccountView(HOSTILE, HOSTILE, 3, stopped_because=HOSTILE)],
        findings=[Finding(HOSTILE, HOSTILE, HOSTILE)],
        unknown=[HOSTILE],
    )
