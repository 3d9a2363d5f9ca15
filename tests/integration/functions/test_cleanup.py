"""Cleanup's answer says what it did: leases from a scripted AWS, silent runs from a real database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from local.postgres import Database
from tests.unit.functions.handlers import ScriptedAws, environment, run, scripted_aws

REFUSED = {
    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    "message": "The conditional request failed",
}
CLAIMED = """
INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, fencing_token)
VALUES (%(client)s || '#cars#cars', %(client)s, 'cars', 'cars', 1)
"""
SILENT_RUN = """
INSERT INTO sluice.run (run_id, stream_key, client_id, source, stream, reason, started_at, last_progress_at)
VALUES (gen_random_uuid(), %(client)s || '#cars#cars', %(client)s, 'cars', 'cars', 'schedule',
        now() - %(age)s::interval, now() - %(age)s::interval)
"""
DELIVERIES = """
INSERT INTO sluice.inbox (client_id, source, event_id, received_at)
VALUES ('acme', 'shop', 'old', now() - interval '15 days'), ('acme', 'shop', 'new', now())
"""
OLD_DAY = """
CREATE TABLE public.mixpanel_events_20200101 PARTITION OF public.mixpanel_events
   FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')
"""
OLD_RUNS = """
INSERT INTO sluice.run (run_id, stream_key, client_id, source, stream, reason, outcome, started_at, last_progress_at,
       ended_at)
SELECT gen_random_uuid(), 'dora#cars#cars', 'dora', 'cars', 'cars', 'schedule', 'completed', at, at, at
  FROM unnest(ARRAY[now() - interval '20 days', now() - interval '10 days', now() - interval '1 day']) at
"""


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as scripted:
        yield scripted


def test_a_pass_counts_what_it_did(
    aws: ScriptedAws, database: Database, rows: psycopg.Connection[tuple[object, ...]]
) -> None:
    """Of two stale leases one was renewed meanwhile; of three runs one is silent, one is given up; of two
    deliveries one is old, and so are a day of events and a run."""
    for client, age in {"acme": "1 hour", "bolt": "2 days", "cogs": "1 minute"}.items():
        rows.execute(CLAIMED, {"client": client})
        rows.execute(SILENT_RUN, {"client": client, "age": age})
    rows.execute(DELIVERIES)
    rows.execute(OLD_DAY)
    rows.execute(OLD_RUNS)
    aws.will("Query", {"Items": [_stale("dora"), _stale("edgy")], "Count": 2})
    aws.will("UpdateItem", {"Attributes": {}})
    aws.will("UpdateItem", REFUSED, status=400)
    for _ in range(3):
        aws.will("SendMessage", {"MessageId": "1"})
    aws.will("GetSecretValue", {"SecretString": database.app_url})
    names = environment(AWS_ENDPOINT_URL=aws.endpoint, SLUICE_HISTORY_DAYS="15")
    ran = run("cleanup", {}, names)
    assert ran.error == ""
    assert ran.answer == {
        "freed": 1, "changed": 1, "resent": 2, "abandoned": 1, "pruned": 1, "forgotten": 1, "held": 0,
        "old_runs": 1, "old_slices": 0, "old_rejects": 0,
    }  # fmt: skip
    assert ran.line("clean_up")["freed"] == 1
    assert rows.execute("SELECT to_regclass('public.mixpanel_events_20200101')").fetchone() == (
        None,
    )
    asked = [sent["MessageGroupId"] for operation, sent in aws.asked if operation == "SendMessage"]
    assert asked == ["dora", "edgy", "acme"]


def _stale(client: str) -> dict[str, Any]:
    return {
        "stream_key": {"S": f"{client}#cars#cars"},
        "lease_owner": {"S": "a dead worker"},
        "fencing_token": {"N": "7"},
        "lease_until": {"N": "1000"},
        "leased": {"S": "yes"},
    }
