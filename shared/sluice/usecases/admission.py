"""Admission: each client's messages pass its desk, which lets few of them work at the same time.

A page of the book per client. To admit and to leave are one write each; a refused message costs one when it is
given a turn, and in a long line a tenth of one. The desk guards no invariant, only load: a page that got lost lets
everybody in once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sluice.core.budget import Clock
from sluice.core.desk.admitting import (
    Admitted,
    Asker,
    ComeBack,
    DeskRules,
    Waiting,
    admit,
    give_ticket_back,
    leave,
    take_ticket,
)
from sluice.core.desk.page import Desk, moment_ms, page_of, read_desk
from sluice.core.desk.turns import Rush
from sluice.core.errors import StateUnavailable
from sluice.core.ports import Book, Revised
from sluice.core.priorities import Priority

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClientDesks:
    """The desks of all clients, kept in the book. ``rushes`` are this worker's refusals a moment ago."""

    book: Book
    clock: Clock
    rules: DeskRules = field(default_factory=DeskRules)
    rushes: dict[tuple[str, Priority], Rush] = field(default_factory=dict)

    def admit(
        self,
        client_id: str,
        owner: str,
        priority: Priority,
        until: datetime,
        *,
        ticket: str | None = None,
        waiting: Waiting | None = None,
    ) -> Admitted | ComeBack:
        """A place at the client's desk until ``until``, or when to ask again. Safe to repeat by ``owner``.

        ``ticket`` and ``waiting`` are the message's. Raises StateUnavailable.
        """
        now, line = self.clock(), (client_id, priority)
        handed = self._hand_out(line, now) if waiting is None else None
        if handed is not None:
            return handed
        rush = self.rushes.get(line)
        wanted = rush.wants_next(now) if rush is not None and waiting is None else 1
        asker = Asker(owner, priority, until, waiting, ticket, wanted)
        answer = self._revise(client_id, now, lambda desk: admit(desk, asker, now, self.rules))
        if isinstance(answer, ComeBack) and waiting is None:
            self.rushes[line] = Rush(wanted, moment_ms(now), answer.spare)
        return answer

    def refused_just_now(self, client_id: str, priority: Priority) -> bool:
        """Did this worker refuse such a message a moment ago, so that it may well refuse the next one too?"""
        rush = self.rushes.get((client_id, priority))
        return rush is not None and rush.lasts(self.clock())

    def _hand_out(self, line: tuple[str, Priority], now: datetime) -> ComeBack | None:
        """A turn that this worker was given beforehand."""
        rush = self.rushes.get(line)
        if rush is None or rush.spare is None:
            return None
        handed = rush.spare.next_for(now)
        if handed is None:
            return None
        answer, left = handed
        self.rushes[line] = replace(rush, spare=left, asked_ms=moment_ms(now))
        return answer

    def leave(self, client_id: str, owner: str, took: timedelta) -> bool:
        """Give the place back; False when it was not there, or the book did not answer.

        Never a reason for work to fail: a place that was not given back lapses by itself.
        """

        def left(desk: Desk) -> tuple[bool, Desk | None]:
            without = leave(desk, owner, took)
            return without is not None, without

        try:
            return self._revise(client_id, self.clock(), left)
        except StateUnavailable:
            return False

    def take_ticket(self, client_id: str, ticket: str) -> bool:
        """Note that a person's request waits; False when as many wait as may. Raises StateUnavailable."""
        now = self.clock()
        return self._revise(client_id, now, lambda desk: take_ticket(desk, ticket, now, self.rules))

    def give_ticket_back(self, client_id: str, ticket: str) -> None:
        """Its request could not be sent. Never a reason to fail as well: a ticket lapses within the hour."""

        def without(desk: Desk) -> tuple[None, Desk | None]:
            return None, give_ticket_back(desk, ticket)

        with contextlib.suppress(StateUnavailable):
            self._revise(client_id, self.clock(), without)

    def _revise(
        self, client_id: str, now: datetime, decide: Callable[[Desk], tuple[T, Desk | None]]
    ) -> T:
        def revision(page: Mapping[str, Any]) -> Revised[T]:
            answer, desk = decide(read_desk(page, moment_ms(now)))
            return Revised(answer, None if desk is None else page_of(desk))

        return self.book.revise(subject_of(client_id), revision)


@dataclass(slots=True)
class Place:
    """A place that a slice was given at its client's desk; given back once, by whoever comes first."""

    desks: ClientDesks
    client_id: str
    owner: str
    began: datetime
    given_back: bool = False

    def give_back(self) -> None:
        """Before the continuation is sent: else that finds its own slice's place still taken."""
        if not self.given_back:
            self.given_back = True
            self.desks.leave(self.client_id, self.owner, self.desks.clock() - self.began)


def subject_of(client_id: str) -> str:
    """The name of a client's page in the book."""
    return f"desk#{client_id}"
