"""Functions, what calls them, and their logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from ops.doctor.diagnosis import Diagnosis, Says
from ops.doctor.patient import LOG_GROUP, SCHEDULE, Patient, code_of

SECOND_LOOK_S = 5.0
"""A poller that lives takes a waiting message within a second."""

DEPLOY = "deploy template.yaml again"


def functions_ready(patient: Patient) -> Iterator[Diagnosis]:
    """Each function is there, active, and not throttled to nothing."""
    says = Says("functions")
    for name, found in patient.functions.items():
        if found is None:
            yield says.wrong(name, "it is not there", DEPLOY)
        elif found.get("State", "Active") not in {"Active", "Inactive"}:
            yield says.wrong(name, f"its state is {found['State']}", DEPLOY)
        elif found.get("LastUpdateStatus") == "Failed":
            why = found.get("LastUpdateStatusReason", "no reason given")
            yield says.wrong(name, f"its last update failed: {why}", DEPLOY)
        elif _reserved(patient, name) == 0:
            yield says.wrong(
                name,
                "its reserved concurrency is 0: nothing runs, and each attempt counts as a receive",
                f"aws lambda delete-function-concurrency --function-name {name}",
            )
        else:
            yield says.ok(name, "active")


def event_sources(patient: Patient) -> Iterator[Diagnosis]:
    """Every queue has its poller, and it takes messages."""
    says = Says("event-sources")
    for logical, found in patient.mappings.items():
        if found is None:
            yield says.wrong(logical, "this event source mapping is not there", DEPLOY)
            continue
        queue, uuid = _name_of(found["EventSourceArn"]), found["UUID"]
        if found["State"] not in {"Enabled", "Enabling", "Updating"}:
            yield says.wrong(
                queue,
                f"its event source is {found['State']}: messages wait and nobody works on them",
                f"aws lambda update-event-source-mapping --uuid {uuid} --enabled",
            )
        elif _nobody_takes(patient, found["EventSourceArn"]):
            yield says.wrong(
                queue,
                "messages wait, none is worked on, and its event source says that it is enabled",
                f"switch its poller off and on: aws lambda update-event-source-mapping --uuid {uuid}"
                " --no-enabled, then --enabled; see the function's log for throttles",
            )
        else:
            yield says.ok(queue, f"{found['State']}, at most {_most(found)} at once")


def schedules(patient: Patient) -> Iterator[Diagnosis]:
    """What nothing asks for does not run: the dispatcher's ticks above all."""
    says = Says("schedules")
    for logical, name in patient.resources(SCHEDULE).items():
        try:
            found = patient.aws("scheduler").get_schedule(Name=name.rsplit("/", 1)[-1])
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            yield says.wrong(logical, "this schedule is not there", DEPLOY)
            continue
        if found["State"] != "ENABLED":
            yield says.wrong(
                logical,
                f"it is {found['State'].lower()}",
                "enable it, or deploy template.yaml again",
            )
        elif _name_of(found["Target"]["Arn"]) not in patient.functions:
            yield says.wrong(logical, f"it calls {found['Target']['Arn']}, not ours", DEPLOY)
        else:
            yield says.ok(logical, found["ScheduleExpression"])


def log_retention(patient: Patient) -> Iterator[Diagnosis]:
    """Lines that are kept for ever are paid for ever; a group that is not there loses what it would hold."""
    says = Says("log-retention")
    for name in sorted(patient.resources(LOG_GROUP).values()):
        group = _log_group(patient, name)
        if group is None:
            yield says.wrong(name, "this log group is not there: its function cannot log", DEPLOY)
        elif not group.get("retentionInDays"):
            days = patient.parameters.get("LogRetentionDays", "30")
            yield says.warn(
                name,
                "it keeps its lines for ever",
                f"aws logs put-retention-policy --log-group-name {name} --retention-in-days {days}",
            )
        else:
            yield says.ok(name, f"{group['retentionInDays']} days")


def _log_group(patient: Patient, name: str) -> dict[str, Any] | None:
    answer = patient.aws("logs").describe_log_groups(logGroupNamePrefix=name)
    found = [each for each in answer["logGroups"] if each["logGroupName"] == name]
    return found[0] if found else None


def _reserved(patient: Patient, name: str) -> int | None:
    answer = patient.aws("lambda").get_function_concurrency(FunctionName=name)
    reserved: int | None = answer.get("ReservedConcurrentExecutions")
    return reserved


def _nobody_takes(patient: Patient, arn: str) -> bool:
    """Of two looks some seconds apart: a message may have come in just now."""
    url = patient.aws("sqs").get_queue_url(QueueName=_name_of(arn))["QueueUrl"]
    if not _waits(patient, url):
        return False
    patient.pause(SECOND_LOOK_S)
    return _waits(patient, url)


def _waits(patient: Patient, url: str) -> bool:
    found = patient.queue(url)
    waiting = int(found["ApproximateNumberOfMessages"])
    return waiting > 0 and int(found["ApproximateNumberOfMessagesNotVisible"]) == 0


def _most(mapping: Any) -> str:
    return str(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", "any number"))


def _name_of(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]
