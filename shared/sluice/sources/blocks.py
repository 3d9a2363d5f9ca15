"""Slots of an account's calendar, had in blocks: one write buys many requests.

A block grows while a slice goes on, and reaches no further than some seconds ahead: what a dead worker held is
lost for no longer than that. Slots that were not used go back with the next block, or at the slice's end.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from sluice.core.errors import AccountBusy, RetryLater
from sluice.core.limits.accounts import MILLISECOND, AccountPage, Ask, Grant, VendorSays
from sluice.core.limits.rates import Slot
from sluice.sources.account_view import Account, AccountView
from sluice.sources.pacing import LONGEST_SLEEP, Patience

FIRST_BLOCK = 8
BLOCK_GROWS = 4
MOST_SLOTS = 64
SHORTEST_HORIZON_MS = 12_000
LONGEST_HORIZON_MS = 16_000
"""How far ahead a block may reach; by chance, so that the blocks of several workers do not end together."""

TO_THE_END_MS = 20_000
"""A slice with so little time left has a last block, and no small one after it."""

SEATS_OUTLIVE = timedelta(seconds=30)
WORTH_A_WRITE_MS = 1_000
"""Unused slots are given back when what they block of the account's time is at least this much."""

AHEAD_MS = 100
"""A block is asked for before the last slot of the one before, if that is at least this far away."""

PACE_KNOWN_AFTER = 4
WORTH_A_BLOCK = 3
"""Slots that must still fit into a slice for another block."""


