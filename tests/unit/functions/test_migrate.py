"""CloudFormation always hears how migrations ended."""

from __future__ import annotations

from typing import Any

from tests.unit.functions.handlers import ScriptedAws, environment, run


def test_a_failure_is_answered_with_its_reason(aws: ScriptedAws) -> None:
    """The deploy fails at once and shows what to do, instead of waiting for a timeout."""
    aws.will("PUT", {})
    ran = run("migrate", _event(aws, "Create"), environment())
    assert ran.error == ""
    [(_, answer)] = aws.asked
    assert answer["Status"] == "FAILED"
    assert "SLUICE_MIGRATION_DATABASE_SECRET is not set" in answer["Reason"]
    assert answer["PhysicalResourceId"] == "migrations-PreMigrations"


def test_a_deleted_stack_keeps_its_data(aws: ScriptedAws) -> None:
    """Nothing is read or undone, not even the owner's secret."""
    aws.will("PUT", {})
    names = environment(SLUICE_MIGRATION_DATABASE_SECRET="owner", AWS_ENDPOINT_URL=aws.endpoint)
    ran = run("migrate", _event(aws, "Delete"), names)
    assert ran.answer == []
    assert [(operation, answer["Status"]) for operation, answer in aws.asked] == [
        ("PUT", "SUCCESS")
    ]


def _event(aws: ScriptedAws, kind: str) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": f"{aws.endpoint}/answer",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "PreMigrations",
        "ResourceProperties": {"Phase": "pre", "Digest": "none"},
    }
