"""Where runs' time went, as people read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from ops.runs.figures import RunFigures
from ops.runs.sheets import seconds_text
from ops.runs.times import Endpoint, RunTimes, by_client
from ops.sheets import Column, Sheet, column

Cell = Callable[[RunTimes], str]


def times_sheet(runs: Sequence[RunFigures], times: Mapping[str, RunTimes], title: str) -> Sheet:
    """One row per run, in the order given. ``vendor`` is of requests side by side too, so it may exceed ``busy``."""
    found = [times[run.run_id] for run in runs]
    columns = [
        column("#", [str(n + 1) for n in range(len(found))], 0),
        _column("client", found, lambda t: t.client_id, 0, left=True),
        _column("stream", found, lambda t: f"{t.source}.{t.stream}", 0, left=True),
        *_time_columns(found, 1),
        _column("asked most", found, _slowest, 2, left=True),
        column("run", [run.run_id for run in runs], 3, left=True),
    ]
    return Sheet(title, columns)


def client_lines(times: Collection[RunTimes]) -> Iterator[str]:
    """A line per client: its runs' times together."""
    for client, sums in by_client(times).items():
        parts = ", ".join(f"{name.removesuffix('_ms')} {ms_text(ms)}" for name, ms in sums.items())
        yield f"{client}: {parts}"


def run_lines(times: RunTimes) -> Iterator[str]:
    """One run's time: what of it was work, and what the work was."""
    yield (
        f"{times.slices} slice(s) in {ms_text(times.duration_ms)}, of which they worked"
        f" {ms_text(times.busy_ms)}: fetch {ms_text(times.fetch_ms)}, merge {ms_text(times.merge_ms)}"
    )
    yield (
        f"at the vendor: {ms_text(times.vendor_ms)} in all requests together, and waited"
        f" {ms_text(times.wait_ms)} for a turn"
    )
    yield (
        f"at the database: {ms_text(times.database_ms)}, of which {ms_text(times.begin_ms)} until a"
        f" transaction had begun, {ms_text(times.derive_ms)} for what is derived from rows"
    )


def endpoints_sheet(endpoints: Sequence[Endpoint]) -> Sheet:
    columns = [
        column("endpoint", [each.endpoint for each in endpoints], 0, left=True),
        column("requests", [f"{each.requests:,}" for each in endpoints]),
        column("retries", [f"{each.retries:,}" for each in endpoints]),
        column("errors", [f"{each.errors:,}" for each in endpoints]),
        column("time", [ms_text(each.ms) for each in endpoints]),
        column("per request", [f"{each.ms_per_request:,.0f}ms" for each in endpoints]),
    ]
    return Sheet("asked of the vendor", columns)


def slices_sheet(slices: Sequence[Mapping[str, Any]]) -> Sheet:
    """The newest slices, newest first; a dash where an older worker noted nothing."""

    def of(name: str, text: Callable[[Any], str]) -> list[str]:
        return ["-" if each[name] is None else text(each[name]) for each in slices]

    numbers = ("rows_read", "written", "requests", "errors")
    spent = ("fetch_ms", "wait_ms", "database_ms", "merge_ms", "derive_ms")
    columns = [
        column("seq", of("seq", str), 0),
        column("step", of("kind", str), 0, left=True),
        *(column(name.removeprefix("rows_"), of(name, "{:,}".format)) for name in numbers),
        *(column(name.removesuffix("_ms"), of(name, ms_text), 2) for name in spent),
        column("committed", of("committed_at", lambda at: f"{at:%H:%M:%S}"), 2),
    ]
    return Sheet("slices", columns)


def derived_lines(slices: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the newest derive step of each kind answered, without its zeros."""
    told: set[str] = set()
    for each in slices:
        kind, numbers = each["kind"], each["derived"]
        if not numbers or kind in told:
            continue
        told.add(kind)
        parts = ", ".join(f"{name} {number:,}" for name, number in numbers.items() if number)
        yield f"{kind}, in slice {each['seq']}: {parts or 'nothing'}"


def ms_text(ms: int) -> str:
    """``340ms``, ``4.2s``, ``1m05s``."""
    return f"{ms:,}ms" if ms < 1000 else seconds_text(ms / 1000)


def _time_columns(found: Sequence[RunTimes], part: int) -> Iterator[Column]:
    for name in ("busy", "fetch", "vendor", "wait", "database", "begin", "merge", "derive"):
        yield column(name, [ms_text(getattr(each, f"{name}_ms")) for each in found], part)


def _slowest(times: RunTimes) -> str:
    """The endpoint that took most of the time, if any was asked."""
    if not times.endpoints:
        return "-"
    most = times.endpoints[0]
    return f"{most.endpoint} {most.requests:,} x {most.ms_per_request:,.0f}ms"


def _column(
    name: str, found: Sequence[RunTimes], cell: Cell, part: int, *, left: bool = False
) -> Column:
    return column(name, [cell(each) for each in found], part, left=left)
