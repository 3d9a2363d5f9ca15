"""Many workers on one account: nearly all of a limit is used, everybody goes on, and a page stays small."""

from __future__ import annotations

import heapq
import itertools
import json
import random
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.limits.accounts import AccountRules
from sluice.core.limits.pages import page_of
from sluice.core.limits.rates import LONGEST_APART_MS, RateLimit
from tests.unit.core.calendars import START_MS, SharedLife

SECOND = timedelta(seconds=1)
TWENTY = RateLimit(20, SECOND)


@dataclass
class Crowd:
    """Workers that use every slot they get and ask again at once, for ``seconds``."""

    limits: tuple[RateLimit, ...]
    workers: int
    seconds: int
    seed: int = 0
    waits: list[int] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    asked: int = 0

    def run(self) -> SharedLife:
        chance = random.Random(self.seed)  # noqa: S311
        life = SharedLife(AccountRules(self.limits))
        queue = [(START_MS + chance.randrange(500), n) for n in range(self.workers)]
        sizes = dict.fromkeys(range(self.workers), 8)
        heapq.heapify(queue)
        while queue[0][0] < START_MS + self.seconds * 1000:
            life.now_ms, worker = heapq.heappop(queue)
            grant = life.ask(str(worker), sizes[worker], chance.randrange(12_000, 16_000))
            self.asked += 1
            self.pages.append(len(json.dumps(page_of(life.page), separators=(",", ":"))))
            again = life.now_ms + max(grant.wait_ms, 1)
            if grant.slots:
                sizes[worker] = min(sizes[worker] * 4, 64)
                moments = [life.now_ms, *(slot.at_ms for slot in grant.slots)]
                self.waits += [b - a for a, b in itertools.pairwise(moments)]
                again = moments[-1] + 1
            heapq.heappush(queue, (again + chance.randrange(20), worker))
        return life

    def share(self, life: SharedLife, limit: RateLimit) -> float:
        """Of what the limit allows in this time, from the second window on."""
        since, until = START_MS + limit.per_ms, START_MS + self.seconds * 1000
        used = sum(since <= slot.at_ms < until for slot in life.standing)
        return used / ((until - since) / limit.per_ms * limit.requests)


@pytest.mark.parametrize("workers", [1, 2, 8, 16])
def test_twenty_a_second_are_used_to_95_per_cent(workers: int) -> None:
    crowd = Crowd((TWENTY,), workers, seconds=60)
    life = crowd.run()
    assert crowd.share(life, TWENTY) >= 0.95
    assert life.overfull() == []
    assert max(crowd.waits) <= 2000
    assert max(crowd.pages) < 4096


def test_everybody_gets_his_share() -> None:
    """Of eight, nobody gets less than two thirds of an eighth."""
    crowd = Crowd((TWENTY,), 8, seconds=60)
    life = crowd.run()
    fewest = min(len(slots) for slots in life.held.values())
    assert fewest >= len(life.standing) / 8 * 2 / 3


def test_a_block_of_one_in_eight_lasts_for_thirty_requests() -> None:
    """So that 20 requests a second cost less than one write a second, all workers together."""
    crowd = Crowd((TWENTY,), 8, seconds=60)
    life = crowd.run()
    assert len(life.standing) / crowd.asked >= 25


@pytest.mark.parametrize("workers", [1, 8])
def test_a_limit_per_minute_is_used_to_95_per_cent(workers: int) -> None:
    limit = RateLimit(150, timedelta(minutes=1))
    crowd = Crowd((limit,), workers, seconds=360)
    life = crowd.run()
    assert crowd.share(life, limit) >= 0.95
    assert life.overfull() == []


def test_several_limits_hold_at_once() -> None:
    """The scarcest decides, its window's past is merged, and the page stays small."""
    hour = RateLimit(2000, timedelta(hours=1))
    limits = (TWENTY, RateLimit(150, timedelta(minutes=1)), hour)
    crowd = Crowd(limits, 4, seconds=1200)
    life = crowd.run()
    assert life.overfull() == []
    assert len(life.standing) == 2000
    assert max(crowd.pages) < 4096


def test_a_thousand_a_second_make_no_large_page() -> None:
    fast = RateLimit(1000, SECOND)
    crowd = Crowd((fast,), 4, seconds=8)
    life = crowd.run()
    assert crowd.share(life, fast) >= 0.9
    assert max(crowd.pages) < 4096


def test_what_a_dead_worker_held_is_lost_for_seconds_only() -> None:
    """He has booked ahead and dies; once his block is over the others have all of the limit again."""
    crowd = Crowd((TWENTY,), 4, seconds=60, seed=3)
    life = SharedLife(AccountRules((TWENTY,)))
    life.ask("dead", 64)
    life.die("dead")
    life.now_ms += 20_000
    grant = life.ask("alive", 20)
    assert len([slot for slot in grant.slots if slot.at_ms == life.now_ms]) == 20
    assert grant.alone
    assert crowd.asked == 0


LIMITS = st.builds(
    RateLimit, st.integers(3, 40), st.sampled_from([0.5, 1, 3]).map(lambda s: timedelta(seconds=s))
)


@settings(max_examples=15, deadline=None)
@given(LIMITS, st.integers(1, 12), st.integers(0, 10**6))
def test_of_any_limit_nearly_all_is_used_by_any_crowd_that_fits(
    limit: RateLimit, workers: int, seed: int
) -> None:
    """And nobody ever more than that, whether they fit or not."""
    crowd = Crowd((limit,), workers, seconds=40 + 10 * workers, seed=seed)
    life = crowd.run()
    assert life.overfull() == []
    if workers * limit.cell_ms <= LONGEST_APART_MS:
        assert crowd.share(life, limit) >= 0.92
        assert all(life.held.values())


@settings(max_examples=15, deadline=None, derandomize=True)
@given(LIMITS, st.integers(1, 12), st.integers(0, 10**6))
def test_where_more_share_an_account_than_fit_they_take_turns(
    limit: RateLimit, workers: int, seed: int
) -> None:
    """Everybody gets on and four fifths are used: of nearly any crowd, not of any."""
    crowd = Crowd((limit,), workers, seconds=40 + 10 * workers, seed=seed)
    life = crowd.run()
    assert crowd.share(life, limit) >= 0.8
    assert all(life.held.values())


def test_a_crowd_that_falls_into_step_uses_half_of_its_limit() -> None:
    """What is not promised, and no less: in this one every second slot stays empty for good."""
    limit = RateLimit(6, SECOND)
    crowd = Crowd((limit,), 12, seconds=160, seed=3)
    life = crowd.run()
    assert life.overfull() == []
    assert 0.5 <= crowd.share(life, limit) < 0.6
    assert all(life.held.values())
