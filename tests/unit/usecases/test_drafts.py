"""What becomes of a reading, a judgement or rejects: a draft that leaves nothing out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from sluice.core.budget import Budget
from sluice.core.errors import (
    CredentialsRefused,
    DatabaseUnavailable,
    InvariantBroken,
    RequestRefused,
    RowRejected,
    SluiceError,
    VendorThrottled,
)
from sluice.core.keys import StreamKey
from sluice.core.ports import OpenReject
from sluice.core.records import Fact, Page, Progress, ReadPages, Reconcile, Record, Reject, Table
from sluice.core.removal import Candidate, Missing
from sluice.core.slices import Claim, Outcome
from sluice.usecases.draft import caught_up_draft, page_draft, reconcile_draft
from sluice.usecases.read_step import Reading, read_pages
from sluice.usecases.reconcile import CANDIDATES_PER_SLICE, Judgement, reconcile
from sluice.usecases.redrive import REJECTS_PER_SLICE, redrive_draft
from tests.memory.commits import MemoryCommits
from tests.memory.streams import Listing, Vendor, thing
from tests.unit.usecases.world import KEY, START, Clock, World, asking, catalogue

CLAIM = Claim(KEY, 1, 4, {"generation": 3, "began": START.isoformat(), "judged": None}, True, "run")
STEP = Reconcile(3, START)


def budget(requests: int = 100) -> Budget:
    return Budget(Clock(), START + timedelta(seconds=40), 100, requests)


# --- pages --------------------------------------------------------------------------------------------


class Mixed(Listing):
    """Pages with everything that a page may have; the last tells nothing of its progress."""

    def pages(self, step: ReadPages, cursor: object, budget: Budget) -> Iterator[Page]:
        bad = Reject("bad", "no size", "size", "{}")
        first, second = (Fact(f"e{n}", "ann", "opened", n, START) for n in (1, 2))
        yield Page([thing("a")], {"page": 1}, [bad], ["old"], [first], 3, Progress(3, 6))
        yield Page([thing("b")], {"page": 2}, [bad], ["older"], [second], 3)


def test_all_that_pages_brought_is_in_the_draft() -> None:
    reading = read_pages(Mixed(Vendor()), ReadPages("crawl"), {}, budget())
    draft = page_draft(CLAIM, ReadPages("crawl"), reading, "slice").draft
    assert [record.id for record in draft.records] == ["a", "b"]
    assert [reject.record_id for reject in draft.rejects] == ["bad", "bad"]
    assert draft.archived == ["old", "older"]
    assert [fact.amount for fact in draft.facts] == [1, 2]
    assert (draft.sighting, draft.progress) == (3, Progress(3, 6))
    assert (draft.kind, draft.run_id, draft.slice_id) == ("crawl", "run", "slice")
    assert draft.cursor_after == {"page": 2}


def test_rejected_and_archived_rows_use_up_the_budget_too() -> None:
    """Three rows on the first page: a slice of three ends there, though one record was read."""
    allowed = Budget(Clock(), START + timedelta(seconds=40), rows=3, requests=100)
    assert read_pages(Mixed(Vendor()), ReadPages("crawl"), {}, allowed).pages == 1


def test_the_error_that_cut_the_reading_goes_with_the_draft() -> None:
    error = VendorThrottled("429")
    reading = Reading({"page": 1}, pages=1, stopped_by=error)
    assert page_draft(CLAIM, ReadPages("crawl"), reading, "slice").stopped_by is error


@pytest.mark.parametrize("error", [InvariantBroken("a bug"), DatabaseUnavailable("gone")])
def test_only_what_concerns_the_vendor_is_kept_beside_the_pages(error: SluiceError) -> None:
    """A bug is raised, and a store of ours that failed: neither becomes a footnote of a slice."""
    stream = Listing(Vendor(catalogue(50), script=[None, error]))
    with pytest.raises(type(error)):
        read_pages(stream, ReadPages("crawl"), {}, budget())
    assert stream.closed == 1


def test_a_draft_needs_an_open_run() -> None:
    """Slices outside a run would be seen by nobody."""
    with pytest.raises(InvariantBroken, match="without an open run"):
        caught_up_draft(replace(CLAIM, run_id=None), "slice")


# --- removal ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("done", "forgets"), [(False, None), (True, 4)])
def test_sightings_are_forgotten_once_all_are_judged_and_not_before(
    done: bool, forgets: int | None
) -> None:
    """The next slice of the same reconcile still compares against them."""
    judgement = Judgement({"generation": 3}, gone=["a"], done=done, note="why")
    draft = reconcile_draft(CLAIM, STEP, judgement, "slice").draft
    assert draft.forget_generations_before == forgets
    assert (draft.kind, draft.note, draft.deletions) == ("reconcile", "why", ["a"])
    assert draft.deleted_generation == 3, "else the brake would not count it"


def test_removals_over_several_slices_meet_one_brake() -> None:
    """Twelve are removed, then nine more go missing: together they are more than twenty."""
    world = World(vendor=Vendor(catalogue(60)))
    world.sync()
    world.clock.advance(hours=1)
    for record_id in list(world.vendor.things)[:12]:
        del world.vendor.things[record_id]
    world.stream.slice_requests = 12
    world.messages.ask_for_slice(KEY, reason="manual", full_since=world.clock())
    while len(world.vendor.point_reads) < 12:
        world.run(world.messages.take()[0])
    generation = world.commits.database.streams[KEY].cursor["generation"]
    seen = world.commits.database.sightings[(KEY, generation)]
    seen.difference_update([f"t{i:03}" for i in range(20, 29)])
    reports = world.drain()
    assert "delete brake: 9 of 48" in reports[0].detail
    assert len(world.stored()) == 48


class Asked(MemoryCommits):
    """Notes how many candidates and rejects are asked for."""

    limits: list[int]

    def missing(
        self, claim: Claim, table: Table, step: Reconcile, *, limit: int
    ) -> tuple[Missing, Sequence[Candidate]]:
        self.limits = [limit]
        return super().missing(claim, table, step, limit=limit)

    def open_rejects(self, key: StreamKey, *, limit: int) -> Sequence[OpenReject]:
        self.limits = [limit]
        return super().open_rejects(key, limit=limit)


def test_candidates_and_rejects_are_asked_for_in_bounded_numbers() -> None:
    """A table of any size must fit the worker's memory."""
    commits, stream = Asked(Clock()), Listing(Vendor())
    reconcile(stream, commits, CLAIM, STEP, budget())
    assert commits.limits == [CANDIDATES_PER_SLICE]
    redrive_draft(stream, commits, CLAIM, "slice")
    assert commits.limits == [REJECTS_PER_SLICE]


