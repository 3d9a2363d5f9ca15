"""Runs as people read them: sheets in a terminal, plain lines where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from ops.runs.figures import RunFigures
from ops.sheets import Column, Sheet, column
from ops.terminal import printable

COUNTS = ("inserted", "updated", "unchanged", "stale", "rejected")
"""What becomes of rows read; their sum is the rows read."""

Cell = Callable[[RunFigures], str]


def live_sheet(runs: Sequence[RunFigures], now: datetime, title: str) -> Sheet:
    """How running runs fare."""
    columns = [
        *_names(runs),
        _column("state", runs, lambda r: r.outcome, 1, left=True),
        _column("progress", runs, progress_text, 1),
        _column("ETA", runs, lambda r: seconds_text(r.eta_seconds(now)), 1),
        *_pace(runs, now, 2),
        _column("retries", runs, lambda r: f"{r.retries:,}", 2),
        _column("errors", runs, lambda r: f"{r.errors:,}", 2),
    ]
    return Sheet(_titled(title, runs), columns)


def closing_sheet(
    runs: Sequence[RunFigures], now: datetime, title: str, *, dated: bool = False
) -> Sheet:
    """What runs did: all counts of the sum that must add up, then the work, then its pace.

    ``dated`` numbers the runs and says when each began, for lists of more than one occasion.
    """
    numbers = [column("#", [str(n + 1) for n in range(len(runs))], 0)] if dated else []
    began = [_column("began", runs, lambda r: f"{r.started_at:%m-%d %H:%M}", 2)] if dated else []
    columns = [
        *numbers,
        *_names(runs),
        *_rows_columns(runs, 1),
        *began,
        _column("outcome", runs, lambda r: r.outcome, 2, left=True),
        _column("time", runs, lambda r: seconds_text(r.seconds(now)), 2),
        _column("requests", runs, lambda r: f"{r.requests:,}", 2),
        _column("retries", runs, lambda r: f"{r.retries:,}", 2),
        _column("errors", runs, lambda r: f"{r.errors:,}", 2),
        _column("slices", runs, lambda r: f"{r.slices:,}", 3),
        _column("pages", runs, lambda r: f"{r.pages:,}", 3),
        *_pace(runs, now, 3),
    ]
    return Sheet(_titled(title, runs), columns)


def sum_line(runs: Sequence[RunFigures]) -> str:
    """The sum over all runs, spelled out, so that anybody can check it."""
    read = sum(r.rows_read for r in runs)
    found = sum(r.accounted_for for r in runs)
    sign = "=" if all(r.rows_read == r.accounted_for for r in runs) else "IS NOT"
    parts = " + ".join(f"{sum(getattr(r, name) for r in runs):,} {name}" for name in COUNTS)
    missing = "" if sign == "=" else f" ({found:,})"
    return f"{read:,} read {sign} {parts}{missing}; {sum(r.deleted for r in runs):,} deleted"


def remarks(runs: Sequence[RunFigures]) -> Iterator[str]:
    """What a run has to say beyond figures: why it did not complete, that the brake tripped."""
    for run in runs:
        if run.last_error and run.outcome != "completed":
            yield printable(f"{_name(run)} {run.outcome}: {run.last_error}")
        if run.note:
            yield printable(f"{_name(run)}: {run.note}")


def plain_line(run: RunFigures, now: datetime) -> str:
    """One run in one line, for logs and pipes."""
    if run.ended_at:
        return printable(f"{_name(run)} {run.outcome} in {_spent(run, now)}: {sum_line([run])}")
    return printable(
        f"{_name(run)} {run.outcome} {progress_text(run)} pages/s={run.pages_per_second(now):,.1f} "
        f"rows/s={run.rows_per_second(now):,.0f} latency={_ms(run.latency_avg_ms)}/"
        f"{_ms(run.latency_p95_ms)} retries={run.retries:,} errors={run.errors:,} "
        f"eta={seconds_text(run.eta_seconds(now))}"
    )


def seconds_text(seconds: float | None) -> str:
    """``4.2s``, ``1m05s`` or ``2h07m``; a dash where nothing is known."""
    if seconds is None:
        return "-"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def progress_text(run: RunFigures) -> str:
    """Rows done of the vendor's total, or rows read where it tells none."""
    if run.progress_total:
        done = min(run.progress_done or 0, run.progress_total)
        return f"{done:,}/{run.progress_total:,} ({100 * done // run.progress_total} %)"
    return f"{run.rows_read:,} rows"


def _rows_columns(runs: Sequence[RunFigures], part: int) -> Iterator[Column]:
    yield _column("read", runs, lambda r: f"{r.rows_read:,}", part)
    for name in (*COUNTS, "deleted"):
        yield column(name, [f"{getattr(r, name):,}" for r in runs], part)


def _pace(runs: Sequence[RunFigures], now: datetime, part: int) -> Iterator[Column]:
    yield _column("pages/s", runs, lambda r: f"{r.pages_per_second(now):,.1f}", part)
    yield _column("rows/s", runs, lambda r: f"{r.rows_per_second(now):,.0f}", part)
    yield _column("latency avg", runs, lambda r: _ms(r.latency_avg_ms), part)
    yield _column("latency p95", runs, lambda r: _ms(r.latency_p95_ms), part)


def _names(runs: Sequence[RunFigures]) -> Iterator[Column]:
    """The stream has a column only where there is more than one; else the title names it."""
    yield _column("client", runs, lambda r: r.client_id, 0, left=True)
    if len(_streams(runs)) > 1:
        yield _column("stream", runs, _stream, 0, left=True)


def _titled(title: str, runs: Sequence[RunFigures]) -> str:
    streams = _streams(runs)
    return f"{title} ({streams[0]})" if len(streams) == 1 else title


def _streams(runs: Sequence[RunFigures]) -> list[str]:
    return sorted({_stream(run) for run in runs})


def _column(
    name: str, runs: Sequence[RunFigures], cell: Cell, part: int, *, left: bool = False
) -> Column:
    return column(name, [cell(run) for run in runs], part, left=left)


def _stream(run: RunFigures) -> str:
    return f"{run.source}.{run.stream}"


def _name(run: RunFigures) -> str:
    return f"{run.client_id} {_stream(run)}"


def _spent(run: RunFigures, now: datetime) -> str:
    return seconds_text(run.seconds(now))


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}ms"
