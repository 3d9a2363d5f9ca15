"""Queues: nothing is lost, nothing is delivered twice while it is worked on, nothing else gets in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.template.reading import Document, Template, as_list, logical_id, texts

QUEUE = "AWS::SQS::Queue"
MAPPING = "AWS::Lambda::EventSourceMapping"
KEPT_S = 345_600
"""For how long SQS keeps a message when a queue does not say."""

FEWEST_RECEIVES = 2
"""One would dead-letter a message whose worker was merely killed."""


def every_queue_has_a_dead_letter_queue(template: Template) -> list[str]:
    """A message that always fails ends where somebody finds it, not in an endless loop."""
    dead = set(_dead_letter_queues(template).values())
    violations = []
    for name, queue in template.properties(QUEUE):
        redrive = queue.get("RedrivePolicy", {})
        target = logical_id(redrive.get("deadLetterTargetArn"))
        if name in dead:
            if redrive:
                violations.append(f"{name} is a dead-letter queue and passes messages on")
        elif target not in dict(template.properties(QUEUE)) or target == name:
            violations.append(f"{name} has no dead-letter queue")
        elif template.value(redrive.get("maxReceiveCount", 0)) < FEWEST_RECEIVES:
            violations.append(f"{name} dead-letters a message at its first failure")
    return violations


def dead_letters_outlive_their_queue(template: Template) -> list[str]:
    """A dead letter keeps the age it had, so its queue must keep messages longer to leave time to look."""
    violations = []
    for name, target in _dead_letter_queues(template).items():
        here, there = (
            template.value(template.get(queue).get("MessageRetentionPeriod", KEPT_S))
            for queue in (name, target)
        )
        if there <= here:
            violations.append(f"{target} keeps messages {there} s, {name} {here} s")
    return violations


def dead_letter_queues_take_from_their_own_queues_only(template: Template) -> list[str]:
    """Another program's dead letters would raise our alarm, and be redriven into our queues."""
    violations = []
    feeding = _dead_letter_queues(template)
    for target in set(feeding.values()):
        allowed = template.get(target).get("RedriveAllowPolicy", {})
        sources = sorted(texts(allowed.get("sourceQueueArns", [])))
        wanted = sorted(_arn(template, name) for name, to in feeding.items() if to == target)
        if allowed.get("redrivePermission") != "byQueue":
            violations.append(f"{target} takes dead letters from any queue")
        elif sources != wanted:
            violations.append(f"{target} takes from {sources}, not {wanted}")
    return violations


def visibility_is_six_times_the_timeout(template: Template) -> list[str]:
    """AWS asks for it: Lambda may hold a message over several throttled attempts of one invocation."""
    violations = []
    for queue, function in _fed(template):
        visibility = template.value(template.get(queue).get("VisibilityTimeout", 30))
        timeout = template.value(template.get(function).get("Timeout", 3))
        if visibility < 6 * timeout:
            violations.append(f"{queue} hides for {visibility} s, {function} runs for {timeout} s")
    return violations


def queues_are_encrypted_at_rest(template: Template) -> list[str]:
    """Messages name clients."""
    return [
        f"{name} is not encrypted"
        for name, queue in template.properties(QUEUE)
        if queue.get("SqsManagedSseEnabled") is not True and "KmsMasterKeyId" not in queue
    ]


def queues_refuse_plain_http(template: Template) -> list[str]:
    """Every queue has a policy that denies what does not come over TLS."""
    covered = {
        logical_id(queue)
        for _, policy in template.properties("AWS::SQS::QueuePolicy")
        for statement in as_list(policy["PolicyDocument"]["Statement"])
        if _denies_plain_http(statement)
        for queue in policy["Queues"]
        if _about(statement, queue)
    }
    names = [name for name, _ in template.properties(QUEUE)]
    return [f"{name} answers over plain HTTP" for name in names if name not in covered]


def a_message_is_one_slice(template: Template) -> list[str]:
    """Two slices in one invocation would share its time, which each of them thinks its own."""
    return [
        f"{name} takes batches of {mapping.get('BatchSize')}"
        for name, mapping in template.properties(MAPPING)
        if mapping.get("BatchSize") != 1 or mapping.get("MaximumBatchingWindowInSeconds", 0) != 0
    ]


def failed_messages_are_named(template: Template) -> list[str]:
    """The worker answers which message failed; without this, Lambda takes every answer for success."""
    return [
        f"{name} ignores which messages failed"
        for name, mapping in template.properties(MAPPING)
        if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", [])
    ]


def _dead_letter_queues(template: Template) -> dict[str, str]:
    """Queue -> the other queue that its dead letters go to."""
    targets = {
        name: logical_id(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        for name, queue in template.properties(QUEUE)
    }
    return {name: target for name, target in targets.items() if target and target != name}


def _arn(template: Template, queue: str) -> str:
    """As it is written where the queue cannot be referred to: by a name that the template gives."""
    name = next(texts(template.get(queue).get("QueueName", "a name that nobody knows")))
    return f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{name}"


def _fed(template: Template) -> Iterator[tuple[str | None, str | None]]:
    """Queues and the functions that they feed."""
    for _, mapping in template.properties(MAPPING):
        yield logical_id(mapping["EventSourceArn"]), logical_id(mapping["FunctionName"])


def _denies_plain_http(statement: Document) -> bool:
    insecure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    actions = {"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"}
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") == "*"
        and str(insecure).lower() == "false"
        and actions <= set(as_list(statement.get("Action")))
    )


def _about(statement: Document, queue: Any) -> bool:
    return logical_id(queue) in map(logical_id, as_list(statement.get("Resource")))


PROMISES = (
    every_queue_has_a_dead_letter_queue,
    dead_letters_outlive_their_queue,
    dead_letter_queues_take_from_their_own_queues_only,
    visibility_is_six_times_the_timeout,
    queues_are_encrypted_at_rest,
    queues_refuse_plain_http,
    a_message_is_one_slice,
    failed_messages_are_named,
)
