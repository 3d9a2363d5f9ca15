"""What every implementation of ``core.ports.Leases`` must keep to: in memory and in DynamoDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier

import pytest

from sluice.core.keys import StreamKey
from sluice.core.ports import Leases
from sluice.core.slices import Lease, LeaseHeld
from tests.contract.leasing import KEY, LATER, NOW, OTHER, TTL, acquire, is_refused


def test_a_stream_never_leased_is_free(leases: Leases) -> None:
    """The first lease has token 1, knows no watermark, and ends when it was asked to."""
    lease = acquire(leases, "first")
    assert (lease.key, lease.owner, lease.fencing_token) == (KEY, "first", 1)
    assert (lease.watermark, lease.watermark_seq, lease.continued_seq) == (None, 0, 0)
    assert lease.not_before is None
    assert abs(lease.until - (NOW + TTL)) < timedelta(milliseconds=1)


def test_a_held_lease_is_refused_and_names_its_holder(leases: Leases) -> None:
    """The loser learns who holds it, until when, and from which seq the holder began."""
    first = acquire(leases, "first")
    leases.save_watermark(first, cursor={}, seq=4, has_more=True, run_id="run")
    leases.release(first)
    second = acquire(leases, "second")
    leases.save_watermark(second, cursor={}, seq=5, has_more=True, run_id="run")
    held = leases.acquire(KEY, "third", now=NOW, until=NOW + TTL)
    assert isinstance(held, LeaseHeld)
    assert (held.owner, held.base_seq) == ("second", 4)
    assert held.until == second.until


def test_a_holder_whose_message_continues_something_is_known_by_that(leases: Leases) -> None:
    """Not by the item's seq: a duplicate that holds the lease does no work from there."""
    first = acquire(leases, "first")
    leases.save_watermark(first, cursor={}, seq=4, has_more=True, run_id="run")
    leases.release(first)
    leases.acquire(KEY, "duplicate", now=NOW, until=NOW + TTL, expect_seq=3)
    held = leases.acquire(KEY, "third", now=NOW, until=NOW + TTL, expect_seq=4)
    assert isinstance(held, LeaseHeld)
    assert held.base_seq == 3


def test_a_refused_attempt_changes_nothing(leases: Leases) -> None:
    """The holder can still release, and the token did not rise."""
    first = acquire(leases, "first")
    assert is_refused(leases, "second")
    assert leases.release(first)
    assert acquire(leases, "third").fencing_token == first.fencing_token + 1


def test_the_same_owner_may_acquire_again(leases: Leases) -> None:
    """A resent write, whose first answer was lost, finds its own lease; the token skips one."""
    first = acquire(leases, "first")
    again = acquire(leases, "first")
    assert again.fencing_token == first.fencing_token + 1
    assert leases.release(again)


def test_a_lapsed_lease_can_be_taken_over(leases: Leases) -> None:
    """At the very moment it ends, and not a millisecond before."""
    first = acquire(leases, "first")
    assert is_refused(leases, "early", now=first.until - timedelta(milliseconds=1))
    taken = leases.acquire(KEY, "second", now=first.until, until=first.until + TTL)
    assert isinstance(taken, Lease)
    assert taken.fencing_token == first.fencing_token + 1


def test_tokens_strictly_rise(leases: Leases) -> None:
    """Over releases, lapses, resent writes and cleanups, no token comes twice."""
    tokens = []
    now = NOW
    for turn in range(4):
        lease = acquire(leases, f"releases {turn}", now)
        tokens.append(lease.fencing_token)
        leases.release(lease)
        tokens.append(acquire(leases, f"lapses {turn}", now).fencing_token)
        now += TTL + timedelta(seconds=1)
        tokens.append(acquire(leases, f"resends {turn}", now).fencing_token)
        tokens.append(acquire(leases, f"resends {turn}", now).fencing_token)
        now += TTL + timedelta(seconds=1)
        for seen in leases.stale(before=now, limit=10):
            leases.free(seen)
    assert tokens == sorted(set(tokens))


