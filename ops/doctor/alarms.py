"""Alarms: does somebody hear them, and which are sounding?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ops.doctor.diagnosis import Diagnosis, Says
from ops.doctor.patient import ALARM, Patient

COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
PENDING = "PendingConfirmation"
AT_ONCE = 100
"""CloudWatch describes no more alarms in one answer."""


def alarms_heard(patient: Patient) -> Iterator[Diagnosis]:
    """An alarm that tells nobody is a line in a console that nobody has open."""
    says = Says("alarms")
    alarms = _alarms(patient)
    switched_off = sorted(name for name, alarm in alarms.items() if not alarm["ActionsEnabled"])
    for name in switched_off:
        yield says.wrong(
            name,
            "its actions are switched off: it tells nobody",
            f"aws cloudwatch enable-alarm-actions --alarm-names {name}",
        )
    yield from _missing(says, patient, alarms)
    topics = sorted({arn for alarm in alarms.values() for arn in alarm.get("AlarmActions", [])})
    if not topics and patient.embedded:
        yield says.ok("all", f"{len(alarms)} alarms; here a program of the stack makes their pages")
        return
    if not topics:
        yield says.wrong(
            "all",
            f"{len(alarms)} alarms, and none tells anybody",
            "make an SNS topic, subscribe to it, and deploy with ALARM_TOPIC_ARN=<its ARN>",
        )
        return
    for arn in topics:
        yield _listened(says, patient, arn)


def alarms_sounding(patient: Patient) -> Iterator[Diagnosis]:
    """Which alarms are in alarm now; each has a runbook of its name."""
    says, prefix = Says("alarms-now"), f"{patient.target.stack}-"
    sounding = [n for n, each in sorted(_alarms(patient).items()) if each["StateValue"] == "ALARM"]
    for name in sounding:
        runbook = name.removeprefix(prefix)
        yield says.warn(name, "it is in alarm", f"see docs/runbooks/{runbook}.md")
    if not sounding:
        yield says.ok("all", "none is in alarm")


def _alarms(patient: Patient) -> Mapping[str, Mapping[str, Any]]:
    """Metric and composite alarms of the stack, by name. Those that are not there are left out."""
    names = [*patient.resources(ALARM).values(), *patient.resources(COMPOSITE).values()]
    names = [name.rsplit(":alarm:", 1)[-1] for name in names]
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(names), AT_ONCE):
        answer = patient.aws("cloudwatch").describe_alarms(
            AlarmNames=names[start : start + AT_ONCE], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        described = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        found |= {each["AlarmName"]: each for each in described}
    return found


def _missing(
    says: Says, patient: Patient, alarms: Mapping[str, Mapping[str, Any]]
) -> Iterator[Diagnosis]:
    for name in sorted(set(patient.resources(ALARM).values()) - set(alarms)):
        yield says.wrong(name, "this alarm is not there", "deploy template.yaml again")


def _listened(says: Says, patient: Patient, arn: str) -> Diagnosis:
    pages = patient.aws("sns").get_paginator("list_subscriptions_by_topic")
    found: Sequence[Mapping[str, Any]] = [
        each for page in pages.paginate(TopicArn=arn) for each in page["Subscriptions"]
    ]
    confirmed = [each for each in found if each["SubscriptionArn"] != PENDING]
    topic = arn.rsplit(":", 1)[-1]
    worse = says.warn if patient.embedded else says.wrong
    if confirmed:
        return says.ok(topic, f"{len(confirmed)} subscriber(s) hear of alarms")
    if found:
        return worse(
            topic, "nobody has confirmed a subscription yet", "confirm it, by the link in the mail"
        )
    return worse(
        topic,
        "nobody is subscribed: alarms go nowhere",
        f"aws sns subscribe --topic-arn {arn} --protocol email --notification-endpoint ADDRESS",
    )
