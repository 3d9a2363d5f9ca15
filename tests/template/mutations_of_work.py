"""Mutations of what does the work: queues, functions, schedules, tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.template.mutations import Mutation, both, breaking, drop, put

R = "Resources"
QUEUE = f"{R}/SliceQueue/Properties"
DEAD = f"{R}/SliceDeadLetterQueue/Properties"
EVENT = f"{R}/WorkerFunction/Properties/Events/Slices/Properties"
WORKER = f"{R}/WorkerFunction/Properties"
CLEANUP = f"{R}/CleanupFunction/Properties"
DISPATCHER = f"{R}/DispatcherFunction/Properties"
STATE = f"{R}/StateTable"
DATABASE_SECRET: Any = {"Ref": "DatabaseSecretArn"}

QUEUES: Sequence[Mutation] = [
    *breaking(
        "every_queue_has_a_dead_letter_queue",
        no_redrive_policy=drop(f"{QUEUE}/RedrivePolicy"),
        itself=put(f"{QUEUE}/RedrivePolicy/deadLetterTargetArn", {"Fn::GetAtt": ["SliceQueue", "Arn"]}),
        a_queue_elsewhere=put(f"{QUEUE}/RedrivePolicy/deadLetterTargetArn", "arn:aws:sqs:::elsewhere"),
        first_failure=put(f"{QUEUE}/RedrivePolicy/maxReceiveCount", 1),
        a_second_queue=put(f"{R}/Second", {"Type": "AWS::SQS::Queue", "Properties": {}}),
        dead_letters_go_round=put(
            f"{DEAD}/RedrivePolicy", {"deadLetterTargetArn": {"Fn::GetAtt": ["SliceQueue", "Arn"]}}
        ),
    ),
    *breaking(
        "dead_letters_outlive_their_queue",
        left_to_sqs=drop(f"{DEAD}/MessageRetentionPeriod"),
        as_long=put(f"{QUEUE}/MessageRetentionPeriod", 1_209_600),
    ),
    *breaking(
        "dead_letter_queues_take_from_their_own_queue_only",
        from_any=drop(f"{DEAD}/RedriveAllowPolicy"),
        from_all=put(f"{DEAD}/RedriveAllowPolicy/redrivePermission", "allowAll"),
        from_a_renamed_one=put(f"{QUEUE}/QueueName", {"Fn::Sub": "${AWS::StackName}-messages"}),
        from_an_unnamed_one=drop(f"{QUEUE}/QueueName"),
    ),
    *breaking(
        "visibility_is_six_times_the_timeout",
        a_second_less=put(f"{QUEUE}/VisibilityTimeout", 359),
        left_to_sqs=drop(f"{QUEUE}/VisibilityTimeout"),
        a_longer_worker=put(f"{WORKER}/Timeout", 61),
    ),
    *breaking(
        "queues_are_encrypted_at_rest",
        switched_off=put(f"{QUEUE}/SqsManagedSseEnabled", False),
        left_to_sqs=drop(f"{DEAD}/SqsManagedSseEnabled"),
    ),
    *breaking(
        "queues_refuse_plain_http",
        no_policy=drop(f"{R}/SliceQueuePolicy"),
        dead_letters_left_out=drop(f"{R}/SliceQueuePolicy/Properties/Queues/1"),
        other_resource=drop(f"{R}/SliceQueuePolicy/Properties/PolicyDocument/Statement/0/Resource/0"),
        receiving_left_out=drop(f"{R}/SliceQueuePolicy/Properties/PolicyDocument/Statement/0/Action/1"),
        allowed=put(f"{R}/SliceQueuePolicy/Properties/PolicyDocument/Statement/0/Effect", "Allow"),
        only_tls_denied=put(
            f"{R}/SliceQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/Bool/aws:SecureTransport",
            "true",
        ),
    ),
    *breaking("a_message_is_one_slice", ten=put(f"{EVENT}/BatchSize", 10), default=drop(f"{EVENT}/BatchSize")),
    *breaking("failed_messages_are_named", not_reported=drop(f"{EVENT}/FunctionResponseTypes")),
]  # fmt: skip

CONCURRENCY: Sequence[Mutation] = [
    *breaking(
        "worker_count_is_a_literal",
        a_parameter=both(
            put("Parameters/Workers", {"Type": "Number", "Default": 10}),
            put(f"{EVENT}/ScalingConfig/MaximumConcurrency", {"Ref": "Workers"}),
        ),
        text=put("Mappings/Stages/local/MaximumConcurrency", "4"),
        one=put("Mappings/Stages/prod/MaximumConcurrency", 1),
        no_limit=drop(f"{EVENT}/ScalingConfig"),
        no_such_stage=drop("Mappings/Stages/local"),
    ),
    *breaking(
        "workers_hold_half_of_the_pool", eleven=put("Mappings/Stages/prod/MaximumConcurrency", 11)
    ),
    *breaking(
        "whoever_connects_is_bounded",
        cleanup_overlaps_by_retries=drop(f"{CLEANUP}/EventInvokeConfig"),
        cleanup_overlaps_by_rate=put(
            f"{R}/CleanupSchedule/Properties/ScheduleExpression", "rate(3 minutes)"
        ),
        nothing_bounds_migrations=put(
            f"{R}/MigrateFunction/Properties/Environment/Variables/SLUICE_DATABASE_SECRET",
            DATABASE_SECRET,
        ),
    ),
]

SCHEDULES: Sequence[Mutation] = [
    *breaking(
        "cleanup_runs_every_five_minutes",
        hourly=put(f"{R}/CleanupSchedule/Properties/ScheduleExpression", "rate(1 hour)"),
        never=drop(f"{R}/CleanupSchedule"),
        switched_off=put(f"{R}/CleanupSchedule/Properties/State", "DISABLED"),
        another_function=put(
            f"{R}/CleanupSchedule/Properties/Target/Arn",
            {"Fn::GetAtt": ["DispatcherFunction", "Arn"]},
        ),
    ),
    *breaking(
        "the_dispatcher_runs_by_a_parameter",
        a_literal=put(f"{R}/DispatcherSchedule/Properties/ScheduleExpression", "rate(1 minute)"),
        any_rate=drop("Parameters/DispatchRate/AllowedPattern"),
        a_slow_rate=put("Parameters/DispatchRate/AllowedPattern", r"^rate\(.+\)$"),
        slow_by_default=put("Parameters/DispatchRate/Default", "rate(1 hour)"),
        never=drop(f"{R}/DispatcherSchedule"),
    ),
    *breaking("a_pass_ends_before_the_next", a_long_tick=put(f"{DISPATCHER}/Timeout", 60)),
    *breaking(
        "late_ticks_are_dropped",
        left_to_lambda=drop(f"{CLEANUP}/EventInvokeConfig"),
        an_hour=put(f"{DISPATCHER}/EventInvokeConfig/MaximumEventAgeInSeconds", 3600),
    ),
]

FUNCTIONS: Sequence[Mutation] = [
    *breaking(
        "lines_are_kept_for_a_chosen_time",
        left_to_lambda=drop(f"{DISPATCHER}/LoggingConfig"),
        for_ever=drop(f"{R}/CleanupLogGroup/Properties/RetentionInDays"),
        shared=put(f"{CLEANUP}/LoggingConfig/LogGroup", {"Ref": "WorkerLogGroup"}),
        of_another_stack=put(f"{WORKER}/LoggingConfig/LogGroup", "/aws/lambda/other"),
    ),
    *breaking(
        "functions_run_on_python_3_13",
        all_of_them=put("Globals/Function/Runtime", "python3.12"),
        one_of_them=put(f"{CLEANUP}/Runtime", "python3.14"),
        a_layer=put(f"{R}/CodeLayer/Properties/CompatibleRuntimes", ["python3.12"]),
    ),
    *breaking(
        "aws_runs_them_on_arm",
        intel=put("Mappings/Stages/prod/Architecture", "x86_64"),
        left_to_lambda=drop("Globals/Function/Architectures"),
        one_of_them=put(f"{WORKER}/Architectures", ["x86_64"]),
    ),
    *breaking(
        "our_own_makefiles_build_them",
        a_layer_by_pip=drop(f"{R}/DependenciesLayer/Metadata"),
        a_function_by_pip=put(f"{R}/WorkerFunction/Metadata/BuildMethod", "python3.13"),
        no_such_target=put(f"{R}/CodeLayer/Properties/ContentUri", "migrations/"),
    ),
    *breaking(
        "a_silent_custom_resource_is_given_up",
        after_an_hour=drop(f"{R}/PreMigrations/Properties/ServiceTimeout"),
        too_early=put(f"{R}/PostMigrations/Properties/ServiceTimeout", 899),
    ),
    *breaking(
        "migrations_go_around_the_code",
        worker_first=drop(f"{R}/WorkerFunction/DependsOn"),
        cleanup_forgotten=drop(f"{R}/PostMigrations/DependsOn/2"),
        no_post=drop(f"{R}/PostMigrations"),
        pre_twice=put(f"{R}/PostMigrations/Properties/Phase", "pre"),
    ),
    *breaking(
        "changed_migrations_are_noticed",
        no_digest=drop(f"{R}/PreMigrations/Properties/Digest"),
        always_the_same=put(f"{R}/PostMigrations/Properties/Digest", "none"),
    ),
    *breaking(
        "database_users_are_known",
        the_dispatcher_too=put(
            f"{DISPATCHER}/Environment/Variables/SLUICE_DATABASE_SECRET", DATABASE_SECRET
        ),
        cleanup_not=drop(f"{CLEANUP}/Environment/Variables/SLUICE_DATABASE_SECRET"),
    ),
]

TABLES: Sequence[Mutation] = [
    *breaking(
        "items_never_expire",
        ttl=put(
            f"{STATE}/Properties/TimeToLiveSpecification",
            {"AttributeName": "expires_at", "Enabled": True},
        ),
    ),
    *breaking(
        "tables_are_paid_by_request",
        left_to_dynamodb=drop(f"{R}/RegistryTable/Properties/BillingMode"),
        provisioned=put(f"{STATE}/Properties/BillingMode", "PROVISIONED"),
    ),
    *breaking(
        "tables_can_be_restored",
        not_at_all=drop(f"{STATE}/Properties/PointInTimeRecoverySpecification"),
        switched_off=put(
            f"{R}/RegistryTable/Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled",
            False,
        ),
    ),
    *breaking(
        "tables_are_protected_unless_told",
        never=drop(f"{STATE}/Properties/DeletionProtectionEnabled"),
        always=put(f"{STATE}/Properties/DeletionProtectionEnabled", True),
        off_by_default=put("Parameters/DeletionProtection/Default", "false"),
    ),
    *breaking(
        "tables_outlive_the_stack",
        deleted_with_it=drop(f"{STATE}/DeletionPolicy"),
        deleted_when_replaced=put(f"{R}/RegistryTable/UpdateReplacePolicy", "Delete"),
    ),
    *breaking("tables_are_encrypted_at_rest", no_key=drop(f"{STATE}/Properties/SSESpecification")),
]

MUTATIONS: Sequence[Mutation] = [*QUEUES, *CONCURRENCY, *SCHEDULES, *FUNCTIONS, *TABLES]
