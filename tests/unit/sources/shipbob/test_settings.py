"""Settings of a ShipBob account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.limits.rates import RateLimit
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import check_settings, open_stream, streams_of
from sluice.sources.shipbob.opening import read_settings

STREAMS = (
    "orders", "timelines", "products", "returns", "receiving_orders", "transactions", "invoices",
)  # fmt: skip


def _open(stream: str, settings=(), credentials: str = "token-1", **more):
    connections = VendorConnections(**more)
    try:
        return open_stream(
            StreamKey("acme", "shipbob", stream),
            settings=dict(settings),
            credentials=credentials,
            refresh=lambda: "token-1",
            connections=connections,
        )
    finally:
        connections.close()


def test_nothing_needs_to_be_set():
    """Seven streams open with the vendor's documented address, version and limit."""
    assert set(streams_of("shipbob")) == set(STREAMS)
    for stream in STREAMS:
        assert _open(stream).table.columns
    read = read_settings({}, allow_loopback=False)
    assert (read.base_url, read.version) == ("https://api.shipbob.com", "2026-01")
    assert read.limits == (RateLimit(150, timedelta(minutes=1)),)


def test_checked_settings_are_complete_json_and_stay_the_same():
    """What the registry keeps can be checked again."""
    wanted = {
        "version": "2026-07",
        "history": "P365D",
        "billing": {"merchants": {"acme": {"names": ["Acme"]}}, "internal": "parent"},
    }
    kept = check_settings("shipbob", wanted)
    assert kept["billing"]["merchants"] == {"acme": {"names": ["Acme"]}}
    assert kept["reconcile_every"] == "PT1H"
    assert check_settings("shipbob", kept) == kept


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"version": "1.0"}, "version"),
        ({"version": "2026-02"}, "version"),
        ({"version": "2026-01/../.."}, "version"),
        ({"base_url": "http://api.shipbob.com"}, "base_url"),
        ({"base_url": "https://127.0.0.1"}, "base_url"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": 251}, "page_size"),
        ({"billing_page_size": 1001}, "billing_page_size"),
        ({"concurrency": 17}, "concurrency"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"slice_rows": 0}, "slice_rows"),
        ({"slice_requests": 0}, "slice_requests"),
        ({"orders_every": "PT0S"}, "orders_every"),
        ({"reconcile_every": "P31D"}, "reconcile_every"),
        ({"history": "PT59M"}, "history"),
        ({"reconcile_reach": "PT0S"}, "reconcile_reach"),
        ({"billing": {"merchants": {"": {}}}}, "billing.merchants"),
        ({"billing": {"merchants": {"a": {"names": [""]}}}}, "billing.merchants.a.names"),
        ({"billing": {"merchants": {"a": {"name": ["A"]}}}}, "billing.merchants.a.name"),
        ({"billing": {"merchants": {"a": {}}, "internal": "a"}}, "billing"),
        ({"page_sise": 100}, "page_sise"),
    ],
)
def test_a_wrong_setting_is_named(changed, field):
    """Both doors name the field: the clients file's check and opening a stream."""
    with pytest.raises(ValidationError, match=field.split(".")[-1]):
        check_settings("shipbob", changed)
    with pytest.raises(SettingInvalid, match=field):
        _open("orders", changed)


def test_loopback_is_taken_where_it_is_allowed():
    """The local stage talks to the simulated vendor."""
    local = {"base_url": "http://127.0.0.1:8000"}
    assert check_settings("shipbob", local, allow_loopback=True)["base_url"] == local["base_url"]
    _open("orders", local, allow_loopback=True)


@pytest.mark.parametrize("credentials", ["", " \n", "two words", "two\nlines", "schlüssel", "a\0b"])
def test_a_secret_that_is_no_token_is_said_so_without_showing_it(credentials):
    """What cannot be a header is a setting at fault, and its text stays out of the message."""
    with pytest.raises(SettingInvalid) as caught:
        _open("orders", credentials=credentials)
    assert not credentials.strip() or credentials not in str(caught.value)
