"""What alarms look at, of a Mixpanel stream: rows per sync, the skipped share, how old the watermark is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from local.postgres import Database
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.server import vendor_in_thread
from sluice.core.overview.figures import figures_of
from sluice.core.overview.picture import Overview
from sluice.core.overview.stream_history import WatchedStream
from sluice.core.overview.stream_views import view_of
from sluice.core.steering.switches import SwitchBoard
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.overview import PostgresHistories
from tests.integration.sources.mixpanel_stand import PROJECT, Stand, standing

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FEED = PROJECT.feed.model_copy(
    update={"late_share": 0.0, "duplicate_share": 0.0, "per_day": 2400, "days": 6}
)


@pytest.fixture
def stand(database: Database) -> Iterator[Stand]:
    """Two days loaded, three hours of a lookback, a hundred events an hour."""
    spec = PROJECT.model_copy(update={"feed": FEED})
    with vendor_in_thread() as url, MixpanelControl(url) as control:
        control.create_world(projects=[spec.model_dump(mode="json")], options={"limits": None})
        control.hold_clock()
        settings = {"first_days": 2, "reread_days": 1, "lookback": "PT3H"}
        with standing(database, control, **settings) as made:
            made.caught_up()
            yield made


def figures(
    stand: Stand, database: Database, *, later: timedelta = timedelta(0)
) -> dict[str, float]:
    """As the monitor would send them, of this stream."""
    connection = PostgresConnection(database.app_url)
    try:
        histories = PostgresHistories(connection)
        now = histories.now() + later
        history = histories.of([stand.key])[stand.key]
    finally:
        connection.close()
    view = view_of(WatchedStream(stand.key, 5 * MINUTE), history, SwitchBoard(), now)
    found = figures_of(Overview(at=now, streams=[view]))
    return {each.name: each.value for each in found if each.stream == "events"}


def test_an_increment_is_small_and_mostly_skipped(stand, database):
    """One new hour beside three that were read before: three quarters are there."""
    stand.time_passes(HOUR)
    counts = stand.caught_up()
    found = figures(stand, database)
    assert found["RowsPerSync"] == counts.read
    assert 200 < counts.read < 500
    assert found["SkippedPercent"] == pytest.approx(100 * counts.unchanged / counts.read)
    assert 65 < found["SkippedPercent"] < 85


def test_without_a_lookback_nothing_is_skipped_and_it_shows(stand, database):
    """So does a full window at every pass: many rows, nearly all of them skipped."""
    stand.settings["incremental"] = False
    stand.settings["reread_every"] = "PT10M"
    stand.time_passes(HOUR)
    counts = stand.caught_up()
    wide = figures(stand, database)
    assert wide["RowsPerSync"] == counts.read > 1500
    assert wide["SkippedPercent"] > 90
    stand.settings |= {"incremental": True, "reread_every": "P1D", "lookback": "PT0S"}
    stand.time_passes(HOUR)
    stand.caught_up()
    assert figures(stand, database)["SkippedPercent"] < 5


def test_a_watermark_that_stands_grows_old_and_a_tick_of_nothing_does_not_help(stand, database):
    """A commit that moves the cursor makes it young again."""
    stand.time_passes(HOUR)
    stand.caught_up()
    aged = figures(stand, database, later=7 * HOUR)["WatermarkAgeSeconds"]
    assert aged == pytest.approx(7 * 3600, abs=120)
    assert stand.caught_up().read == 0
    assert figures(stand, database, later=7 * HOUR)["WatermarkAgeSeconds"] >= aged
    stand.time_passes(HOUR)
    stand.caught_up()
    assert figures(stand, database)["WatermarkAgeSeconds"] < 120
