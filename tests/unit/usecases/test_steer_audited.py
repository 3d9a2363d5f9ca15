"""Steering is audited first, then done: whatever fails in between, and whoever else steers meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import pytest

from sluice.core.errors import DatabaseUnavailable, SettingInvalid, StateUnavailable, Superseded
from sluice.core.keys import StreamKey
from sluice.core.steering.switches import Recorded
from sluice.usecases import steer
from tests.memory.steering import MemorySteering
from tests.unit.usecases.steering_stand import ACME, CARS, EVERYTHING, HOUR, Stand


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_each_change_is_audited_before_it_is_made(stand: Stand) -> None:
    """What cannot be audited is not done; the board remembers the row that it rests on."""
    steer.pause(stand.kit("ann"), ACME, why="vendor")
    steer.resume(stand.kit("bob"), ACME, why="mended")
    steer.set_cadence(stand.kit("ann"), EVERYTHING, HOUR)
    assert stand.audit.writes_before == [0, 1, 2]
    assert stand.audited() == [
        ("ann", "pause", "acme"),
        ("bob", "resume", "acme"),
        ("ann", "cadence", "*"),
    ]
    paused, resumed, cadence = stand.audit.changes
    assert (paused.before, paused.why) == (None, "vendor")
    assert (resumed.before, resumed.after, resumed.why) == (paused.after, None, "mended")
    assert json.loads(cadence.after or "")["every_s"] == 3600
    assert stand.board().audited == Recorded(3, "digest 3")


def test_the_audit_has_switches_in_one_form(stand: Stand) -> None:
    """With its names in their order: rows are compared as text, by people and by the next change."""
    steer.pause(stand.kit("ann"), ACME, why="vendor")
    steer.set_cadence(stand.kit("ann"), ACME, HOUR)
    paused, cadence = (each.after for each in stand.audit.changes)
    since = "2026-03-01T12:00:00+00:00"
    assert paused == f'{{"by": "ann", "since": "{since}", "until": null, "why": "vendor"}}'
    assert cadence == f'{{"by": "ann", "every_s": 3600, "since": "{since}", "why": null}}'


def test_without_the_audit_nothing_is_switched(stand: Stand) -> None:
    stand.audit.is_away = True
    with pytest.raises(DatabaseUnavailable):
        steer.pause(stand.kit(), ACME)
    assert stand.book.writes == 0


def test_a_switch_that_fails_is_audited_too(stand: Stand) -> None:
    stand.book.fails = StateUnavailable("table limits: down")
    with pytest.raises(StateUnavailable):
        steer.pause(stand.kit(), ACME, why="vendor")
    intent, failed = stand.audit.changes
    assert (intent.action, failed.action, failed.scope) == ("pause", "pause failed", "acme")
    assert (failed.before, failed.after, failed.why) == (None, None, "table limits: down")
    assert not stand.is_paused(CARS)


def test_of_two_who_switch_the_same_at_once_one_is_told(stand: Stand) -> None:
    """Else the audit would say that each found what the other had changed already."""
    stand.book.before_write = lambda: _ignore(steer.pause(stand.kit("bob"), ACME, why="mine"))
    with pytest.raises(Superseded, match="acme was switched by somebody else at this moment"):
        steer.pause(stand.kit("ann"), ACME, lasting=HOUR)
    assert stand.board().pauses[ACME].by == "bob"
    assert [action for _, action, _ in stand.audited()] == ["pause", "pause", "pause failed"]
    assert stand.due() == []


def test_two_who_switch_different_scopes_at_once_both_do(stand: Stand) -> None:
    """And the newest audit row is remembered, though the older one is written last."""
    stand.book.before_write = lambda: _ignore(steer.set_cadence(stand.kit("bob"), ACME, HOUR))
    done = steer.pause(stand.kit("ann"), ACME)
    assert stand.board().pauses[ACME].by == "ann"
    assert stand.board().cadences[ACME].by == "bob"
    assert done.after == stand.board()
    assert stand.board().audited == Recorded(2, "digest 2")


def test_streams_that_cannot_be_made_due_are_told_of_with_the_switch(stand: Stand) -> None:
    """The pause is lifted by then, which an error about a table alone would not say."""
    steer.pause(stand.kit(), ACME)

    class Down(MemorySteering):
        def due_by(self, moments: Mapping[StreamKey, datetime]) -> int:
            raise StateUnavailable("table registry: down")

    kit = replace(stand.kit(), registry=Down(stand.registry))
    acts: list[Callable[[], object]] = [
        lambda: steer.resume(kit, ACME),
        lambda: steer.set_cadence(kit, ACME, HOUR),
        lambda: steer.pause(kit, ACME, lasting=HOUR),
    ]
    for act in acts:
        with pytest.raises(StateUnavailable, match=r"acme is switched, but .*registry: down"):
            act()
    assert [each.action for each in stand.audit.changes] == ["pause", "resume", "cadence", "pause"]


def test_a_board_that_grew_too_large_is_refused_before_anything_is_recorded(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.core.steering.switches.MOST_BYTES", 50)
    with pytest.raises(SettingInvalid, match="too many for one page"):
        steer.pause(stand.kit(), ACME)
    assert (stand.audit.changes, stand.book.writes) == ([], 0)


def _ignore(_: object) -> None:
    """What is done for its effect only."""
