"""Mutations of what does the work: queues, functions, schedules, tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.template.mutations import Mutation, both, breaking, drop, put

R = "Resources"
WORKERS = "Mappings/Workers"
QUEUE = f"{R}/SliceQueue/Properties"
BACKFILLS = f"{R}/BackfillQueue/Properties"
DEAD = f"{R}/SliceDeadLetterQueue/Properties"
EVENT = f"{R}/WorkerFunction/Properties/Events/Slices/Properties"
BACKFILL_EVENT = f"{R}/WorkerFunction/Properties/Events/Backfills/Properties"
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
        backfills_forgotten=drop(f"{BACKFILLS}/RedrivePolicy"),
        a_third_queue=put(f"{R}/Third", {"Type": "AWS::SQS::Queue", "Properties": {}}),
        dead_letters_go_round=put(
            f"{DEAD}/RedrivePolicy", {"deadLetterTargetArn": {"Fn::GetAtt": ["SliceQueue", "Arn"]}}
        ),
    ),
    *breaking(
        "dead_letters_outlive_their_queue",
        left_to_sqs=drop(f"{DEAD}/MessageRetentionPeriod"),
        as_long=put(f"{QUEUE}/MessageRetentionPeriod", 1_209_600),
        backfills_as_long=put(f"{BACKFILLS}/MessageRetentionPeriod", 1_209_600),
    ),
    *breaking(
        "dead_letter_queues_take_from_their_own_queues_only",
        from_any=drop(f"{DEAD}/RedriveAllowPolicy"),
        from_all=put(f"{DEAD}/RedriveAllowPolicy/redrivePermission", "allowAll"),
        from_a_renamed_one=put(f"{QUEUE}/QueueName", {"Fn::Sub": "${AWS::StackName}-messages"}),
        from_an_unnamed_one=drop(f"{QUEUE}/QueueName"),
        not_from_backfills=drop(f"{DEAD}/RedriveAllowPolicy/sourceQueueArns/1"),
        from_another_programs=put(
            f"{DEAD}/RedriveAllowPolicy/sourceQueueArns/2",
            {"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:orders"},
        ),
    ),
    *breaking(
        "visibility_is_six_times_the_timeout",
        a_second_less=put(f"{QUEUE}/VisibilityTimeout", 359),
        left_to_sqs=drop(f"{QUEUE}/VisibilityTimeout"),
        a_longer_worker=put(f"{WORKER}/Timeout", 61),
        of_backfills=put(f"{BACKFILLS}/VisibilityTimeout", 300),
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
        backfills_left_out=drop(f"{R}/SliceQueuePolicy/Properties/Queues/2"),
        other_resource=drop(f"{R}/SliceQueuePolicy/Properties/PolicyDocument/Statement/0/Resource/0"),
        receiving_left_out=drop(f"{R}/SliceQueuePolicy/Properties/PolicyDocument/Statement/0/Action/1"),
        allowed=put(f"{R}/SliceQueuePolicy/Properties/PolicyDocument/Statement/0/Effect", "Allow"),
        only_tls_denied=put(
            f"{R}/SliceQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/Bool/aws:SecureTransport",
            "true",
        ),
    ),
    *breaking("a_message_is_one_slice", ten=put(f"{EVENT}/BatchSize", 10), default=drop(f"{EVENT}/BatchSize")),
    *breaking(
        "failed_messages_are_named",
        not_reported=drop(f"{EVENT}/FunctionResponseTypes"),
        not_of_backfills=drop(f"{BACKFILL_EVENT}/FunctionResponseTypes"),
    ),
]  # fmt: skip

CONCURRENCY: Sequence[Mutation] = [
    *breaking(
        "the_pool_is_of_a_size_we_know",
        any_size=drop("Parameters/PoolSize/AllowedValues"),
        no_parameter=both(
            put("Parameters/Pool", {"Type": "String", "Default": "20"}),
            put(f"{EVENT}/ScalingConfig/MaximumConcurrency/Fn::FindInMap/1", {"Ref": "Pool"}),
            put(f"{BACKFILL_EVENT}/ScalingConfig/MaximumConcurrency", 2),
            drop("Parameters/PoolSize"),
        ),
        another_by_default=put("Parameters/PoolSize/Default", "25"),
        none_by_default=drop("Parameters/PoolSize/Default"),
    ),
    *breaking(
        "worker_count_is_a_literal",
        a_parameter=both(
            put("Parameters/Workers", {"Type": "Number", "Default": 7}),
            put(f"{EVENT}/ScalingConfig/MaximumConcurrency", {"Ref": "Workers"}),
        ),
        text=put(f"{WORKERS}/20/Slices", "5"),
        one=put(f"{WORKERS}/20/Backfills", 1),
        no_limit=drop(f"{EVENT}/ScalingConfig"),
        no_limit_of_backfills=drop(f"{BACKFILL_EVENT}/ScalingConfig"),
        no_such_size=drop(f"{WORKERS}/40"),
        a_size_without_workers=put("Parameters/PoolSize/AllowedValues/0", "8"),
    ),
    *breaking(
        "connections_are_half_of_the_pool",
        one_slice_more=put(f"{WORKERS}/20/Slices", 6),
        one_backfill_more=put(f"{WORKERS}/30/Backfills", 4),
        one_applier_more=put(f"{WORKERS}/40/Pushes", 4),
        in_the_largest_pool=put(f"{WORKERS}/200/Slices", 71),
        no_limit=drop(f"{BACKFILL_EVENT}/ScalingConfig"),
        the_dispatcher_too=put(
            f"{DISPATCHER}/Environment/Variables/SLUICE_DATABASE_SECRET", DATABASE_SECRET
        ),
        a_third_queue=put(
            f"{WORKER}/Events/Third",
            {
                "Type": "SQS",
                "Properties": {
                    "Queue": {"Fn::GetAtt": ["SliceQueue", "Arn"]},
                    "ScalingConfig": {"MaximumConcurrency": 2},
                },
            },
        ),
    ),
    *breaking(
        "people_have_a_quarter_of_the_smallest_pool",
        many_look=put(
            f"{R}/StatusFunction/Properties/ReservedConcurrentExecutions",
            {"Fn::If": ["ReservesConcurrency", 5, {"Ref": "AWS::NoValue"}]},
        ),
        any_number_looks=drop(f"{R}/StatusFunction/Properties/ReservedConcurrentExecutions"),
        only_somewhere=put(
            f"{R}/SteerFunction/Properties/ReservedConcurrentExecutions",
            {"Fn::If": ["Embedded", 1, {"Ref": "AWS::NoValue"}]},
        ),
    ),
    *breaking(
        "fresh_data_has_most_of_the_workers",
        backfills_have_most=both(put(f"{WORKERS}/20/Slices", 2), put(f"{WORKERS}/20/Backfills", 7)),
        one_queue_for_all=drop(f"{WORKER}/Events/Backfills"),
    ),
    *breaking(
        "whoever_connects_is_bounded",
        cleanup_overlaps_by_retries=drop(f"{CLEANUP}/EventInvokeConfig"),
        cleanup_overlaps_by_rate=put(
            f"{R}/CleanupSchedule/Properties/ScheduleExpression", "rate(3 minutes)"
        ),
        nothing_bounds_receivers=put(
            f"{R}/WebhookFunction/Properties/Environment/Variables/SLUICE_DATABASE_SECRET",
            DATABASE_SECRET,
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
        of_a_table_more=put(f"{R}/More", {"Type": "AWS::DynamoDB::Table", "Properties": {}}),
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
        switches_deleted_with_it=drop(f"{R}/LimitsTable/DeletionPolicy"),
    ),
    *breaking("tables_are_encrypted_at_rest", no_key=drop(f"{STATE}/Properties/SSESpecification")),
]

MUTATIONS: Sequence[Mutation] = [*QUEUES, *CONCURRENCY, *SCHEDULES, *FUNCTIONS, *TABLES]
