"""Settings of a Mixpanel project."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.limits.rates import RateLimit
from sluice.sources.connections import VendorConnections
from sluice.sources.mixpanel.counting import DEFAULT
from sluice.sources.mixpanel.events_asked import ASKED_DAYS
from sluice.sources.mixpanel.settings import MOST_DAYS, MOST_ONE_BY_ONE, MixpanelSettings
from sluice.sources.registry import check_settings, open_stream
from tests.unit.sources.cars_vendor import Clock
from tests.unit.sources.mixpanel.events_vendor import Mixpanel, sent
from tests.unit.sources.mixpanel.events_vendor import opened as vendor_opened
from tests.unit.sources.slices import budget

MIGRATIONS = Path(__file__).parents[4] / "migrations"
MIGRATION = MIGRATIONS / "0018_pre_partition_mixpanel_events.sql"
(OLDER,) = MIGRATIONS.glob("*_make_room_for_older_mixpanel_events.sql")


def opened(settings, credentials="robot:secret", stream="events", **more):
    connections = VendorConnections(**more)
    try:
        return open_stream(
            StreamKey("acme", "mixpanel", stream),
            settings=settings,
            credentials=credentials,
            refresh=lambda: credentials,
            connections=connections,
        )
    finally:
        connections.close()


def test_only_the_project_needs_to_be_named():
    """The rest is what the vendor documents, and the mapping of eleven kinds."""
    settings = MixpanelSettings(project_id=7)
    assert settings.data_url == "https://data.mixpanel.com"
    assert settings.query_url == "https://mixpanel.com"
    assert settings.asked_events == sorted(DEFAULT)
    assert settings.rules.limits == (
        RateLimit(3, timedelta(seconds=1)),
        RateLimit(60, timedelta(hours=1)),
    )
    assert settings.rules.concurrent == 100
    assert opened({"project_id": 7}).table.partitions is not None


@pytest.mark.parametrize(
    ("host", "data", "query"),
    [
        ("us", "https://data.mixpanel.com", "https://mixpanel.com"),
        ("eu", "https://data-eu.mixpanel.com", "https://eu.mixpanel.com"),
        ("in", "https://data-in.mixpanel.com", "https://in.mixpanel.com"),
    ],
)
def test_a_project_is_asked_where_it_lives(host, data, query):
    """An EU project must use the EU hosts."""
    settings = MixpanelSettings(project_id=7, host=host)
    assert (settings.data_url, settings.query_url) == (data, query)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"project_id": 0}, "project_id"),
        ({"project_id": None}, "project_id"),
        ({"host": "uk"}, "host"),
        ({"base_url": "http://127.0.0.1:80"}, "base_url"),
        ({"base_url": "https://user@mixpanel.com"}, "base_url"),
        ({"time_zone": "Berlin"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"first_days": 91}, "first_days"),
        ({"first_days": 3}, "reread_days"),
        ({"lookback": "-PT1H"}, "lookback"),
        ({"most_rows": 0}, "most_rows"),
        ({"events": []}, "events"),
        ({"events": "some"}, "events"),
        ({"count": {}}, "events"),
        ({"count": {"E": [{"add": "a", "flag": "b"}]}}, "count.E.0"),
        ({"mode": "subtract"}, "mode"),
        ({"incremental": "perhaps"}, "incremental"),
        ({"set_based": "perhaps"}, "set_based"),
        (
            {"profiles": {"at": 1410}},
            r'profiles.at: .*1410 is a number: put quotes around the time \("23:30"\)',
        ),
        ({"profiles": {"at": 84_600}}, "profiles.at: .*84600 is a number"),
        ({"windows": 5}, "windows"),
    ],
)
def test_what_is_wrong_is_named(changed, says):
    """Where the clients file is checked, and where the stream is opened."""
    settings = {"project_id": 7, **changed}
    with pytest.raises(ValidationError):
        check_settings("mixpanel", settings)
    with pytest.raises(SettingInvalid, match=f"mixpanel source: .*{says}"):
        opened(settings)


def test_settings_survive_the_registry():
    """In their JSON form they mean the same, the mapping too."""
    given = {
        "project_id": 7,
        "events": ["A"],
        "count": {"A": [{"add": "n", "when": {"property": "p", "one_of": [True, 1, "x", 1.5]}}]},
    }
    checked = check_settings("mixpanel", given)
    assert check_settings("mixpanel", checked) == checked
    assert MixpanelSettings(**checked) == MixpanelSettings(**given)
    assert checked["count"]["A"][0]["when"]["one_of"] == [True, 1, "x", 1.5]


def test_loopback_is_for_the_local_stage():
    """One address in place of both hosts."""
    settings = {"project_id": 7, "base_url": "http://127.0.0.1:5000"}
    assert opened(settings, allow_loopback=True).table


@pytest.mark.parametrize("secret", ["", " ", "two words:x", "schlüssel:x", "a:b\nc"])
def test_a_secret_that_is_none_is_refused_at_once(secret):
    """Before anything is asked; without telling it."""
    with pytest.raises(SettingInvalid, match="one word of ASCII") as caught:
        opened({"project_id": 7}, secret)
    assert not secret.strip() or secret not in str(caught.value)


def test_no_read_reaches_days_that_may_have_been_forgotten():
    """The database keeps events for ten days longer than any read reaches back by itself; where a person asks for
    older days, it makes room for none that may have been forgotten."""
    kept = MIGRATION.read_text().count("current_date - 100")
    assert kept == 2
    assert MOST_DAYS <= 90
    assert f"current_date - {ASKED_DAYS} AND" in OLDER.read_text()


def test_rows_that_are_written_one_by_one_are_few():
    """So that the end of an invocation has time for them; of both streams, and only then."""
    settings = {"project_id": 7, "profiles": {"slice_rows": 20_000}}
    quick, slow = (open_both({**settings, "set_based": on}) for on in (True, False))
    assert [stream.slice_rows for stream in quick] == [15_000, 20_000]
    assert [stream.slice_rows for stream in slow] == [MOST_ONE_BY_ONE // 2, MOST_ONE_BY_ONE]
    assert [stream.table.set_based for stream in (*quick, *slow)] == [True, True, False, False]
    few = open_both({**settings, "set_based": False, "most_rows": 10})
    assert few[0].slice_rows == 5


def test_without_the_set_based_way_whole_seconds_must_fit(vendor_of_a_busy_second):
    """Nothing is lost: the stream stops, and says what to set."""
    stream, step, allowance = vendor_of_a_busy_second
    with pytest.raises(
        SettingInvalid, match=r"set_based: one second .* 500 events.*; set set_based to true"
    ):
        list(stream.pages(step, {}, allowance))


@pytest.fixture
def vendor_of_a_busy_second():
    clock = Clock()
    at = clock() - timedelta(hours=1)
    vendor = Mixpanel(clock, [sent(n, at) for n in range(MOST_ONE_BY_ONE + 1)])
    stream = vendor_opened(vendor, set_based=False, slice_requests=1000)
    step = stream.next_step({}, clock(), full_since=None)
    return stream, step, budget(clock, requests=1000)


def open_both(settings):
    """Both streams of a project."""
    return [opened(settings, stream=name) for name in ("events", "profiles")]
