"""Nothing that a vendor was told to forget is lost, whatever dies and whatever does not answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import RetryLater, SchemaTooOld
from sluice.core.webhooks import InboxEntry
from sluice.usecases.receive_webhook import Kit, Reception, receive_webhook
from tests.unit.usecases.world import Killed, Recorder, Tape
from tests.unit.webhooks.receiving import MemoryInbox, Office, request_of
from tests.unit.webhooks.sending import Sent

ENTRY = InboxEntry("acme", "parcels", "msg_1")


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_delivery_that_was_noted_but_perhaps_not_queued_is_queued_again(office: Office) -> None:
    """The queue did not take it, its vendor is told so (503), and its entry alone acknowledges nothing."""
    office.queue.away = True
    first = office.receive(Sent())
    assert (first.reception, first.status) == (Reception.UNAVAILABLE, 503)
    assert first.detail == "queue pushes: throttled"
    assert office.inbox.queued == {ENTRY: False}
    office.queue.away = False
    assert office.receive(Sent()).reception is Reception.QUEUED
    assert len(office.queue.sent) == 1


def test_a_store_that_is_away_is_no_refusal(office: Office) -> None:
    """The vendor sends again, and then it is heard."""
    office.inbox.away = True
    assert office.receive(Sent()).status == 503
    assert office.queue.sent == []
    office.inbox.away = False
    office.secrets.by_client["acme", "parcels"] = RetryLater("Secrets Manager does not answer")
    receipt = office.receive(Sent())
    assert (receipt.status, receipt.detail) == (503, "Secrets Manager does not answer")


def test_a_message_that_is_queued_is_acknowledged_though_that_could_not_be_noted(
    office: Office,
) -> None:
    """The database went away in between. To send the vendor away would only bring it twice."""

    class Leaving(MemoryInbox):
        def note_queued(self, entry: InboxEntry) -> None:
            self.away = True
            super().note_queued(entry)

    office.inbox = Leaving()
    assert office.receive(Sent()).status == 202
    assert len(office.queue.sent) == 1


def test_what_a_person_must_mend_is_not_taken_for_a_bad_moment(office: Office) -> None:
    """It is raised, so that the function fails and an alarm rings."""

    class Old(MemoryInbox):
        def note(self, entry: InboxEntry, now: object) -> bool:
            raise SchemaTooOld("sluice.inbox lacks queued_at")

    office.inbox = Old()
    with pytest.raises(SchemaTooOld):
        office.receive(Sent())


def taped(office: Office, tape: Tape) -> Kit:
    return office.kit(
        secrets=Recorder(office.secrets, "secrets", tape),
        inbox=Recorder(office.inbox, "inbox", tape),
        queue=Recorder(office.queue, "queue", tape),
    )


CALLS = ["secrets.active", "inbox.note", "queue.ask_to_apply", "inbox.note_queued"]
MOMENTS = 2 * len(CALLS)


def test_a_delivery_takes_four_calls(office: Office) -> None:
    """Its vendor waits for the answer, and 15 s at the longest."""
    tape = Tape()
    receive_webhook(request_of(Sent()), taped(office, tape))
    assert (tape.calls, tape.moments) == (CALLS, MOMENTS)


@pytest.mark.parametrize("kill_at", range(1, MOMENTS + 1))
def test_killed_at_any_moment_the_delivery_that_comes_again_is_queued(
    office: Office, kill_at: int
) -> None:
    """Before and after each call. At most one more message than one is the price."""
    with pytest.raises(Killed):
        receive_webhook(request_of(Sent()), taped(office, Tape(kill_at)))
    assert office.receive(Sent()).status in (200, 202)
    assert 1 <= len(office.queue.sent) <= 2
    assert office.inbox.queued == {ENTRY: True}
    before = len(office.queue.sent)
    assert office.receive(Sent()).reception is Reception.REPEATED
    assert len(office.queue.sent) == before


attempts = st.tuples(st.sampled_from(["msg_1", "msg_2", "msg_3"]), st.integers(0, MOMENTS + 4))


@given(st.lists(attempts, max_size=30))
def test_whatever_dies_and_whatever_is_repeated_each_acknowledged_delivery_is_queued(
    script: Sequence[tuple[str, int]],
) -> None:
    """Three deliveries in any order, any of them killed at any moment (beyond the last one: not at all)."""
    office, acknowledged = Office(), set()
    for event_id, kill_at in script:
        request = request_of(Sent(event_id))
        try:
            receipt = receive_webhook(request, taped(office, Tape(kill_at or None)))
        except Killed:
            continue
        assert receipt.reception in (Reception.QUEUED, Reception.REPEATED)
        acknowledged.add(event_id)
        assert acknowledged <= {news.event_id for news in office.queue.sent}
    deaths = sum(0 < kill_at <= MOMENTS for _, kill_at in script)
    queued = [news.event_id for news in office.queue.sent]
    assert len(queued) <= len(set(queued)) + deaths
