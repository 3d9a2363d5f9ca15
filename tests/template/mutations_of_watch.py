"""Mutations of what watches and guards the work: roles, environment, alarms, outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.template.mutations import Change, Mutation, both, breaking, drop, put

R = "Resources"
WORKER = f"{R}/WorkerRole/Properties/Policies/0/PolicyDocument/Statement"
DISPATCHER = f"{R}/DispatcherRole/Properties/Policies/0/PolicyDocument/Statement"
TRACES = f"{R}/TracesPolicy/Properties/PolicyDocument/Statement"
SCHEDULER = f"{R}/SchedulerRole/Properties"
VARIABLES = f"{R}/WorkerFunction/Properties/Environment/Variables"
ALARM = f"{R}/DeadLettersAlarm/Properties"
HIDDEN: Any = {"Type": "String", "NoEcho": True}
EVERY_TABLE: Any = {"Effect": "Allow", "Action": ["dynamodb:PartiQLUpdate"], "Resource": "*"}
NOTHING: Any = {"Ref": "AWS::NoValue"}
MATH: Any = [{"Id": "sum", "Expression": "a + b"}]


def granting(action: Any, resource: Any) -> Change:
    """One more statement in the worker's policy."""
    return put(f"{WORKER}/0", {"Effect": "Allow", "Action": action, "Resource": resource})


TABLE: Any = {"Fn::GetAtt": ["StateTable", "Arn"]}

PERMISSIONS: Sequence[Mutation] = [
    *breaking(
        "no_action_is_a_pattern",
        all_of_sqs=put(f"{WORKER}/2/Action", ["sqs:*"]),
        everything=granting("*", TABLE),
        by_condition=granting(
            [{"Fn::If": ["Embedded", "dynamodb:*", {"Ref": "AWS::NoValue"}]}], TABLE
        ),
        in_a_policy_of_its_own=put(
            f"{R}/More",
            {
                "Type": "AWS::IAM::Policy",
                "Properties": {
                    "PolicyName": "more",
                    "Roles": [{"Ref": "WorkerRole"}],
                    "PolicyDocument": {"Statement": {"Action": "dynamodb:*", "Resource": TABLE}},
                },
            },
        ),
    ),
    *breaking(
        "nothing_is_granted_by_exception",
        not_action=put(
            f"{WORKER}/0", {"Effect": "Allow", "NotAction": ["iam:*"], "Resource": TABLE}
        ),
    ),
    *breaking(
        "no_resource_is_everything",
        a_star=put(f"{DISPATCHER}/0/Resource", "*"),
        every_table=put(f"{WORKER}/0/Resource", "arn:aws:dynamodb:*:*:table/*"),
        nothing_named=drop(f"{WORKER}/0/Resource"),
        traces_always=drop(f"{R}/TracesPolicy/Condition"),
        more_than_traces=put(f"{TRACES}/0/Action", ["xray:*"]),
        on_aws_too=put(f"{DISPATCHER}/5/Fn::If", ["Embedded", EVERY_TABLE, EVERY_TABLE]),
        on_aws_instead=put(f"{DISPATCHER}/5/Fn::If", ["OnAws", EVERY_TABLE, NOTHING]),
        on_aws_in_other_words=put(f"{DISPATCHER}/5/Fn::If", ["Embedded", NOTHING, EVERY_TABLE]),
    ),
    *breaking(
        "traces_are_sent_by_whoever_is_traced",
        all_but_one=drop(f"{R}/TracesPolicy/Properties/Roles/0"),
    ),
    *breaking(
        "nobody_may_delete_items",
        one=granting("dynamodb:DeleteItem", TABLE),
        in_a_list=put(f"{WORKER}/0/Action/1", "dynamodb:DeleteItem"),
        many=granting(["dynamodb:BatchWriteItem"], TABLE),
        by_sql=granting(["dynamodb:PartiQLDelete"], TABLE),
        the_table=granting(["dynamodb:DeleteTable"], TABLE),
        by_pattern=granting(["dynamodb:Del*"], TABLE),
        whatever_the_case=granting(["DynamoDB:deleteitem"], TABLE),
        by_ttl=granting(["dynamodb:UpdateTimeToLive"], TABLE),
        in_a_statement_for_the_embedded_stack=put(
            f"{DISPATCHER}/5/Fn::If/1/Action/0", "dynamodb:DeleteItem"
        ),
        on_the_embedded_stack=granting(
            [{"Fn::If": ["Embedded", "dynamodb:DeleteItem", {"Ref": "AWS::NoValue"}]}], TABLE
        ),
    ),
    *breaking(
        "each_function_has_a_role_of_its_own",
        shared=put(f"{R}/CleanupFunction/Properties/Role", {"Fn::GetAtt": ["WorkerRole", "Arn"]}),
        of_another_stack=put(f"{R}/CleanupFunction/Properties/Role", "arn:aws:iam::1:role/other"),
    ),
    *breaking(
        "roles_have_no_managed_policies",
        named=put(
            f"{R}/WorkerRole/Properties/ManagedPolicyArns",
            ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
        ),
        sams_own=drop(f"{R}/CleanupFunction/Properties/Role"),
    ),
    *breaking(
        "services_alone_assume_roles",
        anybody=put(
            f"{R}/WorkerRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal", "*"
        ),
        any_account=drop(f"{SCHEDULER}/AssumeRolePolicyDocument/Statement/0/Condition"),
        another_service=put(
            f"{SCHEDULER}/AssumeRolePolicyDocument/Statement/0/Principal/Service",
            "ec2.amazonaws.com",
        ),
    ),
    *breaking(
        "the_owners_secret_is_for_migrations",
        granted=granting("secretsmanager:GetSecretValue", {"Ref": "MigrationDatabaseSecretArn"}),
        by_its_name=drop(f"{WORKER}/4"),
        one_for_both=drop("Rules"),
        one_for_both_sometimes=put(
            "Rules/TheOwnersSecretIsAnother/RuleCondition",
            {"Fn::Equals": [{"Ref": "Stage"}, "local"]},
        ),
    ),
]

