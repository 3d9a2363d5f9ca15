"""Events: a first pass over everything, then days that go by, each read with a lookback of two hours.

The vendor's limits are on. After every pass each subscriber's counters, flags, number of events and times are compared
with the vendor's own truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from statistics import median
from time import sleep

from benchmarks.mixpanel.figures import (
    Figure,
    Found,
    Impossible,
    Say,
    at_most,
    exactly,
    one_part_of,
)
from benchmarks.mixpanel.stage import ACCOUNT, CLIENT, Stage, Worked, calls_per_slice, stage
from benchmarks.mixpanel.truth import (
    BY,
    STORED,
    Totals,
    events_in,
    stored_totals,
    true_totals,
    wrong,
)
from local.vendors.mixpanel.models import Change, Feed

DAY, SETTLE, LOOKBACK = timedelta(days=1), timedelta(minutes=5), timedelta(hours=2)
PARTS = 25
PER_HOUR = 60
SHORTEST = timedelta(seconds=1)
"""A pass that is asked for sooner after the one before reads nothing: by the worker's clock no time went by."""

LEAST_DAYS, MOST_DAYS = 5, 80
LATE = Change(late_events=60, late_from_s=600, late_by_s=7_000)
"""They arrive between two passes, dated within the lookback of the second."""

FEED = Feed(subscribers=5_000, late_share=0.02, late_up_to_s=6_900, duplicate_share=0.02)


@dataclass(frozen=True, slots=True)
class Pass:
    """A run and what it left: ``new`` events by the vendor's word, ``inserted`` ones by ours, subscribers that are
    ``wrong``, and requests that the vendor counted and refused."""

    worked: Worked
    new: int
    inserted: int
    wrong: int
    requests: int
    refused: int


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, default=95_000, help="of the first pass (95,000)")
    parser.add_argument("--new", type=int, default=2_500, help="of each day afterwards (2,500)")
    parser.add_argument("--increments", type=int, default=3, help="such days; medians count (3)")


def measure(told: argparse.Namespace, say: Say) -> Found:
    """Impossible when the events are no whole number of days, or of more days than may be read."""
    days, rest = divmod(told.events, max(told.new, 1))
    if (
        told.new < 1
        or rest
        or days < LEAST_DAYS
        or told.increments < 1
        or days + told.increments > MOST_DAYS
    ):
        raise Impossible(
            f"--events must be a multiple of --new, {LEAST_DAYS} times at least; with --increments, of which one"
            f" is wanted, {MOST_DAYS} days at most"
        )
    begins = _midnight() - (1 + told.increments) * DAY + SETTLE
    say(f"starting; the vendor's time stands at {begins:%Y-%m-%d %H:%M}")
    with stage(begins) as built:
        return _found(told, *_passes(built, days, told, say))


def _midnight() -> datetime:
    return datetime.combine(datetime.now(UTC).date(), time(), UTC)


def _passes(
    built: Stage, days: int, told: argparse.Namespace, say: Say
) -> tuple[Pass, Sequence[Pass], Pass]:
    feed = FEED.model_copy(update={"per_day": told.new, "days": days})
    built.vendor.create_world(projects=[ACCOUNT.model_copy(update={"feed": feed})],
                              options={"refuse_future_days": False})  # fmt: skip
    built.register("events", events="all", first_days=days + told.increments + 3,
                   settle=SETTLE, lookback=LOOKBACK, shortest=SHORTEST)  # fmt: skip
    first = _pass(built, "first pass", say)
    increments = []
    for number in range(told.increments):
        built.vendor.change(LATE.model_copy(update={"seed": number}))
        built.vendor.advance_clock(DAY.total_seconds())
        sleep(SHORTEST.total_seconds())
        increments.append(_pass(built, f"day {number + 1}", say))
    return first, increments, _pass(built, "everything once more", say, full=True)


def _pass(built: Stage, name: str, say: Say, *, full: bool = False) -> Pass:
    before = events_in(_stored(built))
    built.vendor.clear_stats()
    worked = built.run("events", full=full)
    stats = built.vendor.stats()
    true, stored = true_totals(built.vendor.truth("counts", ACCOUNT.id, by=BY)), _stored(built)
    found = Pass(
        worked,
        events_in(true) - before,
        worked["written"],
        wrong(stored, true),
        stats.by_endpoint.get("export", 0),
        stats.refused_by_limit,
    )
    say(
        f"{name}: {worked['wall_s']:.2f} s, {worked['rows']:,} rows read, {found.inserted:,} inserted in"
        f" {worked['slices']} slices by {found.requests} requests; {found.wrong} of {len(true):,} subscribers wrong"
    )
    return found


