"""Roles: each function may do what its code does, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from tests.template.promises.concurrency import FUNCTION
from tests.template.reading import Document, Template, as_list, logical_id, texts

TRACING = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
ROLE = "AWS::IAM::Role"

DELETING = (
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteTable",
    "dynamodb:PartiQLDelete",
    "dynamodb:DeleteBackup",
    "dynamodb:UpdateTimeToLive",
    "dynamodb:UpdateTable",
)
"""Whatever could take an item away. The last one switches a table's deletion protection off."""

OWNERS_SECRET = "MigrationDatabaseSecretArn"
PREFIXES = {"VendorSecretPrefix", "WebhookSecretPrefix"}
"""Parameters that say how the names of secrets begin which a role may read."""

ONLY = "Only"
"""Where a statement is in force, if not everywhere. Not a key of IAM's: it is added when reading."""

NOTHING = {"Ref": "AWS::NoValue"}


def no_action_is_a_pattern(template: Template) -> list[str]:
    """A pattern grants also what AWS adds tomorrow."""
    return [
        f"{role} may {action}"
        for role, statement in allowed(template)
        for action in texts(statement.get("Action"))
        if "*" in action or "?" in action
    ]


def nothing_is_granted_by_exception(template: Template) -> list[str]:
    """NotAction and NotResource grant everything that nobody thought of."""
    return [
        f"{role} has {key}"
        for role, statement in allowed(template)
        for key in ("NotAction", "NotResource", "NotPrincipal")
        if key in statement
    ]


def traces_are_sent_by_whoever_is_traced(template: Template) -> list[str]:
    """Every function's role, else X-Ray gets nothing of it and nobody is told."""
    policies = [policy for _, policy in template.properties("AWS::IAM::Policy")]
    may = {logical_id(role) for policy in policies for role in as_list(policy.get("Roles"))}
    wanted = {logical_id(function["Role"]) or "" for _, function in template.properties(FUNCTION)}
    return [f"{role} may not send traces" for role in sorted(wanted - may)]


def no_resource_is_everything(template: Template) -> list[str]:
    """Every grant on AWS names its resource, or a prefix of names that belong to this deployment."""
    return [
        f"{role} may {statement.get('Action')} on {resource}"
        for role, statement in allowed(template)
        if ONLY not in statement
        for resource in as_list(statement.get("Resource")) or ["nothing named"]
        if logical_id(resource) is None
    ]


def nobody_may_delete_items(template: Template) -> list[str]:
    """The fencing token lives in the item: what an item remembers must outlive every failure."""
    return [
        f"{role} may {action}, which allows {deleting}"
        for role, statement in allowed(template)
        for action in texts(statement.get("Action"))
        for deleting in DELETING
        if fnmatchcase(deleting.lower(), action.lower())
    ]


def each_function_has_a_role_of_its_own(template: Template) -> list[str]:
    """A shared role grants each of its functions what the other one needs."""
    violations: list[str] = []
    taken: dict[str | None, str] = {}
    for name, function in template.properties(FUNCTION):
        role = logical_id(function.get("Role"))
        if role not in template.resources(ROLE):
            violations.append(f"{name} has a role that is not in the template")
        elif role in taken:
            violations.append(f"{name} shares {role} with {taken[role]}")
        taken[role] = name
    return violations


def roles_have_no_managed_policies(template: Template) -> list[str]:
    """AWS's own policies grant on every resource, and change without a deploy."""
    return [
        f"{name} has {role['ManagedPolicyArns']}"
        for name, role in template.properties(ROLE)
        if role.get("ManagedPolicyArns")
    ]


def services_alone_assume_roles(template: Template) -> list[str]:
    """Functions' roles by Lambda, the schedules' by the scheduler of this account."""
    functions = {logical_id(f.get("Role")) for _, f in template.properties(FUNCTION)}
    violations = []
    for name, role in template.properties(ROLE):
        wanted = "lambda.amazonaws.com" if name in functions else "scheduler.amazonaws.com"
        for statement in as_list(role["AssumeRolePolicyDocument"]["Statement"]):
            if statement.get("Principal") != {"Service": wanted}:
                violations.append(f"{name} is assumed by {statement.get('Principal')}")
            elif name not in functions and "StringEquals" not in statement.get("Condition", {}):
                violations.append(f"{name} is assumed for any account")
    return violations