GRANTS: Sequence[Mutation] = [
    *breaking(
        "roles_grant_what_the_code_calls",
        one_more=put(f"{WORKER}/0/Action/1", "dynamodb:GetItem"),
        one_less=drop(f"{WORKER}/2/Action/3"),
        another_index=put(
            f"{DISPATCHER}/0/Resource", {"Fn::Sub": "${RegistryTable.Arn}/index/by-client"}
        ),
        every_index=put(f"{DISPATCHER}/0/Resource", {"Fn::Sub": "${RegistryTable.Arn}/index/*"}),
        another_table=put(f"{DISPATCHER}/1/Resource", TABLE),
        no_send=drop(f"{DISPATCHER}/2"),
        no_send_of_backfills=drop(f"{WORKER}/2/Resource/1"),
        no_limits=drop(f"{DISPATCHER}/3"),
        limits_for_cleanup=put(
            f"{R}/CleanupRole/Properties/Policies/0/PolicyDocument/Statement/0",
            {
                "Effect": "Allow",
                "Action": "dynamodb:UpdateItem",
                "Resource": {"Fn::GetAtt": ["LimitsTable", "Arn"]},
            },
        ),
        batches_on_aws_too=put(
            f"{DISPATCHER}/2/Action", ["sqs:SendMessage", "sqs:SendMessageBatch"]
        ),
        every_function=put(f"{SCHEDULER}/Policies/0/PolicyDocument/Statement/0/Resource", "*"),
        any_secret=put(
            f"{WORKER}/3/Resource/1", {"Fn::Sub": "arn:aws:secretsmanager:*:*:secret:*"}
        ),
        a_role_more=put(
            f"{R}/MoreRole",
            {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Statement": []},
                    "Policies": [
                        {
                            "PolicyName": "more",
                            "PolicyDocument": {
                                "Statement": [
                                    {
                                        "Effect": "Allow",
                                        "Action": "sqs:SendMessage",
                                        "Resource": "a",
                                    }
                                ]
                            },
                        }
                    ],
                },
            },
        ),
    ),
]

