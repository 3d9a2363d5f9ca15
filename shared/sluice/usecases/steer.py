"""Steer: pause, resume and set the cadence of whatever a scope covers, while everything runs.

First the audit row, then the switch, then the registry. Killed after the first, nothing changed and the
row tells what was meant; killed after the second, the switch acts and streams wait for their own beat.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sluice.core.budget import Clock
from sluice.core.errors import SettingInvalid, SluiceError, StateUnavailable, Superseded
from sluice.core.keys import StreamKey
from sluice.core.ports import Book, Revised
from sluice.core.steering.ports import Audit, Change, SteeredStream, Steering
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import (
    SUBJECT,
    Cadence,
    Pause,
    SwitchBoard,
    cadence_json,
    pause_json,
)

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=7)
"""Of a cadence, as in the clients file."""

MOST_WHY = 200


@dataclass(frozen=True, slots=True)
class Kit:
    """The ports that steering works on. ``streams`` are those of the registry as they were found,
    ``actor`` is who steers, as the audit shall name them."""

    book: Book
    audit: Audit
    registry: Steering
    streams: Sequence[SteeredStream]
    clock: Clock
    actor: str

    def covered(self, scope: Scope) -> list[SteeredStream]:
        return [each for each in self.streams if each.active and scope.covers(each.key)]


@dataclass(frozen=True, slots=True)
class Steered:
    """What a change came to. ``streams`` is how many active ones the scope covers, ``sooner`` how
    many of them are due sooner by it. Without ``changed``, all was as wanted before."""

    scope: Scope
    before: SwitchBoard
    after: SwitchBoard
    streams: int
    sooner: int = 0
    changed: bool = True

    @property
    def wider_pauses(self) -> Sequence[Pause]:
        """What pauses the scope as part of something wider, narrowest first."""
        found = [pause for scope, pause in self.after.pauses.items() if self.scope.within(scope)]
        return sorted(found, key=lambda pause: (-pause.scope.depth, str(pause.scope)))

    @property
    def narrower_pauses(self) -> Sequence[Pause]:
        found = [pause for scope, pause in self.after.pauses.items() if scope.within(self.scope)]
        return sorted(found, key=lambda pause: str(pause.scope))


def pause(
    kit: Kit, scope: Scope, *, lasting: timedelta | None = None, why: str | None = None
) -> Steered:
    """Stop what the scope covers; with ``lasting``, only for so long, and due at once after it.

    Said again it replaces what was said before, unless it says nothing new.
    """
    if lasting is not None and lasting <= timedelta(0):
        raise SettingInvalid("a pause lasts longer than nothing; `sluice resume` ends one")
    now = kit.clock().replace(microsecond=0)
    said = Pause(scope, now, kit.actor, _line(why), None if lasting is None else now + lasting)

    def paused(board: SwitchBoard) -> SwitchBoard:
        known = board.pauses.get(scope)
        if known and known.until == said.until and said.why in (None, known.why):
            return board
        return board.with_pause(scope, said)

    done = _switch(kit, "pause", scope, paused, said.why)
    if said.until is None:
        return done
    return replace(
        done, sooner=_moved(kit.registry.resumed, scope, _at(said.until, kit.covered(scope)))
    )


def resume(kit: Kit, scope: Scope, *, why: str | None = None) -> Steered:
    """Lift the scope's own pause. Streams that no other pause stops are due at once, those whose next one ends by
    itself when it does: a tick that saw the lifted one may have moved them past that."""
    why = _line(why)
    done = _switch(kit, "resume", scope, lambda board: board.with_pause(scope, None), why)
    if not done.changed:
        return done
    covered = [(each, done.after.pause_of(each.key)) for each in kit.covered(scope)]
    free = [each for each, pause in covered if pause is None]
    later = {each.key: pause.until for each, pause in covered if pause and pause.until}
    sooner = _moved(kit.registry.resumed, scope, _at(kit.clock(), free))
    _moved(kit.registry.resumed, scope, later)
    return replace(done, sooner=sooner)


def set_cadence(
    kit: Kit, scope: Scope, every: timedelta | None, *, why: str | None = None
) -> Steered:
    """Have the scope's streams due every so often; None leaves that to wider scopes and the file.

    A shorter cadence acts at once: who would be due later is due at its new beat. Said again, it makes
    good what a first try that was killed left undone.
    """
    _check_cadence(scope, every)
    now, why = kit.clock(), _line(why)
    since = now.replace(microsecond=0)
    said = None if every is None else Cadence(scope, every, since, kit.actor, why)

    def set_so(board: SwitchBoard) -> SwitchBoard:
        known = board.cadences.get(scope)
        if known and known.every == every and why in (None, known.why):
            return board
        return board.with_cadence(scope, said)

    done = _switch(kit, "cadence", scope, set_so, why)
    moments = {
        each.key: kit.registry.next_due(
            each.key, done.after.cadence_of(each.key, each.cadence), now
        )
        for each in kit.covered(scope)
    }
    return replace(done, sooner=_moved(kit.registry.due_by, scope, moments))


def _switch(
    kit: Kit,
    action: str,
    scope: Scope,
    change: Callable[[SwitchBoard], SwitchBoard],
    why: str | None,
) -> Steered:
    """Audit the change and make it, unless there is none.

    The switch is written only while the scope's own is as it was audited: of two people at the same
    time, one is told. When it cannot be written, a second row says so.
    """
    now = kit.clock()
    before = SwitchBoard.of_page(kit.book.read(SUBJECT)).at(now)
    after = change(before)
    streams = len(kit.covered(scope))
    if after == before:
        return Steered(scope, before, after, streams, changed=False)
    after.page()  # one that is too large is refused before anything is recorded
    said = (_said(before, action, scope), _said(after, action, scope))
    intent = Change(kit.actor, action, str(scope), *said, why)
    row = kit.audit.record(intent)

    def revision(page: Mapping[str, Any]) -> Revised[SwitchBoard | None]:
        current = SwitchBoard.of_page(page).at(now)
        if _said(current, action, scope) != intent.before:
            return Revised(None)
        changed = change(current).after(row)
        return Revised(changed, changed.page())

    return Steered(scope, before, _written(kit, intent, revision), streams)


def _written(
    kit: Kit,
    intent: Change,
    revision: Callable[[Mapping[str, Any]], Revised[SwitchBoard | None]],
) -> SwitchBoard:
    try:
        written = kit.book.revise(SUBJECT, revision)
        if written is None:
            raise Superseded(
                f"{intent.scope} was switched by somebody else at this moment; look at"
                " `sluice switches`, then say it again"
            )
    except SluiceError as error:
        action = f"{intent.action} failed"
        kit.audit.record(replace(intent, action=action, after=intent.before, why=str(error)))
        raise
    return written


def _moved(
    move: Callable[[Mapping[StreamKey, datetime]], int],
    scope: Scope,
    moments: Mapping[StreamKey, datetime],
) -> int:
    """The switch is made by now: whoever is told of a failure must be told that too."""
    try:
        return move(moments)
    except SluiceError as error:
        raise StateUnavailable(
            f"{scope} is switched, but not all its streams could be made due ({error}); those left come"
            " at their own time, or `sluice sync` asks for them now"
        ) from error


def _at(moment: datetime, streams: Sequence[SteeredStream]) -> dict[StreamKey, datetime]:
    return {each.key: moment for each in streams}


def _said(board: SwitchBoard, action: str, scope: Scope) -> str | None:
    """The scope's own switch of the kind that the action is about, as JSON."""
    if action == "cadence":
        cadence = board.cadences.get(scope)
        return json.dumps(cadence_json(cadence), sort_keys=True) if cadence else None
    paused = board.pauses.get(scope)
    return json.dumps(pause_json(paused), sort_keys=True) if paused else None


def _check_cadence(scope: Scope, every: timedelta | None) -> None:
    if scope.platform is not None:
        raise SettingInvalid(f"{scope} has no cadence: it is published to when there is something")
    if every is not None and not SHORTEST <= every <= LONGEST:
        raise SettingInvalid("a cadence is at least 1m and at most 7d, as in the clients file")


def _line(why: str | None) -> str | None:
    """A reason as it is kept: one short line, which any terminal can show."""
    if why is None or not why.strip():
        return None
    if len(why) > MOST_WHY or not why.isprintable():
        raise SettingInvalid(f"why: write one line of at most {MOST_WHY} characters")
    return why.strip()
