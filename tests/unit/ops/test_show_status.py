"""`sluice status` as people, pipes and programs read it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.console import Console

from ops.commands.status import _text
from ops.show_status import finding_lines, plain_lines, status_json, status_lines, streams_sheet
from sluice.core.keys import StreamKey
from sluice.core.overview.picture import (
    AccountView,
    Finding,
    Overview,
    QueueView,
    RunView,
    State,
    StreamView,
    WatchLimits,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUN = RunView(
    "3f2a-1", "schedule", "running", NOW - 10 * MINUTE, NOW - MINUTE, None, 4, 2_500, 0, 0, 0, 0, 0, 0, 9,
    done=2_500, total=10_000,
)  # fmt: skip


def view(key: str, state: State = State.FRESH, **more: object) -> StreamView:
    plain = StreamView(
        StreamKey.parse(key), state, timedelta(minutes=5), WatchLimits(25 * MINUTE),
        fresh_at=NOW - 7 * MINUTE, advanced_at=NOW, due_at=None,
    )  # fmt: skip
    return replace(plain, **more)  # type: ignore[arg-type]


OVERVIEW = Overview(
    at=NOW,
    streams=[
        view("acme#cars#cars", State.RUNNING, running=RUN),
        view("zenith#shipbob#orders", State.LATE, fresh_at=NOW - 90 * MINUTE, open_rejects=3),
    ],
    queues=[QueueView("slices", 4, 2, 1), QueueView("dead letters", 1, 0, 0, dead=True)],
    accounts=[
        AccountView("cars#sluice/acme", "closed", 0),
        AccountView("shipbob#sluice/zenith", "open", 11),
    ],
    connections=3,
    pool_size=20,
    findings=[
        Finding("streams-late", "zenith#shipbob#orders", "data is 1 h 30 min old"),
        Finding("breaker-opened", "shipbob#sluice/zenith", "the breaker is open"),
        Finding("streams-late", "yarrow#shipbob#orders", "data is 2 h old"),
    ],
    unknown=["queues: no answer"],
)


def drawn(overview: Overview, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    console.print(streams_sheet(overview))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_what_needs_a_person_stands_first() -> None:
    lines = drawn(OVERVIEW).splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["zenith", "acme"]
    assert "1 h 30 min old" in lines[3]
    assert "25 min" in lines[3]


def test_a_running_stream_has_a_bar_and_an_eta() -> None:
    """A quarter is done after ten minutes: thirty are left."""
    assert "##........ 25%, 30 min left" in drawn(OVERVIEW)
    unknown = replace(RUN, done=None, total=None)
    assert "2,500 rows in 10 min" in drawn(
        Overview(NOW, [view("acme#cars#cars", State.RUNNING, running=unknown)])
    )


def test_the_rest_is_told_in_lines() -> None:
    assert list(status_lines(OVERVIEW)) == [
        "2 streams: 1 running, 1 late",
        "messages that wait: slices 6, dead letters 1",
        "connections in use: 3 of a pool of 20",
        "account shipbob#sluice/zenith: breaker open: 11 failures in a row",
        "could not be asked: queues: no answer",
        "breaker-opened: docs/runbooks/breaker-opened.md",
        "  shipbob#sluice/zenith: the breaker is open",
        "streams-late: docs/runbooks/streams-late.md",
        "  zenith#shipbob#orders: data is 1 h 30 min old",
        "  yarrow#shipbob#orders: data is 2 h old",
    ]


def test_a_good_day_says_so() -> None:
    assert list(finding_lines(())) == ["nothing is wrong"]


def test_where_there_is_no_terminal_a_stream_is_a_line() -> None:
    """With control characters of whoever wrote an error made visible."""
    failed = replace(
        RUN, outcome="failed", ended_at=NOW - MINUTE, error="401\x1b[2J refused", done=None, total=None
    )  # fmt: skip
    paused = view("acme#cars#cars", State.PAUSED, last=failed, paused_because="ann paused acme")
    [line, *_] = plain_lines(Overview(NOW, [paused]))
    assert line == (
        "acme#cars#cars paused  data=7 min old  target=25 min  running=-"
        "  last=failed 1 min ago, 2,500 rows: 401\\x1b[2J refused  rejects=0"
        "  paused because ann paused acme"
    )


def test_json_has_everything_with_its_units() -> None:
    read = json.loads(json.dumps(status_json(OVERVIEW), default=_text))
    running, late = read["streams"]
    assert (running["running"]["share"], running["running"]["left_s"]) == (0.25, 1800)
    assert (late["fresh_for_s"], late["watch"]["fresh_within_s"]) == (5400, 1500)
    assert read["findings"][0]["check"] == "streams-late"
    assert (read["unknown"], read["queues"][1]["dead"]) == (["queues: no answer"], True)
    assert read["at"] == "2026-03-01T12:00:00+00:00"
