"""Memory: one day of events streamed by one worker process, slice after slice.

The vendor's limits are off: at 60 requests an hour, each of at most 30,000 events, a day of millions takes hours.
Here 300,000 took one to two minutes on two shared cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from benchmarks.mixpanel.figures import Figure, Found, Impossible, Say, at_most, exactly
from benchmarks.mixpanel.stage import ACCOUNT, CLIENT, Stage, Worked, stage
from local.vendors.mixpanel.models import Feed

DAY, SETTLE = timedelta(days=1), timedelta(minutes=5)
FIRST_DAYS = 5
"""So far back that what is read before it is found out that the vendor's clock is behind holds no events."""

MOST_MB = 200
SUBSCRIBERS = 100_000
EVENTS_EACH = 50
TOTALS = "SELECT count(*), sum(events_processed) FROM mixpanel_subscribers WHERE client_id = %s"
LONGEST = "SELECT max(fetch_ms), max(merge_ms), max(rows_read) FROM sluice.commit_log"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, default=5_000_000, help="of the day (5,000,000)")
    parser.add_argument("--most-rows", type=int, default=30_000, help="of one answer (30,000)")


def measure(told: argparse.Namespace, say: Say) -> Found:
    """Impossible for a day without events."""
    if told.events < 1:
        raise Impossible("--events must be at least 1")
    yesterday = datetime.combine(datetime.now(UTC).date(), time(), UTC) - DAY
    with stage(yesterday) as built:
        say(f"{told.events:,} events; a line comes when they are read")
        worked = _run(built, told)
        say(f"{worked['wall_s']:.0f} s, {worked['peak_rss_mb']:.0f} MB at most")
        return _found(built, told, worked)


def _run(built: Stage, told: argparse.Namespace) -> Worked:
    feed = Feed(per_day=told.events, days=1, late_share=0.0, goes_on=False,
                subscribers=max(1, min(SUBSCRIBERS, told.events // EVENTS_EACH)))  # fmt: skip
    built.vendor.create_world(
        projects=[ACCOUNT.model_copy(update={"feed": feed})],
        options={"limits": None, "refuse_future_days": False},
    )
    built.vendor.advance_clock(2 * SETTLE.total_seconds())
    built.register("events", events="all", first_days=FIRST_DAYS, reread_days=1, settle=SETTLE,
                   exports_per_hour=100_000, most_rows=told.most_rows)  # fmt: skip
    return built.run("events")


def _found(built: Stage, told: argparse.Namespace, worked: Worked) -> Found:
    return Found(
        "mixpanel_memory",
        f"Mixpanel events: a day of {told.events:,} through one process",
        _HOW.format(most_rows=told.most_rows),
        _figures(built, told, worked),
        _NOTES.format(most_rows=told.most_rows, most_an_hour=60 * told.most_rows),
    )


def _figures(built: Stage, told: argparse.Namespace, worked: Worked) -> Sequence[Figure]:
    ((stored,),) = built.rows("SELECT count(*) FROM mixpanel_events WHERE client_id = %s", CLIENT)
    ((subscribers, counted),) = built.rows(TOTALS, CLIENT)
    ((fetch_ms, merge_ms, rows),) = built.rows(LONGEST)
    ((size,),) = built.rows("SELECT pg_database_size(current_database())")
    stats = built.vendor.stats()
    return [
        at_most("worker's peak memory", worked["peak_rss_mb"], MOST_MB, " MB"),
        exactly("events stored", stored, told.events),
        exactly(f"  counted, of {subscribers:,} subscribers", int(counted or 0), told.events),
        Figure("rows read, those that come twice included", f"{worked['rows']:,}"),
        Figure("  bytes of export", f"{stats.body_bytes / 1e6:,.0f} MB as sent"),
        Figure("  size of the database afterwards", f"{size / 1e6:,.0f} MB"),
        Figure("time", f"{worked['wall_s']:,.0f} s, {worked['rows'] / worked['wall_s']:,.0f} rows/s"),
        Figure("  of which fetch / merge", f"{worked['fetch_s']:,.0f} s / {worked['merge_s']:,.0f} s"),
        Figure("  the worker's processor time", f"{worked['cpu_s']:,.0f} s"),
        Figure("slices, requests", f"{worked['slices']:,}, {stats.by_endpoint.get('export', 0):,}"),
        Figure("  longest fetch, merge; most rows", f"{fetch_ms / 1000:.1f} s, {merge_ms / 1000:.1f} s; {rows:,}"),
    ]  # fmt: skip


_HOW = """
One worker process does all slices of a first read, connected directly to Postgres with fsync on. Its peak is its own
(`VmHWM`), with Python and all libraries. All kinds of events are stored, one in fifty comes twice. An answer of more
than {most_rows:,} events is left and asked for in parts. The simulated vendor makes each event when it is asked for, in
a process of its own on the same machine; its limits are off.
"""
_NOTES = """
A slice ends before another window once it holds half of {most_rows:,} rows, and a window may bring as many again as one
answer may have: so the most of a slice is half as much again, however many events the day has. The peak follows the
most rows of one slice, see above; a day of another size, cut otherwise, may have more of them. At the vendor's 60
requests an hour {most_an_hour:,} events an hour are the most that one project gives, however fast its reader is.
"""
