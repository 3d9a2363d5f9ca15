"""Runs as people read them: a table in a terminal, plain lines where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from ops.run_figures import RunFigures

_LIVE = (
    "client",
    "stream",
    "state",
    "progress",
    "pages/s",
    "rows/s",
    "latency avg/p95",
    "retries",
    "errors",
    "ETA",
)
_CLOSING = (
    "client",
    "stream",
    "outcome",
    "slices",
    "pages",
    "read",
    "inserted",
    "updated",
    "unchanged",
    "stale",
    "rejected",
    "deleted",
    "requests",
    "retries",
    "time",
)


def live_table(runs: Sequence[RunFigures], now: datetime, title: str) -> Table:
    """How running runs fare."""
    table = _table(title, _LIVE, left=3)
    for run in runs:
        table.add_row(*_live_cells(run, now))
    return table


def closing_table(runs: Sequence[RunFigures], now: datetime, title: str) -> Table:
    """What runs did, all counts of the sum that must add up."""
    table = _table(title, _CLOSING, left=3)
    for run in runs:
        table.add_row(*_closing_cells(run, now))
    return table


def plain_line(run: RunFigures, now: datetime) -> str:
    """One run in one line, for logs and pipes."""
    client, stream, state, progress, pages, rows, latency, retries, errors, eta = _live_cells(
        run, now
    )
    return (
        f"{client} {stream} {state} {progress} pages/s={pages} rows/s={rows} latency={latency} "
        f"retries={retries} errors={errors} eta={eta}"
    )


def seconds_text(seconds: float | None) -> str:
    """``1m05s``; a dash where nothing is known."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def _table(title: str, columns: Sequence[str], left: int) -> Table:
    table = Table(title=title, title_justify="left", expand=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < left else "right", no_wrap=True)
    return table


def _live_cells(run: RunFigures, now: datetime) -> tuple[str, ...]:
    seconds = run.seconds(now)
    return (
        run.client_id,
        f"{run.source}.{run.stream}",
        run.outcome,
        _progress(run),
        f"{run.pages / seconds:,.1f}",
        f"{run.rows_read / seconds:,.0f}",
        _latency(run),
        str(run.retries),
        str(run.errors),
        seconds_text(run.eta_seconds(now)),
    )


def _closing_cells(run: RunFigures, now: datetime) -> tuple[str, ...]:
    counts = (
        run.slices,
        run.pages,
        run.rows_read,
        run.inserted,
        run.updated,
        run.unchanged,
        run.stale,
        run.rejected,
        run.deleted,
        run.requests,
        run.retries,
    )
    return (
        run.client_id,
        f"{run.source}.{run.stream}",
        run.outcome,
        *(f"{count:,}" for count in counts),
        f"{run.seconds(now):.1f}s",
    )


def _progress(run: RunFigures) -> str:
    if run.progress_total:
        done = min(run.progress_done or 0, run.progress_total)
        return f"{done:,}/{run.progress_total:,} ({100 * done // run.progress_total} %)"
    return f"{run.rows_read:,} rows"


def _latency(run: RunFigures) -> str:
    if run.latency_avg_ms is None:
        return "-"
    return f"{run.latency_avg_ms:.0f}/{run.latency_p95_ms or 0:.0f} ms"
