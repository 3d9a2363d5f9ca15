"""Evaluates all alarms of the embedded CloudWatch, and sets their states there, which sends what they send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.bridge.alarms import State
from local.bridge.composites import CompositeWatch, composites_of
from local.bridge.definitions import AlarmRefused, MetricAlarm, metric_alarm
from local.bridge.points import PointReader
from local.bridge.template import ALARM, COMPOSITE, Deployed


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm that changed its state."""

    alarm: str
    before: State
    after: State
    reason: str


@dataclass(slots=True)
class AlarmWatch:
    """``pace``: so many times shorter are the alarms' periods, for tests that cannot wait."""

    cloudwatch: Any
    sns: Any
    pace: float = 1.0
    _math: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _composites: CompositeWatch | None = None

    def make(self, deployed: Deployed) -> None:
        """Make what CloudFormation of the embedded AWS could not: composite alarms, and those of metric math."""
        wanted = list(deployed.alarms_to_make())
        for kind, given in wanted:
            if kind == ALARM:
                self._math[given["AlarmName"]] = given
                self._carry(given)
        composites = composites_of(given for kind, given in wanted if kind == COMPOSITE)
        self._composites = CompositeWatch(self.cloudwatch, self.sns, composites, self.pace)
        self._composites.make()

    def look(self, now: float) -> list[Change]:
        """Evaluate everything as of ``now`` (Unix seconds). AlarmRefused names an alarm that is not understood."""
        alarms = list(self._alarms())
        wanted = [each for alarm in alarms for each in alarm.metrics.values()]
        read = PointReader(self.cloudwatch).read(wanted, now) if wanted else {}
        states, changes = {}, []
        for alarm in alarms:
            judged = alarm.judge(read, now)
            state = states[alarm.name] = judged.state or alarm.state
            if state is not alarm.state:
                self.cloudwatch.set_alarm_state(
                    AlarmName=alarm.name, StateValue=state, StateReason=judged.reason
                )
                changes.append(Change(alarm.name, alarm.state, state, judged.reason))
        if self._composites is not None:
            for _ in self._composites.look(states, now):
                pass
        return changes

    def _alarms(self) -> Iterator[MetricAlarm]:
        pages = self.cloudwatch.get_paginator("describe_alarms").paginate()
        for page in pages:
            for shown in page["MetricAlarms"]:
                name = shown["AlarmName"]
                try:
                    yield metric_alarm({**shown, **self._math.get(name, {})}, self.pace)
                except (KeyError, ValueError) as error:
                    raise AlarmRefused(f"alarm {name} cannot be read: {error!r}") from error

    def _carry(self, given: Mapping[str, Any]) -> None:
        """An alarm of that name that holds the state; what it looks at stands in the template."""
        self.cloudwatch.put_metric_alarm(
            AlarmName=given["AlarmName"],
            AlarmDescription=given.get("AlarmDescription", ""),
            AlarmActions=given.get("AlarmActions", []),
            OKActions=given.get("OKActions", []),
            Namespace="Sluice/Bridge",
            MetricName=given["AlarmName"],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=int(given["EvaluationPeriods"]),
            Threshold=float(given["Threshold"]),
            ComparisonOperator=given["ComparisonOperator"],
            TreatMissingData=given.get("TreatMissingData", "missing"),
        )
