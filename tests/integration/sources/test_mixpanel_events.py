"""Mixpanel's events through the engine, Postgres and the simulated vendor: counters equal the vendor's truth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from local.postgres import Database
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import NewEvent
from local.vendors.mixpanel.server import vendor_in_thread
from sluice.core.fault_points import FaultPoint, listening
from sluice.core.slices import Outcome
from tests.integration.sources.mixpanel_stand import PROJECT, Stand, standing

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SETTLE = 5 * MINUTE
ON_TIME = PROJECT.feed.model_copy(update={"late_share": 0.0, "per_day": 120})


@pytest.fixture
def base_url() -> Iterator[str]:
    """A vendor of its own: tests let days pass, and no partition is made far ahead of the database's clock."""
    with vendor_in_thread() as url:
        yield url


def world(control: MixpanelControl, **project: object) -> None:
    """One project whose time stands at now, and whose events are there at once unless added late."""
    spec = PROJECT.model_copy(update={"feed": ON_TIME, **project})
    control.create_world(projects=[spec.model_dump(mode="json")], options={"limits": None})
    control.hold_clock()


@pytest.fixture
def control(base_url: str) -> Iterator[MixpanelControl]:
    """A vendor that answers as often as it is asked."""
    with MixpanelControl(base_url) as control:
        world(control)
        yield control


@pytest.fixture
def stand(database: Database, control: MixpanelControl) -> Iterator[Stand]:
    with standing(database, control, most_rows=300) as made:
        yield made


def settled_truth(stand: Stand):
    """By the vendor's word, of all that should have been read: to where the cursor is, and that is not far behind.

    The cursor ends where the vendor's clock did as it was asked: a second or more before the end that was asked
    for, by its rounding and what the request took. An event in between stays read, and counts.
    """
    read_until = datetime.fromisoformat(stand.cursor()["read_until"])
    assert stand.now() - read_until < SETTLE + 6 * MINUTE
    ((newest,),) = stand.ask("SELECT max(occurred_at) FROM mixpanel_events WHERE client_id = %s")
    assert newest <= stand.now() - SETTLE
    return stand.truth(until=max(read_until, newest + SECOND))


def test_an_event_between_the_cursor_and_what_was_asked_for_counts_once(stand):
    """It is read before the cursor is there, and again after."""
    stand.caught_up()
    stand.time_passes(10 * MINUTE)
    stand.control.hold_clock()
    last = stand.now().replace(microsecond=0) - SETTLE - SECOND
    event = NewEvent(event="$ae_session", distinct_id="x", at_s=last.timestamp(), insert_id="x")
    stand.control.add_events(PROJECT.id, [event])
    stand.caught_up()
    assert datetime.fromisoformat(stand.cursor()["read_until"]) <= last
    assert stand.totals()["x"][2] == 1
    assert stand.totals() == settled_truth(stand)
    stand.time_passes(10 * MINUTE)
    stand.caught_up()
    assert stand.totals()["x"][2] == 1
    assert stand.totals() == settled_truth(stand)


def test_a_first_load_is_the_truth_and_the_next_tick_writes_nothing(stand):
    """Every event once, though the export has some twice; what is read again is unchanged."""
    counts = stand.caught_up()
    assert counts.unchanged > 0
    assert stand.caught_up().read == 0
    first = stand.totals()
    stand.time_passes(DAY / 2)
    again = stand.caught_up()
    assert (again.updated, again.stale, again.rejected) == (0, 0, 0)
    assert again.inserted > 0
    assert stand.totals() != first
    stand.time_passes(HOUR)
    stand.caught_up()
    stand.time_passes(10 * MINUTE)
    stand.caught_up()
    assert settled_truth(stand) == stand.totals()
    assert stand.verified().equal


def test_late_events_duplicates_and_twins_count_once(stand):
    """Up to five days late, three times over; or the same $insert_id of somebody else, found by a full sync."""
    stand.caught_up()
    stand.control.change(late_events=40, duplicates=60, duplicates_differ="counted")
    stand.time_passes(10 * MINUTE)
    stand.caught_up()
    before = stand.totals()
    stand.time_passes(DAY + HOUR)
    stand.caught_up()
    assert stand.totals() != before
    assert stand.totals() == settled_truth(stand)
    stand.control.change(twins=20)
    stand.caught_up("manual", full_since=stand.now())
    assert stand.totals() == settled_truth(stand)
    assert any(who.startswith("twin") for who in stand.totals())
    assert stand.verified().equal


