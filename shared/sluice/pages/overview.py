"""The first page: how all stands in a sentence, what is wrong, and a table of clients and streams for each source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sluice.core.overview.picture import Finding, Overview, State, StreamView
from sluice.pages.cells import cell, column_of
from sluice.pages.markup import Child, Html, el
from sluice.pages.parts import TONES, Press, button, framed, hidden_inputs, icon, note, state_icon
from sluice.pages.request import PageRequest, Viewer
from sluice.pages.selection import WORST_FIRST, Selection, counted, select
from sluice.pages.tables import Column, table
from sluice.pages.tiles import tiles
from sluice.pages.words import ago, count, moment

MOST_FINDINGS = 40


def draw_overview(overview: Overview, request: PageRequest) -> Html:
    """The whole picture. ``request`` says which clients of it."""
    chosen, viewer = select(overview, request), request.viewer
    return framed(
        viewer,
        _head(overview, viewer),
        _chips(overview, request),
        _unknown(overview.unknown),
        _findings(overview.findings, overview.at),
        tiles(overview),
        el("h3", None, "Clients"),
        _filter(request),
        _tables(chosen, overview.at, viewer) if chosen.shown else _nothing(overview, request),
        _pager(chosen, request),
        hidden_inputs({"view": "overview"}),
    )


def sentence(overview: Overview) -> str:
    """How all stands, as one would say it."""
    states, total = counted(overview), len(overview.streams)
    bad = [
        f"{states[state]:,} {state.value}"
        for state in (State.UNKNOWN, State.STALLED, State.FAILED, State.LATE)
        if states[state]
    ]
    if not total:
        return "No stream is configured yet"
    if bad:
        return f"{', '.join(bad)} of {count(total, 'stream')}"
    if overview.findings:
        return f"{count(len(overview.findings), 'thing')} to look at"
    return "What could be asked is well" if overview.unknown else "All is well"


def _head(overview: Overview, viewer: Viewer) -> Html:
    clients = len({stream.key.client_id for stream in overview.streams})
    when = moment(overview.at, viewer.offset)
    told = f"{count(len(overview.streams), 'stream')} of {count(clients, 'client')}, at {when}"
    again = button(Press(viewer.endpoint, {"view": "overview"}), "Refresh", look="btn")
    left = el("div", None, el("h2", None, sentence(overview)), el("p", {"class": "soft num"}, told))
    return el("div", {"class": "head"}, left, again)


def _chips(overview: Overview, request: PageRequest) -> Html:
    """Each state with its number, and the way to see only those."""
    states, viewer = counted(overview), request.viewer
    shown: list[Html] = []
    for state in WORST_FIRST:
        if not states[state] and request.state is not state:
            continue
        on = request.state is state
        inside = (state_icon(state), f"{states[state]:,} {state.value}")
        press = Press(
            viewer.endpoint, {"view": "overview", "page": 1, "state": "" if on else state.value}
        )
        drawn = button(press, *inside, look=f"chip {TONES[state]}", pressed=on)
        shown.append(drawn or el("span", {"class": f"chip {TONES[state]}"}, *inside))
    group = {"class": "chips", "role": "group", "aria-label": "Streams by state"}
    return el("div", group, shown) if shown else Html("")


def _unknown(reasons: Sequence[str]) -> Html:
    if not reasons:
        return Html("")
    return Html(
        el("h3", None, "Could not be asked")
        + el("div", {"class": "finds"}, note("warn", "This picture is not whole", *reasons))
    )


def _findings(findings: Sequence[Finding], now: datetime) -> Html:
    """What is wrong, by its runbook's name; many of one kind are told together."""
    if not findings:
        return Html("")
    by_check: dict[str, list[Finding]] = {}
    for finding in findings[:MOST_FINDINGS]:
        by_check.setdefault(finding.check, []).append(finding)
    shown = [el("li", None, _finding(check, found, now)) for check, found in by_check.items()]
    left = len(findings) - MOST_FINDINGS
    more = (
        el("p", {"class": "small"}, f"and {left:,} more: sluice status shows all")
        if left > 0
        else None
    )
    title = f"To look at ({len(findings):,})"
    return Html(el("h3", None, title) + el("ul", {"class": "finds"}, shown) + (more or ""))


