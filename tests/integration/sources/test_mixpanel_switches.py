"""Each feature of Mixpanel's streams turned off alone: slower, and in the end the same tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from local.postgres import Database
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.server import vendor_in_thread
from tests.integration.sources.mixpanel_stand import PROJECT, Stand, standing

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FEED = PROJECT.feed.model_copy(update={"late_share": 0.0, "per_day": 50, "days": 6})
PROFILES = {"queries_per_hour": 100_000, "every": "PT10M"}
COMMON = {"first_days": 4, "reread_days": 3, "reread_every": "PT10M"}

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "all on": {},
    "incremental": {"incremental": False},
    "change detection": {"profiles": {**PROFILES, "change_detection": False}},
    "set based": {"set_based": False},
}

CONTENTS = {
    "events": "SELECT event_id, event, distinct_id, occurred_at, insert_id, effects, document"
    " FROM public.mixpanel_events WHERE client_id = %s",
    "subscribers": "SELECT distinct_id, counters, flags, events_processed, first_event_time, last_event_time"
    " FROM public.mixpanel_subscribers WHERE client_id = %s",
    "profiles": "SELECT distinct_id, email, name, country, created_at, last_seen_at, document,"
    " deleted_at IS NULL FROM public.mixpanel_profiles WHERE client_id = %s",
}


@pytest.fixture
def control() -> Iterator[MixpanelControl]:
    """A project of some days and some profiles, whose time stands."""
    spec = PROJECT.model_copy(update={"feed": FEED, "profiles": 60, "page_size": 25})
    with vendor_in_thread() as url, MixpanelControl(url) as made:
        made.create_world(projects=[spec.model_dump(mode="json")], options={"limits": None})
        made.hold_clock()
        yield made


@pytest.fixture
def stands(database: Database, control: MixpanelControl) -> Iterator[Mapping[str, Stand]]:
    """A client of each kind at the same project."""
    with ExitStack() as opened:
        yield {
            name: opened.enter_context(
                standing(database, control, **{"profiles": PROFILES, **COMMON, **settings})
            )
            for name, settings in VARIANTS.items()
        }


def all_read(stands: Mapping[str, Stand]) -> None:
    for stand in stands.values():
        for stream in ("events", "profiles"):
            stand.stream = stream
            stand.caught_up()


def digest(stand: Stand, query: str) -> str:
    """Of all rows, in an order of their own."""
    ((found,),) = stand.ask(
        f"SELECT md5(string_agg(row::text, '|' ORDER BY row::text)) || count(*) FROM ({query}) row"
    )
    return str(found)


def test_whatever_is_turned_off_the_tables_end_the_same(stands, control):
    """Through new, late and repeated events, and profiles that change and go."""
    all_read(stands)
    within = 2.5 * DAY.total_seconds()  # later ones than reread_days nobody promises to find
    control.change(late_events=15, late_by_s=within, duplicates=20, duplicates_differ="counted")
    control.change(update_profiles=0.3)
    stands["all on"].time_passes(HOUR)
    all_read(stands)
    control.change(events=30, remove_profiles=3, touch_profiles=0.5, profiles=4)
    stands["all on"].time_passes(DAY)
    all_read(stands)
    for name, query in CONTENTS.items():
        digests = {variant: digest(stand, query) for variant, stand in stands.items()}
        assert len(set(digests.values())) == 1, (name, digests)
        assert not digests["all on"].endswith("None")
    assert all(stand.verified().equal for stand in stands.values())


WAYS = {
    "incremental": (
        "SELECT count(*) FROM sluice.commit_log WHERE stream_key = %s AND kind = 'reread'",
        "mixpanel#events",
        lambda on, off: on > 0 == off,
    ),
    "change detection": (
        "SELECT sum(updated) FROM sluice.commit_log WHERE stream_key = %s",
        "mixpanel#profiles",
        lambda on, off: on < 60 <= off,
    ),
    "set based": (
        "SELECT max(rows_read) FROM sluice.commit_log WHERE stream_key = %s",
        "mixpanel#events",
        lambda on, off: off <= on,
    ),
}


@pytest.mark.parametrize("variant", WAYS)
def test_it_is_really_turned_off(stands, control, variant):
    """By what the log says of two passes; else the test above would compare the same with itself."""
    pair = {name: stands[name] for name in ("all on", variant)}
    all_read(pair)
    stands["all on"].time_passes(HOUR)
    all_read(pair)
    query, stream, differs = WAYS[variant]
    found = []
    for stand in pair.values():
        ((number,),) = stand.rows.execute(query, [f"{stand.client_id}#{stream}"]).fetchall()
        found.append(number)
    assert differs(*found), found


def test_rows_written_one_by_one_are_so_many_transactions_within_one(stands):
    """Each is stored under a savepoint of its own, which the rows remember."""
    ways = []
    for name in ("all on", "set based"):
        stands[name].stream = "events"
        stands[name].caught_up()
        ways += stands[name].ask(
            "SELECT count(*), count(DISTINCT xmin::text), count(DISTINCT inserted_at)"
            " FROM public.mixpanel_events WHERE client_id = %s"
        )
    (rows, together, slices), (as_many, alone, _) = ways
    assert rows == as_many == alone
    assert together == slices
    assert rows > 100
