"""Workers whose clocks differ by up to ten seconds, seen by a vendor whose clock is the true one."""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from sluice.core.limits.accounts import AccountPage, AccountRules, Ask
from sluice.core.limits.rates import RateLimit, Slot
from tests.unit.core.calendars import START_MS

TWENTY = RateLimit(20, timedelta(seconds=1))
RULES = AccountRules((TWENTY,))
LOOK_MS = 5000


@dataclass
class SkewedWorker:
    """``off_ms`` is what its clock is wrong by; ``mended_ms`` what it learnt of that."""

    off_ms: int
    mended_ms: int = 0
    size: int = 8
    slots: deque[Slot] = field(default_factory=deque)
    last_ms: int = 0

    def common_ms(self, true_ms: int) -> int:
        return true_ms + self.off_ms + self.mended_ms

    def look(self, true_ms: int, page: AccountPage) -> None:
        self.mended_ms += max(page.at_ms - self.common_ms(true_ms), 0)


def arrivals(workers: list[SkewedWorker], seconds: int, chance: random.Random) -> list[int]:
    """When requests start, by the true clock, of workers that use every slot they get."""
    page, made = AccountPage(), []
    queue = [(START_MS + chance.randrange(500), n, "go") for n in range(len(workers))]
    queue += [(START_MS + LOOK_MS, n, "look") for n in range(len(workers))]
    heapq.heapify(queue)
    while queue[0][0] < START_MS + seconds * 1000:
        true_ms, number, what = heapq.heappop(queue)
        worker = workers[number]
        worker.look(true_ms, page)
        now = worker.common_ms(true_ms)
        again = true_ms + 5
        if what == "look":
            again = true_ms + LOOK_MS
        elif not worker.slots:
            ends = now + chance.randrange(12_000, 16_000)
            ask = Ask(
                str(number),
                now,
                ends,
                worker.size,
                last_ms=worker.last_ms,
                mended_ms=worker.mended_ms,
            )
            grant, page = page.granted(ask, RULES)
            worker.slots.extend(grant.slots)
            worker.size = 64 if grant.slots else worker.size
            worker.last_ms = grant.slots[-1].at_ms if grant.slots else worker.last_ms
            again = true_ms + grant.wait_ms + 5
        elif worker.slots[0].at_ms > now:
            again = true_ms + worker.slots[0].at_ms - now
        elif now <= worker.slots.popleft().until_ms:
            made.append(true_ms)
        heapq.heappush(queue, (again, number, what))
    return made


def refused(made: list[int]) -> list[int]:
    """When a vendor that counts strictly says 429: seconds from the start."""
    accepted: deque[int] = deque()
    said = []
    for at in made:
        while accepted and accepted[0] <= at - 1000:
            accepted.popleft()
        if len(accepted) < TWENTY.requests:
            accepted.append(at)
        else:
            said.append((at - START_MS) // 1000)
    return said


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [2, 5, 8])
def test_wrong_clocks_break_no_limit_once_they_are_known(count: int, seed: int) -> None:
    """While the first blocks last that were booked before it was known, the vendor may refuse some."""
    chance = random.Random(seed)  # noqa: S311
    workers = [SkewedWorker(chance.randrange(-10_000, 10_000)) for _ in range(count)]
    made = arrivals(workers, 60, chance)
    assert all(at < 20 for at in refused(made))
    assert len([at for at in made if at >= START_MS + 20_000]) >= 40 * 20 * 0.6


def test_right_clocks_use_all_of_the_limit() -> None:
    made = arrivals([SkewedWorker(0) for _ in range(8)], 60, random.Random(1))  # noqa: S311
    assert refused(made) == []
    assert len(made) >= 60 * 20 * 0.94
