"""The deployed dashboards, drawn from what the embedded CloudWatch recorded; alarms; runbooks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from aiohttp import web

from local.bridge.datums import ALIVE
from local.console.alarms import Alarm, alarms_of, badge, headline, listing, section
from local.console.charts import Span, chart
from local.console.documents import document, has_runbook, path_of, runbooks
from local.console.framed import endpoint_of, frame, is_drawn
from local.console.measured import Measured, Range, Reader
from local.console.pages import Way, fragment, page
from local.console.texts import html_of
from local.console.widgets import GRID, Dashboard, DashboardRefused, Widget, read_dashboard
from local.deploy import STACK
from sluice.core.budget import Clock

STATIC = Path(__file__).parent / "static"
RANGES = {"15m": 15, "1h": 60, "3h": 180, "12h": 720, "1d": 1440, "1w": 10080}
"""In minutes, as they are offered."""
PERIODS = {"10s": 10, "1m": 60, "5m": 300}
HOUR = timedelta(hours=1)
MISSED_AFTER = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard, as it is looked at."""

    name: str
    dashboard: Dashboard
    chosen: str
    period: str
    span: Span

    @property
    def range(self) -> Range:
        return Range(self.span.start, self.span.end, PERIODS.get(self.period))

    @property
    def framed(self) -> Widget | None:
        """The custom widget that is drawn: the first of this deployment's."""
        return next(filter(is_drawn, self.dashboard.widgets), None)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Console:
    """What the handlers share."""

    cloudwatch: Any
    clock: Clock = _now

    async def dashboard(self, request: web.Request) -> web.Response:
        """``/dashboard`` is the first one, ``/dashboard/NAME`` any; ``range`` and ``period`` choose what is drawn."""
        names = await asyncio.to_thread(self._names)
        name = request.match_info.get("name") or next(iter(names), None)
        ways = _ways(names)
        if name not in names:
            told = f"no dashboard {name!r}" if name else "no dashboard"
            text = f'<h1>Dashboard</h1><p class="empty">{escape(told)} is deployed</p>'
            return page("Dashboard", text, ways, "", live=False)
        query = request.query
        content = await asyncio.to_thread(
            self._content, name, query.get("range", ""), query.get("period", "")
        )
        if request.headers.get("X-Fragment"):
            return fragment(content)
        return page(name, content, ways, f"/dashboard/{quote(name)}", live=True)

    async def runbooks(self, _: web.Request) -> web.Response:
        return page("Runbooks", runbooks(), await self._all_ways(), "/runbooks")

    async def document(self, request: web.Request) -> web.Response:
        """A runbook by its alarm's name, or another document by its path."""
        name = request.match_info["name"]
        inside = f"runbooks/{name}" if request.path.startswith("/runbooks/") else name
        path = path_of(inside)
        if path is None:
            raise web.HTTPNotFound(text=f"there is no document {inside}")
        title, text = document(path)
        return page(title, text, await self._all_ways(), "/runbooks")

    async def _all_ways(self) -> Sequence[Way]:
        return _ways(await asyncio.to_thread(self._names))

    def _names(self) -> list[str]:
        pages = self.cloudwatch.get_paginator("list_dashboards").paginate()
        return sorted(each["DashboardName"] for page in pages for each in page["DashboardEntries"])

    def _content(self, name: str, chosen: str, period: str) -> str:
        body = self.cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
        try:
            dashboard = read_dashboard(body)
        except DashboardRefused as refused:
            return f'<h1>{escape(name)}</h1><p class="refused">{escape(str(refused))}</p>'
        now = self.clock()
        board = _board(name, dashboard, chosen, period, int(now.timestamp()))
        alarms, silent = self._alarms(), self._bridge_silent()
        measured = Reader(self.cloudwatch, board.range).read(dashboard.widgets)
        return silent + draw(board, measured, alarms, now)

    def _bridge_silent(self) -> str:
        """A warning where nothing is measured any more: old figures look like good ones."""
        now = self.clock()
        namespace, name = ALIVE
        answer = self.cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            StartTime=now - MISSED_AFTER,
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )
        if answer["Datapoints"]:
            return ""
        return (
            '<p class="refused" role="alert">The metrics bridge was not heard of for'
            f" {int(MISSED_AFTER.total_seconds())} seconds: what is below is old, and alarms stand still."
            " Its log is .sluice/logs/bridge.log</p>"
        )

    def _alarms(self) -> list[Alarm]:
        described: dict[str, list[Any]] = {"CompositeAlarms": [], "MetricAlarms": []}
        pages = self.cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmTypes=["CompositeAlarm", "MetricAlarm"]
        )
        for each in pages:
            for kind, found in described.items():
                found += each.get(kind, [])
        return alarms_of(described, STACK, has_runbook)


