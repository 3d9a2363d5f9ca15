"""An answer that anybody may ask for at any rate, made seldom: kept for a while, by one maker at a time.

All environments of a function share it through the book, so a storm of questions costs one making, and what
making it uses (a database connection) is never used twice at once. No concurrency needs to be reserved for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sluice.core.budget import Clock
from sluice.core.ports import Book, Revised

STILL_TOLD_FOR = timedelta(seconds=90)
"""An answer that is being made anew is told for so long; after that there is none."""


class Answer(NamedTuple):
    """What was answered, and when it began to be made."""

    at: datetime
    body: str


class _Looked(NamedTuple):
    """What a look at the page gave: an answer or none, and whether it is ours to make the next."""

    answer: Answer | None
    ours: bool = False


@dataclass(slots=True)
class KeptAnswer:
    """The answer about ``subject``, a page of the book. ``make`` takes no longer than ``making_takes``: who
    takes longer, or died, is no longer waited for."""

    book: Book
    subject: str
    make: Callable[[], str]
    clock: Clock
    new_id: Callable[[], str]
    kept_for: timedelta
    making_takes: timedelta
    _known: Answer | None = field(default=None, init=False)

    def get(self) -> Answer | None:
        """At most ``kept_for`` old, or as old as ``STILL_TOLD_FOR`` while somebody makes the next; None while
        the first is made.

        Raises StateUnavailable, SettingInvalid or InvariantBroken as the book does: without it nothing is made.
        """
        now = self.clock()
        if self._known is not None and _age_is_within(self._known.at, now, self.kept_for):
            return self._known
        owner = self.new_id()
        looked = self.book.revise(self.subject, lambda page: self._look(page, now, owner))
        if not looked.ours:
            self._known = looked.answer
            return looked.answer
        made = Answer(now, self.make())
        self.book.revise(self.subject, lambda page: _told(page, made, owner))
        self._known = made
        return made

    def _look(self, page: Mapping[str, Any], now: datetime, owner: str) -> Revised[_Looked]:
        told = _answer_of(page)
        if told is not None and _age_is_within(told.at, now, self.kept_for):
            return Revised(_Looked(told))
        if _moment(page.get("making_until_ms", 0)) > now:
            is_of_use = told is not None and _age_is_within(told.at, now, STILL_TOLD_FOR)
            return Revised(_Looked(told if is_of_use else None))
        mine = {"owner": owner, "making_until_ms": _ms(now + self.making_takes)}
        return Revised(_Looked(None, ours=True), {**page, **mine})


def _told(page: Mapping[str, Any], made: Answer, owner: str) -> Revised[None]:
    """Who took too long has been followed by another, whose answer is younger."""
    if page.get("owner") != owner:
        return Revised(None)
    return Revised(None, {"at_ms": _ms(made.at), "body": made.body})


def _answer_of(page: Mapping[str, Any]) -> Answer | None:
    return Answer(_moment(page["at_ms"]), page["body"]) if "body" in page else None


def _age_is_within(at: datetime, now: datetime, most: timedelta) -> bool:
    """Whose clock is behind takes a young answer for one of the future: it is young all the same."""
    return abs(now - at) < most


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
