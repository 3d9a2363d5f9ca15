"""Profiles: a first listing, then listings after 10, 20 and 30 % of the profiles changed.

Only what changed may be written: rows that Postgres itself counted, beside the vendor's word.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.mixpanel.figures import Figure, Found, Impossible, Say, exactly
from benchmarks.mixpanel.stage import ACCOUNT, CLIENT, Stage, Worked, calls_per_slice, stage
from local.vendors.mixpanel.models import Feed

TABLE = "mixpanel_profiles"
SHARES = (0.1, 0.2, 0.3)
TOUCHED = 0.2


@dataclass(frozen=True, slots=True)
class Listing:
    """A run after ``changed`` profiles were updated and ``touched`` ones told the same in another way."""

    worked: Worked
    changed: int
    touched: int
    tuples: int
    requests: int


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profiles", type=int, default=50_000, help="of the project (50,000)")


def measure(told: argparse.Namespace, say: Say) -> Found:
    """Impossible for less than one profile."""
    if told.profiles < 1:
        raise Impossible("--profiles must be at least 1")
    say("starting")
    with stage(datetime.now(UTC) - timedelta(hours=1)) as built:
        first, later = _listings(built, told.profiles, say)
        alive = "SELECT count(*) FROM mixpanel_profiles WHERE client_id = %s AND deleted_at IS NULL"
        ((stored,),) = built.rows(alive, CLIENT)
        return _found(told.profiles, first, later, stored)


def _listings(built: Stage, count: int, say: Say) -> tuple[Listing, Sequence[Listing]]:
    spec = ACCOUNT.model_copy(update={"feed": Feed(per_day=1, days=1), "profiles": count})
    built.vendor.create_world(projects=[spec], options={"limits": None})
    built.register("profiles", profiles={"queries_per_hour": 100_000})
    first = _listing(built, "first listing", 0, 0, say)
    later = []
    for share in SHARES:
        met = built.vendor.change(
            update_profiles=share, touch_profiles=TOUCHED, seed=int(100 * share)
        ).by
        changed, touched = len(met["update_profiles"]), len(met["touch_profiles"])
        later.append(_listing(built, f"{share:.0%} changed", changed, touched, say))
    return first, later  # fmt: skip


def _listing(built: Stage, name: str, changed: int, touched: int, say: Say) -> Listing:
    before = built.tuples_written(TABLE)
    built.vendor.clear_stats()
    worked = built.run("profiles", full=True)
    tuples = built.tuples_written(TABLE) - before
    requests = built.vendor.stats().by_endpoint.get("engage", 0)
    say(f"{name}: {worked['wall_s']:.2f} s, {worked['rows']:,} read, {tuples:,} tuples written")
    return Listing(worked, changed, touched, tuples, requests)


def _found(count: int, first: Listing, later: Sequence[Listing], stored: int) -> Found:
    return Found(
        "mixpanel_profiles",
        f"Mixpanel profiles: {count:,}, of which some change",
        _HOW.format(touched=TOUCHED),
        [*_of_first(count, first), *(figure for each in later for figure in _of_later(count, first, each)),
         exactly("profiles stored and not removed at the end", stored, count)],
        _NOTES,
    )  # fmt: skip


def _of_first(count: int, first: Listing) -> Sequence[Figure]:
    worked = first.worked
    writes, _, sqs = calls_per_slice(worked)
    return [
        Figure("first listing", f"{worked['wall_s']:.1f} s, {count / worked['wall_s']:,.0f} profiles/s"),
        exactly("  tuples written", first.tuples, count),
        exactly("  requests, one a page and the last one short", first.requests, count // ACCOUNT.page_size + 1),
        Figure("  of which fetch / merge", _parts(worked)),
        Figure("  DynamoDB writes and SQS calls a slice", f"{writes:.1f}, {sqs:.1f}"),
    ]  # fmt: skip


def _of_later(count: int, first: Listing, later: Listing) -> Sequence[Figure]:
    seconds, whole = later.worked["wall_s"], first.worked["wall_s"]
    return [
        Figure(
            f"{later.changed / count:.1%} changed, {later.touched / count:.1%} told otherwise",
            f"{seconds:.1f} s, {seconds / whole:.0%} of the first",
        ),
        Figure("  of which fetch / merge", _parts(later.worked)),
        exactly("  profiles read", later.worked["rows"], count),
        exactly("  tuples written, and profiles changed", later.tuples, later.changed),
    ]


def _parts(worked: Worked) -> str:
    return f"{worked['fetch_s']:.1f} s / {worked['merge_s']:.1f} s"


_HOW = """
One worker process for all listings, connected directly to Postgres with fsync on; the simulated vendor without its
limits, pages of 1,000. Before each later listing that share of the profiles gets another plan and total, and
{touched:.0%} say the same in another way: what is missing, null or empty changes places, and so does the order of
properties. Each profile does so by its own luck.
"""
_NOTES = """
Tuples are those that Postgres counted on the table (`pg_stat_user_tables`: inserted, updated, deleted). At the
vendor's limit of 60 requests an hour a listing of 50,000 takes most of an hour's, whatever the reader's own time is.
Each listing is read whole: fetching is the same each time, the vendor's making of it included; merging is what differs.
"""
