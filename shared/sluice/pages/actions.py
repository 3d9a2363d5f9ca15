"""Buttons that act. They call another function than the one that draws, so that fewer people may press than look."""

from __future__ import annotations

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import RunView, State, StreamView
from sluice.pages.markup import Html, el
from sluice.pages.parts import Press, button
from sluice.pages.request import Viewer
from sluice.pages.words import count

PAUSES = (("", "until resumed"), ("30m", "30 minutes"), ("2h", "2 hours"), ("1d", "1 day"))


def stream_actions(key: StreamKey, found: StreamView | None, viewer: Viewer) -> Html:
    """What one may do to a stream; nothing where the deployment says no function that acts."""
    if not viewer.steer:
        return Html("")
    buttons = [
        _act(
            viewer, "Sync now", {"do": "sync", "key": str(key)}, f"Sync {key} now?", look="btn main"
        ),
        _act(
            viewer,
            "Full sync",
            {"do": "full-sync", "key": str(key)},
            f"Read all of {key} anew? It is a backfill: nothing else waits for it, and it may take hours.",
        ),
        _pause_or_resume(viewer, str(key), found),
    ]
    if found is not None and found.open_rejects:
        rows = count(found.open_rejects, "rejected row")
        buttons.append(
            _act(
                viewer,
                f"Redrive {rows}",
                {"do": "redrive", "key": str(key)},
                f"Load {rows} of {key} again, as the present code understands them?",
            )
        )
    return _box("Act on this stream", _fields(pausing=True), buttons)


def run_actions(key: StreamKey, run: RunView, viewer: Viewer) -> Html:
    """Undoing is for what a run removed, once it has ended."""
    if not viewer.steer or not run.deleted or run.ended_at is None:
        return Html("")
    rows = count(run.deleted, "row")
    undo = _act(
        viewer,
        "Undo its removals",
        {"do": "undo-reconcile", "run": run.run_id, "key": str(key)},
        f"Bring back what this run removed from {key} (at most {rows})?"
        " Rows that anybody wrote since stay as they are.",
        look="btn risky",
    )
    told = (
        f"This run removed {rows} that a complete listing no longer had and that the vendor said were gone."
        " Where that was wrong, they can come back."
    )
    return _box(
        "Act on this run", Html(el("p", {"class": "small"}, told) + _fields(pausing=False)), [undo]
    )


def _pause_or_resume(viewer: Viewer, scope: str, found: StreamView | None) -> Html:
    if found is not None and found.state is State.PAUSED:
        asked = f"Resume {scope}? It is due at once, unless a wider pause stops it."
        return _act(viewer, "Resume", {"do": "resume", "scope": scope}, asked)
    asked = f"Pause {scope}? Running slices end by themselves; nothing is lost."
    return _act(viewer, "Pause", {"do": "pause", "scope": scope}, asked)


def _act(
    viewer: Viewer, word: str, parameters: dict[str, str], asked: str, *, look: str = "btn"
) -> Html:
    press = Press(viewer.steer or "", parameters, confirmation=asked, popup=True)
    return button(press, word, look=look)


def _fields(*, pausing: bool) -> Html:
    why = {
        "type": "text",
        "name": "why",
        "maxlength": "200",
        "placeholder": "one line, for whoever looks later",
    }
    fields = [el("div", {"class": "field wide"}, el("label", None, "Why", el("input", why)))]
    if pausing:
        options = [el("option", {"value": value}, word) for value, word in PAUSES]
        chosen = el("select", {"name": "lasting"}, options)
        fields.append(el("div", {"class": "field"}, el("label", None, "A pause lasts", chosen)))
    return el("form", {"class": "row"}, fields)


def _box(title: str, fields: Html, buttons: list[Html]) -> Html:
    told = "Each is asked for confirmation, and written to the audit."
    inside = (
        el("h3", None, title),
        fields,
        el("div", {"class": "acts"}, buttons),
        el("p", {"class": "small", "style": "margin-top:8px"}, told),
    )
    return el("section", {"class": "box", "aria-label": title}, *inside)