def test_a_full_sync_changes_no_count(stand):
    """All that is read is there."""
    stand.caught_up()
    stand.time_passes(6 * MINUTE)
    stand.caught_up()
    before = stand.totals()
    counts = stand.caught_up("manual", full_since=stand.now())
    assert counts.read == counts.unchanged > 500
    assert stand.totals() == before


def test_odd_rows_are_rejected_by_name_and_their_neighbours_count(stand):
    """None of them counts, none stops the stream; a redrive finds them as they are."""
    stand.control.change(
        odd={"no_insert_id": 2, "no_distinct_id": 2, "float_time": 2, "nul": 2, "not_object": 2,
             "text_time": 2, "no_properties": 2}
    )  # fmt: skip
    stand.time_passes(10 * MINUTE)
    assert stand.caught_up().rejected > 0
    fields = {row[0] for row in stand.ask("SELECT field FROM sluice.rejects WHERE client_id = %s")}
    assert fields >= {"properties.$insert_id", "properties.distinct_id", "properties.time"}
    assert fields >= {"properties.note"}
    assert stand.totals() == settled_truth(stand)
    assert stand.caught_up("redrive").inserted == 0


CUTS = ["cut_body", "cut_chunked", "cut_gzip", "cut_line", "terminated_early", "where_ignored"]
OTHERS = ["html", "server_error", "length_too_long", "length_too_short", "reset"]


@pytest.mark.parametrize("kind", [*CUTS, *OTHERS])
def test_an_answer_that_is_not_whole_moves_nothing(stand, kind):
    """Neither the cursor nor a count; once the vendor is well again, all is there."""
    stand.until_noon()
    stand.control.set_fault(kind, endpoints=["export"])
    reports = stand.run()
    assert reports[-1].outcome is Outcome.RUN_FAILED
    first = next(stand.control.truth("events", PROJECT.id))["at_s"]
    reached = stand.cursor().get(
        "read_until"
    )  # windows before the first event are empty, and whole
    assert reached is None or datetime.fromisoformat(reached).timestamp() <= first
    assert stand.totals() == {}
    assert stand.ask("SELECT 1 FROM public.mixpanel_events WHERE client_id = %s") == []
    stand.control.clear_faults()
    stand.time_passes(10 * MINUTE)
    stand.caught_up()
    assert stand.totals() == settled_truth(stand)


@pytest.mark.parametrize(
    "kind", [*CUTS, *OTHERS, "split_line", "repeated_lines", "malformed_json", "rate_limited"]
)
def test_a_fifth_of_all_answers_at_fault_ends_in_the_truth(stand, kind):
    """Sooner or later, by way of deferrals, everything counts once."""
    stand.control.set_fault(kind, probability=0.2, seed=7, endpoints=["export"])
    for _ in range(12):
        stand.run()
        stand.time_passes(6 * MINUTE)
    stand.control.clear_faults()
    stand.time_passes(DAY)
    stand.caught_up()
    rejected = stand.ask("SELECT count(*) FROM sluice.rejects WHERE client_id = %s")[0][0]
    assert rejected == 0 or kind == "malformed_json"
    if not rejected:
        assert stand.totals() == settled_truth(stand)
    assert stand.verified().equal


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Kolkata"])
def test_an_old_project_is_read_by_its_wall_clock(database, control, zone):
    """Days, filter and times are local; counts are the same, and instants are UTC."""
    world(control, created=date(2021, 5, 1), time_zone=zone)
    with standing(database, control, time_zone=zone, most_rows=300) as stand:
        stand.caught_up()
        assert stand.totals() == settled_truth(stand)
        newest = stand.ask("SELECT max(occurred_at) FROM mixpanel_events WHERE client_id = %s")
        assert stand.now() - newest[0][0] < 2 * HOUR


def test_whole_days_end_in_the_same_counts(database, control):
    """Without the filter that the published grammar does not have."""
    with standing(database, control, where_on_time=False) as stand:
        stand.caught_up()
        stand.time_passes(DAY / 3)
        stand.caught_up()
        assert stand.verified().equal
        until = stand.now().replace(microsecond=0)
        assert stand.totals() == stand.truth(until=until)


POINTS = [
    FaultPoint.SLICE_PAGE_READ, FaultPoint.SLICE_FETCHED, FaultPoint.MERGE_LOCKED,
    FaultPoint.MERGE_COPIED, FaultPoint.MERGE_WRITTEN, FaultPoint.MERGE_COUNTED,
    FaultPoint.MERGE_LOGGED, FaultPoint.SLICE_COMMITTED, FaultPoint.SLICE_RELEASED,
]  # fmt: skip


