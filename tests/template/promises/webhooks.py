"""The doors that strangers can knock at: how they are reached, how often, and what is written about it."""

from __future__ import annotations

import re

from tests.template.promises.concurrency import FUNCTION
from tests.template.reading import Document, Template, as_list, logical_id, mentioned, texts

API = "AWS::ApiGatewayV2::Api"
ROUTE = "AWS::ApiGatewayV2::Route"
STAGE = "AWS::ApiGatewayV2::Stage"
INTEGRATION = "AWS::ApiGatewayV2::Integration"
PERMISSION = "AWS::Lambda::Permission"
VENDORS_WAIT_S = 15
"""ShipBob's documentation: an answer within 15 seconds. The shortest patience of those we know."""

DOORS = {
    "POST /webhooks/{source}/{client_id}": "WebhookFunction",
    "GET /health": "HealthFunction",
    "GET /ready": "HealthFunction",
    "GET /metrics": "HealthFunction",
}
"""Each route and who answers there."""

MOST_PER_SECOND, MOST_AT_ONCE = 10, 20
"""Of a route that is watched, not delivered to."""

GATEWAY_WAITS_S = 30
"""The longest that an HTTP API waits for anybody."""

_VARIABLE = re.compile(r"\$[\w.]+")
_WRITTEN = frozenset(
    {
        "$context.requestId",
        "$context.requestTime",
        "$context.identity.sourceIp",
        "$context.routeKey",
        "$context.status",
        "$context.responseLength",
        "$context.responseLatency",
        "$context.error.message",
    }
)


def only_webhooks_and_health_are_reached_from_outside(template: Template) -> list[str]:
    """Each route by its method, to its function; whatever is none of them is answered by the gateway alone."""
    found = [
        (route.get("RouteKey"), _answering(template, route))
        for _, route in template.properties(ROUTE)
    ]
    violations = [
        f"{key} leads to {function}"
        for key, function in found
        if DOORS.get(str(key)) != function or function is None
    ]
    if sorted(str(key) for key, _ in found) != sorted(DOORS):
        violations.append(f"the routes are {sorted(str(key) for key, _ in found)}")
    reached = {
        logical_id(each.get("IntegrationUri")) for _, each in template.properties(INTEGRATION)
    }
    if reached != set(DOORS.values()):
        violations.append(f"the gateway reaches {sorted(map(str, reached))}")
    if template.resources("AWS::Lambda::Url"):
        violations.append("a function has an address of its own")
    return violations


def _answering(template: Template, route: Document) -> str | None:
    """The function behind a route's integration."""
    integrations = template.resources(INTEGRATION)
    named = mentioned(route.get("Target")) & set(integrations)
    functions = {logical_id(template.get(name).get("IntegrationUri")) for name in named}
    return functions.pop() if len(functions) == 1 else None


def events_are_read_as_they_are_sent(template: Template) -> list[str]:
    """The function reads payloads of format 2.0; in 1.0 the headers stand elsewhere."""
    return [
        f"{name} sends format {each.get('PayloadFormatVersion')}"
        for name, each in template.properties(INTEGRATION)
        if each.get("PayloadFormatVersion") != "2.0" or each.get("IntegrationType") != "AWS_PROXY"
    ]


def webhooks_are_throttled(template: Template) -> list[str]:
    """By rate and burst, of parameters: a flood costs the sender more than us."""
    violations = [] if template.resources(STAGE) else ["no stage"]
    for name, stage in template.properties(STAGE):
        settings = stage.get("DefaultRouteSettings", {})
        violations += [
            f"{name} has no {key} of a parameter"
            for key in ("ThrottlingRateLimit", "ThrottlingBurstLimit")
            if logical_id(settings.get(key)) not in template.parameters
        ]
    return violations


def watching_takes_little(template: Template) -> list[str]:
    """Whoever asks for health in a storm is turned away by the gateway, and takes nothing from webhooks."""
    violations = []
    for name, stage in template.properties(STAGE):
        settings = stage.get("RouteSettings", {})
        for route in (route for route, function in DOORS.items() if function == "HealthFunction"):
            told = settings.get(route, {})
            if not 0 < told.get("ThrottlingRateLimit", 0) <= MOST_PER_SECOND:
                violations.append(f"{name} lets in any number of {route} a second")
            if not 0 < told.get("ThrottlingBurstLimit", 0) <= MOST_AT_ONCE:
                violations.append(f"{name} lets in any number of {route} at once")
        needed = {
            each for each, route in template.properties(ROUTE) if route.get("RouteKey") in settings
        }
        depends = set(as_list(template.resources(STAGE)[name].get("DependsOn")))
        violations += [f"{name} may be made before {each}" for each in sorted(needed - depends)]
    return violations


def requests_are_logged_without_what_they_say(template: Template) -> list[str]:
    """Who asked and what was answered, never headers, bodies or the path: they hold signatures and names."""
    violations = []
    for name, stage in template.properties(STAGE):
        settings = stage.get("AccessLogSettings", {})
        variables = {
            variable
            for text in texts(settings.get("Format", ""))
            for variable in _VARIABLE.findall(text)
        }
        if not variables or variables - _WRITTEN:
            violations.append(f"{name} writes {sorted(variables - _WRITTEN) or 'nothing'}")
        if logical_id(settings.get("DestinationArn")) not in template.resources(
            "AWS::Logs::LogGroup"
        ):
            violations.append(f"{name} writes to no log group of the template")
    return violations


def answers_come_before_vendors_give_up(template: Template) -> list[str]:
    """A function ends before the gateway gives it up, and for webhooks both before the vendor does."""
    violations = []
    for name, each in template.properties(INTEGRATION):
        function = template.get(logical_id(each.get("IntegrationUri")))
        timeout_s = template.value(function.get("Timeout", 3))
        patience_s = each.get("TimeoutInMillis", 30_000) / 1000
        waits_s = (
            VENDORS_WAIT_S
            if logical_id(each.get("IntegrationUri")) == "WebhookFunction"
            else GATEWAY_WAITS_S
        )
        if not timeout_s < patience_s < waits_s:
            violations.append(f"{name}: {timeout_s} s, {patience_s} s, {waits_s} s")
    return violations


def only_our_gateway_calls(template: Template) -> list[str]:
    """Functions are called by services of this account alone, and the gateway's permission names our API."""
    violations = []
    for name, permission in template.properties(PERMISSION):
        if permission.get("Principal") != "apigateway.amazonaws.com":
            violations.append(f"{name} lets {permission.get('Principal')} call")
        elif "WebhookApi" not in mentioned(permission.get("SourceArn")):
            violations.append(f"{name} lets every API call")
        elif logical_id(permission.get("FunctionName")) not in template.resources(FUNCTION):
            violations.append(f"{name} is about no function of the template")
    return violations


PROMISES = (
    only_webhooks_and_health_are_reached_from_outside,
    events_are_read_as_they_are_sent,
    webhooks_are_throttled,
    watching_takes_little,
    requests_are_logged_without_what_they_say,
    answers_come_before_vendors_give_up,
    only_our_gateway_calls,
)