class Blocks:
    """One worker's slots and seats. Only one thread at a time may wait for a slot."""

    def __init__(self, account: Account, view: AccountView, *, side_by_side: int) -> None:
        self._account = account
        self._view = view
        self._side_by_side = side_by_side
        self._slots: deque[Slot] = deque()
        self._unused: list[Slot] = []
        self._size = account.memory.block or FIRST_BLOCK
        self._began_ms = 0
        self._used = 0
        self._pace_ms = 0.0
        self._alone = True
        self._apart = timedelta(0)
        self._last_ms = 0
        self._says: tuple[VendorSays, int] | None = None
        self._lock = threading.Lock()
        self.seats = 0

    def learn(self, says: VendorSays) -> None:
        """Take along what the vendor told with the next block."""
        with self._lock:
            self._says = (says, self._view.now_ms())

    def wait(self, patience: Patience) -> int:
        """Wait for a slot; the moment when it has come. One that came and went is not used.

        Raises AccountBusy when the next one is too far away.
        """
        while self._account.rules.limits:
            slot = self._next(patience)
            wait = (slot.at_ms - self._view.now_ms()) * MILLISECOND
            if wait > LONGEST_SLEEP or (wait > timedelta(0) and wait >= patience.left()):
                self._slots.appendleft(slot)
                raise AccountBusy("the account's requests are used up for now", retry_after=wait)
            patience.nap(wait.total_seconds())
            if self._view.now_ms() <= slot.until_ms:
                self._used += 1
                break
            self._unused.append(slot)
        return self._view.now_ms()

    def have_seats(self, patience: Patience) -> None:
        """Have seats where the account has a limit of requests under way; AccountBusy when all are taken."""
        if not self._account.rules.concurrent or self.seats:
            return
        if self._account.rules.limits:
            self._ask_for_block(patience, 0)
        else:
            self._ask(patience, 0, 0)

    def close(self) -> None:
        """Give back what was not used, if that is worth a write. What is not given back lapses."""
        unused = [*self._unused, *self._slots]
        self._slots.clear()
        self._unused.clear()
        seats, self.seats = self.seats, 0
        self._account.memory.block = FIRST_BLOCK if len(unused) * 2 > self._size else self._size
        if not seats and self._blocked_ms(unused) < WORTH_A_WRITE_MS:
            return
        ask = Ask(self._account.holder, 0, 0, 0, unused=unused)
        rules = self._account.rules
        with suppress(RetryLater):
            self._view.revise(lambda page, now: page.left(replace(ask, now_ms=now), rules))

    def _next(self, patience: Patience) -> Slot:
        if not self._slots:
            self._ask_for_block(patience, 0)
        slot = self._slots.popleft()
        has_grown = self._size > FIRST_BLOCK * BLOCK_GROWS
        if not self._slots and has_grown and slot.at_ms - self._view.now_ms() >= AHEAD_MS:
            with suppress(AccountBusy):
                self._ask_for_block(patience, slot.at_ms)
        return slot

    def _ask_for_block(self, patience: Patience, from_ms: int) -> None:
        """Ask for slots, more each time. AccountBusy when the first one is too far away."""
        now = self._view.now_ms()
        if patience.left() < WORTH_A_BLOCK * self._apart:
            raise AccountBusy("no more requests fit into this slice", retry_after=timedelta(0))
        if self._used >= PACE_KNOWN_AFTER:
            self._pace_ms = (now - self._began_ms) / self._used
        grant = self._ask(patience, max(1, min(self._size, patience.requests())), from_ms)
        self._began_ms, self._used = now, 0
        if not grant.slots:
            raise AccountBusy(
                "the account's requests are used up for now",
                retry_after=max(grant.wait_ms, 1) * MILLISECOND,
            )
        self._size = min(self._size * BLOCK_GROWS, MOST_SLOTS)
        self._slots.extend(grant.slots)
        self._last_ms = grant.slots[-1].at_ms
        if len(grant.slots) > 1:
            self._apart = (grant.slots[-1].at_ms - grant.slots[-2].at_ms) * MILLISECOND

    def _ask(self, patience: Patience, count: int, from_ms: int) -> Grant:
        """One revision for slots and seats; it takes along what is given back and what was learnt."""
        wish = self._wish(count, from_ms)
        left_ms = patience.left() // MILLISECOND
        reach = left_ms if left_ms <= TO_THE_END_MS else self._horizon_ms()
        seats_ms = left_ms + SEATS_OUTLIVE // MILLISECOND

        def granted(page: AccountPage, now: int) -> tuple[Grant, AccountPage]:
            timed = replace(
                wish,
                now_ms=now,
                until_ms=now + reach,
                mended_ms=now - self._view.own_ms(),
                seats_until_ms=now + seats_ms,
            )
            return page.granted(timed, self._account.rules)

        if not self._alone:
            # Others write this page, too: a look costs less than a write that is refused.
            self._view.look_now()
        grant = self._view.revise_for(granted)
        self._alone, self.seats = grant.alone, grant.seats
        if self._account.rules.concurrent and not grant.seats:
            raise AccountBusy(
                "as many requests are under way as the account allows",
                retry_after=grant.wait_ms * MILLISECOND,
            )
        return grant

    def _wish(self, count: int, from_ms: int) -> Ask:
        with self._lock:
            says, self._says = self._says, None
        unused, self._unused = self._unused, []
        return Ask(
            holder=self._account.holder,
            now_ms=0,
            until_ms=0,
            count=count,
            from_ms=from_ms,
            last_ms=self._last_ms,
            pace_ms=self._pace_ms,
            unused=unused,
            seats=self._side_by_side,
            says=says[0] if says else None,
            said_at_ms=says[1] if says else 0,
        )

    def _horizon_ms(self) -> int:
        spread = LONGEST_HORIZON_MS - SHORTEST_HORIZON_MS
        return SHORTEST_HORIZON_MS + int(self._account.chance() * spread)

    def _blocked_ms(self, unused: list[Slot]) -> float:
        """How much of the account's time these slots take from others, of the scarcest limit they are in."""
        now, limits = self._view.now_ms(), self._account.rules.limits

        def blocks(slot: Slot) -> float:
            reached = (x for x in limits if slot.at_ms + x.window_ms > now)
            return max((limit.per_ms / limit.requests for limit in reached), default=0.0)

        return sum(blocks(slot) for slot in unused)
