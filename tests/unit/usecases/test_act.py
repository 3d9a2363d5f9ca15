"""Buttons of the status page: what each comes to, that it is audited first, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from sluice.core.desk.admitting import DeskRules
from sluice.core.errors import DatabaseUnavailable, QueueUnavailable, SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.records import Table
from sluice.core.steering.acting import Action, Wanted
from sluice.core.steering.ports import Change
from sluice.core.steering.scopes import Scope
from sluice.core.steering.undoing import Removals
from sluice.pages.wanted import actor_of, read_wanted
from sluice.sources.cars.table import CARS as CARS_TABLE
from sluice.usecases import act, steer, undo_reconcile
from sluice.usecases.admission import ClientDesks
from tests.memory.messages import MemoryMessages
from tests.unit.usecases.steering_stand import ACME, BOLT, CARS, DAY, HOUR, NOW, Stand

RUN = "471174b6-3f2a-4c58-9d02-5f4a7c1e0b11"


@dataclass
class Undoing:
    """A run that removed some rows, of which some may come back."""

    stand: Stand
    found: Removals | None = field(default_factory=lambda: Removals(RUN, CARS, True, 5))
    rows: int = 3

    def removals_of(self, run_id: str) -> Removals | None:
        return self.found if self.found and run_id == self.found.run_id else None

    def restorable(self, removals: Removals, table: Table) -> int:
        return self.rows

    def restore(self, removals: Removals, table: Table, change: Callable[[int], Change]) -> int:
        self.stand.audit.record(change(self.rows))
        return self.rows


class Office:
    """Somebody who presses buttons before two clients' streams."""

    def __init__(self) -> None:
        self.stand = Stand()
        self.messages = MemoryMessages()
        self.undoing = Undoing(self.stand)
        self.ids = iter(f"id-{n}" for n in range(100))

    def press(self, action: Action, key: StreamKey | None = CARS, **more: object) -> list[str]:
        wanted = Wanted(action, key=key, **more)  # type: ignore[arg-type]
        done = act.act(self.kit(), wanted)
        return [done.title, *done.lines]

    def kit(self) -> act.Kit:
        desks = ClientDesks(self.stand.book, lambda: self.stand.now, DeskRules(most_tickets=2))
        undoing = undo_reconcile.Kit(self.undoing, lambda _: CARS_TABLE, "me")
        return act.Kit(self.stand.kit(), self.messages, desks, undoing, lambda: next(self.ids))


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_sync_is_asked_for_as_the_command_asks(office: Office) -> None:
    """Before what the schedule asked for, with a ticket of the client's, and audited."""
    assert office.press(Action.SYNC, why="a customer waits") == [
        f"A sync of {CARS} was asked for",
        "It begins within seconds, unless the client's slices are all at work.",
    ]
    [message] = office.messages.take_all()
    assert (message.key, message.reason, message.priority) == (CARS, "manual", Priority.MANUAL)
    assert (message.full_since, message.ticket) == (None, "id-0")
    [change] = office.stand.audit.changes
    assert (change.actor, change.action, change.scope, change.why) == (
        "me",
        "sync",
        str(CARS),
        "a customer waits",
    )
    assert json.loads(change.after or "") == {"asked": "sync"}


def test_a_full_sync_is_a_backfill(office: Office) -> None:
    assert office.press(Action.FULL_SYNC) == [
        f"A full sync of {CARS} was asked for",
        "It is a backfill; its progress shows here once it began.",
    ]
    [message] = office.messages.take_all()
    assert (message.full_since, message.priority) == (NOW, Priority.BACKFILL)
    assert office.stand.audited() == [("me", "full-sync", str(CARS))]


def test_a_redrive_loads_rejects_again(office: Office) -> None:
    assert office.press(Action.REDRIVE) == [
        f"A redrive of {CARS} was asked for",
        "Rows that were written since keep what they have; what still cannot be loaded stays a reject.",
    ]
    [message] = office.messages.take_all()
    assert (message.reason, message.priority) == ("redrive", Priority.MANUAL)
    assert office.stand.audited() == [("me", "redrive", str(CARS))]


