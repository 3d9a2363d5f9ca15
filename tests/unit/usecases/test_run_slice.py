"""One message, one slice: outcomes, the order of the protocol, repairs, delays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.errors import (
    CommitUnknown,
    CredentialsRefused,
    DatabaseUnavailable,
    InvariantBroken,
    NotFound,
    SecretMissing,
    SluiceError,
    VendorThrottled,
    VendorUnavailable,
)
from sluice.core.slices import Lease, Outcome
from sluice.usecases.kit import LEASE_MARGIN, MERGE_MARGIN
from sluice.usecases.waiting import MOST_ATTEMPTS, MOST_DOUBLINGS
from tests.memory.streams import Vendor
from tests.unit.usecases.world import (
    INVOCATION,
    KEY,
    START,
    Tape,
    World,
    asking,
    catalogue,
)


@pytest.fixture
def world() -> World:
    return World(vendor=Vendor(catalogue(75)))


def held_by_another(world: World, seconds: float = 40) -> Lease:
    lease = world.leases.acquire(
        KEY, "another", now=world.clock(), until=world.clock() + timedelta(seconds=seconds)
    )
    assert isinstance(lease, Lease)
    return lease


# --- the plain course ---------------------------------------------------------------------------------


def test_a_run_is_a_chain_of_slices_until_caught_up(world: World) -> None:
    """75 rows at 30 a slice: three slices of pages, one that reconciles."""
    reports = world.sync()
    assert [r.outcome for r in reports] == [Outcome.COMMITTED] * 4
    assert [r.counts.inserted for r in reports] == [30, 30, 15, 0]
    assert world.in_step()
    (run,) = world.commits.database.runs
    assert (run.outcome, run.failures) == ("completed", 0)


def test_the_order_of_a_slice_is_the_protocol(world: World) -> None:
    """Claim before a byte is fetched, data before the watermark, continuation before the release."""
    tape = Tape()
    world.vendor.page_takes = lambda: tape.calls.append("vendor.page")
    world.run(kit=tape.before(world))
    assert tape.calls == [
        "leases.acquire",
        "commits.claim",
        "commits.open_run",
        *["vendor.page"] * 3,
        "commits.commit",
        "leases.save_watermark",
        "messages.ask_for_slice",
        "leases.release",
    ]


def test_caught_up_is_an_outcome_that_costs_no_slice(world: World) -> None:
    world.sync()
    seq = world.commits.database.streams[KEY].seq
    report = world.run()
    assert (report.outcome, report.seq) == (Outcome.CAUGHT_UP, seq)
    assert world.messages.sent == []
    assert world.in_step()


def test_a_full_read_is_made_when_asked_for_and_changes_only_what_changed(world: World) -> None:
    world.sync()
    world.clock.advance(hours=1)
    world.vendor.things |= {"t001": 2, "new": 1}
    del world.vendor.things["t002"]
    reports = world.sync(full_since=world.clock())
    counts = [
        sum(getattr(r.counts, name) for r in reports) for name in ("inserted", "updated", "deleted")
    ]
    assert counts == [1, 1, 1]
    assert world.in_step()


# --- lease and claim ----------------------------------------------------------------------------------


def test_a_held_lease_is_an_outcome_and_not_an_error(world: World) -> None:
    held_by_another(world)
    report = world.run()
    assert (report.outcome, world.messages.sent) == (Outcome.LEASE_HELD, [])
    assert world.vendor.pages_read == 0


def test_a_continuation_that_overtook_its_senders_release_comes_back(world: World) -> None:
    """The holder began before the slice that this message continues: it is about to let go."""
    world.run()
    (continuation,) = world.messages.take()
    item = world.leases.items[KEY]
    item.owner, item.until, item.base_seq = "still releasing", START + timedelta(seconds=90), 0
    report = world.run(continuation)
    assert report.outcome is Outcome.DEFERRED
    (sent,) = world.messages.sent
    assert (sent.message.expect_seq, sent.message.held) == (1, 1)
    assert sent.delay == timedelta(seconds=1)


def test_it_never_waits_longer_than_the_lease_lasts(world: World) -> None:
    world.run()
    item = world.leases.items[KEY]
    item.owner, item.until, item.base_seq = "dying", START + timedelta(seconds=5), 0
    world.messages.take()
    world.run(asking("continuation", expect_seq=1, held=MOST_DOUBLINGS))
    assert world.messages.sent[0].delay == timedelta(seconds=6)


def test_a_continuation_of_what_the_holder_does_is_dropped(world: World) -> None:
    world.run()
    (continuation,) = world.messages.take()
    held_by_another(world)
    assert world.run(continuation).outcome is Outcome.LEASE_HELD
    assert world.messages.sent == []


def test_the_lease_outlives_the_invocation(world: World) -> None:
    """So a bounded slice never renews it."""
    until = []
    world.vendor.page_takes = lambda: until.append(world.leases.items[KEY].until)
    world.run()
    assert until[0] == START + INVOCATION + LEASE_MARGIN


def test_who_is_overtaken_before_the_commit_touches_nothing(world: World) -> None:
    """Its lease ran out while it fetched, and another worker claimed."""

    def overtaken() -> None:
        world.clock.advance(seconds=INVOCATION.total_seconds() + 31)
        lease = held_by_another(world)
        world.commits.claim(KEY, lease.fencing_token)
        world.vendor.page_takes = lambda: None

    world.vendor.page_takes = overtaken
    report = world.run()
    assert report.outcome is Outcome.SUPERSEDED
    assert world.stored() == {}
    assert world.leases.items[KEY].owner == "another"
    assert world.messages.sent == []


def test_who_finds_a_newer_claim_stops_before_fetching(world: World) -> None:
    """The lease was taken over between acquiring and claiming."""
    claim = world.commits.claim

    def slow_claim(key: object, token: int, **more: object) -> object:
        world.commits.claim = claim  # type: ignore[method-assign]
        world.clock.advance(seconds=200)
        newer = held_by_another(world)
        claim(KEY, newer.fencing_token)
        return claim(KEY, token)

    world.commits.claim = slow_claim  # type: ignore[assignment, method-assign]
    assert world.run().outcome is Outcome.SUPERSEDED
    assert world.vendor.pages_read == 0


def test_tokens_that_fell_behind_in_a_restore_are_lifted(world: World) -> None:
    """DynamoDB came back from a backup: its tokens are older than the fence, and must get over it."""
    world.sync()
    fence = world.commits.fence(KEY)
    world.leases.items.clear()
    world.clock.advance(hours=1)
    world.vendor.things["new"] = 1
    reports = world.sync(full_since=world.clock())
    assert {r.outcome for r in reports} == {Outcome.COMMITTED}
    assert min(r.fencing_token or 0 for r in reports) > fence
    assert world.in_step()


# --- repair and duplicates ----------------------------------------------------------------------------


def test_a_watermark_that_lags_is_brought_up(world: World) -> None:
    """The worker died after its commit and before telling DynamoDB."""
    world.run()
    item = world.leases.items[KEY]
    item.watermark, item.seq = None, 0
    world.run(asking("cleanup"))
    world.drain()
    assert world.in_step()


def test_a_watermark_that_leads_is_rewound_before_anything_is_read(world: World) -> None:
    """I3: a failover lost commits, so Postgres is behind; it is right all the same."""
    world.run()
    backup = world.commits.database.backup()
    world.drain()
    world.commits.database.restore(backup)
    seen = []
    world.vendor.page_takes = lambda: seen.append(world.leases.items[KEY].seq)
    world.run(asking("cleanup"))
    assert seen[0] == 1
    world.drain()
    assert world.in_step()


def test_a_duplicate_is_dropped_and_asks_for_nothing(world: World) -> None:
    world.run()
    (continuation,) = world.messages.take()
    world.run(continuation)
    sent = len(world.messages.sent)
    report = world.run(continuation)
    assert (report.outcome, len(world.messages.sent)) == (Outcome.DUPLICATE, sent)
    assert world.leases.items[KEY].owner is None


def test_a_duplicate_sends_the_continuation_that_its_maker_could_not(world: World) -> None:
    """The maker committed and died: the chain would end here without anybody noticing."""
    world.run()
    (continuation,) = world.messages.take()
    world.leases.items[KEY].continued_seq = 0
    world.commits.claim(KEY, 50)
    first = asking(expect_seq=0)
    assert world.run(first).outcome is Outcome.DUPLICATE
    (resent,) = world.messages.take()
    assert resent.expect_seq == continuation.expect_seq == 1
    assert world.leases.items[KEY].continued_seq == 1
    assert world.run(first).outcome is Outcome.DUPLICATE
    assert world.messages.take() == []


# --- budget -------------------------------------------------------------------------------------------


def test_reading_stops_in_time_for_the_merge(world: World) -> None:
    """Pages take 12 s each: four begin within 60 - 15 s, and what they brought is stored."""
    world.stream.slice_rows = 1000
    world.vendor.page_takes = lambda: world.clock.advance(seconds=12)
    report = world.run()
    assert report.counts.inserted == 40
    assert world.clock() - START <= INVOCATION - MERGE_MARGIN + timedelta(seconds=12)


def test_requests_are_bounded_too(world: World) -> None:
    world.stream.slice_requests = 2
    assert world.run().counts.inserted == 20


# --- what fails ---------------------------------------------------------------------------------------


def test_pages_before_an_error_are_kept_and_its_delay_is_obeyed(world: World) -> None:
    world.vendor.script = [None, VendorThrottled("429", retry_after=timedelta(seconds=30))]
    report = world.run()
    assert (report.outcome, report.counts.inserted) == (Outcome.COMMITTED, 10)
    (sent,) = world.messages.sent
    assert (sent.message.expect_seq, sent.delay) == (1, timedelta(seconds=30))
    assert world.leases.items[KEY].not_before == START + timedelta(seconds=30)
    (run,) = world.commits.database.runs
    assert (run.failures, run.last_error) == (1, "429")


@pytest.mark.parametrize(
    ("error", "attempt", "delay"),
    [
        (VendorThrottled("429", retry_after=timedelta(seconds=90)), 0, 90),
        (VendorThrottled("429", retry_after=timedelta(hours=2)), 0, 900),
        (VendorUnavailable("503"), 0, 2.5),  # half of 5 s: the chance is 0.5
        (VendorUnavailable("503"), 3, 20),
        (VendorUnavailable("503"), 7, 320),
        (DatabaseUnavailable("gone"), 1, 5),
        (CommitUnknown("answer lost"), 0, 2.5),
    ],
)
def test_an_error_before_any_page_defers_the_same_message(
    world: World, error: SluiceError, attempt: int, delay: float
) -> None:
    world.vendor.script = [error]
    report = world.run(asking(attempt=attempt, full_since=START))
    assert report.outcome is Outcome.DEFERRED
    (sent,) = world.messages.sent
    assert (sent.message.attempt, sent.message.full_since) == (attempt + 1, START)
    assert sent.delay == timedelta(seconds=delay)
    assert world.leases.items[KEY].owner is None


def test_a_tick_leaves_a_stream_alone_that_waits_for_its_vendor(world: World) -> None:
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(minutes=5))]
    world.run()
    assert world.run(asking("schedule")).outcome is Outcome.WAITING
    assert world.vendor.pages_read == 0
    assert world.leases.items[KEY].owner is None
    world.clock.advance(minutes=5)
    assert world.run(asking("schedule")).outcome is Outcome.COMMITTED


def test_a_vendor_that_never_recovers_ends_the_run_visibly(world: World) -> None:
    world.vendor.script = [VendorUnavailable("503")] * 20
    reports = world.sync()
    assert [r.outcome for r in reports[:-1]] == [Outcome.DEFERRED] * MOST_ATTEMPTS
    assert reports[-1].outcome is Outcome.RUN_FAILED
    (run,) = world.commits.database.runs
    assert (run.outcome, run.last_error) == ("failed", "VendorUnavailable: 503")
    world.vendor.script.clear()
    world.sync()
    assert world.in_step()


@pytest.mark.parametrize("error", [CredentialsRefused("401"), NotFound("404 of the listing")])
def test_what_needs_a_person_ends_the_run_at_once(world: World, error: SluiceError) -> None:
    world.vendor.script = [error]
    assert [r.outcome for r in world.sync()] == [Outcome.RUN_FAILED]
    assert world.leases.items[KEY].owner is None
    assert str(error) in str(world.commits.database.runs[0].last_error)


def test_a_stream_that_cannot_be_opened_fails_before_taking_the_lease(world: World) -> None:
    world.streams.refuses = SecretMissing("secret 'x' is not there; create it")
    assert [r.outcome for r in world.sync()] == [Outcome.RUN_FAILED]
    assert world.leases.items == {}
    assert "create it" in str(world.commits.database.runs[0].last_error)


def test_our_own_stores_failing_for_long_is_the_queues_matter(world: World) -> None:
    """After every deferral the message goes back to SQS, and in the end to the dead letters."""
    world.vendor.script = [DatabaseUnavailable("gone")]
    with pytest.raises(DatabaseUnavailable):
        world.run(asking(attempt=MOST_ATTEMPTS))
    assert world.leases.items[KEY].owner is None


def test_a_bug_is_raised_and_the_lease_given_back(world: World) -> None:
    world.vendor.script = [InvariantBroken("what must hold does not")]
    with pytest.raises(InvariantBroken):
        world.run()
    assert world.leases.items[KEY].owner is None
    assert world.messages.sent == []


# --- redrive ------------------------------------------------------------------------------------------


def test_redriven_rejects_are_loaded_and_the_cursor_stays(world: World) -> None:
    world.vendor.things["bad"] = "huge"
    world.sync()
    assert "bad" not in world.stored()
    cursor = world.commits.database.streams[KEY].cursor
    (open_reject,) = world.commits.database.open_rejects_of(KEY)
    open_reject.raw = open_reject.raw.replace('"huge"', "7")  # a newer code could read it
    report = world.run(asking("redrive"))
    assert (report.outcome, report.counts.inserted) == (Outcome.COMMITTED, 1)
    assert world.commits.database.streams[KEY].cursor == cursor
    assert world.stored()["bad"] == 7
    assert open_reject.resolution == "loaded"
