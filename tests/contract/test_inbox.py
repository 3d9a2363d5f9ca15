"""What every inbox of deliveries must keep to, beside the pushes that note there what they applied."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import pytest

from sluice.core.ports import Applied
from sluice.core.records import PushEvent
from sluice.core.webhooks import InboxEntry
from sluice.postgres.inbox import PostgresInbox
from sluice.usecases.apply_hint import DoneWith
from sluice.usecases.clean_up import PrunesInbox
from sluice.usecases.receive_webhook import Inbox
from tests.contract.stores import KEY, NOW, STREAM, MemoryStore, PostgresStore, Store
from tests.memory.inbox import MemoryInbox
from tests.memory.streams import thing

ENTRY = InboxEntry(KEY.client_id, KEY.source, "msg_1")


class Both(Inbox, DoneWith, PrunesInbox, Protocol):
    """An inbox, as the receiver, the applier and cleanup see it."""


@pytest.fixture
def inbox(store: Store) -> Both:
    if isinstance(store, MemoryStore):
        return MemoryInbox(store.commits.database)
    assert isinstance(store, PostgresStore)
    return PostgresInbox(store.connection)


def apply(store: Store, event_id: str = "msg_1", version: int = 1) -> Applied:
    event = PushEvent(event_id, KEY, thing("a", version, version))
    return store.pushes.apply(event, STREAM)


def test_a_delivery_is_queued_once_it_is_known_to_be(inbox: Both) -> None:
    """Noted is not enough: its receiver may have died before it sent the message."""
    assert inbox.note(ENTRY, NOW) is False
    assert inbox.note(ENTRY, NOW + timedelta(seconds=5)) is False
    inbox.note_queued(ENTRY)
    assert inbox.note(ENTRY, NOW) is True
    inbox.note_queued(ENTRY)
    assert inbox.note(ENTRY, NOW) is True


def test_what_was_applied_was_queued(store: Store, inbox: Both) -> None:
    """Whatever became of the note that says so."""
    assert inbox.note(ENTRY, NOW) is False
    assert apply(store) is Applied.WRITTEN
    assert inbox.note(ENTRY, NOW) is True


def test_being_noted_or_queued_is_not_being_applied(store: Store, inbox: Both) -> None:
    """Else nothing that was received would ever be applied."""
    inbox.note(ENTRY, NOW)
    inbox.note_queued(ENTRY)
    assert apply(store) is Applied.WRITTEN
    assert apply(store, version=2) is Applied.REPEATED


def test_a_row_that_nobody_noted_is_applied_once_as_well(store: Store, inbox: Both) -> None:
    assert apply(store) is Applied.WRITTEN
    assert apply(store, version=2) is Applied.REPEATED
    assert inbox.note(ENTRY, NOW) is True


def test_only_what_was_applied_is_done(store: Store, inbox: Both) -> None:
    """Whoever received it may have noted and queued it: that is not yet the work."""
    assert inbox.is_done(ENTRY, NOW) is False
    inbox.note_queued(ENTRY)
    assert inbox.is_done(ENTRY, NOW) is False
    assert apply(store) is Applied.WRITTEN
    assert inbox.is_done(ENTRY, NOW) is True


def test_what_is_done_without_storing_anything_is_not_applied_after_all(
    store: Store, inbox: Both
) -> None:
    inbox.note_done(ENTRY)
    inbox.note_done(ENTRY)
    assert inbox.is_done(ENTRY, NOW) is True
    assert inbox.note(ENTRY, NOW) is True
    assert apply(store) is Applied.REPEATED


def test_event_ids_are_each_clients_and_each_sources_own(inbox: Both) -> None:
    inbox.note(ENTRY, NOW)
    inbox.note_queued(ENTRY)
    assert inbox.note(InboxEntry("bolt", KEY.source, "msg_1"), NOW) is False
    assert inbox.note(InboxEntry(KEY.client_id, "other", "msg_1"), NOW) is False


def test_old_deliveries_are_forgotten_oldest_first_and_so_many_at_a_time(inbox: Both) -> None:
    """Those received before the moment given, and no others, queued or not."""
    for n in range(5):
        entry = InboxEntry("acme", "shop", f"msg_{n}")
        inbox.note(entry, NOW - timedelta(days=n))
        inbox.note_queued(entry)
    before = NOW - timedelta(days=1, hours=12)
    assert inbox.prune(before=before, limit=2) == 2
    assert inbox.prune(before=before, limit=2) == 1
    assert inbox.prune(before=before, limit=2) == 0
    known = [inbox.note(InboxEntry("acme", "shop", f"msg_{n}"), NOW) for n in range(5)]
    assert known == [True, True, False, False, False]
