"""Progress is told often enough to be trusted and seldom enough to be read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from ops.runs.figures import RunFigures
from ops.runs.progress import LiveScreen, PlainScreen, View, screen_for
from tests.unit.ops.figures import T0, Pipe, Terminal, run, running

WAITS = "for the schedule; its next tick is expected in 34 s"


def view(
    seconds: float, runs: Sequence[RunFigures] = (), waiting: Sequence[str] = (), why: str = WAITS
) -> View:
    return View(runs, waiting, why, T0 + timedelta(seconds=seconds))


def test_a_line_every_five_seconds() -> None:
    """Eleven looks in five and a half seconds are two lines, the first at once."""
    pipe = Pipe()
    with PlainScreen(pipe.console) as screen:
        for look in range(12):
            screen.show(view(look / 2, [running()]))
    assert len(pipe.lines) == 2
    assert all("rows/s=" in line and "eta=" in line and "errors=" in line for line in pipe.lines)


def test_a_run_that_ended_is_told_once_and_at_once() -> None:
    """Not five seconds later, and never again while the others go on."""
    pipe = Pipe()
    with PlainScreen(pipe.console) as screen:
        screen.show(view(0, [running("a"), running("b")]))
        for second in range(1, 31):
            screen.show(view(second, [run("a"), running("b")]))
    told_ended = [line for line in pipe.lines if line.startswith("a cars.cars completed")]
    assert told_ended == [pipe.lines[2]]
    assert [line.split()[0] for line in pipe.lines[3:]] == ["b"] * 6


def test_two_runs_of_one_stream_are_told_apart() -> None:
    """A failed run and the one that the next tick began each have their end."""
    pipe = Pipe()
    with PlainScreen(pipe.console) as screen:
        screen.show(view(0, [run("a", run_id="1", outcome="failed")]))
        screen.show(view(1, [run("a", run_id="1", outcome="failed"), run("a", run_id="2")]))
    assert [line.split()[2] for line in pipe.lines] == ["failed", "completed"]


def test_waiting_is_said_at_once_and_every_five_seconds() -> None:
    """A minute of silence looks like a program that hangs."""
    pipe = Pipe()
    with PlainScreen(pipe.console) as screen:
        for second in range(7):
            why = f"for the schedule; its next tick is expected in {34 - second} s"
            screen.show(view(second, (), ["a#cars#cars", "b#cars#cars"], why))
    assert pipe.lines == [
        "2 streams wait for the schedule; its next tick is expected in 34 s",
        "2 streams wait for the schedule; its next tick is expected in 29 s",
    ]


def test_one_stream_waits() -> None:
    """Where words end in s, and where not."""
    assert view(0, (), ["a#cars#cars"]).waiting_line.startswith("1 stream waits for the schedule")
    assert view(0).waiting_line == ""


def test_plain_lines_are_never_wrapped() -> None:
    """One fact per line, however long."""
    pipe = Pipe()
    with PlainScreen(pipe.console) as screen:
        screen.show(view(0, [running("a" * 64)], ["a#cars#cars"] * 9, "for " + "a reason " * 30))
    assert len(pipe.lines) == 2
    assert min(map(len, pipe.lines)) > 150


def test_a_terminal_is_redrawn_and_left_clean() -> None:
    """Table and waiting line while it lasts; nothing of it stays, and the cursor is back."""
    terminal = Terminal(80)
    with LiveScreen(terminal.console, "first pass") as screen:
        screen.show(view(0, [running("a")], ["b#cars#cars"]))
        shown = terminal.text
        screen.show(view(1, [run("a")], []))
    assert "first pass (cars.cars)" in shown
    assert f"1 stream waits {WAITS}" in shown
    assert shown.count("\x1b[?25l") == 1
    assert terminal.text.endswith("\x1b[2K")
    assert "\x1b[?25h" in terminal.text


def test_an_interrupted_live_screen_gives_the_cursor_back() -> None:
    """Ctrl-C in the middle of a table."""
    terminal = Terminal(80)

    def interrupted() -> None:
        with LiveScreen(terminal.console, "t") as screen:
            screen.show(view(0, [running()]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "\x1b[?25h" in terminal.text


def test_the_screen_suits_where_it_goes() -> None:
    """Redrawing a pipe would fill a log with control codes."""
    assert isinstance(screen_for(Terminal(80).console, "t"), LiveScreen)
    assert isinstance(screen_for(Pipe().console, "t"), PlainScreen)
