"""A worker's view of an account's page: what it saw last, how to revise it, and what time it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from sluice.core.budget import Clock
from sluice.core.limits.accounts import AccountPage, AccountRules
from sluice.core.limits.pages import page_of, read_page
from sluice.core.ports import Book, Revised

T = TypeVar("T")

LOOK_AGAIN_MS = 5_000
"""How long a look at the page counts: what others found out is heeded after that at the latest."""


@dataclass(slots=True)
class AccountMemory:
    """What one process remembers of an account over slices: how far the common time is ahead of its own, and
    how large the blocks were that it used up."""

    ahead_ms: int = 0
    block: int = 0

    def heed(self, own_ms: int, common_ms: int) -> None:
        """The common time is at least this, when our own clock says that."""
        self.ahead_ms = max(self.ahead_ms, common_ms - own_ms)


@dataclass(frozen=True, slots=True)
class Account:
    """A vendor account: its page in the book, its rules, and who we are in it.

    ``holder`` is the same in every slice of a stream, so that its next slice is not taken for somebody else.
    """

    book: Book
    subject: str
    rules: AccountRules
    holder: str
    clock: Clock
    chance: Callable[[], float]
    memory: AccountMemory


class AccountView:
    """Safe to use from threads. Raises StateUnavailable where the book does."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._looked_at_ms: int | None = None
        self.known = AccountPage()

    def now_ms(self) -> int:
        """The common time of all who use the account."""
        return self.own_ms() + self._account.memory.ahead_ms

    def look(self) -> AccountPage:
        """The page, from a look that is not too old."""
        seen = self._looked_at_ms
        if seen is None or self.now_ms() - seen >= LOOK_AGAIN_MS:
            self.look_now()
        return self.known

    def look_now(self) -> None:
        self._note(read_page(self._account.book.read(self._account.subject)))

    def revise(self, change: Callable[[AccountPage, int], AccountPage]) -> None:
        """Make the page what ``change`` makes of it at the common time."""
        self.revise_for(lambda page, now: (None, change(page, now)))

    def revise_for(self, change: Callable[[AccountPage, int], tuple[T, AccountPage]]) -> T:
        """The same, with an answer. What stays as it was is not written."""

        def revision(kept: Mapping[str, object]) -> Revised[tuple[T, AccountPage]]:
            page = read_page(kept)
            now = page.now_ms(self.now_ms())
            answer, changed = change(page, now)
            if changed == page:
                return Revised((answer, page))
            changed = replace(changed, at_ms=now)
            return Revised((answer, changed), page_of(changed))

        answer, page = self._account.book.revise(self._account.subject, revision)
        self._note(page)
        return answer

    def _note(self, page: AccountPage) -> None:
        self._account.memory.heed(self.own_ms(), page.at_ms)
        self.known, self._looked_at_ms = page, self.now_ms()

    def own_ms(self) -> int:
        """Our own clock, for better or worse."""
        return int(self._account.clock().timestamp() * 1000)
