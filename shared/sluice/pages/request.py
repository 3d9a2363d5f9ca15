"""What a custom widget's call asks for: CloudWatch hands over parameters, forms and how the viewer's console looks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.overview.picture import State

MOST_TEXT = 200
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>[01]\d):(?P<minutes>[0-5]\d)")


class View(StrEnum):
    """What is drawn."""

    OVERVIEW = "overview"
    STREAM = "stream"
    RUN = "run"
    DESCRIBE = "describe"


@dataclass(frozen=True, slots=True)
class Viewer:
    """How to draw, and which functions the page's buttons call: itself, and the one that acts (None: no buttons)."""

    endpoint: str = ""
    steer: str | None = None
    dark: bool = False
    offset: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """``client`` is a part of a client's id; ``state`` keeps what stands so; ``page`` counts from 1."""

    view: View = View.OVERVIEW
    client: str = ""
    state: State | None = None
    page: int = 1
    key: StreamKey | None = None
    run_id: str | None = None
    viewer: Viewer = field(default_factory=Viewer)


def read_request(event: Mapping[str, Any], *, endpoint: str, steer: str | None) -> PageRequest:
    """Of a widget's event: what a button says goes before what stands in the widget's forms.

    SettingInvalid names what cannot be read.
    """
    viewer = read_viewer(event, endpoint=endpoint, steer=steer)
    if event.get("describe"):
        return PageRequest(View.DESCRIBE, viewer=viewer)
    said = {**forms_of(event), **{k: v for k, v in event.items() if k != "widgetContext"}}
    view, key, run_id = _choice(View, "view", said), _text("key", said), _text("run", said)
    if view is View.STREAM and not key:
        raise SettingInvalid("key: name the stream, as client#source#stream")
    if view is View.RUN and not run_id:
        raise SettingInvalid("run: name the run by its id")
    return PageRequest(
        view or View.OVERVIEW,
        _text("client", said),
        _choice(State, "state", said),
        _page(said),
        StreamKey.parse(key) if key else None,
        run_id or None,
        viewer,
    )


def read_viewer(event: Mapping[str, Any], *, endpoint: str, steer: str | None) -> Viewer:
    """What the console says of itself; a caller that says nothing gets a light page in UTC."""
    context = context_of(event)
    zone = context.get("timezone")
    written = zone.get("offsetISO") if isinstance(zone, Mapping) else None
    offset = _offset(written if isinstance(written, str) else "")
    return Viewer(endpoint, steer, context.get("theme") == "dark", offset)


def context_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The widget's context; empty for a caller that is no dashboard."""
    context = event.get("widgetContext")
    return context if isinstance(context, Mapping) else {}


def forms_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands in the widget's forms."""
    forms = context_of(event).get("forms")
    every = forms.get("all") if isinstance(forms, Mapping) else None
    return every if isinstance(every, Mapping) else {}


def _offset(written: str) -> timedelta:
    """Of ``+02:00``. Its sign is certain; that of the minutes beside it is documented nowhere."""
    found = _OFFSET.fullmatch(written)
    if found is None:
        return timedelta(0)
    ahead = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
    return -ahead if found["sign"] == "-" else ahead


def _text(name: str, said: Mapping[str, Any]) -> str:
    given = said.get(name) or ""
    if not isinstance(given, str) or len(given) > MOST_TEXT:
        raise SettingInvalid(f"{name}: give text of at most {MOST_TEXT} characters")
    return given.strip()


def _choice(kind: Any, name: str, said: Mapping[str, Any]) -> Any:
    given = _text(name, said)
    if not given:
        return None
    try:
        return kind(given)
    except ValueError:
        raise SettingInvalid(f"{name} {given!r}: give one of {', '.join(kind)}") from None


def _page(said: Mapping[str, Any]) -> int:
    given = said.get("page") or 1
    text = str(given)
    if isinstance(given, bool) or not text.isdecimal() or len(text) > 6 or int(text) < 1:
        raise SettingInvalid("page: give a number from 1 on")
    return int(text)
