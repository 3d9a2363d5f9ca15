"""`sluice doctor` on the deployed template: whatever is planted is named, and gone when it is mended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from ops.doctor.checks import CHECKS
from ops.doctor.diagnosis import Diagnosis, Verdict, examine
from ops.doctor.patient import MAPPING, SCHEDULE, Patient
from ops.target import Target, find_target
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from sluice.postgres.commits import REQUIRED_MIGRATION
from tests.e2e.deployed import Deployed, secret_name

Plant = Callable[[Deployed], AbstractContextManager[str]]
"""Breaks something and mends it at its end; yields the subject that the doctor shall name."""

CLIENT = "doctors-own"
KEY = StreamKey(CLIENT, "cars", "cars")


def target_of(deployed: Deployed) -> Target:
    """As a person's command finds it, by the stack's own file."""
    return find_target(None, environment={}, env_file=deployed.stack.places.env)


def found_by(deployed: Deployed, *checks: str) -> list[Diagnosis]:
    patient = Patient(target_of(deployed), pause=lambda _: None)
    return examine(patient, [check for check in CHECKS if check.name in checks])


def named(deployed: Deployed, check: str, subject: str) -> list[Diagnosis]:
    """What the check finds fault with at this subject."""
    return [
        each
        for each in found_by(deployed, check)
        if each.verdict is not Verdict.OK and subject in each.subject
    ]


# --- what is planted ----------------------------------------------------------------------------------


@contextmanager
def an_older_schema(deployed: Deployed) -> Iterator[str]:
    table, newer = "public.sluice_migrations", {"least": REQUIRED_MIGRATION}
    rows = deployed.database.execute(
        f"DELETE FROM {table} WHERE version >= %(least)s RETURNING *".encode(), newer
    ).fetchall()
    try:
        yield "database"
    finally:
        for row in rows:
            names, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
            deployed.database.execute(
                f"INSERT INTO {table} ({names}) VALUES ({values})".encode(), row
            )


@contextmanager
def _database_secret(deployed: Deployed, url: str) -> Iterator[None]:
    client, name = deployed.aws("secretsmanager"), deployed.names["SLUICE_DATABASE_SECRET"]
    before = client.get_secret_value(SecretId=name)["SecretString"]
    client.put_secret_value(SecretId=name, SecretString=url)
    try:
        yield
    finally:
        client.put_secret_value(SecretId=name, SecretString=before)


@contextmanager
def a_login_that_owns_the_schema(deployed: Deployed) -> Iterator[str]:
    with _database_secret(deployed, deployed.names["DATABASE_URL"]):
        yield urlsplit(deployed.names["DATABASE_URL"]).username or ""


@contextmanager
def a_direct_connection(deployed: Deployed) -> Iterator[str]:
    pooled, direct = (
        urlsplit(deployed.names[name]) for name in ("POOLED_DATABASE_URL", "DATABASE_URL")
    )
    if pooled.port == direct.port:
        pytest.skip("PgBouncer is not installed: every connection is direct")
    login = pooled.netloc.rpartition("@")[0]
    place = direct.netloc.rpartition("@")[2]
    with _database_secret(deployed, urlunsplit(pooled._replace(netloc=f"{login}@{place}"))):
        yield "database"


@contextmanager
def no_url_in_the_databases_secret(deployed: Deployed) -> Iterator[str]:
    with _database_secret(deployed, "to be filled in"):
        yield "database"


@contextmanager
def more_workers_than_the_pool_has_room_for(deployed: Deployed) -> Iterator[str]:
    with _mapping(deployed, "WorkerFunctionSlices", ScalingConfig={"MaximumConcurrency": 50}):
        yield "database"


@contextmanager
def an_event_source_that_is_off(deployed: Deployed) -> Iterator[str]:
    with _mapping(deployed, "WorkerFunctionBackfills", Enabled=False):
        yield "sluice-backfills"


@contextmanager
def _mapping(deployed: Deployed, logical: str, **changed: Any) -> Iterator[None]:
    client = deployed.aws("lambda")
    uuid = Patient(target_of(deployed)).resources(MAPPING)[logical]
    before = client.get_event_source_mapping(UUID=uuid)
    client.update_event_source_mapping(UUID=uuid, **changed)
    try:
        yield
    finally:
        client.update_event_source_mapping(
            UUID=uuid, Enabled=True, ScalingConfig=before["ScalingConfig"]
        )


@contextmanager
def a_schedule_that_is_off(deployed: Deployed) -> Iterator[str]:
    client = deployed.aws("scheduler")
    name = Patient(target_of(deployed)).resources(SCHEDULE)["CleanupSchedule"]
    found = client.get_schedule(Name=name)
    kept = {
        key: found[key] for key in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    }
    client.update_schedule(**kept, State="DISABLED")
    try:
        yield "CleanupSchedule"
    finally:
        client.update_schedule(**kept, State="ENABLED")


@contextmanager
def a_throttled_function(deployed: Deployed) -> Iterator[str]:
    client = deployed.aws("lambda")
    client.put_function_concurrency(FunctionName="sluice-migrate", ReservedConcurrentExecutions=0)
    try:
        yield "sluice-migrate"
    finally:
        client.delete_function_concurrency(FunctionName="sluice-migrate")


@contextmanager
def _queue(deployed: Deployed, variable: str, attribute: str, value: str) -> Iterator[None]:
    client, url = deployed.aws("sqs"), deployed.names[variable]
    before = client.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])["Attributes"]
    client.set_queue_attributes(QueueUrl=url, Attributes={attribute: value})
    try:
        yield
    finally:
        client.set_queue_attributes(QueueUrl=url, Attributes=before)


@contextmanager
def a_queue_without_a_redrive_policy(deployed: Deployed) -> Iterator[str]:
    with _queue(deployed, "SLUICE_BACKFILL_QUEUE_URL", "RedrivePolicy", ""):
        yield "BackfillQueue"


@contextmanager
def a_short_visibility_timeout(deployed: Deployed) -> Iterator[str]:
    with _queue(deployed, "SLUICE_PUSH_QUEUE_URL", "VisibilityTimeout", "30"):
        yield "PushQueue"


@contextmanager
def a_dead_letter(deployed: Deployed) -> Iterator[str]:
    client, url = deployed.aws("sqs"), deployed.names["SLUICE_PUSH_DLQ_URL"]
    client.send_message(QueueUrl=url, MessageBody="{}")
    try:
        yield "PushDeadLetterQueue"
    finally:
        client.purge_queue(QueueUrl=url)


@contextmanager
def _stream(deployed: Deployed, key: StreamKey = KEY, **changed: Any) -> Iterator[None]:
    """A stream in the registry beside the other tests' own; disabled at the end."""
    settings = {"shape": "page", "base_url": deployed.names["VENDOR_CARS_URL"]}
    given = {"cadence": timedelta(days=7), "settings": settings, "secret": secret_name(CLIENT)}
    entry = RegistryEntry(key, **{**given, **changed})
    deployed.registry.apply([*deployed.entries.values(), entry])
    try:
        yield
    finally:
        deployed.registry.apply(list(deployed.entries.values()))


