"""Thousands of forgeries, of which none is taken in. ``python -m benchmarks.forgeries`` sends a million."""

from __future__ import annotations

from random import Random

import pytest

from sluice.core.webhooks import Refusal
from sluice.usecases.receive_webhook import Reception, receive_webhook
from tests.unit.webhooks.attacking import GENUINE_EVERY, attack
from tests.unit.webhooks.forging import WAYS, Way
from tests.unit.webhooks.receiving import Office
from tests.unit.webhooks.sending import Sent


def test_of_twenty_thousand_requests_exactly_the_genuine_ones_are_taken_in() -> None:
    """Every way of forging is among them, every reason to refuse is met, and two answers tell of both."""
    came, office = attack(20_000, seed=1)
    assert came.believed == []
    assert came.genuine_refused == []
    assert came.genuine == 20_000 // GENUINE_EVERY == len(office.queue.sent)
    assert all(office.inbox.queued.values())
    assert len(office.inbox.queued) == came.genuine
    assert set(came.forged) == {way.__name__ for way in WAYS}
    assert set(came.answers) == {401, 413}
    assert came.answers[413] == came.forged["too_large"] == came.refusals["too_large"]
    assert set(came.refusals) == set(Refusal) - {Refusal.SECRET_UNUSABLE}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_forging_spoils_a_delivery_that_is_believed_without_it(way: Way) -> None:
    """Fifty of each, so that none hides in the crowd."""
    for seed in range(50):
        sent, office = Sent(event_id=f"msg_{seed}"), Office()
        assert office.receive(sent).reception is Reception.QUEUED
        chance = Random(seed)  # noqa: S311  # repeatable on purpose
        receipt = receive_webhook(way(sent, chance), Office().kit())
        assert receipt.reception is Reception.REFUSED, seed
