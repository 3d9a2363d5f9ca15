"""Who of one client's messages may work now, and when the others come back. Pure decisions on a desk.

A client has ``most_running`` slots. Work that is urgent (pushed, or asked for by a person) has one more, so that
it never waits behind schedules; it leaves one to schedules that wait. A backfill leaves the last slot to fresh
work and waits while fresh work does; after ``patience`` one at a time gets in all the same.

A refused message gets a *turn*, a number in the line of its priority, and stays out of sight for as long as those
before it should take, by the mean of the slices so far, instead of asking again and again. If it is not near the
front by then, it keeps its number and is told anew. If it is, and all slots are taken, it is *called*: it comes back
when one should be free, and whoever comes in between leaves that to it.

In a long line turns are given out several at a time (``desk_turns``): a flood of a thousand refusals is not a
thousand writes of one page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.core.desk.page import Called, Desk, Running, in_ms, moment_ms
from sluice.core.desk.turns import ComeBack, Turns, Waiting, come_back, turns_at_once
from sluice.core.priorities import Priority

__all__ = [
    "Admitted",
    "Asker",
    "ComeBack",
    "DeskRules",
    "Waiting",
    "admit",
    "give_ticket_back",
    "leave",
    "take_ticket",
]

CALLED_GRACE = timedelta(seconds=5)
"""How much later than expected a called message may come before its place is given away."""

PATIENCE = timedelta(minutes=15)
MOST_TICKETS = 10

FIRST_MEAN = timedelta(seconds=5)
"""How long a slice is taken to last before one has left the desk."""

LEARNT = 5
"""The mean moves by a fifth of how far a new slice differs from it."""

HANDOVER = timedelta(seconds=1)
"""For so long a slot stays empty until the next message comes: delays are whole seconds. Without this, turns come
before the slots do, and messages are received once more each without being done sooner."""

OVERRUN = 8
"""A slice that is past the mean is expected to go on for an eighth of what it took so far."""


@dataclass(frozen=True, slots=True)
class DeskRules:
    """``most_running`` slots per client; ``patience`` of who waits behind others; ``most_tickets`` requests of
    people that wait."""

    most_running: int = 2
    patience: timedelta = PATIENCE
    most_tickets: int = MOST_TICKETS

    @property
    def most_backfills(self) -> int:
        return max(self.most_running - 1, 1)


@dataclass(frozen=True, slots=True)
class Asker:
    """A message at the desk. ``until`` is when its invocation is over for certain; ``turns_wanted`` how many turns
    its worker would take, should it be refused: one for it and others for those that come right after it."""

    owner: str
    priority: Priority
    until: datetime
    waiting: Waiting | None = None
    ticket: str | None = None
    turns_wanted: int = 1


@dataclass(frozen=True, slots=True)
class Admitted:
    """May work, and leaves afterwards."""


def admit(
    desk: Desk, asker: Asker, now: datetime, rules: DeskRules
) -> tuple[Admitted | ComeBack, Desk | None]:
    """The answer, and the desk as it shall stand (None: as it was).

    Asked again by the same owner, it is the same place, until the later end.
    """
    return _Visit(desk, asker, moment_ms(now), rules).answer()


def leave(desk: Desk, owner: str, took: timedelta) -> Desk | None:
    """The desk without that slice, having learnt how long it took; None when it was not there."""
    if owner not in desk.running:
        return None
    running = {name: one for name, one in desk.running.items() if name != owner}
    ms = max(in_ms(took), 1)
    mean_ms = ms if desk.mean_ms is None else desk.mean_ms + (ms - desk.mean_ms) // LEARNT
    return replace(desk, running=running, mean_ms=mean_ms)


def take_ticket(
    desk: Desk, ticket: str, now: datetime, rules: DeskRules
) -> tuple[bool, Desk | None]:
    """False when as many requests wait as may."""
    if ticket in desk.tickets:
        return True, None
    if len(desk.tickets) >= rules.most_tickets:
        return False, None
    return True, replace(desk, tickets={**desk.tickets, ticket: moment_ms(now)})


def give_ticket_back(desk: Desk, ticket: str) -> Desk | None:
    """The desk without that request; None when it does not wait."""
    if ticket not in desk.tickets:
        return None
    return replace(desk, tickets={t: at for t, at in desk.tickets.items() if t != ticket})


@dataclass(frozen=True, slots=True)
class _Visit:
    """One message at the desk, now."""

    desk: Desk
    asker: Asker
    now_ms: int
    rules: DeskRules

    def answer(self) -> tuple[Admitted | ComeBack, Desk | None]:
        seated = self.desk.running.get(self.asker.owner)
        if seated is not None and seated.until_ms >= moment_ms(self.asker.until):
            return Admitted(), None
        if seated is not None or self._has_room():
            return Admitted(), self._seated()
        mine = self._mine()
        if mine is None:
            return self._lined_up()
        line = self._line_with(mine)
        if mine not in line:
            return self._come_back(self._turn_ms(mine), mine), None
        return self._called_back(mine, line)

    # --- Is there room? --------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        if self.asker.priority.is_urgent:
            return self._has_room_for_urgent()
        if self.asker.priority is Priority.SCHEDULE:
            return self._has_room_for_schedule()
        return self._has_room_for_backfill()

    def _has_room_for_urgent(self) -> bool:
        ahead = sum(self._is_ahead(c) for c in self.desk.called)
        leaves_one = self.desk.urgent + ahead < self.rules.most_running
        return len(self.desk.running) + ahead < self.rules.most_running + 1 and (
            leaves_one or not self._called_of(Priority.SCHEDULE)
        )

    def _has_room_for_schedule(self) -> bool:
        """Urgent work goes first as far as it may, and a patient backfill once."""
        urgent = self._called_of(Priority.PUSH) + self._called_of(Priority.MANUAL)
        first = min(len(urgent), max(self.rules.most_running - self.desk.urgent, 0))
        patient = [c for c in self._called_of(Priority.BACKFILL) if self._is_patient(c.since_ms)]
        first += bool(patient) and self.desk.backfills == 0
        first += sum(self._is_ahead(c) for c in self._called_of(Priority.SCHEDULE))
        return self._ordinary() + first < self.rules.most_running

    def _has_room_for_backfill(self) -> bool:
        mine = self._mine()
        if mine is not None and self._is_patient(mine.since_ms) and self.desk.backfills == 0:
            older = sum(self._is_ahead(c) for c in self._called_of(Priority.BACKFILL))
            return self._ordinary() + older < self.rules.most_running
        ahead = sum(self._is_ahead(c) for c in self.desk.called)
        return not self._fresh_waits() and self._ordinary() + ahead < self.rules.most_backfills

    def _ordinary(self) -> int:
        """Slots in use: the first urgent slice sits in the one that is kept for such."""
        return len(self.desk.running) - min(self.desk.urgent, 1)

    def _fresh_waits(self) -> bool:
        fresh = [line for line in Priority if line is not Priority.BACKFILL]
        return any(self.desk.line(line).waiting for line in fresh)

    def _called_of(self, line: Priority) -> list[Called]:
        return [c for c in self.desk.called if c.priority is line]

    def _is_ahead(self, called: Called) -> bool:
        """Does a called message go before the asker? Who never waited is behind all of its line.

        Neighbours in a line go as they come: a slot that waits for the elder stays empty.
        """
        mine = self._mine()
        if mine is None:
            return self._standing(called)[0] <= self.asker.priority.rank
        if called.priority is mine.priority:
            return called.turn + self.rules.most_running < mine.turn
        return self._standing(called) < self._standing(mine)

    def _standing(self, called: Called) -> tuple[int, int, int]:
        """What sorts first goes first. Among the urgent, patience makes all alike, and age decides."""
        if called.priority.is_urgent and self._is_patient(called.since_ms):
            return Priority.PUSH.rank, called.since_ms, called.turn
        return called.priority.rank, called.since_ms, called.turn

    def _is_patient(self, since_ms: int) -> bool:
        return self.now_ms - since_ms >= in_ms(self.rules.patience)

    # --- When to come back -----------------------------------------------------------------------------

    def _line_with(self, mine: Called) -> list[Called]:
        """Who is called of the asker's line, and the asker if it is near the front: the first few.

        Where nobody is called, whoever comes is: those before it may be lost.
        """
        others = [c for c in self._called_of(mine.priority) if c.turn != mine.turn]
        near = not others or self._ahead(mine) < self.rules.most_running
        line = sorted([*others, mine] if near else others, key=lambda c: c.turn)
        return line[: self.rules.most_running]

    def _called_back(self, mine: Called, line: list[Called]) -> tuple[ComeBack, Desk]:
        """Back when the slot should be free that is the asker's."""
        place = line.index(mine)
        answer = self._come_back(self._free_ms(place), mine)
        line[place] = replace(mine, until_ms=self.now_ms + in_ms(answer.delay + CALLED_GRACE))
        elsewhere = [c for c in self.desk.called if c.priority is not mine.priority]
        return answer, replace(self.desk, called=(*elsewhere, *line))

    def _lined_up(self) -> tuple[ComeBack, Desk]:
        """At the end of its line, with turns for those who come right after it."""
        line = self.desk.line(self.asker.priority)
        count = turns_at_once(line, self.asker.turns_wanted)
        longer = replace(line, given=line.given + count)
        waiting = self.asker.waiting
        since_ms = moment_ms(waiting.since) if waiting else self.now_ms
        mine = Called(self.asker.priority, line.given + 1, since_ms, until_ms=0)
        at_ms = self._turn_ms(mine)
        answer = self._come_back(at_ms, mine)
        if count > 1:
            step_ms = self._turn_ms(replace(mine, turn=mine.turn + 1)) - at_ms
            spare = Turns(mine.turn + 1, count - 1, at_ms + step_ms, step_ms, self.now_ms)
            answer = replace(answer, spare=spare)
        return answer, replace(self.desk, lines={**self.desk.lines, mine.priority: longer})

    def _turn_ms(self, mine: Called) -> int:
        """When its turn should be: each before it takes a mean slice, and the slots share them."""
        is_backfill = mine.priority is Priority.BACKFILL
        slots = self.rules.most_backfills if is_backfill else self.rules.most_running
        return self._free_ms(0) + self._ahead(mine) * (self._mean_ms() + in_ms(HANDOVER)) // slots

    def _ahead(self, mine: Called) -> int:
        """How many of its line come before it."""
        called = [c.turn for c in self._called_of(mine.priority)]
        front = min([self.desk.line(mine.priority).served + 1, *called])
        return mine.turn - front

    def _free_ms(self, place: int) -> int:
        """When the slot should be free for which ``place`` others wait; always in the future.

        Where nothing runs, what is waited for is a slice that has yet to come.
        """
        ends = sorted(self._expected_end_ms(one) for one in self.desk.running.values())
        return ends[min(place, len(ends) - 1)] if ends else self.now_ms + self._mean_ms()

    def _expected_end_ms(self, one: Running) -> int:
        overrun_ms = self.now_ms + (self.now_ms - one.began_ms) // OVERRUN
        return min(max(one.began_ms + self._mean_ms(), overrun_ms), one.until_ms)

    def _mean_ms(self) -> int:
        return self.desk.mean_ms or in_ms(FIRST_MEAN)

    def _come_back(self, at_ms: int, mine: Called) -> ComeBack:
        return come_back(at_ms, self.now_ms, since_ms=mine.since_ms, turn=mine.turn)

    # --- The asker on the desk -------------------------------------------------------------------------

    def _seated(self) -> Desk:
        """One write: the place is taken, the ticket given up, and what was kept for the asker is free again.

        Its line moves on also if the asker had no turn: it found a slot that nobody waited for, so somebody who
        had a turn got lost, and must not be waited for any longer.
        """
        asker, mine = self.asker, self._mine()
        line = self.desk.line(asker.priority).moved_on()
        place = Running(self.now_ms, moment_ms(asker.until), asker.priority)
        return replace(
            self.desk,
            running={**self.desk.running, asker.owner: place},
            called=tuple(c for c in self.desk.called if not mine or not _same(c, mine)),
            lines={**self.desk.lines, asker.priority: line},
            tickets={t: at for t, at in self.desk.tickets.items() if t != asker.ticket},
        )

    def _mine(self) -> Called | None:
        """The asker as it stands in its line; None when it was never refused, or the page got lost since."""
        waiting, line = self.asker.waiting, self.desk.line(self.asker.priority)
        if waiting is None or waiting.turn > line.given:
            return None
        return Called(self.asker.priority, waiting.turn, moment_ms(waiting.since), until_ms=0)


def _same(one: Called, other: Called) -> bool:
    return (one.priority, one.turn) == (other.priority, other.turn)
