"""Which sources push: how each signs, what its deliveries mean, and to what it can be subscribed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sluice.core.keys import StreamKey
from sluice.core.webhooks import News, VerifiedDelivery
from sluice.sources.shipbob.webhook import HURRIED as SHIPBOB_HURRIED
from sluice.sources.shipbob.webhook import SOURCE as SHIPBOB
from sluice.sources.shipbob.webhook import TOPICS as SHIPBOB_TOPICS
from sluice.sources.shipbob.webhook import ShipBobPushes
from sluice.webhooks.verifying import Scheme


class Pushing(Protocol):
    """How a source signs, and what its deliveries ask for; see ``usecases.receive_webhook.PushSource``."""

    @property
    def scheme(self) -> Scheme: ...

    def news(self, client_id: str, delivery: VerifiedDelivery) -> News | None: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """``topics`` and ``hurried`` are by stream; see ``topics_of`` and ``hurried``."""

    pushes: Pushing
    topics: Mapping[str, Sequence[str]]
    hurried: Mapping[str, Mapping[str, Any]]


_PUSHING: Mapping[str, _Entry] = {SHIPBOB: _Entry(ShipBobPushes(), SHIPBOB_TOPICS, SHIPBOB_HURRIED)}

PUSH_SOURCES: Mapping[str, Pushing] = {name: entry.pushes for name, entry in _PUSHING.items()}
"""By their names, as they stand in the address of a webhook."""


def topics_of(source: str) -> Mapping[str, Sequence[str]]:
    """The topics of each stream that the source pushes; empty for a source that pushes nothing."""
    entry = _PUSHING.get(source)
    return {} if entry is None else entry.topics


def hurried(key: StreamKey) -> Mapping[str, Any]:
    """What a slice that a push asked for changes of the stream's settings, so that it finds it due now."""
    entry = _PUSHING.get(key.source)
    return {} if entry is None else entry.hurried.get(key.stream, {})