def world_without(*gone: str) -> World:
    """A table in step; then these are no longer listed, and a listing has noticed."""
    world = World(vendor=Vendor(catalogue(25)))
    world.sync()
    world.clock.advance(hours=1)
    for record_id in gone:
        del world.vendor.things[record_id]
    world.run(asking("manual", full_since=world.clock()))
    return world


def test_an_account_without_point_reads_removes_nothing_even_halfway() -> None:
    """What it said of the first candidate counts as little as what it refuses to say of the next."""
    world = world_without("t001", "t002")
    has = world.vendor.has

    def refuses(record_id: str) -> bool:
        if record_id == "t002":
            raise RequestRefused("not for this account")
        return has(record_id)

    world.vendor.has = refuses  # type: ignore[method-assign]
    reports = world.drain()
    assert len(world.stored()) == 25
    assert "2 rows missing, none removed: not for this account" in reports[-1].detail
    assert world.commits.database.sightings == {}


def test_credentials_refused_while_judging_end_the_run_and_remove_nothing() -> None:
    world = world_without("t001")
    world.vendor.point_read_fails = CredentialsRefused("401")
    assert [report.outcome for report in world.drain()] == [Outcome.RUN_FAILED]
    assert len(world.stored()) == 25
    assert world.leases.items[KEY].owner is None


def test_a_stop_while_judging_delays_the_continuation() -> None:
    world = world_without("t001", "t002")
    has = world.vendor.has

    def throttled(record_id: str) -> bool:
        if record_id == "t002":
            raise VendorThrottled("429", retry_after=timedelta(seconds=7))
        return has(record_id)

    world.vendor.has = throttled  # type: ignore[method-assign]
    report = world.run(world.messages.take()[0])
    assert (report.outcome, report.counts.deleted) == (Outcome.COMMITTED, 1)
    assert world.messages.sent[0].delay == timedelta(seconds=7)


def test_a_stop_before_the_first_candidate_is_obeyed_for_as_long_as_it_says() -> None:
    """Nothing was judged, so nothing is committed, and the vendor's own delay is the message's."""
    world = world_without("t001")
    error = VendorThrottled("429", retry_after=timedelta(seconds=77))
    world.vendor.point_read_fails = error
    assert world.run(world.messages.take()[0]).outcome is Outcome.DEFERRED
    assert world.messages.sent[0].delay == timedelta(seconds=77)
    assert world.commits.database.runs[-1].last_error == "429"


