"""Enough, and not more: every grant of every role, with the call that needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.template.promises.permissions import ONLY, allowed
from tests.template.reading import Document, Template, as_list

Grant = tuple[str, str]
"""An action and the resource that it is for."""

LOGS: Mapping[str, str] = {
    "logs:CreateLogStream": "the Lambda runtime, for each environment",
    "logs:PutLogEvents": "the Lambda runtime, for each line",
}
POLLING: Mapping[str, str] = {
    "sqs:ReceiveMessage": "Lambda's event source, which polls as the function's role",
    "sqs:DeleteMessage": "the same, once the handler says that a message is done",
    "sqs:GetQueueAttributes": "the same, to see how much waits",
}
QUEUES = ("SliceQueue", "BackfillQueue")


def _logs_to(group: str) -> dict[Grant, str]:
    return {(action, group): why for action, why in LOGS.items()}


def _on_queues(action: str, why: str) -> dict[Grant, str]:
    return {(action, queue): why for queue in QUEUES}


def _on_limits(why: str) -> dict[Grant, str]:
    """A page is read, and then revised by compare-and-set."""
    actions = ("dynamodb:GetItem", "dynamodb:UpdateItem")
    return {(action, "LimitsTable"): f"dynamo/book.py: {why}" for action in actions}


GRANTS: Mapping[str, Mapping[Grant, str]] = {
    "WorkerRole": {
        ("dynamodb:UpdateItem", "StateTable"): "dynamo/leases.py: acquire to release, by run_slice",
        (
            "dynamodb:GetItem",
            "RegistryTable",
        ): "dynamo/registry.py: get, by dynamo/known_entries.py",
        **_on_limits("what workers share, and what people switched"),
        **_on_queues("sqs:SendMessage", "queues/messages.py: continuations and deferrals"),
        **_on_queues(
            "sqs:ChangeMessageVisibility", "queues/deliveries.py: when a message comes back"
        ),
        **{grant: why for action, why in POLLING.items() for grant in _on_queues(action, why)},
        (
            "secretsmanager:GetSecretValue",
            "DatabaseSecretArn",
        ): "secrets/manager.py: wiring.commits",
        (
            "secretsmanager:GetSecretValue",
            "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
            "${VendorSecretPrefix}*",
        ): "secrets/manager.py: a vendor's credentials, whose names the clients file chooses",
        **_logs_to("WorkerLogGroup"),
    },
    "WebhookRole": {
        (
            "dynamodb:BatchGetItem",
            "RegistryTable",
        ): "dynamo/registry.py: webhook_secret, by receive_webhook",
        ("sqs:SendMessage", "PushQueue"): "queues/pushes.py: ask_to_apply, by receive_webhook",
        (
            "secretsmanager:GetSecretValue",
            "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
            "${WebhookSecretPrefix}*",
        ): "secrets/manager.py: with what a client's webhooks are signed",
        **_logs_to("WebhookLogGroup"),
    },
    "ApplierRole": {
        (
            "dynamodb:GetItem",
            "RegistryTable",
        ): "dynamo/registry.py: get, by dynamo/known_entries.py",
        **_on_limits("the vendor account's budget, and what people switched"),
        ("sqs:SendMessage", "PushQueue"): "queues/pushes.py: what cannot be applied now, later",
        ("sqs:SendMessage", "SliceQueue"): "queues/messages.py: a slice where no object is named",
        (
            "sqs:ChangeMessageVisibility",
            "PushQueue",
        ): "queues/deliveries.py: when a message comes back",
        **{(action, "PushQueue"): why for action, why in POLLING.items()},
        (
            "secretsmanager:GetSecretValue",
            "DatabaseSecretArn",
        ): "secrets/manager.py: wiring.commits",
        (
            "secretsmanager:GetSecretValue",
            "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
            "${VendorSecretPrefix}*",
        ): "secrets/manager.py: a vendor's credentials, to read an object again",
        **_logs_to("ApplierLogGroup"),
    },
    "HealthRole": {
        **_on_limits("answers that are kept, and what the picture shows"),
        (
            "dynamodb:Query",
            "StateTable/index/leased-index",
        ): "dynamo/leases.py: stale, by wiring_health and overview",
        **{
            (
                "sqs:GetQueueAttributes",
                queue,
            ): "queues/depths.py: depths, by wiring_health and overview"
            for queue in (
                "SliceQueue",
                "BackfillQueue",
                "PushQueue",
                "SliceDeadLetterQueue",
                "PushDeadLetterQueue",
            )
        },
        (
            "secretsmanager:GetSecretValue",
            "DatabaseSecretArn",
        ): "secrets/manager.py: is it there, and the database",
        (
            "secretsmanager:GetSecretValue",
            "MetricsTokenSecretArn",
        ): "secrets/manager.py: the token of /metrics",
        ("dynamodb:Scan", "RegistryTable"): "dynamo/registry.py: show, for /metrics",
        ("dynamodb:BatchGetItem", "LimitsTable"): "dynamo/account_pages.py: pages, for /metrics",
        **_logs_to("HealthLogGroup"),
    },
    "DispatcherRole": {
        ("dynamodb:Query", "RegistryTable/index/due-index"): "dynamo/registry.py: due, by plan",
        ("dynamodb:PartiQLUpdate", "RegistryTable"): "dynamo/batches.py: advance, by plan",
        (
            "dynamodb:BatchExecuteStatement if Embedded",
            "*",
        ): "the same call, on the embedded AWS, which sees no table in it",
        ("dynamodb:BatchGetItem", "StateTable"): "dynamo/standings.py: of, by plan",
        ("sqs:SendMessage", "SliceQueue"): "queues/messages.py: ask_for_slices (AWS: also batches)",
        ("sqs:SendMessageBatch if Embedded", "SliceQueue"): "the same call, on the embedded AWS",
        **_on_limits("one tick at a time, and what people switched"),
        **_logs_to("DispatcherLogGroup"),
    },
    "CleanupRole": {
        ("dynamodb:Query", "StateTable/index/leased-index"): "dynamo/leases.py: stale, by clean_up",
        ("dynamodb:UpdateItem", "StateTable"): "dynamo/leases.py: free, by clean_up",
        **_on_queues("sqs:SendMessage", "queues/messages.py: ask_for_slice, by clean_up"),
        (
            "secretsmanager:GetSecretValue",
            "DatabaseSecretArn",
        ): "secrets/manager.py: wiring.commits",
        **_logs_to("CleanupLogGroup"),
    },
    "MonitorRole": {
        ("dynamodb:Scan", "RegistryTable"): "dynamo/registry.py: show, by wiring.overview",
        (
            "dynamodb:Query",
            "StateTable/index/leased-index",
        ): "dynamo/leases.py: stale, by wiring.overview",
        ("dynamodb:GetItem", "LimitsTable"): "dynamo/book.py: what people switched",
        ("dynamodb:BatchGetItem", "LimitsTable"): "dynamo/account_pages.py: pages of accounts",
        **{
            ("sqs:GetQueueAttributes", queue): "queues/depths.py: how much waits"
            for queue in (*QUEUES, "PushQueue", "SliceDeadLetterQueue", "PushDeadLetterQueue")
        },
        (
            "secretsmanager:GetSecretValue",
            "DatabaseSecretArn",
        ): "secrets/manager.py: wiring.connection",
        **_logs_to("MonitorLogGroup"),
    },
    "StatusRole": {
        ("dynamodb:Scan", "RegistryTable"): "dynamo/registry.py: show, by wiring.overview",
        (
            "dynamodb:Query",
            "StateTable/index/leased-index",
        ): "dynamo/leases.py: stale, by wiring.overview",
        ("dynamodb:GetItem", "LimitsTable"): "dynamo/book.py: what people switched",
        ("dynamodb:BatchGetItem", "LimitsTable"): "dynamo/account_pages.py: pages of accounts",
        **{
            ("sqs:GetQueueAttributes", queue): "queues/depths.py: how much waits"
            for queue in (*QUEUES, "PushQueue", "SliceDeadLetterQueue", "PushDeadLetterQueue")
        },
        (
            "secretsmanager:GetSecretValue",
            "DatabaseSecretArn",
        ): "secrets/manager.py: wiring.connection",
        **_logs_to("StatusLogGroup"),
    },
    "SteerRole": {
        ("dynamodb:Scan", "RegistryTable"): "dynamo/registry.py: show, by wiring_pages",
        ("dynamodb:UpdateItem", "RegistryTable"): "dynamo/steering.py: due sooner, by steer",
        **_on_limits("switches, and the client's desk"),
        **_on_queues("sqs:SendMessage", "queues/messages.py: ask_for_slice, by act"),
        (
            "secretsmanager:GetSecretValue",
            "DatabaseSecretArn",
        ): "secrets/manager.py: wiring.connection",
        **_logs_to("SteerLogGroup"),
    },
    "MigrateRole": {
        (
            "secretsmanager:GetSecretValue",
            "MigrationDatabaseSecretArn",
        ): "secrets/manager.py: wiring.migrate",
        **_logs_to("MigrateLogGroup"),
    },
    "SchedulerRole": {
        ("lambda:InvokeFunction", "DispatcherFunction"): "the schedule of ticks",
        ("lambda:InvokeFunction", "CleanupFunction"): "the schedule of cleanup",
        ("lambda:InvokeFunction", "MonitorFunction"): "the schedule of the monitor",
    },
}

CALLS: Mapping[str, str | None] = {
    "update_item": "dynamodb:UpdateItem",
    "get_item": "dynamodb:GetItem",
    "query": "dynamodb:Query",
    "batch_get_item": "dynamodb:BatchGetItem",
    "batch_execute_statement": "dynamodb:PartiQLUpdate",
    "get_paginator": "dynamodb:Scan",  # Table.scan, for people and for whoever looks at the whole
    "get_queue_attributes": "sqs:GetQueueAttributes",
    "send_message": "sqs:SendMessage",
    "send_message_batch": "sqs:SendMessage",
    "change_message_visibility": "sqs:ChangeMessageVisibility",
}
"""What the adapters call on AWS clients, and the action that it needs."""


def roles_grant_what_the_code_calls(template: Template) -> list[str]:
    """The table above and the template say the same. Change them together, and the code with them."""
    violations = []
    found: dict[str, set[Grant]] = {}
    for role, statement in allowed(template):
        found.setdefault(role, set()).update(_grants(statement))
    for role in sorted({*found, *GRANTS}):
        granted, wanted = found.get(role, set()), set(GRANTS.get(role, {}))
        violations += [f"{role} may {' on '.join(each)}, for nothing" for each in granted - wanted]
        violations += [f"{role} may not {' on '.join(each)}" for each in wanted - granted]
    return violations


def _grants(statement: Document) -> set[Grant]:
    limited = f" if {statement[ONLY]}" if ONLY in statement else ""
    return {
        (_action(action) + limited, _resource(resource))
        for action in as_list(statement.get("Action"))
        for resource in as_list(statement.get("Resource"))
    }


def _action(given: Any) -> str:
    match given:
        case {"Fn::If": [str(condition), str(action), {"Ref": "AWS::NoValue"}]}:
            return f"{action} if {condition}"
        case _:
            return str(given)


def _resource(given: Any) -> str:
    """A resource by its name, what is below it by a path, anything else as it is written."""
    match given:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn"]}:
            return name
        case {"Fn::Sub": str(text)} if text.startswith("${") and ".Arn}/" in text:
            return text.removeprefix("${").replace(".Arn}", "", 1)
        case {"Fn::Sub": str(text)}:
            return text
        case _:
            return str(given)


PROMISES = (roles_grant_what_the_code_calls,)
