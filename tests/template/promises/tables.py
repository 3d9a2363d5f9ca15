"""Tables: what they remember outlives every failure, every deploy and the stack itself."""

from __future__ import annotations

from tests.template.reading import Template, logical_id

TABLE = "AWS::DynamoDB::Table"

_NOT_RESTORED = {"LimitsTable"}
"""What is in it binds for minutes, so what bound last week is no use; people's switches are audited."""


def items_never_expire(template: Template) -> list[str]:
    """A fencing token that began again at 1 would be older than every one before."""
    return [
        f"{name} has a TTL"
        for name, table in template.properties(TABLE)
        if "TimeToLiveSpecification" in table
    ]


def tables_are_paid_by_request(template: Template) -> list[str]:
    """Nothing is idle to pay for, and no capacity is there to be exceeded by a burst of slices."""
    return [
        f"{name} is not on demand"
        for name, table in template.properties(TABLE)
        if table.get("BillingMode") != "PAY_PER_REQUEST" or "ProvisionedThroughput" in table
    ]


def tables_can_be_restored(template: Template) -> list[str]:
    """To any second of the last 35 days; the protocol copes with a restored table."""
    return [
        f"{name} has no point-in-time recovery"
        for name, table in template.properties(TABLE)
        if name not in _NOT_RESTORED
        and table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
        is not True
    ]


def tables_are_protected_unless_told(template: Template) -> list[str]:
    """A parameter, on by default: the embedded stack and a farewell switch it off."""
    violations = []
    for name, table in template.properties(TABLE):
        given = logical_id(table.get("DeletionProtectionEnabled")) or ""
        if template.parameters.get(given, {}).get("Default") != "true":
            violations.append(f"{name} is not protected from deletion by a parameter")
    return violations


def tables_outlive_the_stack(template: Template) -> list[str]:
    """A deleted stack, and a change that replaces a table, leave the old one where it is."""
    return [
        f"{name} goes with the stack"
        for name, table in template.resources(TABLE).items()
        if (table.get("DeletionPolicy"), table.get("UpdateReplacePolicy")) != ("Retain", "Retain")
    ]


def tables_are_encrypted_at_rest(template: Template) -> list[str]:
    """With a key whose use shows in CloudTrail."""
    return [
        f"{name} is not encrypted by KMS"
        for name, table in template.properties(TABLE)
        if table.get("SSESpecification", {}).get("SSEEnabled") is not True
    ]


PROMISES = (
    items_never_expire,
    tables_are_paid_by_request,
    tables_can_be_restored,
    tables_are_protected_unless_told,
    tables_outlive_the_stack,
    tables_are_encrypted_at_rest,
)