def test_only_who_takes_a_lapsed_lease_took_it_over(leases: Leases) -> None:
    """Not the first holder, nor one after a release or a cleanup. Of one's own resent write nothing is
    known: the first may have taken it over."""
    assert not acquire(leases, "first").took_over
    again = acquire(leases, "first")
    assert again.took_over
    leases.release(again)
    assert not acquire(leases, "second").took_over
    third = acquire(leases, "third", LATER)
    assert third.took_over
    (seen,) = leases.stale(before=LATER + 2 * TTL, limit=1)
    leases.free(seen)
    assert not acquire(leases, "fourth", LATER).took_over


def test_a_token_given_twice_lets_nobody_write_over_the_holders_watermark(leases: Leases) -> None:
    """As after a restore of the table: two bearers of one token, one of whom holds the lease."""
    first = acquire(leases, "first")
    other = replace(first, owner="before the restore")
    assert not leases.save_watermark(other, cursor={}, seq=9, has_more=True, run_id=None)
    assert leases.save_watermark(first, cursor={}, seq=1, has_more=True, run_id=None)
    leases.release(first)
    assert leases.save_watermark(first, cursor={}, seq=2, has_more=True, run_id=None)


def test_streams_do_not_hinder_each_other(leases: Leases) -> None:
    acquire(leases, "first")
    assert acquire(leases, "second", key=OTHER).fencing_token == 1


def test_a_fast_clock_steals_a_lease_but_never_reuses_a_token(leases: Leases) -> None:
    """A thief whose clock is ten minutes ahead gets a higher token, and shuts the holder out."""
    slow = acquire(leases, "slow")
    thief = acquire(leases, "thief", NOW + timedelta(minutes=10))
    assert thief.fencing_token > slow.fencing_token
    assert not leases.release(slow)


def test_a_slow_clock_waits_for_a_lapse_it_cannot_see_yet(leases: Leases) -> None:
    """Ten minutes behind, a lapsed lease looks held; with its clock set right it is taken over."""
    acquire(leases, "first")
    assert is_refused(leases, "slow", now=LATER - timedelta(minutes=10))
    assert not is_refused(leases, "slow", now=LATER)


def test_a_worker_that_overslept_is_fenced(leases: Leases) -> None:
    """Once the lease ran out and was taken over, the old holder can neither save nor release it."""
    old = acquire(leases, "old")
    new = acquire(leases, "new", LATER)
    assert not leases.save_watermark(old, cursor={"at": 1}, seq=1, has_more=False, run_id=None)
    assert not leases.release(old, continued_seq=1, not_before=LATER)
    assert leases.raise_token(old, 100) is None
    assert is_refused(leases, "third", now=LATER)
    assert leases.release(new)
    assert acquire(leases, "fourth", LATER).watermark is None


def test_the_owner_alone_does_not_release(leases: Leases) -> None:
    """The same owner under an older token (before its own resent write) holds nothing."""
    before = acquire(leases, "me")
    acquire(leases, "me")
    assert not leases.release(before)
    assert not leases.save_watermark(before, cursor={}, seq=1, has_more=False, run_id=None)
    assert is_refused(leases, "other")


def test_the_token_alone_does_not_release(leases: Leases) -> None:
    """Somebody who knows the token but is not the owner cannot give the lease away."""
    lease = acquire(leases, "me")
    assert not leases.release(replace(lease, owner="not me"))
    assert is_refused(leases, "other")


def test_a_released_lease_is_free_at_once(leases: Leases) -> None:
    assert leases.release(acquire(leases, "first"))
    assert acquire(leases, "second").fencing_token == 2


def test_a_lease_is_released_once(leases: Leases) -> None:
    lease = acquire(leases, "first")
    assert leases.release(lease)
    assert not leases.release(lease)


def test_the_watermark_is_there_for_the_next_holder(leases: Leases) -> None:
    """With its seq, whatever JSON the cursor holds."""
    lease = acquire(leases, "first")
    cursor = {"generation": 3, "page": None, "nested": {"é": [1, 2.5, True, "\u0000"]}}
    assert leases.save_watermark(lease, cursor=cursor, seq=7, has_more=True, run_id="run")
    leases.release(lease)
    following = acquire(leases, "second")
    assert (following.watermark, following.watermark_seq) == (cursor, 7)


