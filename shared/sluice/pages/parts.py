"""Parts that pages share: the frame, icons, states, bars, and the buttons that CloudWatch gives life to.

``cwdb-action`` is CloudWatch's own element: it tells what happens when the element before it is clicked. No page has
a script, for CloudWatch takes scripts out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.core.overview.picture import State
from sluice.pages.markup import Child, Html, el, json_text, text
from sluice.pages.request import Viewer
from sluice.pages.style import style

TONES: Mapping[State, str] = {
    State.PAUSED: "idle",
    State.RUNNING: "busy",
    State.STALLED: "bad",
    State.LATE: "warn",
    State.FAILED: "bad",
    State.NEVER: "idle",
    State.FRESH: "good",
    State.UNKNOWN: "warn",
}

_ICONS: Mapping[str, str] = {
    "good": "M3 8.5l3.2 3.2L13 4.8",
    "busy": "M4 3l9 5-9 5z",
    "warn": "M8 1.8l6.6 12H1.4zM8 6v4M8 11.7v.6",
    "bad": "M3.5 3.5l9 9M12.5 3.5l-9 9",
    "idle": "M5.5 3v10M10.5 3v10",
}
_NEVER = "M8 2a6 6 0 1 0 .01 0zM8 5v3.5l2.2 1.4"


def framed(viewer: Viewer, *children: Child) -> Html:
    """A whole answer: style, frame, and the sign that switches the dashboard's own styles off."""
    off = el("div", {"class": "cwdb-no-default-styles"})
    return Html(style(dark=viewer.dark) + el("div", {"class": "sl"}, off, *children))


def icon(tone: str, path: str | None = None) -> Html:
    """A small drawing beside a word that says the same."""
    drawn = el(
        "path",
        {
            "d": path or _ICONS[tone],
            "fill": "currentColor" if tone == "busy" and path is None else "none",
            "stroke": "currentColor",
            "stroke-width": 2,
            "stroke-linecap": "round",
            "stroke-linejoin": "round",
        },
    )
    return el("svg", {"class": "ic", "viewBox": "0 0 16 16", "aria-hidden": "true"}, drawn)


def state_icon(state: State) -> Html:
    return icon(TONES[state], _NEVER if state is State.NEVER else None)


def state_badge(state: State) -> Html:
    """Icon and word: colour alone says nothing to some."""
    return el("span", {"class": f"state {TONES[state]}"}, state_icon(state), state.value)


def badge(tone: str, word: str) -> Html:
    return el("span", {"class": f"state {tone}"}, icon(tone), word)


def bar(share: float, tone: str, label: str) -> Html:
    """How much of something, 0 to 1, named for whoever does not see it."""
    width = f"width:{max(0.0, min(share, 1.0)) * 100:.1f}%"
    named = {"class": f"bar {tone}", "role": "img", "aria-label": label, "title": label}
    return el("span", named, el("i", {"style": width}))


@dataclass(frozen=True, slots=True)
class Press:
    """What a button does: call a function with parameters, after a question if one is given."""

    endpoint: str
    parameters: Mapping[str, Any]
    confirmation: str | None = None
    popup: bool = False


def button(
    press: Press,
    *children: Child,
    look: str = "",
    label: str | None = None,
    pressed: bool | None = None,
) -> Html:
    """A button and its ``cwdb-action``. Nothing at all where there is no function to call."""
    if not press.endpoint:
        return Html("")
    shown = {
        "type": "button",
        "class": look or None,
        "aria-label": label,
        "aria-pressed": None if pressed is None else str(pressed).lower(),
    }
    action = {
        "action": "call",
        "endpoint": press.endpoint,
        "display": "popup" if press.popup else "widget",
        "confirmation": press.confirmation,
    }
    return Html(
        el("button", shown, *children) + el("cwdb-action", action, json_text(press.parameters))
    )


def opens(
    viewer: Viewer, parameters: Mapping[str, Any], *children: Child, label: str | None = None
) -> Html:
    """A button that shows another page in this one's place; text alone where nothing can be called."""
    if not viewer.endpoint:
        return el("span", None, *children)
    return button(Press(viewer.endpoint, parameters), *children, label=label)


def facts(pairs: Sequence[tuple[str, Child]]) -> Html:
    """Names and values."""
    shown = [el("div", None, el("dt", None, name), el("dd", None, value)) for name, value in pairs]
    return el("dl", {"class": "facts"}, shown)


def hidden_inputs(values: Mapping[str, str]) -> Html:
    """What the dashboard hands back when it draws the widget anew, so that the same page comes."""
    return Html(
        "".join(el("input", {"type": "hidden", "name": n, "value": v}) for n, v in values.items())
    )


def note(tone: str, title: str, *lines: Child) -> Html:
    """A box that says one thing, as a list of findings has them."""
    said = [el("p", {"class": "break"}, line) for line in lines if line]
    inside = el("div", None, el("b", {"class": "break"}, title), said)
    return el("div", {"class": f"find {tone}"}, icon(tone), inside)


def plain(value: object) -> Html:
    """A dash where there is nothing."""
    return text("\N{EN DASH}" if value is None or value == "" else value)
