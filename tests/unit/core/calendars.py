"""An account's life in virtual time, and an oracle over it that knows nothing of how slots are found."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from sluice.core.limits.accounts import AccountPage, AccountRules, Ask, Grant
from sluice.core.limits.pages import page_of, read_page
from sluice.core.limits.rates import RateLimit, Slot

START_MS = 1_793_534_400_000


def overfull(slots: Sequence[Slot], limits: Sequence[RateLimit]) -> list[str]:
    """Windows of the vendor's that may hold more requests than allowed, however late each request starts in
    its slot. Looks at every window that begins where a slot's last moment lies: no other is fuller."""
    found = []
    firsts, lasts = sorted(s.at_ms for s in slots), sorted(s.until_ms for s in slots)
    for limit in limits:
        for begins in set(lasts):
            ends = begins + limit.per_ms
            inside = bisect_left(firsts, ends) - bisect_left(lasts, begins)
            if inside > limit.requests:
                found.append(
                    f"{inside} of {limit.requests} in {limit.per} from {begins - START_MS}"
                )
    return found


@dataclass
class SharedLife:
    """Holders that ask one page, which is written and read as JSON each time."""

    rules: AccountRules
    now_ms: int = START_MS
    page: AccountPage = field(default_factory=AccountPage)
    held: dict[str, list[Slot]] = field(default_factory=dict)
    standing: list[Slot] = field(default_factory=list)
    """Slots given out and not given back: any of them may carry a request."""

    def ask(
        self, holder: str, count: int = 8, horizon_ms: int = 14_000, pace_ms: float = 0
    ) -> Grant:
        grant, page = self.page.granted(
            Ask(holder, self.now_ms, self.now_ms + horizon_ms, count, pace_ms=pace_ms), self.rules
        )
        self._keep(page)
        self.held.setdefault(holder, []).extend(grant.slots)
        self.standing.extend(grant.slots)
        return grant

    def give_back(self, holder: str, *, only_ahead: bool) -> None:
        """A holder leaves. What he used is not his to give back: here it is what lies behind."""
        unused = [s for s in self.held.pop(holder, []) if s.at_ms > self.now_ms or not only_ahead]
        for slot in unused:
            self.standing.remove(slot)
        self._keep(self.page.left(Ask(holder, self.now_ms, 0, 0, unused=unused), self.rules))

    def die(self, holder: str) -> None:
        self.held.pop(holder, None)

    def overfull(self) -> list[str]:
        return overfull(self.standing, self.rules.limits)

    def _keep(self, page: AccountPage) -> None:
        self.page = read_page(json.loads(json.dumps(page_of(page))))