@pytest.mark.parametrize("action", [Action.SYNC, Action.FULL_SYNC, Action.REDRIVE])
def test_what_nobody_would_work_on_is_not_asked_for(office: Office, action: Action) -> None:
    """A paused stream, one that is not there, a disabled one: refused before anything is written."""
    steer.pause(office.stand.kit("ann"), ACME)
    with pytest.raises(SettingInvalid, match=r"is paused by acme \(ann\); resume it first"):
        office.press(action)
    with pytest.raises(StreamUnknown, match="no active stream"):
        office.press(action, StreamKey("acme", "cars", "nothing"))
    office.stand.set(BOLT, enabled=False)
    with pytest.raises(StreamUnknown, match="no active stream"):
        office.press(action, BOLT)
    assert office.messages.take_all() == []
    assert office.stand.audited() == [("ann", "pause", "acme")]


def test_too_many_requests_of_a_client_are_refused_and_said_so(office: Office) -> None:
    """As the command refuses them; the audit has what was meant, and that it failed."""
    for _ in range(2):
        office.press(Action.SYNC)
    with pytest.raises(SettingInvalid, match="2 requests of acme wait already"):
        office.press(Action.SYNC)
    assert len(office.messages.take_all()) == 2
    assert [action for _, action, _ in office.stand.audited()][-2:] == ["sync", "sync failed"]
    office.press(Action.SYNC, BOLT)


