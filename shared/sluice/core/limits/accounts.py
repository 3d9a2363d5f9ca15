"""A vendor account as all workers share it: one page with its calendar, its breaker and what it told us.

An account is whatever the vendor counts together, usually one credential. Its page is revised by
compare-and-set (``core.ports.Book``), so what is here is pure: from a page and a wish to an answer and a page.

**Time.** Workers' clocks differ. The page carries the latest time that any writer used, and nobody's time is
earlier than that: whose clock is behind learns it with the first look and adds the difference from then on. All
moments here are milliseconds of that common time. How late that look was nobody knows, so while somebody's clock had to
be mended short limits are split: each holder keeps to his part of them by himself, whatever the others' time is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import ceil

from sluice.core.limits.breaker import Breaker, BreakerRules
from sluice.core.limits.rates import (
    LATENESS,
    LONGEST_APART_MS,
    RateLimit,
    Slot,
    Taken,
    Wanted,
    book,
    compacted,
    densest,
    given_back,
    used_in_window,
)

MILLISECOND = timedelta(milliseconds=1)
LONGEST_WAIT = timedelta(seconds=2)
"""A longer wait is never slept in a Lambda: the slice's continuation carries it as a delay."""

LOWER = 0.7
LOWEST = 0.2
RAISE_A_MINUTE = 0.1
MINUTE_MS = 60_000
FIRST_HOLD_MS = 1000
LONGEST_HOLD_MS = 60_000
TOLD_FOR_MS = 600_000
"""How long a rate that the vendor told counts."""

SPLIT_FOR_MS = 60_000
SPLIT_UP_TO = timedelta(seconds=10)
"""Limits of longer windows need not be split: clocks are not that wrong."""

STILL_THERE_MS = 2000
"""A holder counts this long after his last slot: he may be about to ask for more."""

DUE_MS = 2000
"""Somebody who was sent away is expected this long before and after he was told to come back."""

LONG_WAIT_MS = 10_000
SHORT_TURN_MS = 5000
"""A block reaches no further while somebody waits and more share the account than fit."""

LONG_TURN = 40
"""Slots of a block at most, where that is more than it takes to wait for the next: a newcomer has to wait."""

SEAT_WAIT_MS = 2000


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What a source declares of its accounts: limits that hold at once, and when its breaker opens."""

    limits: Sequence[RateLimit] = ()
    concurrent: int | None = None
    breaker: BreakerRules = field(default_factory=BreakerRules)


@dataclass(frozen=True, slots=True)
class VendorSays:
    """What an answer told about its account, in its headers or its body.

    ``wait``: leave the account alone that long. ``remaining``: requests left in the limit of ``of`` requests
    (None: the longest one). ``per_second``: the rate that holds now.
    """

    wait: timedelta | None = None
    remaining: int | None = None
    of: int | None = None
    per_second: float | None = None

    @classmethod
    def points(cls, *, available: float, restore_rate: float, cost: float) -> VendorSays:
        """Of a vendor that counts points: ``available`` now, ``restore_rate`` a second, ``cost`` of a request
        like the last one."""
        short = (cost - available) / restore_rate
        return cls(
            wait=timedelta(seconds=short) if short > 0 else None, per_second=restore_rate / cost
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """A holder's wish for ``count`` slots between ``from_ms`` (or now) and ``until_ms``, and for seats; with
    what it gives back and what the vendor told it meanwhile."""

    holder: str
    now_ms: int
    until_ms: int
    count: int
    from_ms: int = 0
    last_ms: int = 0
    """His last slot so far."""
    mended_ms: int = 0
    """By how much his own clock was behind the common time."""
    pace_ms: float = 0
    unused: Sequence[Slot] = ()
    seats: int = 0
    seats_until_ms: int = 0
    says: VendorSays | None = None
    said_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer: slots and seats, or how long to wait for the first. ``alone``: nobody else is active."""

    now_ms: int
    slots: Sequence[Slot] = ()
    seats: int = 0
    wait_ms: int = 0
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Stopped:
    """The vendor refused this credential (a digest of it): a person must act."""

    why: str
    digest: str


