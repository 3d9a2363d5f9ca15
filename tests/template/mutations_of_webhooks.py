"""Mutations of what receives webhooks: the gateway, its stage, and who may call whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.template.mutations import Mutation, breaking, drop, put

R = "Resources"
STAGE = f"{R}/WebhookStage/Properties"
INTEGRATION = f"{R}/WebhookIntegration/Properties"
WEBHOOK = f"{R}/WebhookFunction/Properties"
ROLE = f"{R}/WebhookRole/Properties/Policies/0/PolicyDocument/Statement"
VENDORS: Any = {"Fn::Sub": "arn:aws:secretsmanager:x:y:secret:${VendorSecretPrefix}*"}

MUTATIONS: Sequence[Mutation] = [
    *breaking(
        "only_webhooks_and_health_are_reached_from_outside",
        any_way=put(f"{R}/WebhookRoute/Properties/RouteKey", "$default"),
        by_any_method=put(
            f"{R}/WebhookRoute/Properties/RouteKey", "ANY /webhooks/{source}/{client_id}"
        ),
        a_second_route=put(
            f"{R}/More", {"Type": "AWS::ApiGatewayV2::Route", "Properties": {"RouteKey": "GET /"}}
        ),
        another_function=put(
            f"{INTEGRATION}/IntegrationUri", {"Fn::GetAtt": ["WorkerFunction", "Arn"]}
        ),
        webhooks_to_the_other_function=put(
            f"{R}/WebhookRoute/Properties/Target", {"Fn::Sub": "integrations/${HealthIntegration}"}
        ),
        health_by_post=put(f"{R}/HealthRoute/Properties/RouteKey", "POST /health"),
        no_readiness=drop(f"{R}/ReadyRoute"),
        an_address=put(
            f"{R}/Address", {"Type": "AWS::Lambda::Url", "Properties": {"AuthType": "NONE"}}
        ),
    ),
    *breaking(
        "events_are_read_as_they_are_sent",
        the_older_format=put(f"{INTEGRATION}/PayloadFormatVersion", "1.0"),
        left_to_the_gateway=drop(f"{INTEGRATION}/PayloadFormatVersion"),
    ),
    *breaking(
        "webhooks_are_throttled",
        no_rate=drop(f"{STAGE}/DefaultRouteSettings/ThrottlingRateLimit"),
        no_burst=drop(f"{STAGE}/DefaultRouteSettings/ThrottlingBurstLimit"),
        a_number_for_everybody=put(f"{STAGE}/DefaultRouteSettings/ThrottlingRateLimit", 100000),
    ),
    *breaking(
        "watching_takes_little",
        as_much_as_webhooks=drop(f"{STAGE}/RouteSettings/GET ~1ready"),
        any_number=put(f"{STAGE}/RouteSettings/GET ~1metrics/ThrottlingRateLimit", 100),
        all_at_once=drop(f"{STAGE}/RouteSettings/GET ~1health/ThrottlingBurstLimit"),
        before_the_routes=drop(f"{R}/WebhookStage/DependsOn"),
    ),
    *breaking(
        "requests_are_logged_without_what_they_say",
        the_path=put(f"{STAGE}/AccessLogSettings/Format", '{"path":"$context.path"}'),
        nothing=drop(f"{STAGE}/AccessLogSettings"),
        a_header=put(
            f"{STAGE}/AccessLogSettings/Format",
            '{"id":"$context.requestId","as":"$context.authorizer.error"}',
        ),
        elsewhere=put(f"{STAGE}/AccessLogSettings/DestinationArn", "arn:aws:logs:elsewhere"),
    ),
    *breaking(
        "answers_come_before_vendors_give_up",
        a_slow_function=put(f"{WEBHOOK}/Timeout", 14),
        a_patient_gateway=drop(f"{INTEGRATION}/TimeoutInMillis"),
        health_that_outlasts_its_gateway=put(f"{R}/HealthFunction/Properties/Timeout", 29),
    ),
    *breaking(
        "only_our_gateway_calls",
        anybody=put(f"{R}/WebhookPermission/Properties/Principal", "*"),
        any_api=drop(f"{R}/WebhookPermission/Properties/SourceArn"),
    ),
    *breaking(
        "strangers_are_far_from_vendors",
        vendors_credentials=put(f"{ROLE}/2/Resource", VENDORS),
        the_database=put(f"{ROLE}/2/Resource", {"Ref": "DatabaseSecretArn"}),
        slices=put(f"{ROLE}/1/Resource", {"Fn::GetAtt": ["SliceQueue", "Arn"]}),
        the_registry_to_write=put(f"{ROLE}/0/Action/0", "dynamodb:UpdateItem"),
        names_like_vendors=put("Parameters/WebhookSecretPrefix/Default", "sluice/"),
    ),
    *breaking("the_owners_secret_is_for_migrations", of_webhooks=drop(f"{ROLE}/3")),
]
