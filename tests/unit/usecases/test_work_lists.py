"""Streams whose next step is what a work list names: asked before a run is opened, and ended when it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from sluice.core.errors import (
    CredentialsRefused,
    DatabaseUnavailable,
    VendorThrottled,
    VendorUnavailable,
)
from sluice.core.priorities import Priority
from sluice.core.records import ReadDue, WorkList
from sluice.core.slices import Claim, Outcome
from sluice.usecases.waiting import MOST_ATTEMPTS
from tests.memory.following import EVERY
from tests.unit.usecases.followers import MARKS_KEY, Followers, followers
from tests.unit.usecases.world import Killed, Tape


@pytest.fixture
def marks() -> Followers:
    """Thirty things whose marks are due; twenty requests fit a slice."""
    return followers(MARKS_KEY)


@pytest.fixture
def idle(marks: Followers) -> Followers:
    """All of them read, and not due again for minutes."""
    marks.world.run(marks.asking())
    marks.world.drain()
    marks.world.clock.advance(minutes=2)
    return marks


def test_what_the_list_names_is_read_until_nothing_is_due(marks: Followers) -> None:
    first = marks.world.run(marks.asking())
    assert (first.outcome, first.counts.read, first.traffic.requests) == (Outcome.COMMITTED, 20, 20)
    assert [report.outcome for report in marks.world.drain()] == [Outcome.COMMITTED]
    assert [(s.kind, s.counts.read) for s in marks.slices] == [("marks", 20), ("marks", 10)]
    assert [row["thing_id"] for row in marks.marks.asked[1].due] == [
        f"t{n:03}" for n in range(20, 30)
    ]
    assert all(at.checked_at is not None for at in marks.tracking.values())
    assert [run.outcome for run in marks.runs] == ["completed"]
    assert marks.at_rest()


def test_a_tick_that_finds_nothing_due_costs_one_query(idle: Followers) -> None:
    """No run, no slice, no request, no continuation."""
    tape = Tape()
    report = idle.world.run(idle.asking(), tape.before(idle.world))
    assert report.outcome is Outcome.CAUGHT_UP
    assert tape.calls == ["leases.acquire", "commits.claim", "commits.due", "leases.release"]
    assert (len(idle.slices), len(idle.runs), idle.world.messages.sent) == (2, 1, [])
    assert idle.at_rest()


def test_the_list_is_asked_before_a_run_is_opened(marks: Followers) -> None:
    tape = Tape()
    marks.world.run(marks.asking(), tape.before(marks.world))
    assert tape.calls[:4] == [
        "leases.acquire",
        "commits.claim",
        "commits.due",
        "commits.open_run",
    ]


def test_the_list_is_told_the_time_and_what_a_slice_may_ask(marks: Followers) -> None:
    asked: list[tuple[WorkList, datetime, int]] = []

    def due(
        claim: Claim, work: WorkList, *, now: datetime, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        asked.append((work, now, limit))
        return []

    marks.world.commits.due = due  # type: ignore[method-assign]
    marks.world.run(marks.asking())
    ((work, now, limit),) = asked
    assert (work.name, now, limit) == ("marks due", marks.world.clock(), 20)


def test_due_rows_come_with_the_steps_kind_and_detail(marks: Followers) -> None:
    moment = marks.world.clock()
    marks.world.run(marks.asking("manual", full_since=moment))
    (asked,) = marks.marks.asked
    assert (asked.kind, asked.detail) == ("marks", {"since": moment.isoformat()})
    assert len(asked.due) == 20


def test_an_empty_list_ends_the_run_that_is_open(marks: Followers) -> None:
    """Though the stream's next step is to ask the list, as it always is for it."""
    marks.world.run(marks.asking())
    for record_id, at in marks.tracking.items():
        marks.tracking[record_id] = type(at)(alive=False)
    (report,) = marks.world.drain()
    assert (report.outcome, report.counts.read) == (Outcome.COMMITTED, 0)
    assert marks.slices[-1].kind == "caught_up"
    assert not marks.slices[-1].has_more
    assert [run.outcome for run in marks.runs] == ["completed"]
    assert marks.at_rest()