def _finding(check: str, found: Sequence[Finding], now: datetime) -> Html:
    lines: list[Child] = []
    for each in found:
        since = f", since {ago(each.since, now)}" if each.since else ""
        lines.append(f"{each.subject}: {each.detail}{since}")
    runbook = el("span", {"class": "small"}, f" docs/runbooks/{check}.md")
    said = [el("p", {"class": "break"}, line) for line in lines[:3]]
    rest = [el("p", {"class": "break"}, line) for line in lines[3:]]
    folded = el("details", None, el("summary", None, f"{len(rest):,} more"), rest) if rest else None
    inside = el("div", None, el("b", None, check), runbook, said, folded)
    return el("div", {"class": "find bad"}, icon("warn"), inside)


def _filter(request: PageRequest) -> Html:
    """What CloudWatch calls a form: its fields come with every call of the widget."""
    options = [el("option", {"value": ""}, "any state")]
    options += [
        el("option", {"value": state.value, "selected": request.state is state}, state.value)
        for state in WORST_FIRST
    ]
    name = {
        "type": "search",
        "name": "client",
        "value": request.client,
        "placeholder": "part of its id",
    }
    viewer = request.viewer
    fields = (
        el("div", {"class": "field wide"}, el("label", None, "Client", el("input", name))),
        el(
            "div",
            {"class": "field"},
            el("label", None, "State", el("select", {"name": "state"}, options)),
        ),
        button(Press(viewer.endpoint, {"view": "overview", "page": 1}), "Show", look="btn main"),
    )
    return el("form", {"class": "row"}, *fields) if viewer.endpoint else Html("")


def _tables(chosen: Selection, now: datetime, viewer: Viewer) -> Html:
    """A table for each source: clients down, its streams across."""
    sources = sorted({s.key.source for streams in chosen.shown.values() for s in streams})
    drawn = [_table(source, chosen.shown, now, viewer) for source in sources]
    left = (
        f"{count(chosen.left_out, 'stream')} had no room here; narrow the filter"
        if chosen.left_out
        else None
    )
    return Html(
        el("div", {"class": "tables"}, drawn) + (el("p", {"class": "small"}, left) if left else "")
    )


def _table(
    source: str, shown: Mapping[str, Sequence[StreamView]], now: datetime, viewer: Viewer
) -> Html:
    rows: dict[str, dict[str, StreamView]] = {}
    for client, streams in shown.items():
        mine = {column_of(s): s for s in streams if s.key.source == source}
        if mine:
            rows[client] = mine
    names = sorted({name for row in rows.values() for name in row})
    columns = [Column(name) for name in ("client", *names)]
    body = [
        (client, *(cell(row[name], now, viewer) if name in row else None for name in names))
        for client, row in rows.items()
    ]
    told = count(len(rows), "client")
    return table(source, told, columns, body, region=f"Streams of {source}")


def _nothing(overview: Overview, request: PageRequest) -> Html:
    if not overview.streams:
        return el(
            "p",
            {"class": "none"},
            "Nothing is synced yet. Name clients in clients.yaml, then: sluice clients apply",
        )
    state = f" that is {request.state.value}" if request.state else ""
    whose = f" of a client named like {request.client!r}" if request.client else ""
    everything = {"view": "overview", "page": 1, "client": "", "state": ""}
    again = button(Press(request.viewer.endpoint, everything), "Show all", look="btn")
    return el("div", {"class": "none"}, el("p", None, f"There is no stream{whose}{state}."), again)


def _pager(chosen: Selection, request: PageRequest) -> Html:
    if chosen.pages == 1:
        return Html("")
    told = f"page {chosen.page:,} of {chosen.pages:,}, {count(chosen.clients, 'client')}, trouble first"
    ways: list[Html] = []
    for word, page in (("Previous", chosen.page - 1), ("Next", chosen.page + 1)):
        if 1 <= page <= chosen.pages:
            press = Press(request.viewer.endpoint, {"view": "overview", "page": page})
            ways.append(button(press, word, look="btn"))
    return el(
        "nav",
        {"class": "pager", "aria-label": "Pages of clients"},
        ways,
        el("span", {"class": "soft num"}, told),
    )
