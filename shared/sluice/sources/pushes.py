"""Which sources push: how each signs, what its deliveries mean, and to what it can be subscribed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sluice.core.keys import StreamKey
from sluice.core.records import Derivation
from sluice.core.webhooks import News, VerifiedDelivery
from sluice.sources.mixpanel.cohort import SOURCE as MIXPANEL
from sluice.sources.mixpanel.cohort import STREAM as COHORT_MEMBERS
from sluice.sources.mixpanel.cohort import MixpanelPushes
from sluice.sources.mixpanel.cohort_sql import STATEMENTS as COHORT_STATEMENTS
from sluice.sources.shipbob.webhook import HURRIED as SHIPBOB_HURRIED
from sluice.sources.shipbob.webhook import SOURCE as SHIPBOB
from sluice.sources.shipbob.webhook import TOPICS as SHIPBOB_TOPICS
from sluice.sources.shipbob.webhook import ShipBobPushes
from sluice.webhooks.verifying import Scheme


class Pushing(Protocol):
    """How a source signs, and what its deliveries ask for; see ``usecases.receive_webhook.PushSource``."""

    @property
    def scheme(self) -> Scheme: ...

    def news(self, client_id: str, delivery: VerifiedDelivery) -> News | Sequence[News] | None: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """All but ``pushes`` are by stream; see ``topics_of``, ``hurried`` and ``statements_of``."""

    pushes: Pushing
    topics: Mapping[str, Sequence[str]]
    hurried: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    statements: Mapping[str, Sequence[Derivation]] = field(default_factory=dict)


_PUSHING: Mapping[str, _Entry] = {
    SHIPBOB: _Entry(ShipBobPushes(), SHIPBOB_TOPICS, SHIPBOB_HURRIED),
    # Its cohorts are told of whichever of its streams a client has, and neither of these is pushed.
    MIXPANEL: _Entry(
        MixpanelPushes(),
        {"events": (), "profiles": ()},
        statements={COHORT_MEMBERS: COHORT_STATEMENTS},
    ),
}

PUSH_SOURCES: Mapping[str, Pushing] = {name: entry.pushes for name, entry in _PUSHING.items()}
"""By their names, as they stand in the address of a webhook."""


def topics_of(source: str) -> Mapping[str, Sequence[str]]:
    """The topics of each stream that the source pushes; empty for a source that pushes nothing.

    A stream without topics is not pushed: beside it the source's webhooks bring something else.
    """
    entry = _PUSHING.get(source)
    return {} if entry is None else entry.topics


def hurried(key: StreamKey) -> Mapping[str, Any]:
    """What a slice that a push asked for changes of the stream's settings, so that it finds it due now."""
    entry = _PUSHING.get(key.source)
    return {} if entry is None else entry.hurried.get(key.stream, {})


def statements_of(key: StreamKey) -> Sequence[Derivation]:
    """What a part of a delivery for this stream runs, in order; empty where nothing comes in parts."""
    entry = _PUSHING.get(key.source)
    return () if entry is None else entry.statements.get(key.stream, ())
