"""Who held a lease when it died, and how soon another one held it: told from lease writes alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from tests.chaos.holders import Holders, Recovered, nth_id
from tests.chaos.timing import TIMES

KEY = "acme#cars#cars"


@dataclass
class Watched:
    """Holders under a clock that stands until it is moved; each attempt holds by its second id."""

    at: float = 100.0
    holders: Holders = field(init=False)

    def __post_init__(self) -> None:
        self.holders = Holders(lambda: self.at)

    def takes(self, attempt: str, token: int) -> None:
        self.holders.acquired(KEY, nth_id(attempt, 1), token)

    def dies(self, attempt: str, later_s: float = 0.0, *, spent: bool = False) -> None:
        self.at += later_s
        self.holders.died(KEY, attempt, spent=spent)


def attempts(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def test_from_the_death_of_a_holder_to_the_lease_of_the_next_one():
    """Whether cleanup freed the lease meanwhile or the next one took it over."""
    watched = Watched()
    first, second, third = attempts(3)
    watched.takes(first, 1)
    watched.dies(first, 0.5)
    watched.holders.freed(KEY, 1)
    watched.at += 2
    watched.takes(second, 2)
    watched.takes(second, 3)
    watched.dies(second)
    watched.at += 3
    watched.holders.sound = False
    watched.takes(third, 4)
    assert watched.holders.recovered == [Recovered(2, True, True), Recovered(3, True, False)]


def test_who_held_nothing_is_no_holder():
    """It died before the lease, or after it had given it back, also with a token that had to be raised."""
    watched = Watched()
    first, second, third = attempts(3)
    watched.dies(first)
    watched.at += 5
    watched.takes(second, 1)
    watched.holders.raised(KEY, 1, 7)
    watched.holders.given_back(KEY, 7)
    watched.dies(second)
    watched.takes(third, 8)
    assert watched.holders.recovered == [Recovered(5, False, True), Recovered(0, False, True)]


def test_last_requests_that_are_heard_after_their_worker_died():
    """By one it died a holder, and it is not by this request that its stream recovered; by the other it did not."""
    watched = Watched()
    before, first, second, third = attempts(4)
    watched.dies(before)
    watched.dies(first, 1)
    watched.at += 0.5
    watched.takes(first, 1)
    watched.at += 2
    watched.takes(second, 2)
    watched.dies(second)
    watched.holders.given_back(KEY, 2)
    watched.takes(third, 3)
    assert watched.holders.recovered == [
        Recovered(1.5, False, True, again=True),
        Recovered(2.5, True, True),
        Recovered(0, False, True),
    ]


def test_who_died_is_waited_for_although_a_follower_died_as_well():
    """And it is told: no worker that lived may have come sooner."""
    watched = Watched()
    first, second, last = attempts(3)
    watched.takes(first, 1)
    watched.dies(first)
    watched.dies(second, 3)
    watched.at += 4
    watched.takes(last, 2)
    assert watched.holders.recovered == [
        Recovered(7, True, True, again=True),
        Recovered(4, False, True),
    ]


def test_nobody_is_missed_while_another_one_is_at_work():
    """A copy of a message dies beside the worker that holds the stream, and a zombie that was replaced."""
    watched = Watched()
    zombie, holder, copy, later = attempts(4)
    watched.takes(zombie, 1)
    watched.takes(holder, 2)
    watched.dies(copy)
    watched.dies(zombie)
    watched.holders.given_back(KEY, 2)
    watched.takes(later, 3)
    assert watched.holders.recovered == []


def test_whoever_is_late_at_a_rounds_end_was_late():
    """The others are not waited for in the next round, and counted."""
    watched = Watched()
    first, second, third = attempts(3)
    watched.takes(first, 1)
    watched.dies(first)
    watched.holders.died("acme#cars#trucks", second)
    watched.at += TIMES.lease_s + 1
    watched.holders.died("acme#cars#vans", third)
    watched.holders.forget_deaths()
    watched.takes(second, 2)
    late = TIMES.lease_s + 1
    assert watched.holders.recovered == [
        Recovered(late, True, True),
        Recovered(late, False, True),
    ]
    assert watched.holders.forgotten == 1


def test_whoever_came_late_although_somebody_was_free_overlooked_it():
    """Not while all were at work, and not before the lease's time had passed."""
    watched = Watched()
    free = watched.holders.free
    first, second, third, last = attempts(4)
    free.waits(1)
    watched.takes(first, 1)
    watched.dies(first)
    watched.at += TIMES.lease_s - 1
    free.works(1)
    watched.at += 5
    watched.takes(second, 2)
    watched.dies(second)
    watched.at += TIMES.lease_s + 1
    free.waits(2)
    free.waits(3)
    watched.at += 2
    free.works(2)
    watched.at += 1
    free.works(3)
    watched.at += 1
    watched.takes(third, 3)
    watched.dies(third)
    watched.at += TIMES.lease_s
    free.waits(1)
    watched.at += 2
    watched.takes(last, 4)
    found = watched.holders.recovered
    assert [each.free_s for each in found] == [0, 3, 2]
    assert [each.overlooked for each in found] == [False, True, True]
    assert [each.startswith(f"{KEY}: ") for each in watched.holders.overlooked] == [True, True]
    assert not found[1]._replace(again=True).overlooked
    assert not found[1]._replace(held=False).overlooked
    assert not found[1]._replace(sound=False).overlooked


def test_whose_message_is_a_dead_letter_is_followed_by_cleanup():
    """The fifth worker that died with it held the stream: nothing comes back that could take over."""
    watched = Watched()
    first, second = attempts(2)
    watched.holders.free.waits(1)
    watched.takes(first, 1)
    watched.dies(first, spent=True)
    watched.at += TIMES.lease_s + 3
    watched.takes(second, 2)
    [found] = watched.holders.recovered
    assert (found.held, found.sound, found.free_s) == (True, True, 3)
    assert not (found.is_alone)
    assert not (found.overlooked)
    assert not (watched.holders.overlooked)


def test_what_was_overlooked_is_told_with_what_happened_meanwhile():
    """Of this stream, since the dead worker's invocation began."""
    watched = Watched()
    first, second = attempts(2)
    watched.holders.tell(KEY, "long ago")
    watched.at += TIMES.invocation.total_seconds() + 1
    watched.holders.free.waits(1)
    watched.takes(first, 1)
    watched.dies(first, 0.5)
    watched.holders.tell("acme#cars#vans", "elsewhere")
    watched.at += TIMES.lease_s
    watched.holders.tell(KEY, "a worker took a message")
    watched.holders.freed(KEY, 1)
    watched.at += 2
    watched.takes(second, 2)
    [line] = watched.holders.overlooked
    told = line.partition("since its death: ")[2]
    late = TIMES.lease_s
    assert told == (
        f"-0.5 leased with token 1, 0.0 a worker died, {late:.1f} a worker took a message,"
        f" {late:.1f} freed by cleanup, {late + 2:.1f} leased with token 2"
    )