def _stored(built: Stage) -> Totals:
    return stored_totals(built.rows(STORED, CLIENT))


def _found(told: argparse.Namespace, first: Pass, days: Sequence[Pass], again: Pass) -> Found:
    return Found(
        "mixpanel_events",
        f"Mixpanel events: {told.events:,} at first, then {told.new:,} a day",
        _HOW.format(late=LATE.late_events, subscribers=FEED.subscribers),
        [*_of_first(first), *_of_days(first, days), *_of_all(first, days, again)],
        _NOTES,
    )


def _of_first(first: Pass) -> Sequence[Figure]:
    worked = first.worked
    rate = worked["rows"] / worked["wall_s"]
    return [
        Figure("first pass", f"{worked['wall_s']:.1f} s, {rate:,.0f} rows/s"),
        Figure("  rows read, in how many slices", f"{worked['rows']:,}, {worked['slices']}"),
        exactly("  events inserted, and there by the truth", first.inserted, first.new),
        exactly("  subscribers that are not as in the truth", first.wrong, 0),
        at_most("  requests, of 60 in an hour", first.requests, PER_HOUR),
    ]


def _of_days(first: Pass, days: Sequence[Pass]) -> Sequence[Figure]:
    whole = first.worked

    def middle(name: str) -> float:
        return float(median(day.worked[name] for day in days))

    def each(name: str, form: str) -> str:
        return ", ".join(format(day.worked[name], form) for day in days)

    own = [day.worked["fetch_s"] + day.worked["merge_s"] for day in days]

    return [
        Figure(f"an increment, each of {len(days)}", f"{each('wall_s', '.2f')} s"),
        Figure("  of which fetch and merge, each", ", ".join(f"{each:.2f}" for each in own) + " s"),
        one_part_of("  its time beside the first pass, median", middle("wall_s"), whole["wall_s"], PARTS),
        Figure("  rows read, each", each("rows", ",")),
        one_part_of("  beside the first pass, median", middle("rows"), whole["rows"], PARTS),
        Figure("  events inserted, each", each("written", ",")),
        exactly("  all of them, and new by the truth", sum(d.inserted for d in days), sum(d.new for d in days)),
        one_part_of("  beside the first pass, median", middle("written"), whole["written"], PARTS),
        exactly("  subscribers that are not as in the truth", sum(day.wrong for day in days), 0),
        Figure("  requests, each", ", ".join(str(day.requests) for day in days)),
    ]  # fmt: skip


def _of_all(first: Pass, days: Sequence[Pass], again: Pass) -> Sequence[Figure]:
    passes = [first, *days, again]
    writes, reads, sqs = calls_per_slice(first.worked)
    day = [f"{calls:.1f}" for calls in calls_per_slice(days[-1].worked)]
    return [
        Figure("everything read once more", f"{again.worked['wall_s']:.1f} s, {again.worked['rows']:,} rows"),
        exactly("  events inserted by that", again.inserted, again.new),
        exactly("  subscribers that are not as in the truth", again.wrong, 0),
        at_most("requests of all passes, of 60 in an hour", sum(each.requests for each in passes), PER_HOUR),
        exactly("  refused by the vendor's limits", sum(each.refused for each in passes), 0),
        Figure("DynamoDB writes a slice, first pass", f"{writes:.1f}; an increment's {day[0]}"),
        Figure("  reads", f"{reads:.1f}; {day[1]}"),
        Figure("SQS calls a slice, first pass", f"{sqs:.1f}; {day[2]}"),
    ]  # fmt: skip


_HOW = """
One worker process that stays for all passes, connected directly to Postgres with fsync on; the simulated vendor with
its published limits. Events are of fifteen kinds, the eleven that are tracked and four others, of {subscribers:,}
subscribers; all kinds are asked for and stored. One in fifty comes twice, and one in fifty is processed up to two hours
late. Between two passes {late} more arrive that are dated within the two hours of lookback. After each pass every
subscriber's counters, flags, number of events, first and last time are compared with the vendor's truth.
"""
_NOTES = """
What lies in the two hours is read again and is unchanged: nothing of it counts twice, and what came late into it counts
once. The time is from the first message to the end of the run, with what is the same for every run however small: the
lease, the messages. The vendor's clock is days behind the worker's, so that days can pass; the first
pass spends a request more on finding that out, and reads up to the vendor's now. Not part of an increment: once a
day the last five days are read again, for what came later than two hours.
"""
