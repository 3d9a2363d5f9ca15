"""The registry of sources, and the settings of an account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from sluice.core.errors import SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import check_settings, open_stream, streams_of

PAGE = {"shape": "page", "base_url": "https://auctions.example.com"}
SCROLL = {"shape": "scroll", "base_url": "https://auctions.example.com"}


def _open(key: StreamKey, settings=PAGE, credentials="key", **more):
    connections = VendorConnections(**more)
    try:
        return open_stream(
            key,
            settings=settings,
            credentials=credentials,
            refresh=lambda: "key",
            connections=connections,
        )
    finally:
        connections.close()


def test_cars_is_known():
    """One source with one stream, so far."""
    assert streams_of("cars") == ("cars",)
    assert _open(StreamKey("acme", "cars", "cars")).table.columns


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (StreamKey("acme", "boats", "cars"), "cars"),
        (StreamKey("acme", "cars", "lots"), "cars"),
        (StreamKey("acme", "cars", "cars", "today"), "cars"),
    ],
)
def test_what_is_not_here_is_named_with_what_is(key, named):
    """The message says which sources or streams there are."""
    with pytest.raises(StreamUnknown, match=named):
        _open(key)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"shape": "pages"}, "shape"),
        ({"shape": None}, "shape"),
        ({"base_url": "http://auctions.example.com"}, "base_url"),
        ({"base_url": "http://127.0.0.1:80"}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"page_size": 99}, "page_size"),
        ({"page_size": 251}, "page_size"),
        ({"page_size": "many"}, "page_size"),
        ({**SCROLL, "page_size": 2001}, "page_size"),
        ({**SCROLL, "page_size": 0}, "page_size"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 65}, "concurrency"),
        ({"requests_per_second": 0}, "requests_per_second"),
        ({"slice_rows": 0}, "slice_rows"),
        ({"slice_requests": -1}, "slice_requests"),
        ({"crawl_every": "PT0S"}, "crawl_every"),
        ({"crawl_every": None}, "crawl_every"),
        ({"delta_every": "often"}, "delta_every"),
        ({**SCROLL, "delta_every": "PT15M"}, "delta_every"),
        ({**SCROLL, "archived_every": "PT15M"}, "archived_every"),
        ({**SCROLL, "scroll_time": 16}, "scroll_time"),
        ({**SCROLL, "point_read_base_url": "https://10.0.0.1"}, "point_read_base_url"),
        ({"point_read_base_url": "https://auctions.example.com"}, "point_read_base_url"),
        ({"volatile_fields": ["id"]}, "volatile_fields"),
        ({"volatile_fields": [""]}, "volatile_fields"),
        ({"page_sise": 100}, "page_sise"),
    ],
)
def test_a_wrong_setting_is_named(changed, field):
    """Both doors name the field: the clients file's check and opening a stream."""
    settings = {**PAGE, **changed}
    with pytest.raises(ValidationError, match=field):
        check_settings("cars", settings)
    with pytest.raises(SettingInvalid, match=field):
        _open(StreamKey("acme", "cars", "cars"), settings)


def test_checked_settings_are_complete_json_and_stay_the_same():
    """What the registry keeps can be checked again and opens the same stream."""
    kept = check_settings("cars", {**PAGE, "crawl_every": timedelta(hours=6)})
    assert kept["page_size"] == 250
    assert (kept["crawl_every"], kept["delta_every"], kept["archived_every"]) == (
        "PT6H",
        "PT15M",
        "PT1H",
    )
    assert check_settings("cars", kept) == kept


def test_the_scroll_shape_has_defaults_of_its_own():
    """1000 rows a page, and neither deltas nor archived lots."""
    kept = check_settings("cars", SCROLL)
    assert (kept["page_size"], kept["delta_every"], kept["archived_every"]) == (1000, None, None)
    assert check_settings("cars", kept) == kept


def test_null_switches_a_cadence_off_for_good():
    """A cadence set to null stays null when the settings are read back."""
    kept = check_settings("cars", {**PAGE, "delta_every": None})
    assert kept["delta_every"] is None
    assert check_settings("cars", kept)["delta_every"] is None


def test_loopback_is_taken_where_it_is_allowed():
    """The local stage talks to the simulated vendor."""
    local = {**PAGE, "base_url": "http://127.0.0.1:8000"}
    assert check_settings("cars", local, allow_loopback=True)["base_url"] == local["base_url"]
    _open(StreamKey("acme", "cars", "cars"), local, allow_loopback=True)


@pytest.mark.parametrize("credentials", ["", "  \n", "two\nlines", "schlüssel", "a\0b"])
def test_a_secret_that_is_no_key_is_said_so_without_showing_it(credentials):
    """What cannot be a header is a setting at fault, and its text stays out of the message."""
    with pytest.raises(SettingInvalid) as caught:
        _open(StreamKey("acme", "cars", "cars"), credentials=credentials)
    assert not credentials.strip() or credentials not in str(caught.value)
