"""One stream of one client in the table of all: state, age against its target, progress, and what is amiss."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sluice.core.overview.picture import RunView, State, StreamView
from sluice.pages.markup import Html, el
from sluice.pages.parts import TONES, bar, opens, state_badge
from sluice.pages.request import Viewer
from sluice.pages.words import count, lasting, percent

MOST_ERROR = 90


def cell(stream: StreamView, now: datetime, viewer: Viewer) -> Html:
    """What stands where a client's row meets a stream's column. The state is the way to more."""
    label = f"{stream.key.client_id}, {stream.key.source} {column_of(stream)}: {stream.state.value}. Show it"
    way = opens(
        viewer,
        {"view": "stream", "key": str(stream.key), "run": ""},
        state_badge(stream.state),
        label=label,
    )
    return el("div", {"class": "cell"}, way, list(_lines(stream, now)))


def column_of(stream: StreamView) -> str:
    """The stream's name, with its partition where it has one."""
    key = stream.key
    return f"{key.stream}#{key.partition}" if key.partition else key.stream


def age_words(stream: StreamView, now: datetime) -> str:
    """``12m old, 40m allowed``."""
    allowed = f"{lasting(stream.limits.fresh_within)} allowed"
    return (
        f"{lasting(now - stream.fresh_at)} old, {allowed}"
        if stream.fresh_at
        else f"no data yet, {allowed}"
    )


def progress(run: RunView, now: datetime) -> Html:
    """A running run: its bar where the vendor tells how much there is, and when it will be done."""
    if run.share is None:
        told = f"{count(run.rows_read, 'row')} in {lasting(now - run.started_at)}"
        return el("small", {"class": "num"}, told)
    left = run.left(now)
    told = f"{percent(run.share)}, {f'{lasting(left)} left' if left is not None else 'just begun'}"
    drawn = bar(run.share, "busy", f"{percent(run.share)} read")
    return Html(drawn + el("small", {"class": "num"}, told))


def _lines(stream: StreamView, now: datetime) -> Iterator[Html]:
    if stream.running is not None:
        yield progress(stream.running, now)
    if stream.state is not State.PAUSED or stream.fresh_at:
        yield from _age(stream, now)
    if stream.paused_because:
        yield _small(stream.paused_because)
    last = stream.last
    if last is not None and last.outcome != "completed":
        ended = f" {lasting(now - last.ended_at)} ago" if last.ended_at else ""
        yield _small(f"last run {last.outcome}{ended}", hot=True)
    if stream.open_rejects:
        yield _small(count(stream.open_rejects, "open reject"), hot=True)


def _age(stream: StreamView, now: datetime) -> Iterator[Html]:
    if stream.fresh_at is not None and stream.running is None:
        allowed = stream.limits.fresh_within.total_seconds()
        share = (now - stream.fresh_at).total_seconds() / allowed if allowed else 1.0
        tone = TONES[stream.state] if stream.state is not State.RUNNING else "good"
        yield bar(share, tone, f"{int(share * 100)}% of the age that is allowed")
    yield el("small", {"class": "num"}, age_words(stream, now))


def _small(line: str, *, hot: bool = False) -> Html:
    shown = line if len(line) <= MOST_ERROR else f"{line[: MOST_ERROR - 1]}\N{HORIZONTAL ELLIPSIS}"
    return el("small", {"class": "hot break" if hot else "break", "title": line}, shown)
