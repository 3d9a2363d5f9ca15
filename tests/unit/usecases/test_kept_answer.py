"""An answer is made seldom and by one at a time, however many environments ask for it and whoever dies."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.errors import StateUnavailable
from sluice.core.ports import Revised
from sluice.usecases.kept_answer import STILL_TOLD_FOR, KeptAnswer
from tests.memory.book import MemoryBook

KEPT, TAKES = timedelta(seconds=10), timedelta(seconds=25)
SECOND = timedelta(seconds=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Environments:
    """Environments of one function, that share a book and a clock. ``made`` counts over all of them."""

    def __init__(self) -> None:
        self.book, self.clock = MemoryBook(), Clock()
        self.made = 0
        self._ids = itertools.count()

    def new(self, make: Callable[[], str] | None = None) -> KeptAnswer:
        return KeptAnswer(
            self.book,
            "page",
            make or self._make,
            self.clock,
            lambda: str(next(self._ids)),
            KEPT,
            TAKES,
        )

    def _make(self) -> str:
        self.made += 1
        return f"answer {self.made}"


@pytest.fixture
def many() -> Environments:
    return Environments()


def body(answer: KeptAnswer) -> str | None:
    found = answer.get()
    return None if found is None else found.body


def test_a_storm_in_one_environment_makes_one_answer_and_asks_the_book_once(
    many: Environments,
) -> None:
    one = many.new()
    assert {body(one) for _ in range(1000)} == {"answer 1"}
    assert many.made == 1
    assert many.book.revisions == 2


def test_all_environments_share_it(many: Environments) -> None:
    """A new one has no answer of its own, and takes that of the others for as long as it may be kept."""
    assert {body(many.new()) for _ in range(50)} == {"answer 1"}
    many.clock.now += KEPT - SECOND
    assert body(many.new()) == "answer 1"
    many.clock.now += SECOND
    assert {body(many.new()) for _ in range(50)} == {"answer 2"}


def test_what_an_environment_knows_grows_old(many: Environments) -> None:
    """Also when another one made it: its age counts from the making, not from the hearing."""
    first, second = many.new(), many.new()
    first.get()
    many.clock.now += KEPT - SECOND
    assert body(second) == "answer 1"
    many.clock.now += SECOND
    assert body(second) == "answer 2"
    assert body(first) == "answer 2"


def test_what_was_heard_of_another_is_not_asked_for_again(many: Environments) -> None:
    """While it is young: a storm costs the book a question for each environment, whoever made the answer."""
    many.new().get()
    second, before = many.new(), many.book.revisions
    assert {body(second) for _ in range(1000)} == {"answer 1"}
    assert many.book.revisions == before + 1


@pytest.mark.parametrize(("age_s", "told"), [(89, "answer 1"), (90, None)])
def test_an_answer_is_told_for_90_seconds_while_the_next_is_made(
    many: Environments, age_s: int, told: str | None
) -> None:
    """As docs/health.md says; what is older would tell of another time."""
    many.new().get()
    many.clock.now += timedelta(seconds=age_s)
    heard: list[str | None] = []

    def slow() -> str:
        heard.append(body(many.new()))
        return "slow"

    many.new(slow).get()
    assert heard == [told]


def test_one_at_a_time_makes_it(many: Environments) -> None:
    """The others are told the last answer while it is young enough, and else that there is none."""
    heard: list[str | None] = []

    def slow() -> str:
        heard.extend(body(many.new()) for _ in range(5))
        return "slow"

    assert body(many.new(slow)) == "slow"
    assert heard == [None] * 5
    many.clock.now += KEPT
    heard.clear()
    many.new(slow).get()
    assert heard == ["slow"] * 5
    many.clock.now += STILL_TOLD_FOR
    heard.clear()
    many.new(slow).get()
    assert heard == [None] * 5
    assert many.made == 0


def test_of_many_that_ask_at_once_one_makes_it(many: Environments) -> None:
    begin, running, most = threading.Barrier(20), threading.Semaphore(1), list[bool]()

    def make() -> str:
        most.append(running.acquire(blocking=False))
        running.release()
        return "made"

    def ask() -> None:
        begin.wait()
        many.new(make).get()

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [True]


def test_who_died_or_failed_over_it_is_followed_by_another(many: Environments) -> None:
    """Not before it can no longer be at work."""

    def dies() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        many.new(dies).get()
    many.clock.now += TAKES - SECOND
    assert body(many.new()) is None
    many.clock.now += SECOND
    assert body(many.new()) == "answer 1"


def test_who_was_too_slow_does_not_overwrite_a_younger_answer(many: Environments) -> None:
    def too_slow() -> str:
        many.clock.now += TAKES
        assert body(many.new()) == "answer 1"
        return "old"

    many.new(too_slow).get()
    assert body(many.new()) == "answer 1"


def test_a_clock_that_is_behind_makes_no_storm(many: Environments) -> None:
    """An answer that seems to be of the future is young; one far ahead is made anew."""
    many.new().get()
    many.clock.now -= KEPT - SECOND
    assert body(many.new()) == "answer 1"
    many.clock.now -= timedelta(hours=1)
    assert body(many.new()) == "answer 2"


def test_without_the_book_nothing_is_made(many: Environments) -> None:
    """What bounds the making is not there: better no answer than as many makers as callers."""

    class Away(MemoryBook):
        def revise(self, subject: str, revision: Callable[..., Revised[object]]) -> object:  # type: ignore[override]
            raise StateUnavailable("throttled")

    many.book = Away()
    with pytest.raises(StateUnavailable):
        many.new().get()
    assert many.made == 0