@contextmanager
def _secret(deployed: Deployed, value: str) -> Iterator[Any]:
    client, name = deployed.aws("secretsmanager"), secret_name(CLIENT)
    client.create_secret(Name=name, SecretString=value)
    try:
        yield client
    finally:
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@contextmanager
def a_vendors_secret_that_is_missing(deployed: Deployed) -> Iterator[str]:
    with _stream(deployed):
        yield secret_name(CLIENT)


@contextmanager
def a_vendors_secret_that_is_empty(deployed: Deployed) -> Iterator[str]:
    with _secret(deployed, " \n"), _stream(deployed):
        yield secret_name(CLIENT)


@contextmanager
def a_vendors_secret_that_is_being_deleted(deployed: Deployed) -> Iterator[str]:
    with _secret(deployed, "a key") as client, _stream(deployed):
        client.delete_secret(SecretId=secret_name(CLIENT), RecoveryWindowInDays=7)
        yield secret_name(CLIENT)


@contextmanager
def a_webhook_secret_that_is_missing(deployed: Deployed) -> Iterator[str]:
    name = "sluice/webhooks/e2e-doctor"
    with _secret(deployed, "a key"), _stream(deployed, webhook_secret=name):
        yield name


@contextmanager
def a_stream_that_nobody_knows(deployed: Deployed) -> Iterator[str]:
    key = StreamKey(CLIENT, "cars", "lorries")
    with _secret(deployed, "a key"), _stream(deployed, key):
        yield str(key)


@contextmanager
def a_setting_that_does_not_hold(deployed: Deployed) -> Iterator[str]:
    with _secret(deployed, "a key"), _stream(deployed, settings={"shape": "round"}):
        yield str(KEY)


