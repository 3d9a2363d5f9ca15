"""What a slice leaves for the next one: watermark, continuation, and a report that says the truth."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sluice.core.errors import (
    CredentialsRefused,
    InvariantBroken,
    NotFound,
    SecretMissing,
    SluiceError,
    VendorThrottled,
)
from sluice.core.records import Cursor, Step
from sluice.core.slices import Claim, Committed, Counts, Draft, Outcome
from tests.memory.commits import MemoryCommits
from tests.memory.streams import Listing, Vendor
from tests.unit.usecases.world import KEY, World, asking, catalogue


@pytest.fixture
def world() -> World:
    return World(vendor=Vendor(catalogue(75)))


# --- the watermark ------------------------------------------------------------------------------------


def test_the_watermark_says_that_more_is_due_and_in_which_run(world: World) -> None:
    report = world.run()
    item = world.leases.items[KEY]
    assert (item.has_more, item.run_id, item.continued_seq) == (True, report.run_id, 1)
    assert report.run_id == world.commits.database.runs[0].run_id
    assert item.not_before is None, "no vendor asked for peace"


def test_at_the_end_of_a_run_the_watermark_names_none(world: World) -> None:
    world.sync()
    item = world.leases.items[KEY]
    assert (item.has_more, item.run_id) == (False, None)
    assert item.continued_seq == item.seq - 1, "the last slice asked for no other"


def test_a_watermark_of_the_right_seq_and_another_cursor_is_mended(world: World) -> None:
    """A failover lost a slice and another one took its number."""
    world.run()
    item = world.leases.items[KEY]
    item.watermark, item.has_more, item.run_id = {"generation": 9}, False, None
    seen = []
    world.vendor.page_takes = lambda: seen.append((item.watermark, item.has_more, item.run_id))
    position = world.commits.database.streams[KEY]
    expected = (dict(position.cursor), True, world.commits.database.runs[0].run_id)
    world.run(asking("cleanup"))
    assert seen[0] == expected


def test_a_watermark_of_the_right_cursor_and_another_seq_is_mended(world: World) -> None:
    """A slice that stays where it is (a redrive) moved the seq only, and its worker died."""
    world.sync()
    item = world.leases.items[KEY]
    item.seq -= 1
    assert world.run(asking("schedule")).outcome is Outcome.CAUGHT_UP
    assert world.in_step()


def test_a_watermark_in_step_is_not_written_again(world: World) -> None:
    world.sync()
    before = world.leases.items[KEY].watermark
    assert world.run(asking("schedule")).outcome is Outcome.CAUGHT_UP
    assert world.leases.items[KEY].watermark is before


# --- the continuation ---------------------------------------------------------------------------------


def test_a_full_read_asked_for_in_the_middle_of_another_is_made_after_it(world: World) -> None:
    """The listing under way began too early; the wish goes from slice to slice until it is met."""
    world.run()
    world.messages.take()
    world.clock.advance(minutes=1)
    reports = world.sync(full_since=world.clock())
    assert world.commits.database.streams[KEY].cursor["generation"] == 2
    assert sum(report.counts.unchanged for report in reports) == 75
    assert world.in_step()


def test_a_full_read_is_made_though_the_message_that_asked_for_it_is_gone(world: World) -> None:
    """It came while an older listing was read; its continuation is lost, and a tick goes on instead."""
    world.run()
    world.messages.take()
    world.clock.advance(hours=1)
    asked_at = world.clock()
    world.run(asking("manual", full_since=asked_at))
    world.messages.take()
    world.messages.ask_for_slice(KEY, reason="schedule")
    world.drain()
    began = world.commits.database.streams[KEY].cursor["began"]
    assert began >= asked_at.isoformat()
    assert world.in_step()


def test_a_duplicate_of_a_run_that_ended_asks_for_nothing(world: World) -> None:
    """Its last slice sent no continuation because nothing more was due."""
    world.sync()
    assert world.run(asking("continuation", expect_seq=1)).outcome is Outcome.DUPLICATE
    assert world.messages.sent == []


def test_a_message_from_the_future_is_no_duplicate(world: World) -> None:
    """A failover lost the commits after which it was sent: work goes on from what is stored."""
    world.run()
    world.messages.take()
    assert world.run(asking("continuation", expect_seq=7)).outcome is Outcome.COMMITTED
    world.drain()
    assert world.in_step()


@pytest.mark.parametrize("error", [CredentialsRefused("401"), NotFound("404 of the listing")])
def test_pages_before_an_error_that_needs_a_person_are_kept(
    world: World, error: SluiceError
) -> None:
    """They are stored, and the continuation meets the error first of all and ends the run."""
    world.vendor.script = [None, error, error]
    reports = world.sync()
    assert [r.outcome for r in reports] == [Outcome.COMMITTED, Outcome.RUN_FAILED]
    assert len(world.stored()) == 10
    (run,) = world.commits.database.runs
    assert (run.outcome, run.failures) == ("failed", 2)


def test_a_failed_run_that_never_began_says_why_it_was_asked_for(world: World) -> None:
    world.streams.refuses = SecretMissing("secret 'x' is not there")
    report = world.run(asking("cleanup"))
    (run,) = world.commits.database.runs
    assert (run.reason, run.run_id) == ("cleanup", report.run_id)
    assert report.run_id is not None


def test_a_run_says_why_it_was_asked_for(world: World) -> None:
    """Why it began, not what its last slice continued."""
    world.run(asking("cleanup"))
    world.drain()
    assert [run.reason for run in world.commits.database.runs] == ["cleanup"]


class NothingDue(Listing):
    """A stream whose settings changed in the middle of a run: nothing is due any more."""

    def next_step(self, cursor: Cursor, *_: object, **__: object) -> Step | None:
        return None


@pytest.mark.parametrize("abandoned", [False, True])
def test_what_is_no_longer_due_is_ended_by_an_empty_slice(world: World, abandoned: bool) -> None:
    """Neither the run nor the word that more is due is left standing; the cursor stays."""
    world.run()
    world.messages.take()
    if abandoned:
        world.commits.abandon_run(world.commits.database.runs[0].run_id, world.clock())
    cursor = world.commits.database.streams[KEY].cursor
    world.streams.streams[KEY] = NothingDue(world.vendor)
    report = world.run()
    at = world.commits.database.streams[KEY]
    assert (report.outcome, report.seq, report.counts) == (Outcome.COMMITTED, 2, Counts())
    assert (at.cursor, at.has_more) == (cursor, False)
    assert world.commits.database.log[KEY][-1].kind == "caught_up"
    assert all(run.ended_at is not None for run in world.commits.database.runs)
    assert world.messages.sent == []


def test_a_run_that_stored_nothing_is_ended_when_nothing_is_due_any_more(world: World) -> None:
    """It waited for its vendor from its first page on: no slice ever said that more is due."""
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(seconds=30))]
    world.run()
    world.clock.advance(seconds=30)
    world.streams.streams[KEY] = NothingDue(world.vendor)
    assert world.run().outcome is Outcome.COMMITTED
    (run,) = world.commits.database.runs
    assert (run.outcome, run.ended_at) == ("completed", world.clock())


# --- counts and report --------------------------------------------------------------------------------


def test_counts_that_do_not_add_up_stop_the_stream_before_it_moves_on() -> None:
    """A database that says it stored less than was read: a bug, never handed on in silence."""
    world = World(vendor=Vendor(catalogue(75)))

    class Losing(MemoryCommits):
        def commit(self, claim: Claim, draft: Draft, stream: object) -> Committed:
            committed = super().commit(claim, draft, stream)  # type: ignore[arg-type]
            return replace(committed, counts=replace(committed.counts, inserted=29))

    world.commits = Losing(world.clock)
    with pytest.raises(InvariantBroken, match="30 rows read but 29"):
        world.run()
    item = world.leases.items[KEY]
    assert (item.seq, item.owner, world.messages.sent) == (0, None, [])


def test_a_report_says_what_the_slice_cost(world: World) -> None:
    world.vendor.page_takes = lambda: world.clock.advance(seconds=2)
    report = world.run()
    assert (report.traffic.pages, report.seq) == (3, 1)
    nothing = dict.fromkeys(("wait", "database", "begin", "merge", "derive"), 0)
    assert report.timings_ms == {"fetch": 6000, **nothing}
    assert report.fencing_token == world.commits.fence(KEY) == 1
    assert report.counts == Counts(read=30, inserted=30)


def test_an_empty_catalogue_is_a_run_of_no_rows(world: World) -> None:
    """A page without rows is a page: the run ends, the vendor is not said to be silent."""
    world.vendor.things.clear()
    assert {report.outcome for report in world.sync()} == {Outcome.COMMITTED}
    assert world.commits.database.runs[-1].outcome == "completed"
    assert world.in_step()


def test_a_vendor_that_takes_the_whole_slice_for_nothing_is_one_that_waits(world: World) -> None:
    """No page and no error: deferred, so that it ends visibly, rather than committed for ever."""

    class Silent(Listing):
        def pages(self, *_: object) -> object:  # type: ignore[override]
            return iter(())

    world.streams.streams[KEY] = Silent(world.vendor)
    report = world.run()
    assert report.outcome is Outcome.DEFERRED
    assert "brought no page" in report.detail
    assert world.messages.sent[0].delay == timedelta(seconds=2.5)