def test_a_stream_that_always_asks_its_list_comes_to_an_end(marks: Followers) -> None:
    """Its cursor remembers nothing: the list itself is what ends the run."""
    marks.marks.next_step = lambda *_, **__: ReadDue(  # type: ignore[method-assign]
        "marks", WorkList("marks due", "", {"since": None})
    )
    marks.world.run(marks.asking())
    assert len(marks.world.drain()) == 2
    assert [s.kind for s in marks.slices] == ["marks", "marks", "caught_up"]
    assert marks.at_rest()


def test_what_a_person_asks_for_has_a_run_even_of_nothing_due(idle: Followers) -> None:
    report = idle.world.run(idle.asking("manual"))
    assert (report.outcome, report.counts.read) == (Outcome.COMMITTED, 0)
    assert [run.outcome for run in idle.runs] == ["completed"] * 2
    assert idle.world.messages.sent == []


def test_a_full_read_asks_for_what_is_not_due(idle: Followers) -> None:
    """Once, over as many slices as it takes."""
    moment = idle.world.clock()
    idle.world.run(idle.asking("manual", full_since=moment))
    idle.world.drain()
    open_ones = [at for at in idle.tracking.values() if at.is_open]
    assert all(at.checked_at is not None and at.checked_at >= moment for at in open_ones)
    assert idle.world.run(idle.asking()).outcome is Outcome.CAUGHT_UP


def test_a_full_read_of_just_as_many_as_its_slices_hold_is_known_to_be_done(
    idle: Followers,
) -> None:
    """The last slice was full, so there might be more: the list says that there is not, and that is kept."""
    for record_id in list(idle.tracking)[20:]:
        del idle.tracking[record_id]
    moment = idle.world.clock()
    idle.world.run(idle.asking("manual", full_since=moment))
    idle.world.drain()
    assert [(s.kind, s.counts.read) for s in idle.slices[-2:]] == [("marks", 20), ("caught_up", 0)]
    stored = idle.world.commits.database.streams[MARKS_KEY]
    assert stored.cursor["full"] == moment.isoformat()
    assert idle.at_rest()
    idle.world.clock.advance(seconds=1)
    assert idle.world.run(idle.asking()).outcome is Outcome.CAUGHT_UP


def test_a_redrive_does_not_ask_the_list(marks: Followers) -> None:
    tape = Tape()
    report = marks.world.run(marks.asking("redrive"), tape.before(marks.world))
    assert "commits.due" not in tape.calls
    assert (report.detail, marks.slices[-1].kind) == ("redrive of 0 rejects", "redrive")
    marks.world.drain()
    assert all(at.checked_at is not None for at in marks.tracking.values())


def test_a_duplicate_does_not_ask_the_list(marks: Followers) -> None:
    marks.world.run(marks.asking())
    tape = Tape()
    report = marks.world.run(marks.asking("continuation", expect_seq=0), tape.before(marks.world))
    assert report.outcome is Outcome.DUPLICATE
    assert "commits.due" not in tape.calls


# --- when somebody cannot -----------------------------------------------------------------------------


def test_a_vendor_that_stops_us_keeps_what_came_before(marks: Followers) -> None:
    """The rest is named again by the list, when the vendor can."""
    marks.troubles = [None] * 7 + [VendorThrottled("429", retry_after=timedelta(seconds=30))]
    report = marks.world.run(marks.asking())
    assert (report.outcome, report.counts.read) == (Outcome.COMMITTED, 7)
    assert marks.world.messages.sent[0].delay == timedelta(seconds=30)
    marks.world.drain()
    assert [len(asked.due) for asked in marks.marks.asked] == [20, 20, 3]
    assert marks.at_rest()