def test_the_watermark_goes_back_too(leases: Leases) -> None:
    """Postgres wins in both directions: after a failover that lost commits it is rewound."""
    lease = acquire(leases, "first")
    leases.save_watermark(lease, cursor={"page": 9}, seq=9, has_more=True, run_id="run")
    assert leases.save_watermark(lease, cursor={"page": 2}, seq=2, has_more=True, run_id="run")
    leases.release(lease)
    assert acquire(leases, "second").watermark_seq == 2


def test_a_watermark_saved_twice_stays(leases: Leases) -> None:
    """A resent write finds its own result and succeeds again."""
    lease = acquire(leases, "first")
    for _ in range(2):
        assert leases.save_watermark(lease, cursor={"page": 1}, seq=1, has_more=True, run_id="r")


def test_the_continuation_sent_is_remembered(leases: Leases) -> None:
    """And a release that sent none leaves the last one known."""
    leases.release(acquire(leases, "first"), continued_seq=3)
    second = acquire(leases, "second")
    assert second.continued_seq == 3
    leases.release(second)
    assert acquire(leases, "third").continued_seq == 3


def test_the_vendors_wish_is_remembered_until_a_release_without_one(leases: Leases) -> None:
    not_before = (NOW + timedelta(minutes=5)).replace(microsecond=250_000)
    leases.release(acquire(leases, "first"), not_before=not_before)
    second = acquire(leases, "second")
    assert second.not_before == not_before
    leases.release(second)
    assert acquire(leases, "third").not_before is None


def test_a_release_notes_continuation_and_wish_together(leases: Leases) -> None:
    not_before = NOW.replace(microsecond=0)
    leases.release(acquire(leases, "first"), continued_seq=3, not_before=not_before)
    second = acquire(leases, "second")
    assert (second.continued_seq, second.not_before) == (3, not_before)


def test_the_token_is_raised_for_its_holder(leases: Leases) -> None:
    """After a state table was restored from a backup: the lifted lease is the one that counts."""
    lease = acquire(leases, "me")
    lifted = leases.raise_token(lease, 41)
    assert lifted == replace(lease, fencing_token=41)
    assert not leases.release(lease)
    assert leases.release(replace(lease, fencing_token=41))
    assert acquire(leases, "next").fencing_token == 42


def test_the_token_is_raised_again_by_a_resent_write(leases: Leases) -> None:
    lease = acquire(leases, "me")
    leases.raise_token(lease, 41)
    assert leases.raise_token(lease, 41) == replace(lease, fencing_token=41)


@pytest.mark.parametrize("to", [3, 1, 0])
def test_the_token_is_never_lowered(leases: Leases, to: int) -> None:
    """Nor raised by anybody but its holder, whatever token they name."""
    for owner in ("a", "b", "c"):
        leases.release(acquire(leases, owner))
    lease = acquire(leases, "me")
    assert leases.raise_token(lease, to) is None
    assert leases.release(lease)


@pytest.mark.parametrize(
    ("owner", "token"), [("not me", 1), ("me", 2), ("not me", 2), ("not me", 9)]
)
def test_the_token_is_raised_by_nobody_else(leases: Leases, owner: str, token: int) -> None:
    lease = acquire(leases, "me")
    assert leases.raise_token(replace(lease, owner=owner, fencing_token=token), 9) is None
    assert leases.release(lease)


def test_the_token_is_not_raised_once_the_lease_is_given_back(leases: Leases) -> None:
    lease = acquire(leases, "me")
    leases.release(lease)
    assert leases.raise_token(lease, 41) is None
    assert acquire(leases, "next").fencing_token == 2


