"""What a client's desk remembers, and how it stands in the book: a page of JSON, all times in milliseconds.

::

    running   {owner: [began, until, priority]}      slices at work; one that died lapses at ``until``
    called    [[priority, turn, since, until]]       messages at the front of a line, expected back any moment
    lines     {priority: [given, served]}            how many turns were given out, and how many are over
    tickets   {id: asked_at}                         a person's requests that wait
    mean_ms                                          how long a slice takes, learnt from those that left
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.priorities import Priority

TICKET_LIFE = timedelta(hours=1)
"""A ticket whose message got lost keeps nobody out for longer."""


@dataclass(frozen=True, slots=True)
class Running:
    """A slice at work. ``until_ms`` is when its invocation is over for certain."""

    began_ms: int
    until_ms: int
    priority: Priority


@dataclass(frozen=True, slots=True)
class Called:
    """A message at the front of its line: a place is kept for it until ``until_ms``. ``since_ms`` is when it
    was first refused."""

    priority: Priority
    turn: int
    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Line:
    """Those of one priority that were refused: ``given`` numbers, of which ``served`` are over."""

    given: int = 0
    served: int = 0

    @property
    def waiting(self) -> int:
        return self.given - self.served

    def moved_on(self) -> Line:
        return Line(self.given, min(self.served + 1, self.given))


@dataclass(frozen=True, slots=True)
class Desk:
    """One client's desk as it stands at a moment: what lapsed before it is not on it."""

    running: Mapping[str, Running] = field(default_factory=dict)
    called: tuple[Called, ...] = ()
    lines: Mapping[Priority, Line] = field(default_factory=dict)
    tickets: Mapping[str, int] = field(default_factory=dict)
    mean_ms: int | None = None

    def line(self, priority: Priority) -> Line:
        return self.lines.get(priority, Line())

    @property
    def urgent(self) -> int:
        return sum(one.priority.is_urgent for one in self.running.values())

    @property
    def backfills(self) -> int:
        return sum(one.priority is Priority.BACKFILL for one in self.running.values())


def read_desk(page: Mapping[str, Any], now_ms: int) -> Desk:
    """The desk of a page; an empty page is an empty desk."""
    return Desk(
        running={
            owner: Running(began, until, Priority(priority))
            for owner, (began, until, priority) in page.get("running", {}).items()
            if until > now_ms
        },
        called=tuple(
            Called(Priority(priority), turn, since, until)
            for priority, turn, since, until in page.get("called", ())
            if until > now_ms
        ),
        lines={Priority(name): Line(*line) for name, line in page.get("lines", {}).items()},
        tickets={
            ticket: asked_at
            for ticket, asked_at in page.get("tickets", {}).items()
            if now_ms - asked_at < in_ms(TICKET_LIFE)
        },
        mean_ms=page.get("mean_ms"),
    )


def page_of(desk: Desk) -> dict[str, Any]:
    """The page of a desk; what is empty is left out."""
    page: dict[str, Any] = {
        "running": {
            owner: [one.began_ms, one.until_ms, one.priority] for owner, one in desk.running.items()
        },
        "called": [[one.priority, one.turn, one.since_ms, one.until_ms] for one in desk.called],
        "lines": {
            name: [line.given, line.served] for name, line in desk.lines.items() if line.given
        },
        "tickets": dict(desk.tickets),
        "mean_ms": desk.mean_ms,
    }
    return {name: value for name, value in page.items() if value}


def in_ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def moment_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return in_ms(moment - datetime(1970, 1, 1, tzinfo=UTC))


def moment_of(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