class Died(BaseException):
    """What happens to a worker that is killed."""


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_counts_nothing_twice(stand, point):
    """Wherever: in each of the first slices, and the next one goes on."""
    reached = 0

    def die(at: FaultPoint) -> None:
        nonlocal reached
        reached += at is point
        if at is point and reached % 2:
            raise Died

    with listening(die):
        for _ in range(6):
            try:
                stand.run()
            except Died:
                stand.time_passes(2 * MINUTE)
                stand.messages.take_all()
    assert reached > 1
    stand.time_passes(10 * MINUTE)
    stand.caught_up()
    assert stand.totals() == settled_truth(stand)
    assert stand.verified().equal


def test_replaced_counters_are_those_of_the_last_whole_days(database, control):
    """Up to the last midnight; who has none there is emptied. Adding again counts all of it."""
    with standing(database, control, mode="replace", reread_days=3, most_rows=300) as stand:
        gone = stand.now() - 6 * DAY
        stand.control.add_events(
            PROJECT.id,
            [
                NewEvent(
                    event="$ae_session", distinct_id="gone", at_s=gone.timestamp(), insert_id="g"
                )
            ],
        )
        stand.caught_up()
        midnight = datetime.combine((stand.now() - SETTLE).date(), datetime.min.time(), UTC)
        assert stand.totals() == stand.truth(since=midnight - 3 * DAY, until=midnight)
        assert stand.verified().equal
        stand.time_passes(DAY + HOUR)
        stand.caught_up()
        midnight = datetime.combine((stand.now() - SETTLE).date(), datetime.min.time(), UTC)
        counted = {who: each for who, each in stand.totals().items() if each[2]}
        truth = stand.truth(since=midnight - 3 * DAY, until=midnight)
        assert {who: each[::2] for who, each in counted.items()} == {
            who: each[::2] for who, each in truth.items()
        }
        assert stand.verified().equal
        stand.settings["mode"] = "add"
        stand.time_passes(10 * MINUTE)
        stand.caught_up()
        assert stand.totals() == settled_truth(stand)
        assert stand.totals()["gone"][2] == 1
        assert stand.verified().equal


def test_a_counter_changed_by_hand_is_found(stand):
    """So are a lost row, a surplus one and a time."""
    stand.caught_up()
    assert stand.verified().equal
    who = sorted(stand.totals())[0]
    spoil = "UPDATE public.mixpanel_subscribers SET {} WHERE client_id = %s AND distinct_id = %s"
    for change in (
        "counters = counters || '{\"card_taps\": 12345}'",
        "flags = flags || '{\"other\": true}'",
        "events_processed = events_processed + 1",
        "last_event_time = last_event_time + interval '1 second'",
        "first_event_time = NULL",
    ):
        with stand.rows.transaction(force_rollback=True):
            stand.rows.execute(spoil.format(change).encode(), [stand.client_id, who])
            verified = stand.verified()
            assert (verified.differences, verified.shown[0].distinct_id) == (1, who), change
    with stand.rows.transaction(force_rollback=True):
        stand.rows.execute(
            "DELETE FROM public.mixpanel_subscribers WHERE client_id = %s AND distinct_id = %s",
            [stand.client_id, who],
        )
        assert stand.verified().shown[0].stored.counters is None
    with stand.rows.transaction(force_rollback=True):
        stand.rows.execute(
            "INSERT INTO public.mixpanel_subscribers (client_id, distinct_id, events_processed)"
            " VALUES (%s, 'nobody', 1)",
            [stand.client_id],
        )
        assert stand.verified().shown[0].distinct_id == "nobody"


def test_a_mapping_of_ones_own_counts_by_properties(database, control):
    """Amounts add up exactly, under conditions; the view shows what it knows."""
    count = {
        "AchTransferInitiated": [
            {"add": "moved", "by_property": "amount"},
            {"add": "deposits", "when": {"property": "direction", "equals": "deposit"}},
            {"flag": "withdrew", "when": {"property": "direction", "one_of": ["withdrawal"]}},
        ]
    }
    with standing(database, control, count=count) as stand:
        stand.caught_up()
        moved = sum(counters.get("moved", 0) for counters, _, _ in stand.totals().values())
        until = (stand.now() - SETTLE - timedelta(seconds=2)).timestamp()
        lines = [
            line["record"]["properties"]["amount"]
            for line in stand.control.truth("events", PROJECT.id, until_s=until)
            if line["event"] == "AchTransferInitiated"
        ]
        assert moved == sum(lines) > 0
        assert any("withdrew" in flags for _, flags, _ in stand.totals().values())
        asked = stand.ask("SELECT DISTINCT event FROM mixpanel_events WHERE client_id = %s")
        assert asked == [("AchTransferInitiated",)]
