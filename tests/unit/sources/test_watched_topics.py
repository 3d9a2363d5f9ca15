"""Which topics a look at the whole listens for: those of streams whose client's pushes are received."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from sluice.sources.registry import check_settings
from sluice.sources.shipbob.webhook import RETURN_TOPICS
from sluice.wiring_overview import watched

SETTINGS = check_settings("shipbob", {})


@pytest.mark.parametrize(
    ("stream", "secret", "topics"),
    [
        ("returns", "sluice/webhooks/acme", RETURN_TOPICS),
        ("returns", None, ()),
        ("products", "sluice/webhooks/acme", ()),  # the vendor pushes nothing of them
    ],
)
def test_topics_are_those_of_the_stream(
    stream: str, secret: str | None, topics: tuple[str, ...]
) -> None:
    entry = RegistryEntry(
        StreamKey("acme", "shipbob", stream),
        timedelta(minutes=5),
        SETTINGS,
        "sluice/acme",
        webhook_secret=secret,
    )
    [found] = watched([entry]).streams
    assert (tuple(found.topics), found.pushed) == (topics, secret is not None)
