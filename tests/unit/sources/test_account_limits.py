"""Whoever only looks names accounts as those who ask there do, and knows their limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sluice.core.keys import StreamKey
from sluice.core.limits.accounts import AccountRules
from sluice.core.limits.pages import subject_of
from sluice.core.limits.rates import RateLimit
from sluice.sources.account_limits import account_of
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import check_settings, open_stream, streams_of

SETTINGS: dict[str, dict[str, Any]] = {
    "cars": {"shape": "page", "base_url": "https://cars.example.com", "page_size": 250, "requests_per_second": 5},
    "shipbob": {},
    "mixpanel": {"project_id": 1234567, "profiles": {"queries_per_hour": 7}},
}  # fmt: skip
STREAMS = [(source, stream) for source in SETTINGS for stream in streams_of(source)]


class Seen(VendorConnections):
    """Notes what is asked for: the account's page and its limits."""

    def __init__(self) -> None:
        super().__init__()
        self.account_seen: tuple[str, Any] | None = None

    def account(self, source: str, name: str, rules: AccountRules, **more: Any) -> Any:
        self.account_seen = (subject_of(source, name), tuple(rules.limits))
        return super().account(source, name, rules, **more)


@pytest.mark.parametrize(("source", "stream"), STREAMS)
def test_accounts_are_those_that_streams_ask(source: str, stream: str) -> None:
    key = StreamKey("acme", source, stream)
    settings = check_settings(source, SETTINGS[source])
    seen = Seen()
    opened = open_stream(
        key,
        settings=settings,
        credentials="user:word" if source == "mixpanel" else "word",
        refresh=lambda: "word",
        connections=seen,
        account="sluice/acme",
    )
    opened.close()
    seen.close()
    found = account_of(key, settings, "sluice/acme")
    assert (found.subject, tuple(found.limits)) == seen.account_seen


def test_people_know_an_account_by_its_source_and_secret() -> None:
    key = StreamKey("acme", "mixpanel", "profiles")
    found = account_of(key, check_settings("mixpanel", SETTINGS["mixpanel"]), "sluice/acme")
    assert found.name == "mixpanel#sluice/acme:query"
    assert found.limits == (RateLimit(7, timedelta(hours=1)),)


@pytest.mark.parametrize(("source", "stream"), [*STREAMS, ("gone", "things")])
def test_settings_that_cannot_be_read_declare_nothing(source: str, stream: str) -> None:
    """An entry of an older version must not take the picture with it."""
    found = account_of(StreamKey("acme", source, stream), {"no": "such setting"}, "sluice/acme")
    assert found.limits == ()
