"""The one picture as a terminal shows it: streams, what is wrong, queues and accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from ops.sheets import Sheet, column
from ops.terminal import printable
from sluice.core.overview.picture import CLOSED, Finding, Overview, RunView, State, StreamView
from sluice.core.overview.wording import duration

NOTHING = "-"
BAR = 10
"""Signs of a progress bar."""

TROUBLED = (State.STALLED, State.LATE, State.FAILED, State.UNKNOWN)
"""What stands first in a list."""

DECIMALS = 3


def streams_sheet(overview: Overview) -> Sheet:
    """Clients x streams: what a person must see first stands first."""
    views = sorted(overview.streams, key=lambda view: (view.state not in TROUBLED, str(view.key)))
    at = overview.at
    columns = [
        column("client", [view.key.client_id for view in views], 0, left=True),
        column("stream", [_stream(view) for view in views], 0, left=True),
        column("state", [str(view.state) for view in views], 1, left=True),
        column("data is", [_age(view, at) for view in views], 1),
        column("target", [duration(view.limits.fresh_within) for view in views], 1),
        column("running", [_progress(view.running, at) for view in views], 2, left=True),
        column("last run", [_last(view.last, at) for view in views], 3, left=True),
        column("rejects", [f"{view.open_rejects:,}" for view in views], 3),
    ]
    return Sheet(f"streams, {at:%Y-%m-%d %H:%M:%S} UTC", columns)


def status_lines(overview: Overview) -> Iterator[str]:
    """What stands below the streams: states, queues, accounts, what is unknown, and what is wrong."""
    states = Counter(view.state for view in overview.streams)
    counted = ", ".join(f"{states[state]:,} {state}" for state in State if states[state])
    many = len(overview.streams)
    yield f"{many:,} stream{'' if many == 1 else 's'}: {counted or 'none'}"
    waiting = (f"{queue.name} {queue.waiting + queue.delayed:,}" for queue in overview.queues)
    yield f"messages that wait: {', '.join(waiting) or 'unknown'}"
    if overview.connections is not None:
        pool = f" of a pool of {overview.pool_size}" if overview.pool_size else ""
        yield f"connections in use: {overview.connections}{pool}"
    for account in overview.accounts:
        if account.stopped_because is not None or account.breaker != CLOSED:
            why = account.stopped_because or f"{account.failures:,} failures in a row"
            state = "stopped" if account.stopped_because else f"breaker {account.breaker}"
            yield printable(f"account {account.name}: {state}: {why}")
    for part in overview.unknown:
        yield printable(f"could not be asked: {part}")
    yield from finding_lines(overview.findings)


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Each finding, by check; the check's runbook once."""
    if not findings:
        yield "nothing is wrong"
        return
    for check in sorted({finding.check for finding in findings}):
        yield f"{check}: docs/runbooks/{check}.md"
        for finding in findings:
            if finding.check == check:
                yield printable(f"  {finding.subject}: {finding.detail}")


def plain_lines(overview: Overview) -> Iterator[str]:
    """One line per stream, for logs and pipes; then the rest."""
    for view in overview.streams:
        parts = [
            f"{view.key} {view.state}",
            f"data={_age(view, overview.at)}",
            f"target={duration(view.limits.fresh_within)}",
            f"running={_progress(view.running, overview.at)}",
            f"last={_last(view.last, overview.at)}",
            f"rejects={view.open_rejects}",
        ]
        if view.paused_because is not None:
            parts.append(f"paused because {view.paused_because}")
        yield printable("  ".join(parts))
    yield from status_lines(overview)


def status_json(overview: Overview) -> dict[str, Any]:
    """The whole picture. Durations in seconds, by names that end in ``_s``."""
    return {
        "at": overview.at,
        "streams": [_stream_json(view, overview.at) for view in overview.streams],
        "queues": [asdict(queue) for queue in overview.queues],
        "accounts": [asdict(account) for account in overview.accounts],
        "connections": overview.connections,
        "pool_size": overview.pool_size,
        "stale_leases": overview.stale_leases,
        "findings": [asdict(finding) for finding in overview.findings],
        "unknown": list(overview.unknown),
    }


def _stream_json(view: StreamView, at: datetime) -> dict[str, Any]:
    limits = view.limits
    return {
        "stream_key": str(view.key),
        "state": str(view.state),
        "paused_because": view.paused_because,
        "fresh_at": view.fresh_at,
        "fresh_for_s": _seconds(at - view.fresh_at if view.fresh_at else None),
        "advanced_at": view.advanced_at,
        "due_at": view.due_at,
        "cadence_s": _seconds(view.cadence),
        "watch": {
            "fresh_within_s": _seconds(limits.fresh_within),
            "advance_within_s": _seconds(limits.advance_within),
            "sync_within_s": _seconds(limits.sync_within),
            "most_rows": limits.most_rows,
        },
        "running": _run_json(view.running, at),
        "last": _run_json(view.last, at),
        "open_rejects": view.open_rejects,
    }


def _run_json(run: RunView | None, at: datetime) -> dict[str, Any] | None:
    if run is None:
        return None
    return {**asdict(run), "share": run.share, "left_s": _seconds(run.left(at))}


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), DECIMALS)


def _stream(view: StreamView) -> str:
    part = f"[{view.key.partition}]" if view.key.partition else ""
    return f"{view.key.source}.{view.key.stream}{part}"


def _age(view: StreamView, at: datetime) -> str:
    return NOTHING if view.fresh_at is None else f"{duration(at - view.fresh_at)} old"


def _progress(run: RunView | None, at: datetime) -> str:
    """A bar where the vendor says how much there is, and what is left at the pace so far."""
    if run is None:
        return NOTHING
    if run.share is None:
        return f"{run.rows_read:,} rows in {duration(at - run.started_at)}"
    full = int(run.share * BAR)
    bar = "#" * full + "." * (BAR - full)
    left = run.left(at)
    eta = f", {duration(left)} left" if left is not None else ""
    return f"{bar} {run.share:.0%}{eta}"


def _last(run: RunView | None, at: datetime) -> str:
    if run is None or run.ended_at is None:
        return NOTHING
    said = f"{run.outcome} {duration(at - run.ended_at)} ago, {run.rows_read:,} rows"
    return f"{said}: {run.error}" if run.error else said
