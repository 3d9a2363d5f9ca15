"""Fetching counts whole pages only; removing asks for each row by name and stops at the brake."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sluice.core.budget import Budget
from sluice.core.errors import RequestRefused, VendorThrottled, VendorUnavailable
from sluice.core.records import Cursor, Page, ReadPages
from sluice.core.removal import Brake, Missing
from sluice.core.slices import Outcome
from sluice.usecases import reconcile
from sluice.usecases.read_step import read_pages
from tests.memory.streams import Listing, Vendor, thing
from tests.unit.usecases.world import KEY, START, Clock, World, asking, catalogue

STEP = ReadPages("crawl")


def budget(clock: Clock, rows: int = 100, requests: int = 100) -> Budget:
    return Budget(clock, clock() + timedelta(seconds=40), rows, requests)


class TwoGenerations(Listing):
    """A listing whose pages belong to one generation and then to the next."""

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        for number, generation in enumerate((1, 1, 2, 2)):
            yield Page([thing(f"t{number}")], {"page": number}, sighting=generation)


def test_a_page_read_whole_is_kept_though_it_passes_the_budget() -> None:
    reading = read_pages(Listing(Vendor(catalogue(50))), STEP, {}, budget(Clock(), rows=15))
    assert (len(reading.records), reading.pages) == (20, 2)
    assert reading.cursor["after"] == "t019"


def test_a_slice_belongs_to_one_generation() -> None:
    """The first page of the next one is read again by the next slice."""
    reading = read_pages(TwoGenerations(Vendor()), STEP, {}, budget(Clock()))
    assert (reading.pages, reading.sighting, reading.cursor) == (2, 1, {"page": 1})


def test_an_error_after_a_page_is_kept_beside_what_was_read() -> None:
    error = VendorThrottled("429")
    vendor = Vendor(catalogue(50), script=[None, error])
    stream = Listing(vendor)
    reading = read_pages(stream, STEP, {}, budget(Clock()))
    assert (reading.pages, reading.stopped_by, reading.cursor["after"]) == (1, error, "t009")
    assert stream.closed == 1


def test_an_error_before_any_page_is_raised_and_reading_ahead_is_stopped() -> None:
    stream = Listing(Vendor(catalogue(50), script=[VendorUnavailable("503")]))
    with pytest.raises(VendorUnavailable):
        read_pages(stream, STEP, {}, budget(Clock()))
    assert stream.closed == 1


def test_reading_ends_with_the_time() -> None:
    clock = Clock()
    vendor = Vendor(catalogue(90), page_takes=lambda: clock.advance(seconds=15))
    reading = read_pages(Listing(vendor), STEP, {}, budget(clock))
    assert reading.pages == 3


# --- the brake ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "removed", "alive", "tripped"),
    [
        (20, 0, 500, False),  # 20 rows may always go
        (21, 0, 500, True),
        (40, 0, 2000, False),  # or 2 %
        (41, 0, 2000, True),
        (10, 10, 490, False),  # what the generation removed already counts
        (11, 10, 490, True),
        (0, 0, 0, False),
    ],
)
def test_the_brake_holds_at_twenty_rows_or_two_percent(
    missing: int, removed: int, alive: int, tripped: bool
) -> None:
    assert Missing(missing, removed, alive).brake_tripped is tripped


def world_without(*gone: str, rows: int = 60) -> World:
    """A table in step; then these are no longer listed."""
    world = World(vendor=Vendor(catalogue(rows)))
    world.sync()
    world.clock.advance(hours=1)
    for record_id in gone:
        del world.vendor.things[record_id]
    return world


def ids(number: int) -> list[str]:
    return [f"t{i:03}" for i in range(number)]


def test_as_many_as_the_brake_allows_are_removed() -> None:
    world = world_without(*ids(20))
    world.sync(full_since=world.clock())
    assert world.in_step()
    assert sorted(world.vendor.point_reads) == ids(20)


def test_one_more_and_nothing_is_removed() -> None:
    """And the run says why; nobody is asked anything."""
    world = world_without(*ids(21))
    reports = world.sync(full_since=world.clock())
    assert len(world.stored()) == 60
    assert world.vendor.point_reads == []
    assert "delete brake: 21 of 60" in reports[-1].detail


@pytest.mark.parametrize(
    ("brake", "gone", "left"),
    [
        (Brake(share=0.5), 21, 39),
        (Brake(rows=6), 6, 54),
        (Brake(rows=5), 6, 60),
    ],
)
def test_a_brake_that_was_set_is_the_one_that_holds(brake: Brake, gone: int, left: int) -> None:
    """Of this stream, whether higher or lower than the usual."""
    world = world_without(*ids(gone))
    world.messages.ask_for_slice(KEY, reason="manual", full_since=world.clock())
    kit = world.kit(brake_of={KEY: brake}.__getitem__)
    reports = []
    while messages := world.messages.take():
        reports += [world.run(message, kit) for message in messages]
    assert len(world.stored()) == left
    assert any("delete brake" in report.detail for report in reports) is (left == 60)


def test_a_listing_cut_short_that_claims_to_be_complete_removes_nothing() -> None:
    """Each row it lacks is asked for by name, and is there."""
    world = world_without()
    world.vendor.lose_after = "t049"
    world.sync(full_since=world.clock())
    assert world.vendor.point_reads == [f"t{i:03}" for i in range(50, 60)]
    assert world.in_step()


def test_without_point_reads_nothing_is_removed() -> None:
    world = world_without("t001", "t002")
    world.vendor.point_read_fails = RequestRefused("this account offers no point read")
    reports = world.sync(full_since=world.clock())
    assert len(world.stored()) == 60
    assert "removals held back: 2 rows missing, none removed" in reports[-1].detail
    assert world.commits.database.runs[-1].outcome == "completed"


def test_a_vendor_that_contradicts_itself_removes_nothing() -> None:
    """Not at once: the next listing finds again what is missing, and a vendor that is of one mind is believed."""
    world = world_without("t001", "t002")
    world.vendor.contradictions = 3
    reports = world.sync(full_since=world.clock())
    assert world.vendor.point_reads == ["t001", "t002"]
    assert len(world.stored()) == 60
    assert (
        "2 rows missing, none removed: meanwhile the vendor took 3 answers back"
        in reports[-1].detail
    )
    assert world.commits.database.runs[-1].outcome == "completed"
    world.vendor.contradictions = 0
    world.clock.advance(minutes=1)
    world.sync(full_since=world.clock())
    assert world.in_step()


def test_contradictions_hold_nothing_up_where_nobody_is_gone() -> None:
    """Each row was there when it was asked for: that stands whatever else was said."""
    world = world_without()
    world.vendor.lose_after = "t049"
    world.vendor.contradictions = 1
    reports = world.sync(full_since=world.clock())
    assert "none removed" not in reports[-1].detail
    assert world.in_step()


def test_judging_goes_on_where_the_vendor_interrupted_it() -> None:
    world = world_without(*ids(5))
    has, asked = world.vendor.has, []

    def interrupted(record_id: str) -> bool:
        asked.append(record_id)
        if len(asked) == 3:
            raise VendorThrottled("429", retry_after=timedelta(seconds=7))
        return has(record_id)

    world.vendor.has = interrupted  # type: ignore[method-assign]
    reports = world.sync(full_since=world.clock())
    assert asked == ["t000", "t001", "t002", "t002", "t003", "t004"]
    assert [r.counts.deleted for r in reports if r.counts.deleted] == [2, 3]
    assert world.in_step()


def test_an_interruption_before_the_first_candidate_defers() -> None:
    world = world_without("t001")
    world.vendor.point_read_fails = VendorUnavailable("503")
    world.messages.ask_for_slice(KEY, reason="manual", full_since=world.clock())
    outcomes = [world.run(world.messages.take_all()[0]).outcome for _ in range(4)]
    assert outcomes == [Outcome.COMMITTED] * 2 + [Outcome.DEFERRED] * 2
    world.vendor.point_read_fails = None
    world.drain()
    assert world.in_step()


def test_a_slice_judges_no_more_than_it_may() -> None:
    """More candidates than a slice takes are judged by several."""
    world = world_without(*ids(6))
    world.stream.slice_requests = 4
    reports = world.sync(full_since=world.clock())
    assert [r.counts.deleted for r in reports if r.counts.deleted] == [4, 2]
    assert world.in_step()
    assert reconcile.CANDIDATES_PER_SLICE >= 4


def test_a_row_that_came_back_meanwhile_stays() -> None:
    """Written after the listing began, by a delta read, say: it is no candidate."""
    world = world_without("t001")
    world.run(asking("manual", full_since=world.clock()))
    world.clock.advance(seconds=1)
    world.commits.database.rows("things", "acme")["t001"].updated_at = world.clock()
    world.drain()
    assert "t001" in world.stored()
    assert world.clock() > START
