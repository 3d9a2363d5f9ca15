"""The one door that strangers can knock at: how it is reached, how often, and what is written about it."""

from __future__ import annotations

import re

from tests.template.promises.concurrency import FUNCTION
from tests.template.reading import Template, logical_id, mentioned, texts

API = "AWS::ApiGatewayV2::Api"
ROUTE = "AWS::ApiGatewayV2::Route"
STAGE = "AWS::ApiGatewayV2::Stage"
INTEGRATION = "AWS::ApiGatewayV2::Integration"
PERMISSION = "AWS::Lambda::Permission"
VENDORS_WAIT_S = 15
"""ShipBob's documentation: an answer within 15 seconds. The shortest patience of those we know."""

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


def only_webhooks_are_reached_from_outside(template: Template) -> list[str]:
    """One route, to one function, by POST; whatever is not that is answered by the gateway alone."""
    routes = dict(template.properties(ROUTE))
    violations = [
        f"{name} is {route.get('RouteKey')}"
        for name, route in routes.items()
        if route.get("RouteKey") != "POST /webhooks/{source}/{client_id}"
    ]
    if len(routes) != 1:
        violations.append(f"there are {len(routes)} routes")
    reached = {
        logical_id(each.get("IntegrationUri")) for _, each in template.properties(INTEGRATION)
    }
    if reached != {"WebhookFunction"}:
        violations.append(f"the gateway reaches {sorted(map(str, reached))}")
    if template.resources("AWS::Lambda::Url"):
        violations.append("a function has an address of its own")
    return violations


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
    """The function ends before the gateway gives it up, and both before the vendor does."""
    violations = []
    for name, each in template.properties(INTEGRATION):
        function = template.get(logical_id(each.get("IntegrationUri")))
        timeout_s = template.value(function.get("Timeout", 3))
        patience_s = each.get("TimeoutInMillis", 30_000) / 1000
        if not timeout_s < patience_s < VENDORS_WAIT_S:
            violations.append(f"{name}: {timeout_s} s, {patience_s} s, {VENDORS_WAIT_S} s")
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
    only_webhooks_are_reached_from_outside,
    events_are_read_as_they_are_sent,
    webhooks_are_throttled,
    requests_are_logged_without_what_they_say,
    answers_come_before_vendors_give_up,
    only_our_gateway_calls,
)
