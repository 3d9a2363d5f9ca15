"""Alarms: each is about something that exists, tells somebody, and has a page that says what to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Set
from pathlib import Path

from local.places import PROJECT
from tests.template.promises.concurrency import FOR_PEOPLE, FUNCTION
from tests.template.promises.queues import QUEUE
from tests.template.promises.schedules import schedules_of
from tests.template.reading import Document, Template, logical_id, texts

ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
TOPIC = {"Fn::If": ["OwnTopic", {"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicArn"}]}
NAMESPACE = "Sluice"
MEASURED = {
    "StreamsLate",
    "SyncsSlow",
    "WatermarksStuck",
    "SyncsTooLarge",
    "ChangeDetectionOff",
    "ZeroRows",
    "SumsBroken",
    "WebhookTopicsSilent",
    "BrakesTripped",
    "ConnectionsPercent",
}
"""By the monitor, of the whole stack."""

OF_STACK = MEASURED | {"LeasesFreed", "MemoryPercent"}
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


def alarms_are_on_one_page_each(template: Template) -> list[str]:
    """Else an outage wakes nobody, or wakes the same person twice."""
    pages = _pages(template)
    on = Counter(alarm for page in pages.values() for alarm in _named_in(page))
    wanted = {name: 1 for name, _ in template.properties(ALARM)}
    return [
        f"{name} is on {on[name]} pages"
        for name in sorted(wanted | on)
        if on[name] != wanted.get(name)
    ]


def pages_tell_somebody(template: Template) -> list[str]:
    """When they begin and when they end: the topic that was given, else the stack's own."""
    return [
        f"{name} tells nobody by {key}"
        for name, page in _pages(template).items()
        for key in ("AlarmActions", "OKActions")
        if page.get(key) != [TOPIC]
    ]


def alarms_alone_tell_nobody(template: Template) -> list[str]:
    """Else an outage would be told once for each of its alarms."""
    return [
        f"{name} tells somebody by {key}, as its page does"
        for name, alarm in _alarms(template).items()
        for key in ("AlarmActions", "OKActions", "InsufficientDataActions")
        if key in alarm
    ]


def being_late_is_silent_while_its_cause_is_told(template: Template) -> list[str]:
    """The page of symptoms is suppressed by the pages of causes, and by nothing else."""
    composites = dict(template.properties(COMPOSITE))
    late = composites.get("LatePage", {})
    suppressor = logical_id(late.get("ActionsSuppressor"))
    causes = _named_in(composites.get(suppressor or "", {}))
    return [] if causes == {"VendorsPage", "OursPage"} else [f"LatePage is silenced by {causes}"]


def alarms_say_what_silence_means(template: Template) -> list[str]:
    """Nothing measured is good news of a queue or of failures, and bad news of a schedule. What the monitor
    measures stays as it is until it looks again; that it does look, an alarm of its own watches."""
    violations = []
    for name, alarm in _alarms(template).items():
        function = _dimension(alarm, "FunctionName")
        wanted = "breaching" if schedules_of(template, function) else "notBreaching"
        if _is_of_stack(alarm, MEASURED):
            wanted = "ignore"
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
        name for name, alarm in template.resources(COMPOSITE).items() if "Condition" not in alarm
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
        migrates = "SLUICE_MIGRATION_DATABASE_SECRET" in function["Environment"]["Variables"]
        if (
            not migrates and name not in FOR_PEOPLE
        ):  # those fail the deploy, these before a person's eyes
            wanted.add(("Errors", name))
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


def _pages(template: Template) -> Mapping[str, Document]:
    """Composite alarms over alarms, by logical id; one over pages is none."""
    composites = dict(template.properties(COMPOSITE))
    return {
        name: page for name, page in composites.items() if not _named_in(page) & set(composites)
    }


def _named_in(page: Document) -> set[str]:
    """The logical ids in a composite alarm's rule."""
    rule = next(texts(page.get("AlarmRule", "")), "")
    return set(re.findall(r'ALARM\("\$\{(\w+)\}"\)', rule))


def _dimension(alarm: Document, wanted: str) -> str:
    for dimension in alarm.get("Dimensions", []):
        if dimension["Name"] == wanted:
            return logical_id(dimension["Value"]) or ""
    return ""


def _is_of_stack(alarm: Document, metrics: Set[str]) -> bool:
    """Is it on one of these metrics, as functions send them: with the stack's name and nothing else?"""
    named = alarm.get("MetricName")
    of_stack = [{"Name": "stack", "Value": {"Ref": "AWS::StackName"}}]
    is_ours = alarm.get("Namespace") == NAMESPACE and alarm.get("Dimensions") == of_stack
    return is_ours and isinstance(named, str) and named in metrics


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
            if alarm.get("Dimensions"):
                return _is_of_stack(alarm, OF_STACK)
            return (own, alarm.get("MetricName")) in sent


PROMISES = (
    alarms_and_runbooks_go_in_pairs,
    alarms_name_their_runbook,
    alarms_are_on_one_page_each,
    pages_tell_somebody,
    alarms_alone_tell_nobody,
    being_late_is_silent_while_its_cause_is_told,
    alarms_say_what_silence_means,
    alarms_watch_what_is_there,
    alarms_suit_the_embedded_stack,
    what_can_fail_has_an_alarm,
    waiting_for_a_vendor_is_no_alarm,
)
