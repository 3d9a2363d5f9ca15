"""Waiting within a slice: in line, in short steps, and over at once when the reader stops."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from sluice.sources.pacing import CutShort, Line, Patience


def patience(*, sleep=lambda _: None, stopped=lambda: False) -> Patience:
    return Patience(lambda: timedelta(minutes=1), lambda: 100, sleep, stopped)


def test_a_nap_is_slept_in_short_steps():
    slept: list[float] = []
    patience(sleep=slept.append).nap(0.6)
    assert slept == pytest.approx([0.25, 0.25, 0.1])


def test_a_stop_ends_a_nap():
    slept: list[float] = []
    patience(sleep=slept.append, stopped=lambda: len(slept) == 2).nap(60)
    assert len(slept) == 2


def test_one_after_the_other():
    """Who comes second goes on when the first has gone."""
    line, order = Line(), []
    inside, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with line.joined(patience()):
            inside.set()
            go_on.wait(10)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    second = threading.Thread(target=lambda: _join(line, order))
    second.start()
    go_on.set()
    thread.join(10)
    second.join(10)
    assert order == ["first", "second"]


def _join(line: Line, order: list[str]) -> None:
    with line.joined(patience()):
        order.append("second")


def test_who_stands_in_line_hears_the_stop():
    line, stop = Line(), threading.Event()
    with line.joined(patience()):
        stop.set()
        with pytest.raises(CutShort), line.joined(patience(stopped=stop.is_set)):
            pass


def test_who_stopped_does_not_even_begin():
    line = Line()
    with pytest.raises(CutShort), line.joined(patience(stopped=lambda: True)):
        pass
    with line.joined(patience()):
        pass
