"""Applying a part of a delivery: by its source's own statements, and no stream is opened and no vendor asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from sluice.core.errors import (
    DatabaseUnavailable,
    InvariantBroken,
    SchemaTooOld,
    SecretMissing,
    SettingInvalid,
    SluiceError,
    StreamUnknown,
)
from sluice.core.keys import StreamKey
from sluice.core.ports import Applied
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Pause
from sluice.core.webhooks import Portion
from sluice.messages import ApplyMessage
from sluice.usecases.apply_hint import ApplyReport, Kit, Outcome, apply_push
from sluice.usecases.waiting import MOST_ATTEMPTS
from tests.unit.usecases.hinting import LEFT, NOW, Desk, Opener

KEY = StreamKey("acme", "mixpanel", "cohort_members")
PAUSE = Pause(Scope.parse("acme"), NOW, "ann")
PORTION = Portion("d1/1-1", KEY, {"members": [{"id": "ada"}], "name": None}, "add_members")


@dataclass
class MemoryPortions:
    """Keeps what it was given; ``answer`` is what it says, or raises."""

    answer: Applied | Exception = Applied.WRITTEN
    given: list[tuple[Portion, datetime]] = field(default_factory=list)

    def apply(self, portion: Portion, received_at: datetime) -> Applied:
        self.given.append((portion, received_at))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class PortionDesk(Desk):
    """No stream can be opened here: nothing polls what portions fill."""

    def __init__(self) -> None:
        super().__init__()
        self.portions: MemoryPortions | None = MemoryPortions()
        self.opened = StreamUnknown("cohort_members is no stream")

    def portion(self, portion: Portion = PORTION, **told: Any) -> ApplyReport:
        message = ApplyMessage.asking_for(portion, **{"received_at": NOW, **told})
        kit = Kit(
            inbox=self.inbox,
            pushes=self.pushes,
            portions=self.portions,
            queue=self.queue,
            messages=self.messages,
            deliveries=self.come_backs,
            switches=self.switches,
            streams=Opener(self.opened),
            looked=self.looked,
            clock=lambda: self.now,
            chance=lambda: 0.5,
        )
        return apply_push(message, self.now + LEFT, kit)


@pytest.fixture
def desk() -> PortionDesk:
    return PortionDesk()


@pytest.mark.parametrize(
    ("applied", "outcome"),
    [
        (Applied.WRITTEN, Outcome.WRITTEN),
        (Applied.UNCHANGED, Outcome.UNCHANGED),
        (Applied.REPEATED, Outcome.REPEATED),
    ],
)
def test_a_portion_is_applied_with_the_moment_at_which_it_was_received(
    desk: PortionDesk, applied: Applied, outcome: Outcome
) -> None:
    """What is put off for an hour keeps its place among others by that."""
    desk.portions = portions = MemoryPortions(applied)
    desk.now = NOW + timedelta(hours=1)
    report = desk.portion()
    assert portions.given == [(PORTION, NOW)]
    assert (report.outcome, report.key, report.topic) == (outcome, KEY, "add_members")
    assert (report.waited, report.object_id) == (timedelta(hours=1), None)


def test_a_pause_keeps_it_for_later(desk: PortionDesk) -> None:
    """A hint that is dropped, polling mends. Nothing brings a page of members again."""
    desk.switches.pause = PAUSE
    for _ in range(MOST_ATTEMPTS + 2):
        assert desk.portion().outcome is Outcome.PAUSED
        [(_, delay)] = desk.queue.sent
        [again] = desk.queue.take_all()
        assert (again.news, again.received_at, again.attempt) == (PORTION, NOW, 0)
        assert delay == timedelta(minutes=15)
    assert desk.portions is not None
    assert desk.portions.given == []
    desk.switches.pause = None
    assert desk.portion().outcome is Outcome.WRITTEN


def test_a_pause_leaves_it_the_attempts_that_it_had(desk: PortionDesk) -> None:
    desk.switches.pause = PAUSE
    desk.portion(attempt=3)
    assert [message.attempt for message in desk.queue.take_all()] == [3]


OURS = [
    DatabaseUnavailable("the pooler does not answer"),
    SecretMissing("the key of the database's secret is switched off"),
    SettingInvalid("table sluice-limits: access denied"),
    SchemaTooOld("the database is at migration 0001"),
]


@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
def test_what_our_own_stores_refuse_is_put_off_and_in_the_end_a_dead_letter(
    desk: PortionDesk, error: SluiceError
) -> None:
    """No polling would bring what is given up here, and who mends a setting finds it among the dead letters."""
    desk.portions = MemoryPortions(error)
    desk.now = NOW + timedelta(hours=2)
    assert desk.portion().outcome is Outcome.DEFERRED
    [again] = desk.queue.take_all()
    assert (again.news, again.received_at, again.attempt) == (PORTION, NOW, 1)
    with pytest.raises(type(error)):
        desk.portion(attempt=MOST_ATTEMPTS)
    assert desk.queue.sent == []


@pytest.mark.parametrize("store", ["inbox", "switches"])
def test_so_it_is_whichever_of_them_refuses(
    desk: PortionDesk, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise SettingInvalid("access denied")

    asked = "is_done" if store == "inbox" else "pause_of"
    monkeypatch.setattr(getattr(desk, store), asked, refuse)
    assert desk.portion().outcome is Outcome.DEFERRED
    with pytest.raises(SettingInvalid):
        desk.portion(attempt=MOST_ATTEMPTS)


def test_where_nobody_applies_portions_it_is_a_bug_and_loud(desk: PortionDesk) -> None:
    desk.portions = None
    with pytest.raises(InvariantBroken, match="nobody here applies"):
        desk.portion()