def the_owners_secret_is_for_migrations(template: Template) -> list[str]:
    """Not for the worker, even where its name begins like a vendor's; and nobody holds both."""
    violations = [
        f"{role} may read the owner's secret"
        for role, statement in allowed(template)
        if role != "MigrateRole"
        and OWNERS_SECRET in map(logical_id, as_list(statement.get("Resource")))
    ]
    by_prefix = {
        role
        for role, statement in allowed(template)
        if PREFIXES & set(map(logical_id, as_list(statement.get("Resource"))))
    }
    barred = {
        role
        for role, statement in statements(template)
        if statement.get("Effect") == "Deny"
        and "secretsmanager:GetSecretValue" in as_list(statement.get("Action"))
        and OWNERS_SECRET in map(logical_id, as_list(statement.get("Resource")))
    }
    violations += [f"{role} is not barred from the owner's secret" for role in by_prefix - barred]
    if not _differ(template):
        violations.append("the owner's secret may be the application's as well")
    return violations


def strangers_are_far_from_vendors(template: Template) -> list[str]:
    """What anybody on the internet may call can read no vendor's credential, reach no database and
    touch no state: it may read which secret signs, that secret, and write one message."""
    may = {"dynamodb:BatchGetItem", "sqs:SendMessage", "secretsmanager:GetSecretValue"}
    violations = []
    for role, statement in allowed(template):
        if role != "WebhookRole":
            continue
        resources = set(map(logical_id, as_list(statement.get("Resource"))))
        actions = {each for each in texts(statement.get("Action")) if not each.startswith("logs:")}
        violations += [f"{role} may {action}" for action in sorted(actions - may)]
        far = {"VendorSecretPrefix", "DatabaseSecretArn", "StateTable", "LimitsTable", "SliceQueue"}
        if resources & far:
            violations.append(f"{role} reaches {sorted(map(str, resources))}")
    default = template.value({"Ref": "WebhookSecretPrefix"})
    if not isinstance(default, str) or len(default.strip("/").split("/")) < 2:
        violations.append(f"webhooks' secrets begin with {default!r}, as vendors' do")
    return violations


def allowed(template: Template) -> Iterator[tuple[str, Document]]:
    """Each role with each of its statements that grants something."""
    for role, statement in statements(template):
        if statement.get("Effect") != "Deny":
            yield role, statement


def statements(template: Template) -> Iterator[tuple[str, Document]]:
    """Of policies inside roles, and of those that stand alone and name roles."""
    for name, role in template.properties(ROLE):
        for policy in role.get("Policies", []):
            yield from _of(name, policy["PolicyDocument"])
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
        for name, policy in template.properties(kind):
            if _is_for_traces(template.raw["Resources"][name]):
                continue
            roles = as_list(policy.get("Roles", policy.get("RoleName"))) or [name]
            for role in roles:
                yield from _of(logical_id(role) or name, policy["PolicyDocument"])


def _is_for_traces(policy: Document) -> bool:
    """X-Ray knows no resources: the right to send it traces is over everything, and given only with traces."""
    given = [{"Effect": "Allow", "Action": list(TRACING), "Resource": "*"}]
    stated = policy["Properties"]["PolicyDocument"].get("Statement")
    return policy.get("Condition") == "Traces" and stated == given


def _of(role: str, document: Document) -> Iterator[tuple[str, Document]]:
    for statement in as_list(document["Statement"]):
        match statement:
            case {"Fn::If": ["Embedded", dict(inner), other]} if other == NOTHING:
                yield role, {**inner, ONLY: "Embedded"}
            case {"Fn::If": [_, *branches]}:
                yield from ((role, branch) for branch in branches if branch != NOTHING)
            case _:
                yield role, statement


def _differ(template: Template) -> bool:
    """A rule of the template refuses one secret for both."""
    same: Any = {"Fn::Equals": [{"Ref": "DatabaseSecretArn"}, {"Ref": OWNERS_SECRET}]}
    rules = template.translated.get("Rules", {}).values()
    return any(
        assertion["Assert"] == {"Fn::Not": [same]} and "RuleCondition" not in rule
        for rule in rules
        for assertion in rule["Assertions"]
    )


PROMISES = (
    no_action_is_a_pattern,
    nothing_is_granted_by_exception,
    no_resource_is_everything,
    traces_are_sent_by_whoever_is_traced,
    nobody_may_delete_items,
    each_function_has_a_role_of_its_own,
    roles_have_no_managed_policies,
    services_alone_assume_roles,
    the_owners_secret_is_for_migrations,
    strangers_are_far_from_vendors,
)
