"""One run: its figures, its slices with where their time went, and what the vendor was asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sluice.core.overview.picture import RunView
from sluice.core.overview.run_details import EndpointView, RunDetails, SliceView
from sluice.pages.actions import run_actions
from sluice.pages.markup import Child, Html, el
from sluice.pages.parts import bar, facts, framed, hidden_inputs, note, opens
from sluice.pages.request import Viewer
from sluice.pages.stream import back, outcome_badge
from sluice.pages.tables import ABSENT, Column, table
from sluice.pages.words import count, lasting, millis, moment, percent

SLICES_SHOWN = 100
SLICE_COLUMNS = (
    Column("slice"),
    Column("step"),
    Column("where its time went", label="time went"),
    *(Column(name, number=True) for name in ("time", "read", "written", "requests", "committed")),
)
ENDPOINT_COLUMNS = (
    Column("endpoint"),
    Column("share of the time", label="share"),
    *(Column(name, number=True) for name in ("requests", "retries", "errors", "per request")),
)
PHASES = ("reading", "waiting for a turn", "merging", "deriving")


def draw_run(details: RunDetails, now: datetime, viewer: Viewer) -> Html:
    """The run as it stands."""
    run = details.run
    return framed(
        viewer,
        back(viewer),
        _head(details, viewer),
        _facts(run, now, viewer),
        _remarks(run),
        run_actions(details.key, run, viewer),
        el("h3", None, "Slices, and where their time went"),
        _slices(details, viewer),
        el("h3", None, "Asked of the vendor"),
        _endpoints(details.endpoints),
        hidden_inputs({"view": "run", "run": run.run_id}),
    )


def _head(details: RunDetails, viewer: Viewer) -> Html:
    key = str(details.key)
    way = opens(
        viewer, {"view": "stream", "key": key, "run": ""}, key, label=f"Show the stream {key}"
    )
    title = el(
        "div",
        None,
        el("h2", None, f"Run {details.run.run_id[:8]}"),
        el("p", {"class": "break"}, way),
    )
    return el(
        "div",
        {"class": "head", "style": "margin-top:8px"},
        title,
        outcome_badge(details.run.outcome),
    )


def _facts(run: RunView, now: datetime, viewer: Viewer) -> Html:
    pairs: list[tuple[str, Child]] = [
        ("Began", moment(run.started_at, viewer.offset)),
        ("Took", lasting((run.ended_at or now) - run.started_at)),
        ("Why", run.reason),
        ("Slices", f"{run.slices:,}"),
        ("Rows read", f"{run.rows_read:,}"),
        ("Inserted", f"{run.inserted:,}"),
        ("Updated", f"{run.updated:,}"),
        ("Unchanged", f"{run.unchanged:,}"),
        ("Stale", f"{run.stale:,}"),
        ("Rejected", f"{run.rejected:,}"),
        ("Removed", f"{run.deleted:,}"),
        ("Requests", f"{run.requests:,}"),
    ]
    return facts(pairs)


def _remarks(run: RunView) -> Html:
    said = run.inserted + run.updated + run.unchanged + run.stale + run.rejected
    notes: list[Html] = []
    if said != run.rows_read:
        notes.append(
            note(
                "bad",
                "Its sums do not add up",
                f"{run.rows_read:,} rows read, {said:,} accounted for",
            )
        )
    if run.error:
        notes.append(
            note("bad" if run.outcome != "completed" else "idle", "Its last error", run.error)
        )
    if run.note:
        notes.append(note("idle", "It noted", run.note))
    return el("div", {"class": "finds", "style": "margin-top:12px"}, notes) if notes else Html("")


def _slices(details: RunDetails, viewer: Viewer) -> Html:
    slices = details.slices
    if not slices:
        return el(
            "p", {"class": "none", "style": "margin-top:0"}, "No slice of it is committed yet."
        )
    longest = max(sum(each.phases) for each in slices) or 1
    legend = [
        el("li", None, el("i", {"class": f"k{n}"}), phase) for n, phase in enumerate(PHASES, 1)
    ]
    left = details.run.slices - len(slices)
    of = f"the newest {len(slices):,} of {details.run.slices:,}"
    told = of if left > 0 else count(len(slices), "slice")
    rows = [_slice(each, longest, viewer) for each in slices]
    drawn = table("Slices", told, SLICE_COLUMNS, rows, region="Slices of this run")
    return Html(el("ul", {"class": "key"}, legend) + drawn)


def _slice(each: SliceView, longest: int, viewer: Viewer) -> Sequence[Child]:
    noted = el("p", {"class": "small break"}, each.note) if each.note else None
    return (
        f"{each.seq:,}",
        el("div", None, each.kind, noted),
        phase_bar(each.phases, longest),
        millis(sum(each.phases)),
        f"{each.rows_read:,}",
        f"{each.inserted + each.updated + each.deleted:,}",
        f"{each.requests:,}",
        f"{each.committed_at + viewer.offset:%H:%M:%S}",
    )


def phase_bar(phases: Sequence[int], longest: int) -> Html:
    """Phases one after the other, as long as they took beside the longest slice; said in words as well."""
    told = ", ".join(f"{name} {millis(ms)}" for name, ms in zip(PHASES, phases, strict=True) if ms)
    parts = [
        el("i", {"class": f"k{n}", "style": f"width:{ms / longest * 100:.2f}%"})
        for n, ms in enumerate(phases, 1)
        if ms
    ]
    said = told or "no time"
    named = {"class": "phases", "role": "img", "aria-label": said, "title": said}
    return el("div", named, parts)


def _endpoints(endpoints: Sequence[EndpointView]) -> Html:
    if not endpoints:
        return el("p", {"class": "none", "style": "margin-top:0"}, "The vendor was not asked.")
    total = sum(each.ms for each in endpoints) or 1
    rows = [_endpoint(each, each.ms / total) for each in endpoints]
    title, told = "Requests by endpoint", millis(total)
    return table(title, told, ENDPOINT_COLUMNS, rows, region=title)


def _endpoint(each: EndpointView, share: float) -> Sequence[Child]:
    told = f"{percent(share)}, {millis(each.ms)}"
    drawn = (
        bar(share, "busy", f"{percent(share)} of the time"),
        el("small", {"class": "num"}, told),
    )
    return (
        each.endpoint,
        el("div", {"class": "cell"}, *drawn),
        f"{each.requests:,}",
        f"{each.retries:,}",
        f"{each.errors:,}",
        millis(round(each.ms / each.requests)) if each.requests else ABSENT,
    )
