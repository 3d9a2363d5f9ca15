"""Queues: does what fails often end where somebody looks, and is a message hidden for long enough?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ops.doctor.diagnosis import Diagnosis, Says
from ops.doctor.patient import Patient

DEAD = "DeadLetterQueue"
DEAD_OF = {
    "SliceQueue": "SliceDeadLetterQueue",
    "BackfillQueue": "SliceDeadLetterQueue",
    "PushQueue": "PushDeadLetterQueue",
}
TIMES = 6
"""The queue hides a message for at least so many times its function's timeout, as AWS asks."""

FEWEST_RECEIVES = 3


def redrive_policies(patient: Patient) -> Iterator[Diagnosis]:
    """Without one, a message that nobody can work on is tried for days and then lost."""
    says = Says("redrive-policies")
    for logical, dead in DEAD_OF.items():
        queue = patient.queues.get(logical)
        if queue is None:
            yield says.wrong(logical, "this queue is not there", "deploy template.yaml again")
            continue
        wanted = patient.queues.get(dead, {}).get("QueueArn", "-")
        fault = _fault(queue, wanted)
        if fault:
            policy = json.dumps({"deadLetterTargetArn": wanted, "maxReceiveCount": 5})
            yield says.wrong(
                logical,
                fault,
                "deploy template.yaml again, or: aws sqs set-queue-attributes with RedrivePolicy "
                + policy,
            )
        else:
            yield says.ok(logical, f"to {dead}")


def _fault(queue: Mapping[str, str], wanted: str) -> str | None:
    policy: dict[str, Any] = json.loads(queue.get("RedrivePolicy") or "{}")
    if not policy:
        return "it has no redrive policy: what fails is tried until it is too old, and lost"
    if policy.get("deadLetterTargetArn") != wanted:
        return f"what fails goes to {policy.get('deadLetterTargetArn')}, where nobody looks"
    if int(policy.get("maxReceiveCount", 0)) < FEWEST_RECEIVES:
        return f"a message is given up after {policy.get('maxReceiveCount')} receives"
    return None


def visibility_timeouts(patient: Patient) -> Iterator[Diagnosis]:
    """Too short, and a message comes back while it is worked on: a second worker, for nothing."""
    says = Says("visibility-timeouts")
    by_arn = {queue["QueueArn"]: name for name, queue in patient.queues.items()}
    for mapping in filter(None, patient.mappings.values()):
        logical = by_arn.get(mapping["EventSourceArn"])
        function = patient.functions.get(mapping["FunctionArn"].split(":")[6])
        if logical is None or function is None:
            continue
        timeout = int(patient.queues[logical]["VisibilityTimeout"])
        wanted = TIMES * int(function["Timeout"])
        if timeout < wanted:
            yield says.wrong(
                logical,
                f"it hides messages for {timeout} s; its function may take {function['Timeout']} s",
                f"set VisibilityTimeout to {wanted} or deploy template.yaml again",
            )
        else:
            yield says.ok(logical, f"{timeout} s for a function of {function['Timeout']} s")


def dead_letters(patient: Patient) -> Iterator[Diagnosis]:
    """What lies there was given up: somebody's work that nobody does."""
    says = Says("dead-letters")
    for logical, queue in patient.queues.items():
        if not logical.endswith(DEAD):
            continue
        lie = int(queue["ApproximateNumberOfMessages"]) + int(
            queue["ApproximateNumberOfMessagesNotVisible"]
        )
        if lie:
            yield says.wrong(
                logical,
                f"{lie:,} message(s) lie there",
                "`sluice dlq list` says what; then `sluice dlq redrive` or `sluice dlq discard`",
            )
        else:
            yield says.ok(logical, "empty")