@dataclass(frozen=True, slots=True)
class AccountPage:
    """What all workers know of an account. Never changed, only made anew."""

    at_ms: int = 0
    taken: Sequence[Taken] = ()
    split_until_ms: int = 0
    """Until when clocks are not to be relied on."""
    holders: Mapping[str, int] = field(default_factory=dict)
    """Until when each holder has slots, or comes back for some."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """When each holder who was sent away comes back."""
    seats: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """How many requests each holder may have under way, and until when."""
    hold_until_ms: int = 0
    throttled_at_ms: int = 0
    throttles: int = 0
    factor: float = 1.0
    told_rate: float = 0.0
    told_at_ms: int = 0
    breaker: Breaker = field(default_factory=Breaker)
    stopped: Stopped | None = None

    def now_ms(self, own_ms: int) -> int:
        """The common time, for a worker whose own is ``own_ms``."""
        return max(own_ms, self.at_ms)

    def limits(self, rules: AccountRules, now_ms: int) -> Sequence[RateLimit]:
        """The limits as they hold now: declared, told by the vendor, lowered after a 429."""
        limits = list(rules.limits)
        if limits and self.told_rate and now_ms < self.told_at_ms + TOLD_FOR_MS:
            limits.append(RateLimit.per_second(self.told_rate))
        factor = self.factor_at(now_ms)
        return [limit.slowed(factor) for limit in limits]

    def factor_at(self, now_ms: int) -> float:
        """The part of the limits that is used: lowered by a 429, growing back with time."""
        grown = RAISE_A_MINUTE * (now_ms - self.throttled_at_ms) / MINUTE_MS
        return min(1.0, self.factor + grown)

    def granted(self, ask: Ask, rules: AccountRules) -> tuple[Grant, AccountPage]:
        """Give slots and seats, as far as there are some."""
        now = self.now_ms(ask.now_ms)
        page = self._heard(ask, rules, now)
        holders = {name: until for name, until in page.holders.items() if until > now}
        sharers = len(holders.keys() | {ask.holder})
        seats, page = page._seated(ask, rules, now)
        grant = Grant(now, seats=seats, alone=sharers == 1)
        if rules.concurrent and not seats:
            return replace(grant, wait_ms=SEAT_WAIT_MS), replace(page, at_ms=now, holders=holders)
        page = replace(page, at_ms=now, holders=holders)
        limits = page.limits(rules, now)
        if not limits or not ask.count:
            return grant, page
        due = page._due(ask, limits, now)
        if due is not None:
            return page._made_room(grant, ask, due)
        return page._booked(grant, ask, limits, sharers)

    def left(self, ask: Ask, rules: AccountRules) -> AccountPage:
        """A holder goes: what he did not use is free again."""
        now = self.now_ms(ask.now_ms)
        page = self._heard(ask, rules, now)
        holders = {name: until for name, until in page.holders.items() if name != ask.holder}
        waiting = {name: at for name, at in page.waiting.items() if name != ask.holder}
        seats = {name: seat for name, seat in page.seats.items() if name != ask.holder}
        return replace(page, at_ms=now, holders=holders, waiting=waiting, seats=seats)

    def throttled(
        self, rules: AccountRules, own_ms: int, *, sent_ms: int, wait: timedelta | None
    ) -> AccountPage:
        """The vendor said 429: hold as long as it asked, or ever longer, and go slower from then on.

        A request sent before the last 429 was heard tells nothing new.
        """
        now = self.now_ms(own_ms)
        is_news = sent_ms > self.throttled_at_ms
        throttles, factor = self.throttles, self.factor
        if is_news:
            in_a_row = now - max(self.throttled_at_ms, self.hold_until_ms) < MINUTE_MS
            throttles = throttles + 1 if in_a_row else 1
            factor = max(LOWEST, self.factor_at(now) * LOWER) if rules.limits else 1.0
        back_off = min(FIRST_HOLD_MS * 2 ** min(throttles - 1, 10), LONGEST_HOLD_MS)
        hold = back_off if wait is None else wait // MILLISECOND
        return replace(
            self,
            at_ms=now,
            hold_until_ms=max(self.hold_until_ms, now + hold),
            throttled_at_ms=now if is_news else self.throttled_at_ms,
            throttles=throttles,
            factor=factor,
        )

    def held(self, own_ms: int, wait: timedelta) -> AccountPage:
        """The vendor wants to be left alone, without having refused anything."""
        now = self.now_ms(own_ms)
        until = max(self.hold_until_ms, now + wait // MILLISECOND)
        return replace(self, at_ms=now, hold_until_ms=until)

    def _booked(
        self, grant: Grant, ask: Ask, limits: Sequence[RateLimit], sharers: int
    ) -> tuple[Grant, AccountPage]:
        now = grant.now_ms
        apart = _split_apart_ms(limits, sharers) if now < self.split_until_ms else 0
        begins = max(now, self.hold_until_ms, ask.from_ms, ask.last_ms + apart)
        ends = min(ask.until_ms, begins + self._turn_ms(limits, sharers))
        wanted = Wanted(begins, ends, ask.count, sharers, ask.pace_ms, apart)
        longest = LONGEST_WAIT // MILLISECOND - (begins - now)
        booked = book(self.taken, limits, wanted, longest_wait_ms=longest)
        wait = 0 if booked.slots else booked.free_at_ms - now
        if wait > LONG_WAIT_MS:  # a limit is used up: not all shall come back at the same moment
            wait += int(len(self.waiting.keys() - {ask.holder}) * densest(limits).cell_ms)
        page = replace(self, taken=booked.taken)
        return replace(grant, slots=booked.slots, wait_ms=wait), page._noted(
            ask.holder, max((slot.until_ms for slot in booked.slots), default=now + wait), wait
        )

    def _turn_ms(self, limits: Sequence[RateLimit], sharers: int) -> int:
        """How far a block may reach, so that who comes next finds a place soon enough."""
        cells_ms = sharers * densest(limits).cell_ms
        if self.waiting and cells_ms > LONGEST_APART_MS:
            return SHORT_TURN_MS
        return max(LONGEST_WAIT // MILLISECOND, int(LONG_TURN * cells_ms))

    def _due(self, ask: Ask, limits: Sequence[RateLimit], now: int) -> str | None:
        """Who comes back about now because he was sent away, where more share the account than fit.

        The asker has to make room for him if he has been served himself.
        """
        crowded = len(self.holders.keys() | {ask.holder}) * densest(limits).cell_ms
        if crowded <= LONGEST_APART_MS or ask.holder in self.waiting:
            return None
        near = (name for name, at in self.waiting.items() if abs(at - now) <= DUE_MS)
        return next(near, None)

    def _made_room(self, grant: Grant, ask: Ask, due: str) -> tuple[Grant, AccountPage]:
        """Send the asker away until somebody else's block ends: his place is for ``due``, who is owed no
        other one."""
        now = grant.now_ms
        ends = (until - STILL_THERE_MS - now for until in self.holders.values())
        wait = min((left for left in ends if left > DUE_MS), default=2 * DUE_MS)
        owed = {name: at for name, at in self.waiting.items() if name != due}
        page = replace(self, waiting=owed)
        return replace(grant, wait_ms=wait), page._noted(ask.holder, now + wait, wait)

    def _noted(self, holder: str, ends_ms: int, wait_ms: int) -> AccountPage:
        """Note until when a holder has slots, or when he comes back for some."""
        gone = self.at_ms - 2 * DUE_MS
        waiting = {name: at for name, at in self.waiting.items() if at > gone and name != holder}
        if wait_ms:
            waiting[holder] = ends_ms
        holders = {**self.holders, holder: ends_ms + STILL_THERE_MS}
        return replace(self, holders=holders, waiting=waiting)

    def _heard(self, ask: Ask, rules: AccountRules, now: int) -> AccountPage:
        """The page after what came with an ask: slots given back, what the vendor told."""
        limits = self.limits(rules, now)
        page = replace(self, taken=given_back(self.taken, ask.unused))
        if limits:
            page = replace(page, taken=compacted(page.taken, limits, now))
            if ask.mended_ms > min(limit.margin_ms for limit in limits) * (1 - LATENESS):
                page = replace(page, split_until_ms=now + SPLIT_FOR_MS)
        if ask.says is None:
            return page
        if ask.says.per_second:
            page = replace(page, told_rate=ask.says.per_second, told_at_ms=now)
        return page._with_others_use(ask.says, rules, ask.said_at_ms)

    def _with_others_use(self, says: VendorSays, rules: AccountRules, at: int) -> AccountPage:
        """Fewer requests remain than our calendar says: somebody else made the difference."""
        if says.remaining is None or not rules.limits:
            return self
        named = [limit for limit in rules.limits if limit.requests == says.of]
        limit = named[0] if named else max(rules.limits, key=lambda limit: limit.per)
        ours = used_in_window(self.taken, limit, at)
        others = limit.requests - ours - says.remaining
        if others <= 0:
            return self
        return replace(self, taken=tuple(sorted((*self.taken, Taken(at, 0, others)))))

    def _seated(self, ask: Ask, rules: AccountRules, now: int) -> tuple[int, AccountPage]:
        if not rules.concurrent:
            return 0, self
        seats = {
            name: (count, until)
            for name, (count, until) in self.seats.items()
            if until > now and name != ask.holder
        }
        free = rules.concurrent - sum(count for count, _ in seats.values())
        got = max(0, min(ask.seats, free))
        if got:
            seats[ask.holder] = (got, ask.seats_until_ms)
        return got, replace(self, seats=seats)


def _split_apart_ms(limits: Sequence[RateLimit], sharers: int) -> int:
    """How far apart one holder's slots must be so that all together keep the limits however their clocks are."""
    short = (limit for limit in limits if limit.per <= SPLIT_UP_TO)
    return max((ceil(x.window_ms / max(1, x.requests // sharers)) for x in short), default=0)
