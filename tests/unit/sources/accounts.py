"""Several workers on one vendor account, in virtual time: one book, one clock, each a room of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sluice.core.limits.accounts import AccountPage, AccountRules
from sluice.core.limits.pages import read_page
from sluice.core.limits.rates import RateLimit
from sluice.sources.pacing import Patience
from tests.memory.book import MemoryBook
from tests.unit.sources.cars_vendor import Clock
from tests.unit.sources.http_room import Room, Vendor

SUBJECT = "account#vendor#acme"
SECOND = timedelta(seconds=1)
NO_LIMITS = AccountRules()
TWENTY = AccountRules((RateLimit(20, SECOND),))


class Office:
    """Rooms that share a book."""

    def __init__(self, vendor: Vendor, rules: AccountRules = NO_LIMITS) -> None:
        self.vendor, self.rules = vendor, rules
        self.book, self.clock = MemoryBook(), Clock()

    def room(self, holder: str = "one", **more: Any) -> Room:
        more = {"rules": self.rules, "book": self.book, "clock": self.clock, **more}
        return Room(self.vendor, holder=holder, **more)

    def page(self) -> AccountPage:
        return read_page(self.book.read(SUBJECT))


def patience(room: Room, seconds: float = 40, requests: int = 500) -> Patience:
    ends = room.clock() + timedelta(seconds=seconds)
    return Patience(
        lambda: max(ends - room.clock(), timedelta(0)),
        lambda: requests,
        room.sleep,
        lambda: False,
    )
