"""Watching runs to their end, on a clock that moves only when the watch sleeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from ops.failures import RUN_FAILED, exit_code
from ops.runs.figures import RunFigures
from ops.runs.follow import JOINED_GRACE, POLL_SECONDS, NotFinished, Watch, follow
from ops.runs.progress import View
from tests.unit.ops.figures import T0, FakeTime, run, running

A, B = "a#cars#cars", "b#cars#cars"
Script = Callable[[float], Sequence[RunFigures]]


class Interrupted(FakeTime):
    """Somebody presses Ctrl-C while the watch sleeps."""

    def sleep(self, seconds: float) -> None:
        raise KeyboardInterrupt


@dataclass
class Recorder(AbstractContextManager[Any]):
    """A screen that keeps what it was shown, and whether it was left."""

    views: list[View] = field(default_factory=list)
    left: bool = False

    def __exit__(self, *_: object) -> None:
        self.left = True

    def show(self, view: View) -> None:
        self.views.append(view)


@dataclass
class Followed:
    """A watch over a script: which runs there are, so many seconds after it began."""

    script: Script
    watch: Watch
    timeout_s: float = 60
    time: FakeTime = field(default_factory=FakeTime)
    screen: Recorder = field(default_factory=Recorder)
    polls: int = 0

    def poll(self) -> None:
        self.polls += 1

    def to_the_end(self) -> Sequence[RunFigures]:
        return follow(
            self.watch,
            lambda: self.script(self.time.slept),
            self.screen,
            self.time,
            timeout_s=self.timeout_s,
            why_waiting=lambda now: f"since {(now - T0).total_seconds():.0f} s",
            each_poll=self.poll,
        )


def watch(*stream_keys: str, **changed: Any) -> Watch:
    return Watch(frozenset(stream_keys), T0, **changed)


def ended_at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_it_ends_when_every_stream_had_a_run_and_none_is_open() -> None:
    """One client is done at once, the other begins after 3 s and takes 4 s more."""

    def script(at: float) -> Sequence[RunFigures]:
        second = [] if at < 3 else [running("b")] if at < 7 else [run("b")]
        return [run("a"), *second]

    followed = Followed(script, watch(A, B))
    assert [r.client_id for r in followed.to_the_end()] == ["a", "b"]
    assert followed.time.slept == 7
    assert followed.polls == 7 / POLL_SECONDS + 1
    assert followed.screen.left


def test_what_waits_is_shown_with_its_reason() -> None:
    """Until a run of its own begins; a run that goes on waits for nothing."""
    followed = Followed(
        lambda at: [] if at < 1 else [running("a")] if at < 2 else [run("a")], watch(A)
    )
    followed.to_the_end()
    shown = [(view.waiting, view.why_waiting) for view in followed.screen.views]
    assert shown == [([A], "since 0 s"), ([A], "since 0 s"), ([], ""), ([], ""), ([], "")]


def test_a_failed_run_is_an_end() -> None:
    """Whoever called judges it; waiting longer would not make it better."""
    assert Followed(lambda _: [run("a", outcome="failed")], watch(A)).to_the_end()


def test_a_run_begun_after_a_failed_one_is_waited_for() -> None:
    """The next tick began another: the stream is not at rest."""

    def script(at: float) -> Sequence[RunFigures]:
        return [run("a", outcome="failed"), running("a", run_id="2") if at < 2 else run("a")]

    followed = Followed(script, watch(A))
    assert len(followed.to_the_end()) == 2
    assert followed.time.slept == 2


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ([], f"not begun: {A}"),
        ([running("a", last_error="VendorThrottled: 429")], f"still running: {A}"),
    ],
)
def test_it_gives_up_in_time_and_says_what_is_missing(
    runs: Sequence[RunFigures], told: str
) -> None:
    """The runs go on; the command ends as one whose run ended badly, and the screen is left."""
    followed = Followed(lambda _: runs, watch(A), timeout_s=30)
    with pytest.raises(NotFinished, match=r"^not finished after 30 s; ") as caught:
        followed.to_the_end()
    assert told in str(caught.value)
    assert ("last error: VendorThrottled: 429" in str(caught.value)) == bool(runs)
    assert exit_code(caught.value) == RUN_FAILED
    assert 30 < followed.time.slept <= 30 + 2 * POLL_SECONDS
    assert followed.screen.left


def test_an_interrupt_leaves_the_screen() -> None:
    """Ctrl-C while the watch sleeps."""
    followed = Followed(lambda _: [], watch(A), time=Interrupted())
    with pytest.raises(KeyboardInterrupt):
        followed.to_the_end()
    assert followed.screen.left


def test_a_run_that_was_open_before_does_what_was_asked() -> None:
    """What is due is due once: its worker does it, and no other run need begin."""
    followed = Followed(
        lambda at: [running("a") if at < 5 else run("a")], watch(A, joined=frozenset({"run-of-a"}))
    )
    assert len(followed.to_the_end()) == 1
    assert followed.time.slept == 5


def test_a_full_read_waits_for_a_run_of_its_own() -> None:
    """The run that was open may have been beyond the beginning when the full read was asked for."""
    old = run("a", run_id="old", ended_at=ended_at(2))

    def script(at: float) -> Sequence[RunFigures]:
        return [old] if at < 20 else [old, run("a", run_id="new", ended_at=ended_at(25))]

    followed = Followed(script, watch(A, joined=frozenset({"old"}), full=True))
    assert [r.run_id for r in followed.to_the_end()] == ["old", "new"]
    assert followed.time.slept == 20
    assert followed.screen.views[0].waiting == [A]


def test_a_full_read_that_joined_an_open_run_is_not_waited_for_for_ever() -> None:
    """If no other run begins for so long after it ended, the open run has taken the request up."""
    old = run("a", run_id="old", ended_at=ended_at(2))
    followed = Followed(
        lambda _: [old], watch(A, joined=frozenset({"old"}), full=True), timeout_s=600
    )
    assert followed.to_the_end() == [old]
    assert followed.time.slept == 2 + JOINED_GRACE.total_seconds() + POLL_SECONDS