def test_reading_ahead_is_stopped_after_judging_too() -> None:
    world = world_without("t001")
    closed = world.stream.closed
    world.run(world.messages.take()[0])
    assert world.stream.closed == closed + 1


def test_a_reconcile_that_finds_no_time_to_judge_ends_visibly() -> None:
    """Its query takes the whole slice: as empty slices it would go on for ever, unseen."""
    world = world_without("t001")
    missing = world.commits.missing

    def slow(
        claim: Claim, table: Table, step: Reconcile, *, limit: int
    ) -> tuple[Missing, Sequence[str]]:
        world.clock.advance(seconds=46)
        return missing(claim, table, step, limit=limit)

    world.commits.missing = slow  # type: ignore[method-assign]
    seq = world.commits.database.streams[KEY].seq
    reports = world.drain()
    assert {report.outcome for report in reports[:-1]} == {Outcome.DEFERRED}
    assert reports[-1].outcome is Outcome.RUN_FAILED
    assert "judged no row" in str(world.commits.database.runs[-1].last_error)
    assert world.commits.database.streams[KEY].seq == seq


# --- redrive ------------------------------------------------------------------------------------------


def rejected(world: World, size: str) -> None:
    """A row that could not be loaded, whose text a newer code could read as ``size``."""
    (reject,) = world.commits.database.open_rejects_of(KEY)
    reject.raw = reject.raw.replace('"huge"', size)


def world_with_a_reject() -> World:
    world = World(vendor=Vendor({**catalogue(75), "bad": "huge"}))
    world.sync()
    return world


class Versioned(Listing):
    """A vendor that numbers its records' states."""

    def record_of(self, raw: str) -> Record:
        return replace(super().record_of(raw), version=77)


@pytest.mark.parametrize(("kind", "version"), [(Listing, 1), (Versioned, 77)])
def test_a_redriven_row_is_as_old_as_it_is(kind: type[Listing], version: int) -> None:
    """The vendor's own version, else the seq of the slice that read it: never the present one."""
    world = world_with_a_reject()
    rejected(world, "7")
    world.streams.streams[KEY] = kind(world.vendor)
    world.run(asking("redrive"))
    assert world.commits.database.rows("things", KEY.client_id)["bad"].version == version


def test_a_reject_that_still_cannot_be_read_stays_open() -> None:
    """With its id, its text and the reason it is refused for now."""
    world = world_with_a_reject()

    class Strict(Listing):
        def record_of(self, raw: str) -> Record:
            record = super().record_of(raw)
            self.values(record)
            return record

    world.streams.streams[KEY] = Strict(world.vendor)
    report = world.run(asking("redrive"))
    (reject,) = world.commits.database.open_rejects_of(KEY)
    assert (reject.record_id, reject.field, reject.times) == ("bad", "size", 2)
    assert (report.counts.rejected, report.detail) == (1, "redrive of 1 rejects")


def test_a_reject_refused_again_keeps_its_own_id_and_text() -> None:
    """The reason is today's; by id and text it is found again."""

    class Unreadable(Listing):
        def record_of(self, raw: str) -> Record:
            raise RowRejected("still not", field="size")

    world = world_with_a_reject()
    (before,) = world.commits.database.open_rejects_of(KEY)
    draft = redrive_draft(Unreadable(Vendor()), world.commits, CLAIM, "slice")
    assert draft.rejects == [Reject("bad", "still not", "size", before.raw)]
    assert (draft.records, draft.redriven) == ([], [])


def test_a_reject_that_had_no_id_is_settled_by_the_one_that_is_read_now() -> None:
    world = world_with_a_reject()
    (reject,) = world.commits.database.open_rejects_of(KEY)
    reject.record_id = None
    rejected(world, "7")
    world.run(asking("redrive"))
    assert reject.resolution == "loaded"
    assert world.stored()["bad"] == 7


def test_a_redrive_in_the_middle_of_a_run_leaves_the_run_its_course() -> None:
    """The chain goes on from the redrive; the continuation it overtook is a duplicate."""
    world = World(vendor=Vendor({**catalogue(75), "a-bad": "huge"}))
    world.run()
    rejected(world, "7")
    world.vendor.things["a-bad"] = 7
    assert world.run(asking("redrive")).counts.inserted == 1
    outcomes = [report.outcome for report in world.drain()]
    assert outcomes.count(Outcome.DUPLICATE) == 1
    assert [run.outcome for run in world.commits.database.runs] == ["completed"]
    assert world.in_step()