@contextmanager
def an_alarm_that_tells_nobody(deployed: Deployed) -> Iterator[str]:
    client = deployed.aws("cloudwatch")
    client.disable_alarm_actions(AlarmNames=["sluice-dead-letters"])
    try:
        yield "sluice-dead-letters"
    finally:
        client.enable_alarm_actions(AlarmNames=["sluice-dead-letters"])


@contextmanager
def lines_kept_for_ever(deployed: Deployed) -> Iterator[str]:
    client, group = deployed.aws("logs"), "/aws/lambda/sluice-worker"
    client.delete_retention_policy(logGroupName=group)
    try:
        yield group
    finally:
        client.put_retention_policy(logGroupName=group, retentionInDays=30)


PLANTED: Mapping[str, tuple[Plant, ...]] = {
    "schema": (an_older_schema,),
    "database-login": (a_login_that_owns_the_schema,),
    "database-secret": (no_url_in_the_databases_secret,),
    "pooler": (a_direct_connection,),
    "pool-size": (more_workers_than_the_pool_has_room_for,),
    "event-sources": (an_event_source_that_is_off,),
    "schedules": (a_schedule_that_is_off,),
    "functions": (a_throttled_function,),
    "redrive-policies": (a_queue_without_a_redrive_policy,),
    "visibility-timeouts": (a_short_visibility_timeout,),
    "dead-letters": (a_dead_letter,),
    "vendor-secrets": (
        a_vendors_secret_that_is_missing,
        a_vendors_secret_that_is_empty,
        a_vendors_secret_that_is_being_deleted,
    ),
    "webhook-secrets": (a_webhook_secret_that_is_missing,),
    "registry": (a_stream_that_nobody_knows, a_setting_that_does_not_hold),
    "alarms": (an_alarm_that_tells_nobody,),
    "log-retention": (lines_kept_for_ever,),
}
CASES = [
    pytest.param(check, plant, id=plant.__name__, marks=[pytest.mark.long] if each else [])
    for check, plants in PLANTED.items()
    for each, plant in enumerate(plants)
]


@pytest.mark.parametrize(("check", "plant"), CASES)
def test_what_is_planted_is_named_and_gone_when_mended(
    deployed: Deployed, check: str, plant: Plant
) -> None:
    """With what to do about it; and before and after it, the same check finds nothing there."""
    with plant(deployed) as subject:
        (found, *_) = named(deployed, check, subject) or [None]
        assert found is not None, f"{check} did not name {subject}"
        assert found.remedy
    assert named(deployed, check, subject) == []


def test_tables_that_can_be_lost_are_warned_of_and_protected_ones_are_not(
    deployed: Deployed,
) -> None:
    """The embedded stack goes away with its tables, so there it is no fault."""
    client, table = deployed.aws("dynamodb"), deployed.names["SLUICE_STATE_TABLE"]
    found = named(deployed, "tables", "StateTable")
    assert {each.verdict for each in found} == {Verdict.WARN}
    assert any("can delete it" in each.detail for each in found)
    client.update_table(TableName=table, DeletionProtectionEnabled=True)
    try:
        assert not any("can delete it" in e.detail for e in named(deployed, "tables", "StateTable"))
    finally:
        client.update_table(TableName=table, DeletionProtectionEnabled=False)


def test_a_stack_as_it_is_deployed_has_nothing_wrong_in_it(deployed: Deployed) -> None:
    """All that other tests' clients and messages do not touch; and no check fails to be made."""
    others = {
        "registry",
        "vendor-secrets",
        "webhook-secrets",
        "dead-letters",
        "pauses",
        "alarms-now",
    }
    found = found_by(deployed, *({check.name for check in CHECKS} - others))
    assert [each for each in found if each.verdict is Verdict.WRONG] == []
    assert [each for each in found if "could not be looked at" in each.detail] == []


def test_no_secret_is_in_what_the_doctor_says(deployed: Deployed) -> None:
    """Whatever it read to judge it."""
    found = found_by(deployed, *(check.name for check in CHECKS))
    said = " ".join(f"{each.subject} {each.detail} {each.remedy}" for each in found)
    passwords = {
        urlsplit(deployed.names[name]).password or "-"
        for name in ("DATABASE_URL", "POOLED_DATABASE_URL")
    }
    assert not [each for each in {*passwords, "canary-key-of-"} if each in said]
