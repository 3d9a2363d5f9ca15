"""Days that a person asks for, in Postgres and from the simulated Mixpanel: counted once, by slices, to their end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from local.postgres import Database
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.server import vendor_in_thread
from sluice.core.asked_days import AskedDays
from sluice.core.fault_points import FaultPoint, listening
from sluice.core.priorities import Priority
from tests.integration.sources.mixpanel_stand import PROJECT, Stand, Totals, standing

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
SETTLE = 5 * MINUTE
FEED = PROJECT.feed.model_copy(update={"late_share": 0.0, "per_day": 60, "days": 20})


@pytest.fixture
def control() -> Iterator[MixpanelControl]:
    spec = PROJECT.model_copy(update={"feed": FEED})
    with vendor_in_thread() as url, MixpanelControl(url) as made:
        made.create_world(projects=[spec.model_dump(mode="json")], options={"limits": None})
        made.hold_clock()
        yield made


@pytest.fixture
def stand(database: Database, control: MixpanelControl) -> Iterator[Stand]:
    """Read three days back; what was before was never asked for."""
    with standing(database, control, first_days=3, reread_days=1, most_rows=80) as made:
        made.until_noon()
        made.caught_up()
        yield made


def midnight(ago: int, stand: Stand) -> datetime:
    day = stand.now().date() - ago * DAY
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def asked(stand: Stand, first: int, last: int) -> AskedDays:
    """So many days ago."""
    today: date = stand.now().date()
    return AskedDays(today - first * DAY, today - last * DAY, stand.now())


def together(*parts: Totals) -> Totals:
    totals: Totals = {}
    for part in parts:
        for who, (counters, flags, events) in part.items():
            before, raised, number = totals.get(who, ({}, set(), 0))
            sums = {n: before.get(n, 0) + counters.get(n, 0) for n in {*before, *counters}}
            totals[who] = (sums, raised | flags, number + events)
    return totals


def truth(stand: Stand) -> Totals:
    """Of the days that were asked for, and of what was loaded at first and since. The vendor says its time in whole
    seconds, so the cursor may be one behind what was read."""
    read_until = datetime.fromisoformat(stand.cursor()["read_until"])
    ((oldest, newest),) = stand.ask(
        "SELECT min(occurred_at), max(occurred_at) FROM public.mixpanel_events WHERE client_id = %s"
        " AND occurred_at >= (%s::timestamptz)",
        midnight(5, stand),
    )
    assert newest <= stand.now() - SETTLE
    return together(
        stand.truth(midnight(12, stand), midnight(9, stand)),
        stand.truth(oldest, max(read_until, newest + SECOND)),
    )


def backfilled(stand: Stand, days: AskedDays):
    return stand.caught_up("manual", days=days, priority=Priority.BACKFILL)


def test_days_of_before_the_first_load_count_once(stand):
    """And when they are asked for again, nothing counts; the watermark stands."""
    read_until = stand.cursor()["read_until"]
    assert backfilled(stand, asked(stand, 12, 10)).inserted > 100
    assert stand.totals() == truth(stand)
    assert stand.cursor()["read_until"] == read_until
    again = AskedDays(*(stand.now().date() - ago * DAY for ago in (12, 10)), stand.now() + MINUTE)
    counts = backfilled(stand, again)
    assert (counts.inserted, counts.read) == (0, counts.unchanged)
    assert counts.read > 100
    assert stand.totals() == truth(stand)
    assert stand.verified().equal
    reasons = stand.ask("SELECT reason, outcome FROM sluice.run WHERE client_id = %s")
    assert reasons[1:] == [("backfill", "completed")] * 2


@pytest.mark.parametrize(
    "point",
    [
        FaultPoint.SLICE_CLAIMED,
        FaultPoint.SLICE_FETCHED,
        FaultPoint.MERGE_WRITTEN,
        FaultPoint.SLICE_COMMITTED,
        FaultPoint.SLICE_CONTINUED,
    ],
)
def test_a_worker_that_dies_over_them_loses_and_doubles_nothing(stand, point):
    """At its second time there: the message is read again, a tick came first."""

    class Died(BaseException):
        pass

    passed = []

    def die(reached: FaultPoint) -> None:
        passed.append(reached)
        if passed.count(point) == 2 and reached is point:
            raise Died

    days = asked(stand, 12, 10)
    with listening(die), pytest.raises(Died):
        backfilled(stand, days)
    stand.messages.take_all()
    stand.time_passes(6 * MINUTE)
    stand.caught_up()
    backfilled(stand, days)
    assert stand.totals() == truth(stand)
    assert "asked" not in stand.cursor()
    assert stand.verified().equal