def test_a_vendor_that_answers_nothing_is_waited_for_and_then_given_up(marks: Followers) -> None:
    """The list is asked anew each time, and the cursor stays where it is."""
    marks.troubles = [VendorUnavailable("503")] * (MOST_ATTEMPTS + 1)
    marks.world.run(marks.asking())
    reports = marks.world.drain()
    assert [r.outcome for r in reports[:-1]] == [Outcome.DEFERRED] * (MOST_ATTEMPTS - 1)
    assert reports[-1].outcome is Outcome.RUN_FAILED
    assert (len(marks.marks.asked), len(marks.slices)) == (MOST_ATTEMPTS + 1, 0)
    assert [run.outcome for run in marks.runs] == ["failed"]
    assert marks.at_rest()


def test_after_a_failed_run_an_empty_list_is_no_work(idle: Followers) -> None:
    idle.world.clock.advance(minutes=20)
    idle.troubles = [CredentialsRefused("401")]
    assert idle.world.run(idle.asking()).outcome is Outcome.RUN_FAILED
    for record_id, at in idle.tracking.items():
        idle.tracking[record_id] = type(at)(alive=False)
    assert idle.world.run(idle.asking()).outcome is Outcome.CAUGHT_UP


def test_a_database_that_cannot_answer_the_list_defers_the_slice(marks: Followers) -> None:
    """The lease is given back, and no run is opened for it."""

    def down(*_: object, **__: object) -> Sequence[Mapping[str, Any]]:
        raise DatabaseUnavailable("gone")

    due, marks.world.commits.due = marks.world.commits.due, down  # type: ignore[method-assign]
    assert marks.world.run(marks.asking()).outcome is Outcome.DEFERRED
    assert (marks.runs, marks.world.leases.items[MARKS_KEY].owner) == ([], None)
    marks.world.commits.due = due  # type: ignore[method-assign]
    marks.world.drain()
    assert marks.at_rest()


def test_who_was_overtaken_after_it_asked_the_list_stores_nothing(marks: Followers) -> None:
    """What it read is named again to whoever comes next."""
    request = marks.marks._request

    def overtaken(budget: Any) -> datetime:
        marks.world.commits.claim(MARKS_KEY, 50)
        return request(budget)

    marks.marks._request = overtaken  # type: ignore[method-assign]
    report = marks.world.run(marks.asking())
    assert report.outcome is Outcome.DEFERRED
    assert (marks.slices, marks.stored()) == ([], {})
    assert {at.checked_at for at in marks.tracking.values()} == {None}


def test_rows_that_cannot_be_loaded_are_not_asked_for_at_once_again(marks: Followers) -> None:
    """They lie in the rejects, and were checked like the others."""
    marks.marks.truth = type(marks.marks.truth)(marks.world.clock())
    marks.world.run(marks.asking())
    marks.world.drain()
    rejected = {r.record_id for r in marks.world.commits.database.open_rejects_of(MARKS_KEY)}
    assert rejected
    assert rejected.isdisjoint(marks.stored())
    assert all(marks.tracking[str(i)].due_at == marks.world.clock() + EVERY for i in rejected)


# --- killed -------------------------------------------------------------------------------------------


def run_with_a_kill(marks: Followers, kill_at: int | None) -> int:
    """A run whose worker is killed at that moment of its port calls; how many there were."""
    tape = Tape(kill_at)
    kit = tape.before(marks.world)
    messages = [marks.asking("manual", full_since=marks.world.clock(), priority=Priority.BACKFILL)]
    while messages:
        assert tape.moments < 1000, "it never comes to an end"
        message = messages.pop(0)
        try:
            marks.world.run(message, kit)
        except Killed:
            marks.world.clock.advance(minutes=6)
            messages.append(message)
        messages += marks.world.messages.take_all()
    return tape.moments


MOMENTS = run_with_a_kill(followers(MARKS_KEY), None)


@pytest.mark.parametrize("kill_at", range(1, MOMENTS + 1))
def test_killed_at_any_moment_the_redelivered_message_finishes(kill_at: int) -> None:
    marks = followers(MARKS_KEY)
    run_with_a_kill(marks, kill_at)
    assert marks.at_rest()
    assert all(at.checked_at is not None for at in marks.tracking.values())