ENVIRONMENT: Sequence[Mutation] = [
    *breaking(
        "no_secret_is_in_the_environment",
        hidden_parameter=both(
            put("Parameters/ApiKey", HIDDEN), put(f"{VARIABLES}/SLUICE_THING", {"Ref": "ApiKey"})
        ),
        hidden_in_a_sentence=both(
            put("Parameters/ApiKey", HIDDEN),
            put(f"{VARIABLES}/SLUICE_THING", {"Fn::Sub": "key=${ApiKey}"}),
        ),
        resolved=put(
            f"{VARIABLES}/SLUICE_THING", "{{resolve:secretsmanager:sluice/acme:SecretString}}"
        ),
        resolved_in_a_sentence=put(
            f"{VARIABLES}/SLUICE_THING",
            {"Fn::Join": ["", ["{{resolve:ssm-secure:", {"Ref": "DatabaseSecretArn"}, "}}"]]},
        ),
        resolved_for_all=put(
            "Globals/Function/Environment/Variables/SLUICE_THING",
            {"Fn::Sub": "{{resolve:secretsmanager:${DatabaseSecretArn}}}"},
        ),
        a_password=put(f"{VARIABLES}/SLUICE_THING", "postgresql://app:pw@db.example/app"),
        a_name_for_one=put(f"{VARIABLES}/VENDOR_API_KEY", {"Ref": "Stage"}),
        a_literal=put(f"{VARIABLES}/SLUICE_DATABASE_SECRET", "hunter2"),
        any_text=drop("Parameters/DatabaseSecretArn/AllowedPattern"),
        a_url=put(f"{VARIABLES}/DATABASE_URL", {"Ref": "Stage"}),
    ),
    *breaking("no_parameter_takes_a_secret", hidden=put("Parameters/ApiKey", HIDDEN)),
    *breaking(
        "functions_are_told_what_they_need",
        no_queue=drop("Globals/Function/Environment/Variables/SLUICE_QUEUE_URL"),
        no_limits=drop("Globals/Function/Environment/Variables/SLUICE_LIMITS_TABLE"),
        no_stage=drop("Globals/Function/Environment/Variables/SLUICE_STAGE"),
    ),
]

