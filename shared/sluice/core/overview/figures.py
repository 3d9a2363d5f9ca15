"""The figures of a picture: what the monitor sends as metrics. As many as checks and streams, never as clients."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sluice.core.overview.picture import AccountView, Overview, StreamView


class Unit(StrEnum):
    """As CloudWatch names them."""

    COUNT = "Count"
    PERCENT = "Percent"
    SECONDS = "Seconds"


@dataclass(frozen=True, slots=True)
class Figure:
    """One value; of a source and a stream where these are not None, else of the deployment."""

    name: str
    value: float
    unit: Unit = Unit.COUNT
    source: str | None = None
    stream: str | None = None


OF_STREAMS: Mapping[str, str] = {
    "streams-late": "StreamsLate",
    "sync-slow": "SyncsSlow",
    "watermark-stuck": "WatermarksStuck",
    "sync-too-large": "SyncsTooLarge",
    "change-detection-off": "ChangeDetectionOff",
    "zero-rows": "ZeroRows",
    "sums-broken": "SumsBroken",
    "webhook-silent": "WebhookTopicsSilent",
    "brake-tripped": "BrakesTripped",
}
"""What is found of streams, and the metric that counts it: known once registry, switches and database answered."""

OF_ACCOUNTS: Mapping[str, str] = {
    "breaker-opened": "BreakersOpen",
    "account-stopped": "AccountsStopped",
}


def figures_of(overview: Overview) -> Iterator[Figure]:
    """All figures that are known. What a store did not say has none: a zero would mend an alarm."""
    silent = {each.partition(":")[0] for each in overview.unknown}
    yield Figure("PartsUnknown", len(overview.unknown))
    found = Counter(finding.check for finding in overview.findings)
    if not silent & {"registry", "switches", "database"}:
        yield from _counted(OF_STREAMS, found)
    if not silent & {"registry", "accounts"}:
        yield from _counted(OF_ACCOUNTS, found)
        yield from _of_accounts(overview.accounts)
    if "leases" not in silent:
        yield Figure("StaleLeases", overview.stale_leases)
    if overview.connections is not None and overview.pool_size:
        share = 100 * overview.connections / overview.pool_size
        yield Figure("ConnectionsPercent", share, Unit.PERCENT)
    if not silent & {"registry", "database"}:
        yield Figure("OpenRejects", sum(stream.open_rejects for stream in overview.streams))
        yield from _of_streams(overview.streams, overview.at)


def _counted(metrics: Mapping[str, str], found: Counter[str]) -> Iterator[Figure]:
    return (Figure(metric, found[check]) for check, metric in metrics.items())


def _of_accounts(accounts: Iterable[AccountView]) -> Iterator[Figure]:
    """Of each source, its account that used most of its budget."""
    used: dict[str, float] = {}
    for account in accounts:
        if account.budget_used is not None:
            source = account.name.partition("#")[0]
            used[source] = max(used.get(source, 0.0), account.budget_used)
    for source, share in sorted(used.items()):
        yield Figure("RateBudgetPercent", 100 * share, Unit.PERCENT, source)


def _of_streams(streams: Iterable[StreamView], now: datetime) -> Iterator[Figure]:
    """Of each stream, over its clients: the oldest, the largest, and the part of all rows that was skipped.

    What is paused is old on purpose.
    """
    together: dict[tuple[str, str], list[StreamView]] = defaultdict(list)
    for view in streams:
        if view.paused_because is None:
            together[view.key.source, view.key.stream].append(view)
    for (source, stream), views in sorted(together.items()):
        for name, unit, value in _measured(views, now):
            if value is not None:
                yield Figure(name, value, unit, source, stream)


def _measured(
    views: Iterable[StreamView], now: datetime
) -> Iterator[tuple[str, Unit, float | None]]:
    views = list(views)
    yield "FreshnessSeconds", Unit.SECONDS, _oldest(views, now, lambda view: view.fresh_at)
    yield "WatermarkAgeSeconds", Unit.SECONDS, _oldest(views, now, lambda view: view.advanced_at)
    last = [view.last for view in views if view.last is not None]
    yield "RowsPerSync", Unit.COUNT, max((run.rows_read for run in last), default=None)
    read = sum(run.rows_read for run in last)
    skipped = sum(run.unchanged for run in last)
    yield "SkippedPercent", Unit.PERCENT, 100 * skipped / read if read else None


def _oldest(
    views: Iterable[StreamView], now: datetime, moment: Callable[[StreamView], datetime | None]
) -> float | None:
    moments = [at for view in views if (at := moment(view)) is not None]
    return None if not moments else max((now - min(moments)).total_seconds(), 0.0)
