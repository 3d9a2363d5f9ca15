"""The bridge with an AWS of the test's own: what is sent, when alarms change, what their pages do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from local.bridge.bridge import Bridge
from local.bridge.datums import ALIVE
from local.bridge.definitions import AlarmRefused, metric_alarm
from local.bridge.points import GRAIN_S, PointReader, Wanted
from local.bridge.watch import AlarmWatch

NOW = 1_700_000_000.0

ALARM: dict[str, Any] = {
    "AlarmName": "sluice-late", "Namespace": "Sluice", "MetricName": "Late", "Statistic": "Maximum",
    "Dimensions": [{"Name": "stack", "Value": "sluice"}], "Period": 60, "EvaluationPeriods": 1,
    "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
    "StateValue": "OK",
}  # fmt: skip


@dataclass
class Cloud:
    """CloudWatch, Logs, SQS, SNS and CloudFormation at once, as far as the bridge asks them."""

    alarms: list[dict[str, Any]] = field(default_factory=list)
    composites: dict[str, dict[str, Any]] = field(default_factory=dict)
    points: list[tuple[str, float, float]] = field(default_factory=list)
    """Metric, moment, value; each metric has one set of dimensions here."""
    sent: list[tuple[str, str]] = field(default_factory=list)
    put: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    alive: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    filters: list[dict[str, Any]] = field(default_factory=list)
    template: dict[str, Any] = field(default_factory=lambda: {"Resources": {}})
    refuses: int = 0

    def get_paginator(self, call: str) -> Any:
        cloud = self

        class Paginator:
            def paginate(self, **words: Any) -> Iterator[Mapping[str, Any]]:
                yield getattr(cloud, call)(**words)

        return Paginator()

    def describe_alarms(self, AlarmTypes: Any = ("MetricAlarm",)) -> Mapping[str, Any]:  # noqa: N803
        if "CompositeAlarm" in AlarmTypes:
            return {"CompositeAlarms": list(self.composites.values())}
        return {"MetricAlarms": list(self.alarms)}

    def set_alarm_state(self, *, AlarmName: str, StateValue: str, StateReason: str) -> None:  # noqa: N803
        assert StateReason
        known = {alarm["AlarmName"]: alarm for alarm in self.alarms} | self.composites
        known[AlarmName]["StateValue"] = str(StateValue)

    def put_composite_alarm(self, **given: Any) -> None:
        self.composites[given["AlarmName"]] = {**given, "StateValue": "INSUFFICIENT_DATA"}

    def put_metric_alarm(self, **given: Any) -> None:
        self.alarms.append({**given, "StateValue": "INSUFFICIENT_DATA"})

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> None:  # noqa: N803
        told = json.loads(Message)
        assert told["NewStateValue"] in Subject
        self.sent.append((TopicArn, f"{told['AlarmName']} {told['NewStateValue']}"))

    def get_metric_data(self, **asked: Any) -> Any:
        results = []
        for query in asked["MetricDataQueries"]:
            stat = query["MetricStat"]
            grains: dict[int, list[float]] = {}
            for name, at, value in self.points:
                inside = asked["StartTime"].timestamp() <= at < asked["EndTime"].timestamp()
                if name == stat["Metric"]["MetricName"] and inside:
                    grains.setdefault(int(at // GRAIN_S * GRAIN_S), []).append(value)
            of: Any = {"Sum": sum, "Maximum": max, "Minimum": min, "SampleCount": len}[stat["Stat"]]
            moments = [datetime.fromtimestamp(at, UTC) for at in grains]
            values = [float(of(each)) for each in grains.values()]
            results.append({"Id": query["Id"], "Timestamps": moments, "Values": values})
        return {"MetricDataResults": results}

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803
        if self.refuses:
            self.refuses -= 1
            raise ConnectionError("refused")
        rows = [(Namespace, row) for row in MetricData]
        (self.alive if Namespace == ALIVE[0] else self.put).extend(rows)

    def describe_log_groups(self) -> Any:
        return {"logGroups": [{"logGroupName": "/aws/lambda/w"}]}

    def describe_metric_filters(self) -> Any:
        return {"metricFilters": self.filters}

    def filter_log_events(self, **words: Any) -> Any:
        events = [
            {"timestamp": 1_000 + at, "message": line, "logStreamName": "s"}
            for at, line in enumerate(self.lines)
        ]
        return {"events": [each for each in events if each["timestamp"] >= words["startTime"]]}

    def list_queues(self) -> Any:
        return {}

    def get_template(self, **_: Any) -> Any:
        return {"TemplateBody": self.template}

    def describe_stacks(self, **_: Any) -> Any:
        return {
            "Stacks": [{"StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/sluice/1"}]
        }

    def describe_stack_resources(self, **_: Any) -> Any:
        return {"StackResources": []}

    def state(self, name: str) -> str:
        known = {alarm["AlarmName"]: alarm for alarm in self.alarms} | self.composites
        return str(known[name]["StateValue"])


def bridge_over(cloud: Cloud, now: float = NOW) -> Bridge:
    made = Bridge(lambda _: cloud, "http://127.0.0.1:1", "sluice", "us-east-1", clock=lambda: now)
    made.start()
    return made


def emf(**values: float) -> str:
    metrics = [{"Name": name, "Unit": "Count"} for name in values]
    about = {"Namespace": "Sluice", "Dimensions": [["stack"]], "Metrics": metrics}
    return json.dumps(
        {"_aws": {"Timestamp": 7, "CloudWatchMetrics": [about]}, "stack": "s", **values}
    )


def test_lines_are_sent_once_also_after_a_failure() -> None:
    """A call that was refused is made again with the next look; what went through is not."""
    cloud = Cloud(lines=[emf(A=1), "START", emf(A=2, B=3)])
    bridge = bridge_over(cloud)
    cloud.refuses = 1
    with pytest.raises(ConnectionError):
        bridge.look()
    assert bridge.look() == 3 + len(cloud.alive)
    assert [(row["MetricName"], row["Values"]) for _, row in cloud.put] == [
        ("A", [1.0]), ("A", [2.0]), ("B", [3.0]),
    ]  # fmt: skip
    assert bridge.look() == 0


def test_it_tells_that_it_works_now_and_then() -> None:
    cloud, moments = Cloud(), iter([NOW, NOW, NOW + 10, NOW + 31, NOW + 32])
    bridge = Bridge(lambda _: cloud, "", "sluice", "us-east-1", clock=lambda: next(moments))
    bridge.start()
    counts = []
    for _ in range(4):
        bridge.look()
        counts.append(len(cloud.alive))
    assert counts == [1, 1, 2, 2]


def test_a_line_that_is_refused_is_told_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    broken = emf(A=1).replace('"stack": "s"', '"other": "s"')
    cloud = Cloud(lines=[broken, emf(B=2)])
    bridge_over(cloud).look()
    assert [(namespace, row["MetricName"]) for namespace, row in cloud.put] == [
        ("AWS/Logs", "EMFValidationErrors"), ("Sluice", "B"),
    ]  # fmt: skip
    assert "dimension 'stack'" in capsys.readouterr().out


def test_metric_filters_count_lines_of_their_group_only() -> None:
    transformation = {"metricNamespace": "Sluice", "metricName": "F", "metricValue": "1"}
    filters = [
        {"logGroupName": group, "filterName": group, "filterPattern": '{ $.message = "x" }',
         "metricTransformations": [transformation]}
        for group in ("/aws/lambda/w", "/aws/lambda/other")
    ]  # fmt: skip
    cloud = Cloud(lines=['{"message": "x"}', '{"message": "y"}'], filters=filters)
    bridge_over(cloud).look()
    assert [row["MetricName"] for _, row in cloud.put] == ["F"]


# --- alarms -------------------------------------------------------------------------------------------


def test_an_alarm_rings_and_ends_with_its_period() -> None:
    """One point is an alarm for the evaluation range; after it, missing data are as the alarm says."""
    cloud = Cloud(alarms=[dict(ALARM)])
    watch = AlarmWatch(cloud, cloud)
    assert watch.look(NOW) == []
    cloud.points.append(("Late", NOW + 3, 2.0))
    (change,) = watch.look(NOW + 5)
    assert (change.alarm, change.before, change.after) == ("sluice-late", "OK", "ALARM")
    assert watch.look(NOW + 100) == []
    (change,) = watch.look(NOW + 200)
    assert change.after == "OK"
    assert cloud.state("sluice-late") == "OK"


def test_a_state_set_by_hand_lasts_until_the_next_look() -> None:
    cloud = Cloud(alarms=[{**ALARM, "StateValue": "ALARM"}])
    AlarmWatch(cloud, cloud).look(NOW)
    assert cloud.state("sluice-late") == "OK"


def test_pace_makes_periods_shorter() -> None:
    cloud = Cloud(alarms=[dict(ALARM)], points=[("Late", NOW, 2.0)])
    watch = AlarmWatch(cloud, cloud, pace=6)
    watch.look(NOW + 1)
    assert cloud.state("sluice-late") == "ALARM"
    watch.look(NOW + 40)  # three periods of 10 s
    assert cloud.state("sluice-late") == "OK"


def test_statistics_over_periods() -> None:
    """Of grains: what was recorded in a period, however it lies within."""
    cloud = Cloud(
        points=[
            ("m", NOW - 59, 4.0),
            ("m", NOW - 30, 8.0),
            ("m", NOW - 30, 6.0),
            ("m", NOW - 119, 1.0),
        ]
    )
    stats = ("Sum", "Maximum", "Minimum", "Average", "SampleCount")
    wanted = [Wanted("N", "m", (), stat, 60, 3) for stat in stats]
    read = PointReader(cloud).read(wanted, NOW)
    assert [read[each] for each in wanted] == [
        [None, 1.0, 18.0], [None, 1.0, 8.0], [None, 1.0, 4.0], [None, 1.0, 6.0], [None, 1.0, 3.0],
    ]  # fmt: skip


def math_alarm(expression: str, **more: Any) -> dict[str, Any]:
    def stat(name: str) -> dict[str, Any]:
        metric = {"Namespace": "Sluice", "MetricName": name}
        return {
            "Id": name,
            "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        }

    base = {
        k: v
        for k, v in ALARM.items()
        if k not in ("Namespace", "MetricName", "Statistic", "Dimensions")
    }
    return {**base, "AlarmName": "sluice-share", "Threshold": 50.0, **more,
            "Metrics": [stat("a"), stat("b"), {"Id": "e", "Expression": expression}]}  # fmt: skip


def test_an_alarm_of_metric_math() -> None:
    alarm = metric_alarm(math_alarm("100 * a / b"))
    cloud = Cloud(points=[("a", NOW - 1, 6.0), ("b", NOW - 2, 10.0), ("a", NOW - 100, 1.0)])
    read = PointReader(cloud).read(list(alarm.metrics.values()), NOW)
    judged = alarm.judge(read, NOW)
    assert (judged.state, "latest 60" in judged.reason) == ("ALARM", True)


def test_an_alarm_that_is_not_understood_is_named() -> None:
    with pytest.raises(AlarmRefused, match=r"sluice-late.*LessThanLowerThreshold"):
        metric_alarm({**ALARM, "ComparisonOperator": "LessThanLowerThreshold"})
    given = math_alarm("a + zzz")
    alarm = metric_alarm(given)
    read = PointReader(Cloud()).read(list(alarm.metrics.values()), NOW)
    with pytest.raises(AlarmRefused, match="sluice-share"):
        alarm.judge(read, NOW)


# --- pages --------------------------------------------------------------------------------------------


def composite(rule: str | dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::CompositeAlarm", "Condition": "OnAws",
        "Properties": {"AlarmRule": rule, "AlarmActions": ["topic"], "OKActions": ["topic"], **more},
    }  # fmt: skip


PAGES = {
    "Conditions": {"Embedded": {"Fn::Equals": [{"Ref": "Stage"}, "local"]},
                   "OnAws": {"Fn::Not": [{"Condition": "Embedded"}]}},
    "Resources": {
        "LatePage": composite('ALARM("sluice-late")', ActionsSuppressor={"Fn::GetAtt": ["Cause", "Arn"]},
                              ActionsSuppressorWaitPeriod=10, ActionsSuppressorExtensionPeriod=20),
        "Cause": composite({"Fn::Sub": "ALARM(${Vendors})"}, AlarmActions=[], OKActions=[]),
        "Vendors": composite('ALARM("sluice-breaker")'),
    },
}  # fmt: skip


def paged(*points: tuple[str, float, float]) -> tuple[Cloud, AlarmWatch]:
    breaker = {**ALARM, "AlarmName": "sluice-breaker", "MetricName": "Breaker"}
    cloud = Cloud(alarms=[dict(ALARM), breaker], template=PAGES, points=list(points))
    bridge = bridge_over(cloud)
    assert bridge._watch is not None
    return cloud, bridge._watch


def test_pages_are_made_as_on_aws_and_follow_their_alarms() -> None:
    """In an order in which each finds what it names; one with a suppressor takes no actions by itself."""
    cloud, watch = paged(("Breaker", NOW, 1.0))
    assert list(cloud.composites) == ["sluice-Vendors", "sluice-LatePage", "sluice-Cause"] or (
        list(cloud.composites).index("sluice-Vendors")
        < list(cloud.composites).index("sluice-Cause")
    )
    assert cloud.composites["sluice-Vendors"]["ActionsEnabled"] is True
    assert cloud.composites["sluice-LatePage"]["ActionsEnabled"] is False
    watch.look(NOW + 1)
    assert [cloud.state(f"sluice-{name}") for name in ("Vendors", "Cause", "LatePage")] == [
        "ALARM",
        "ALARM",
        "OK",
    ]


def test_a_page_without_a_cause_is_told_after_the_wait() -> None:
    cloud, watch = paged(("Late", NOW, 1.0))
    watch.look(NOW + 1)
    assert cloud.state("sluice-LatePage") == "ALARM"
    assert cloud.sent == []
    watch.look(NOW + 12)
    assert cloud.sent == [("topic", "sluice-LatePage ALARM")]


def test_a_page_whose_cause_is_known_keeps_quiet() -> None:
    """Also when the cause shows itself after it, within the wait."""
    cloud, watch = paged(("Late", NOW, 1.0), ("Breaker", NOW + 5, 1.0))
    for later in (1, 6, 12, 60):
        watch.look(NOW + later)
    assert cloud.state("sluice-LatePage") == "ALARM"
    assert cloud.sent == []


def test_queues_are_told_of_as_often_as_shorter_periods_need() -> None:
    """Else an alarm would end for want of points while the message still lies there."""
    cloud = Cloud()
    bridge = Bridge(lambda _: cloud, "", "sluice", "us-east-1", pace=20, clock=lambda: NOW)
    bridge.start()
    assert bridge._queues is not None
    assert bridge._queues.every_s == 3