def test_stale_leases_are_those_that_ended_before(leases: Leases) -> None:
    """Held ones and released ones are not among them; the oldest comes first, up to the limit."""
    keys = [StreamKey(name, "cars", "cars") for name in ("oldest", "older", "old", "held", "back")]
    for minutes, key in enumerate(keys[:3]):
        acquire(leases, f"worker of {key}", NOW + timedelta(minutes=minutes), key)
    acquire(leases, "holder", NOW + timedelta(hours=1), keys[3])
    leases.release(acquire(leases, "tidy", NOW, keys[4]))
    before = NOW + timedelta(hours=1)
    seen = leases.stale(before=before, limit=10)
    assert [lease.key for lease in seen] == keys[:3]
    assert (seen[0].owner, seen[0].fencing_token) == (f"worker of {keys[0]}", 1)
    assert [lease.key for lease in leases.stale(before=before, limit=2)] == keys[:2]


def test_a_lease_that_ends_just_then_is_not_stale_yet(leases: Leases) -> None:
    lease = acquire(leases, "first")
    assert not leases.stale(before=lease.until, limit=10)
    assert leases.stale(before=lease.until + timedelta(milliseconds=1), limit=10)


def test_a_freed_lease_can_be_acquired_and_is_stale_no_more(leases: Leases) -> None:
    """Freeing gives back the lease and keeps everything else."""
    lease = acquire(leases, "dead")
    leases.save_watermark(lease, cursor={"page": 2}, seq=2, has_more=True, run_id="run")
    (seen,) = leases.stale(before=LATER, limit=10)
    assert leases.free(seen)
    assert not leases.stale(before=LATER, limit=10)
    following = acquire(leases, "next")
    assert following.fencing_token == lease.fencing_token + 1
    assert (following.watermark, following.watermark_seq) == ({"page": 2}, 2)


def test_a_lease_is_freed_once(leases: Leases) -> None:
    acquire(leases, "dead")
    (seen,) = leases.stale(before=LATER, limit=10)
    assert leases.free(seen)
    assert not leases.free(seen)


def test_cleanup_frees_only_what_it_saw_unchanged(leases: Leases) -> None:
    """A lease that was taken over between the look and the touch stays with its new holder."""
    acquire(leases, "dead")
    (seen,) = leases.stale(before=LATER, limit=10)
    new = acquire(leases, "new", LATER)
    assert not leases.free(seen)
    assert leases.release(new)


@pytest.mark.parametrize(
    "changed",
    [
        {"fencing_token": 7},
        {"owner": "somebody else"},
        {"until": NOW + TTL + timedelta(seconds=5)},
    ],
    ids=["token", "owner", "until"],
)
def test_each_part_of_what_cleanup_saw_must_still_be_so(
    leases: Leases, changed: dict[str, object]
) -> None:
    lease = acquire(leases, "dead")
    (seen,) = leases.stale(before=LATER, limit=10)
    assert not leases.free(replace(seen, **changed))  # type: ignore[type-var]
    assert leases.release(lease)


def test_a_worker_freed_while_alive_cannot_release(leases: Leases) -> None:
    """But what it committed may still be noted, as long as nobody acquired the stream since."""
    lease = acquire(leases, "slow")
    (seen,) = leases.stale(before=LATER, limit=10)
    leases.free(seen)
    assert leases.save_watermark(lease, cursor={"page": 3}, seq=3, has_more=True, run_id="run")
    assert not leases.release(lease, continued_seq=3)
    assert acquire(leases, "next").watermark_seq == 3


def test_of_many_contenders_exactly_one_wins_each_round(leases: Leases) -> None:
    """16 threads, 50 rounds; every other round the winner dies and its lease has to lapse."""
    threads, rounds = 16, 50
    gate = Barrier(threads, timeout=30)

    def contend(owner: str, now: datetime) -> Lease | LeaseHeld:
        gate.wait()
        return leases.acquire(KEY, owner, now=now, until=now + TTL)

    now, tokens = NOW, []
    with ThreadPoolExecutor(threads) as pool:
        for turn in range(rounds):
            owners = [f"{turn}-{thread}" for thread in range(threads)]
            got = list(pool.map(contend, owners, [now] * threads))
            (won,) = [lease for lease in got if isinstance(lease, Lease)]
            assert {held.owner for held in got if isinstance(held, LeaseHeld)} == {won.owner}
            tokens.append(won.fencing_token)
            if turn % 2:
                now = won.until
            else:
                assert leases.release(won)
    assert tokens == list(range(1, rounds + 1))
