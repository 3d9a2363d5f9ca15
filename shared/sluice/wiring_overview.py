"""What a look at the whole is made of: the same for a deployed function and for a person's command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.core.budget import Clock
from sluice.core.overview.picture import DEAD_LETTERS, DEAD_PUSHES
from sluice.core.overview.stream_history import Histories, WatchedStream
from sluice.core.steering.switches import SwitchBoard
from sluice.dynamo.account_pages import DynamoAccountPages
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry
from sluice.queues.depths import SqsDepths
from sluice.sources.account_limits import account_of
from sluice.sources.pushes import topics_of
from sluice.usecases.overview import Kit, Watched, WatchedAccount

QUEUES = {
    "slices": "SLUICE_QUEUE_URL",
    "backfills": "SLUICE_BACKFILL_QUEUE_URL",
    "pushes": "SLUICE_PUSH_QUEUE_URL",
    DEAD_LETTERS: "SLUICE_DLQ_URL",
    DEAD_PUSHES: "SLUICE_PUSH_DLQ_URL",
}
"""Queues as people call them, and the variable that has each one's address."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The deployment's stores, as whoever looks reaches them. ``names`` has the queues' addresses and the name of
    the table of limits; a queue that an older deployment lacks is left out."""

    aws: Callable[[str], Any]
    names: Mapping[str, str]
    registry: DynamoRegistry
    leases: DynamoLeaseStore
    histories: Histories
    board: Callable[[], SwitchBoard]
    clock: Clock


def kit_of(stores: Stores) -> Kit:
    """What ``usecases.overview.look`` needs."""
    names = stores.names
    urls = {queue: url for queue, name in QUEUES.items() if (url := names.get(name))}
    return Kit(
        registry=lambda: watched(stores.registry.show()),
        histories=stores.histories,
        board=stores.board,
        queues=SqsDepths(stores.aws("sqs"), urls),
        pages=DynamoAccountPages(stores.aws("dynamodb"), names.get("SLUICE_LIMITS_TABLE", "")),
        leases=stores.leases,
        clock=stores.clock,
        pool_size=int(names.get("SLUICE_POOL_SIZE") or 0) or None,
    )


def watched(entries: Sequence[RegistryEntry]) -> Watched:
    """The registry as a look at the whole sees it."""
    accounts: dict[tuple[str, str, str], WatchedAccount] = {}
    for entry in entries:
        # Of each secret once: reading the settings of 15,000 streams would be a second of its own.
        kind = (entry.key.source, entry.key.stream, entry.secret)
        if kind not in accounts:
            found = account_of(entry.key, entry.settings, entry.secret)
            accounts[kind] = WatchedAccount(found.subject, found.name, found.limits)
    return Watched([_stream(entry) for entry in entries], list(accounts.values()))


def _stream(entry: RegistryEntry) -> WatchedStream:
    pushed = entry.webhook_secret is not None
    return WatchedStream(
        key=entry.key,
        cadence=entry.cadence,
        watch=entry.watch,
        enabled=entry.enabled,
        paused=entry.paused,
        due_at=entry.due_at,
        since=entry.updated_at,
        resumed_at=entry.resumed_at,
        pushed=pushed,
        topics=topics_of(entry.key.source).get(entry.key.stream, ()) if pushed else (),
    )
