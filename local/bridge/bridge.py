"""The metrics bridge: what AWS does with logs, queues and alarms by itself, done for the embedded AWS.

It looks every two seconds. A look that fails is told in the log and made again; what was read from logs is not lost.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local.bridge.datums import ALIVE, Datum, calls
from local.bridge.emf import EmfRefused, datums_of
from local.bridge.filters import MetricFilter, filters_of
from local.bridge.follower import Follower, LogEvent
from local.bridge.queues import EVERY_S, QueueMetrics
from local.bridge.template import Deployed
from local.bridge.watch import AlarmWatch

POLL_S = 2.0
REREAD_S = 60.0
"""Log groups, filters and queues that were made meanwhile are found this often."""
IDLE_S = 10.0
"""Alarms are evaluated when something was counted, and else this often."""
ALIVE_S = 30.0
MOST_FAILURES = 30
"""In a row; then the embedded AWS is gone, and the bridge ends."""

Client = Callable[[str], Any]
"""A client of the embedded AWS, by the service's name."""


@dataclass(slots=True)
class Bridge:
    """One bridge for one embedded AWS and one stack deployed there."""

    client: Client
    endpoint: str
    stack: str
    region: str
    pace: float = 1.0
    clock: Callable[[], float] = time.time
    _followers: dict[str, Follower] = field(default_factory=dict)
    _filters: list[MetricFilter] = field(default_factory=list)
    _fresh: list[Datum] = field(default_factory=list)
    _unsent: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    _queues: QueueMetrics | None = None
    _watch: AlarmWatch | None = None
    _reread_at: float = 0.0
    _looked_at: float = 0.0
    _told_at: float = 0.0

    def start(self) -> None:
        """Find out what was deployed, and make the alarms that are missing.

        What is refused here ends the bridge: it is a fault of the template, or something it cannot do.
        """
        self._watch = AlarmWatch(self.client("cloudwatch"), self.client("sns"), self.pace)
        self._watch.make(self._deployed())
        # Alarms with shorter periods need their points as much more often.
        every_s = EVERY_S / self.pace
        self._queues = QueueMetrics(self.client("sqs"), self.endpoint, every_s)
        self._reread()

    def look(self) -> int:
        """One look at everything; how many measurements it sent."""
        now = self.clock()
        if now - self._reread_at >= REREAD_S:
            self._reread()
        for follower in self._followers.values():
            for event in follower.news():
                self._fresh += self._measured(event)
        assert self._queues is not None  # noqa: S101  # start() came first
        self._fresh += self._queues.datums(now)
        if now - self._told_at >= ALIVE_S:
            self._told_at = now
            self._fresh.append(Datum(*ALIVE, (), int(now * 1000), (1.0,), "Count"))
        sent = self._send()
        if sent or now - self._looked_at >= IDLE_S / self.pace:
            self._evaluate(now)
        return sent

    def _evaluate(self, now: float) -> None:
        assert self._watch is not None  # noqa: S101  # start() came first
        self._looked_at = now
        for change in self._watch.look(now):
            say(f"alarm {change.alarm}: {change.before} -> {change.after}; {change.reason}")

    def _measured(self, event: LogEvent) -> Iterator[Datum]:
        try:
            yield from datums_of(event.line)
        except EmfRefused as refused:
            say(f"refused, in {event.group}: {refused}: {event.line[:500]}")
            where = (("LogGroupName", event.group),)
            yield Datum("AWS/Logs", "EMFValidationErrors", where, event.at_ms, (1.0,), "Count")
        for each in self._filters:
            if each.group == event.group:
                yield from each.datums(event.line, event.at_ms)

    def _send(self) -> int:
        """Send what was measured; what could not be sent is kept for the next look."""
        sent = 0
        self._unsent += calls(self._fresh)
        self._fresh.clear()
        while self._unsent:
            namespace, rows = self._unsent[0]
            self.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=rows)
            self._unsent.pop(0)
            sent += len(rows)
        return sent

    def _reread(self) -> None:
        logs = self.client("logs")
        for page in logs.get_paginator("describe_log_groups").paginate():
            for group in page["logGroups"]:
                name = group["logGroupName"]
                self._followers.setdefault(name, Follower(logs, name))
        pages = logs.get_paginator("describe_metric_filters").paginate()
        self._filters = filters_of(each for page in pages for each in page["metricFilters"])
        self._reread_at = self.clock()

    def _deployed(self) -> Deployed:
        cloud = self.client("cloudformation")
        template = cloud.get_template(StackName=self.stack)["TemplateBody"]
        described = cloud.describe_stacks(StackName=self.stack)["Stacks"][0]
        resources = cloud.describe_stack_resources(StackName=self.stack)["StackResources"]
        return Deployed(
            yaml_parse(template) if isinstance(template, str) else template,
            self.stack,
            self.region,
            described["StackId"].split(":")[4],
            {p["ParameterKey"]: p["ParameterValue"] for p in described.get("Parameters", [])},
            {r["LogicalResourceId"]: r.get("PhysicalResourceId", "") for r in resources},
        )


def run(bridge: Bridge, wait: Callable[[float], bool]) -> None:
    """Look until ``wait``, which is given seconds, says that it is over."""
    bridge.start()
    bridge.look()  # what cannot be understood shows here, where it ends the bridge
    say("listening")
    failures = 0
    while not wait(POLL_S / bridge.pace if bridge.pace < 2 else 1.0):
        try:
            bridge.look()
            failures = 0
        except (
            Exception
        ):  # the outermost edge: the next look may succeed, and the log says why this did not
            failures += 1
            traceback.print_exc()
            if failures >= MOST_FAILURES:
                raise


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()