def dashboard_routes(names: Mapping[str, str]) -> list[web.AbstractRouteDef]:
    """``names``: the stack's endpoints, as they stand in ``.sluice/env``."""
    console = Console(
        boto3.client(
            "cloudwatch",
            endpoint_url=names["AWS_ENDPOINT_URL"],
            region_name=names["AWS_REGION"],
            aws_access_key_id=names["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=names["AWS_SECRET_ACCESS_KEY"],
        )
    )
    return routes_of(console)


def routes_of(console: Console) -> list[web.AbstractRouteDef]:
    return [
        web.get("/dashboard", console.dashboard),
        web.get("/dashboard/{name}", console.dashboard),
        web.get("/runbooks", console.runbooks),
        web.get("/runbooks/{name}", console.document),
        web.get("/docs/{name:.+}.md", console.document),
        web.static("/static", STATIC),
    ]


def draw(board: Board, measured: Sequence[Measured], alarms: Sequence[Alarm], now: datetime) -> str:
    """The page's content: the choice of time, the widgets where the dashboard has them, and all alarms."""
    widgets = "".join(
        _widget(at, widget, each, board, alarms, now)
        for at, (widget, each) in enumerate(zip(board.dashboard.widgets, measured, strict=True))
    )
    return (
        f"<h1>{escape(board.name)}</h1>{headline(alarms)}{_choice(board)}"
        f'<div class="grid">{widgets}</div>{section(alarms, now)}'
    )


def _widget(
    at: int,
    widget: Widget,
    measured: Measured,
    board: Board,
    alarms: Sequence[Alarm],
    now: datetime,
) -> str:
    ident = f"w{at}"
    # A row of the dashboard's grid is as high as here; what needs more takes it.
    place = (
        f"grid-column:{min(widget.x, GRID - 1) + 1}/span {min(widget.width, GRID)};"
        f"grid-row:{widget.y + 1}/span {widget.height}"
    )
    inner = _inner(widget, measured, board, ident, alarms, now)
    if widget.kind == "text":
        return f'<section class="widget text" style="{place}">{inner}</section>'
    title = escape(widget.title or widget.kind)
    return (
        f'<section class="widget {escape(widget.kind)}" style="{place}" aria-labelledby="{ident}">'
        f'<h2 id="{ident}">{title}</h2>{inner}</section>'
    )


def _inner(
    widget: Widget,
    measured: Measured,
    board: Board,
    ident: str,
    alarms: Sequence[Alarm],
    now: datetime,
) -> str:
    given = widget.properties
    if widget.kind == "metric":
        named = set(given.get("annotations", {}).get("alarms", ()))
        return chart(widget, measured, board.span, ident) + _badges(named, alarms)
    if widget.kind == "text":
        return html_of(str(given.get("markdown", "")), deeper=1)
    if widget.kind == "alarm":
        named = {str(arn) for arn in given.get("alarms", ())}
        shown = [alarm for alarm in alarms if _is_named(alarm, named)]
        return listing(shown, now, widget.title or "Alarms")
    if widget.kind == "custom":
        if widget is board.framed:
            return frame(endpoint_of(widget))
        return "<p>Drawn by a function that is not asked here.</p>"
    if widget.kind == "log":
        return f'<p>Not run here; on AWS it asks:</p><pre tabindex="0">{escape(str(given.get("query", "")))}</pre>'
    return f'<p class="refused">Widgets of kind {escape(widget.kind)} are not drawn here</p>'


def _badges(arns: set[str], alarms: Sequence[Alarm]) -> str:
    shown = [alarm for alarm in alarms if _is_named(alarm, arns)]
    return "".join(f'<p class="counts">{badge(a.state)} {escape(a.title)}</p>' for a in shown)


def _is_named(alarm: Alarm, arns: set[str]) -> bool:
    return any(arn.rsplit(":alarm:", 1)[-1] == alarm.name for arn in arns)


def _board(name: str, dashboard: Dashboard, chosen: str, period: str, now: int) -> Board:
    minutes = RANGES.get(chosen)
    length = timedelta(minutes=minutes) if minutes else dashboard.span or HOUR
    seconds = int(length.total_seconds())
    shown = next((each for each, count in RANGES.items() if count * 60 == seconds), "")
    return Board(name, dashboard, shown, period, Span(now - seconds, now))


def _choice(board: Board) -> str:
    """Links, so that they work without a script, and can be kept."""
    ranges = "".join(
        _chosen(f"?range={name}&period={board.period}", name, name == board.chosen)
        for name in RANGES
    )
    periods = "".join(
        _chosen(f"?range={board.chosen}&period={name}", text, name == board.period)
        for name, text in {"": "as it says", **{name: name for name in PERIODS}}.items()
    )
    return (
        f'<nav class="choice" aria-label="What is drawn"><div><span>Range</span>{ranges}</div>'
        f"<div><span>Period</span>{periods}</div></nav>"
    )


def _chosen(href: str, text: str, now: bool) -> str:  # noqa: FBT001  # which of its kind is chosen
    current = ' aria-current="true"' if now else ""
    return f'<a href="{escape(href)}"{current}>{escape(text)}</a>'


def _ways(names: Sequence[str]) -> list[Way]:
    boards = [Way(f"/dashboard/{quote(name)}", name) for name in names]
    if len(boards) < 2:
        boards = [Way(boards[0].href if boards else "/dashboard", "Dashboard")]
    return [Way("/", "Status"), *boards, Way("/runbooks", "Runbooks")]
