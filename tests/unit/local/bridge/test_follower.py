"""Log groups are followed without losing an event and without counting one twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.bridge.follower import OVERLAP_MS, Follower, PageTooSmall

GROUP = "/aws/lambda/worker"


class Group:
    """A log group as the embedded AWS answers for it: by time, at most ``limit``, no ids, no tokens."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.broken = False

    def add(self, at: int, line: str, stream: str = "s") -> None:
        self.events.append({"timestamp": at, "message": line, "logStreamName": stream})
        self.events.sort(key=lambda event: event["timestamp"])

    def filter_log_events(self, **words: Any) -> Mapping[str, Any]:
        if self.broken:
            raise ConnectionError("gone")
        assert words["logGroupName"] == GROUP
        fits = [event for event in self.events if event["timestamp"] >= words["startTime"]]
        return {"events": fits[: words["limit"]]}


def lines(follower: Follower) -> list[str]:
    return [event.line for event in follower.news()]


def test_each_event_is_given_out_once() -> None:
    group = Group()
    follower = Follower(group, GROUP)
    assert lines(follower) == []
    group.add(1_000, "a")
    group.add(1_000, "b")
    assert lines(follower) == ["a", "b"]
    assert lines(follower) == []
    group.add(1_000, "c")  # the same millisecond, seen later
    group.add(1_200, "d")
    assert lines(follower) == ["c", "d"]
    assert lines(follower) == []


def test_equal_lines_are_as_many_events_as_they_stand_there() -> None:
    """Two slices may write the same metrics within one millisecond."""
    group = Group()
    follower = Follower(group, GROUP)
    group.add(1_000, "same")
    group.add(1_000, "same")
    group.add(1_000, "same", stream="other")
    assert lines(follower) == ["same"] * 3
    group.add(1_000, "same")
    assert lines(follower) == ["same"]
    assert lines(follower) == []


def test_an_event_that_shows_late_is_not_lost() -> None:
    """Within the overlap it may be older than what was seen already."""
    group = Group()
    follower = Follower(group, GROUP)
    group.add(10_000, "new")
    assert lines(follower) == ["new"]
    group.add(10_000 - OVERLAP_MS, "late")
    assert lines(follower) == ["late"]
    assert lines(follower) == []


def test_more_than_one_page_is_read_whole() -> None:
    group = Group()
    follower = Follower(group, GROUP, page=3)
    for at, line in [(1, "a"), (2, "b"), (2, "c"), (3, "d"), (3, "e"), (4, "f")]:
        group.add(at, line)
    assert lines(follower) == list("abcdef")
    assert lines(follower) == []


def test_a_page_of_one_millisecond_is_said_and_not_skipped() -> None:
    group = Group()
    follower = Follower(group, GROUP, page=2)
    for line in "abc":
        group.add(1, line)
    with pytest.raises(PageTooSmall):
        follower.news()


def test_a_look_that_failed_is_made_up_for() -> None:
    group = Group()
    follower = Follower(group, GROUP)
    group.add(1_000, "a")
    group.broken = True
    with pytest.raises(ConnectionError):
        follower.news()
    group.broken = False
    assert lines(follower) == ["a"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, OVERLAP_MS), st.sampled_from("ab"), st.sampled_from("st")),
            max_size=6,
        ),
        max_size=8,
    ),
    st.integers(50, 60),
)
def test_whatever_comes_when_all_is_given_out_once(looks: Any, page: int) -> None:
    """Events of each look lie at most the overlap before the newest that was seen."""
    group, given_out, now = Group(), [], 100_000
    follower = Follower(group, GROUP, page=page)
    for events in looks:
        now += 700
        floor = max([0, *(e["timestamp"] for e in group.events)]) - OVERLAP_MS
        for back, line, stream in events:
            group.add(max(now - back, floor), line, stream)
        given_out += lines(follower)
    assert sorted(given_out) == sorted(event["message"] for event in group.events)
