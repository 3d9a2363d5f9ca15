"""Show the status page: one call of the widget, one page of HTML, also when something does not answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sluice.core.budget import Clock
from sluice.core.errors import SettingInvalid, SluiceError
from sluice.core.overview.picture import Overview
from sluice.core.overview.run_details import Runs
from sluice.core.steering.acting import Done
from sluice.pages.answers import DESCRIPTION, draw_done, draw_refused, draw_trouble
from sluice.pages.overview import draw_overview
from sluice.pages.request import PageRequest, View, read_request, read_viewer
from sluice.pages.run import SLICES_SHOWN, draw_run
from sluice.pages.stream import RUNS_SHOWN, draw_stream

MOST_AGE = timedelta(seconds=5)
"""Of a picture that is shown again: a dashboard with many viewers asks the stores once in so long."""


class Kept:
    """The latest picture, looked at anew when it is older than ``most_age``."""

    def __init__(
        self, look: Callable[[], Overview], clock: Clock, most_age: timedelta = MOST_AGE
    ) -> None:
        self._look, self._clock, self._most_age = look, clock, most_age
        self._kept: Overview | None = None

    def __call__(self) -> Overview:
        kept = self._kept
        if kept is None or not timedelta(0) <= self._clock() - kept.at < self._most_age:
            self._kept = kept = self._look()
        return kept


@dataclass(frozen=True, slots=True)
class Kit:
    """What the pages show: the picture of all, and the history of runs. ``endpoint`` is the function that draws,
    ``steer`` the one that acts (None: pages have no buttons that do)."""

    look: Callable[[], Overview]
    runs: Runs
    clock: Clock
    endpoint: str
    steer: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer to the widget: HTML, or ``{"markdown": ...}`` when it asks what the widget is. ``view`` and
    ``error`` are for the log."""

    answer: str | Mapping[str, str]
    view: str
    error: str | None = None


def show(event: Mapping[str, Any], kit: Kit) -> Shown:
    """Draw what the event asks for. An error of ours is a page that says it, never a blank widget."""
    try:
        request = read_request(event, endpoint=kit.endpoint, steer=kit.steer)
        if request.view is View.DESCRIBE:
            return Shown({"markdown": DESCRIPTION}, request.view.value)
        return Shown(str(_draw(request, kit)), request.view.value)
    except SluiceError as error:
        viewer = read_viewer(event, endpoint=kit.endpoint, steer=kit.steer)
        page = draw_trouble("This page cannot be shown now", str(error), viewer)
        return Shown(str(page), "trouble", str(error))


def show_done(event: Mapping[str, Any], act: Callable[[], Done]) -> Shown:
    """Act, and draw what it came to; an error of ours is the answer that says why not."""
    viewer = read_viewer(event, endpoint="", steer=None)
    try:
        done = act()
    except SluiceError as error:
        page = draw_refused("This was not done", [str(error)], viewer)
        return Shown(str(page), "refused", str(error))
    return Shown(str(draw_done(done.title, done.lines, viewer)), "done")


def _draw(request: PageRequest, kit: Kit) -> str:
    if request.view is View.RUN and request.run_id:
        details = kit.runs.details(request.run_id, SLICES_SHOWN)
        if details is None:
            raise SettingInvalid(f"run {request.run_id!r}: there is none of this id")
        return draw_run(details, kit.clock(), request.viewer)
    if request.view is View.STREAM and request.key:
        overview = kit.look()
        found = next((each for each in overview.streams if each.key == request.key), None)
        runs = kit.runs.newest(request.key, RUNS_SHOWN)
        return draw_stream(request.key, found, runs, kit.clock(), request.viewer)
    return draw_overview(kit.look(), request)