ALARMS: Sequence[Mutation] = [
    *breaking(
        "alarms_and_runbooks_go_in_pairs",
        no_runbook=put(f"{ALARM}/AlarmName", {"Fn::Sub": "${AWS::StackName}-dead"}),
        no_alarm=drop(f"{R}/OldestMessageAlarm"),
        no_alarm_of_breakers=drop(f"{R}/BreakerOpenedAlarm"),
        unnamed=drop(f"{ALARM}/AlarmName"),
    ),
    *breaking(
        "alarms_name_their_runbook",
        no_description=drop(f"{ALARM}/AlarmDescription"),
        anothers=put(f"{ALARM}/AlarmDescription", "Runbook docs/runbooks/worker-errors.md"),
    ),
    *breaking(
        "alarms_are_on_one_page_each",
        none=drop(f"{R}/DataPage"),
        two=put(f"{R}/DataPage/Properties/AlarmRule", {"Fn::Sub": 'ALARM("${WorkerErrorsAlarm}")'}),
        one_that_is_gone=put(
            f"{R}/More",
            {
                "Type": "AWS::CloudWatch::CompositeAlarm",
                "Condition": "OnAws",
                "Properties": {"AlarmRule": {"Fn::Sub": 'ALARM("${GoneAlarm}")'}},
            },
        ),
    ),
    *breaking(
        "pages_tell_somebody",
        nobody=drop(f"{R}/OursPage/Properties/AlarmActions"),
        not_of_its_end=put(f"{R}/LatePage/Properties/OKActions", []),
        a_topic_that_may_not_be_there=put(
            f"{R}/OursPage/Properties/AlarmActions", [{"Ref": "AlarmTopic"}]
        ),
    ),
    *breaking(
        "alarms_alone_tell_nobody",
        somebody=put(f"{ALARM}/AlarmActions", [{"Ref": "AlarmTopic"}]),
        of_its_end=put(f"{ALARM}/OKActions", {"Ref": "AlarmTopicArn"}),
    ),
    *breaking(
        "being_late_is_silent_while_its_cause_is_told",
        never=drop(f"{R}/LatePage/Properties/ActionsSuppressor"),
        for_data_too=put(
            f"{R}/CausePage/Properties/AlarmRule",
            {"Fn::Sub": 'ALARM("${VendorsPage}") OR ALARM("${OursPage}") OR ALARM("${DataPage}")'},
        ),
    ),
    *breaking(
        "alarms_say_what_silence_means",
        of_a_queue=put(f"{ALARM}/TreatMissingData", "breaching"),
        of_a_schedule=put(f"{R}/CleanupErrorsAlarm/Properties/TreatMissingData", "notBreaching"),
        left_to_cloudwatch=drop(f"{R}/DispatcherErrorsAlarm/Properties/TreatMissingData"),
        between_two_looks=put(f"{R}/StreamsLateAlarm/Properties/TreatMissingData", "notBreaching"),
    ),
    *breaking(
        "alarms_watch_what_is_there",
        no_filter=drop(f"{R}/RunsFailedFilter"),
        no_filter_of_webhooks=drop(f"{R}/WebhookUnavailableFilter"),
        another_name=put(f"{R}/RunsFailedAlarm/Properties/MetricName", "RunsFailed"),
        a_dimension_that_is_not_sent=put(
            f"{R}/SlicesFailedAlarm/Properties/Dimensions", [{"Name": "service", "Value": "worker"}]
        ),
        of_every_stack=drop(f"{R}/StreamsLateAlarm/Properties/Dimensions"),
        of_another_stack=put(f"{R}/StreamsLateAlarm/Properties/Dimensions/0/Value", "sluice"),
        nobody_measures_it=put(f"{R}/StreamsLateAlarm/Properties/MetricName", "StreamsGone"),
        another_queue=put(f"{ALARM}/Dimensions/0/Value", "elsewhere"),
        another_function=put(
            f"{R}/WorkerErrorsAlarm/Properties/Dimensions/0/Value", {"Ref": "Elsewhere"}
        ),
    ),
    *breaking(
        "alarms_suit_the_embedded_stack",
        math=put(f"{ALARM}/Metrics", MATH),
        composite=put(
            f"{R}/Any",
            {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmRule": "ALARM(a)"}},
        ),
    ),
    *breaking(
        "what_can_fail_has_an_alarm",
        dead_letters=drop(f"{R}/DeadLettersAlarm"),
        worker=drop(f"{R}/WorkerErrorsAlarm"),
        dispatcher=drop(f"{R}/DispatcherErrorsAlarm"),
        cleanup=drop(f"{R}/CleanupErrorsAlarm"),
        age=drop(f"{R}/OldestMessageAlarm"),
        age_of_backfills=drop(f"{R}/OldestBackfillAlarm"),
        another_metric=put(f"{R}/WorkerErrorsAlarm/Properties/MetricName", "Throttles"),
    ),
    *breaking(
        "waiting_for_a_vendor_is_no_alarm",
        fifteen_minutes=put(f"{R}/OldestMessageAlarm/Properties/Threshold", 900),
    ),
]

OUTPUTS: Sequence[Mutation] = [
    *breaking(
        "whoever_reads_outputs_finds_them",
        of_the_command=drop("Outputs/RegistryTableName"),
        of_the_embedded_stack=drop("Outputs/WorkerFunctionName"),
    ),
    *breaking(
        "outputs_are_of_what_is_there",
        a_literal=put("Outputs/StateTableName/Value", "sluice-state"),
        of_what_is_gone=put("Outputs/StateTableName/Value", {"Ref": "LeaseTable"}),
    ),
]

MUTATIONS: Sequence[Mutation] = [*PERMISSIONS, *GRANTS, *ENVIRONMENT, *ALARMS, *OUTPUTS]