def test_what_the_queue_did_not_take_does_not_wait(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two presses that failed would otherwise be two requests that wait, for an hour."""

    def away(*_: object, **__: object) -> None:
        raise QueueUnavailable("SQS: down")

    with monkeypatch.context() as patch:
        patch.setattr(office.messages, "ask_for_slice", away)
        for _ in range(2):
            with pytest.raises(QueueUnavailable):
                office.press(Action.SYNC)
    office.press(Action.SYNC)
    office.press(Action.SYNC)
    assert len(office.messages.take_all()) == 2


def test_nothing_is_done_that_cannot_be_audited(office: Office) -> None:
    office.stand.audit.is_away = True
    for action in (Action.SYNC, Action.FULL_SYNC, Action.REDRIVE):
        with pytest.raises(DatabaseUnavailable):
            office.press(action)
    with pytest.raises(DatabaseUnavailable):
        office.press(Action.PAUSE, None, scope="acme")
    assert office.messages.take_all() == []
    assert not office.stand.is_paused(CARS)


def test_a_queue_that_does_not_answer_leaves_a_second_row(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise QueueUnavailable("SQS: down")

    monkeypatch.setattr(office.messages, "ask_for_slice", away)
    with pytest.raises(QueueUnavailable):
        office.press(Action.REDRIVE)
    [_, second] = office.stand.audit.changes
    assert (second.action, second.after, second.why) == ("redrive failed", None, "SQS: down")


def test_pause_and_resume_are_the_commands_own(office: Office) -> None:
    said = office.press(Action.PAUSE, None, scope=str(CARS), lasting=HOUR, why="asked")
    assert said == [
        f"{CARS} is paused",
        "1 active stream(s); no slice of them begins from 20 s on",
        "It ends by itself at 2026-03-01 13:00 UTC",
    ]
    assert office.stand.board().pauses[Scope.parse(str(CARS))].why == "asked"
    again = office.press(Action.PAUSE, None, scope=str(CARS), lasting=HOUR, why="asked")
    assert again[0] == f"{CARS} was paused already"
    steer.pause(office.stand.kit("ann"), ACME)
    resumed = office.press(Action.RESUME, None, scope=str(CARS))
    assert resumed == [f"{CARS} is resumed", "acme is still paused, and it with it"]
    last = office.press(Action.RESUME, None, scope="acme", why="mended")
    assert last == ["acme is resumed", "2 stream(s) are due at once"]
    assert office.stand.audit.changes[-1].why == "mended"
    assert not office.stand.is_paused(CARS)
    assert office.press(Action.RESUME, None, scope="acme") == ["acme has no pause of its own"]


def test_a_pause_without_an_end_says_of_none(office: Office) -> None:
    assert office.press(Action.PAUSE, None, scope="acme") == [
        "acme is paused",
        "2 active stream(s); no slice of them begins from 20 s on",
    ]


def test_a_scope_that_is_not_there_is_refused_unless_it_is_switched(office: Office) -> None:
    """What was switched can be taken back, also when its client has left."""
    with pytest.raises(StreamUnknown, match="nothing is called"):
        office.press(Action.PAUSE, None, scope="nobody")
    office.press(Action.PAUSE, None, scope=str(Scope("bolt")))
    del office.stand.registry.entries[BOLT]
    assert office.press(Action.RESUME, None, scope="bolt")[0] == "bolt is resumed"


def test_undoing_says_what_came_back_and_what_did_not(office: Office) -> None:
    office.undoing.found = Removals(RUN, CARS, True, 5, 1)
    said = office.press(Action.UNDO_RECONCILE, None, run_id=RUN, why="wrong")
    assert said == [
        f"3 row(s) of {CARS} came back",
        "1 stay as they are: they were written or brought back since",
        "1 cannot be told from other removals, and stay",
        "The next complete listing judges them again; look at the vendor's answers first.",
    ]
    assert office.stand.audited() == [("me", "undo reconcile", str(CARS))]
    assert office.stand.audit.changes[0].why == "wrong"


def test_undoing_of_which_all_came_back_speaks_of_none_that_did_not(office: Office) -> None:
    office.undoing.rows = 5
    assert office.press(Action.UNDO_RECONCILE, None, run_id=RUN) == [
        f"5 row(s) of {CARS} came back",
        "The next complete listing judges them again; look at the vendor's answers first.",
    ]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (None, "none of this id"),
        (Removals(RUN, CARS, False, 5), "still open"),
        (Removals(RUN, CARS, True, 0), "removed nothing"),
        (Removals(RUN, CARS, True, 4, 4), "before this was noted"),
    ],
)
def test_what_cannot_be_undone_is_refused(
    office: Office, found: Removals | None, told: str
) -> None:
    office.undoing.found = found
    with pytest.raises(SettingInvalid, match=told):
        office.press(Action.UNDO_RECONCILE, None, run_id=RUN)
    assert office.stand.audited() == []


FORMS = {
    "forms": {
        "all": {"why": "typed", "lasting": "2h", "key": "evil#cars#cars", "scope": "*", "run": "x"}
    }
}


def test_what_is_acted_on_never_comes_from_a_form() -> None:
    """The question named one thing: another one in a field of the page must not be meant."""
    event = {"do": "sync", "key": str(CARS), "widgetContext": FORMS}
    assert read_wanted(event) == Wanted(Action.SYNC, key=CARS, why="typed")
    paused = read_wanted({"do": "pause", "scope": "acme", "widgetContext": FORMS})
    assert (paused.scope, paused.lasting, paused.why) == ("acme", timedelta(hours=2), "typed")
    for do in ("sync", "full-sync", "redrive", "pause", "resume", "undo-reconcile"):
        with pytest.raises(SettingInvalid, match="say what to act on"):
            read_wanted({"do": do, "widgetContext": FORMS})


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({}, "do None"),
        ({"do": "drop tables"}, "do 'drop tables'"),
        ({"do": "sync", "key": "half"}, "stream key"),
        ({"do": "sync", "key": str(CARS), "why": "two\nlines"}, "why: write one line"),
        ({"do": "sync", "key": str(CARS), "why": "x" * 201}, "why: write one line"),
        ({"do": "pause", "scope": "acme", "lasting": "9y"}, "lasting '9y'"),
        ({"do": "pause", "scope": ["acme"]}, "scope: say"),
    ],
)
def test_presses_that_cannot_be_read_are_named(event: dict[str, object], named: str) -> None:
    with pytest.raises(SettingInvalid, match=named):
        read_wanted(event)


def test_the_audit_has_what_a_dashboard_tells_of_who_pressed() -> None:
    """Not the person, whom it does not name: the dashboard, the account, and the request that CloudTrail knows."""
    event = {"widgetContext": {"dashboardName": "sluice", "accountId": "123456789012"}}
    assert actor_of(event, "r-1") == "console: sluice of account 123456789012, request r-1"
    assert actor_of({}, "r-1") == "console: no dashboard, request r-1"
    odd = actor_of({"widgetContext": {"dashboardName": "a\nb" * 90, "accountId": 7}}, "")
    assert "\n" not in odd
    assert len(odd) < 200
    assert DAY > HOUR
