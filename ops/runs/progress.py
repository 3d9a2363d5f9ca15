"""Where a watch shows its progress: redrawn in a terminal, appended a line at a time elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ops.runs.figures import RunFigures
from ops.runs.sheets import live_sheet, plain_line

PLAIN_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class View:
    """What there is to show at one moment: runs, streams without one, and what those wait for."""

    runs: Sequence[RunFigures]
    waiting: Sequence[str]
    why_waiting: str
    now: datetime

    @property
    def waiting_line(self) -> str:
        if not self.waiting:
            return ""
        streams = (
            "1 stream waits" if len(self.waiting) == 1 else f"{len(self.waiting)} streams wait"
        )
        return f"{streams} {self.why_waiting}"


class Screen(AbstractContextManager[Any], Protocol):
    """Shows views for as long as it is entered."""

    def show(self, view: View) -> None: ...


def screen_for(console: Console, title: str) -> Screen:
    return LiveScreen(console, title) if console.is_terminal else PlainScreen(console)


class LiveScreen(AbstractContextManager["LiveScreen"]):
    """A table that is drawn anew at every look, and gone at the end."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, view: View) -> None:
        self._live.update(Group(*self._parts(view)), refresh=True)

    def _parts(self, view: View) -> Iterator[RenderableType]:
        if view.runs:
            yield live_sheet(view.runs, view.now, self._title)
        if view.waiting:
            yield Text(view.waiting_line, style="dim")


class PlainScreen(AbstractContextManager["PlainScreen"]):
    """One line per running run every 5 s, and one more when it ends; each is printed once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told_ended: set[str] = set()
        self._told_at: datetime | None = None

    def __exit__(self, *_: object) -> None:
        return

    def show(self, view: View) -> None:
        for run in view.runs:
            if run.ended_at and run.run_id not in self._told_ended:
                self._told_ended.add(run.run_id)
                self._say(plain_line(run, view.now))
        if self._told_at is None or view.now - self._told_at >= PLAIN_EVERY:
            self._told_at = view.now
            self._tell_progress(view)

    def _tell_progress(self, view: View) -> None:
        if view.waiting:
            self._say(view.waiting_line)
        for run in view.runs:
            if not run.ended_at:
                self._say(plain_line(run, view.now))

    def _say(self, line: str) -> None:
        self._console.print(line)
        self._console.file.flush()
