"""The dashboard of template.yaml before three hours of an ordinary deployment, for the pictures in the documents.

The body is the template's own. What it asks for is made up, the same each time, and of an ordinary size.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local.console.framed import DRAWS
from local.places import PROJECT
from tests.browser.dashboards import CloudWatch, Sample, sampled

FIVE_MINUTES = timedelta(minutes=5)
_EPOCH = datetime.fromtimestamp(0, UTC)

STREAMS = {
    "cars": ("cars",),
    "mixpanel": ("events", "profiles"),
    "shipbob": ("orders", "products", "returns", "timelines", "transactions"),
}
OUTCOMES = ("committed", "caught_up", "deferred", "run_failed")

_BODY = re.compile(r"^      DashboardBody: !Sub \|\n((?:        .*\n)+)", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{([\w:.]+)\}")
_KNOWN = {
    "AWS::StackName": "sluice",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "StatusFunction.Arn": f"arn:aws:lambda:eu-central-1:123456789012:function:{DRAWS}",
}

LIKELY: Mapping[str, Sample] = {
    "FreshnessSeconds": Sample(420, 0.3),
    "WatermarkAgeSeconds": Sample(900, 0.5),
    "SliceMs": Sample(2_300, 0.3),
    "RowsPerSync": Sample(1_900, 0.7, whole=True),
    "SkippedPercent": Sample(88, 0.08),
    "VendorLatencyMs": Sample(170, 0.25),
    "VendorRequests": Sample(46, 0.3, whole=True),
    "VendorRetries": Sample(0.6, 0.9, whole=True),
    "VendorErrors": Sample(0.15, 0.9, whole=True),
    "RateBudgetPercent": Sample(38, 0.4),
    "OpenRejects": Sample(14, 0, whole=True),
    "StreamsLate": Sample(1, 0, whole=True),
    "BreakersOpen": Sample(1, 0, whole=True),
    "ConnectionsPercent": Sample(21, 0.3),
    "MemoryPercent": Sample(58, 0.08),
    "ApproximateNumberOfMessagesVisible": Sample(9, 0.6, whole=True),
    "ApproximateAgeOfOldestMessage": Sample(34, 0.7),
    "Invocations": Sample(60, 0.3, whole=True),
    "Duration": Sample(140, 0.3),
    "ConsumedWriteCapacityUnits": Sample(420, 0.3),
    "ConsumedReadCapacityUnits": Sample(610, 0.3),
    "NumberOfMessagesSent": Sample(90, 0.3, whole=True),
    "RowsInserted": Sample(60, 0.7, whole=True),
    "RowsUpdated": Sample(140, 0.6, whole=True),
    "RowsUnchanged": Sample(1_300, 0.3, whole=True),
}
"""Of others there are zeros. What is summed is meant for five minutes."""

OF_OUTCOME = {"committed": 9.0, "caught_up": 2.5, "deferred": 0.7, "run_failed": 0.05}


@dataclass
class Deployment(CloudWatch):
    """A CloudWatch with the dashboard of the template."""

    def body(self) -> str:
        return deployed_body()

    def listed(self) -> Sequence[Mapping[str, Any]]:
        return list(_listed())

    def values(self, stat: Mapping[str, Any], start: datetime) -> Iterator[tuple[datetime, float]]:
        metric, period = stat["Metric"], timedelta(seconds=stat["Period"])
        dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        first = start - (start - _EPOCH) % period  # CloudWatch's periods begin at multiples of them
        sample = _sample(metric["MetricName"], dimensions, stat["Stat"])
        scale = period / FIVE_MINUTES if stat["Stat"] == "Sum" else 1.0
        most = 100.0 if metric["MetricName"].endswith("Percent") else math.inf
        seed = f"{metric['MetricName']} {sorted(dimensions.items())}"
        for at, value in sampled(seed, sample, scale, first, self.now, period):
            yield at, min(value, most)


def _sample(name: str, dimensions: Mapping[str, str], stat: str) -> Sample:
    if name == "SlicesByOutcome":
        return Sample(OF_OUTCOME[dimensions["outcome"]], 0.6, whole=True)
    if dimensions.get("QueueName", "").endswith("dead-letter-queue"):
        return Sample(2 if "slice" in dimensions["QueueName"] else 0, 0)
    made = LIKELY.get(name, Sample(0, 0))
    if name == "Duration" and stat == "Sum":
        return Sample(made.about * LIKELY["Invocations"].about, made.moves)
    return Sample(made.about * 1.6, made.moves) if stat in ("p95", "p99") else made


def deployed_body() -> str:
    """Of template.yaml, with names in the place of what is only known when it is deployed."""
    template = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    [body] = _BODY.findall(template)
    text = _VARIABLE.sub(lambda found: _KNOWN.get(found[1]) or _named(found[1]), body)
    return json.dumps({"start": "-PT3H", **json.loads(text)})


def _named(logical: str) -> str:
    """``DeadLettersAlarm`` is ``sluice-dead-letters``, ``SliceQueue.QueueName`` is ``sluice-slice-queue``."""
    words = re.findall(r"[A-Z][a-z]+", logical.partition(".")[0])
    kept = words[:-1] if words[-1] in ("Alarm", "Function") else words
    return "-".join(["sluice", *kept]).lower()


def _listed() -> Iterator[Mapping[str, Any]]:
    plain = ("FreshnessSeconds", "WatermarkAgeSeconds", "SliceMs", "RowsPerSync", "SkippedPercent")
    fates = ("Inserted", "Updated", "Unchanged", "Stale", "Rejected", "Deleted")
    counted = [f"Rows{fate}" for fate in fates]
    counted += ["VendorLatencyMs", "VendorRequests", "VendorRetries", "VendorErrors"]
    for source, streams in STREAMS.items():
        yield _metric("RateBudgetPercent", source=source)
        for stream in streams:
            for name in plain:
                yield _metric(name, source=source, stream=stream)
            for name in counted:
                yield _metric(name, source=source, stream=stream, outcome="committed")
            for outcome in OUTCOMES:
                yield _metric("SlicesByOutcome", source=source, stream=stream, outcome=outcome)


def _metric(name: str, **dimensions: str) -> Mapping[str, Any]:
    named = {"stack": "sluice", **dimensions}
    return {
        "Namespace": "Sluice",
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in named.items()],
    }
