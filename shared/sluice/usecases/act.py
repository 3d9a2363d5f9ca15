"""Act: what a person asks for by a button of the status page. First the audit row, then the act.

Killed in between, nothing was done and the row tells what was meant. What is refused after its row has a second one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sluice.core.errors import SettingInvalid, SluiceError, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.ports import Messages
from sluice.core.priorities import Priority
from sluice.core.steering.acting import Action, Done, Wanted
from sluice.core.steering.ports import Change
from sluice.core.steering.scopes import Scope, known_scope
from sluice.core.steering.switches import SUBJECT, SwitchBoard
from sluice.usecases import steer, undo_reconcile
from sluice.usecases.admission import ClientDesks
from sluice.usecases.steer import Steered


@dataclass(frozen=True, slots=True)
class Kit:
    """The ports that acting works on. ``steering`` has the streams of the registry, the audit, and who acts."""

    steering: steer.Kit
    messages: Messages
    desks: ClientDesks
    undoing: undo_reconcile.Kit
    new_id: Callable[[], str]


def act(kit: Kit, wanted: Wanted) -> Done:
    """Do it, once. Raises the SluiceError that says why not; then nothing was done, unless it says otherwise."""
    return _ACTS[wanted.action](kit, wanted)


def _sync(kit: Kit, wanted: Wanted) -> Done:
    """As `sluice sync` asks: before what the schedule asked for, and of a client at most ten requests."""
    key = _runnable(kit, wanted)
    full_since = kit.steering.clock() if wanted.action is Action.FULL_SYNC else None
    with_audit = _Audited(kit, wanted, key)
    with_audit.do(lambda: _ask(kit, key, full_since))
    if full_since is not None:
        return Done(
            f"A full sync of {key} was asked for",
            ("It is a backfill; its progress shows here once it began.",),
        )
    return Done(
        f"A sync of {key} was asked for",
        ("It begins within seconds, unless the client's slices are all at work.",),
    )


def _ask(kit: Kit, key: StreamKey, full_since: datetime | None) -> None:
    ticket = kit.new_id()
    if not kit.desks.take_ticket(key.client_id, ticket):
        most = kit.desks.rules.most_tickets
        raise SettingInvalid(
            f"{most} requests of {key.client_id} wait already; ask again once some have begun"
        )
    priority = Priority.BACKFILL if full_since else Priority.MANUAL
    try:
        kit.messages.ask_for_slice(
            key, reason="manual", full_since=full_since, priority=priority, ticket=ticket
        )
    except SluiceError:
        kit.desks.give_ticket_back(key.client_id, ticket)  # nobody would, and it keeps others out
        raise


def _redrive(kit: Kit, wanted: Wanted) -> Done:
    key = _runnable(kit, wanted)

    def ask() -> None:
        kit.messages.ask_for_slice(key, reason="redrive", priority=Priority.MANUAL)

    _Audited(kit, wanted, key).do(ask)
    told = "Rows that were written since keep what they have; what still cannot be loaded stays a reject."
    return Done(f"A redrive of {key} was asked for", (told,))


def _pause(kit: Kit, wanted: Wanted) -> Done:
    scope = _scope(kit, wanted.scope)
    done = steer.pause(kit.steering, scope, lasting=wanted.lasting, why=wanted.why)
    title = f"{scope} is paused" if done.changed else f"{scope} was paused already"
    return Done(title, tuple(_pause_lines(done)))


def _resume(kit: Kit, wanted: Wanted) -> Done:
    scope = _scope(kit, wanted.scope)
    done = steer.resume(kit.steering, scope, why=wanted.why)
    title = f"{scope} is resumed" if done.changed else f"{scope} has no pause of its own"
    wider = [f"{pause.scope} is still paused, and it with it" for pause in done.wider_pauses]
    due = [f"{done.sooner:,} stream(s) are due at once"] if done.sooner else []
    return Done(title, (*due, *wider))


def _pause_lines(done: Steered) -> Iterator[str]:
    until = done.after.pauses[done.scope].until
    yield f"{done.streams:,} active stream(s); no slice of them begins from 20 s on"
    if until is not None:
        yield f"It ends by itself at {until:%Y-%m-%d %H:%M} UTC"


def _undo(kit: Kit, wanted: Wanted) -> Done:
    done = undo_reconcile.undo_reconcile(kit.undoing, wanted.run_id, why=wanted.why)
    lines = []
    if done.left:
        lines.append(f"{done.left:,} stay as they are: they were written or brought back since")
    if done.removals.untraceable:
        lines.append(f"{done.removals.untraceable:,} cannot be told from other removals, and stay")
    lines.append("The next complete listing judges them again; look at the vendor's answers first.")
    return Done(f"{done.rows:,} row(s) of {done.removals.key} came back", tuple(lines))


@dataclass(frozen=True, slots=True)
class _Audited:
    """An act that is recorded before it is done, and once more when it failed."""

    kit: Kit
    wanted: Wanted
    key: StreamKey

    def do(self, what: Callable[[], None]) -> None:
        steering = self.kit.steering
        after = json.dumps({"asked": self.wanted.action.value})
        intent = Change(
            steering.actor, self.wanted.action.value, str(self.key), None, after, self.wanted.why
        )
        steering.audit.record(intent)
        try:
            what()
        except SluiceError as error:
            failed = replace(intent, action=f"{intent.action} failed", after=None, why=str(error))
            steering.audit.record(failed)
            raise


def _runnable(kit: Kit, wanted: Wanted) -> StreamKey:
    """The stream, if the registry has it and nothing pauses it: workers throw messages of paused ones away."""
    active = [each.key for each in kit.steering.streams if each.active]
    key = next((each for each in active if each == wanted.key), None)
    if key is None:
        raise StreamUnknown(f"{wanted.key}: the clients file has no active stream of this name")
    pause = _board(kit).pause_of(key)
    if pause is not None:
        raise SettingInvalid(f"{key} is paused by {pause.scope} ({pause.by}); resume it first")
    return key


def _scope(kit: Kit, text: str) -> Scope:
    """One that is known, or was when somebody switched it: that must be possible to take back."""
    scope, board = Scope.parse(text), _board(kit)
    keys = [each.key for each in kit.steering.streams]
    return scope if scope in {*board.pauses, *board.cadences} else known_scope(text, keys)


def _board(kit: Kit) -> SwitchBoard:
    return SwitchBoard.of_page(kit.steering.book.read(SUBJECT)).at(kit.steering.clock())


_ACTS: Mapping[Action, Callable[[Kit, Wanted], Done]] = {
    Action.SYNC: _sync,
    Action.FULL_SYNC: _sync,
    Action.PAUSE: _pause,
    Action.RESUME: _resume,
    Action.REDRIVE: _redrive,
    Action.UNDO_RECONCILE: _undo,
}
