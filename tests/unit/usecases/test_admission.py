"""Clients' desks in the book: a page each, one write to be let in, one to leave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.desk.admitting import Admitted, ComeBack, DeskRules
from sluice.core.desk.page import moment_ms, read_desk
from sluice.core.errors import StateUnavailable
from sluice.core.ports import Revised
from sluice.core.priorities import Priority
from sluice.usecases.admission import ClientDesks, Place, subject_of
from tests.memory.book import MemoryBook

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(seconds=90)
SCHEDULE = Priority.SCHEDULE
TOOK = timedelta(seconds=5)


class NoBook:
    """DynamoDB does not answer."""

    def revise(self, subject: str, revision: Callable[[Mapping[str, Any]], Revised[Any]]) -> Any:
        raise StateUnavailable("throttled")

    def read(self, subject: str) -> Mapping[str, Any]:
        raise StateUnavailable("throttled")


@pytest.fixture
def book() -> MemoryBook:
    return MemoryBook()


def desks(book: Any, **rules: Any) -> ClientDesks:
    return ClientDesks(book, lambda: NOW, DeskRules(**rules))


def test_each_client_has_a_desk_of_its_own(book: MemoryBook) -> None:
    at = desks(book, most_running=1)
    assert at.admit("acme", "a", SCHEDULE, UNTIL) == Admitted()
    assert at.admit("zenith", "b", SCHEDULE, UNTIL) == Admitted()
    assert isinstance(at.admit("acme", "c", SCHEDULE, UNTIL), ComeBack)
    assert set(book.pages) == {"desk#acme", "desk#zenith"}


def test_to_be_let_in_and_to_leave_are_one_write_each(book: MemoryBook) -> None:
    at = desks(book)
    at.admit("acme", "a", SCHEDULE, UNTIL)
    assert book.writes == 1
    assert at.leave("acme", "a", TOOK)
    assert book.writes == 2


def test_who_came_back_too_early_costs_no_write(book: MemoryBook) -> None:
    """Its turn is known: only the first refusal has to be noted, and that it is called."""
    at = desks(book, most_running=1)
    at.admit("acme", "a", SCHEDULE, UNTIL)
    answers = [at.admit("acme", f"w{n}", SCHEDULE, UNTIL) for n in range(9)]
    first, last = answers[0], answers[-1]
    assert isinstance(first, ComeBack)
    assert isinstance(last, ComeBack)
    at.admit("acme", "w", SCHEDULE, UNTIL, waiting=first.waiting)
    writes = book.writes
    again = at.admit("acme", "w", SCHEDULE, UNTIL, waiting=last.waiting)
    assert again == last
    assert book.writes == writes


def test_a_place_is_held_until_its_invocation_is_over(book: MemoryBook) -> None:
    at = desks(book, most_running=1)
    at.admit("acme", "a", SCHEDULE, UNTIL)
    later = ClientDesks(book, lambda: UNTIL, DeskRules(most_running=1))
    assert later.admit("acme", "b", SCHEDULE, UNTIL + TOOK) == Admitted()


def test_who_leaves_is_not_kept_by_a_book_that_does_not_answer() -> None:
    """The slice is committed by then: its place lapses by itself, and nothing is tried again for it."""
    assert desks(NoBook()).leave("acme", "a", TOOK) is False


def test_a_ticket_that_could_not_be_given_back_is_no_failure() -> None:
    """Whoever asked is told why nothing was sent; the ticket lapses."""
    desks(NoBook()).give_ticket_back("acme", "t")


def test_who_asks_is_told_that_the_book_does_not_answer() -> None:
    """Nothing is begun: the message is deferred like for any other failure of our stores."""
    with pytest.raises(StateUnavailable):
        desks(NoBook()).admit("acme", "a", SCHEDULE, UNTIL)


def test_leaving_teaches_how_long_slices_take(book: MemoryBook) -> None:
    at = desks(book, most_running=1)
    at.admit("acme", "a", SCHEDULE, UNTIL)
    at.leave("acme", "a", timedelta(seconds=40))
    at.admit("acme", "b", SCHEDULE, UNTIL)
    answer = at.admit("acme", "c", SCHEDULE, UNTIL)
    assert isinstance(answer, ComeBack)
    assert answer.delay == timedelta(seconds=40)


def test_a_request_takes_a_ticket_and_gives_it_up_when_let_in(book: MemoryBook) -> None:
    at = desks(book, most_tickets=1)
    assert at.take_ticket("acme", "t")
    assert not at.take_ticket("acme", "another")
    assert at.take_ticket("zenith", "another")
    at.admit("acme", "a", Priority.MANUAL, UNTIL, ticket="t")
    assert at.take_ticket("acme", "another")


def test_a_ticket_given_back_is_one_and_costs_a_write_only_while_it_waits(book: MemoryBook) -> None:
    at = desks(book, most_tickets=2)
    for ticket in ("t", "other"):
        at.take_ticket("acme", ticket)
    at.give_ticket_back("acme", "t")
    writes = book.writes
    at.give_ticket_back("acme", "t")
    assert book.writes == writes
    assert at.take_ticket("acme", "t")
    assert not at.take_ticket("acme", "another")


def test_of_many_that_ask_at_once_as_many_are_let_in_as_may(book: MemoryBook) -> None:
    at, admitted = desks(book, most_running=3), []

    def ask(number: int) -> None:
        if isinstance(at.admit("acme", f"w{number}", SCHEDULE, UNTIL), Admitted):
            admitted.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 3


def test_a_page_stays_small_however_many_are_refused(book: MemoryBook) -> None:
    """A write costs by the kilobyte."""
    at = desks(book)
    for number in range(2000):
        at.admit("acme", f"00000000-0000-0000-0000-{number:012}", SCHEDULE, UNTIL)
    for number in range(10):
        at.take_ticket("acme", f"00000000-0000-0000-0000-{number:012}")
    assert len(book.pages[subject_of("acme")]) < 1024


class Wall:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def refused(at: ClientDesks, number: int) -> ComeBack:
    answer = at.admit("acme", f"w{number}", SCHEDULE, UNTIL)
    assert isinstance(answer, ComeBack)
    return answer


def full_desk(book: MemoryBook, clock: Callable[[], datetime]) -> ClientDesks:
    at = ClientDesks(book, clock, DeskRules(most_running=1))
    at.admit("acme", "a", SCHEDULE, UNTIL)
    return at


def test_a_rush_of_refusals_is_no_rush_of_writes(book: MemoryBook) -> None:
    """A thousand messages at ten workers: else they would write one page, one after the other."""
    workers = [full_desk(book, lambda: NOW), *(desks(book, most_running=1) for _ in range(9))]
    writes = book.writes
    turns = [refused(workers[n % 10], n).waiting.turn for n in range(1000)]
    assert len(set(turns)) == 1000
    assert max(turns) < 1100
    assert book.writes - writes < 300


def test_turns_given_together_come_one_after_the_other(book: MemoryBook) -> None:
    """As late as if each had been given by the desk, which has not changed since."""
    one_by_one = [full_desk(book, lambda: NOW)]
    one_by_one += [desks(book, most_running=1) for _ in range(399)]
    slowly = [refused(at, n) for n, at in enumerate(one_by_one)]
    together = full_desk(MemoryBook(), lambda: NOW)
    rushed = [refused(together, n) for n in range(400)]
    assert [(a.delay, a.waiting) for a in rushed] == [(a.delay, a.waiting) for a in slowly]


def test_who_is_refused_now_and_then_takes_one_turn_each(book: MemoryBook) -> None:
    """Turns given beforehand would be lost, and lengthen the line for everybody."""
    clock = Wall()
    at = ClientDesks(book, clock, DeskRules(most_running=1))
    at.admit("acme", "a", SCHEDULE, NOW + timedelta(hours=1))
    for number in range(200):
        clock.now += timedelta(seconds=3)
        assert refused(at, number).waiting.turn == number + 1


def test_a_short_line_gives_out_one_turn_at_a_time(book: MemoryBook) -> None:
    """However great the rush: what nobody takes would weigh too much in it."""
    at = full_desk(book, lambda: NOW)
    writes = book.writes
    for number in range(40):
        refused(at, number)
    assert book.writes - writes == 40


def test_turns_given_beforehand_are_not_told_later(book: MemoryBook) -> None:
    """The desk may be empty by then."""
    clock = Wall()
    at = full_desk(book, clock)
    for number in range(500):
        refused(at, number)
    at.leave("acme", "a", TOOK)
    clock.now += timedelta(seconds=2)
    waiting = read_desk(book.read(subject_of("acme")), moment_ms(clock.now)).line(SCHEDULE).waiting
    assert at.admit("acme", "late", SCHEDULE, UNTIL) == Admitted(), waiting


def test_each_priority_and_client_has_turns_of_its_own(book: MemoryBook) -> None:
    at = full_desk(book, lambda: NOW)
    for number in range(500):
        refused(at, number)
    assert at.admit("zenith", "z", SCHEDULE, UNTIL) == Admitted()
    assert at.admit("acme", "p", Priority.MANUAL, UNTIL) == Admitted()


def test_a_desk_without_rules_of_its_own_lets_two_work(book: MemoryBook) -> None:
    at = ClientDesks(book, lambda: NOW)
    answers = [at.admit("acme", owner, SCHEDULE, UNTIL) for owner in ("a", "b", "c")]
    assert answers[:2] == [Admitted(), Admitted()]
    assert isinstance(answers[2], ComeBack)


def test_a_worker_knows_whom_it_refused_a_moment_ago(book: MemoryBook) -> None:
    """Of each client and priority for itself; after two seconds it is nobody any more."""
    clock = Wall()
    at = full_desk(book, clock)
    assert not at.refused_just_now("acme", SCHEDULE)
    refused(at, 0)
    assert at.refused_just_now("acme", SCHEDULE)
    assert not at.refused_just_now("acme", Priority.BACKFILL)
    assert not at.refused_just_now("zenith", SCHEDULE)
    clock.now += timedelta(seconds=2)
    assert not at.refused_just_now("acme", SCHEDULE)


def rushed_desk(book: MemoryBook, clock: Callable[[], datetime]) -> ClientDesks:
    """A long line, of which this worker was given turns for those whom it refuses next."""
    at = full_desk(book, clock)
    for number in range(404):
        refused(at, number)
    rush = at.rushes["acme", SCHEDULE]
    assert rush.spare is not None
    assert rush.spare.count > 2
    return at


def test_who_has_a_turn_takes_none_of_those_that_lie_ready(book: MemoryBook) -> None:
    """They are for who comes next: a message that came back keeps its place in the line."""
    at = rushed_desk(book, lambda: NOW)
    last, ready = refused(at, 404), at.rushes["acme", SCHEDULE]
    again = at.admit("acme", "w404", SCHEDULE, UNTIL, waiting=last.waiting)
    assert isinstance(again, ComeBack)
    assert again.waiting == last.waiting
    assert at.rushes["acme", SCHEDULE] == ready
    writes = book.writes
    assert refused(at, 405).waiting.turn == last.waiting.turn + 1
    assert book.writes == writes


def test_who_lost_its_turn_with_the_page_is_given_a_single_one(book: MemoryBook) -> None:
    """Also by a worker in a rush: nobody would be told of others, and they would lengthen the line."""
    at = rushed_desk(book, lambda: NOW)
    lost = refused(at, 404).waiting
    book.pages.clear()
    full_desk(book, lambda: NOW)
    others = [refused(desks(book, most_running=1), number) for number in range(50)]
    again = at.admit("acme", "w404", SCHEDULE, UNTIL, waiting=lost)
    assert isinstance(again, ComeBack)
    assert again.waiting.turn == others[-1].waiting.turn + 1
    assert refused(desks(book, most_running=1), 51).waiting.turn == again.waiting.turn + 1


def test_a_rush_lasts_while_turns_that_lie_ready_are_told(book: MemoryBook) -> None:
    """They cost no write, and are refusals like any other."""
    clock = Wall()
    at = rushed_desk(book, clock)
    clock.now += timedelta(seconds=1.5)
    writes = book.writes
    refused(at, 404)
    assert book.writes == writes
    clock.now += timedelta(seconds=1.9)
    assert at.refused_just_now("acme", SCHEDULE)


def test_a_place_is_given_back_once_with_how_long_it_was_held(book: MemoryBook) -> None:
    """Before the continuation is sent, and at the end in any case: the second time nobody asks the book."""
    clock = Wall()
    at = full_desk(book, clock)
    place = Place(at, "acme", "a", began=NOW)
    clock.now += timedelta(seconds=40)
    place.give_back()
    desk = read_desk(book.read(subject_of("acme")), moment_ms(clock.now))
    assert (dict(desk.running), desk.mean_ms) == ({}, 40_000)
    asked = book.revisions
    place.give_back()
    assert book.revisions == asked
