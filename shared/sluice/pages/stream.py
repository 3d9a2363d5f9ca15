"""One stream of one client: how it stands, what may be done, and its runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import RunView, StreamView
from sluice.pages.actions import stream_actions
from sluice.pages.cells import age_words, progress
from sluice.pages.markup import Child, Html, el
from sluice.pages.parts import badge, facts, framed, hidden_inputs, note, opens, plain, state_badge
from sluice.pages.request import Viewer
from sluice.pages.tables import Column, table
from sluice.pages.words import ago, count, lasting, moment

RUNS_SHOWN = 20
RUN_COLUMNS = (
    Column("began"),
    Column("outcome"),
    Column("why"),
    *(
        Column(name, number=True)
        for name in ("took", "read", "written", "unchanged", "rejected", "removed")
    ),
)
OUTCOMES = {"completed": "good", "running": "busy", "failed": "bad", "abandoned": "bad"}


def draw_stream(
    key: StreamKey,
    found: StreamView | None,
    runs: Sequence[RunView],
    now: datetime,
    viewer: Viewer,
) -> Html:
    """``found`` is None for a stream that the registry does not have any more; its runs are still there."""
    return framed(
        viewer,
        back(viewer),
        _head(key, found),
        _facts(found, now, viewer) if found else _gone(),
        _progress(found, now),
        stream_actions(key, found, viewer),
        el("h3", None, "Runs"),
        _runs(key, runs, now, viewer),
        hidden_inputs({"view": "stream", "key": str(key)}),
    )


def back(viewer: Viewer) -> Html:
    """The way back to the first page."""
    arrow = "\N{LEFTWARDS ARROW} All streams"
    way = opens(viewer, {"view": "overview"}, arrow) if viewer.endpoint else None
    return el("nav", {"aria-label": "Where you are"}, way)


def outcome_badge(outcome: str) -> Html:
    return badge(OUTCOMES.get(outcome, "idle"), outcome)


def _head(key: StreamKey, found: StreamView | None) -> Html:
    name = el("span", {"class": "break"}, str(key))
    state = state_badge(found.state) if found else badge("idle", "not configured")
    return el("div", {"class": "head", "style": "margin-top:8px"}, el("h2", None, name), state)


def _facts(found: StreamView, now: datetime, viewer: Viewer) -> Html:
    pairs: list[tuple[str, Child]] = [
        ("Data", age_words(found, now)),
        ("Stored as of", moment(found.fresh_at, viewer.offset)),
        ("Cursor moved", ago(found.advanced_at, now)),
        ("Due", ago(found.due_at, now) if found.due_at else plain(None)),
        ("Every", lasting(found.cadence)),
        ("Open rejects", f"{found.open_rejects:,}"),
        ("Slow after", lasting(found.limits.sync_within)),
        ("Stuck after", lasting(found.limits.advance_within)),
    ]
    shown = facts(pairs)
    if found.paused_because:
        said = note("idle", "Paused", found.paused_because)
        return Html(shown + el("div", {"style": "margin-top:12px"}, said))
    return shown


def _gone() -> Html:
    told = "The registry does not have this stream: it was taken from the clients file, or is not in this picture."
    return el("p", {"class": "soft", "style": "margin-top:12px"}, told)


def _progress(found: StreamView | None, now: datetime) -> Html:
    if found is None or found.running is None:
        return Html("")
    run = found.running
    begun = f"{run.reason}, begun {ago(run.started_at, now)}, last slice {ago(run.last_progress_at, now)}"
    inside = (el("h3", None, "Running"), progress(run, now), el("p", {"class": "small"}, begun))
    return el("section", {"class": "box", "aria-label": "The run that is open"}, *inside)


def _runs(key: StreamKey, runs: Sequence[RunView], now: datetime, viewer: Viewer) -> Html:
    if not runs:
        return el("p", {"class": "none", "style": "margin-top:0"}, "It has not run yet.")
    rows = [_run(run, now, viewer) for run in runs]
    told = count(len(runs), "run")
    return table("The newest runs", told, RUN_COLUMNS, rows, region=f"Runs of {key}")


def _run(run: RunView, now: datetime, viewer: Viewer) -> Sequence[Child]:
    began = moment(run.started_at, viewer.offset)
    label = f"Run begun {began}: {run.outcome}. Show it"
    way = opens(viewer, {"view": "run", "run": run.run_id}, began, label=label)
    failed = run.error if run.outcome != "completed" else None
    error = el("p", {"class": "small break"}, failed) if failed else None
    return (
        way,
        el("div", None, outcome_badge(run.outcome), error),
        run.reason,
        lasting((run.ended_at or now) - run.started_at),
        f"{run.rows_read:,}",
        f"{run.inserted + run.updated:,}",
        f"{run.unchanged:,}",
        f"{run.rejected:,}",
        f"{run.deleted:,}",
    )
