"""What breaks is told: the right alarm, its page and no other; the runbook's commands mend it, and it ends.

A stack of its own: on the shared one other tests break things, and their alarms would ring here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from local.pgbouncer import POOL_SIZE
from local.places import Places
from local.stack import Stack
from sluice.core.keys import StreamKey
from tests.e2e.deployed import Deployed, api_key, secret_name, until
from tests.e2e.test_kills import kill_workers
from tests.e2e.watching import PACE, OnCall, listening, quick_schedules

pytestmark = pytest.mark.long

CARS = 300


@pytest.fixture(scope="module")
def hurried(stack_folder: Path) -> Iterator[Deployed]:
    """A stack whose alarms and schedules are faster than the template says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_ALARM_PACE", str(PACE))
        with Stack(Places(stack_folder / "alarms")) as stack:
            stack.up(print)
            deployed = Deployed(stack)
            with quick_schedules(deployed):
                yield deployed
            deployed.close()


@pytest.fixture
def on_call(hurried: Deployed) -> Iterator[OnCall]:
    with listening(hurried) as on_call:
        on_call.all_is_quiet()
        on_call.told.clear()
        yield on_call


def synced(deployed: Deployed, client_id: str, **settings: Any) -> StreamKey:
    """A client whose cars are here."""
    began = datetime.now(UTC)
    key = deployed.add_client(client_id, **{"cars": CARS, **settings})
    assert deployed.run_of(key, began)["outcome"] == "completed"
    return key


def follow(on_call: OnCall, key: StreamKey) -> None:
    """The runbooks' "not to wait for the tick"."""
    on_call.sluice("sync", str(key), "--full", "--follow", "--timeout", "90")


def change(deployed: Deployed, statement: str, key: StreamKey) -> Any:
    """As somebody with the owner's rights could; the row, if one comes back."""
    done = deployed.database.execute(statement.encode(), {"key": str(key)})
    assert done.rowcount > 0, statement
    return done.fetchone() if done.description else None


def test_a_vendor_that_is_down(on_call: OnCall) -> None:
    """And data that is late meanwhile tells nobody: the vendor's page says why."""
    deployed = on_call.deployed
    key = synced(deployed, "down")
    deployed.vendor.set_fault(api_key("down"), "server_error")
    deployed.sync(key)
    on_call.rings("breaker-opened", page="vendors")
    grow_old(deployed, key)
    until(lambda: "streams-late" in on_call.ringing(), "it is late", 60)
    assert "page-late" in on_call.ringing()

    deployed.vendor.clear_faults(api_key("down"))
    on_call.sluice("accounts", "clear", f"cars#{secret_name('down')}", "--why", "it is back")
    follow(on_call, key)
    on_call.all_is_quiet()
    on_call.is_told("page-vendors", "OK")
    assert on_call.pages_told() == {"vendors"}


def grow_old(deployed: Deployed, key: StreamKey) -> None:
    """Play the passing of a month since its last runs."""
    change(
        deployed,
        "UPDATE sluice.run SET started_at = started_at - interval '30 days',"
        " last_progress_at = last_progress_at - interval '30 days', ended_at = ended_at - interval '30 days'"
        " WHERE stream_key = %(key)s AND ended_at IS NOT NULL",
        key,
    )
    change(
        deployed,
        "UPDATE sluice.sync_commit SET updated_at = updated_at - interval '30 days' WHERE stream_key = %(key)s",
        key,
    )


def test_data_that_is_late_without_a_cause(on_call: OnCall) -> None:
    key = synced(on_call.deployed, "late")
    grow_old(on_call.deployed, key)
    on_call.rings("streams-late", page="late")
    told = json.loads(on_call.sluice("status", "--json", ends=5))
    assert [each["subject"] for each in told["findings"]] == [str(key)]

    follow(on_call, key)
    on_call.all_is_quiet()
    assert on_call.pages_told() == {"late"}
    on_call.sluice("status")


def test_a_worker_that_died_with_its_lease(on_call: OnCall) -> None:
    deployed, began = on_call.deployed, datetime.now(UTC)
    key = deployed.add_client("stuck", cars=3000, concurrency=2, slice_rows=300)
    deployed.vendor.set_fault(api_key("stuck"), "slow", delay_ms=300)
    until(lambda: deployed.state(key).get("lease_owner"), "a slice is under way")
    assert kill_workers(deployed) > 0
    assert str(key) in on_call.sluice("leases")
    deployed.let_lease_lapse(key)
    on_call.rings("stale-leases", page="ours")

    deployed.vendor.clear_faults(api_key("stuck"))
    assert deployed.run_of(key, began)["outcome"] == "completed"
    on_call.all_is_quiet()
    assert on_call.pages_told() == {"ours"}


def test_a_message_that_nobody_can_work_on(on_call: OnCall) -> None:
    """It fails five times and is a dead letter, until somebody throws it away."""
    deployed = on_call.deployed
    sqs, url = deployed.aws("sqs"), deployed.names["SLUICE_QUEUE_URL"]
    name = {"QueueUrl": url}
    asked: Any = sqs.get_queue_attributes(**name, AttributeNames=["VisibilityTimeout"])
    sqs.set_queue_attributes(**name, Attributes={"VisibilityTimeout": "1"})
    try:
        sqs.send_message(**name, MessageBody='{"poison": true}', MessageGroupId="nobody")
        on_call.rings("dead-letters", page="ours")
    finally:
        sqs.set_queue_attributes(**name, Attributes=asked["Attributes"])
    (letter,) = json.loads(on_call.sluice("dlq", "list", "--json"))
    on_call.sluice("dlq", "discard", letter["id"], "--why", "no message at all", "--yes")
    on_call.all_is_quiet()
    assert on_call.pages_told() == {"ours"}


