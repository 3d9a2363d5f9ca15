"""Environment variables: names and ARNs only. They show in the console, in logs of deploys, everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sluice.settings import Settings
from tests.template.promises.concurrency import FUNCTION
from tests.template.reading import Template, logical_id, mentioned, texts

_SOUNDS_SECRET = re.compile(
    r"SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|API_?KEY|PRIVATE_?KEY|_URL$|DSN"
)
_NO_SECRET = {
    "SLUICE_QUEUE_URL",
    "SLUICE_BACKFILL_QUEUE_URL",
    "SLUICE_PUSH_QUEUE_URL",
    "SLUICE_DLQ_URL",
    "SLUICE_PUSH_DLQ_URL",
}
"""Sound like one: a queue's address is of no use without a role."""

_LOOKS_SECRET = re.compile(
    r"\{\{resolve:"  # CloudFormation puts the secret's value in its place
    r"|://[^/\s]*:[^/\s]*@"  # a URL with a password
    r"|AKIA[0-9A-Z]{12}|-----BEGIN"
)
_ONLY_ARNS = ":secretsmanager:"


def no_secret_is_in_the_environment(template: Template) -> list[str]:
    """Functions are told where a secret lies, and read it there."""
    violations = []
    for function, name, given in _variables(template):
        if _hidden(template, given):
            violations.append(f"{function} is given a hidden parameter as {name}")
        if any(_LOOKS_SECRET.search(text) for text in texts(given)):
            violations.append(f"{function} is given what looks like a secret as {name}")
        if _SOUNDS_SECRET.search(name) and name not in _NO_SECRET and not _is_arn(template, given):
            violations.append(f"{function}: {name} could hold anything, not only a secret's ARN")
    return violations


def no_parameter_takes_a_secret(template: Template) -> list[str]:
    """A parameter that needs hiding would be a secret in the hands of whoever may read the stack."""
    return [
        f"{name} is hidden, so it is meant for a secret"
        for name, parameter in template.parameters.items()
        if str(parameter.get("NoEcho", "")).lower() == "true"
    ]


def functions_are_told_what_they_need(template: Template) -> list[str]:
    """Every variable that Settings requires is there; a missing one fails each invocation."""
    needed = {
        field.alias
        for field in Settings.model_fields.values()
        if field.is_required() and field.alias
    }
    return [
        f"{name} lacks {variable}"
        for name, function in template.properties(FUNCTION)
        for variable in sorted(needed - set(function.get("Environment", {}).get("Variables", {})))
    ]


def _variables(template: Template) -> Iterator[tuple[str, str, Any]]:
    for function, properties in template.properties(FUNCTION):
        for name, given in properties.get("Environment", {}).get("Variables", {}).items():
            yield function, name, given


def _hidden(template: Template, given: Any) -> bool:
    used = mentioned(given) & set(template.parameters)
    return any(str(template.parameters[n].get("NoEcho", "")).lower() == "true" for n in used)


def _is_arn(template: Template, given: Any) -> bool:
    """A parameter that takes nothing but a secret's ARN, as it is."""
    name = logical_id(given) if isinstance(given, dict) and "Ref" in given else None
    return _ONLY_ARNS in template.parameters.get(name or "", {}).get("AllowedPattern", "")


PROMISES = (
    no_secret_is_in_the_environment,
    no_parameter_takes_a_secret,
    functions_are_told_what_they_need,
)
