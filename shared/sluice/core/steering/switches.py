"""Switches: what people set while everything runs, beside the clients file and above it.

A pause stops, a cadence tells how often. Of several that cover a stream, the narrowest cadence
counts, while any one pause stops it: what is paused as a whole is not started by one of its parts.
All switches are one page of the book, so a worker knows them by a single read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from sluice.core.errors import SettingInvalid, SluiceError
from sluice.core.keys import StreamKey
from sluice.core.steering.scopes import Scope, scopes_of

T = TypeVar("T")

SUBJECT = "switches"
"""The page's name in the book."""

SECOND = timedelta(seconds=1)

MOST_BYTES = 300_000
"""Of the page as JSON. DynamoDB's items end at 400 KB, and every worker reads this one."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused what, when and why. One with ``until`` lapses by itself."""

    scope: Scope
    since: datetime
    by: str
    why: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cadence:
    """Who set how often, when and why, in place of what the clients file says."""

    scope: Scope
    every: timedelta
    since: datetime
    by: str
    why: str | None = None


class Recorded(NamedTuple):
    """A row of the audit: its number and its digest."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class SwitchBoard:
    """All switches in force. ``audited`` is the newest audit row that led to it."""

    pauses: Mapping[Scope, Pause] = field(default_factory=dict)
    cadences: Mapping[Scope, Cadence] = field(default_factory=dict)
    audited: Recorded | None = None

    def pause_of(self, key: StreamKey) -> Pause | None:
        """The narrowest pause that stops the stream; None when it may run."""
        return _first(self.pauses, key)

    def cadence_of(self, key: StreamKey, default: timedelta) -> timedelta:
        """How often the stream is due: as the narrowest cadence says, else ``default``."""
        found = _first(self.cadences, key)
        return default if found is None else found.every

    def platform_pause(self, name: str) -> Pause | None:
        """What stops publishing to a platform: its own pause, or that of everything."""
        return self.pauses.get(Scope(platform=name)) or self.pauses.get(Scope())

    def at(self, now: datetime) -> SwitchBoard:
        """The board without the pauses that lapsed by ``now``."""
        lasting = {s: p for s, p in self.pauses.items() if p.until is None or now < p.until}
        return replace(self, pauses=lasting)

    def with_pause(self, scope: Scope, pause: Pause | None) -> SwitchBoard:
        """The board with this pause in place of the scope's own, or without any of its own."""
        return replace(self, pauses=_with(self.pauses, scope, pause))

    def with_cadence(self, scope: Scope, cadence: Cadence | None) -> SwitchBoard:
        return replace(self, cadences=_with(self.cadences, scope, cadence))

    def after(self, row: Recorded) -> SwitchBoard:
        """Remembers an audit row unless it knows a newer one: two people's rows may arrive in any order."""
        known = self.audited
        return self if known and known.number >= row.number else replace(self, audited=row)

    def page(self) -> dict[str, Any]:
        """The board as the book keeps it; SettingInvalid when it is too large for that."""
        page: dict[str, Any] = {
            "pauses": {str(scope): pause_json(pause) for scope, pause in self.pauses.items()},
            "cadences": {str(scope): cadence_json(each) for scope, each in self.cadences.items()},
        }
        if self.audited is not None:
            page["audited"] = {"number": self.audited.number, "digest": self.audited.digest}
        if len(json.dumps(page)) > MOST_BYTES:
            raise SettingInvalid(
                f"{len(self.pauses) + len(self.cadences):,} switches are too many for one page;"
                " resume some, or pause a wider scope instead"
            )
        return page

    @classmethod
    def of_page(cls, page: Mapping[str, Any]) -> SwitchBoard:
        """Read a board back. SettingInvalid when it cannot be: a pause overlooked would be worse."""
        try:
            audited = page.get("audited")
            return cls(
                dict(_pauses(page.get("pauses", {}))),
                dict(_cadences(page.get("cadences", {}))),
                None if audited is None else Recorded(int(audited["number"]), audited["digest"]),
            )
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
            SluiceError,
        ) as error:
            raise SettingInvalid(
                f"the page {SUBJECT!r} of the limits table cannot be read ({type(error).__name__}: {error});"
                " write it anew from what `sluice audit` says is in force"
            ) from error


def _first(switches: Mapping[Scope, T], key: StreamKey) -> T | None:
    return next((switches[scope] for scope in scopes_of(key) if scope in switches), None)


def _with(switches: Mapping[Scope, T], scope: Scope, switch: T | None) -> dict[Scope, T]:
    others = {each: other for each, other in switches.items() if each != scope}
    return others if switch is None else {**others, scope: switch}


def pause_json(pause: Pause) -> dict[str, Any]:
    """Without its scope, which is the key that it stands under."""
    until = pause.until.isoformat() if pause.until else None
    return {"since": pause.since.isoformat(), "by": pause.by, "why": pause.why, "until": until}


def cadence_json(cadence: Cadence) -> dict[str, Any]:
    every_s = int(cadence.every.total_seconds())
    since = cadence.since.isoformat()
    return {"every_s": every_s, "since": since, "by": cadence.by, "why": cadence.why}


def _pauses(read: Mapping[str, Any]) -> Iterator[tuple[Scope, Pause]]:
    for text, said in read.items():
        scope, until = Scope.parse(text), said["until"]
        yield (
            scope,
            Pause(
                scope,
                _moment(said["since"]),
                said["by"],
                said["why"],
                None if until is None else _moment(until),
            ),
        )


def _cadences(read: Mapping[str, Any]) -> Iterator[tuple[Scope, Cadence]]:
    for text, said in read.items():
        scope, every = Scope.parse(text), timedelta(seconds=said["every_s"])
        if every <= timedelta(0) or every % SECOND:
            raise ValueError(f"{text}: a cadence of {said['every_s']} s")
        yield scope, Cadence(scope, every, _moment(said["since"]), said["by"], said["why"])


def _moment(text: str) -> datetime:
    """An instant; one without its zone could be hours off, so it is refused."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} says no time zone")
    return moment
