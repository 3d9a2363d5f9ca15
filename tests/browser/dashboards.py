"""The console's dashboards before a CloudWatch that a test plays: three hours of a deployment, the same each time."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from local.console import status
from local.console.dashboard import Console, routes_of
from local.console.framed import ACTS, DRAWS
from local.console.server import ours_only
from local.vendors.loopback.serving import served_in_thread
from tests.browser.consoles import STATUS, Functions

STACK = {"stack": "sluice"}
STREAMS = {"cars": "cars", "shipbob": "orders", "mixpanel": "events"}


def _metric(y: int, x: int, width: int, title: str, *metrics: Any, **more: Any) -> dict[str, Any]:
    given = {"title": title, "metrics": list(metrics), "period": 60, **more}
    return {"type": "metric", "x": x, "y": y, "width": width, "height": 6, "properties": given}


FRESH = "SEARCH('{Sluice,stack,source,stream} MetricName=\"FreshnessSeconds\"', 'Maximum', 60)"
BODY: dict[str, Any] = {
    "start": "-PT3H",
    "widgets": [
        {"type": "text", "x": 0, "y": 0, "width": 24, "height": 2, "properties": {
            "markdown": "# Is it well?\nHow fresh what is stored is, what was done, and what vendors answered."}},
        _metric(2, 0, 6, "Now", ["Sluice", "StreamsLate", "stack", "sluice", {"label": "late"}],
                ["Sluice", "OpenRejects", "stack", "sluice", {"label": "rejects"}],
                ["Sluice", "Nothing", "stack", "sluice", {"label": "unknown"}], view="singleValue", stat="Maximum"),
        _metric(2, 6, 9, "Freshness by stream", [{"expression": FRESH, "id": "e1"}],
                yAxis={"left": {"min": 0, "label": "behind the vendor"}},
                annotations={"horizontal": [{"label": "target", "value": 900}]}),
        _metric(2, 15, 9, "Slices by outcome", ["Sluice", "SlicesByOutcome", "stack", "sluice", "outcome", "committed"],
                ["...", "deferred"], ["...", "run_failed"], stacked=True, stat="Sum", period=300),
        _metric(8, 0, 12, "Vendor latency and errors",
                ["Sluice", "VendorLatencyMs", "stack", "sluice", {"stat": "p50", "label": "p50"}],
                ["...", {"stat": "p95", "label": "p95"}],
                ["Sluice", "VendorErrors", "stack", "sluice", {"stat": "Sum", "yAxis": "right", "label": "errors"}]),
        _metric(8, 12, 6, "Waiting in queues", ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "slices"],
                ["...", "backfills"], ["...", "pushes"], view="bar"),
        _metric(8, 18, 6, "Nothing yet", ["Sluice", "Nothing", "stack", "sluice"]),
        {"type": "custom", "x": 0, "y": 14, "width": 24, "height": 12, "properties": {
            "title": "Clients and streams", "endpoint": STATUS}},
    ],
}  # fmt: skip


@dataclass
class CloudWatch:
    """One dashboard, its metrics, and alarms of which a test says what state they are in."""

    states: dict[str, str] = field(default_factory=dict)
    bridge_is_silent: bool = False
    streams: Mapping[str, str] = field(default_factory=lambda: STREAMS)
    now: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(second=0, microsecond=0)
    )

    def get_paginator(self, call: str) -> Any:
        answers = {
            "list_dashboards": {"DashboardEntries": [{"DashboardName": "sluice"}]},
            "list_metrics": {"Metrics": self.listed()},
            "describe_alarms": self._alarms(),
        }

        class Paginator:
            def paginate(self, **_: Any) -> Iterator[Any]:
                yield answers[call]

        return Paginator()

    def get_dashboard(self, DashboardName: str) -> Any:  # noqa: N803  # as boto3 has it
        assert DashboardName == "sluice"
        return {"DashboardBody": self.body()}

    def body(self) -> str:
        return json.dumps(BODY)

    def listed(self) -> Sequence[Mapping[str, Any]]:
        """What a search finds."""
        return [_listed(source, stream) for source, stream in self.streams.items()]

    def values(self, stat: Mapping[str, Any], start: datetime) -> Iterator[tuple[datetime, float]]:
        """What was recorded of a metric since then."""
        return _values(stat, start, self.now)

    def get_metric_statistics(self, **asked: Any) -> Any:
        """Of the bridge only."""
        assert asked["Namespace"] == "Sluice/Bridge"
        return {"Datapoints": [] if self.bridge_is_silent else [{"Sum": 1.0}]}

    def get_metric_data(self, **asked: Any) -> Any:
        results = []
        for query in asked["MetricDataQueries"]:
            stat = query["MetricStat"]
            values = dict(self.values(stat, self.now - timedelta(hours=3)))
            results.append(
                {"Id": query["Id"], "Timestamps": list(values), "Values": list(values.values())}
            )
        return {"MetricDataResults": results}

    def _alarms(self) -> Mapping[str, Any]:
        said = {
            "breaker-opened": "A vendor fails at every request, and is left alone for a while.",
            "dead-letters": "Messages lie in the dead-letter queue.",
            "streams-late": "Data of streams is older than their target.",
            "worker-errors": "The worker dies or times out.",
        }
        rules = {
            "page-vendors": (
                "A vendor fails, refuses us, or has fallen silent.",
                "ALARM(sluice-breaker-opened)",
            ),
            "page-ours": (
                "Something of ours fails.",
                "ALARM(sluice-dead-letters) OR ALARM(sluice-worker-errors)",
            ),
        }
        return {
            "MetricAlarms": [self._alarm(name, text) for name, text in said.items()],
            "CompositeAlarms": [
                {**self._alarm(name, text), "AlarmRule": rule}
                for name, (text, rule) in rules.items()
            ],
        }

    def _alarm(self, name: str, text: str) -> dict[str, Any]:
        return {
            "AlarmName": f"sluice-{name}", "AlarmDescription": f"{text} Runbook docs/runbooks/{name}.md",
            "StateValue": self.states.get(name, "OK"), "StateReason": "latest 0, breaching when > 0",
            "StateUpdatedTimestamp": self.now - timedelta(minutes=12),
        }  # fmt: skip


def _listed(source: str, stream: str) -> dict[str, Any]:
    dimensions = {**STACK, "source": source, "stream": stream}
    return {
        "Namespace": "Sluice", "MetricName": "FreshnessSeconds",
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
    }  # fmt: skip


def _values(
    stat: Mapping[str, Any], start: datetime, end: datetime
) -> Iterator[tuple[datetime, float]]:
    """By the metric's name, and the same each time."""
    metric = stat["Metric"]
    name, last = metric["MetricName"], metric["Dimensions"][-1]["Value"]
    chance = random.Random(f"{name} {last} {stat['Stat']}")  # noqa: S311
    base = chance.uniform(0.5, 1.5)
    steps = int((end - start).total_seconds() // stat["Period"])
    for at in range(steps):
        moment = start + timedelta(seconds=at * stat["Period"])
        wave = base * (1.2 + math.sin(at * stat["Period"] / 2400 + base * 9))
        value = {
            "FreshnessSeconds": 280 * wave + chance.uniform(0, 60),
            "SlicesByOutcome": {"committed": 40.0, "deferred": 6.0}.get(last, 0.4) * chance.uniform(0.5, 1.3),
            "VendorLatencyMs": {"p50": 60, "p95": 150}.get(stat["Stat"], 1) * chance.uniform(0.8, 1.4),
            "VendorErrors": float(chance.random() > 0.93) * 2,
            "StreamsLate": 1.0, "OpenRejects": 14.0,
            "ApproximateNumberOfMessagesVisible": {"slices": 31.0, "backfills": 12.0}.get(last, 2.0),
        }.get(name)  # fmt: skip
        gap = last == "events" and 60 < at < 90
        if value is not None and not gap:
            yield moment, value


@dataclass(frozen=True)
class Sample:
    """Around what a metric lies, and by what part of it it moves."""

    about: float
    moves: float
    whole: bool = False
    """It counts something."""


def sampled(
    seed: str, sample: Sample, scale: float, start: datetime, end: datetime, period: timedelta
) -> Iterator[tuple[datetime, float]]:
    """A slow wave with some noise on it, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311
    base = sample.about * scale * (1 if sample.moves == 0 else chance.uniform(0.7, 1.3))
    phase = chance.uniform(0, 6)
    for at in range(-((start - end) // period)):
        wave = math.sin(at * period.total_seconds() / 2400 + phase) / 2
        noise = chance.uniform(-0.5, 0.5)
        value = max(0.0, base * (1 + sample.moves * (wave + noise)))
        yield start + at * period, float(round(value)) if sample.whole else value


@contextmanager
def dashboards(cloudwatch: CloudWatch, functions: Functions) -> Iterator[str]:
    """Its address while it is served."""

    def make() -> web.Application:
        app = web.Application(middlewares=[ours_only])
        app.add_routes(routes_of(Console(cloudwatch, lambda: cloudwatch.now)))
        app.add_routes(status.routes_of(status.Widget(functions, frozenset({DRAWS, ACTS}))))
        return app

    with served_in_thread(make, "console") as address:
        yield address
