"""Cleanup frees leases even while the database is away, and does not hide that it is."""

from __future__ import annotations

from typing import Any

from tests.unit.functions.handlers import ScriptedAws, environment, run

STALE: dict[str, Any] = {
    "stream_key": {"S": "acme#cars#cars"},
    "lease_owner": {"S": "a dead worker"},
    "fencing_token": {"N": "7"},
    "lease_until": {"N": "1000"},
    "leased": {"S": "yes"},
}


def test_leases_are_freed_while_the_database_is_away(aws: ScriptedAws) -> None:
    """The message first, then the lease; then the database is asked for silent runs, and the error is
    the function's own, so that its alarm hears of it."""
    aws.will("Query", {"Items": [STALE], "Count": 1})
    aws.will("SendMessage", {"MessageId": "1"})
    aws.will("UpdateItem", {"Attributes": {}})
    aws.will("GetSecretValue", {"SecretString": "postgresql://app:pw@127.0.0.1:1/app"})
    ran = run("cleanup", {}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer is None
    assert ran.error.startswith("sluice.core.errors.DatabaseUnavailable: ")
    assert "app:pw" not in ran.error
    assert aws.operations == ["Query", "SendMessage", "UpdateItem", "GetSecretValue"]
