"""The breaker: an outage is asked about a few times in all, whoever asks; then one worker tries."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sluice.core.limits.breaker import Breaker, BreakerRules, May

RULES = BreakerRules()
PAUSE_MS = 60_000
NOW = 1_000_000


def failed(times: int, breaker: Breaker | None = None) -> Breaker:
    state = breaker or Breaker()
    for _ in range(times):
        state = state.failed(NOW, RULES, counted=False)
    return state


def test_a_vendor_that_is_well_costs_nothing() -> None:
    """A request is no try, and the breaker stays as it was."""
    assert Breaker().may_ask(NOW, RULES) == (May(), Breaker())


def test_ten_failures_in_a_row_leave_it_closed_and_eleven_open_it() -> None:
    assert failed(10).open_until_ms == 0
    assert failed(11).open_until_ms == NOW + PAUSE_MS


def test_an_answer_ends_the_row() -> None:
    assert failed(10).answered() == Breaker()
    assert failed(1, failed(10).answered()).failures == 1


def test_nobody_asks_while_it_is_open() -> None:
    may, state = failed(11).may_ask(NOW + 20_000, RULES)
    assert (may.wait_ms, may.counted) == (40_000, False)
    assert state == failed(11)


def test_a_failure_that_comes_late_does_not_prolong_the_pause() -> None:
    late = failed(11).failed(NOW + 30_000, RULES, counted=False)
    assert late.open_until_ms == NOW + PAUSE_MS


def test_after_the_pause_exactly_one_tries() -> None:
    after = NOW + PAUSE_MS
    first, state = failed(11).may_ask(after, RULES)
    second, _ = state.may_ask(after, RULES)
    assert (first.wait_ms, first.counted) == (0, True)
    assert (second.wait_ms, second.counted) == (1000, False)


def test_a_try_is_waited_for_no_longer_than_it_lasts() -> None:
    """A worker that asked at the end of it would otherwise wait a second for one that is dead."""
    first, state = failed(1).may_ask(NOW, RULES)
    second, state = state.may_ask(NOW + 100, RULES)
    assert first.counted
    assert second.counted
    assert state.may_ask(NOW + 39_700, RULES)[0] == May(300)
    assert state.may_ask(NOW + 39_999, RULES)[0] == May(1)
    assert state.may_ask(NOW + 40_000, RULES)[0].counted


def test_a_try_that_ended_makes_room_for_one_other() -> None:
    """Whether it failed or told nothing; a failure that was no try makes none."""
    _, one = failed(1).may_ask(NOW, RULES)
    _, two = one.may_ask(NOW, RULES)
    assert len(two.tries) == 2
    assert len(two.failed(NOW, RULES, counted=True).tries) == 1
    assert len(two.failed(NOW, RULES, counted=False).tries) == 2
    assert len(two.returned().tries) == 1


def test_what_the_one_finds_closes_it_or_opens_it_again() -> None:
    after = NOW + PAUSE_MS
    _, state = failed(11).may_ask(after, RULES)
    assert state.answered() == Breaker()
    assert state.failed(after, RULES, counted=True).open_until_ms == after + PAUSE_MS


def test_who_tried_and_died_is_not_waited_for() -> None:
    """His try counts as failed: the breaker opens once more, and then another one may try."""
    after = NOW + PAUSE_MS
    _, state = failed(11).may_ask(after, RULES)
    may, opened = state.may_ask(after + 40_000, RULES)
    assert may.wait_ms == PAUSE_MS
    again, _ = opened.may_ask(after + 40_000 + PAUSE_MS, RULES)
    assert again.counted


def test_tries_are_counted_before_they_are_made() -> None:
    """Two at once while few failures are known, and never more than are left."""
    _, one = failed(1).may_ask(NOW, RULES)
    _, two = one.may_ask(NOW, RULES)
    third, _ = two.may_ask(NOW, RULES)
    assert third.wait_ms > 0
    _, last_but_one = failed(9).may_ask(NOW, RULES)
    assert last_but_one.may_ask(NOW, RULES)[0].counted
    _, last = failed(10).may_ask(NOW, RULES)
    assert last.may_ask(NOW, RULES)[0].wait_ms > 0


def test_a_try_without_word_of_the_vendor_is_taken_back() -> None:
    _, state = failed(10).may_ask(NOW, RULES)
    assert state.returned() == failed(10)


def test_tries_of_before_do_not_count_against_the_vendor_after_it_opened() -> None:
    """A worker that died while the row grew is no reason for a second pause."""
    _, state = failed(9).may_ask(NOW, RULES)
    opened = failed(2, state)
    assert opened.tries == ()
    assert opened.may_ask(NOW + PAUSE_MS, RULES)[0].counted


def test_threshold_and_pause_are_the_sources() -> None:
    rules = BreakerRules(threshold=2, pause=timedelta(seconds=5))
    state = Breaker()
    for _ in range(3):
        state = state.failed(NOW, rules, counted=False)
    assert state.open_until_ms == NOW + 5000


def test_what_opened_by_stricter_rules_opens_again_though_they_are_looser_now() -> None:
    """A deployment raised the threshold during the pause, and the try after it fails."""
    strict, loose = BreakerRules(threshold=2), BreakerRules(threshold=50)
    state = Breaker()
    for _ in range(3):
        state = state.failed(NOW, strict, counted=False)
    may, state = state.may_ask(NOW + PAUSE_MS, loose)
    assert may.counted
    opened = state.failed(NOW + PAUSE_MS, loose, counted=True)
    assert opened.open_until_ms == NOW + 2 * PAUSE_MS


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3000)), max_size=300))
def test_an_outage_costs_few_requests_a_minute_however_they_interleave(
    moves: list[tuple[int, int]],
) -> None:
    """Workers ask and hear of their failure in any order, some die: in no minute are more than eleven made."""
    state, now, asked = Breaker(1), NOW, [NOW]
    under_way: set[int] = set()
    for worker, pause in moves:
        now += pause
        if worker in under_way:
            under_way.discard(worker)
            if worker % 5:  # every fifth dies of it
                state = state.failed(now, RULES, counted=True)
            continue
        may, state = state.may_ask(now, RULES)
        if not may.wait_ms:
            assert may.counted
            under_way.add(worker)
            asked.append(now)
    for since in asked:
        assert sum(since <= at < since + PAUSE_MS for at in asked) <= RULES.threshold + 1
