"""The monitor counts what it can see, and is an error of its own where it cannot see everything."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.functions.handlers import ScriptedAws, environment, run

ENTRY: dict[str, Any] = {
    "stream_key": {"S": "acme#cars#cars"},
    "cadence_s": {"N": "300"},
    "settings": {"S": json.dumps({"shape": "page", "base_url": "http://127.0.0.1:1", "page_size": 250})},
    "secret": {"S": "sluice/acme/cars"},
    "enabled": {"BOOL": True},
    "paused": {"BOOL": False},
    "updated_at": {"N": "1000"},
}  # fmt: skip
STOPPED = {"stopped": {"why": "401 for planted-canary-0815", "digest": "d"}}
PAGE = {
    "subject": {"S": "account#cars#sluice/acme/cars"},
    "version": {"N": "1"},
    "page": {"S": json.dumps(STOPPED)},
}


def test_without_the_database_it_counts_the_rest_and_fails(aws: ScriptedAws) -> None:
    """Its alarm hears of it, no stream is called late, and the password is nowhere."""
    url = "postgresql://app:planted-canary-0815@127.0.0.1:1/app"
    aws.will("Scan", {"Items": [ENTRY], "Count": 1})
    aws.will("GetItem", {})
    aws.will("GetSecretValue", {"SecretString": url})
    aws.will("GetQueueAttributes", {"Attributes": {"ApproximateNumberOfMessages": "2"}})
    aws.will("GetQueueAttributes", {"Attributes": {}})
    aws.will("BatchGetItem", {"Responses": {"limits": [PAGE]}, "UnprocessedKeys": {}})
    aws.will("Query", {"Items": [], "Count": 0})
    told = environment(AWS_ENDPOINT_URL=aws.endpoint, SLUICE_STACK="blue", SLUICE_POOL_SIZE="20")
    ran = run("monitor", {}, told)
    assert ran.answer is None
    assert ran.error.startswith(
        "sluice.core.errors.StateUnavailable: not all could be looked at: database: "
    )
    whole = ran.line("overview")
    assert (whole["states"], whole["findings"]) == ({"unknown": 1}, {"account-stopped": 1})
    assert ran.line("finding")["subject"] == "cars#sluice/acme/cars"
    metrics = {name: line for line in ran.lines if "_aws" in line for name in line}
    assert metrics["AccountsStopped"]["AccountsStopped"] == [1.0]
    assert metrics["AccountsStopped"]["stack"] == "blue"
    assert "StreamsLate" not in metrics
    assert "canary" not in json.dumps(ran.lines)
    assert "canary" not in ran.error
