"""A report names its stream and says why it ended as it did: it becomes the one line that people read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sluice.core.errors import BreakerOpen, SecretMissing, VendorThrottled, VendorUnavailable
from sluice.core.keys import StreamKey
from sluice.core.slices import Claim, Lease, Outcome
from tests.memory.streams import Vendor
from tests.unit.usecases.world import KEY, START, World, asking, catalogue


@pytest.fixture
def world() -> World:
    return World(vendor=Vendor(catalogue(75)))


def taken_over(world: World) -> Lease:
    """Somebody else has the lease."""
    until = world.clock() + timedelta(seconds=40)
    lease = world.leases.acquire(KEY, "another", now=world.clock(), until=until)
    assert isinstance(lease, Lease)
    return lease


def test_a_slice_without_a_note_has_nothing_to_add(world: World) -> None:
    assert {(report.key, report.detail) for report in world.sync()} == {(KEY, "")}
    report = world.run()
    assert (report.outcome, report.key, report.detail) == (Outcome.CAUGHT_UP, KEY, "")


def test_a_committed_slice_is_named_as_the_log_names_it(world: World) -> None:
    report = world.run()
    (logged,) = world.commits.database.log[KEY]
    assert report.slice_id
    assert (report.slice_id, report.seq) == (logged.link.slice_id, logged.link.seq)


def test_who_is_told_to_wait_learns_until_when(world: World) -> None:
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(minutes=5))]
    world.run()
    report = world.run(asking("schedule"))
    assert (report.outcome, report.key) == (Outcome.WAITING, KEY)
    assert report.detail == "until 12:05:00 UTC"


def test_who_finds_the_lease_held_learns_by_whom(world: World) -> None:
    taken_over(world)
    dropped, back = world.run(asking("schedule")), world.run(asking("manual"))
    assert (dropped.outcome, dropped.key, dropped.detail) == (
        Outcome.LEASE_HELD,
        KEY,
        "held by another",
    )
    assert (back.outcome, back.key) == (Outcome.DEFERRED, KEY)
    assert back.detail == "held by another; comes back in 0:00:01"


def test_who_is_superseded_learns_that_its_token_is_too_old(world: World) -> None:
    world.commits.claim(KEY, 50)
    world.leases.raise_token = lambda *_: None  # type: ignore[method-assign]
    world.leases.release = lambda *_, **__: False  # type: ignore[method-assign]
    report = world.run()
    assert (report.outcome, report.key) == (Outcome.SUPERSEDED, KEY)
    assert report.detail == f"{KEY}: token 1 is older than the database's fence"


def test_a_duplicate_says_what_it_expected(world: World) -> None:
    world.run()
    report = world.run(asking(expect_seq=0))
    assert (report.outcome, report.key, report.detail) == (Outcome.DUPLICATE, KEY, "expected 0")


def test_a_failed_run_says_what_a_person_must_do(world: World) -> None:
    world.streams.refuses = SecretMissing("secret 'x' is not there; create it")
    report = world.run()
    assert (report.outcome, report.key) == (Outcome.RUN_FAILED, KEY)
    assert report.detail == "SecretMissing: secret 'x' is not there; create it"


# --- what only shows when two things meet -------------------------------------------------------------


def test_who_lifts_its_token_and_is_overtaken_all_the_same_gives_back_what_it_lifted(
    world: World,
) -> None:
    """Between lifting and claiming an older holder claimed: there is no claim to work with, but the lease
    is ours, so it goes back and the message comes again."""
    world.run()
    world.leases.items.clear()
    claim, asked = world.commits.claim, []

    def overtaken(key: StreamKey, fencing_token: int, **more: Any) -> Claim | None:
        asked.append(fencing_token)
        if len(asked) == 2:
            claim(key, fencing_token + 1)
        return claim(key, fencing_token, **more)

    world.commits.claim = overtaken  # type: ignore[method-assign]
    pages = world.vendor.pages_read
    assert world.run(asking("cleanup")).outcome is Outcome.DEFERRED
    assert (asked, world.vendor.pages_read) == ([1, 2], pages)
    assert world.leases.items[KEY].owner is None
    world.drain()
    assert world.in_step()


def test_a_stop_without_a_word_from_the_vendor_delays_as_a_first_attempt_does(world: World) -> None:
    """Pages were read, so there was progress: half of 5 s at a chance of a half."""
    world.vendor.script = [None, VendorUnavailable("503")]
    assert world.run(asking(attempt=5)).outcome is Outcome.COMMITTED
    assert world.messages.sent[0].delay == timedelta(seconds=2.5)
    assert world.leases.items[KEY].not_before == START + timedelta(seconds=2.5)


def test_a_wish_that_names_what_it_continues_is_dropped_like_a_continuation(world: World) -> None:
    """The holder began where it begins, and does its work."""
    world.run()
    taken_over(world)
    assert world.run(asking("manual", expect_seq=1)).outcome is Outcome.LEASE_HELD


def test_what_cut_a_slice_short_is_in_its_line(world: World) -> None:
    """It committed what it had read; that its vendor is out is said all the same."""
    world.vendor.things = catalogue(50)
    world.vendor.script = [None, BreakerOpen("not asked", retry_after=timedelta(seconds=60))]
    report = world.run()
    assert report.outcome is Outcome.COMMITTED
    assert report.detail == "stopped by BreakerOpen: not asked"
