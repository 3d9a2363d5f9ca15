"""Who is gone: nobody by a listing alone, and many by one question."""

from __future__ import annotations

import json

import orjson
import pytest

from sluice.core.errors import VendorAnswerBroken
from sluice.core.records import Reconcile
from sluice.sources.mixpanel.profiles import ASKED_TOGETHER, ProfilesStream
from tests.unit.sources.cars_vendor import START, Clock, json_answer
from tests.unit.sources.mixpanel.profiles_vendor import Engage, candidate, engage, opened
from tests.unit.sources.slices import Stored, budget, catch_up


@pytest.fixture
def clock() -> Clock:
    return Clock()


def judged(stream: ProfilesStream, clock: Clock, *names: str) -> dict[str, bool]:
    candidates = [candidate(name) for name in names]
    stream.expect(candidates)
    allowance = budget(clock)
    return {each.record_id: stream.still_exists(each, allowance) for each in candidates}


def points(vendor: Engage) -> list[list[str]]:
    return [json.loads(form["distinct_ids"]) for form in vendor.asked]


def test_only_who_is_missing_twice_is_gone(clock: Clock) -> None:
    vendor = engage(clock, 3)
    stream = opened(vendor)
    assert judged(stream, clock, "user-001", "gone", "user-002") == {
        "user-001": True,
        "gone": False,
        "user-002": True,
    }
    assert points(vendor) == [["user-001", "gone", "user-002"], ["gone"]]
    assert stream.traffic().contradictions == 0


def test_one_that_is_missing_once_is_not(clock: Clock) -> None:
    vendor = engage(clock, 3)
    nothing = orjson.loads(vendor.page("p", 0, []).content)
    vendor.spoil = lambda form, before: json_answer(nothing) if len(vendor.asked) == 1 else None
    stream = opened(vendor)
    assert judged(stream, clock, "user-001") == {"user-001": True}
    assert stream.traffic().contradictions == 1


def test_nobody_is_gone_who_may_be_on_a_page_that_was_not_asked_for(clock: Clock) -> None:
    """A full page of a question about many lacks the rest: they are asked for until an answer is not full."""
    vendor = engage(clock, 7, page_size=3)
    names = [f"user-{number:03}" for number in range(7)]
    stream = opened(vendor)
    found = judged(stream, clock, *names[:4], "gone", *names[4:])
    assert stream.traffic().contradictions == 0
    assert found == {**dict.fromkeys(names, True), "gone": False}
    assert [len(each) for each in points(vendor)] == [8, 5, 2, 1]


def test_many_are_asked_for_together_and_each_once(clock: Clock) -> None:
    """Sixty questions an hour would take days for two percent of a large project."""
    vendor = engage(clock, 0)
    names = [f"g-{number}" for number in range(ASKED_TOGETHER * 2 + 1)]
    found = judged(opened(vendor), clock, *names)
    assert set(found.values()) == {False}
    asked = points(vendor)
    assert len(asked) == 6
    assert {len(each) for each in asked} == {1, ASKED_TOGETHER}


def test_each_question_is_paid_for(clock: Clock) -> None:
    stream, allowance = opened(engage(clock, 1)), budget(clock)
    assert stream.still_exists(candidate("user-000"), allowance)
    assert allowance.requests_used == 1
    assert not stream.still_exists(candidate("gone"), allowance)
    assert allowance.requests_used == 3


def test_who_is_answered_with_another_profile_stays(clock: Clock) -> None:
    """Two identities may have become one. What that looks like is not documented, so nobody goes by it."""
    vendor = engage(clock, 3)
    vendor.spoil = lambda form, before: vendor.page("p", 0, ["user-002"])
    assert judged(opened(vendor), clock, "merged", "gone") == {"merged": True, "gone": True}
    answers = [["user-001"], ["user-002"]]
    vendor.spoil = lambda form, before: vendor.page("p", 0, answers.pop(0))
    stream = opened(vendor)
    assert judged(stream, clock, "user-001", "gone") == {"user-001": True, "gone": True}
    assert stream.traffic().contradictions == 0


def test_a_row_that_cannot_be_loaded_is_there(clock: Clock) -> None:
    vendor = engage(clock, 1)
    body = orjson.loads(vendor.page("p", 0, ["user-000"]).content)
    body["results"][0]["$properties"] = {"bad": "\0"}
    vendor.spoil = lambda form, before: json_answer(body)
    assert judged(opened(vendor), clock, "user-000") == {"user-000": True}


def test_an_answer_that_is_not_believed_judges_nobody(clock: Clock) -> None:
    vendor = engage(clock, 1, spoil=lambda form, before: json_answer({"results": []}))
    with pytest.raises(VendorAnswerBroken):
        judged(opened(vendor), clock, "gone")


def test_judging_goes_on_where_it_stopped_and_ends(clock: Clock) -> None:
    stream, stored = opened(engage(clock, 1)), Stored()
    stored = catch_up(stream, clock, stored)
    step = Reconcile(1, START)
    after = stream.after_reconcile(stored.cursor, step, "m")
    assert stream.next_step(after, clock(), full_since=None) == Reconcile(1, START, "m")
    done = stream.after_reconcile(after, step, None)
    assert stream.next_step(done, clock(), full_since=None) is None
