"""A vendor account as people look at it, by its page in the book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sluice.core.limits.accounts import AccountPage
from sluice.core.limits.pages import read_page
from sluice.core.limits.rates import RateLimit, used_in_window
from sluice.core.overview.picture import CLOSED, OPEN, TRYING, AccountView


def account_view(
    name: str, page: Mapping[str, Any], limits: Sequence[RateLimit], now: datetime
) -> AccountView:
    """The account at ``now``, in the common time of all who use it. ``limits`` are those that its source declares."""
    read = read_page(page)
    now_ms = read.now_ms(int(now.timestamp() * 1000))
    return AccountView(
        name=name,
        breaker=_breaker(read, now_ms),
        failures=read.breaker.failures,
        stopped_because=read.stopped.why if read.stopped else None,
        budget_used=_used(read, limits, now_ms),
    )


def _breaker(page: AccountPage, now_ms: int) -> str:
    until_ms = page.breaker.open_until_ms
    if not until_ms:
        return CLOSED
    return OPEN if until_ms > now_ms else TRYING


def _used(page: AccountPage, limits: Sequence[RateLimit], now_ms: int) -> float | None:
    """The share of the limit that is used most. Slots are counted whole wherever past ones were merged, so it
    may say a little more than was asked; never more than all."""
    shares = (used_in_window(page.taken, each, now_ms) / each.requests for each in limits)
    most = max(shares, default=None)
    return None if most is None else min(most, 1.0)