def test_a_watermark_that_stands(on_call: OnCall) -> None:
    key = synced(on_call.deployed, "frozen")
    change(
        on_call.deployed,
        "UPDATE sluice.sync_commit SET advanced_at = now() - interval '30 days' WHERE stream_key = %(key)s",
        key,
    )
    on_call.rings("watermark-stuck", page="late")
    follow(on_call, key)
    on_call.all_is_quiet()
    assert on_call.pages_told() == {"late"}


def test_change_detection_that_is_off(on_call: OnCall) -> None:
    """The vendor changes a field at every answer, and nobody told us to leave it out."""
    deployed = on_call.deployed
    key = synced(deployed, "fickle", volatile_fields=[])
    for _ in range(3):
        assert deployed.run_of(key, deployed.sync(key))["updated"] == CARS
    on_call.rings("change-detection-off", page="data")

    entry = deployed.entries[key]
    entry.settings["volatile_fields"] = ["_fetched_at"]
    deployed.registry.apply(list(deployed.entries.values()))
    until(lambda: _unchanged(deployed, key), "the new setting is used")
    on_call.all_is_quiet()
    assert on_call.pages_told() == {"data"}


def _unchanged(deployed: Deployed, key: StreamKey) -> bool:
    return bool(deployed.run_of(key, deployed.sync(key))["unchanged"] == CARS)


def test_a_log_that_does_not_add_up(on_call: OnCall) -> None:
    """Somebody took a slice out of it, and puts it back."""
    deployed = on_call.deployed
    key = synced(deployed, "gap", slice_rows=100)
    taken = change(
        deployed,
        "DELETE FROM sluice.commit_log c WHERE stream_key = %(key)s AND seq = 2 RETURNING to_jsonb(c) AS row",
        key,
    )
    on_call.rings("sums-broken", page="data")
    deployed.database.execute(
        "INSERT INTO sluice.commit_log SELECT (jsonb_populate_record(null::sluice.commit_log, %s)).*",
        (json.dumps(taken["row"]),),
    )
    on_call.all_is_quiet()
    assert on_call.pages_told() == {"data"}


def test_pushes_that_nobody_could_apply(on_call: OnCall) -> None:
    """Dead letters of the other queue: sent back to it, and dead again if they are as they were."""
    sqs, url = on_call.deployed.aws("sqs"), on_call.deployed.names["SLUICE_PUSH_DLQ_URL"]
    sqs.send_message(QueueUrl=url, MessageBody='{"no": "push"}')
    on_call.rings("apply-dead-letters", page="ours")
    told = json.loads(on_call.sluice("dlq", "list", "--json"))
    on_call.sluice("dlq", "discard", told[0]["id"], "--why", "a test", "--yes")
    on_call.all_is_quiet()
    assert on_call.pages_told() == {"ours"}


@contextmanager
def somebody_else_has_the_login(deployed: Deployed) -> Iterator[None]:
    """More than half of the pool's connections, each in a transaction that does not end."""
    login = conninfo_to_dict(deployed.names["POOLED_DATABASE_URL"])
    place = conninfo_to_dict(deployed.names["DATABASE_URL"])
    own = {name: login[name] for name in ("user", "password", "dbname")}
    with ExitStack() as held:
        for _ in range(POOL_SIZE // 2 + 1):
            connection = psycopg.connect(host=place["host"], port=place["port"], **own)
            held.callback(connection.close)
            connection.execute("SELECT 1")
        yield


def test_more_than_half_of_the_pool(on_call: OnCall) -> None:
    """By somebody who is none of ours; once they have a login of their own, it is over."""
    with somebody_else_has_the_login(on_call.deployed):
        on_call.rings("connections-high", page="ours")
        assert on_call.ringing() == {"connections-high", "page-ours", "cause-known"}
    on_call.all_is_quiet()
    on_call.is_told("page-ours", "OK")
    assert on_call.pages_told() == {"ours"}


HEAVY = {"cars": 6000, "page_size": 250, "concurrency": 8, "slice_rows": 6000}
"""All of it in one slice, so that the worker needs more than the 128 MB that no function can have less of."""


@contextmanager
def little_memory(deployed: Deployed) -> Iterator[None]:
    """Workers that may have little more than they ever used; then what they had, as a deploy with another
    ``MemorySize`` gives it. Environments of before end each time."""
    worker = {"FunctionName": deployed.names["SLUICE_WORKER_FUNCTION"]}
    functions = deployed.aws("lambda")
    had = functions.get_function_configuration(**worker)["MemorySize"]
    used = max(each.peak_rss_mb for each in deployed.stack.worker_processes("worker"))
    functions.update_function_configuration(**worker, MemorySize=max(128, int(used / 0.95)))
    try:
        yield
    finally:
        functions.update_function_configuration(**worker, MemorySize=had)


def test_a_worker_near_its_memory(on_call: OnCall) -> None:
    """The embedded AWS kills none for it, so the slice completes; the alarm rings before AWS would."""
    deployed = on_call.deployed
    synced(deployed, "heavy", **HEAVY)
    with little_memory(deployed):
        key = synced(deployed, "heavier", **HEAVY)
        on_call.rings("memory-high", page="ours")
        assert on_call.ringing() == {"memory-high", "page-ours", "cause-known"}
    follow(on_call, key)
    on_call.all_is_quiet()
    on_call.is_told("page-ours", "OK")
    assert on_call.pages_told() == {"ours"}
