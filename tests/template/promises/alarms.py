"""Alarms: each is about something that exists, tells somebody, and has a page that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from local.places import PROJECT
from tests.template.promises.concurrency import FUNCTION
from tests.template.promises.queues import QUEUE
from tests.template.promises.schedules import schedules_of
from tests.template.reading import Document, Template, logical_id, texts

ALARM = "AWS::CloudWatch::Alarm"
RUNBOOKS = Path("docs/runbooks")
_NAME = "${AWS::StackName}-"


def alarms_and_runbooks_go_in_pairs(template: Template) -> list[str]:
    """A runbook of each alarm's name, and no runbook of an alarm that is gone."""
    alarms = set(_alarms(template))
    runbooks = {path.stem for path in (PROJECT / RUNBOOKS).glob("*.md")}
    return [f"alarm {name} has no runbook" for name in sorted(alarms - runbooks)] + [
        f"runbook {name} has no alarm" for name in sorted(runbooks - alarms)
    ]


def alarms_name_their_runbook(template: Template) -> list[str]:
    """Whoever is woken by it reads the description first."""
    return [
        f"{name} does not name {RUNBOOKS}/{name}.md"
        for name, alarm in _alarms(template).items()
        if f"Runbook {RUNBOOKS}/{name}.md" not in alarm.get("AlarmDescription", "")
    ]


def alarms_tell_somebody(template: Template) -> list[str]:
    """When they begin and when they end, if there is a topic to tell."""
    return [
        f"{name} tells nobody by {key}"
        for name, alarm in _alarms(template).items()
        for key in ("AlarmActions", "OKActions")
        if {"Ref": "AlarmTopicArn"} not in _if_somebody_listens(alarm.get(key))
    ]


def alarms_say_what_silence_means(template: Template) -> list[str]:
    """Nothing measured is good news of a queue or of failures, and bad news of a schedule."""
    violations = []
    for name, alarm in _alarms(template).items():
        function = _dimension(alarm, "FunctionName")
        wanted = "breaching" if schedules_of(template, function) else "notBreaching"
        if alarm.get("TreatMissingData") != wanted:
            violations.append(f"{name} takes silence for {alarm.get('TreatMissingData')}")
    return violations


def alarms_watch_what_is_there(template: Template) -> list[str]:
    """A metric of a queue, a function or a filter of this template: any other is silent for ever."""
    return [
        f"{name} watches {alarm.get('Namespace')} {alarm.get('MetricName')}, which nothing sends"
        for name, alarm in _alarms(template).items()
        if not _is_sent(template, alarm)
    ]


def alarms_suit_the_embedded_stack(template: Template) -> list[str]:
    """Composite alarms and metric math fail a deploy there, so they need a condition to stand behind."""
    math = [
        name
        for name, alarm in template.resources(ALARM).items()
        if "Metrics" in alarm["Properties"] and "Condition" not in alarm
    ]
    composite = [
        name
        for name, alarm in template.resources("AWS::CloudWatch::CompositeAlarm").items()
        if "Condition" not in alarm
    ]
    return [f"{name} fails the embedded deploy" for name in math + composite]


def what_can_fail_has_an_alarm(template: Template) -> list[str]:
    """Every queue that feeds a function, every dead-letter queue, every function that runs by itself."""
    watched = {
        (alarm.get("MetricName"), logical_id(dimension.get("Value")))
        for alarm in _alarms(template).values()
        for dimension in alarm.get("Dimensions", [])
    }
    wanted = set()
    for name, queue in template.properties(QUEUE):
        feeds = "RedrivePolicy" in queue
        metric = "ApproximateAgeOfOldestMessage" if feeds else "ApproximateNumberOfMessagesVisible"
        wanted.add((metric, name))
    for name, function in template.properties(FUNCTION):
        if "SLUICE_MIGRATION_DATABASE_SECRET" not in function["Environment"]["Variables"]:
            wanted.add(("Errors", name))  # migrations fail the deploy instead
    return [f"no alarm on {metric} of {name}" for metric, name in sorted(wanted - watched)]


def waiting_for_a_vendor_is_no_alarm(template: Template) -> list[str]:
    """A message may be delayed for 15 minutes on purpose; the alarm on old messages begins beyond."""
    return [
        f"{name} rings for a message that was delayed on purpose"
        for name, alarm in _alarms(template).items()
        if alarm.get("MetricName") == "ApproximateAgeOfOldestMessage" and alarm["Threshold"] <= 900
    ]


def _alarms(template: Template) -> Mapping[str, Document]:
    """By name without the stack's; what has no such name keeps its logical id."""
    return {
        next(texts(alarm.get("AlarmName", name))).removeprefix(_NAME): alarm
        for name, alarm in template.properties(ALARM)
    }


def _if_somebody_listens(given: object) -> list[object]:
    match given:
        case {"Fn::If": ["SomebodyListens", list(actions), {"Ref": "AWS::NoValue"}]}:
            return actions
        case list():
            return given
        case _:
            return []


def _dimension(alarm: Document, wanted: str) -> str:
    for dimension in alarm.get("Dimensions", []):
        if dimension["Name"] == wanted:
            return logical_id(dimension["Value"]) or ""
    return ""


def _is_sent(template: Template, alarm: Document) -> bool:
    match alarm.get("Namespace"):
        case "AWS/SQS":
            return _dimension(alarm, "QueueName") in dict(template.properties(QUEUE))
        case "AWS/Lambda":
            return _dimension(alarm, "FunctionName") in dict(template.properties(FUNCTION))
        case own:
            sent = [
                (each["MetricNamespace"], each["MetricName"])
                for _, found in template.properties("AWS::Logs::MetricFilter")
                for each in found["MetricTransformations"]
            ]
            return (own, alarm.get("MetricName")) in sent and not alarm.get("Dimensions")


PROMISES = (
    alarms_and_runbooks_go_in_pairs,
    alarms_name_their_runbook,
    alarms_tell_somebody,
    alarms_say_what_silence_means,
    alarms_watch_what_is_there,
    alarms_suit_the_embedded_stack,
    what_can_fail_has_an_alarm,
    waiting_for_a_vendor_is_no_alarm,
)
